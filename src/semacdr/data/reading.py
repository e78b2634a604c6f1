"""What preprocess reads of a domain, from raw files or from tables of your own, in the same form."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from semacdr.data.lines import Tally


@dataclass(frozen=True)
class Reading:
    """A table of a domain, and what was found in its files.

    Events have user_id, item_id, timestamp (seconds) and, where a column orders events of the same time, position.
    Items have the columns of `semacdr.data.metadata.SCHEMA` and, where they have category columns, attributes.
    """

    frame: pl.DataFrame
    tallies: Sequence[Tally]
    counts: Sequence[tuple[str, int]] = ()  # further rows of preprocess.tsv: what was found, and how often
    ids: Sequence[str] = ()  # of items: some ids as they are in the files
    by_position: bool = False  # of events: whether positions take the place of times


class Source(Protocol):
    """Where the data of a scenario come from."""

    @property
    def domains(self) -> Sequence[str]:
        """The two domains."""

    @property
    def names(self) -> tuple[str, str]:
        """What it calls the two tables of a domain, for preprocess.tsv."""

    def events(self, domain: str) -> Reading:
        """All usable events of a domain."""

    def items(self, domain: str, wanted: pl.Series) -> Reading:
        """The texts of the wanted items of a domain, one row each; items without any have no row."""

    def files(self, domain: str) -> list[Path]:
        """The files of a domain's items."""
