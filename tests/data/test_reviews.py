"""Review files of the three releases: which event a line is, what makes a line unusable, which files cannot be read."""

import gzip

import pytest
from tiny_dataset import SPRING, encoded, review, write_gz

from semacdr.data import reviews
from semacdr.data.lines import read_lines
from semacdr.data.reviews import read_reviews
from semacdr.errors import UserError

GOOD = review("A1", "B1")


def without(*names, **more):
    return {key: value for key, value in (GOOD | more).items() if key not in names}


def test_lines_of_2014_and_2018(tmp_path):
    line_2014 = {
        "reviewerID": "A2SUAM1J3GNN3B",
        "asin": "0000013714",
        "reviewerName": 'J. "Mc" Döe',
        "helpful": [2, 3],
        "reviewText": "I bought this …",
        "overall": 5.0,
        "unixReviewTime": 1252800000,
        "reviewTime": "09 13, 2009",
    }
    line_2018 = {
        "overall": 4.0,
        "vote": "2",
        "verified": True,
        "reviewTime": "03 1, 2018",
        "reviewerID": "A3",
        "asin": "B00X",
        "style": {"Format:": "Hardcover"},
        "unixReviewTime": 1519862400,
        "image": ["https://example.org/1.jpg"],
    }
    frame, tally = read_reviews(write_gz(tmp_path / "r.json.gz", line_2014, line_2018))
    assert frame.rows() == [("A2SUAM1J3GNN3B", "0000013714", 1252800000), ("A3", "B00X", 1519862400)]
    assert frame.columns == ["user_id", "item_id", "timestamp"]
    assert (tally.lines, tally.malformed.total(), tally.firsts) == (2, 0, {})


def test_a_line_of_2023_counts_for_the_parent_item_in_milliseconds(tmp_path):
    line = {"rating": 5.0, "asin": "VARIANT", "parent_asin": "PARENT", "user_id": "AE", "timestamp": 1588687728923}
    assert read_reviews(write_gz(tmp_path / "r.gz", line))[0].rows() == [("AE", "PARENT", 1588687728)]


@pytest.mark.parametrize(
    ("line", "kind", "reason"),
    [
        (b'{"reviewerID": "A1", "asin"', "not JSON", "truncated"),
        (b"{'reviewerID': 'A1', 'asin': 'B1', 'unixReviewTime': 1252800000}", "not JSON", "malformed"),
        (encoded(GOOD) + encoded(GOOD), "not JSON", "trailing characters"),
        (b"[1, 2]", "wrong type", "got `array`"),
        (without(reviewerID=7), "wrong type", r"got `int` - at `\$\.reviewerID`"),
        (without(asin=None), "wrong type", r"got `null` - at `\$\.asin`"),
        (without(unixReviewTime="1252800000"), "wrong type", r"got `str` - at `\$\.unixReviewTime`"),
        (without("reviewerID"), "no user", "neither reviewerID nor user_id"),
        (without(reviewerID=""), "no user", "neither reviewerID nor user_id"),
        (without("asin"), "no item", "neither asin nor parent_asin"),
        (without("unixReviewTime"), "no time", "neither unixReviewTime nor timestamp"),
        (without(unixReviewTime=0), "impossible time", "0 s since 1970"),
        (without(unixReviewTime=-1), "impossible time", "-1 s since 1970"),
        (without(unixReviewTime=SPRING * 1000), "impossible time", "is not between 1995 and 2100"),
        (without("unixReviewTime", timestamp=SPRING), "impossible time", "1397001 s since 1970"),
        (without(unixReviewTime=10**30), "impossible time", "is not between 1995 and 2100"),
        (encoded(GOOD).replace(b"A1", b"Ren\xe9"), "not UTF-8", "'utf-8' codec can't decode byte 0xe9"),
        (b"", "blank", "truncated"),
        (b"  \t", "blank", "truncated"),
        (b'{"style": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply", "recursion"),
    ],
)
def test_each_kind_of_malformed_line_is_counted_and_its_first_is_reported(tmp_path, line, kind, reason):
    frame, tally = read_reviews(write_gz(tmp_path / "r.gz", GOOD, line, GOOD, line))
    assert frame.height == 2
    assert tally.lines == 4
    assert tally.malformed == {kind: 2}
    assert list(tally.firsts) == [kind]
    assert tally.firsts[kind].startswith("line 2: ")
    with pytest.raises(UserError, match=f"The first: line 2: {kind}: .*{reason}"):
        tally.check(0.4)


def test_the_first_line_of_each_kind_is_kept(tmp_path):
    lines = [GOOD, b"", without("asin"), b"", without("asin", "reviewerID"), without("asin")]
    _, tally = read_reviews(write_gz(tmp_path / "r.gz", *lines))
    assert tally.malformed == {"blank": 2, "no item": 2, "no user": 1}
    assert {kind: first.split(":")[0] for kind, first in tally.firsts.items()} == {
        "blank": "line 2",
        "no item": "line 3",
        "no user": "line 5",
    }


def test_a_share_of_malformed_lines_above_the_limit_names_file_counts_line_and_reason(tmp_path):
    path = write_gz(tmp_path / "reviews_Books.json.gz", *[GOOD] * 7, b"", without("asin"), without("asin"))
    _, tally = read_reviews(path)
    tally.check(0.3)  # exactly the limit is within it
    with pytest.raises(UserError) as caught:
        tally.check(0.29)
    message = str(caught.value)
    assert message.startswith(f"{path}: 3 of 10 lines are malformed (2 no item, 1 blank)")
    assert "0.29 that preprocess.max_malformed_share allows" in message
    assert "The first: line 8: blank" in message


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 6, 7])
def test_rows_survive_the_border_of_a_chunk(tmp_path, monkeypatch, count):
    monkeypatch.setattr(reviews, "CHUNK", 3)
    path = write_gz(tmp_path / "r.gz", *(review(f"A{number}", "B1", number) for number in range(count)))
    frame, tally = read_reviews(path)
    assert frame["user_id"].to_list() == [f"A{number}" for number in range(count)]
    assert tally.lines == count


def test_a_truncated_file_is_named_with_the_last_line_read(tmp_path):
    path = tmp_path / "cut.json.gz"
    path.write_bytes(write_gz(tmp_path / "whole.gz", *[GOOD] * 3).read_bytes()[:-9])
    with pytest.raises(UserError, match=r"cut\.json\.gz: the gzip file is truncated \(it ends after line \d+\); fetch"):
        read_reviews(path)


def test_a_file_that_is_not_gzip_is_named(tmp_path):
    (tmp_path / "plain.json.gz").write_bytes(encoded(GOOD))
    with pytest.raises(UserError, match=r"plain\.json\.gz: not a sound gzip file \(after line 0\)"):
        read_reviews(tmp_path / "plain.json.gz")


@pytest.mark.parametrize("place", [-30, -6], ids=["data", "checksum"])
def test_a_damaged_file_is_named(tmp_path, place):
    whole = bytearray(gzip.compress(b"".join(encoded(review(f"A{n}", "B1")) + b"\n" for n in range(50)), mtime=0))
    whole[place] ^= 0xFF
    (tmp_path / "bad.json.gz").write_bytes(whole)
    with pytest.raises(UserError, match=r"bad\.json\.gz: (not a sound gzip file|the gzip file is truncated)"):
        list(read_lines(tmp_path / "bad.json.gz"))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.json\.gz: cannot be read: No such file"):
        read_reviews(tmp_path / "none.json.gz")
    with pytest.raises(UserError, match=r"cannot be read: Is a directory"):
        read_reviews(tmp_path)
