"""Times of tables of your own: every notation of one moment gives the same second."""

from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semacdr.data.times import read_times
from semacdr.errors import UserError

NOON = 1_714_564_800  # 1 May 2024, 12:00 UTC
MAY = 1_714_521_600  # the same day, 00:00 UTC


def seconds(*cells, time_format=None):
    return read_times(pl.Series("t", list(cells)), time_format).seconds.to_list()


@pytest.mark.parametrize(
    ("cell", "expected", "kind"),
    [
        ("2024-05-01T14:00:00+02:00", NOON, "ISO times with a zone"),
        ("2024-05-01 06:30:00-0530", NOON, "ISO times with a zone"),
        ("2024-05-01T12:00:00Z", NOON, "ISO times with a zone"),
        ("2024-05-01 12:00:00 UTC", NOON, "ISO times with a zone"),
        ("2024-05-01T12:00:00.999", NOON, "ISO times without a zone, read as UTC"),
        (" 2024-05-01 12:00 ", NOON, "ISO times without a zone, read as UTC"),
        ("2024-05-01", MAY, "ISO dates"),
        (NOON, NOON, "epochs in s"),
        (NOON * 1000 + 999, NOON, "epochs in ms"),
        (str(NOON * 10**6), NOON, "epochs in µs"),
        (NOON * 10**9 + 1, NOON, "epochs in ns"),
        (NOON + 0.9, NOON, "epochs in s"),
        (f"{NOON}.5", NOON, "epochs in s"),
        ("1.7145648e9", NOON, "epochs in s"),
        (20240501, MAY, "dates such as 20240501"),
        (2024, 1_704_067_200, "years, read as their first day"),
        (datetime(2024, 5, 1, 12), NOON, "times without a zone, read as UTC"),
        (datetime(2024, 5, 1, 12, tzinfo=UTC), NOON, "times in UTC"),
        (date(2024, 5, 1), MAY, "dates"),
    ],
)
def test_a_notation_of_a_moment(cell, expected, kind):
    found = read_times(pl.Series("t", [cell]))
    assert (found.seconds.to_list(), found.kinds) == ([expected], {kind: 1})


def test_a_format_of_ones_own():
    assert seconds("01/05/2024", "1.5.2024", time_format="%d/%m/%Y") == [MAY, None]
    assert seconds("01/05/2024 14:00 +0200", time_format="%d/%m/%Y %H:%M %z") == [NOON]


def test_most_of_a_file_decide_what_its_numbers_are():
    """A 13-digit epoch among 10-digit ones is a wrong row, and the other way round; neither is read in another unit."""
    assert seconds(str(NOON), str(NOON * 1000), str(NOON + 1)) == [NOON, None, NOON + 1]
    assert seconds(NOON * 1000, NOON * 1000, NOON) == [NOON, NOON, None]
    assert seconds(str(NOON), "2024-05-01", "2024-05-01") == [None, MAY, MAY]


@pytest.mark.parametrize("cell", ["N/A", "", None, "01/05/2024", "2024-02-30", "2024-13-01", 0, -5, 1970, "25:00", 1.5])
def test_what_is_no_time_is_none(cell):
    assert seconds(cell) == [None]


def test_an_empty_cell_is_missing_and_others_are_unreadable():
    found = read_times(pl.Series("t", ["", None, "N/A", "yesterday", "2024-05-01"]))
    assert found.missing.to_list() == [True, True, True, False, False]
    assert read_times(pl.Series("t", [NOON + 0.0, float("nan")])).missing.to_list() == [False, True]


def test_a_type_without_times_is_refused():
    with pytest.raises(UserError, match="holds Boolean, which is no time"):
        read_times(pl.Series("t", [True]))


moments = st.datetimes(datetime(1995, 1, 1), datetime(2099, 12, 31)).map(lambda d: d.replace(microsecond=0, tzinfo=UTC))


@settings(deadline=None, max_examples=20)
@given(cells=st.lists(st.tuples(moments, st.integers(-14 * 60, 14 * 60)), min_size=1))
def test_all_notations_agree(cells):
    wanted = [int(moment.timestamp()) for moment, _ in cells]
    zoned = [moment.astimezone(timezone(timedelta(minutes=minutes))) for moment, minutes in cells]
    for notation in (
        [moment.isoformat() for moment in zoned],
        [moment.isoformat()[:-6] for moment, _ in cells],
        [moment for moment, _ in cells],
        wanted,
        [str(second) for second in wanted],
        [second * 1000 + 999 for second in wanted],
    ):
        assert seconds(*notation) == wanted
