"""Taste similarity: histograms and similarities by hand, random partners, and that only planted tastes are found."""

import csv

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from tiny_dataset import World

from semacdr.data.history import shared_training
from semacdr.errors import UserError
from semacdr.reporting.histograms import Category, Matched, count, similarity
from semacdr.stages import taste_similarity
from semacdr.storage import tables

NAMES = ("item", "category", "subcategory", "provenance")


def agnostic(rows):
    return pl.DataFrame(
        [(*row, "test") for row in rows], schema=NAMES, orient="row", schema_overrides={"item": pl.Int32}
    )


def test_counts_by_hand():
    """Items 0 and 1 are of the first domain, 2 of the second; item 1 has two genres, item 2 no mood."""
    filed = agnostic([(0, "Genre", "War"), (1, "Genre", "War"), (1, "Genre", "Love"), (2, "Genre", "Love"),
                      (0, "Mood", "Dark"), (1, "Mood", "Dark")])  # fmt: skip
    user, item = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    genre, mood = count(user, item, np.array([0, 0, 1]), filed.to_arrow())
    assert (genre.name, genre.subcategories, mood.name) == ("Genre", ["Love", "War"], "Mood")
    assert genre.counts[0].tolist() == [[0.5, 1.5], [0.5, 0.5]] and genre.counts[1].tolist() == [[0, 0], [1, 0]]
    assert mood.counts[0].tolist() == [[2], [1]] and mood.counts[1].tolist() == [[0], [0]]


def test_similarity_by_hand():
    one = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [1.0, 0.0]])
    other = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.5, 0.5]])
    half = 1 - (
        -0.75 * np.log2(0.75) - 0.25 * np.log2(0.25) - 0.5
    )  # entropy of the mean less the mean entropy, 0 and 1
    assert similarity(one, other) == pytest.approx([1, 0, 1, half])


@given(st.integers(0, 1000))
def test_similarity_is_that_of_scipy_symmetric_and_bounded(seed):
    rng = np.random.default_rng(seed)
    one, other = (rng.dirichlet(np.full(5, 0.3), 4) for _ in range(2))
    found = similarity(one, other)
    assert found == pytest.approx(1 - jensenshannon(one, other, 2, axis=1) ** 2)
    assert found == pytest.approx(similarity(other, one)) and ((found > -1e-9) & (found < 1 + 1e-9)).all()


@given(st.lists(st.integers(1, 30), min_size=2, max_size=80), st.integers(0, 99))
def test_partners_are_others_each_once_with_about_as_many_events(counts, seed):
    counts = np.array(counts, float)
    matched, whole = Matched(counts, np.random.default_rng(seed)), np.arange(len(counts))
    others, permuted = matched.others(), matched.permuted()
    assert sorted(others) == sorted(permuted) == whole.tolist()
    assert (others != whole).all()
    places = np.argsort(counts, kind="stable")
    near = np.abs(np.searchsorted(counts[places], counts[others]) - np.searchsorted(counts[places], counts))
    assert (near < 20).all()  # groups of 10 to 19 users, in the order of their counts


def planted(users=120, taste=1.0, seed=0):
    """Two categories: in Genre users keep a personal subcategory with probability `taste`, in Noise all is random."""
    rng, categories = np.random.default_rng(seed), []
    favourite = rng.integers(4, size=users)
    for name, chance in (("Genre", taste), ("Noise", 0.0)):
        parts = []
        for _ in range(2):
            kept = rng.random((users, 12)) < chance
            drawn = np.where(kept, favourite[:, None], rng.integers(4, size=(users, 12)))
            parts.append(np.stack([(drawn == place).sum(1) for place in range(4)], 1).astype(float))
        categories.append(Category(name, list("abcd"), tuple(parts)))
    return categories


def test_a_taste_that_carries_over_is_found_and_chance_is_not():
    rows = {row.category: row for row in taste_similarity.similarity_rows(planted(taste=0.6), 1, 199, 0, "test")}
    genre, noise = rows["Genre"], rows["Noise"]
    assert genre.similarity > genre.random_high and genre.difference_low > 0.1 and genre.p == 1 / 200
    assert noise.difference_low < 0 < noise.difference_high and noise.p > 0.05
    both = rows["all categories"]
    assert both.similarity == pytest.approx((genre.similarity + noise.similarity) / 2)
    assert (both.users, both.permutations) == (120, 199)
    assert genre.difference == pytest.approx(genre.similarity - genre.random)


def test_many_events_in_both_domains_do_not_make_users_look_similar():
    """Random events, few or many, the same number in both domains: p is uniform."""
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        events = rng.choice([1, 2, 30], 90)
        parts = tuple(rng.multinomial(events, [0.25] * 4).astype(float) for _ in range(2))
        found.append(
            taste_similarity.similarity_rows([Category("Noise", list("abcd"), parts)], 1, 99, seed, "test")[0].p
        )
    assert 0.3 < np.mean(found) < 0.7 and min(found) < 0.2


