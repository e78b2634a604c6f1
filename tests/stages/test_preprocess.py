"""Preprocess on hand-made reviews whose outcome is known, and `iterated` against a plain fixpoint."""

import hashlib
import json
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_dataset import DAY, SPRING, read, review, write_gz

from semacdr.data.filters import filter_interactions
from semacdr.data.funnel import Funnel
from semacdr.errors import UserError
from semacdr.stages import preprocess
from semacdr.storage import tables

FILES = [
    "attributes.parquet",
    "interactions.parquet",
    "items.parquet",
    "preprocess.tsv",
    "statistics.tsv",
    "users.parquet",
]


def full(users, items, first_day=0):
    """Every user has every item, one day apart."""
    return [review(user, item, first_day + day) for user in users for day, item in enumerate(items)]


def run(folder, films, books, *options, meta_films=(), meta_books=(), release="amazon2014"):
    """The stage on reviews of films and books; returns the folder of its tables."""
    paths = [
        str(write_gz(folder / name, *lines))
        for name, lines in (
            ("reviews_Films.json.gz", films),
            ("reviews_Books.json.gz", books),
            ("meta_Films.json.gz", meta_films),
            ("meta_Books.json.gz", meta_books),
        )
    ]
    argv = ["--domains", "film", "book", "--reviews", *paths[:2], "--metadata", *paths[2:], "--release", release]
    preprocess.main([*argv, "--scenario", "book_film", "--output", str(folder / "out"), *options])
    return folder / "out"


