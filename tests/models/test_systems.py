"""Requirements for every system; a new one is tested as soon as its file is in semacdr/models."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from direction_world import (
    DAY,
    FORMS,
    LEARNED,
    LEARNED_FORMS,
    MODULES,
    SYSTEMS,
    TERMS,
    build,
    make_world,
    random_events,
)

from semacdr.batching import batches
from semacdr.batching.batches import Batches
from semacdr.batching.negatives import NegativeSampler
from semacdr.batching.windows import evaluation_windows, make_windows, training_windows
from semacdr.errors import UserError
from semacdr.evaluation.ranks import Ranker
from semacdr.models import load, required_inputs
from semacdr.models.losses import SAMPLED
from semacdr.plan.models import needs
from semacdr.runtime.settings import types_of
from semacdr.training.engine import fit
from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer

LOSSES = [name for kind in get_args(types_of(Training)["loss"]) for name in get_args(kind)]
CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]
FILES = ("checkpoint.safetensors", "history.tsv", "settings.json")

VARIANTS = [  # other readings and ablations: each value of a setting at least once
    ("sasrec", {"norm": "pre"}),
    ("sasrec", {"norm": "post"}),
    ("sasrec", {"history": "mixed", "text": "init"}),
    ("sasrec", {"history": "mixed", "loss_over": "both", "text": "project", "shared_categories": True}),
    ("sasrec", {"text": "init"}),
    ("sasrec", {"text": "project"}),
    ("sasrec", {"text": "whiten", "shared_categories": True}),
    ("sasrec", {"history": "mixed", "text": "whiten"}),
    ("sasrec", {"text": "moe"}),
    ("sasrec", {"history": "mixed", "text": "moe"}),
    ("sasrec", {"text": "null_space"}),
    ("sasrec", {"history": "mixed", "text": "null_space", "null_dim": 3}),
    ("cl4srec", {"operators": "cr", "representation": "mean"}),
    ("cl4srec", {"operators": "m", "representation": "concat"}),
    ("cl4srec", {"contrastive_weight": 0.0}),
    ("cd_sasrec", {"aggregate": "attention", "fuse": "concat", "norm": "pre"}),
    ("cd_sasrec", {"source_vectors": "own", "norm": "post"}),
    ("mgcl", {"layers": 3, "blocks": 1}),
    ("mgcl", {"layers": 2, "target_weight": 0.0, "preference_weight": 0.0}),
    ("mgcl", {"target_weight": 0.0, "source_weight": 0.0, "norm_weight": 0.0}),
    ("tri_cdr", {"semantics": True, "norm": "pre"}),
    ("tri_cdr", {"coarse_weight": 0.0, "fine_weight": 0.0, "norm": "post", "pretraining": 0}),
    ("pinet", {"source_weight": 0.0, "members": 1}),
    ("pinet", {"shared_member_map": True, "state_dropout": 0.0}),
    ("tjapl", {"l2": 0.0, "blocks": 1}),
    ("gru4rec", {"history": "mixed"}),
    ("abxi", {"source_weight": 0.0, "domain_rank": 2}),
    ("tri_thread", {"text": False}),
    ("tri_thread", {"source_weight": 0.0, "contrastive_weight": 0.0, "norm": "pre"}),
    ("semacdr", {"graph": "counted", "domain_nodes": "all", "self_information": "residual", "norm": "pre"}),
    ("semacdr", {"graph": "sequence", "convolution": "light"}),
    ("semacdr", {"graph": "none", "user_vector": "none", "categories": 1}),
    ("semacdr", {"inner": False, "cross_domain": False, "fusion": "average", "source_weight": 0.5}),
    ("semacdr", {"agnostic": False}),
    ("semacdr", {"graph": "none", "user_vector": "none", "contrastive_weight": 0.0, **TERMS}),
    ("semacdr", {"inner": False, "agnostic": False, "contrastive_weight": 0.0}),
    ("c2dsr", {"semantics": True, "output": "tied", "weight": 1.0}),
    ("c2dsr", {"transitions": "counted", "mixed_state": "published", "depth": 2, "norm": "post"}),
    ("c2dsr", {"weight": 1.0, "output": "tied", "norm": "pre"}),
    ("lightgcn", {"layers": 0, "l2": 0.0}),
    ("neumf", {"layers": 1, "l2": 0.01}),
    ("svdpp", {"l2": 0.0}),
    ("sphere", {"gate": "scalar", "community": "random", "community_content": "personas"}),
    ("sphere", {"backbone": "svdpp", "gate": "concat", "community_content": "items", "vocabulary": False}),
    ("sphere", {"backbone": "svdpp", "gate": "scores", "community": "none"}),
    ("sphere", {"backbone": "neumf", "item_tower": False, "gate": "vector"}),
    ("sphere", {"persona": "none", "community_content": "traits", "gate": "half", "neighbours": 2}),
    ("sphere", {"persona": "none", "community": "none", "gate": "vector"}),
    ("sphere", {"persona": "items", "community": "none", "vocabulary": False}),
    ("sphere", {"source_weight": 0.5}),
]
PUBLISHED = {"cl4srec": 0.02, "lightgcn": 0.1, "svdpp": 0.1, "neumf": 0.01}  # deviations of initial tables
COUNTED = [  # other settings of non-learned systems
    ("item_knn", {"history": "target", "shrinkage": 0.0, "decay": 1.0}),
    ("ease", {"history": "target", "l2": 1.0, "decay": 0.0}),
    ("markov", {"history": "mixed"}),
    ("seq_rules", {"history": "target", "window": 2, "distance_power": 0.0, "normalisation": 0.0, "decay": 0.0}),
]


TRAINED = [  # forms that a test trains twice: in CI these in addition to default settings
    pytest.param(name, settings, marks=pytest.mark.slow if settings else []) for name, settings in FORMS
]


def digests(folder):
    """A digest of each file's bytes; settings.json without the digests of tables, which other data change."""
    contents = {name: (folder / name).read_bytes() for name in FILES}
    settings = json.loads(contents["settings.json"])
    del settings["made_from"]
    contents["settings.json"] = json.dumps(settings).encode()
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def times(world_events, domain, place):
    """(users,) timestamp of each user's event at a place of the domain's sequence."""
    ordered = world_events.filter(pl.col("domain") == domain).sort("user", "timestamp", "item")
    return ordered.group_by("user", maintain_order=True).agg(pl.col("timestamp").get(place))["timestamp"].to_list()


