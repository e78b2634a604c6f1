"""The page's record of the run: versions, machine, time and cost of language models."""

import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semacdr.runtime.checkout import version
from semacdr.runtime.machine import available_cpus
from semacdr.storage import tsv

PACKAGES = ("snakemake", "torch", "dgl", "numpy", "polars", "pyarrow", "scipy", "sentence-transformers", "openai")
STEP = re.compile(r"_seed\d+$")


@dataclass(frozen=True)
class Job:
    """All jobs of a stage, or of a system's training or ranking: seconds and the largest memory in MB."""

    stage: str
    jobs: int
    seconds: float
    cpu_seconds: float
    peak_mb: float | None


def versions() -> list[tuple[str, str]]:
    """The versions of Python and of the packages in PACKAGES that are installed."""
    found = [(name, version(name)) for name in PACKAGES]
    return [("Python", platform.python_version()), *((name, version) for name, version in found if version)]


def machine() -> str:
    """The machine that made the page."""
    return f"{platform.system()} on {platform.machine()}, {available_cpus()} CPUs"


def jobs(folder: Path | None) -> list[Job]:
    """Time and memory by stage, as Snakemake measured them in logs/benchmarks/<scenario>; the newest run counts."""
    found: dict[str, list[dict[str, str]]] = {}
    for path in sorted(folder.rglob("*.tsv")) if folder and folder.is_dir() else ():
        found.setdefault(stage_of(path), []).append(tsv.read(path, ("s", "max_rss", "cpu_time"))[-1])
    return [
        Job(
            stage, len(rows), sum(_number(row["s"]) or 0.0 for row in rows),
            sum(_number(row["cpu_time"]) or 0.0 for row in rows),
            max((mb for row in rows if (mb := _number(row["max_rss"])) is not None), default=None),
        )
        for stage, rows in sorted(found.items())
    ]  # fmt: skip


def stage_of(path: Path) -> str:
    """The stage of a job's file, with the run's name: train_seed1.tsv under sasrec/ is 'train sasrec'."""
    stage = STEP.sub("", path.stem)
    return f"{stage} {path.parent.name}" if stage != path.stem else stage


def _number(text: str) -> float | None:
    """A benchmark's cell as a number; None for NA or -, which mean not measured."""
    try:
        return float(text)
    except ValueError:
        return None


def duration(seconds: float) -> str:
    """Seconds in a readable unit: 8.3 s, 4:05 min, 2:03 h."""
    if seconds < 60:
        return f"{seconds:.1f}\u202fs" if seconds < 10 else f"{seconds:.0f}\u202fs"
    minutes = round(seconds / 60) if seconds >= 3600 else int(seconds // 60)
    if seconds >= 3600:
        return f"{minutes // 60}:{minutes % 60:02d}\u202fh"
    return f"{minutes}:{int(seconds % 60):02d}\u202fmin"


def llm_cost(cost: dict[str, Any], taxonomy: dict[str, Any] | None = None) -> str:
    """A sentence on what the language model's answers cost, of stage semantics and of the taxonomy."""
    asked = [_spent(taxonomy, "for the categories")] if taxonomy else []
    asked += [_spent(cost, "for describing and classifying the items")] if cost["engine"] == "llm" else []
    return "; and ".join(asked) or "none: no language model was used"


def _spent(cost: dict[str, Any], purpose: str) -> str:
    tokens = f"{cost['prompt_tokens']:,} prompt tokens, {cost['completion_tokens']:,} completion tokens"
    answers = f"{cost['answers']:,} answers of {cost['model']} {purpose}: {tokens}"
    if cost["dollars"] is None:
        return f"{answers}, no price is set for this model (llm.prices)"
    return f"{answers}, ${cost['dollars']:,.4f}"