def events(output):
    """(user_id, domain, item_id, day) of the interactions, in their order."""
    frame = read(output / "interactions.parquet", "interactions")
    frame = frame.join(read(output / "users.parquet", "users"), on="user", maintain_order="left")
    items = read(output / "items.parquet", "items").drop("domain")
    frame = frame.join(items, on="item", maintain_order="left").with_columns(day=(pl.col("timestamp") - SPRING) // DAY)
    return frame.select("user_id", "domain", "item_id", "day").rows()


SMALL = ["--min-item-interactions", "2"]
A, B = ["F1", "F2", "F3"], ["B1", "B2", "B3"]


def test_ids_are_dense_and_sorted_and_so_are_the_rows(tmp_path):
    films = full(["u2", "u10"], A[::-1])  # u10 sorts before u2; F3 comes first in time
    output = run(tmp_path, films, full(["u10", "u2"], B, first_day=1), *SMALL)
    assert read(output / "users.parquet", "users").rows() == [(0, "u10"), (1, "u2")]
    items = read(output / "items.parquet", "items")
    assert items["item"].to_list() == list(range(6))
    assert list(zip(items["domain"], items["item_id"], strict=True)) == [
        *(("book", item) for item in B),
        *(("film", item) for item in A),
    ]
    interactions = read(output / "interactions.parquet", "interactions").rows()
    assert interactions == sorted(interactions, key=lambda row: (row[0], row[3]))
    of_u10 = [(5, "film", 0), (0, "book", 1), (4, "film", 1), (1, "book", 2), (3, "film", 2), (2, "book", 3)]
    assert sorted(interactions[:6], key=lambda row: (row[3], row[2])) == [
        (0, item, domain, SPRING + day * DAY) for item, domain, day in of_u10
    ]


def hash_of(seed, user, item):
    """The documented place of an event within its timestamp: blake2b of seed, user id and item id."""
    return hashlib.blake2b(f"{seed}\0{user}\0{item}".encode(), digest_size=8).digest()


@pytest.mark.parametrize("seed", [0, 7])
def test_events_of_one_day_are_ordered_by_a_hash(tmp_path, seed):
    users, films, books = [f"u{n}" for n in range(20)], [f"F{n}" for n in range(4)], [f"B{n}" for n in range(4)]
    on_one_day = [review(user, item, 0) for user in users for item in films]
    output = run(tmp_path, on_one_day, full(users, books), *SMALL, "--tie-seed", str(seed))
    of_films = [(user, item) for user, domain, item, _ in events(output) if domain == "film"]
    assert of_films == [
        (user, item) for user in sorted(users) for item in sorted(films, key=lambda item: hash_of(seed, user, item))
    ]
    assert len({tuple(item for user, item in of_films if user == each) for each in users}) > 10  # no common order


def test_the_order_of_the_lines_does_not_matter(tmp_path):
    films = [review(f"u{n}", f"F{m}", 0) for n in range(5) for m in range(4)]
    books = full([f"u{n}" for n in range(5)], B)
    tables = [run(tmp_path / str(step), films[::step], books, *SMALL) for step in (1, -1)]
    assert events(tables[0]) == events(tables[1])


def test_of_duplicates_the_earliest_stays(tmp_path):
    again = [review("u1", "F1", 9), review("u1", "F1", -2), review("u1", "F1", -2), review("u1", "F1", 4)]
    output = run(tmp_path, full(["u1", "u2"], A) + again, full(["u1", "u2"], B), *SMALL)
    assert [row for row in events(output) if row[:3] == ("u1", "film", "F1")] == [("u1", "film", "F1", -2)]


def test_duplicates_do_not_lift_an_item_or_a_user_over_a_threshold(tmp_path):
    films = full(["u1", "u2"], A) + [review("u1", "F4", day) for day in range(5)]
    films += [review("u3", item, day) for item in ("F1", "F2") for day in range(5)]
    output = run(tmp_path, films, full(["u1", "u2", "u3"], B), *SMALL)
    assert {row[2] for row in events(output) if row[1] == "film"} == set(A)
    assert {row[0] for row in events(output)} == {"u1", "u2"}


def test_thresholds_are_met_exactly(tmp_path):
    films = full(["u1", "u2", "u3"], A) + full(["u1", "u2"], ["F4"])
    books = full(["u1", "u2"], ["B1", "B2", "B3", "B4"]) + full(["u3"], ["B1", "B2", "B3"])
    options = ["--min-item-interactions", "3", "--min-user-interactions", "3"]
    output = run(tmp_path, films, books, *options)
    assert {row[2] for row in events(output)} == {*A, *B}  # three each; F4 and B4 have two
    with pytest.raises(UserError, match="no interaction of domain 'book' is left after 'users with >= 4"):
        run(tmp_path, films, books, "--min-item-interactions", "3", "--min-user-interactions", "4")


def test_users_of_one_domain_and_users_short_in_one_domain_go(tmp_path):
    films = full(["both", "also", "films only", "short of books"], A)
    books = full(["both", "also", "books only"], B) + full(["short of books"], B[:2])
    assert {row[0] for row in events(run(tmp_path, films, books, *SMALL))} == {"also", "both"}


def test_one_item_number_in_two_domains_is_two_items(tmp_path):
    output = run(tmp_path, full(["u1", "u2"], ["X", *A]), full(["u1", "u2"], ["X", *B]), *SMALL)
    assert read(output / "items.parquet", "items").filter(pl.col("item_id") == "X")["domain"].to_list() == [
        "book",
        "film",
    ]
    assert len(events(output)) == 16


def cascade():
    """u3 lacks books, and F4 needs u3: one pass keeps F4 with a single user, iterating drops it and then u2."""
    films = full(["u1", "u4"], A) + full(["u2"], ["F1", "F2", "F4"]) + full(["u3"], ["F2", "F3", "F4"])
    return films, full(["u1", "u2", "u4"], B)


def test_once_is_one_pass_and_iterated_goes_on(tmp_path):
    once = events(run(tmp_path / "once", *cascade(), *SMALL))
    assert {row[0] for row in once} == {"u1", "u2", "u4"}
    assert [row for row in once if row[2] == "F4"] == [("u2", "film", "F4", 2)]
    iterated = events(run(tmp_path / "iterated", *cascade(), *SMALL, "--filter", "iterated"))
    assert {row[0] for row in iterated} == {"u1", "u4"}
    assert {row[2] for row in iterated} == {*A, *B}


def test_iterated_follows_a_long_chain(tmp_path):
    """Film G0 has only user c0; without it c0 is dropped, which leaves G1 with only c1, and so on."""
    films = full(["u1", "u2"], A) + [r for n in range(7) for r in full([f"c{n}"], ["F1", f"G{n}", f"G{n + 1}"])]
    books = full(["u1", "u2", *(f"c{n}" for n in range(7))], B)
    once = events(run(tmp_path / "once", films, books, *SMALL))
    assert len({row[0] for row in once}) == 2 + 5  # the chain has two ends: c0 and c6
    iterated = events(run(tmp_path / "iterated", films, books, *SMALL, "--filter", "iterated"))
    assert {row[0] for row in iterated} == {"u1", "u2"}


def test_statistics_and_counts_are_exact(tmp_path):
    meta = [{"asin": "F1", "title": "One"}, {"asin": "F2"}, {"asin": "F9", "title": "Unknown"}, ""]
    films, books = cascade()
    output = run(tmp_path, [*films, ""], books, *SMALL, "--max-malformed-share", "0.25", meta_films=meta)
    assert (output / "statistics.tsv").read_text().splitlines() == [
        "domain\toverlapped_users\titems\tinteractions\tavg_len\trelease",
        "book\t3\t3\t9\t3.0\tamazon2014",
        "film\t3\t4\t9\t3.0\tamazon2014",
    ]
    rows = [line.split("\t")[:-1] for line in (output / "preprocess.tsv").read_text().splitlines()]
    assert rows == [
        ["domain", "step", "count", "users", "items"],
        ["book", "reviews lines", "9", "", ""],
        ["book", "usable lines", "9", "3", "3"],
        ["book", "duplicates removed (the earliest of a user and an item stays)", "9", "3", "3"],
        ["book", "items with >= 2 interactions (min_item_interactions)", "9", "3", "3"],
        ["book", "users with >= 3 interactions in each domain (min_user_interactions)", "9", "3", "3"],
        ["book", "users of both domains", "9", "3", "3"],
        ["book", "metadata lines", "0", "", ""],
        ["book", "items without a metadata line", "3", "", ""],
        ["book", "items without a title", "3", "", ""],
        ["film", "reviews lines", "13", "", ""],
        ["film", "reviews lines malformed: blank", "1", "", ""],
        ["film", "usable lines", "12", "4", "4"],
        ["film", "duplicates removed (the earliest of a user and an item stays)", "12", "4", "4"],
        ["film", "items with >= 2 interactions (min_item_interactions)", "12", "4", "4"],
        ["film", "users with >= 3 interactions in each domain (min_user_interactions)", "12", "4", "4"],
        ["film", "users of both domains", "9", "3", "4"],
        ["film", "metadata lines", "4", "", ""],
        ["film", "metadata lines malformed: blank", "1", "", ""],
        ["film", "items without a metadata line", "2", "", ""],
        ["film", "items without a title", "3", "", ""],
    ]


def test_average_length_has_two_decimals(tmp_path):
    films = full(["u1", "u2", "u3"], A) + full(["u1", "u2"], ["F4"])
    output = run(tmp_path, films, full(["u1", "u2", "u3"], B), *SMALL)
    assert "film\t3\t4\t11\t3.67\tamazon2014" in (output / "statistics.tsv").read_text().splitlines()


def test_metadata_reach_their_items_and_missing_ones_are_empty(tmp_path):
    film = {"asin": "F2", "title": "Two", "brand": "Studio", "categories": [["Films", "War"]], "description": "Text."}
    output = run(tmp_path, full(["u1", "u2"], A), full(["u1", "u2"], [*B, "F2"]), *SMALL, meta_films=[repr(film)])
    rows = {(row["domain"], row["item_id"]): row for row in read(output / "items.parquet", "items").to_dicts()}
    assert rows["film", "F2"] == {"item": 5, "item_id": "F2", "domain": "film", "title": "Two", "brand": "Studio",
                                  "categories": ["Films", "War"], "description": "Text."}  # fmt: skip
    for empty in (rows["film", "F1"], rows["book", "F2"]):  # the same number in books is another item
        assert (empty["title"], empty["brand"], empty["categories"], empty["description"]) == ("", "", [], "")


def test_a_metadata_file_without_any_of_the_items_is_an_error(tmp_path):
    """U1: when no id was found, all items had no title and the stage still succeeded."""
    with pytest.raises(UserError) as caught:
        run(tmp_path, full(["u1", "u2"], A), full(["u1", "u2"], B), *SMALL, meta_films=[{"asin": "X1", "title": "X"}])
    for part in ("meta_Films.json.gz: none of its 1 lines", "of the 3 items of domain 'film', such as 'F1'", "check"):
        assert part in str(caught.value)


def test_few_titles_are_a_warning_and_a_count(tmp_path, caplog):
    meta = [{"asin": item} for item in A]  # an extract may have ids and no text at all
    output = run(tmp_path, full(["u1", "u2"], A), full(["u1", "u2"], B), *SMALL, meta_films=meta)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any(
        text.startswith("film: 3 of 3 items have metadata, 0 have a title; no item has any text") for text in warnings
    )
    lines = (output / "preprocess.tsv").read_text().splitlines()
    assert "film\titems without a title\t3\t\t\tamazon2014" in lines
    assert "film\titems without a metadata line\t0\t\t\tamazon2014" in lines


def test_a_brand_is_a_text_too(tmp_path, caplog):
    meta = [{"asin": item, "brand": "Acme" if item == A[0] else ""} for item in A]
    run(tmp_path, full(["u1", "u2"], A), full(["u1", "u2"], B), *SMALL, meta_films=meta)
    assert "film: 3 of 3 items have metadata, 0 have a title; stages that use item texts know little" in caplog.text


def test_ids_with_escapes_reach_their_items(tmp_path):
    items = ["歌S-00001", "pod/1", "O'Brien"]
    meta = [json.dumps({"asin": item, "title": f"Title of {item}"}).replace("/", "\\/") for item in items]
    output = run(tmp_path, full(["u1", "u2"], items), full(["u1", "u2"], B), *SMALL, meta_films=meta)
    found = read(output / "items.parquet", "items").filter(pl.col("domain") == "film")
    assert dict(found.select("item_id", "title").iter_rows()) == {item: f"Title of {item}" for item in items}


@pytest.mark.parametrize(
    ("films", "books", "message"),
    [
        ([], full(["u1"], B), "'film' is left after 'usable lines'$"),
        (full(["u1"], A), full(["u1"], B), "'book' is left after 'items with >= 2 .*: 3 events, 1 users, 3 items$"),
        (
            full(["u1", "u2"], A[:2]),
            full(["u1", "u2"], B),
            "'film' .* 'users with >= 3 .*: 4 events, 2 users, 2 items$",
        ),
        (
            full(["u1", "u2"], A),
            full(["u3", "u4"], B),
            "'book' is left after 'users of both domains'.*: 6 events, 2 users, 3 items; check",
        ),
    ],
    ids=["nothing", "items", "users", "overlap"],
)
def test_an_empty_result_says_which_filter_emptied_it(tmp_path, films, books, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path, films, books, *SMALL)


def test_fewer_than_three_events_a_user_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"\.min_user_interactions: must be a whole number of at least 3, not 2"):
        run(tmp_path, [], [], "--min-user-interactions", "2")


