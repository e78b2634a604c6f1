"""The metrics stage: exact numbers, the order of rows, every refusal. The page is in test_metrics_page.py."""

import pytest

from semacdr.errors import UserError
from semacdr.evaluation import measures
from semacdr.evaluation.runs import KEYS

HEADER = "source\ttarget\tmodel\thr@5\thr@10\tndcg@5\tndcg@10\n"


def refused(metrics_stage, *paths, **options):
    with pytest.raises(UserError) as caught:
        metrics_stage(*paths, **options)
    return str(caught.value)


# numbers


def test_two_seeds_by_hand(write_run, metrics_stage, tmp_path):
    metrics_stage(
        write_run({7: 1, 3: 6}, {7: 1, 3: 2.5}, seed="1"),
        write_run({3: 21, 7: 3}, {3: 1, 7: 1}, seed="2"),
    )
    # low and high: of two users both are drawn alike in a quarter of the resamples, so they are the users' own means
    # full, seed 1: ranks 1 and 6; seed 2: 3 and 21. Gains 1 / log2(1 + rank): 1, 0.356207, 0.5, none beyond 20.
    name = "movie\tbook\tsasrec\tfull"
    expected = [
        "source\ttarget\tmodel\tvariant\tranking\tmetric\tk\tmean\tstd\tseeds\tusers\trelease\trun\tlow\thigh",
        f"{name}\tfull\thr\t5\t0.500000\t0.000000\t2\t2\tamazon2014\trun0, run1\t0.000000\t1.000000",
        f"{name}\tfull\thr\t10\t0.750000\t0.353553\t2\t2\tamazon2014\trun0, run1\t0.500000\t1.000000",
        f"{name}\tfull\thr\t20\t0.750000\t0.353553\t2\t2\tamazon2014\trun0, run1\t0.500000\t1.000000",
        f"{name}\tfull\tndcg\t5\t0.375000\t0.176777\t2\t2\tamazon2014\trun0, run1\t0.000000\t0.750000",
        f"{name}\tfull\tndcg\t10\t0.464052\t0.302715\t2\t2\tamazon2014\trun0, run1\t0.178104\t0.750000",
        f"{name}\tfull\tndcg\t20\t0.464052\t0.302715\t2\t2\tamazon2014\trun0, run1\t0.178104\t0.750000",
        f"{name}\tfull\tmrr\t\t0.386905\t0.277792\t2\t2\tamazon2014\trun0, run1\t0.107143\t0.666667",
        f"{name}\tsampled\thr\t5\t1.000000\t0.000000\t2\t2\tamazon2014\trun0, run1\t1.000000\t1.000000",
        f"{name}\tsampled\thr\t10\t1.000000\t0.000000\t2\t2\tamazon2014\trun0, run1\t1.000000\t1.000000",
        f"{name}\tsampled\thr\t20\t1.000000\t0.000000\t2\t2\tamazon2014\trun0, run1\t1.000000\t1.000000",
        # sampled, seed 1: ranks 1 and 2.5, whose gain is 1 / log2(3.5) = 0.553295
        f"{name}\tsampled\tndcg\t5\t0.888324\t0.157934\t2\t2\tamazon2014\trun0, run1\t0.776647\t1.000000",
        f"{name}\tsampled\tndcg\t10\t0.888324\t0.157934\t2\t2\tamazon2014\trun0, run1\t0.776647\t1.000000",
        f"{name}\tsampled\tndcg\t20\t0.888324\t0.157934\t2\t2\tamazon2014\trun0, run1\t0.776647\t1.000000",
        f"{name}\tsampled\tmrr\t\t0.850000\t0.212132\t2\t2\tamazon2014\trun0, run1\t0.700000\t1.000000",
    ]
    assert (tmp_path / "out/metrics.tsv").read_bytes().decode() == "\n".join(expected) + "\n"


def test_the_deviation_of_one_seed_is_unknown_and_not_zero(write_run, metrics_stage):
    rows, readable = metrics_stage(write_run({1: 2}))
    assert {(row["std"], row["seeds"], row["users"]) for row in rows} == {("", "1", "1")}
    assert "±" not in readable.split("## movie")[1]


def test_validation_ranks_do_not_count(write_run, metrics_stage):
    rows, _ = metrics_stage(write_run({1: 50, 2: 50}, valid=1.0))
    assert {row["mean"] for row in rows if row["metric"] == "hr"} == {"0.000000"}


