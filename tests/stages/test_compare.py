"""Comparisons: means by hand, intervals and p-values against theory, and every refusal."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import norm, rankdata, ttest_1samp

from semacdr.errors import UserError
from semacdr.evaluation.significance import bootstrap, holm, signed_rank
from semacdr.stages import compare


def test_bootstrap_intervals_are_those_of_the_normal_law_for_many_users():
    values = np.random.default_rng(1).normal([0.0, 0.3], [1.0, 2.0], (2000, 2))
    for column, interval in enumerate(bootstrap(values)):
        mean, error = values[:, column].mean(), values[:, column].std() / np.sqrt(2000)
        assert interval.mean == pytest.approx(mean)
        assert interval.low == pytest.approx(mean + norm.ppf(0.025) * error, abs=0.1 * error)
        assert interval.high == pytest.approx(mean + norm.ppf(0.975) * error, abs=0.1 * error)
    values = np.random.default_rng(2).normal(0.05, 1.0, (2000, 1))
    assert bootstrap(values)[0].p == pytest.approx(ttest_1samp(values[:, 0], 0).pvalue, rel=0.1)


def test_bootstrap_p_never_is_zero_and_is_one_where_nothing_differs():
    (sure,), (nothing,) = bootstrap(np.ones((10, 1)), draws=999), bootstrap(np.zeros((10, 1)), draws=999)
    assert sure.p == pytest.approx(2 / 1000) and (sure.low, sure.high) == (1, 1)
    assert nothing.p == 1


def test_the_same_seed_draws_the_same():
    values = np.random.default_rng(0).random((50, 3))
    assert bootstrap(values) == bootstrap(values)
    assert bootstrap(values)[1] == bootstrap(values[:, 1:])[0]  # columns share the resamples
    assert bootstrap(values) != bootstrap(values, seed=1)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_signed_rank_sees_a_shift_and_nothing_where_there_is_none():
    rng = np.random.default_rng(0)
    assert signed_rank(rng.normal(0.2, 1, 500)) < 0.001
    assert signed_rank(rng.normal(0.0, 1, 500)) > 0.05
    assert signed_rank(np.zeros(5)) == 1
    assert signed_rank(np.array([0.1 + 0.2 - 0.3, 0.0, 0.0])) == 1  # 5e-17


@pytest.mark.parametrize("zeros", [0.0, 0.5, 0.85, 0.95])
def test_signed_rank_is_that_of_flipped_signs(zeros):
    """An oracle: each sign is equally likely, so the sum of signed ranks has mean 0 and this variance."""
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.15, 0.3):
        values = np.where(rng.random(800) < zeros, 0.0, rng.normal(shift, 1, 800).round(1))
        ranks = rankdata(np.abs(values)) * np.sign(values)
        assert signed_rank(values) == pytest.approx(2 * norm.sf(abs(ranks.sum()) / np.sqrt((ranks**2).sum())), rel=1e-6)


def test_signed_rank_rejects_one_in_twenty_of_nothing_though_most_users_do_not_differ():
    rng = np.random.default_rng(4)
    p = [signed_rank(np.where(rng.random(1000) < 0.85, 0.0, rng.normal(size=1000))) for _ in range(1500)]
    assert 0.035 < np.mean(np.array(p) < 0.05) < 0.065


@pytest.fixture
def stage(comparing):
    return partial(comparing, compare, "--title", "Ablation")


def test_a_comparison_by_hand(write_run, stage):
    full = [write_run({1: 1, 2: 3}, seed="1"), write_run({1: 3, 2: 11}, seed="2")]
    less = [write_run({1: 3, 2: 3}, seed=seed) for seed in ("1", "2")]
    rows, page = stage(full=full, less=less)
    ndcg = [row for row in rows if (row["ranking"], row["metric"]) == ("full", "ndcg")]
    # full: user 1 has 1 and 0.5, user 2 has 0.5 and 0: 0.75 and 0.25; seeds 0.75 and 0.25. less: 0.5 everywhere.
    assert [row["variant"] for row in ndcg] == ["full", "less"]
    assert [float(row["mean"]) for row in ndcg] == [0.5, 0.5]
    assert float(ndcg[0]["std"]) == pytest.approx(np.std([0.75, 0.25], ddof=1), rel=1e-5)
    assert (ndcg[0]["difference"], ndcg[0]["p_holm"]) == ("", "")
    assert float(ndcg[1]["difference"]) == 0 and float(ndcg[1]["p_wilcoxon"]) == 1
    assert (float(ndcg[1]["difference_low"]), float(ndcg[1]["difference_high"])) == (-0.25, 0.25)
    assert {(row["seeds"], row["users"], row["release"]) for row in rows} == {("2", "2", "amazon2014")}
    assert "| SASRec (less) | 0.5000 ± 0.0000 | 1.0000 ± 0.0000 |" in page and page.startswith("# Ablation\n")
    assert "2 seeds, 2 users." in page


def test_cold_users_have_rows_of_their_own(write_run, stage):
    ranks = {1: 1, 2: 3, 3: 1, 4: 11}
    other = write_run(dict.fromkeys(ranks, 1), cold=[2, 4])
    rows, page = stage(a=[write_run(ranks, cold=[2, 4])], b=[other])
    assert list(rows[0])[:4] == ["source", "target", "group", "ranking"]
    means = {
        (row["group"], row["variant"]): (row["mean"], row["users"])
        for row in rows
        if (row["ranking"], row["metric"]) == ("full", "ndcg")
    }
    assert means == {("warm", "a"): ("1", "2"), ("warm", "b"): ("1", "2"), ("cold", "a"): ("0.25", "2"),
                     ("cold", "b"): ("1", "2")}  # fmt: skip
    assert "## movie → book, cold users (2), full ranking" in page and "Cold users: all their target events" in page
    assert page.endswith("\n1 seed.\n")
    alone, page = stage(a=[write_run(ranks)], b=[write_run(ranks)])
    assert "group" not in alone[0] and "cold" not in page.lower()
    with pytest.raises(UserError, match="have different cold users; run stage rank again"):
        stage(a=[write_run(ranks)], b=[other])


def test_p_values_are_corrected_for_the_number_of_variants(write_run, stage):
    users = range(200)
    rng = np.random.default_rng(0)
    base = [write_run({u: float(rng.integers(1, 9)) for u in users})]
    others = {f"v{n}": [write_run({u: float(rng.integers(1, 9 + n)) for u in users})] for n in (1, 2)}
    rows, _ = stage(base=base, **others)
    part = [row for row in rows if (row["ranking"], row["metric"]) == ("full", "ndcg")][1:]
    raw = [float(row["p_wilcoxon"]) for row in part]
    assert [float(row["p_holm"]) for row in part] == pytest.approx(holm(raw), rel=1e-4)
    raw = [float(row["p_bootstrap"]) for row in part]
    assert [float(row["p_bootstrap_holm"]) for row in part] == pytest.approx(holm(raw), rel=1e-4)
    assert {row["std"] for row in rows} == {""}  # unknown for one seed


def test_what_cannot_be_compared_is_refused(write_run, stage):
    one, two = write_run({1: 1, 2: 2}, seed="1"), write_run({1: 1, 2: 2}, seed="2")
    other, sample = write_run({1: 1, 3: 2}), write_run({1: 1, 2: 2}, release="sample")
    with pytest.raises(UserError, match=r"movie to book: 'a' has 2 runs and 'b' 1; give each as many seeds"):
        stage(a=[one, two], b=[one])
    for wrong, words in (
        (other, r"hold different test users, .* 2 are in one only, the first is user 2"),
        (sample, r"one table holds one release: .* has amazon2014, .* has sample"),
    ):
        with pytest.raises(UserError, match=words):
            stage(a=[one], b=[wrong])
    with pytest.raises(UserError, match="two variants or more, each once; it names a"):
        stage(a=[one])
    with pytest.raises(UserError, match=r"--runs: 'b' has .*run0/seed1 more than once"):
        stage(a=[one, two, write_run({1: 1, 2: 2}, seed="3")], b=[one, two, one])


DIGESTS = {f"made_from_{name}": name for name in ("interactions", "items", "split", "candidates", "embeddings")}


def test_variants_of_other_scenarios_are_compared_on_the_same_data(write_run, stage):
    """For example another encoder on the same reviews: only the scenario's name and the embeddings differ."""
    one = write_run({1: 1, 2: 2}, **DIGESTS)
    other = write_run({1: 3, 2: 2}, scenario="encoded", **DIGESTS | {"made_from_embeddings": "other"})
    rows, page = stage(llm=[one], encoder=[other])
    assert [row["variant"] for row in rows[:2]] == ["llm", "encoder"]
    assert [row["run"] for row in rows[:2]] == ["run0", "run1"] and page.count("| `run1` |") == 2
    stage(llm=[one], encoder=[write_run({1: 3, 2: 2}, scenario="encoded")])  # of an older version, without digests


