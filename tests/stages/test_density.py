"""Density: places and proximity by hand, gains as the tables have them, the correlations, and every refusal."""

import csv

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from semacdr.errors import UserError
from semacdr.evaluation.density import PREDICTORS, Place, density_rows, divergence, proximity, read_place
from semacdr.stages import compare, density
from semacdr.storage import tables

shares = st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda values: sum(values) > 0.1)


@given(shares, shares)
def test_divergence_is_scipys(one, other):
    one, other = (np.array(values) / sum(values) for values in (one, other))
    assert divergence(one, other) == pytest.approx(jensenshannon(one, other, base=2) ** 2, abs=1e-9)
    assert divergence(one, one) == 0
    assert divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1


def test_proximity_by_hand():
    """Item 0 has both terms, so an event of it counts half in each."""
    tone = [(0, 0), (0, 1), (1, 0), (2, 1)]
    alike, apart = np.array([2.0, 0, 0]), np.array([0, 1.0, 1.0])
    assert proximity([alike, apart], {"Tone": tone}) == 1  # both are half and half
    left, right = np.array([0, 3.0, 0]), np.array([0, 0, 5.0])
    assert proximity([left, right], {"Tone": tone}) == 0
    assert proximity([left, right], {"Tone": tone, "World": [(1, 0), (2, 0)]}) == 0.5  # the mean of the categories
    assert proximity([left, right], {"World": [(1, 0), (2, 0)], "Only left": [(1, 0)]}) == 1
    with pytest.raises(UserError, match="no category has items with events in both domains"):
        proximity([left, right], {"Only left": [(1, 0)]})


# Items 0 and 1 are of the target, 2 and 3 of the source; tone 0 is Warm, 1 is Cold.
TONES = {0: "Warm", 1: "Cold", 2: "Warm", 3: "Cold"}


def write_scenario(folder, release="real", events=8, **rows):
    """One direction, book to game: half of the source events are Warm, and three of four of the target."""
    meta = {"release": release, "scenario": folder.name}
    target = [(user, 0 if user % 4 else 1, "game") for user in range(events)]
    source = [(100 + user, 2 + user % 2, "book") for user in range(6)]
    names = ("user", "item", "domain", "timestamp")
    table = pa.table({name: list(column) for name, column in
                      zip(names, zip(*((*row, 0) for row in target + source), strict=True), strict=True)})  # fmt: skip
    made = tables.write(table, folder / "interactions.parquet", "interactions", meta)
    items = [{"item": item, "item_id": str(item), "domain": "game" if item < 2 else "book", "title": "", "brand": "",
              "categories": [], "description": ""} for item in TONES]  # fmt: skip
    tables.write(pa.Table.from_pylist(items), folder / "items.parquet", "items", meta)
    (folder / "semantics").mkdir(parents=True)
    filed = [{"item": item, "category": "Tone", "subcategory": tone, "provenance": ""} for item, tone in TONES.items()]
    tables.write(pa.Table.from_pylist(filed), folder / "semantics/agnostic.parquet", "agnostic", meta)
    split = [{"user": user, "item": item, "role": "train"} for user, item, _ in target]
    split += [{"user": 0, "item": 0, "role": "valid"}, {"user": 0, "item": 1, "role": "test"}]
    split_meta = meta | {"source": "book", "target": "game", "made_from_interactions": made["digest"]}
    (folder / "book_to_game").mkdir()
    tables.write(
        pa.Table.from_pylist(rows.get("split", split)), folder / "book_to_game/split.parquet", "split", split_meta
    )
    return folder


@pytest.fixture
def scenario(tmp_path, write_run):
    """Write a scenario with the table of its experiment, which stage compare makes from ranks; return its folder."""

    def write(name, gain=0, events=8, variants=("bpr", "bpr_sphere"), **rows):
        folder = write_scenario(tmp_path / name, events=events, **rows)
        own = {"source": "book", "target": "game", "scenario": name, "release": "real"}
        users = range(20)
        ranks = {"popularity": 12, "bpr": 5, "bpr_sphere": 5 - gain, "mf": 7, "mf_sphere": 7 - gain}
        models = {"popularity": "popularity", "bpr": "lightgcn", "mf": "svdpp"}
        argv = ["--title", "x", "--output", folder / "sphere.tsv", "--table", folder / "sphere.md"]
        for variant in variants:
            values = {user: ranks[variant] + user % 3 for user in users}
            argv += ["--runs", variant, write_run(values, model=models.get(variant, "sphere"), **own)]
            if variant.endswith("_sphere"):
                argv += ["--against", variant, variant.removesuffix("_sphere")]
        compare.main([str(word) for word in argv])
        return folder

    return write