def with_source_event(events, user, timestamp):
    """The events and one more in the source domain, with an item that the user does not have yet."""
    own = set(events.filter(pl.col("user") == user)["item"])
    item = next(i for i in range(30, 55) if i not in own)
    return pl.concat([events, pl.DataFrame([(user, item, "movie", timestamp)], schema=events.schema, orient="row")])


@pytest.mark.parametrize(("name", "settings"), TRAINED)
def test_an_event_after_the_test_event_changes_no_byte(world, events, name, settings, tmp_path):
    test_time = times(events, "book", -1)
    later = with_source_event(with_source_event(events, 4, test_time[4] + DAY), 9, test_time[9])  # one the same day
    other = make_world(tmp_path / "later", later)
    before = world.rank(name, world.train(name, tmp_path / "a", **settings), tmp_path / "a/ranks.parquet")
    after = other.rank(name, other.train(name, tmp_path / "b", **settings), tmp_path / "b/ranks.parquet")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert before.equals(after)


@pytest.mark.parametrize(("name", "settings"), TRAINED)
def test_an_event_between_validation_and_test_changes_that_users_test_rank_alone(
    world, events, name, settings, tmp_path
):
    valid, test = times(events, "book", -2), times(events, "book", -1)
    user = next(u for u in range(40) if test[u] - valid[u] > 2 * DAY)
    other = make_world(tmp_path / "between", with_source_event(events, user, valid[user]))
    before = world.rank(name, world.train(name, tmp_path / "a", **settings), tmp_path / "a/ranks.parquet")
    after = other.rank(name, other.train(name, tmp_path / "b", **settings), tmp_path / "b/ranks.parquet")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    changed = before.with_columns(after=after["rank"]).filter(pl.col("rank") != pl.col("after"))
    assert set(changed["user"]) <= {user} and set(changed["split"]) <= {"test"}