@pytest.mark.parametrize("name", ["interactions", "items", "split", "candidates"])
def test_variants_on_other_data_are_refused(write_run, stage, name):
    """Also if the users are the same, in one scenario or in two."""
    one = write_run({1: 1, 2: 2}, **DIGESTS)
    for scenario in ("movie_book", "encoded"):
        other = write_run({1: 1, 2: 2}, scenario=scenario, **DIGESTS | {f"made_from_{name}": "other"})
        with pytest.raises(UserError, match=f"were made from different {name} tables, so they cannot be compared"):
            stage(a=[one], b=[other])


def test_one_run_counts_for_every_seed_of_a_non_learned_baseline(write_run, stage):
    learned = [write_run({1: 1, 2: n}, seed=str(n)) for n in (1, 2, 3)]
    still = write_run({1: 1, 2: 4}, model="popularity")
    rows, page = stage(a=learned, b=[still] * 3)
    ndcg = [row for row in rows if (row["ranking"], row["metric"]) == ("full", "ndcg")]
    assert [(row["seeds"], row["std"] == "") for row in ndcg] == [("3", False), ("1", True)]
    gain = {1: 1.0, 2: 1 / np.log2(3), 3: 0.5, 4: 1 / np.log2(5)}
    means = [(1 + (gain[1] + gain[2] + gain[3]) / 3) / 2, (1 + gain[4]) / 2]
    assert [float(row["mean"]) for row in ndcg] == pytest.approx(means, rel=1e-5)
    assert page.count("| Most popular (b) | 0.7153 |") == 2 and "3 seeds, 2 users" in page