def test_rows_keep_the_order_of_the_command_line(write_run, metrics_stage):
    rows, readable = metrics_stage(
        systems={
            "semacdr/full": [write_run({1: 1}, model="semacdr", source="book", target="movie"),
                             write_run({1: 1}, model="semacdr")],
            "sasrec/ce": [write_run({1: 1})],
            "sasrec/full": [write_run({1: 1}, source="book", target="movie")],
        }
    )  # fmt: skip
    shown = list(dict.fromkeys((row["source"], row["model"], row["variant"], row["ranking"]) for row in rows))
    assert shown == [
        (source, model, variant, ranking)
        for source, model, variant in (
            ("book", "semacdr", "full"),
            ("book", "sasrec", "full"),
            ("movie", "semacdr", "full"),
            ("movie", "sasrec", "ce"),
        )
        for ranking in ("full", "sampled")
    ]
    assert readable.index("book → movie") < readable.index("movie → book")


def test_systems_may_have_different_numbers_of_seeds(write_run, metrics_stage):
    rows, _ = metrics_stage(
        write_run({1: 1}, seed="1"), write_run({1: 2}, seed="2"), write_run({1: 1}, model="semacdr")
    )
    assert {(row["model"], row["seeds"]) for row in rows} == {("sasrec", "2"), ("semacdr", "1")}


def test_directions_may_have_different_users(write_run, metrics_stage):
    rows, _ = metrics_stage(write_run({1: 1}), write_run({1: 1, 2: 2}, source="book", target="movie"))
    assert {(row["source"], row["users"]) for row in rows} == {("movie", "1"), ("book", "2")}


def test_other_cutoffs_are_sorted(write_run, metrics_stage):
    rows, _ = metrics_stage(write_run({1: 2}), ks=[3, 1])
    assert [(row["metric"], row["k"]) for row in rows[:5]] == [
        ("hr", "1"),
        ("hr", "3"),
        ("ndcg", "1"),
        ("ndcg", "3"),
        ("mrr", ""),
    ]


def test_cold_users_have_rows_of_their_own(write_run, metrics_stage):
    rows, readable = metrics_stage(write_run({1: 1, 2: 3, 3: 11}, cold=[2, 3]), ks=[10])
    shown = [(row["group"], row["metric"], row["mean"], row["users"]) for row in rows if row["ranking"] == "full"]
    assert shown[:4] == [("warm", "hr", "1.000000", "1"), ("warm", "ndcg", "1.000000", "1"),
                         ("warm", "mrr", "1.000000", "1"), ("cold", "hr", "0.500000", "2")]  # fmt: skip
    assert "## movie → book (warm users: 1)" in readable and "## movie → book (cold users: 2)" in readable
    rows, readable = metrics_stage(write_run({1: 1, 2: 3}), ks=[10])
    assert "group" not in rows[0] and "cold" not in readable.lower()


# refusals


def test_runs_of_other_cold_users_are_refused(write_run, metrics_stage):
    one, two = write_run({1: 1, 2: 1}, cold=[2]), write_run({1: 1, 2: 1}, cold=[1], seed="2")
    message = refused(metrics_stage, one, two)
    assert str(one) in message and str(two) in message and "different cold users" in message


def test_the_same_run_twice_is_refused(write_run, metrics_stage):
    one, two = write_run({1: 1}), write_run({1: 2})
    message = refused(metrics_stage, one, two)
    assert str(one) in message and str(two) in message and "seed 1" in message


@pytest.mark.parametrize("difference", [{"seed": "2"}, {"model": "semacdr"}])
def test_different_users_in_one_direction_are_refused(write_run, metrics_stage, difference):
    one, two = write_run({1: 1, 2: 1}), write_run({1: 1, 3: 1}, **difference)
    message = refused(metrics_stage, one, two)
    assert str(one) in message and str(two) in message and "user 2" in message


@pytest.mark.parametrize("key", KEYS)
def test_missing_metadata_is_refused(write_run, metrics_stage, key):
    path = write_run({1: 1}, without=(key,))
    message = refused(metrics_stage, path)
    assert str(path) in message and key in message


@pytest.mark.parametrize("rank", [float("nan"), float("inf"), 0.5])
@pytest.mark.parametrize("where", ["full", "sampled"])
def test_a_rank_that_is_none_is_refused(write_run, metrics_stage, rank, where):
    path = write_run({1: 1, 42: rank if where == "full" else 1}, {1: 1, 42: rank if where == "sampled" else 1})
    message = refused(metrics_stage, path)
    assert str(path) in message and "user 42" in message