@pytest.mark.parametrize(("name", "settings"), [*LEARNED_FORMS, *VARIANTS], ids=str)
def test_the_state_of_a_step_depends_on_nothing_at_or_after_its_positive(world, name, settings):
    """Replace the last target event and the source events of the last days: earlier steps keep their states."""
    model, inputs = build(world, name, **settings)
    model.eval()
    history = inputs.history
    windows = training_windows(history, 20)
    batch = next(Batches(windows, 64, CPU).ordered())
    whole = model.states(model.prepare(), batch)
    earlier = np.array([history.start[u] for u in windows.users])
    target = np.flatnonzero(history.is_target)
    last = target[np.searchsorted(target, history.valid[windows.users]) - 1]
    previous = target[np.searchsorted(target, last) - 1]  # the second last training event as the last positive
    users = windows.users[np.searchsorted(target, last) - np.searchsorted(target, earlier) >= 2]
    chosen = np.isin(windows.users, users)
    shorter = next(Batches(make_windows(history, previous[chosen], users, 20), 64, CPU).ordered())
    found = model.states(model.prepare(), shorter)
    keep = np.isin(windows.users[batch.target.row.numpy()], users)
    keep[batch.last.numpy()] = False
    torch.testing.assert_close(found, whole[torch.from_numpy(keep)], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "settings"), [*FORMS, *VARIANTS, *COUNTED], ids=str)
def test_scores_do_not_depend_on_the_other_users_of_the_batch(world, cold_world, name, settings):
    for one in (world, cold_world):
        model, inputs = build(one, name, **settings)
        model.double().eval()
        found = []
        for size in (1, 7, 64):
            ranker = Ranker(inputs.history, "test", 20, size, CPU)
            prepared = model.prepare()
            found.append(torch.cat([model.scores(prepared, batch) for batch in ranker.batches.ordered()]))
        torch.testing.assert_close(found[0], found[2], rtol=0, atol=1e-10)
        torch.testing.assert_close(found[1], found[2], rtol=0, atol=1e-10)


@pytest.mark.parametrize(("name", "settings"), LEARNED_FORMS, ids=str)
def test_ranking_uses_the_state_of_the_last_step_that_training_would_score(world, name, settings):
    model, inputs = build(world, name, **settings)
    model.double().eval()
    batch, prepared = next(Ranker(inputs.history, "test", 20, 64, CPU).batches.ordered()), model.prepare()
    last = model.states(prepared, batch)[batch.last.long()]
    expected = model.match(last, model.item_vectors(prepared)[None])
    torch.testing.assert_close(model.scores(prepared, batch), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("name", "settings"), LEARNED_FORMS, ids=str)
def test_dropout_is_of_training_alone(world, name, settings):
    def states(seed, training, **more):
        model, inputs = build(world, name, **settings | more)
        batch = next(Batches(training_windows(inputs.history, 20), 64, CPU).ordered())
        model.train(training)
        torch.manual_seed(seed)
        return model.states_and_auxiliary_loss(model.prepare(), batch)[0]

    others = {key: 0.0 for key in ("state_dropout", "tower_dropout") if hasattr(load(name).Settings(), key)}
    assert not torch.allclose(states(1, True, dropout=0.5, **others), states(2, True, dropout=0.5, **others))
    torch.testing.assert_close(states(1, False, dropout=0.5), states(2, False, dropout=0.5))
    torch.testing.assert_close(states(1, True, dropout=0.0, **others), states(2, True, dropout=0.0, **others))


