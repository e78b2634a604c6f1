"""The training loop on a model whose validation result in each epoch is given: patience, plateaus, warm-up."""

import pytest
import torch
from direction_world import make_world, random_events
from torch import nn

from semacdr.models import base, popularity
from semacdr.training.engine import fit
from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"), random_events()).model_inputs("sasrec")


class Scripted(base.Model):
    """In the n-th epoch ranks the validation item first for plan[n - 1] users; the others get popularity."""

    def __init__(self, inputs, plan):
        super().__init__()
        self.plan, self.number = plan, 0
        self.popularity = popularity.Model(inputs, popularity.Settings())
        self.table = nn.Embedding(len(inputs.history.target_items), 4)
        users, where = inputs.history.ranked("valid")
        self.positive = torch.zeros(inputs.history.users, dtype=torch.long)
        self.positive[users] = torch.from_numpy(inputs.history.item[where] - inputs.history.target_items.start)

    def train(self, mode=True):
        self.number += mode
        return super().train(mode)

    def states(self, prepared, batch):
        return self.table(batch.target.items)

    def item_vectors(self, prepared):
        return self.table.weight

    def scores(self, prepared, batch):
        scores, users = self.popularity.scores(None, batch).clone(), batch.users.long()
        known = users < self.plan[min(self.number, len(self.plan)) - 1]
        scores[known.nonzero()[:, 0], self.positive[users[known]]] = 1e6
        return scores


def fitted(inputs, plan, **settings):
    settings = Training(loss="ce", max_length=20, **{"epochs": 30, "patience": 3, "plateau_epochs": 9} | settings)
    return fit(Scripted(inputs, plan), inputs.history, settings, 0, CPU)


def test_patience_counts_from_the_first_epoch_above_popularity(inputs, caplog):
    result = fitted(inputs, [0, 0, 0, 0, 0, 0, 4, 5, 5])
    assert (result.best, len(result.epochs)) == (8, 11)
    assert result.above_popularity and result.epochs[0].valid_ndcg_10 == result.popularity
    assert "not clearly above popularity" not in caplog.text


def test_patience_does_not_count_on_a_plateau_a_little_above_popularity(inputs):
    """Seen with GRU4Rec on real reviews: 1.27 times popularity from the seventh epoch on, while the loss still fell."""
    result = fitted(inputs, [0, 2, 2, 2, 2, 2, 2, 6, 6])
    assert 1.2 < result.epochs[1].valid_ndcg_10 / result.popularity < 1.5
    assert (result.best, len(result.epochs)) == (8, 11) and result.above_popularity


def test_a_plateau_has_a_bound_and_is_named_in_the_log(inputs, caplog):
    result = fitted(inputs, [0])
    assert (result.best, len(result.epochs)) == (1, 9)
    assert not result.above_popularity
    assert "not clearly above popularity: the best epoch has validation NDCG@10" in caplog.text


def test_rates_grow_linearly_in_warm_up_and_again_after_pre_training(inputs):
    settings = Training(loss="ce", max_length=20, learning_rate=0.4, warmup_steps=4)
    model = Scripted(inputs, [0])
    trainer = Trainer(model, inputs.history, settings, 0, CPU)

    def rates():
        found = []
        for _ in range(6):
            trainer.step(model.table.weight.sum())
            found.append(trainer.optimiser.param_groups[0]["lr"])
        return found

    assert rates() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    trainer.pretrain()
    assert rates() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
