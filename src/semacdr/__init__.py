"""SemaCDR: cross-domain sequential recommendation that transfers knowledge by item semantics instead of item ids."""

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from semacdr.serving.recommender import Recommender

# By default, OpenMP threads spin for a long time while they wait for each other. If another process wants the same CPU,
# all of them stall: epochs took several times as long. torch reads the variable on import, so it is set before that.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def load(run: "str | Path", device: str | None = "cpu", threads: int = 1) -> "Recommender":
    """The recommender of a run's folder or of a bundle: `semacdr.serving.recommender.load`."""
    # By name: an import here would make the code of serving an input of every stage.
    found: Recommender = importlib.import_module("semacdr.serving.recommender").load(run, device, threads)
    return found