@pytest.mark.parametrize(("key", "value"), [("scenario", "cd_movie"), ("release", "sample")])
def test_two_scenarios_or_releases_in_one_table_are_refused(write_run, metrics_stage, key, value):
    one, two = write_run({1: 1}), write_run({1: 1}, seed="2", **{key: value})
    message = refused(metrics_stage, one, two)
    assert str(one) in message and str(two) in message and key in message


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(1, "test", "full", 1.0)], "ranking 'sampled'"),
        ([(1, "valid", "full", 1.0), (1, "valid", "sampled", 1.0)], "split 'test'"),
        ([(1, "test", "full", 1.0), (2, "test", "sampled", 1.0)], "different test users"),
        ([(1, "test", "full", 1.0), (1, "test", "full", 2.0), (1, "test", "sampled", 1.0)], "user 1 has more than one"),
        ([(1, "test", "full", 1.0), (1, "test", "popular", 1.0)], "not popular"),
        ([(None, "test", "full", 1.0), (1, "test", "sampled", 1.0)], "empty values"),
        ([(9, "test", "full", None), (9, "test", "sampled", 1.0)], "user 9"),
    ],
)
def test_tables_that_are_no_whole_run_are_refused(write_run, metrics_stage, rows, reason):
    path = write_run(rows=rows)
    message = refused(metrics_stage, path)
    assert str(path) in message and reason in message


def test_a_file_that_is_missing_is_refused(metrics_stage, tmp_path):
    assert "absent/ranks.parquet" in refused(metrics_stage, systems={"sasrec/full": [tmp_path / "absent"]})


@pytest.mark.parametrize(
    "text", ["", "source\ttarget\n", HEADER + "a\tb\tc\t0.1\n", HEADER + "a\tb\tc\tx\t1\t1\t1\n", None]
)
def test_a_paper_table_that_cannot_be_read_is_refused(write_run, metrics_stage, tmp_path, text):
    paper = tmp_path / "paper.tsv"
    if text is not None:
        paper.write_text(text)
    with pytest.raises(UserError, match=r"paper\.tsv"):
        metrics_stage(write_run({1: 1}), paper=paper)


def test_cutoffs_that_cannot_be_are_refused(write_run, metrics_stage):
    run = write_run({1: 1})
    for ks, words in (([0], "of at least 1, not 0"), ([3, 3], "names a value twice")):
        with pytest.raises(UserError, match=words):
            metrics_stage(run, ks=ks)


@pytest.mark.parametrize(
    ("name", "words"),
    [("sasrec", "give MODEL/VARIANT"), ("/full", "give MODEL/VARIANT"), ("semacdr/full", "is a run of sasrec")],
)
def test_a_system_that_is_not_that_of_its_runs_is_refused(write_run, metrics_stage, name, words):
    assert words in refused(metrics_stage, systems={name: [write_run({1: 1})]})


def test_one_run_may_be_two_rows(write_run, metrics_stage):
    """Systems with equal configurations are trained once; each row names its run."""
    run = write_run({1: 1})
    rows, page = metrics_stage(systems={"sasrec/full": [run], "sasrec/ce": [run]})
    assert {(row["variant"], row["run"]) for row in rows} == {("full", "run0"), ("ce", "run0")}
    assert page.count("| 1 | `run0` |") == 4


def test_the_name_of_a_run_is_that_of_its_metadata(write_run, metrics_stage):
    for recorded in ("sasrec-ce-1a2b3c4d", "sasrec-ce-1a2b3c4d/seed1"):
        rows, _ = metrics_stage(write_run({1: 1}, run=recorded))
        assert {row["run"] for row in rows} == {"sasrec-ce-1a2b3c4d"}


def test_means_that_no_ranks_give_are_a_bug(write_run, metrics_stage, monkeypatch):
    monkeypatch.setattr(measures, "ndcg", lambda ranks, k: measures.hit_rate(ranks, k) / 10)
    with pytest.raises(AssertionError, match="sasrec"):
        metrics_stage(write_run({1: 1, 2: 7}))


def test_half_ranks_at_a_cutoff_are_no_bug(write_run, metrics_stage):
    rows, _ = metrics_stage(write_run({1: 5.5}))
    assert rows[1]["mean"] == "1.000000"
