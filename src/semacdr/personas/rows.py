"""The rows of personas.parquet: what they are made from, the composed ones, and those of a language model."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semacdr.data.history import History, load_history
from semacdr.data.persona_parts import without_part
from semacdr.errors import UserError
from semacdr.personas.compose import Composed, How, compose
from semacdr.personas.llm_engine import Described
from semacdr.personas.vocabulary import Filing, Vocabulary, read_filing
from semacdr.runtime.cli import log
from semacdr.semantics.categories import read_taxonomy
from semacdr.storage import tables


@dataclass(frozen=True)
class World:
    """What personas are made from."""

    history: History
    vocabulary: Vocabulary
    filing: Filing
    meta: dict[str, str]  # of the table to write


def read_world(
    interactions: Path, items: Path, split: Path, taxonomy: Path, agnostic: Path, part: int = 0, parts: int = 0
) -> World:
    """What the tables of a direction say, without a part of the target events; a UserError if they do not fit."""
    history = without_part(load_history(interactions, items, split), part, parts)
    filed, meta = tables.read(agnostic, "agnostic")
    vocabulary = Vocabulary.of(read_taxonomy(taxonomy))
    taxonomy_meta = {"digest": sha256(taxonomy.read_bytes()).hexdigest()[:16]}
    items_meta = {"digest": history.meta["made_from_items"]} if "made_from_items" in history.meta else {}
    tables.check_made_from(agnostic, meta, "semantics", items=items_meta, taxonomy=taxonomy_meta)
    count = len(history.source_items) + len(history.target_items)
    made_from = tables.made_from(split=history.meta, agnostic=meta, taxonomy=taxonomy_meta)
    named = {"facets": vocabulary.as_json(), "part": str(part), "parts": str(parts)}
    return World(history, vocabulary, read_filing(filed, vocabulary, count), history.meta | made_from | named)


def compose_both(world: World, how: How) -> list[Composed]:
    """The composed personas of the source and of the target domain."""
    history = world.history
    user, training = history.user(), history.training()
    chosen = [training & (history.is_target == target) for target in (False, True)]
    return [compose(user[rows], history.item[rows], world.filing, world.vocabulary, how) for rows in chosen]


def table_of(world: World, composed: Sequence[Composed]) -> pa.Table:
    """The table of composed personas."""
    domains = [world.history.meta[side] for side in ("source", "target")]
    number = np.repeat([0, 1], [len(one.user) for one in composed])
    columns = {
        "user": np.concatenate([one.user for one in composed]),
        "domain": _named(number, domains),
        "events": np.concatenate([one.events for one in composed]),
        "confidence": np.concatenate([one.confidence for one in composed]),
        "weights": tables.vectors(np.concatenate([one.weights for one in composed])),
        "text": pa.chunked_array([one.text.cast(pa.string()) for one in composed]),
        "provenance": _named(np.zeros(len(number), np.int32), ["engine=compose"]),
    }
    return pa.table(columns)


def _named(number: np.ndarray, names: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(number, pa.int32()), pa.array(names, pa.string())).cast(pa.string())


def last_items(world: World, table: pa.Table, rows: Sequence[int], most: int) -> tuple[list[list[int]], list[str]]:
    """For those rows the items of the last `most` training events, the latest last, and a name of each row."""
    history = world.history
    user, training = history.user(), history.training()
    shown, names = [], []
    for is_target, side in ((False, "source"), (True, "target")):
        domain = history.meta[side]
        events = np.flatnonzero(training & (history.is_target == is_target))
        where = pc.equal(table["domain"], domain).to_numpy()
        chosen = [row for row in rows if where[row]]
        users = table["user"].to_numpy()[chosen]
        ends = np.searchsorted(user[events], users, side="right")
        begins = np.maximum(np.searchsorted(user[events], users), ends - most)
        shown += [history.item[events[begin:end]].tolist() for begin, end in zip(begins, ends, strict=True)]
        names += [f"user {one} ({domain})" for one in users.tolist()]
    return shown, names


def answered(
    table: pa.Table,
    good: Mapping[int, Described],
    attempts: Mapping[int, int],
    reasons: Mapping[int, str],
    made: str,
    most_fallbacks: float,
) -> pa.Table:
    """The composed table with the rows of a language model in place of the composed ones, where it has them.

    A UserError where more than a share `most_fallbacks` of the rows have none.
    """
    if len(reasons) > most_fallbacks * len(table):
        (why, count), *_ = Counter(reasons.values()).most_common(1)
        raise UserError(
            f"{len(reasons):,} of {len(table):,} personas have no conforming answer, more than "
            f"personas.llm.max_fallback_share {most_fallbacks:g}; the most frequent reason ({count:,} of them): {why}. "
            "The answers are kept. Try another model or prompt, or allow a larger share"
        )
    weights, text = tables.matrix(table["weights"]).copy(), table["text"].to_pylist()
    provenance = [f"engine=compose because={reasons.get(row, '')}" for row in range(len(table))]
    for row, described in good.items():
        weights[row], text[row] = described.weights, described.text
        provenance[row] = f"{made} attempt={attempts[row] + 1}"
    columns = {"weights": tables.vectors(weights), "text": pa.array(text), "provenance": pa.array(provenance)}
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


@dataclass(frozen=True)
class ReportRow:
    """How many personas of a domain were made how."""

    domain: str
    result: str
    personas: int
    release: str


def report_of(table: pa.Table, release: str) -> list[ReportRow]:
    """How many personas of each domain were made by which engine, at which attempt; fallbacks are also in the log."""
    pairs = zip(table["domain"].to_pylist(), table["provenance"].to_pylist(), strict=True)
    rows = []
    for (domain, made), count in sorted(Counter(pairs).items()):
        engine, _, why = made.partition(" because=")
        result = f"fell back: {why}" if why else engine
        level = log.warning if why else log.info
        level("%s: %s: %d", domain, result, count)
        rows.append(ReportRow(domain, result, count, release))
    return rows
