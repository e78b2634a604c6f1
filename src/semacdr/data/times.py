"""Times as tables of your own have them, as seconds since 1970 in UTC. What a column holds is detected, file by file.

ISO text is a date, or a date and a time, with or without a zone: without one it is read as UTC. Numbers, also as text,
are epochs in s, ms, µs or ns, dates such as 20240501, or years. The magnitude decides, and the majority of a file: a
number of another magnitude than most is a wrong row, never silently another unit.
"""

from dataclasses import dataclass

import polars as pl

from semacdr.data.reviews import EARLIEST, LATEST
from semacdr.errors import UserError

_ISO = (
    r"^(?<day>\d{4}-\d{2}-\d{2})(?:[T ](?<clock>\d{2}:\d{2})(?<second>:\d{2})?(?:[.,]\d+)?"
    r"[ ]?(?:(?<utc>Z|z|UTC|GMT)|(?<sign>[+-])(?<hours>\d{2}):?(?<minutes>\d{2})?)?)?$"
)
UNITS = {"s": 1, "ms": 1_000, "µs": 1_000_000, "ns": 1_000_000_000}
MISSING = ("", "null", "NULL", "None", "nan", "NaN", "NA", "N/A", "<NA>", "\\N")  # cells that stand for nothing


@dataclass(frozen=True)
class Times:
    """The times of a column."""

    seconds: pl.Series  # (rows,) i64, null where there is no usable time
    missing: pl.Series  # (rows,) bool, whether a cell is empty
    kinds: dict[str, int]  # what was found, in words, with the number of rows


def read_times(cells: pl.Series, time_format: str | None = None) -> Times:
    """The times of a column of any type; a UserError for a type that has none.

    A time before 1995 or after 2100 is not usable.
    """
    cells = cells.cast(pl.String) if cells.dtype == pl.Null else cells  # a column that is empty throughout
    kind = cells.dtype
    if kind == pl.Datetime or kind == pl.Date:
        zone = getattr(kind, "time_zone", None)
        words = "dates" if kind == pl.Date else f"times in {zone}" if zone else "times without a zone, read as UTC"
        seconds = cells.cast(pl.Datetime("us") if zone is None else pl.Datetime("us", "UTC")).dt.epoch("s")
        return _times(seconds, cells.is_null(), {words: len(cells) - cells.null_count()})
    if kind.is_float() or kind.is_integer():
        missing = cells.is_null() | (cells.is_nan() if kind.is_float() else False)
        return _numbers(cells, missing)
    if kind != pl.String:
        raise UserError(f"holds {kind}, which is no time; times are ISO text, dates or numbers")
    text = cells.str.strip_chars()
    missing = text.is_null() | text.is_in(MISSING)
    if time_format is not None:
        return _by_format(text, missing, time_format)
    numeric = text.str.contains(r"^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$").fill_null(False)
    if numeric.sum() * 2 > (~missing).sum():
        return _numbers(text.set(~numeric, None), missing)
    return _iso(text, missing)


def _times(seconds: pl.Series, missing: pl.Series, kinds: dict[str, int]) -> Times:
    usable = seconds.is_between(EARLIEST, LATEST, closed="left")
    return Times(seconds.cast(pl.Int64).set(~usable, None), missing, {kind: n for kind, n in kinds.items() if n})


def _by_format(text: pl.Series, missing: pl.Series, form: str) -> Times:
    zoned = "%z" in form
    try:
        found = text.str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC" if zoned else None)
    except pl.exceptions.PolarsError as error:
        raise UserError(f"time_format '{form}' cannot be used: {str(error).splitlines()[0]}") from error
    words = f"times in the format {form}" + ("" if zoned else ", read as UTC")
    return _times(found.dt.epoch("s"), missing, {words: int(found.is_not_null().sum())})


def _iso(text: pl.Series, missing: pl.Series) -> Times:
    parts = text.str.extract_groups(_ISO).struct.unnest()
    clock = parts["clock"].fill_null("00:00") + parts["second"].fill_null(":00")
    local = (parts["day"] + " " + clock).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    ahead = parts["hours"].cast(pl.Int64) * 3600 + parts["minutes"].cast(pl.Int64).fill_null(0) * 60
    ahead = ahead * parts["sign"].replace_strict({"+": 1, "-": -1}, return_dtype=pl.Int64)
    read, date = local.is_not_null(), parts["clock"].is_null()
    zoned = parts["utc"].is_not_null() | parts["sign"].is_not_null()
    kinds = {
        "ISO times with a zone": int((read & zoned).sum()),
        "ISO times without a zone, read as UTC": int((read & ~zoned & ~date).sum()),
        "ISO dates": int((read & date).sum()),
    }
    return _times(local.dt.epoch("s") - ahead.fill_null(0), missing, kinds)


def _numbers(cells: pl.Series, missing: pl.Series) -> Times:
    """Numbers, each read in the one unit that most of them fit."""
    if cells.dtype == pl.String:  # as whole numbers where possible: a float has too few digits for ns
        whole = cells.cast(pl.Int64, strict=False)
        cells = cells.cast(pl.Float64, strict=False) if whole.null_count() > cells.null_count() else whole
    readings = {f"epochs in {unit}": _scaled(cells, size) for unit, size in UNITS.items()}
    days = cells.cast(pl.Int64, strict=False).cast(pl.String)
    dated = days.str.len_chars() == 8
    readings["dates such as 20240501"] = days.set(~dated, None).str.to_datetime(
        "%Y%m%d", strict=False, time_unit="us"
    ).dt.epoch("s")  # fmt: skip
    years = days.set(days.str.len_chars() != 4, None) + "-01-01"
    readings["years, read as their first day"] = years.str.to_datetime(
        "%Y-%m-%d", strict=False, time_unit="us"
    ).dt.epoch("s")  # fmt: skip
    fits = {kind: int(one.is_between(EARLIEST, LATEST, closed="left").sum()) for kind, one in readings.items()}
    best = max(fits, key=lambda kind: fits[kind])
    return _times(readings[best], missing, {best: fits[best]})


def _scaled(cells: pl.Series, size: int) -> pl.Series:
    scaled = cells // size if cells.dtype.is_integer() else (cells / size).floor()
    return scaled.cast(pl.Int64, strict=False)
