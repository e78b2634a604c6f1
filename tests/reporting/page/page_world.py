"""A small complete scenario for the page: every file that the stage reads, made by real stages where that is cheap."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from tiny_dataset import World

from semacdr.reporting import style
from semacdr.stages import cold_start, compare, metrics, report
from semacdr.storage import tables

USERS, BOOKS, FILMS = 24, 12, 12
META = {"release": "handmade", "scenario": "book_film"}
SYSTEMS = {"semacdr-ce": ("semacdr", "ce"), "sasrec-ce": ("sasrec", "ce"), "sasrec": ("sasrec", "full")}
SHOWN = ("semacdr-ce", "sasrec-ce")
HOSTILE = {  # titles by item
    0: "<script>window.broken = 1</script>",
    1: '"><img src=x onerror="window.broken=2">',
    2: "</style><style>body{display:none}</style>",
    3: "{{ 7 * 7 }}{% raw %}",
    4: "javascript:alert(1)//' onfocus='window.broken=3' autofocus='",
    5: "",
    6: "Wort" * 40,
    7: "מלחמה ושלום & 戦争と平和 \u2028 end",
}
CATEGORIES = {"Genre": ("Drama", "<b>Quest</b>", "Other"), "Mood": ("Bright", "Dark")}


class PageWorld:
    """A folder with the scenario's files, and the options of the stage that name them."""

    systems, shown = SYSTEMS, SHOWN

    def __init__(self, folder: Path) -> None:
        self.folder, self.rng = folder, np.random.default_rng(5)
        rows = [
            (user, domain, int(item), int(day))
            for user in range(USERS)
            for domain, count in (("book", BOOKS), ("film", FILMS))
            for item, day in zip(self.rng.permutation(count)[:6], self.rng.integers(0, 400, 6), strict=True)
        ]
        self.worlds = {target: World(rows, BOOKS, FILMS, target) for target in ("film", "book")}
        self.tables()
        self.semantics()
        self.personas()
        self.runs = [self.run(target, name) for target in self.worlds for name in self.systems]
        self.results()
        self.extras()

    def tables(self) -> None:
        """Interactions, items with hostile titles, splits, counts."""
        for world in self.worlds.values():
            world.write(self.folder / f"{world.source}_to_{world.target}")
        items = self.worlds["film"].items.with_columns(
            title=pl.Series([HOSTILE.get(item, f"The work {item}") for item in range(BOOKS + FILMS)]),
            brand=pl.Series([f"<i>A. Writer {item}</i>" for item in range(BOOKS + FILMS)]),
        )
        tables.write(items.to_arrow(), self.folder / "items.parquet", "items", META)
        events = self.worlds["film"].interactions
        tables.write(events.to_arrow(), self.folder / "interactions.parquet", "interactions", META)
        self.text("statistics.tsv", "domain overlapped_users items interactions avg_len release",
                  *(f"{domain} {USERS} 12 144 6.00 handmade" for domain in ("book", "film")))  # fmt: skip
        self.text("preprocess.tsv", "domain step count users items release", "book lines 200   handmade")

    def semantics(self) -> None:
        """Categories, each item's subcategory in each, and texts, of which one fell back."""
        listed = [
            {"name": name, "question": "Which?", "subcategories": [{"name": s, "description": ""} for s in subs]}
            for name, subs in CATEGORIES.items()
        ]
        (self.folder / "taxonomy.json").write_text(json.dumps({"categories": listed}))
        self.filed = [(i, name, subs[i % len(subs)]) for i in range(BOOKS + FILMS) for name, subs in CATEGORIES.items()]
        item, category, subcategory = map(list, zip(*self.filed, strict=True))
        filed = {"item": item, "category": category, "subcategory": subcategory, "provenance": ["x"] * len(item)}
        tables.write(pa.table(filed), self.folder / "agnostic.parquet", "agnostic", META)
        made = ["engine=llm model=m weights=w attempt=2"] * (BOOKS + FILMS)
        made[9] = "engine=encoder model=e text=composed because=too long"
        texts = [f"<u>Text of {item}</u>" for item in range(BOOKS + FILMS)]
        inner = pa.table({"item": range(BOOKS + FILMS), "text": texts, "provenance": made})
        tables.write(inner, self.folder / "inner.parquet", "inner", META)
        self.text("semantics.tsv", "step result items release", "describe attempt_2 23 handmade",
                  "describe fell_back 1 handmade")  # fmt: skip
        cost = {"engine": "llm", "model": "m", "answers": 72, "prompt_tokens": 1000, "completion_tokens": 500}
        (self.folder / "asked.json").write_text(json.dumps(cost | {"dollars": 0.25}))

    def personas(self) -> None:
        """No personas here."""

    def more(self, target: str, name: str) -> tuple[dict, dict]:
        """More metadata of a run's tables, and its model's settings."""
        return {}, {"dim": 64}

    def run(self, target: str, name: str) -> Path:
        """A run: random scores, ranks and lists made from them, a history of five epochs."""
        world, (model, _) = self.worlds[target], self.systems[name]
        folder = self.folder / f"{world.source}_to_{target}/{name}/seed1"
        meta = META | {"source": world.source, "target": target, "model": model, "seed": "1"}
        first, ranks, best = world.first[target], [], []
        for user in range(USERS):
            targets = [item for _, item in world.of_user(user, target)]
            candidates = [i for i in range(first, first + 12) if i not in targets[:-1]]
            order = self.rng.permutation(candidates).tolist()
            place = float(1 + order.index(targets[-1]))
            ranks += [(user, "valid", "full", 2.0), (user, "test", "full", place), (user, "test", "sampled", place)]
            best += [(user, 1 + n, item, 1.0 / (1 + n)) for n, item in enumerate(order[:5])]
        more, own = self.more(target, name)
        for contract, rows in (("ranks", ranks), ("recommendations", best)):
            columns = dict(zip(tables.CONTRACTS[contract], zip(*rows, strict=True), strict=True))
            tables.write(pa.table(columns), folder / f"{contract}.parquet", contract, meta | more)
        training = {"loss": "ce", "learning_rate": 0.001}
        settings = meta | {"seed": 1, "tuned": None, "settings": own, "training": training}
        (folder / "settings.json").write_text(json.dumps(settings))
        cost = {
            "parameters": 69760,
            "epochs": 5,
            "best_epoch": 3,
            "training_seconds": 61.0,
            "pretraining_seconds": 0.0,
            "validation_seconds": 4.0,
        }
        cost |= {"best_seconds": 39.0, "peak_mb": 400.0, "device": "cpu", "threads": 1}
        (folder / "cost.json").write_text(json.dumps(cost))
        lines = (f"{epoch}\t{1 / epoch}\t{0.1 - 0.01 * abs(3 - epoch)}\t0.2" for epoch in range(1, 6))
        (folder / "history.tsv").write_text("epoch\tloss\tvalid_ndcg_10\tvalid_hr_10\n" + "\n".join(lines) + "\n")
        return folder

    def results(self) -> None:
        """metrics.tsv and two experiments, by their own stages."""
        by_name = {name: [str(run) for run in self.runs if run.parent.name == name] for name in self.systems}
        places = {"output": self.folder / "metrics.tsv", "summary": self.folder / "summary.tsv"}
        places |= {"table": self.folder / "metrics.md"}
        rows = [part for name, runs in by_name.items() for part in ("--runs", "/".join(self.systems[name]), *runs)]
        metrics.main([*rows, *options(places)])
        runs = [part for name in self.shown for part in ("--runs", name, *by_name[name])]
        splits = [str(path) for path in self.splits]
        for stage, more in ((compare, []), (cold_start, ["--splits", *splits])):
            name = stage.__name__.rpartition(".")[2]
            stage.main([*runs, *more, *options({"output": self.folder / f"{name}.tsv", "table": self.folder / "x.md"})])

    def extras(self) -> None:
        """A figure with its numbers, and Snakemake's measurements."""
        drawn = style.figure(2, 1)
        style.save(drawn, self.folder / "taste_similarity.png")
        self.text("taste_similarity.tsv", "category similarity p release", "Genre 0.123456 0.001 handmade")
        header = "s h:m:s max_rss max_vms max_uss max_pss io_in io_out mean_load cpu_time"
        self.text("logs/encode.tsv", header, "3.5 0:00:03 100.5 1 1 1 0 0 90 3.1")
        self.text("logs/book_to_film/sasrec/train_seed1.tsv", header, "65.0 0:01:05 NA 1 1 1 0 0 90 60")
        self.text("logs/book_to_film/sasrec/train_seed2.tsv", header, "35.0 0:00:35 200 1 1 1 0 0 90 30")

    def text(self, name: str, *lines: str) -> None:
        """Write a TSV; the words of a line are its cells."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.replace(" ", "\t") for line in lines) + "\n")

    @property
    def splits(self) -> list[Path]:
        """Both directions'."""
        return [self.folder / f"{w.source}_to_{w.target}/split.parquet" for w in self.worlds.values()]

    def argv(self, output: Path, *more, shown=True, experiments=("compare", "cold_start"), figures=True, logs=True):
        """The stage's command line."""
        files = {name: self.folder / f"{name}.parquet" for name in ("interactions", "items", "inner", "agnostic")}
        files |= {"statistics": self.folder / "statistics.tsv", "steps": self.folder / "preprocess.tsv"}
        files |= {"taxonomy": self.folder / "taxonomy.json", "filed": self.folder / "semantics.tsv"}
        files |= {"summary": self.folder / "summary.tsv"}
        files |= {"asked": self.folder / "asked.json", "metrics": self.folder / "metrics.tsv", "output": output}
        argv = [
            *options(files),
            "--splits",
            *self.splits,
            "--runs",
            *self.runs,
            "--users",
            "6",
            "--events",
            "4",
            *more,
        ]
        argv += ["--shown", *(run for run in self.runs if run.parent.name in self.shown)] if shown else []
        argv += ["--experiments", *(self.folder / f"{name}.tsv" for name in experiments)] if experiments else []
        argv += ["--figures", self.folder / "taste_similarity.png"] if figures else []
        argv += ["--benchmarks", self.folder / "logs"] if logs else []
        return [str(part) for part in argv]

    def page(self, output: Path, *more, **parts) -> str:
        """Run the stage; returns the page."""
        report.main(self.argv(output, *more, **parts))
        return output.read_text(encoding="utf-8")


def options(files: dict) -> list[str]:
    """Files as options."""
    return [part for name, path in files.items() for part in (f"--{name}", str(path))]
