"""For tests of the embedded sample: the paths of its files, and both domains as a parameter."""

from pathlib import Path

import pytest

from semacdr.data import simulator
from semacdr.stages import sample

ROOT = Path(__file__).parents[3]
BOOKS, FILMS = (ROOT / "resources" / "sample" / f"{name}.tsv" for name in ("books", "films"))
REVIEWS, METADATA = ([f"{kind}_{name}.json.gz" for name in sample.FILES] for kind in ("reviews", "meta"))
PLANTED = ["planted/items.parquet", "planted/users.parquet", "planted/settings.json"]
BOTH = pytest.mark.parametrize("domain", [0, 1], ids=simulator.DOMAINS)
