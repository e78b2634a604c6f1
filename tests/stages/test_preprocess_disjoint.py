"""Disjoint users: each is in one domain, and no table says which accounts of the two domains belong together."""

import hashlib
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_preprocess_tables import COLUMNS, csv_file, run, steps
from tiny_dataset import DAY, SPRING, read

from semacdr.data.disjoint import kept_domain, one_domain_each, raw_ids
from semacdr.data.funnel import Funnel
from semacdr.data.history import load_history
from semacdr.errors import UserError
from semacdr.stages import preprocess, split
from semacdr.storage import tables

DOMAINS = ["book", "film"]
TABLES = ["attributes.parquet", "interactions.parquet", "items.parquet", "statistics.tsv", "users.parquet"]
DRAW = ("--users", "disjoint", "--shared-ids", "draw")
DIFFERENT = ("--users", "disjoint", "--shared-ids", "different")


def rows_of(users, prefix, items=6, least=4, most=6, seed=1):
    """Events of some of the domain's items for each user, by (user, seed) alone, on few days."""
    rows = []
    for user in users:
        rng = random.Random(f"{user} {prefix} {seed}")
        chosen = rng.sample(range(items), rng.randint(least, most))
        rows += [{"who": user, "what": f"{prefix}{n}", "when": SPRING + rng.randrange(5) * DAY} for n in chosen]
    return rows


def made(folder, films, books, *options, **both):
    """The output folder of the stage on rows of films and books."""
    given = [{"interactions": csv_file(folder / f"{name}.csv", rows)} for name, rows in (("f", films), ("b", books))]
    return run(folder, *given, *options, **both)


def users_of(output):
    """By domain the ids of its users, in the order of their numbers."""
    events = read(output / "interactions.parquet", "interactions").select("user", "domain").unique()
    ids = read(output / "users.parquet", "users").join(events, on="user").sort("user")
    return {domain: ids.filter(pl.col("domain") == domain)["user_id"].to_list() for domain in DOMAINS}


def rows_by_id(output, domain):
    """The interactions of a domain in their order, with ids in place of numbers."""
    frame = read(output / "interactions.parquet", "interactions").filter(pl.col("domain") == domain)
    frame = frame.join(read(output / "users.parquet", "users"), on="user", maintain_order="left")
    frame = frame.join(read(output / "items.parquet", "items").drop("domain"), on="item", maintain_order="left")
    return frame.select("user_id", "item_id", "timestamp").rows()


def same_tables(one, two):
    return [name for name in TABLES if (one / name).read_bytes() != (two / name).read_bytes()] == []


PEOPLE = [f"u{n}" for n in range(40)]  # in both domains
FILMS, BOOKS = rows_of([*PEOPLE, "f1", "f2"], "F"), rows_of([*PEOPLE, "b1"], "B")


def test_a_draw_keeps_each_person_in_one_domain_and_counts_the_rest(tmp_path):
    output = made(tmp_path, FILMS, BOOKS, *DRAW)
    kept = {domain: [user for user in PEOPLE if kept_domain(user, DOMAINS, 0) == domain] for domain in DOMAINS}
    assert min(map(len, kept.values())) >= 10
    assert users_of(output) == {"book": sorted([*kept["book"], "b1"]), "film": sorted([*kept["film"], "f1", "f2"])}
    counts = steps(output)
    for domain, rows, other in (("film", FILMS, "book"), ("book", BOOKS, "film")):
        lost = [row for row in rows if row["who"] in kept[other]]
        assert counts[domain, "people drawn to this domain (shared_ids, draw_seed)"] == str(len(kept[domain]))
        assert counts[domain, "accounts discarded by the draw"] == str(len(kept[other]))
        assert counts[domain, "events of discarded accounts"] == str(len(lost))
        assert counts[domain, "one domain for each person"] == str(len(rows) - len(lost))
    statistics = (output / "statistics.tsv").read_text().splitlines()[1:]
    assert [line.split("\t")[:3] for line in statistics] == [
        ["book", "0", str(len(kept["book"]) + 1)],
        ["film", "0", str(len(kept["film"]) + 2)],
    ]


def test_the_draw_is_what_the_metadata_state(tmp_path):
    output = made(tmp_path, FILMS, BOOKS, *DRAW, "--draw-seed", "7")
    for name in ("interactions", "users", "items"):
        meta = tables.read(output / f"{name}.parquet", name)[1]
        assert (meta["users"], meta["shared_ids"], meta["draw_seed"]) == ("disjoint", "draw", "7")
        assert "blake2b(draw_seed, user id) modulo 2" in meta["draw_rule"]
    for user in PEOPLE:  # the rule, written out again
        digest = hashlib.blake2b(f"draw\0{7}\0{user}".encode(), digest_size=8).digest()
        assert user in users_of(output)[DOMAINS[digest[-1] % 2]]
    assert users_of(made(tmp_path / "other", FILMS, BOOKS, *DRAW)) != users_of(output)


def test_shared_users_have_none_of_these_metadata(tmp_path):
    meta = tables.read(made(tmp_path, FILMS, BOOKS) / "users.parquet", "users")[1]
    assert not {"users", "shared_ids", "draw_seed", "draw_rule"} & meta.keys()