def test_too_many_malformed_lines_stop_the_stage(tmp_path):
    with pytest.raises(UserError, match=r"meta_Books\.json\.gz: 1 of 1 lines are malformed \(1 no item\)"):
        run(tmp_path, full(["u1", "u2"], A), full(["u1", "u2"], B), *SMALL, meta_books=[{}])


@pytest.mark.parametrize(("release", "note"), [("amazon2014", None), ("sample", tables.SAMPLE_NOTE)])
def test_the_tables_carry_where_they_come_from(tmp_path, release, note):
    output = run(tmp_path, full(["u1", "u2"], A), full(["u1", "u2"], B), *SMALL, release=release)
    expected = {"release": release, "scenario": "book_film", "domains": "book film"}
    expected |= {"note": note} if note else {}
    digest = tables.read(output / "interactions.parquet", "interactions")[1]["digest"]
    for name in ("interactions", "users", "items", "attributes"):
        meta = tables.read(output / f"{name}.parquet", name)[1]
        made_from = {} if name == "interactions" else {"made_from_interactions": digest}
        assert meta == expected | made_from | {"digest": meta["digest"]}
    assert all(line.split("\t")[-1] == release for line in (output / "preprocess.tsv").read_text().splitlines()[1:])


@pytest.mark.parametrize("filter_", ["once", "iterated"])
def test_another_order_of_the_lines_gives_the_same_bytes(tmp_path, filter_):
    films, books = cascade()
    films += [review("u1", "F1", 9), review("u1", "F1", -2)]
    films += [review(user, f"G{item}", 3) for user in ("u1", "u4") for item in range(9)]  # all on one day
    meta = [{"asin": item, "title": f"Title of {item}"} for item in A]
    outputs = []
    for name in ("a", "b", "c"):
        outputs.append(run(tmp_path / name, films, books, *SMALL, "--filter", filter_, meta_films=meta))
        for lines in (films, books, meta):
            random.Random(name).shuffle(lines)
    for file in FILES:
        assert len({(output / file).read_bytes() for output in outputs}) == 1, file