def test_the_least_events_choose_the_users_and_the_typical_user_is_nearest_the_median():
    one = np.array([[4.0, 0.0], [2.0, 2.0], [3.0, 1.0], [1.0, 0.0]])
    other = np.array([[4.0, 0.0], [2.0, 2.0], [0.0, 4.0], [0.0, 1.0]])
    categories = [Category("Genre", ["a", "b"], (one, other))]
    assert [taste_similarity.similarity_rows(categories, least, 9, 0, "x")[0].users for least in (1, 4)] == [4, 3]
    own = similarity(one / one.sum(1, keepdims=True), other / other.sum(1, keepdims=True))
    assert own[0] == own[1] == pytest.approx(1) and own[2] < own[0] and own[3] == pytest.approx(0)
    assert taste_similarity.median_user(categories, 4) == 0
    with pytest.raises(
        UserError, match="0 users have 5 training events or more in both domains; the maximum is 4; lower"
    ):
        taste_similarity.similarity_rows(categories, 5, 9, 0, "x")


@pytest.fixture
def scenario(tmp_path):
    """Eight users with ten books and ten films each, one of each per day; items are filed under two categories."""
    rng = np.random.default_rng(0)
    events = [
        (user, domain, int(item), day)
        for user in range(8)
        for domain in ("book", "film")
        for day, item in enumerate(rng.permutation(20)[:10])
    ]
    for target in ("book", "film"):
        World(events, 20, 20, target).write(tmp_path / f"to_{target}")
    rows = [(item, category, f"{category}{rng.integers(3)}") for item in range(40) for category in ("Genre", "$Mood$")]
    tables.write(agnostic(rows).to_arrow(), tmp_path / "agnostic.parquet", "agnostic", {"release": "handmade"})
    return tmp_path, events


def run(folder, *options):
    argv = [part for name in ("interactions", "items") for part in (f"--{name}", folder / f"to_film/{name}.parquet")]
    argv += ["--splits", folder / "to_book/split.parquet", folder / "to_film/split.parquet"]
    argv += ["--agnostic", folder / "agnostic.parquet", "--output", folder / "p.tsv", "--picture", folder / "p.png"]
    taste_similarity.main([str(part) for part in [*argv, "--min-events", 3, 5, "--permutations", 19, *options]])
    text = (folder / "p.tsv").read_text()
    return list(csv.DictReader(text.splitlines(), delimiter="\t")), text, (folder / "p.png").read_bytes()


def test_the_stage(scenario):
    folder, _ = scenario
    rows, *written = run(folder)
    assert [(row["min_events"], row["category"]) for row in rows] == [
        (least, name) for least in "35" for name in ("$Mood$", "Genre", "all categories")
    ]
    assert {(row["users"], row["permutations"], row["release"]) for row in rows} == {("8", "19", "handmade")}
    assert run(folder)[1:] == tuple(written)  # the same bytes
    assert run(folder, "--seed", "1")[1] != written[0]
    shown = run(folder, "--user", "3")
    assert shown[1] == written[0] and shown[2].startswith(b"\x89PNG")
    for user in ("8", "99"):
        with pytest.raises(UserError, match=f"user {user} has no training event in one of the domains"):
            run(folder, "--user", user)


def test_events_are_those_that_neither_direction_holds_out(scenario):
    """The last two of ten daily events are validation and test; source events of those days are not visible."""
    folder, events = scenario
    paths = [folder / f"to_{target}/split.parquet" for target in ("book", "film")]
    user, item = shared_training(folder / "to_film/interactions.parquet", folder / "to_film/items.parquet", paths)
    expected = {(u, i + (20 if domain == "film" else 0)) for u, domain, i, day in events if day < 8}
    assert set(zip(user.tolist(), item.tolist(), strict=True)) == expected and len(user) == len(expected)
    with pytest.raises(UserError, match="not the splits of both directions"):
        shared_training(folder / "to_film/interactions.parquet", folder / "to_film/items.parquet", paths[:1] * 2)


def test_the_picture_has_a_panel_per_category_and_one_for_all_users():
    categories = planted(20)
    drawn = taste_similarity.user_figure(categories, ["book", "film"], 4, 1, 0, "sample")
    assert len(drawn.axes) == 3
    bars, names = drawn.axes[0].containers, [text.get_text() for text in drawn.axes[0].get_yticklabels()]
    assert [bar.get_label() for bar in bars] == ["book", "film"] and sorted(names) == list("abcd")
    for part, bar in enumerate(bars):
        widths = dict(zip(names, (patch.get_width() for patch in bar), strict=True))
        assert [widths[name] for name in "abcd"] == pytest.approx(100 * categories[0].counts[part][4] / 12)
    assert "User 4" in drawn.get_suptitle() and tables.SAMPLE_NOTE in drawn.get_suptitle()
    assert drawn.axes[2].get_title() == "20 users, >= 1 events in each domain"
