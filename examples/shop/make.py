"""Make the tables of a made-up shop of songs and podcasts: a small example of data of your own.

    python examples/shop/make.py [FOLDER]

Writes four CSV files to the folder (default: shop): plays.csv and songs.csv, listens.csv and podcasts.csv. Ids and
titles have what real exports have: commas, quotes, emoji, Chinese. Listeners have a taste in both domains and tend to
go on with the next item of a series, so systems have something to learn. The same files every time.
"""

import csv
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

THEMES = {  # theme: words of songs, words of podcasts, Chinese words
    "night": (["Midnight", "Neon", "Lantern"], ["Sleepless", "After Dark"], ["夜", "月光"]),
    "sea": (["Harbour", "Tide", "Salt"], ["Deep Water", "Lighthouse"], ["海", "潮"]),
    "city": (["Concrete", "Subway", "Corner"], ["Street Stories", "Rooftops"], ["城", "街"]),
    "garden": (["Clover", "Rain", "Seed"], ["Green Hands", "The Allotment"], ["花", "雨"]),
    "space": (["Orbit", "Comet", "Gravity"], ["Far Signals", "Launch Window"], ["星", "太空"]),
}
FORMS = ["Waltz", "Song", "Blues", "Anthem", "Lullaby", "March"]
USERS, SONG_ONLY, PODCAST_ONLY = 160, 20, 15
START = datetime(2024, 1, 8, tzinfo=UTC)
FOLLOWS = 0.6  # share of events that go on with the next item of the theme


def user_id(number: int) -> str:
    """Ids as shops have them, some of them awkward."""
    shapes = ["u{:04d}", "mail{}@example.org", "Müller, {}", 'the "{}"', "🎧{}", "李{}"]
    return shapes[number % len(shapes)].format(number)


def catalogue(kind: str, per_theme: int, rng: random.Random) -> list[dict[str, str]]:
    """The items of a kind: songs or podcasts, those of a theme in their order."""
    items = []
    for theme, (song_words, podcast_words, chinese) in THEMES.items():
        for number in range(per_theme):
            if kind == "songs":
                title = f"{song_words[number % 3]} {FORMS[number % 6]}"
                title = f"{rng.choice(chinese)}之歌 {number}" if number % 5 == 4 else title
                tempo, language = rng.choice(["slow", "fast"]), "zh" if number % 5 == 4 else "en"
                items.append({
                    "song": f"{theme},{number}", "name": title, "artist": f"The {song_words[number % 2]}s",
                    "lyrics": f"A {tempo} song about the {theme}.", "mood": theme, "language": language,
                })  # fmt: skip
            else:
                title = f'{podcast_words[number % 2]} "{number}"'
                about = f"An hour of talk about the {theme}.\nWith guests."
                items.append(
                    {"episode": f"歌-{theme}-{number}", "title": title, "about": about, "topic": f"{theme}|talk"}
                )
    return items


def history(liked: list[str], rng: random.Random, per_theme: int, events: int) -> list[tuple[str, int]]:
    """Theme and number of the items that a listener takes one after the other, each once."""
    taken: list[tuple[str, int]] = []
    theme, number = rng.choice(liked), rng.randrange(per_theme)
    while len(taken) < events:
        if rng.random() < FOLLOWS:
            number = (number + 1) % per_theme
        else:
            theme = rng.choice(liked if rng.random() < 0.9 else list(THEMES))
            number = rng.randrange(per_theme)
        if (theme, number) not in taken:
            taken.append((theme, number))
    return taken


def make(folder: Path) -> None:
    """Write the four tables."""
    rng = random.Random(20)
    folder.mkdir(parents=True, exist_ok=True)
    plays, listens = [], []
    for number in range(USERS + SONG_ONLY + PODCAST_ONLY):
        user, liked = user_id(number), rng.sample(list(THEMES), 2)
        time = START + timedelta(hours=rng.randrange(2000))
        songs = history(liked, rng, 12, rng.randint(8, 16)) if number < USERS + SONG_ONLY else []
        talks = history(liked, rng, 10, rng.randint(6, 12)) if number < USERS or number >= USERS + SONG_ONLY else []
        both = [("song", one) for one in songs] + [("talk", one) for one in talks]
        order = sorted(range(len(both)), key=lambda place: (place - (len(songs) if place >= len(songs) else 0), place))
        for kind, (theme, item) in (both[place] for place in order):
            time += timedelta(minutes=rng.randrange(60, 3000))
            if kind == "song":
                plays.append([user, f"{theme},{item}", time.isoformat(), rng.randint(2, 9)])
                if rng.random() < 0.15:  # skipped after a few seconds: the filter of the example leaves these out
                    other = f"{rng.choice(list(THEMES))},{rng.randrange(12)}"
                    plays.append([user, other, (time + timedelta(minutes=3)).isoformat(), 1])
            else:
                listens.append([user, f"歌-{theme}-{item}", int(time.timestamp() * 1000)])
    write(folder / "plays.csv", ["listener", "song", "played_at", "plays"], plays)
    write(folder / "listens.csv", ["user", "episode", "ms"], listens)
    for name, kind, count in (("songs.csv", "songs", 12), ("podcasts.csv", "podcasts", 10)):
        rows = catalogue(kind, count, rng)
        write(folder / name, list(rows[0]), [list(row.values()) for row in rows])


def write(path: Path, header: list[str], rows: list[list]) -> None:
    """Write a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    print(f"{path}: {len(rows):,} rows")


if __name__ == "__main__":
    make(Path(sys.argv[1] if len(sys.argv) > 1 else "shop"))
