"""The benchmarks of size and speed, at toy size: each runs and measures what its docstring says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from semacdr.storage import tables

ROOT = Path(__file__).parents[2]
USERS, BOOKS, MOVIES, EVENTS = 60, 340, 335, (700, 800)


def call(script, *arguments):
    """The output of a benchmark."""
    paths = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(ROOT / "benchmarks" / script), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale")
    sizes = ["--users", USERS, "--items", BOOKS, MOVIES, "--events", *EVENTS, "--shares", "quarter", "full"]
    assert "1,500 events of 60 users" in call("scale_data.py", *sizes, "--output", folder)
    return folder


def test_the_data_are_of_the_size_that_was_asked_for(data):
    events = pl.read_parquet(data / "full/interactions.parquet")
    assert dict(events.group_by("domain").len().iter_rows()) == {"book": EVENTS[0], "movie": EVENTS[1]}
    assert events["user"].n_unique() == USERS and not events.select("user", "item").is_duplicated().any()
    assert events.group_by("user", "domain").len()["len"].min() >= 3
    assert events.filter(domain="book")["item"].max() < BOOKS <= events.filter(domain="movie")["item"].min()
    assert events.equals(events.sort("user", "timestamp", "domain", "item"))
    quarter = pl.read_parquet(data / "quarter/interactions.parquet")
    assert quarter.equals(events.filter(pl.col("user") < USERS / 4))
    items = pl.read_parquet(data / "full/items.parquet")
    assert items.group_by("domain", maintain_order=True).len().rows() == [("book", BOOKS), ("movie", MOVIES)]


def test_simulated_users_choose_items_they_like_and_popular_ones(data):
    """Simulated users have favourites: a user has fewer genres than as many random events."""
    events, places = (
        pl.read_parquet(data / "full" / f"{name}.parquet") for name in ("interactions", "semantics/agnostic")
    )
    genre = places.filter(category="Genre").group_by("item").agg(pl.col("subcategory").min())
    taken = events.join(genre, on="item")
    shuffled = taken.with_columns(pl.col("subcategory").shuffle(seed=0))
    own, chance = (
        frame.group_by("user").agg(pl.col("subcategory").n_unique())["subcategory"].mean()
        for frame in (taken, shuffled)
    )
    assert own < 0.9 * chance
    counts = np.sort(events["item"].value_counts()["count"].to_numpy())[::-1]
    assert counts[: len(counts) // 10].sum() > 2 * counts.sum() / 10


@pytest.mark.slow
def test_scale_measures_each_job_and_draws_them(data, tmp_path):
    jobs = ["split", "graph", "SASRec, ce", "SemaCDR, bpr"]
    files = ["--table", tmp_path / "t.tsv", "--picture", tmp_path / "p.png"]
    call("scale.py", data, "--shares", "quarter", "full", "--rounds", 1, "--seconds", 0.1, "--jobs", *jobs, *files)
    table = pl.read_csv(tmp_path / "t.tsv", separator="\t")
    assert table.select("job", "users").rows() == [(job, users) for job in jobs for users in (15, 60)]
    assert table["seconds"].min() > 0 and table["peak_mb"].min() > 100 and set(table["rounds"]) == {1}
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"
    measured = [json.loads(line) for line in (data / "measured.jsonl").read_text().splitlines()]
    assert len(measured) == len(table)


@pytest.fixture(scope="module")
def direction(data):
    call("scale.py", data, "--shares", "full", "--rounds", 1, "--jobs", "split", "graph")
    return data / "full/movie_to_book"


@pytest.mark.slow
def test_padding_compares_the_same_mathematics_and_measures_what_is_around(direction):
    head, *rows = [line.split("\t") for line in call("padding.py", direction, "--rounds", 1).splitlines()]
    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert [(row["model"], row["loss"]) for row in found] == [
        ("sasrec", "bce"), ("sasrec", "ce"), ("semacdr", "bpr"), ("semacdr", "ce"),
    ]  # fmt: skip
    assert all(0 < float(row["around"].rstrip("%")) < 100 and float(row["ratio"]) > 0 for row in found)


@pytest.mark.slow
def test_gpu_runs_on_a_cpu_from_packed_data_and_with_the_model_of_a_checkout(data, direction, tmp_path):
    call("gpu_data.py", "pack", direction, tmp_path / "carried")
    call("gpu_data.py", "unpack", tmp_path / "carried", tmp_path / "back/movie_to_book")
    for name in ("source", "target", "mixed"):
        one, two = (
            pl.read_parquet(folder / f"movie_to_book/graphs/{name}.parquet")
            for folder in (data / "full", tmp_path / "back")
        )
        assert one.equals(two)
    (tmp_path / "checkout/python").mkdir(parents=True)
    (tmp_path / "checkout/python/model.py").write_text(CHECKOUT)
    lines = []
    for more in ([], ["--reference", tmp_path / "checkout"]):
        text = call("gpu.py", tmp_path / "back/movie_to_book", "--device", "cpu", "--small", *more)
        note, head, *rows = [line.split("\t") for line in text.splitlines()]
        assert note[0].startswith("# cpu") and len(rows) == 7
        found = [dict(zip(head, row, strict=True)) for row in rows]
        assert all(float(line["steps/s"]) > 0 and float(line["GB/step"]) > 0 for line in found)
        assert found[-1]["loop"] == "semacdr, ce, plus"
        lines.append(found[0])
    assert [line["loop"] for line in lines] == [
        "padded to 200, rewritten baseline",
        "padded to 200, model of checkout",
    ]


CHECKOUT = '''
import torch

class SASRec(torch.nn.Module):
    """The interface that the loop needs from the model of a checkout, and nothing else."""

    def __init__(self, users, items, args):
        super().__init__()
        self.device = args.device
        self.items = torch.nn.Embedding(items + 1, args.hidden_units)

    def forward(self, users, given, positives, negatives):
        rows = (torch.tensor(x, device=self.device).long() for x in (given, positives, negatives))
        given, positives, negatives = map(self.items, rows)
        return (given * positives).sum(-1), (given * negatives).sum(-1)
'''


def test_gpu_needs_neither_dgl_nor_polars():
    code = f"import sys; sys.path[:0] = ['{ROOT}/benchmarks', '{ROOT}/src']; import gpu, gpu_data; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "torch" in loaded and not loaded & {"dgl", "polars", "scipy", "matplotlib", "snakemake"}


def test_labels_measures_what_is_learned_from_a_share_of_answers(tmp_path):
    """120 items whose titles name their colour: learned from 50 answers without a mistake."""
    names = ["Red", "Green", "Blue"]
    rows = [
        {"item": n, "item_id": f"X{n}", "domain": ("film", "book")[n % 2], "title": f"{names[n % 3]} thing",
         "brand": "", "categories": [], "description": ""}
        for n in range(120)
    ]  # fmt: skip
    tables.write(pa.Table.from_pylist(rows), tmp_path / "items.parquet", "items", {"release": "handmade"})
    filed = {"item": range(120), "category": ["Colour"] * 120, "subcategory": [names[n % 3] for n in range(120)]}
    filed["provenance"] = ["engine=llm model=m"] * 120
    tables.write(pa.table(filed), tmp_path / "semantics/agnostic.parquet", "agnostic", {"release": "handmade"})
    listed = [{"name": name, "description": ""} for name in names]
    (tmp_path / "semantics/taxonomy.json").write_text(
        json.dumps({"categories": [{"name": "Colour", "question": "", "subcategories": listed}]})
    )
    header, *lines = (line.split("\t") for line in call("labels.py", tmp_path, "--shares", "0.1").splitlines())
    found = [dict(zip(header, line, strict=True)) for line in lines]
    assert [(row["share"], row["asked"], row["category"]) for row in found] == [
        ("encoder", "0", "Colour"), ("encoder", "0", "all"), ("0.1", "50", "Colour"), ("0.1", "50", "all"),
    ]  # fmt: skip
    assert (found[-1]["agreement"], found[-1]["held_out"], found[-1]["several"]) == ("1.0000", "1.0000", "0.0000")
