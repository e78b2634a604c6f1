"""Small hand-made data for several test modules: raw files, tables of a direction, and which events are visible."""

import gzip
import json
from collections import defaultdict
from pathlib import Path

import polars as pl
from hypothesis import assume
from hypothesis import strategies as st

from semacdr.data.dates import day_of
from semacdr.data.history import History, load_history
from semacdr.data.roles import Dates, by_time, leave_one_out
from semacdr.storage import tables

DAY = 86_400
SPRING = 1_397_001_600  # 9 April 2014, 00:00 UTC


def write_gz(path: Path, *lines) -> Path:
    """A gzip file of lines: bytes and texts as they are, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(encoded(line) + b"\n" for line in lines), mtime=0))
    return path


def encoded(line) -> bytes:
    if isinstance(line, bytes):
        return line
    return line.encode() if isinstance(line, str) else json.dumps(line).encode()


def review(user: str, item: str, day: int = 0) -> dict:
    """A review as in the release of 2014, `day` days after 9 April 2014."""
    return {"reviewerID": user, "asin": item, "unixReviewTime": SPRING + day * DAY, "overall": 5.0}


def read(path: Path, contract: str) -> pl.DataFrame:
    return pl.from_arrow(tables.read(path, contract)[0])


class World:
    """A direction: events (user, domain, number of the item in its domain, day), and how many items each domain has.

    Users are numbered from 0. The domains are 'book' and 'film', so books are the scenario's first items. Of the users
    in `cold` all target events but the last are hidden. With `days`, the split is by time: validation from the first
    of the two days on, test from the second.
    """

    def __init__(self, events, books=8, films=8, target="film", cold=(), days=None):
        self.sizes, self.target, self.days = {"book": books, "film": films}, target, days
        self.source = "book" if target == "film" else "film"
        self.first = {"book": 0, "film": books}
        rows = [(user, self.first[domain] + item, domain, SPRING + day * DAY) for user, domain, item, day in events]
        self.rows = sorted(rows, key=lambda row: (row[0], row[3], row[2], row[1]))
        self.users, self.cold = 1 + max(row[0] for row in rows), set(cold)
        by_day = sorted(rows, key=lambda row: (row[3], row[1]))
        last = {user: item for user, item, domain, _ in by_day if domain == target}
        self.hidden = [row for row in self.rows if row[0] in self.cold and row[2] == target and row[1] != last[row[0]]]

    @property
    def interactions(self) -> pl.DataFrame:
        schema = {"user": pl.Int32, "item": pl.Int32, "domain": pl.String, "timestamp": pl.Int64}
        return pl.DataFrame(self.rows, schema=schema, orient="row")

    @property
    def items(self) -> pl.DataFrame:
        rows = [
            (self.first[domain] + number, f"{domain}{number}", domain, f"The {domain} {number}", "", [], "")
            for domain, size in self.sizes.items()
            for number in range(size)
        ]
        names = list(tables.CONTRACTS["items"])
        return pl.DataFrame(rows, schema=names, schema_overrides={"categories": pl.List(pl.String)}, orient="row")

    def write(self, folder: Path) -> dict[str, Path]:
        """interactions, items and split under `folder`: their paths by name."""
        meta = {"release": "handmade", "scenario": "book_film"}
        frames = {"interactions": self.interactions, "items": self.items}
        own = {"source": self.source, "target": self.target}
        if self.days:
            dates = Dates(*(day_of(SPRING + day * DAY) for day in self.days))
            frames["split"] = by_time(self.interactions, self.target, dates)
            own |= {"split_by": "time", "valid_from": dates.valid_from, "test_from": dates.test_from}
        else:
            hidden = pl.col("user").is_in(list(self.cold)) & (pl.col("role") != "test")
            role = pl.when(hidden).then(pl.lit("hidden")).otherwise("role")
            frames["split"] = leave_one_out(self.interactions, self.target).with_columns(role=role)
        for name, frame in frames.items():
            direction = own if name == "split" else {}
            tables.write(frame.to_arrow(), folder / f"{name}.parquet", name, meta | direction)
        return {name: folder / f"{name}.parquet" for name in frames}

    def history(self, folder: Path) -> History:
        paths = self.write(folder)
        return load_history(paths["interactions"], paths["items"], paths["split"])

    # The rules of visibility, event by event, in plain Python

    def of_user(self, user: int, domain: str) -> list[tuple[int, int]]:
        """The user's (timestamp, item) in a domain that are not hidden, in the user's order."""
        shown = (row for row in self.rows if row not in self.hidden)
        return sorted((time, item) for u, item, d, time in shown if u == user and d == domain)

    def visible(self, user: int, place: int) -> list[tuple[int, str, int]]:
        """(timestamp, domain, item) before the user's target event number `place`, in the order of becoming visible."""
        targets = [*self.of_user(user, self.target), (float("inf"), None)]  # the last place: after all events
        seen = [(time, 0, item) for time, item in targets[:place]]
        seen += [(time, 1, item) for time, item in self.of_user(user, self.source) if time < targets[place][0]]
        return [(time, (self.target, self.source)[is_source], item) for time, is_source, item in sorted(seen)]

    def period(self, time: int) -> int:
        """0, 1 or 2 for a timestamp in the period of training, of validation or of the test of a split by time."""
        return sum(time >= SPRING + day * DAY for day in self.days)

    def held_out(self, user: int, split: str) -> int | None:
        """The number of the user's target event that a split holds out; None if it holds out none."""
        targets = self.of_user(user, self.target)
        if self.days:
            wanted = {"valid": 1, "test": 2}[split]
            return next((place for place, (time, _) in enumerate(targets) if self.period(time) == wanted), None)
        return {"valid": None if user in self.cold else len(targets) - 2, "test": len(targets) - 1}[split]

    def training(self) -> dict[int, list[tuple[int, str, int]]]:
        """The events of each user that training may see: all that are visible before the first held-out event.

        With a split by time: all before the day of validation.
        """
        if self.days:
            whole = {user: self.visible(user, len(self.of_user(user, self.target))) for user in range(self.users)}
            return {user: [event for event in seen if self.period(event[0]) == 0] for user, seen in whole.items()}
        behind = {user: 1 if user in self.cold else 2 for user in range(self.users)}
        return {user: self.visible(user, len(self.of_user(user, self.target)) - n) for user, n in behind.items()}


