"""The raw files of Amazon's releases as a source of events and items."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from semacdr.data.metadata import read_metadata
from semacdr.data.reading import Reading
from semacdr.data.reviews import read_reviews


class AmazonFiles:
    """A review file and a metadata file for each domain."""

    names: tuple[str, str] = ("reviews", "metadata")

    def __init__(self, reviews: Mapping[str, Path], metadata: Mapping[str, Path]) -> None:
        self.domains: Sequence[str] = list(reviews)
        self.reviews, self.metadata = reviews, metadata

    def events(self, domain: str) -> Reading:
        """All usable reviews of a domain."""
        frame, tally = read_reviews(self.reviews[domain])
        return Reading(frame, [tally])

    def items(self, domain: str, wanted: pl.Series) -> Reading:
        """The metadata of the wanted items; a UserError where the file cannot be read."""
        frame, tally = read_metadata(self.metadata[domain], wanted)
        return Reading(frame, [tally])

    def files(self, domain: str) -> list[Path]:
        """The metadata file."""
        return [self.metadata[domain]]
