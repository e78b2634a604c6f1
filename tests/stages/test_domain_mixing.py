"""Domain mixing: shares of neighbours by hand and by a naive count, their expectation by chance, and every refusal."""

import csv

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from semacdr.errors import UserError
from semacdr.reporting import style
from semacdr.reporting.clouds import chances, load_clouds, neighbours, shares
from semacdr.stages import domain_mixing
from semacdr.storage import tables

META = {"release": "amazon2014", "scenario": "movie_book", "source": "movie", "target": "book", "model": "semacdr"}
APART = np.array([[1, 0.1], [1, 0.2], [1, 0.0], [0.1, 1], [0.2, 1], [0.0, 1]])  # 3 books here, 3 movies there
MIXED = np.array([[1, 0.1], [0.1, 1], [1, 0.0], [1, 0.05], [0.0, 1], [0.05, 1]])


def write(folder, spaces, domains=("book",) * 3 + ("movie",) * 3, **meta):
    """A run's vectors of one or more spaces."""
    parts = [
        pa.table(
            {"item": range(len(rows)), "domain": domains, "space": [space] * len(rows)}
            | {"vector": tables.vectors(np.asarray(rows, np.float32))}
        )
        for space, rows in spaces.items()
    ]
    run = folder / f"run{len(list(folder.glob('run*')))}/seed1"
    tables.write(pa.concat_tables(parts), run / "vectors.parquet", "vectors", META | meta)
    return run


@pytest.fixture
def stage(tmp_path):
    """Run the stage on runs by variant; return the rows and the bytes of table and picture."""

    def run(*options, **runs):
        argv = [
            "--neighbours",
            "2",
            "--perplexity",
            "1",
            "--output",
            tmp_path / "o.tsv",
            "--picture",
            tmp_path / "o.png",
        ]
        for name, paths in runs.items():
            argv += ["--runs", name, *paths]
        domain_mixing.main([str(part) for part in [*argv, *options]])
        text = (tmp_path / "o.tsv").read_text()
        return list(csv.DictReader(text.splitlines(), delimiter="\t")), text, (tmp_path / "o.png").read_bytes()

    return run


def test_shares_by_hand(tmp_path, stage):
    apart, mixed = write(tmp_path, {"graph": APART}), write(tmp_path, {"graph": 5 * MIXED})
    rows, _, picture = stage(apart=[apart], mixed=[mixed])
    found = {(row["variant"], row["domain"]): row for row in rows}
    assert [found["apart", domain]["share"] for domain in ("movie", "book", "all")] == ["0"] * 3
    # Of MIXED, items 0, 2 and 3 lie together, the books 0 and 2 and the movie 3; 1, 4 and 5, a book and two movies:
    # the books have other-domain shares of 1/2, 1 and 1/2, the movies of 1, 1/2 and 1/2.
    assert [float(found["mixed", domain]["share"]) for domain in ("movie", "book", "all")] == pytest.approx(
        [2 / 3] * 3, rel=1e-5
    )
    assert {row["chance"] for row in rows} == {"0.6"}  # three of the five others
    assert float(found["mixed", "all"]["mixing"]) == pytest.approx(2 / 3 / 0.6, rel=1e-5)
    assert {(row["std"], row["k"], row["seeds"], row["release"]) for row in rows} == {("", "2", "1", "amazon2014")}
    assert [row["items"] for row in rows[:3]] == ["3", "3", "6"]
    assert picture.startswith(b"\x89PNG")


def test_mean_and_deviation_over_seeds_and_a_row_for_each_direction_and_space(tmp_path, stage):
    first = write(tmp_path, {"own": APART, "mixed": MIXED})
    second = write(tmp_path, {"own": MIXED, "mixed": MIXED})
    other = write(tmp_path, {"own": APART}, source="book", target="movie")
    rows, *_ = stage(full=[first, second, other])
    found = {(row["source"], row["space"], row["domain"]): row for row in rows}
    assert len(rows) == len(found) == 9
    both = found["movie", "own", "all"]
    assert (float(both["share"]), float(both["std"])) == pytest.approx((1 / 3, np.std([0, 2 / 3], ddof=1)), rel=1e-5)
    assert float(found["movie", "mixed", "all"]["std"]) == 0 and both["seeds"] == "2"
    assert found["book", "own", "all"]["share"] == "0"