def test_validation_events_are_compared_where_they_are_asked_for(write_run, stage):
    both = [(u, split, ranking, {"valid": 1.0, "test": 11.0}[split]) for u in (1, 2) for split in ("valid", "test")
            for ranking in ("full", "sampled")]  # fmt: skip
    one, two = write_run(rows=both), write_run(rows=both)
    rows, page = stage(a=[one], b=[two])
    assert "split" not in rows[0] and "validation" not in page and {row["mean"] for row in rows} <= {"0", "0.0909091"}
    rows, page = stage("--split", "valid", a=[one], b=[two])
    assert {row["split"] for row in rows} == {"valid"} and {row["mean"] for row in rows} == {"1"}
    assert "of validation events" in page
    lacking = write_run(rows=[row for row in both if row[1:3] != ("valid", "sampled")])
    with pytest.raises(UserError, match="no rows of split 'valid' with the ranking 'sampled'"):
        stage("--split", "valid", a=[lacking], b=[two])


def test_the_page_says_which_variants_were_tuned(write_run, comparing):
    tuned = {"names": ["learning_rate"], "other_data": {"min_item_interactions": 5, "filter": "iterated"}}
    runs = {"a": [write_run({1: 1}, tuned=tuned)], "b": [write_run({1: 2})]}
    page = comparing(compare, **runs)[1]
    assert "**Unequal tuning budgets**: tuning chose settings of SASRec (a), but not of SASRec (b)" in page
    assert "tuned on data filtered by min_item_interactions=5, filter=iterated; these" in page
    page = comparing(compare, a=runs["b"], b=[write_run({1: 2})])[1]
    assert "Unequal" not in page and "other data" not in page


