"""Preprocess on tables of your own, against the same events as raw files, and against what is known by hand."""

import json
import random

import polars as pl
import pytest
from tiny_dataset import DAY, SPRING, read, review, write_gz

from semacdr.errors import UserError
from semacdr.stages import preprocess
from semacdr.storage import tables

SMALL = ("--min-item-interactions", "2")
FILES = ["attributes.parquet", "interactions.parquet", "items.parquet", "statistics.tsv", "users.parquet"]
COLUMNS = {"user": "who", "item": {"interactions": "what", "items": "id"}, "time": "when"}
USERS, A, B = ["u1", "ü 2", "u,3"], ["F1", "F2", "F3"], ["B1", "B2", "B3", "B4"]


def csv_file(path, rows):
    """A CSV file of rows, each a dict; the columns are those of the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, infer_schema_length=None).write_csv(path)
    return str(path)


def rows_of(items, users=USERS, day=0, **more):
    return [
        {"who": user, "what": item, "when": SPRING + (day + n) * DAY} | more
        for user in users
        for n, item in enumerate(items)
    ]


def run(folder, films, books, *options, **both):
    """The stage on the table settings of two domains, the `columns` of both being COLUMNS unless given."""
    given = {name: {"columns": COLUMNS} | both | own for name, own in (("film", films), ("book", books))}
    argv = ["--domains", "film", "book", "--tables", json.dumps(given), "--release", "amazon2014"]
    preprocess.main([*argv, "--scenario", "book_film", "--output", str(folder / "out"), *SMALL, *options])
    return folder / "out"


def small(folder, films=None, books=None):
    """The settings of two small tables in `folder`, without items."""
    made = (("films", films or rows_of(A)), ("books", books or rows_of(B)))
    return [{"interactions": csv_file(folder / f"{name}.csv", rows)} for name, rows in made]


def events(output):
    """(user_id, item_id, timestamp) of the interactions, in their order."""
    frame = read(output / "interactions.parquet", "interactions")
    frame = frame.join(read(output / "users.parquet", "users"), on="user", maintain_order="left")
    frame = frame.join(read(output / "items.parquet", "items").drop("domain"), on="item", maintain_order="left")
    return frame.select("user_id", "item_id", "timestamp").rows()


def steps(output):
    return {tuple(line.split("\t")[:2]): line.split("\t")[2] for line in (output / "preprocess.tsv").open()}


@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "parquet"])
def test_tables_and_raw_files_give_the_same_bytes(tmp_path, kind):
    rng = random.Random(4)
    users, texts = [f"u{n}" for n in range(12)], {"brand": "Ltd & Co", "description": 'A "text", \n with more'}
    numbered = {"film": [f"F{n}" for n in range(9)], "book": [f"B{n}" for n in range(9)]}
    raw, own = [], {}
    for domain, ids in numbered.items():
        happened = [(user, item, rng.randrange(6)) for user in users for item in rng.sample(ids, 6)] * 2
        meta = [{"asin": item, "title": f"{item}, a {domain}", "categories": [["x", domain]]} | texts for item in ids]
        raw.append([
            str(write_gz(tmp_path / f"reviews_{domain}.json.gz", *(review(*one) for one in happened))),
            str(write_gz(tmp_path / f"meta_{domain}.json.gz", *meta)),
        ])  # fmt: skip
        frames = {
            "interactions": pl.DataFrame(
                {"who": u, "what": i, "when": SPRING + day * DAY} for u, i, day in rng.sample(happened, len(happened))
            ),
            "items": pl.DataFrame({"id": m["asin"], "t": m["title"], "cat": m["categories"][0]} | texts for m in meta),
        }
        own[domain] = {
            "columns": COLUMNS | {"title": "t", "brand": "brand", "text": "description", "categories": "cat"}
        }
        for name, frame in frames.items():
            path = tmp_path / f"{name}_{domain}.{kind}"
            if kind == "parquet":
                frame.write_parquet(path)
            else:
                flat = frame.with_columns(pl.col(pl.List(pl.String)).list.join("|"))
                flat.write_csv(
                    path,
                    separator="\t" if kind == "tsv" else ",",
                    compression="gzip" if "gz" in kind else "uncompressed",
                )
                own[domain]["separator"] = "|"
            own[domain][name] = str(path)
    argv = ["--domains", "film", "book", "--reviews", raw[0][0], raw[1][0], "--metadata", raw[0][1], raw[1][1]]
    argv += ["--release", "amazon2014", "--scenario", "book_film", "--output", str(tmp_path / "raw")]
    preprocess.main([*argv, *SMALL])
    output = run(tmp_path, own["film"], own["book"])
    for file in FILES:
        same = (output / file).read_bytes() == (tmp_path / "raw" / file).read_bytes()
        assert same or file == "attributes.parquet", file
    named = read(output / "attributes.parquet", "attributes").rows()
    assert named == [(n, "cat", value) for n in range(18) for value in ("x", "book" if n < 9 else "film")]
    assert not len(read(tmp_path / "raw/attributes.parquet", "attributes"))


def test_items_get_their_texts(tmp_path):
    rows = [
        {"id": "F1", "t": "", "by": "Nobody", "a": "Sub", "b": "x", "genre": "pop", "lang": "en"},
        {"id": "F1", "t": "星期天 <b>A</b>", "by": "Z", "a": "1st.", "b": "2nd", "genre": "pop; r;pop", "lang": ""},
        {"id": "F1", "t": "A third row", "by": "x", "a": "", "b": "", "genre": "", "lang": ""},
        {"id": "F2", "t": "Two", "by": "", "a": "Half", "b": "Other", "genre": "", "lang": "N/A"},
        {"id": "F3", "t": "Three", "by": "", "a": "", "b": "Only", "genre": "rock", "lang": "fr"},
        {"id": "F9", "t": "Nobody had it", "by": "", "a": "", "b": "", "genre": "x", "lang": ""},
    ]  # fmt: skip
    films, books = small(tmp_path)
    films |= {"items": csv_file(tmp_path / "items.csv", rows), "separator": ";"}
    films["columns"] = COLUMNS | {"title": "t", "brand": "by", "text": ["a", "b"], "categories": ["genre", "lang"]}
    output = run(tmp_path, films, books)
    items = {row["item_id"]: row for row in read(output / "items.parquet", "items").to_dicts()}
    assert (items["F1"]["title"], items["F1"]["brand"]) == ("星期天 A", "Z")
    assert [items[name]["description"] for name in (*A, "B1")] == ["1st. 2nd", "Half. Other", "Only", ""]
    assert [items[name]["categories"] for name in A] == [["pop", "r"], [], ["rock", "fr"]]
    first, third = items["F1"]["item"], items["F3"]["item"]
    assert read(output / "attributes.parquet", "attributes").rows() == [
        (first, "genre", "pop"), (first, "genre", "r"), (third, "genre", "rock"), (third, "lang", "fr"),
    ]  # fmt: skip
    assert steps(output)["film", "items rows of an item that has an earlier row"] == "2"
    assert tables.read(output / "attributes.parquet", "attributes")[1]["made_from_interactions"]


def test_wrong_rows_are_counted_and_above_the_share_refused(tmp_path):
    wrong = [("", "F1", "2014-05-01"), ("u1", "null", "2014-05-01"), ("u1", "F1", ""), ("u1", "F1", "soon")]
    rows = [{"who": u, "what": i, "when": "2014-05-01"} for u in USERS for i in A]
    rows[4:4] = [dict(zip(("who", "what", "when"), cells, strict=True)) for cells in wrong]
    given = small(tmp_path, films=rows)
    output = run(tmp_path, *given, "--max-malformed-share", "0.4")
    kinds = {kind: n for (domain, kind), n in steps(output).items() if domain == "film" and "malformed" in kind}
    assert kinds == {
        f"interactions rows malformed: {kind}": "1" for kind in ("no user", "no item", "no time", "unreadable time")
    }
    with pytest.raises(UserError) as caught:
        run(tmp_path, *given, "--max-malformed-share", "0.3")
    assert "films.csv: 4 of 13 rows are malformed" in str(caught.value)
    assert "The first: line 6: no user: 'who' is empty" in str(caught.value)


def test_the_line_of_a_wrong_row_counts_line_breaks_in_cells(tmp_path):
    path = tmp_path / "broken.csv"
    good = "".join(f'{user},{item},2014-05-01,"a\nb"\n' for user in ("u1", "u2") for item in A)
    path.write_text(f"who,what,when,note\n{good}\n\nu1,,2014-05-01,x\n")
    with pytest.raises(UserError, match="The first: line 16: no item: 'what' is empty"):
        run(tmp_path, {"interactions": str(path)}, small(tmp_path)[1])


def test_a_filter_leaves_rows_out_and_counts_them(tmp_path):
    rows = [*rows_of(A, plays=2), *rows_of(["F4"], plays=1)]
    films, books = small(tmp_path, films=rows)
    output = run(tmp_path, films | {"filter": "plays >= 2"}, books)
    assert {item for _, item, _ in events(output)} == {*A, *B}
    assert steps(output)["film", "interactions rows left out by the filter (plays >= 2)"] == "3"
    with pytest.raises(
        UserError, match=r"the filter \(plays > 2\) leaves none of 12 rows; in the first, 'plays' is '2'"
    ):
        run(tmp_path, films | {"filter": "plays > 2"}, books)


def test_several_files_and_a_pattern_are_one_table(tmp_path):
    one = run(tmp_path / "one", *small(tmp_path / "one"))
    several = {"interactions": [csv_file(tmp_path / f"part{n}.csv", rows_of(A, [u])) for n, u in enumerate(USERS)]}
    pattern = {"interactions": str(tmp_path / "part*.csv")}
    for number, films in enumerate((several, pattern)):
        output = run(tmp_path / str(number), films, small(tmp_path)[1])
        for file in FILES:
            assert (output / file).read_bytes() == (one / file).read_bytes(), file


def test_positions_take_the_place_of_times(tmp_path):
    columns = COLUMNS | {"time": None, "position": "n"}
    films = [{"who": user, "what": item, "n": n} for user in USERS for n, item in enumerate(A[::-1])]
    books = [{"who": user, "what": item, "n": f"{n}"} for user in USERS for n, item in enumerate(B, 3)]
    output = run(tmp_path, *small(tmp_path, films, books), columns=columns)
    assert events(output)[:7] == [("u,3", item, n) for n, item in enumerate([*A[::-1], *B])]
    assert tables.read(output / "interactions.parquet", "interactions")[1]["order"] == "position"


def test_a_position_orders_events_of_one_time(tmp_path):
    rows = [{"who": u, "what": f"F{n}", "when": "2014-05-01", "n": 9 - n} for u in USERS for n in range(8)]
    columns = COLUMNS | {"position": "n"}
    films, books = small(tmp_path, films=rows)
    output = run(tmp_path, films | {"columns": columns}, books)
    of_films = [item for user, item, _ in events(output) if user == "u1" and item.startswith("F")]
    assert of_films == [f"F{n}" for n in reversed(range(8))]
    assert "order" not in tables.read(output / "interactions.parquet", "interactions")[1]


def test_times_and_positions_do_not_mix_where_users_are_shared(tmp_path):
    films = [{"who": user, "what": item, "n": n} for user in USERS for n, item in enumerate(A)]
    films, books = small(tmp_path, films=films)
    films["columns"] = COLUMNS | {"time": None, "position": "n"}
    with pytest.raises(UserError, match="'book' has times and 'film' has positions"):
        run(tmp_path, films, books)


@pytest.mark.parametrize(("kept", "days"), [("earliest", [0]), ("latest", [9]), ("all", [0, 4, 9])])
def test_which_of_the_repeats_stay(tmp_path, kept, days):
    again = [{"who": "u1", "what": "F1", "when": SPRING + day * DAY} for day in (9, 4, 4, 0)]
    given = small(tmp_path, films=[*rows_of(A), *again])
    output = run(tmp_path, *given, "--duplicates", kept)
    assert [(time - SPRING) // DAY for user, item, time in events(output) if (user, item) == ("u1", "F1")] == days


def test_users_of_one_domain_stay_if_any_are_wanted(tmp_path):
    films = [*rows_of(A, [*USERS, "films only"]), *rows_of(A[:2], ["few films"])]
    books = [*rows_of(B, [*USERS, "few films"]), *rows_of(B[:2], ["too few"])]
    given = small(tmp_path, films, books)
    output = run(tmp_path, *given, "--users", "any")
    assert {user for user, _, _ in events(output)} == {*USERS, "films only", "few films"}
    assert (output / "statistics.tsv").read_text().splitlines() == [
        "domain\toverlapped_users\tusers\titems\tinteractions\tavg_len\trelease",
        "book\t4\t4\t4\t16\t4.0\tamazon2014",
        "film\t4\t5\t3\t14\t2.8\tamazon2014",
    ]
    assert {user for user, _, _ in events(run(tmp_path, *given))} == set(USERS)


def test_without_any_shared_user_any_goes_on_with_a_warning(tmp_path, caplog):
    given = small(tmp_path, rows_of(A, ["a", "b"]), rows_of(B, ["c", "d"]))
    run(tmp_path, *given, "--users", "any")
    assert "no user is in both domains: only the contents of items connect them" in caplog.text


def test_few_matching_ids_are_a_loud_warning_with_an_example(tmp_path, caplog):
    films, books = small(tmp_path)
    films |= {"items": csv_file(tmp_path / "i.csv", [{"id": one, "t": one} for one in ("F1", "f2", "f3")])}
    run(tmp_path, films | {"columns": COLUMNS | {"title": "t"}}, books)
    assert "film: 'F2' has no metadata, its ids are such as 'F1'; check that both write ids alike" in caplog.text


def test_ids_are_trimmed_and_whole_numbers_are_texts(tmp_path):
    films = rows_of(A, ["1.0", "2.0 ", " 3.0"])
    pl.DataFrame(rows_of(B, [1, 2, 3])).write_parquet(tmp_path / "books.parquet")
    output = run(tmp_path, small(tmp_path, films)[0], {"interactions": str(tmp_path / "books.parquet")})
    assert read(output / "users.parquet", "users")["user_id"].to_list() == ["1", "2", "3"]
