"""Read review files of Amazon's releases (JSON lines) as a table of user_id, item_id and timestamp.

The releases of 2014 and 2018 have reviewerID, asin and unixReviewTime (seconds). That of 2023 has user_id, parent_asin
(the key of its metadata; asin is the colour or size variant) and timestamp (milliseconds). The format is detected line
by line.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import polars as pl

from semacdr.data.lines import Malformed, Tally, read_lines

SCHEMA = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64}
CHUNK = 500_000  # rows held as Python objects before they go into a polars frame
EARLIEST, LATEST = 788_918_400, 4_102_444_800  # from 1995, when the shop opened, to 2100; other times are errors

L = TypeVar("L", bound="Line")


class Line(msgspec.Struct):
    """The fields of a line that identify the event."""

    reviewerID: str = ""
    user_id: str = ""
    asin: str = ""
    parent_asin: str = ""
    unixReviewTime: int | None = None
    timestamp: int | None = None


def read_reviews(path: Path) -> tuple[pl.DataFrame, Tally]:
    """All usable reviews of a file (columns user_id, item_id, timestamp in seconds), and the tally of its lines."""
    tally, frames = Tally(path), []
    rows: list[tuple[str, str, int]] = []
    for event, _ in usable(path, tally, Line):
        rows.append(event)
        if len(rows) == CHUNK:
            frames.append(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
            rows.clear()
    frames.append(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    return pl.concat(frames), tally


def usable(path: Path, tally: Tally, kind: type[L]) -> Iterator[tuple[tuple[str, str, int], L]]:
    """Yield event (user_id, item_id, timestamp in seconds) and line of each usable review; tally the others."""
    decode = msgspec.json.Decoder(kind).decode
    for number, text in read_lines(path):
        tally.lines = number
        try:
            line = decode(text)
            event = _event(line)
        except Malformed as error:
            tally.add(number, error)
        except msgspec.ValidationError as error:
            tally.add(number, Malformed("wrong type", str(error)))
        except UnicodeDecodeError as error:
            tally.add(number, Malformed("not UTF-8", str(error)))
        except RecursionError as error:
            tally.add(number, Malformed("nested too deeply", str(error)))
        except msgspec.DecodeError as error:
            tally.add(number, Malformed("not JSON" if text.strip() else "blank", str(error)))
        else:
            yield event, line


def _event(line: Line) -> tuple[str, str, int]:
    user, item = line.reviewerID or line.user_id, line.parent_asin or line.asin
    if not user:
        raise Malformed("no user", "neither reviewerID nor user_id")
    if not item:
        raise Malformed("no item", "neither asin nor parent_asin")
    if line.unixReviewTime is not None:
        time = line.unixReviewTime
    elif line.timestamp is not None:
        time = line.timestamp // 1000
    else:
        raise Malformed("no time", "neither unixReviewTime nor timestamp")
    if not EARLIEST <= time < LATEST:
        raise Malformed("impossible time", f"{time} s since 1970 is not between 1995 and 2100")
    return user, item, time
