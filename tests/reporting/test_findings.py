"""The summary of a page: who is first and by how much, how the systems trained, and what to do next."""

from dataclasses import replace

import pytest

from semacdr.evaluation.costs import RunRecord
from semacdr.evaluation.lead import LeadRow
from semacdr.evaluation.validation import Plateau
from semacdr.reporting.advice import ended_by, next_steps, training_sentences
from semacdr.reporting.findings import findings

BEST = LeadRow(
    source="movie", target="book", group=None, place=1, model="semacdr", variant="plus", kind="learned", ranking="full",
    metric="ndcg", k=10, mean=0.08, low=0.07, high=0.09, behind=None, behind_low=None, behind_high=None,
    p_bootstrap=None, p_bootstrap_holm=None, seeds=3, users=6133, release="amazon2014", run="plus-1",
)  # fmt: skip


def behind(model, mean, p, kind="learned", variant="full"):
    gap = BEST.mean - mean
    return replace(
        BEST, model=model, variant=variant, kind=kind, mean=mean, behind=gap, behind_low=gap - 0.002,
        behind_high=gap + 0.002, p_bootstrap=p, p_bootstrap_holm=p, run=f"{model}-1",
    )  # fmt: skip


SASREC = behind("sasrec", 0.078, 0.3)
RULES = behind("seq_rules", 0.06, 0.0002, "non-learned")
POPULAR = behind("popularity", 0.005, 0.00001, "non-learned")
ROWS = [BEST, SASREC, RULES, POPULAR]


def record(epochs=10, best=6, limit=50, patience=4, seconds=10.0, tuned=None):
    return RunRecord(
        {"tuned": tuned, "training": {"loss": "ce", "epochs": limit, "patience": patience}},
        {"epochs": epochs, "best_epoch": best, "training_seconds": seconds, "validation_seconds": 1.0},
    )


RECORDS = {("movie", "book", "plus-1"): [record(seconds=100.0)] * 3, ("movie", "book", "sasrec-1"): [record(12, 8)] * 3}
TUNED = {key: [record(tuned={"names": []})] for key in RECORDS}


def test_the_first_system_with_its_lead():
    (found,) = findings(ROWS)
    assert (found.title, found.first) == ("movie → book, 6,133 test users", "SemaCDR plus")
    assert found.sentences == [
        "is first with NDCG@10 0.0800 [0.0700, 0.0900] (3 seeds).",
        "It is 0.0750 [0.0730, 0.0770] (16.0 times its value, p < 0.0001) ahead of the most popular items.",
        "It is 0.0200 [0.0180, 0.0220] (33 %, p = 0.0002) ahead of the best non-learned baseline, Sequential rules.",
        "Not clearly worse (p ≥ 0.05): SASRec.",
    ]


def test_a_non_learned_system_that_is_first_is_named_as_one():
    knn = replace(BEST, model="item_knn", variant="full", kind="non-learned", users=38, seeds=1)
    (found,) = findings([knn, replace(SASREC, p_bootstrap_holm=0.01)])
    assert found.title.endswith("38 test users, fewer than 100")
    assert found.sentences[0].startswith(", a non-learned baseline, is first with NDCG@10 0.0800")
    assert "ahead of the best learned system, SASRec." in found.sentences[1]
    assert found.sentences[-1] == "It is ahead of every other system (p < 0.05)."


def test_popularity_that_is_first_is_ahead_of_nothing_popular():
    (found,) = findings([replace(POPULAR, place=1, behind=None, p_bootstrap_holm=None), SASREC])
    assert not any("most popular items" in sentence for sentence in found.sentences)
    (alone,) = findings([BEST])
    assert alone.sentences[1:] == ["There is no other system to compare it with."]


@pytest.mark.parametrize(
    ("epochs", "best", "limit", "why"),
    [(10, 6, 50, "patience"), (50, 46, 50, "patience"), (50, 47, 50, "limit"), (30, 29, 50, "patience")],
)  # fmt: skip
def test_what_ended_a_training(epochs, best, limit, why):
    """The last one is a plateau: it ended below the limit, before its patience."""
    assert ended_by(record(epochs, best, limit)) == why


def test_how_the_systems_trained():
    text = " ".join(training_sentences(ROWS, RECORDS))
    assert "2 systems trained with 3 seeds in each direction, for 10 to 12 epochs" in text
    assert "Patience (4 epochs without a better validation value) ended 6 of 6 trainings." in text
    limited = RECORDS | {("movie", "book", "sasrec-1"): [record(50, 49)] * 3}
    assert "The limit of epochs ended SASRec (movie → book)." in training_sentences(ROWS, limited)
    assert training_sentences([RULES], RECORDS) == ["No system was trained: all are non-learned."]


def steps(rows=ROWS, records=TUNED, plateaus=None):
    return next_steps(rows, records, plateaus or {}, "shop")


def test_nothing_is_advised_where_nothing_is_missing():
    assert steps([BEST, replace(SASREC, p_bootstrap_holm=0.01), RULES, POPULAR]) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"plateaus": {"SASRec": [Plateau("movie", "book", "1", 0.1, 0.1)]}}, "SASRec (movie → book) did not leave"),
        ({"records": TUNED | {("movie", "book", "sasrec-1"): [record(50, 49, tuned={})]}}, "raise train.epochs"),
        ({"rows": [replace(row, users=60) for row in ROWS]}, "Fewer than 100 users (movie → book: 60)"),
        ({"rows": [replace(row, seeds=1) for row in ROWS]}, "Set train.seeds to [1, 2, 3]"),
        ({"rows": [BEST, SASREC]}, "Add popularity and seq_rules to metrics.systems"),
        ({"rows": [BEST, replace(RULES, p_bootstrap_holm=0.2), POPULAR]}, "no learned system is clearly better"),
        ({"rows": [*ROWS[:2], behind("mgcl", 0.07, 0.2), *ROWS[2:]]}, "SASRec, MGCL are not clearly worse"),
        ({"records": RECORDS}, "results/shop/tuned.json"),
        ({"rows": [replace(row, release="sample") for row in ROWS]}, "simulated"),
    ],
)  # fmt: skip
def test_each_lack_has_its_step(given, words):
    assert [step for step in steps(**given) if words in step], steps(**given)
    assert not [step for step in steps() if words in step]
