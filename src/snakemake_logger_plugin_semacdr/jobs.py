"""The jobs of a run: how long they take, how far a training is, and how much time is left. All times in seconds."""

import csv
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

STEP = re.compile(r"(?:pre-training )?epoch \d+|trial \d+ of \d+")  # what trainings and tuning log
SHORT = 20.0  # a job's log is read only after that


@dataclass(frozen=True)
class Job:
    """A job that has started; `started` is in seconds since 1970."""

    rule: str
    text: str
    logs: list[str]
    outputs: list[str]
    started: float

    def best(self) -> str:
        """Return a training's best value, e.g. ", best validation NDCG@10 0.1234 (epoch 7)"; "" of other jobs.

        Every job that writes a history.tsv is a training.
        """
        for path in (path for path in map(Path, self.outputs) if path.name == "history.tsv"):
            with path.open(encoding="utf-8", newline="") as file:
                rows = [(float(row["valid_ndcg_10"]), row["epoch"]) for row in csv.DictReader(file, delimiter="\t")]
            if rows:
                value, epoch = max(rows, key=lambda row: row[0])
                return f", best validation NDCG@10 {value:.4f} (epoch {epoch})"
        return ""

    def now(self, now: float) -> str:
        """Return the job's text, after its last epoch or trial once it has run longer than SHORT."""
        steps = [step for path in self.logs if now - self.started >= SHORT for step in STEP.findall(end_of(path))]
        return f"{steps[-1]} of {self.text}" if steps else self.text


@dataclass
class Jobs:
    """The jobs of one run: planned and finished ones by rule, running ones by Snakemake's number."""

    planned: Counter[str] = field(default_factory=Counter)
    began: float = 0.0
    running: dict[int, Job] = field(default_factory=dict)
    took: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def done(self) -> str:
        """Return how many jobs have finished, of how many."""
        return f"{sum(map(len, self.took.values()))} of {self.planned.total()}"

    def time_left(self, now: float) -> str:
        """Estimate the remaining time from the mean time of each rule and from how many jobs ran at a time.

        Jobs of a rule that has not finished once count nothing: the estimate is then a lower bound, "at least".
        """
        mean = {rule: sum(times) / len(times) for rule, times in self.took.items()}
        ages = [(now - job.started, mean.get(job.rule, 0.0)) for job in self.running.values()]
        work = sum((count - len(self.took.get(rule, ()))) * mean.get(rule, 0.0) for rule, count in self.planned.items())
        work -= sum(min(age, expected) for age, expected in ages)
        spent = sum(map(sum, self.took.values())) + sum(age for age, _ in ages)
        left = work / max(spent / max(now - self.began, 1.0), 1.0)
        bound = "at least" if set(self.planned) - set(mean) else "about"
        return f", {bound} {duration(left)} left" if left >= 1 else ""

    def line(self, now: float) -> str:
        """Return one line on the whole run: jobs done, time left, and what is running."""
        texts = [job.now(now) for job in self.running.values()]
        return f"{self.done()} jobs done{self.time_left(now)}; running: {'; '.join(texts) or 'nothing'}"


def duration(seconds: float) -> str:
    """Return a time as "3.2 s", "4 min 05 s" or "2 h 10 min"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def end_of(path: str, size: int = 8192) -> str:
    """Return the last `size` bytes of a file as text; "" of a file that does not exist."""
    if not Path(path).is_file():
        return ""
    with Path(path).open("rb") as file:
        file.seek(max(Path(path).stat().st_size - size, 0))
        return file.read().decode(errors="replace")