@pytest.mark.parametrize(("name", "settings"), LEARNED_FORMS, ids=str)
def test_matrices_begin_by_xaviers_rule_or_as_published(world, name, settings):
    """A table's initialisation limits what a few hundred steps of Adam can reach (docs/parity.md)."""
    model, _ = build(world, name, **settings)
    large = {key: p for key, p in model.named_parameters() if p.dim() == 2 and p.numel() >= 256}
    assert large
    for key, parameter in large.items():
        table = name == "cl4srec" or key.endswith(("table.weight", "factors.weight", "implicit.weight"))
        published = PUBLISHED.get(getattr(model.settings, "backbone", name)) if table else None
        wanted = published or (2 / sum(parameter.shape)) ** 0.5
        assert parameter.std().item() == pytest.approx(wanted, rel=0.15), key


@pytest.mark.parametrize("size", [1, 7, 64])
def test_an_epoch_has_every_row_once_in_another_order(world, size):
    windows = training_windows(world.model_inputs("popularity").history, 20)
    sampler = NegativeSampler(world.model_inputs("popularity").history, 1, 0, CPU)
    batches, rng = Batches(windows, size, CPU), np.random.default_rng(0)
    first, second = (torch.cat([b.users for b in batches.shuffled(rng, sampler)]).tolist() for _ in range(2))
    assert sorted(first) == sorted(second) == sorted(windows.users.tolist()) and first != second


@pytest.mark.parametrize(("name", "settings"), [*LEARNED_FORMS, *VARIANTS], ids=str)
def test_gradients_reach_every_parameter(world, name, settings):
    model, inputs = build(world, name, **settings)
    trainer = Trainer(model, inputs.history, Training(loss=load(name).LOSS, batch_size=64, max_length=20), 0, CPU)
    trainer.optimiser.step = lambda: None
    trainer.epoch()
    without = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def training_items(history, user):
    """The user's training items in the target domain."""
    own = slice(history.start[user], history.valid[user])
    return history.item[own][history.is_target[own]] - history.target_items.start


def share_fitted(trainer, history):
    """The share of steps whose positive scores above all items except the user's."""
    model, batch = trainer.model.eval(), next(trainer.batches.ordered())
    with torch.no_grad():
        prepared = model.prepare()
        scores = model.all_scores(model.states(prepared, batch), model.item_vectors(prepared))
    own = scores >= scores.gather(1, batch.positives.long()[:, None])
    for step, user in enumerate(batch.users[batch.target.row].tolist()):  # no loss orders the user's items
        own[step, training_items(history, user)] = False
    return (own.sum(1) == 0).float().mean()


# eq. 3 with full weight prevents overfitting
FITTED = [
    (name, settings | ({"semantic_weight": 0.1} if "semantics" in settings else {})) for name, settings in LEARNED_FORMS
]
QUICK = (("sasrec", {}), ("semacdr", {}))  # the others take seconds and run only in CI
OWN_LOSS = [
    pytest.param(name, settings, load(name).LOSS, marks=[] if (name, settings) in QUICK else pytest.mark.slow)
    for name, settings in FITTED
]
OTHER_LOSSES = [
    pytest.param(name, settings, loss, marks=pytest.mark.slow)
    for name, settings in FITTED
    for loss in LOSSES
    if loss != load(name).LOSS and (loss in SAMPLED or "neumf" not in (name, settings.get("backbone")))
]


