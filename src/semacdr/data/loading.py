"""All events and items of a scenario from its source; what was found goes into the log and preprocess.tsv."""

import time
from collections.abc import Sequence

import polars as pl

from semacdr.data.dates import day_of
from semacdr.data.funnel import Funnel
from semacdr.data.lines import Tally
from semacdr.data.metadata import SCHEMA as METADATA_SCHEMA
from semacdr.data.reading import Source
from semacdr.errors import UserError
from semacdr.runtime.cli import log

FEW = 0.9  # a smaller share of items with a title, or with any metadata, is worth a warning
NO_TEXT = "; no item has any text: if the other domain has none either, set `train: {texts: false}` for the scenario"


def load_events(
    source: Source, max_malformed: float, funnel: Funnel, disjoint: bool = False
) -> tuple[pl.DataFrame, dict[str, bool]]:
    """All usable events of the domains (user_id, item_id, timestamp, domain, perhaps position).

    Also, by domain, whether positions take the place of times. Counts go into the funnel. A UserError if too many lines
    are malformed, or if users have times in one domain and positions in the other. `disjoint`: no user is in both
    domains, so the two domains need no common scale of times or positions.
    """
    frames, by_position = [], {}
    for domain in source.domains:
        reading = source.events(domain)
        _account(domain, source.names[0], reading.tallies, max_malformed, funnel)
        for step, count in reading.counts:
            funnel.add_count(domain, step, count)
        by_position[domain] = reading.by_position
        frames.append(reading.frame.with_columns(domain=pl.lit(domain)))
        if reading.frame.height > 1 and reading.frame["timestamp"].n_unique() == 1:
            log.warning("%s: all events have the same time, so only a hash orders a user's events", domain)
    events = pl.concat(frames, how="diagonal")
    if "position" in events.columns:
        events = events.with_columns(pl.col("position").fill_null(0))
    if any(by_position.values()) and not disjoint:
        _check_positions(events, by_position)
    if not all(by_position.values()) and events.height and (latest := int(events["timestamp"].max())) > time.time():  # type: ignore[arg-type]
        log.warning("the last event is on %s, in the future; check the unit and the zone of the times", day_of(latest))
    return events, by_position


def _check_positions(events: pl.DataFrame, by_position: dict[str, bool]) -> None:
    shared = events.select("user_id", "domain").unique()["user_id"].is_duplicated().any()
    if shared and not all(by_position.values()):
        dated, ordered = (next(name for name, one in by_position.items() if one == wanted) for wanted in (False, True))
        raise UserError(
            f"'{dated}' has times and '{ordered}' has positions, so nothing says which of a user's events come first; "
            "give both domains times, or both positions that count over both domains"
        )
    if shared:
        log.warning(
            "positions take the place of times: a user's source event is visible if its position is smaller, so they "
            "must count over both domains"
        )


def load_items(source: Source, events: pl.DataFrame, max_malformed: float, funnel: Funnel) -> pl.DataFrame:
    """The metadata of the items in `events`: domain, item_id, title, brand, categories, description, attributes if any.

    Items without metadata or without a title are counted in the funnel and logged, with a warning if they are many. A
    UserError if files have lines, but none is of an item of its domain.
    """
    frames = [pl.DataFrame(schema=METADATA_SCHEMA | {"domain": pl.String})]
    for domain in source.domains:
        wanted = events.filter(pl.col("domain") == domain)["item_id"].unique().sort()
        reading = source.items(domain, wanted)
        frame, tallies = reading.frame, reading.tallies
        _account(domain, source.names[1], tallies, max_malformed, funnel)
        lines, unit = sum(tally.lines for tally in tallies), tallies[0].unit if tallies else ""
        theirs = f", its ids are such as '{reading.ids[0]}'" if reading.ids else ""
        if lines and not frame.height:
            files = ", ".join(map(str, source.files(domain)))
            raise UserError(
                f"{files}: none of its {lines:,} {unit} is of one of the {len(wanted):,} items of domain "
                f"'{domain}', such as '{wanted[0]}'{theirs}; check that it belongs to the same category and release"
            )
        titled = frame.filter(pl.col("title") != "").height
        hint = "; stages that use item texts know little or nothing about the others" if _few(titled, wanted) else ""
        (log.warning if hint else log.info)(
            "%s: %s of %s items have metadata, %s have a title%s",
            domain, f"{frame.height:,}", f"{len(wanted):,}", f"{titled:,}", hint if _any_text(frame) else NO_TEXT,
        )  # fmt: skip
        if lines and _few(frame.height, wanted):
            lost = wanted.filter(~wanted.is_in(frame["item_id"].implode()))[0]
            log.warning("%s: '%s' has no metadata%s; check that both write ids alike", domain, lost, theirs)
        funnel.add_count(domain, "items without a metadata line", len(wanted) - frame.height)
        funnel.add_count(domain, "items without a title", len(wanted) - titled)
        for step, count in reading.counts:
            funnel.add_count(domain, step, count)
        frames.append(frame.with_columns(domain=pl.lit(domain)))
    return pl.concat(frames, how="diagonal")


def _few(count: int, wanted: pl.Series) -> bool:
    return count < FEW * len(wanted)


def _any_text(metadata: pl.DataFrame) -> bool:
    """Whether any item has a text of any kind."""
    texts = [pl.col(name) != "" for name in ("title", "brand", "description")]
    return metadata.select(pl.any_horizontal(*texts, pl.col("categories").list.len() > 0).any()).item()


def _account(domain: str, what: str, tallies: Sequence[Tally], max_malformed: float, funnel: Funnel) -> None:
    """Log and record how many lines files have and how many are malformed; a UserError if a file has too many."""
    malformed: dict[str, int] = {}
    for tally in tallies:
        log.info("%s: %s %s read of %s", domain, f"{tally.lines:,}", tally.unit, tally.path)
        for kind, count in sorted(tally.malformed.items()):
            log.warning(
                "%s: %s %s malformed (%s); the first: %s",
                tally.path, f"{count:,}", tally.unit, kind, tally.firsts[kind],
            )  # fmt: skip
            malformed[kind] = malformed.get(kind, 0) + count
    if tallies:
        unit = tallies[0].unit
        funnel.add_count(domain, f"{what} {unit}", sum(tally.lines for tally in tallies))
        for kind, count in sorted(malformed.items()):
            funnel.add_count(domain, f"{what} {unit} malformed: {kind}", count)
    for tally in tallies:
        tally.check(max_malformed)