def discarded(rows, domain):
    """Rows of people of both domains whom the draw keeps in the other one, and the other rows."""
    lost = {user for user in PEOPLE if kept_domain(user, DOMAINS, 0) != domain}
    return [row for row in rows if row["who"] in lost], [row for row in rows if row["who"] not in lost]


def test_which_discarded_account_belongs_to_whom_changes_no_byte(tmp_path):
    """The discarded accounts of each domain are exchanged among their owners, at random."""
    changed = {}
    for domain, rows in (("film", FILMS), ("book", BOOKS)):
        lost, rest = discarded(rows, domain)
        owners = sorted({row["who"] for row in lost})
        others = dict(zip(owners, random.Random(3).sample(owners, len(owners)), strict=True))
        assert sum(one != other for one, other in others.items()) > 5
        changed[domain] = [*rest, *(row | {"who": others[row["who"]]} for row in lost)]
    one, two = made(tmp_path / "a", FILMS, BOOKS, *DRAW), made(tmp_path / "b", changed["film"], changed["book"], *DRAW)
    assert same_tables(one, two)
    assert steps(one) == steps(two)  # not even the counts


def test_the_events_of_a_discarded_account_change_nothing_but_the_counts(tmp_path):
    """Also where they would lift an item over a threshold, make a duplicate, or be the latest of all events."""
    lost, rest = discarded(BOOKS, "book")
    more = [row | {"when": row["when"] + 900 * DAY, "what": f"X{n % 3}"} for n, row in enumerate(lost)]
    one = made(tmp_path / "a", FILMS, BOOKS, *DRAW)
    two = made(tmp_path / "b", FILMS, [*more, *lost[::2], *rest], *DRAW)
    assert same_tables(one, two)
    differ = {key for key, count in steps(one).items() if steps(two)[key] != count}
    before_the_filters = ("interactions rows", "interactions rows with epochs in s", "usable rows")
    assert differ == {("book", step) for step in (*before_the_filters, "events of discarded accounts")}


def test_the_numbers_of_one_domains_users_do_not_depend_on_the_others_ids(tmp_path):
    films, books = rows_of([f"m{n}" for n in range(9)], "F"), rows_of([f"n{n}" for n in range(7)], "B")
    names = {row["who"]: f"{hashlib.md5(row['who'].encode()).hexdigest()}" for row in books}
    renamed = [row | {"who": names[row["who"]]} for row in books]
    one, two = (made(tmp_path / str(n), films, own, "--users", "disjoint") for n, own in enumerate((books, renamed)))
    own = [
        read(output / "users.parquet", "users").filter(pl.col("user_id").str.starts_with("m")) for output in (one, two)
    ]
    assert own[0].equals(own[1])
    assert own[0]["user"].to_list() == list(range(7, 16))  # books come first
    assert rows_by_id(one, "film") == rows_by_id(two, "film")
    # The other way round only the count of the first domain's users shifts the numbers of the second.
    less = made(tmp_path / "less", films, [row for row in books if row["who"] != "n3"], "--users", "disjoint")
    shifted = read(less / "users.parquet", "users").filter(pl.col("user_id").str.starts_with("m"))
    assert shifted["user"].to_list() == list(range(6, 15)) and shifted["user_id"].equals(own[0]["user_id"])


def test_ids_of_both_domains_are_refused_by_default(tmp_path):
    with pytest.raises(UserError) as caught:
        made(tmp_path, FILMS, BOOKS, "--users", "disjoint")
    assert str(caught.value).startswith("preprocess.users is disjoint, but both domains have 40 user ids, such as 'u0'")
    assert "set preprocess.shared_ids to draw if such an id is one person" in str(caught.value)


def test_what_an_id_is_needs_disjoint_users(tmp_path):
    with pytest.raises(UserError, match=r"preprocess\.shared_ids is for disjoint users; set preprocess\.users to dis"):
        made(tmp_path, FILMS, BOOKS, "--shared-ids", "draw")


def test_different_people_get_their_domain_as_prefix(tmp_path):
    output = made(tmp_path, FILMS, BOOKS, *DIFFERENT)
    assert users_of(output) == {
        "book": sorted(f"book:{user}" for user in [*PEOPLE, "b1"]),
        "film": sorted(f"film:{user}" for user in [*PEOPLE, "f1", "f2"]),
    }
    assert len(rows_by_id(output, "film")) == len(FILMS)
    # Which accounts have the same number says nothing, so the same result comes from other numbers of one domain.
    other = [row | {"who": f"u{(int(row['who'][1:]) + 17) % 40}"} if row["who"] in PEOPLE else row for row in BOOKS]
    moved = made(tmp_path / "moved", FILMS, other, *DIFFERENT)
    assert rows_by_id(moved, "film") == rows_by_id(output, "film")