@st.composite
def worlds(draw, least=3, most_users=4, items=7, by_time=False):
    """Worlds in which many events share a day, and some users may be cold, or the split is by time.

    A user has at least `least` target events, perhaps no source event.
    """
    target, events = draw(st.sampled_from(["book", "film"])), []
    days, numbers = st.integers(0, 6), st.integers(0, items - 1)
    users = draw(st.integers(1, most_users))
    for user in range(users):
        for domain in ("book", "film"):
            fewest = least if domain == target else 0
            taken = draw(st.lists(st.tuples(numbers, days), min_size=fewest, unique_by=lambda pair: pair[0]))
            events += [(user, domain, item, day) for item, day in taken]
    if not by_time:
        return World(events, items, items, target, draw(st.sets(st.integers(0, users - 1))))
    days = sorted({day for _, domain, _, day in events if domain == target})
    assume(len(days) >= 3)  # one each for training, validation and test
    places = st.lists(st.integers(1, len(days) - 1), min_size=2, max_size=2, unique=True)
    return World(events, items, items, target, days=tuple(days[place] for place in sorted(draw(places))))


def neighbours(world: World, domain: str) -> set[tuple[int, int]]:
    """Pairs of items of a domain, by their numbers in it, that one user has both of in training."""
    pairs, own = set(), defaultdict(set)
    for user, seen in world.training().items():
        own[user] = {item - world.first[domain] for _, d, item in seen if d == domain}
        pairs |= {(a, b) for a in own[user] for b in own[user] if a != b}
    return pairs