@given(st.integers(0, 99), st.integers(2, 30), st.integers(2, 30), st.integers(1, 3))
def test_neighbours_and_shares_equal_a_naive_count(seed, books, movies, k):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(books + movies, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    is_target = np.arange(books + movies) < books
    expected = []
    for item, vector in enumerate(vectors):
        order = sorted((-float(vector @ other), place) for place, other in enumerate(vectors) if place != item)
        expected.append([is_target[place] != is_target[item] for _, place in order[:k]])
    expected = np.mean(expected, axis=1)
    found = shares(neighbours(vectors, k), is_target)
    assert found == pytest.approx([expected[books:].mean(), expected[:books].mean(), expected.mean()])


def test_chance_is_the_mean_of_permutations_of_the_domains(tmp_path, stage):
    rng = np.random.default_rng(0)
    domains = ["book"] * 40 + ["movie"] * 10
    rows, *_ = stage("--permutations", 400, random=[write(tmp_path, {"x": rng.normal(size=(50, 5))}, domains)])
    assert [float(row["chance"]) for row in rows] == pytest.approx([40 / 49, 10 / 49, 2 * 400 / 50 / 49], rel=1e-5)
    for row in rows:
        assert float(row["permuted"]) == pytest.approx(float(row["chance"]), abs=0.01)
        assert float(row["permuted_low"]) < float(row["chance"]) < float(row["permuted_high"])
    assert chances(1, 1) == pytest.approx([1, 1, 1])  # the only other item is in the other domain


def test_the_same_seed_gives_the_same_bytes(tmp_path, stage):
    rng = np.random.default_rng(1)
    path = write(tmp_path, {"x": rng.normal(size=(60, 5))}, ["book"] * 30 + ["movie"] * 30)
    first = stage("--points", "40", full=[path])
    assert stage("--points", "40", full=[path]) == first
    assert stage("--points", "40", "--seed", "1", full=[path])[1:] != first[1:]


def test_the_picture_has_a_panel_per_variant_and_space_and_a_sign_and_a_colour_per_domain(tmp_path):
    both = write(tmp_path, {"own": APART, "mixed": MIXED}, release="sample")
    swapped = write(tmp_path, {"own": APART}, source="book", target="movie", release="sample")
    variants = {
        "full": [load_clouds(both), load_clouds(swapped)],
        "without_x": [load_clouds(both)],
    }
    settings = domain_mixing.Settings(neighbours=2, permutations=10, points=5, perplexity=1.0)
    drawn = domain_mixing.mixing_figure(variants, domain_mixing.mixing_rows(variants, settings), settings)
    titles = [axis.get_title() for axis in drawn.axes]
    assert len(titles) == 6 and titles[0].startswith(
        "SemaCDR, own (movie to book)\nneighbours of the other domain: 0.0%"
    )
    assert titles[5] == "SemaCDR (without x): no own"  # of the second direction
    for axis in drawn.axes[:5]:
        assert sum(len(points.get_offsets()) for points in axis.collections) == 5
        assert [to_hex(c) for points in axis.collections for c in points.get_facecolors()] == [
            c.lower() for c in style.COLOURS[:2]
        ]
        dot, cross = (points.get_paths()[0] for points in axis.collections)
        assert len(dot.vertices) != len(cross.vertices)
    of_domain = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert of_domain == ["book items", "movie items"]
    assert tables.SAMPLE_NOTE in drawn.get_suptitle()


def test_what_cannot_be_is_refused(tmp_path, stage):
    path = write(tmp_path, {"x": APART})
    with pytest.raises(UserError, match=r"6 items have no 6 neighbours each; lower domain_mixing\.neighbours"):
        stage("--neighbours", "6", full=[path])
    with pytest.raises(UserError, match=r"needs a perplexity below 2; lower domain_mixing\.perplexity"):
        stage("--perplexity", "2", full=[path])
    for other in (
        write(tmp_path, {"x": APART}, release="sample"),
        write(tmp_path, {"x": APART}, domains=["movie"] + ["book"] * 5),
    ):
        with pytest.raises(UserError, match="do not hold the same items of the same release"):
            stage(full=[path], other=[other])
    bare = tmp_path / "bare/seed1"
    tables.write(
        tables.read(path / "vectors.parquet", "vectors")[0], bare / "vectors.parquet", "vectors", {"release": "x"}
    )
    with pytest.raises(UserError, match="the metadata lack source, target, model; run stage vectors again"):
        stage(full=[bare])