def run(tmp_path, *folders, options=()):
    out = tmp_path / "out"
    argv = ["--scenarios", *folders, "--output", out / "density.tsv", "--correlations", out / "correlations.tsv"]
    argv += ["--table", out / "density.md", "--picture", out / "density.png", *options]
    density.main([str(word) for word in argv])
    return [
        list(csv.DictReader((out / f"{name}.tsv").open(), delimiter="\t")) for name in ("density", "correlations")
    ], (out / "density.md").read_text(), (out / "density.png").read_bytes()  # fmt: skip


def test_a_place_by_hand(scenario):
    folder = scenario("a")
    place = read_place(folder, "book", "game")
    expected = 1 - divergence(np.array([0.5, 0.5]), np.array([0.75, 0.25]))  # held-out events do not count
    assert place == Place(training_events=8, training_users=8, items=2, proximity=pytest.approx(expected))
    assert (place.events_per_item, place.events_per_user) == (4, 1)


def test_a_gain_is_the_difference_of_its_table(scenario, tmp_path):
    folder = scenario("a", gain=2, variants=("popularity", "bpr", "bpr_sphere"))
    (rows, _), page, _ = run(tmp_path, folder)
    (row,) = rows
    table = [one for one in csv.DictReader((folder / "sphere.tsv").open(), delimiter="\t")
             if (one["ranking"], one["metric"]) == ("full", "ndcg")]  # fmt: skip
    of = {one["variant"]: one for one in table}
    assert (row["backbone"], row["variant"], row["scenario"]) == ("bpr", "bpr_sphere", "a")
    assert float(row["gain"]) == pytest.approx(float(of["bpr_sphere"]["difference"])) and float(row["gain"]) > 0
    assert row["backbone_ndcg"] == of["bpr"]["mean"]
    assert float(row["relative_gain"]) == pytest.approx(float(row["gain"]) / float(row["backbone_ndcg"]), rel=1e-4)
    assert row["over_popularity"] == "" and float(row["popularity_ndcg"]) == 0  # nothing is within the cut-off
    assert "## bpr_sphere over bpr" in page and "| a | book → game | 4.0 | 1.0 |" in page


@pytest.fixture
def five(scenario):
    """Five scenarios: the denser the target, the larger the gain."""
    both = ("bpr", "bpr_sphere", "mf", "mf_sphere")
    return [scenario(f"s{n}", gain=n, events=8 * (n + 1), variants=both) for n in range(5)]


def test_correlations_are_of_each_backbone_and_of_all(five, tmp_path):
    (rows, found), page, picture = run(tmp_path, *five)
    assert len(rows) == 10 and len(found) == 3 * 2 * len(PREDICTORS)
    names = [(one["backbone"], one["variant"]) for one in found if one["outcome"] == "gain"]
    assert list(dict.fromkeys(names)) == [("bpr", "bpr_sphere"), ("mf", "mf_sphere"), ("all", "all")]
    of = {(one["backbone"], one["outcome"], one["predictor"]): one for one in found}
    for backbone in ("bpr", "mf", "all"):
        one = of[backbone, "gain", "events_per_item"]
        # five points in perfect order: of the 120 orders two are as extreme; four predictors lack values or vary not
        assert (float(one["rho"]), one["points"], one["pairs"]) == (1, "5", "1")
        assert float(one["p"]) == pytest.approx(2 / 120, rel=1e-4) and float(one["p_holm"]) >= float(one["p"])
        assert of[backbone, "gain", "backbone_ndcg"]["rho"] == ""  # the same in all scenarios
        assert of[backbone, "gain", "over_popularity"]["points"] == "0"  # there is no popularity
    assert "| all | gain | training events per item | +1.00 | 0.0167 |" in page
    assert "unknown (needs 4 points that differ)" in page and "not independent" in page
    assert picture.startswith(b"\x89PNG") and run(tmp_path, *five)[2] == picture


def test_chosen_variants_alone_are_shown(five, tmp_path):
    (rows, found), _, _ = run(tmp_path, *five[:2], options=["--variants", "mf_sphere"])
    assert {row["variant"] for row in rows} == {"mf_sphere"} and len(found) == 2 * len(PREDICTORS)
    for wrong in ("bpr", "unknown"):  # the first variant is compared with nothing
        with pytest.raises(
            UserError, match=rf"s0/sphere.tsv: lacks variant {wrong} that is compared with its backbone"
        ):
            density_rows(five, "sphere", [wrong])


def test_an_experiment_without_such_variants_is_refused(scenario):
    folder = scenario("a", variants=("bpr", "mf"))  # no variant names its reference, so there is no column against
    with pytest.raises(UserError, match=r"a/sphere.tsv: lacks a variant of model sphere that is compared with its"):
        density_rows([folder], "sphere")
    with pytest.raises(UserError, match=r"none.tsv: cannot be read as a table"):
        density_rows([folder], "none")


def test_a_scenario_without_training_events_is_refused(scenario):
    folder = scenario("a", split=[{"user": 0, "item": 0, "role": "test"}])
    with pytest.raises(UserError, match=r"split.parquet: has no training event"):
        density_rows([folder], "sphere")