def test_a_variant_is_compared_with_the_one_it_names(write_run, stage):
    rng = np.random.default_rng(0)
    runs = {
        name: [write_run({user: float(rng.integers(1, 9 + 2 * place)) for user in range(150)})]
        for place, name in enumerate(("one", "one_more", "two", "two_more"))
    }
    plain, plain_page = stage(**runs)
    pairs = {"one_more": "one", "two": "one", "two_more": "two"}
    rows, page = stage("--against", "two_more", "two", **runs)
    part = [row for row in rows if (row["ranking"], row["metric"]) == ("full", "ndcg")]
    mean = {row["variant"]: float(row["mean"]) for row in part}
    assert {row["variant"]: row["against"] for row in part} == {"one": ""} | pairs
    for row in part[1:]:
        assert float(row["difference"]) == pytest.approx(mean[row["variant"]] - mean[row["against"]], abs=2e-6)
    for column, corrected in (("p_bootstrap", "p_bootstrap_holm"), ("p_wilcoxon", "p_holm")):  # all three together
        found = [float(row[corrected]) for row in part[1:]]
        assert found == pytest.approx(holm([float(row[column]) for row in part[1:]]), rel=1e-4)
    same = {(row["variant"], row["metric"], row["ranking"]): row["difference"] for row in plain}
    for row in rows:
        key = (row["variant"], row["metric"], row["ranking"])
        assert (row["difference"] == same[key]) == (row["variant"] != "two_more")
    swapped = stage("--against", "two", "two_more", **runs)[0]  # the same pair the other way round
    back = [row for row in swapped if (row["ranking"], row["metric"], row["variant"]) == ("full", "ndcg", "two")]
    assert float(back[0]["difference"]) == pytest.approx(-float(part[3]["difference"]))
    assert "Δ: difference from the system of column Against in NDCG@10" in page and "| SASRec (two) | -0.0445 [" in page
    assert "against" not in plain[0] and "Against" not in plain_page
    assert page.count("recall equals HR") == plain_page.count("recall equals HR") == 1


def test_the_first_variant_may_name_a_reference_too(write_run, stage):
    rows, _ = stage("--against", "a", "b", a=[write_run({1: 1, 2: 1})], b=[write_run({1: 3, 2: 3})])
    found = {row["variant"]: (row["against"], row["difference"]) for row in rows if row["metric"] == "ndcg"}
    assert found == {"a": ("b", "0.5"), "b": ("a", "-0.5")}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--against", "b", "c"], "--against b c: no variant is named c; --runs has a, b"),
        (["--against", "c", "a"], "--against c a: no variant is named c; --runs has a, b"),
        (["--against", "b", "b"], "a variant cannot be compared with itself"),
        (["--against", "b", "a", "--against", "b", "a"], "--against b: give one reference for each variant"),
        (["--cutoffs", 10, 10], "--cutoffs must be different numbers from 1; they are 10, 10"),
        (["--cutoffs", 0], "--cutoffs must be different numbers from 1; they are 0"),
    ],
)
def test_references_and_cutoffs_that_make_no_sense_are_refused(write_run, stage, options, words):
    with pytest.raises(UserError, match=words):
        stage(*options, a=[write_run({1: 1})], b=[write_run({1: 2})])


def test_cutoffs_by_hand(write_run, stage):
    """Ranks 1 and 15: beyond 10 and within 20; the reciprocal rank has no cut-off, so it is there once."""
    runs = {name: [write_run({1: 1, 2: 15})] for name in "ab"}
    rows, page = stage("--cutoffs", 10, 20, **runs)
    found = [(r["metric"], r["k"], r["mean"]) for r in rows if (r["ranking"], r["variant"]) == ("full", "a")]
    assert found == [
        ("ndcg", "10", "0.5"),
        ("ndcg", "20", "0.625"),
        ("hr", "10", "0.5"),
        ("hr", "20", "1"),
        ("mrr", "", "0.533333"),
    ]
    assert "| System | NDCG@10 | NDCG@20 | HR@10 | HR@20 | MRR | Δ |" in page
    alone, _ = stage(**runs)
    assert alone == [row for row in rows if row["k"] != "20"]  # more cut-offs change no other number