# `iterated` against a fixpoint in plain Python


def fixpoint(rows, min_item, min_user):
    """Remove one event that violates any condition at a time, until there is none."""
    rows = set(rows)
    while True:

        def fits(row):
            user, item, domain = row
            same_item = sum(r[1:] == (item, domain) for r in rows)
            of_user = [r[2] for r in rows if r[0] == user]
            return same_item >= min_item and min(of_user.count(d) for d in ("book", "film")) >= min_user

        bad = next((row for row in sorted(rows) if not fits(row)), None)
        if bad is None:
            return rows
        rows.remove(bad)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from(["book", "film"])), min_size=18),
    min_item=st.integers(1, 4),
)
def test_iterated_is_the_fixpoint_of_all_three_conditions(rows, min_item):
    frame = pl.DataFrame(
        [(f"u{user}", f"i{item}", domain, 1) for user, item, domain in sorted(rows)],
        schema=["user_id", "item_id", "domain", "timestamp"],
        orient="row",
    )
    expected = {(f"u{user}", f"i{item}", domain) for user, item, domain in fixpoint(rows, min_item, 3)}
    chosen = preprocess.Settings(min_item_interactions=min_item, filter="iterated")
    try:
        kept = filter_interactions(frame, chosen, Funnel(["book", "film"]))
    except UserError:
        assert not expected
    else:
        assert set(kept.select("user_id", "item_id", "domain").rows()) == expected
        assert kept.height == len(expected) > 0