def test_users_need_enough_events_in_their_own_domain_alone(tmp_path):
    films = [*rows_of(["f1", "f2", "f3"], "F", least=6), *rows_of(["few"], "F", least=6)[:2]]
    books = [*rows_of(["b1", "b2"], "B", least=6), *rows_of(["one"], "B")[:1]]
    output = made(tmp_path, films, books, "--users", "disjoint")
    assert users_of(output) == {"book": ["b1", "b2"], "film": ["f1", "f2", "f3"]}
    assert ("film", "users with >= 3 interactions (min_user_interactions)") in steps(output)
    assert ("film", "users of both domains") not in steps(output)


def test_disjoint_domains_need_no_common_scale(tmp_path, caplog):
    positions = [row | {"when": n} for n, row in enumerate(rows_of(["f1", "f2", "f3"], "F", least=6))]
    films = {
        "interactions": csv_file(tmp_path / "f.csv", positions),
        "columns": COLUMNS | {"time": None, "position": "when"},
    }
    dated = {"interactions": csv_file(tmp_path / "b.csv", rows_of(["b1", "b2"], "B", least=6))}
    output = run(tmp_path, films, dated, "--users", "disjoint")
    assert [time for *_, time in rows_by_id(output, "film")] == list(range(len(positions)))
    assert all(time >= SPRING for *_, time in rows_by_id(output, "book"))
    both = {"interactions": csv_file(tmp_path / "g.csv", [row | {"when": n} for n, row in enumerate(BOOKS)])}
    columns = COLUMNS | {"time": None, "position": "when"}
    run(tmp_path / "same", films, both, *DIFFERENT, columns=columns)
    assert "positions" not in caplog.text and "no user is in both domains" not in caplog.text


def test_a_direction_ranks_the_users_of_its_target_and_trains_on_all_events_of_the_source(tmp_path):
    output = made(tmp_path, rows_of(PEOPLE, "F", 9, 5), rows_of(PEOPLE, "B", 9, 5), *DRAW)
    numbers = {domain: set() for domain in DOMAINS}
    for user, domain in read(output / "interactions.parquet", "interactions").select("user", "domain").rows():
        numbers[domain].add(user)
    assert not numbers["book"] & numbers["film"]
    paths = [output / "interactions.parquet", output / "items.parquet"]
    for source, target in (DOMAINS, DOMAINS[::-1]):
        argv = ["--interactions", paths[0], "--items", paths[1], "--source", source, "--target", target]
        split.main([str(part) for part in [*argv, "--candidates", 2, "--output", tmp_path / target]])
        history = load_history(*paths, tmp_path / target / "split.parquet")
        for part in ("valid", "test"):
            assert set(history.ranked(part)[0].tolist()) == numbers[target]
        assert not history.is_target[np.isin(history.user(), sorted(numbers[source]))].any()
        assert history.training()[~history.is_target].all()
        assert history.meta["users"] == "disjoint" and history.meta["draw_seed"] == "0"


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(
    accounts=st.sets(st.tuples(names, st.sampled_from(DOMAINS)), min_size=1, max_size=20),
    more=st.sets(st.tuples(names, st.sampled_from(DOMAINS)), max_size=20),
    seed=st.integers(0, 2**31),
)
def test_each_person_is_in_one_domain_whoever_else_there_is(accounts, more, seed):
    def drawn(those):
        frame = pl.DataFrame([(*one, f"i{n}") for n, one in enumerate(sorted(those) * 2)],
                             schema=["user_id", "domain", "item_id"], orient="row")  # fmt: skip
        chosen = preprocess.Settings(users="disjoint", shared_ids="draw", draw_seed=seed)
        kept = one_domain_each(frame, chosen, Funnel(sorted({domain for _, domain in those})))
        assert kept.height == 2 * kept.select("user_id", "domain").unique().height
        return set(kept.select("user_id", "domain").unique().rows())

    people, everybody = {user for user, _ in accounts}, accounts | more
    assume({domain for _, domain in accounts} == set(DOMAINS))
    try:
        before, after = drawn(accounts), drawn(everybody)
    except UserError as error:  # the draw left a domain empty
        assert "is left after 'one domain for each person'" in str(error)
        return
    assert before <= accounts and sorted(user for user, _ in before) == sorted(people)
    newly_shared = {user for user, _ in accounts if {(user, domain) for domain in DOMAINS} <= everybody} - {
        user for user in people if {(user, domain) for domain in DOMAINS} <= accounts
    }
    assert {one for one in before if one[0] not in newly_shared} <= after


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), prefix=names)
def test_about_half_of_the_people_are_kept_in_each_domain(seed, prefix):
    first = sum(kept_domain(f"{prefix}{n}", DOMAINS, seed) == "book" for n in range(2000))
    assert abs(first - 1000) < 6 * 22.4  # standard deviations of a fair draw
    assert kept_domain(prefix, DOMAINS, seed) == kept_domain(prefix, DOMAINS[::-1], seed)


def test_raw_ids_of_prefixed_users():
    ids = ["book:1", "film:1", "film:book:2"]
    assert raw_ids(ids, "film", {"shared_ids": "different"}) == [None, "1", "book:2"]
    assert raw_ids(ids, "film", {"shared_ids": "draw"}) == ids