@pytest.mark.parametrize(("name", "settings", "loss"), OWN_LOSS + OTHER_LOSSES, ids=str)
def test_overfits_a_handful_of_users(tmp_path_factory, name, settings, loss):
    few = make_world(tmp_path_factory.mktemp("few"), random_events(users=6, seed=5))
    model, inputs = build(few, name, dim=32, **settings)
    # semantics, which items share, are learned more slowly than ids; an enhanced system needs more epochs
    epochs, semantic_rate = (300, 0.003) if settings else (150, 0.01)
    if name == "sphere":  # its towers read other personas in training than here, so the backbone has to fit the steps
        epochs, semantic_rate = 300, 0.0003
    training = Training(loss=loss, learning_rate=0.01, semantic_learning_rate=semantic_rate, max_length=20)
    trainer = Trainer(model, inputs.history, training, 0, CPU)
    for epoch in range(epochs):
        if epoch == epochs * 2 // 3:  # smaller steps at the end, as large ones overshoot from batch to batch
            for group in trainer.optimiser.param_groups:
                group["lr"] /= 10
        trainer.epoch()
        if epoch % 10 == 9 and (share := share_fitted(trainer, inputs.history)) == 1.0:
            break  # everything is fitted
    assert share > 0.9


@pytest.mark.parametrize(("name", "settings"), FORMS, ids=str)
def test_same_seed_same_bytes_other_seed_others(world, name, settings, tmp_path):
    first, again, other = (world.train(name, tmp_path / part, *extra, **settings) for part, extra in (
        ("a", ()), ("b", ()), ("c", ("--seed", "4"))))  # fmt: skip
    assert digests(first) == digests(again)
    if name in LEARNED:
        assert digests(first)["checkpoint.safetensors"] != digests(other)["checkpoint.safetensors"]


def test_all_systems_of_the_config_are_tested_and_parts_are_refused_as_systems():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert {system["model"] for system in config["train"]["systems"].values()} <= {*SYSTEMS}
    for name in {*MODULES} - {*SYSTEMS}:
        with pytest.raises(UserError, match=f"no model '{name}': that file of semacdr/models is a part"):
            load(name)
    with pytest.raises(UserError, match="no model 'bert': there is no such file"):
        load("bert")


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_planner_and_the_model_agree_on_the_inputs_of_default_settings(name):
    module = load(name)
    settings = module.Settings()
    assert set(needs(name, dataclasses.asdict(settings))) == set(required_inputs(module, settings))


def test_the_best_epoch_is_kept_and_training_stops_after_patience(world):
    model, inputs = build(world, "sasrec")
    settings = Training(loss="bce", epochs=40, patience=3, max_length=20, learning_rate=0.01)
    fitted = fit(model, inputs.history, settings, 0, CPU)
    values = [epoch.valid_ndcg_10 for epoch in fitted.epochs]
    assert fitted.best == int(np.argmax(values)) + 1
    assert len(values) == min(40, fitted.best + 3)
    assert fitted.pretraining_seconds == 0 < fitted.training_seconds
    model.load_state_dict(fitted.state)
    ranks = Ranker(inputs.history, "valid", 20, 512, CPU).rank(model)["full"]
    assert np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0).mean() == pytest.approx(max(values))


@pytest.mark.parametrize("planned", [1, 3, 100])
def test_an_epoch_is_the_same_however_many_batches_are_planned_at_a_time(world, monkeypatch, planned):
    losses = []
    for count in (batches.PLANNED, planned):
        monkeypatch.setattr(batches, "PLANNED", count)
        model, inputs = build(world, "semacdr", contrastive_items=4)
        trainer = Trainer(model, inputs.history, Training(batch_size=2, max_length=20), 0, CPU)
        assert len(trainer.batches) > 16
        torch.manual_seed(0)
        losses.append([trainer.epoch() for _ in range(2)])
    assert losses[0] == losses[1]


def test_evaluation_windows_show_what_each_system_scores(world):
    history = world.model_inputs("popularity").history
    windows = evaluation_windows(history, "test", 20)
    last = np.cumsum(np.diff(windows.target.offsets)) - 1
    assert np.array_equal(windows.positives[last], history.item[history.test] - history.target_items.start)
