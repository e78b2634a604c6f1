"""The lead of the best system: order, paired differences by hand, correction, groups, and the table read back."""

import numpy as np
import pytest

from semacdr.errors import UserError
from semacdr.evaluation.lead import lead, read_lead
from semacdr.evaluation.runs import load_run
from semacdr.storage import tsv


def table(write_run, **systems):
    """The rows for systems given by name as ranks of users, one dictionary per seed."""
    runs = {
        (name, "full"): [
            load_run(write_run(ranks, model=name, seed=str(seed), run=name)) for seed, ranks in enumerate(own, 1)
        ]
        for name, own in systems.items()
    }
    return lead(runs, {(name, "full"): name not in ("popularity", "item_knn") for name in systems})


def test_the_best_is_first_and_the_others_are_behind_it_by_hand(write_run):
    rows = table(write_run, popularity=[{1: 3, 2: 99}], sasrec=[{1: 1, 2: 3}, {1: 3, 2: 3}], item_knn=[{1: 3, 2: 3}])
    assert [(row.place, row.model, row.kind) for row in rows] == [
        (1, "sasrec", "learned"), (2, "item_knn", "non-learned"), (3, "popularity", "non-learned"),
    ]  # fmt: skip
    best, knn, popular = rows
    assert (best.mean, knn.mean, popular.mean) == (0.625, 0.5, 0.25)  # sasrec: users 0.75 and 0.5 over two seeds
    assert (best.behind, best.p_bootstrap_holm, best.seeds, best.users) == (None, None, 2, 2)
    assert (knn.behind, knn.behind_low, knn.behind_high) == (0.125, 0.0, 0.25)  # users 0.25 and 0
    assert (popular.behind, popular.behind_low, popular.behind_high) == (0.375, 0.25, 0.5)  # users 0.25 and 0.5
    p = np.array([knn.p_bootstrap, popular.p_bootstrap])
    assert p[1] < p[0] and [popular.p_bootstrap_holm, knn.p_bootstrap_holm] == [2 * p[1], max(2 * p[1], min(1, p[0]))]


def test_equal_systems_keep_their_order_and_are_level(write_run):
    ranks = {user: user for user in range(1, 9)}
    first, second = table(write_run, semacdr=[ranks], sasrec=[ranks])
    assert (first.model, second.model, second.behind, second.p_bootstrap_holm) == ("semacdr", "sasrec", 0.0, 1.0)


def test_cold_and_warm_users_have_their_own_order(write_run):
    cold = {"cold": (3, 4)}
    one = load_run(write_run({1: 1, 2: 1, 3: 3, 4: 3}, model="sasrec", **cold))
    two = load_run(write_run({1: 3, 2: 3, 3: 1, 4: 1}, model="mgcl", **cold))
    rows = lead(
        {("sasrec", "full"): [one], ("mgcl", "full"): [two]},
        dict.fromkeys([("sasrec", "full"), ("mgcl", "full")], True),
    )
    assert [(row.group, row.model, row.users) for row in rows] == [
        ("warm", "sasrec", 2), ("warm", "mgcl", 2), ("cold", "mgcl", 2), ("cold", "sasrec", 2),
    ]  # fmt: skip


def test_a_direction_is_not_mixed_with_another(write_run):
    back = {"source": "book", "target": "movie"}
    own = [load_run(write_run({1: 1})), load_run(write_run({1: 3, 2: 3}, **back))]
    rows = lead({("sasrec", "full"): own}, {("sasrec", "full"): True})
    assert [(row.source, row.place, row.mean, row.users) for row in rows] == [("movie", 1, 1.0, 1), ("book", 1, 0.5, 2)]


def test_the_table_is_read_as_it_was_written(write_run, tmp_path):
    rows = table(write_run, popularity=[{1: 3, 2: 1}], sasrec=[{1: 1, 2: 1}])
    path = tmp_path / "summary.tsv"
    tsv.write(path, tsv.text(rows, ".17g", optional=("group",)))
    assert read_lead(path) == rows
    path.write_text(path.read_text().replace("\tndcg\t10\t", "\tndcg\tten\t"))
    with pytest.raises(UserError, match=r"summary\.tsv: cannot be read as a summary: .*'ten'"):
        read_lead(path)
    path.write_text("source\ttarget\n")
    with pytest.raises(UserError, match="lacks the columns place"):
        read_lead(path)
