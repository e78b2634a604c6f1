"""What rules and category profiles add to the scores of SemaCDR, by hand, and that training does not see them."""

import math

import polars as pl
import pytest
import torch
from direction_world import DAY, TERMS, build, make_world
from safetensors.torch import load_file

from semacdr.errors import UserError
from semacdr.evaluation.ranks import Ranker
from semacdr.models import base, seq_rules
from semacdr.models.score_terms import OFFSET, PRIOR, PROFILE_DECAY, CategoryProfile

CPU = torch.device("cpu")


def batch_of(inputs):
    """The first batch of the test events."""
    return next(Ranker(inputs.history, "test", 100, 64, CPU).batches.ordered())


def test_scores_are_inner_products_plus_the_terms(world):
    plain, inputs = build(world, "semacdr")
    model, _ = build(world, "semacdr", **TERMS)
    model.load_state_dict(plain.state_dict(), strict=False)
    batch = batch_of(inputs)
    prepared, rules = model.eval().prepare(), seq_rules.Model(inputs, seq_rules.Settings())
    added = 0.7 * (rules.scores(None, batch) + OFFSET).log() + 0.3 * CategoryProfile(inputs)(batch)
    torch.testing.assert_close(model.scores(prepared, batch).double(), plain.eval().scores(prepared, batch) + added)
    assert added.std(1).min() > 0.1
    assert plain.scores_are_inner_products and not model.scores_are_inner_products
    assert model.reads_events and not plain.reads_events


def test_a_profile_by_hand(tmp_path):
    """Category A has subcategories unknown, a1 (book 0, film 14) and a2 (books 1, 2, 3); B is known of book 0 alone."""
    rows = [(0, "book"), (14, "movie"), (1, "book"), (2, "book"), (3, "book")]
    rows = [(0, item, domain, day * DAY) for day, (item, domain) in enumerate(rows)]
    events = pl.DataFrame(rows, schema=["user", "item", "domain", "timestamp"], orient="row")
    _, inputs = build(make_world(tmp_path, events, (14, 2)), "popularity")
    membership = torch.zeros(16, 5)
    membership[:, 0] = membership[:, 3] = 1.0
    membership[[0, 14]], membership[[1, 2, 3]] = torch.tensor([[0.0, 1, 0, 1, 0], [0.0, 0, 1, 1, 0]]).split(1)
    membership[0] = torch.tensor([0.0, 1, 0, 0, 1])
    inputs = base.ModelInputs(inputs.history, 20, semantics=base.Semantics((3, 2), membership))
    found = CategoryProfile(inputs)(batch_of(inputs))[0]  # after book 0, film 14, book 1, book 2; 0 and 1 are training
    weight = [PROFILE_DECAY**age for age in range(4)]
    shares = {"a1": 2 / 5, "a2": 2 / 5, "b1": 2 / 4}  # (training events of the target, plus 1) over their sum
    own = {"a1": weight[2] + weight[3], "a2": weight[0] + weight[1], "b1": weight[3]}
    odds = {
        name: math.log((own[name] + PRIOR * share) / (sum(weight) + PRIOR) / share) for name, share in shares.items()
    }
    assert found[0].item() == pytest.approx(odds["a1"] + odds["b1"])
    assert found[3].item() == pytest.approx(odds["a2"])
    assert found[5].item() == 0  # both categories are unknown


def test_profiles_without_shared_categories_are_refused(world):
    with pytest.raises(UserError, match=r"profile_weight needs the shared categories \(agnostic: true\)"):
        build(world, "semacdr", agnostic=False, profile_weight=0.3)


def test_the_terms_change_the_ranking_and_not_the_training(world, tmp_path):
    settings = {"graph": "none", "contrastive_weight": 0.0}
    history, ranks, parameters = [], [], []
    for name, more in (("plain", {}), ("terms", TERMS)):
        folder = world.train("semacdr", tmp_path / name, **settings, **more)
        history.append((folder / "history.tsv").read_bytes())
        parameters.append(load_file(folder / "checkpoint.safetensors"))
        ranks.append(world.rank("semacdr", folder, tmp_path / f"{name}.parquet")["rank"])
    assert history[0] == history[1] and not ranks[0].equals(ranks[1])
    assert all(torch.equal(value, parameters[1][name]) for name, value in parameters[0].items())
    assert {name.split(".")[0] for name in parameters[1].keys() - parameters[0].keys()} == {"terms"}
