"""Tri-CDR against loops over users, steps and events, written from the paper's formulas."""

import math

import pytest
import torch
import torch.nn.functional as F
from direction_world import build

from semacdr.batching.batches import Batches
from semacdr.batching.windows import evaluation_windows, training_windows
from semacdr.errors import UserError
from semacdr.models.tri_cdr import SEQUENCES
from semacdr.models.views import nt_xent
from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer

LIMIT = 6  # shorter than most histories: then the mixed window begins after the first target steps
CPU = torch.device("cpu")


def batch_of(inputs, max_length=LIMIT, windows=training_windows):
    return next(Batches(windows(inputs.history, max_length), 64, CPU, distinct=100).ordered())


@pytest.fixture(scope="module")
def small(world):
    model, inputs = build(world, "tri_cdr", scale=3.0)
    with torch.no_grad():  # otherwise both slopes are equal, and all biases zero
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model.double().eval(), inputs


def seen_events(history, user):
    """For each step of a user's training window: the window's and the visible events of mixed, source and target."""
    events = range(history.start[user], history.valid[user])
    end = [e for e in events if history.is_target[e]][-1]
    of = {"mixed": [e for e in events if e < end]}
    of["source"] = [e for e in of["mixed"] if not history.is_target[e]][-LIMIT:]
    of["target"] = [e for e in of["mixed"] if history.is_target[e]][-LIMIT:]
    of["mixed"] = of["mixed"][-LIMIT:]
    for positive in [*of["target"][1:], end]:
        yield {name: [place for place, e in enumerate(own) if e < positive] for name, own in of.items()}


def triple_attention(attention, query, context, facts):
    """The activation unit in full, one event at a time, then the softmax."""
    if not len(facts):
        return torch.zeros_like(query)
    logits = []
    for fact in facts:
        x = torch.cat([fact, query, fact * query, query - fact, context])
        for layer, slope in ((attention.first, attention.first_slope), (attention.second, attention.second_slope)):
            x = layer.weight @ x + layer.bias
            x = torch.where(x > 0, x, slope.weight * x)
        logits.append(attention.last.weight[0] @ x)
    return torch.stack(logits).softmax(0) @ facts


def test_attention_and_fusion_equal_loops_over_visible_events(small):
    model, inputs = small
    batch, prepared = batch_of(inputs), model.prepare()
    tables = {"mixed": (prepared.mixed, 0), "source": (prepared.own, 30), "target": (prepared.own, 0)}
    states = {}
    for name, (table, first) in tables.items():
        sequence = getattr(batch, name)
        whole = model.encoders[name](table[sequence.items.long() + first], sequence)
        states[name] = whole.split(sequence.lengths.tolist())
    expected, empty = {name: [] for name in SEQUENCES}, dict.fromkeys(SEQUENCES, 0)
    for row, user in enumerate(batch.users.tolist()):
        for step, seen in enumerate(seen_events(inputs.history, user)):
            query, mixed = states["target"][row][step], states["mixed"][row][seen["mixed"]]
            context = mixed.mean(0) if len(mixed) else torch.zeros_like(query)
            for name in SEQUENCES:
                facts = states[name][row][seen[name]]
                expected[name].append(triple_attention(model.attention, query, context, facts))
                empty[name] += not len(facts)
    assert empty["mixed"] > 5 and empty["source"] > 5 and not empty["target"]  # a step sees at least its own event
    found = model._attended(prepared, batch)
    for name in SEQUENCES:
        torch.testing.assert_close(found[name], torch.stack(expected[name]), rtol=0, atol=1e-10)
    joined = torch.cat([torch.stack(expected[name]) for name in SEQUENCES], 1)
    first, _, second = model.fuse
    hidden = joined @ first.weight.T + first.bias
    fused = torch.where(hidden > 0, hidden, 0.01 * hidden) @ second.weight.T + second.bias
    cosine = F.cosine_similarity(fused[:, None], model.own.weight[None, :30], dim=-1)
    scores = model.states(prepared, batch) @ model.item_vectors(prepared).T
    torch.testing.assert_close(scores, 3 * cosine, rtol=0, atol=1e-10)


def test_a_step_without_a_source_event_takes_nothing_out_of_the_source(small):
    """It is not the mean over all events, including future ones, as the official code's visible index 0 gives."""
    model, inputs = small
    batch, prepared = batch_of(inputs), model.prepare()
    none = batch.source_visible == 0
    assert none.any() and (batch.source.lengths[batch.target.row[none].long()] > 0).any()
    before = model.states(prepared, batch)
    with torch.no_grad():
        other = prepared._replace(own=torch.cat([prepared.own[:30], prepared.own[30:] + 1]))
    after = model.states(other, batch)
    assert torch.equal(before[none], after[none])
    assert ((before - after)[~none].abs().max(1).values > 1e-6).all()


def test_at_test_the_mixed_sequence_holds_the_validation_event(small):
    model, inputs = small
    batch, history = batch_of(inputs, 20, evaluation_windows_of_test), inputs.history
    before = model.scores(model.prepare(), batch)
    with torch.no_grad():
        mixed = model.mixed.weight.clone()
        model.mixed.weight[history.item[history.valid[0]]] += 1
        after = model.scores(model.prepare(), batch)
        model.mixed.weight.copy_(mixed)
    assert not torch.equal(before[0], after[0])


def evaluation_windows_of_test(history, max_length):
    return evaluation_windows(history, "test", max_length)


def by_hand_nt_xent(a, b, temperature):
    vectors = [x / x.norm() for x in (*a, *b)]
    losses = []
    for i, x in enumerate(vectors):
        partner = (i + len(a)) % len(vectors)
        others = sum(math.exp(x @ y / temperature) for j, y in enumerate(vectors) if j != i)
        losses.append(-math.log(math.exp(x @ vectors[partner] / temperature) / others))
    return sum(losses) / len(losses)


def test_contrast_of_sequences_by_hand():
    a, b = torch.randn(2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert nt_xent(a, b, 0.1, cosine=True).item() == pytest.approx(by_hand_nt_xent(a, b, 0.1))
    assert nt_xent(3 * a, b, 0.1, cosine=True).item() == pytest.approx(by_hand_nt_xent(a, b, 0.1))  # cosine
    assert nt_xent(a[:1], b[:1], 0.1, cosine=True).item() == 0  # a single row has no negatives


SETTINGS = {"coarse_weight": 2.0, "fine_weight": 3.0, "margin": 1.5, "temperature": 0.5}
SETTINGS |= {"mixed_source": 5.0, "mixed_target": 2.0, "source_target": 1.0}


def test_coarse_and_fine_loss_by_hand(world):
    model, inputs = build(world, "tri_cdr", **SETTINGS)
    model.double().eval()
    batch = batch_of(inputs)
    last = [int(n) - 1 for n in batch.target.lengths.cumsum(0)]
    batch.source_visible[last[:4]] = 0
    attended, loss = model._attended(model.prepare(), batch), model.states_and_auxiliary_loss(model.prepare(), batch)[1]
    with torch.no_grad():
        m, s, t = (torch.stack([model.heads[name](attended[name][i]) for i in last]) for name in SEQUENCES)
        seen = [row for row, i in enumerate(last) if batch.source_visible[i] > 0]
        assert len(seen) == len(last) - 4
        coarse = 5 * by_hand_nt_xent(m[seen], s[seen], 0.5) + 2 * by_hand_nt_xent(m, t, 0.5)
        coarse += by_hand_nt_xent(s[seen], t[seen], 0.5)
        gaps = [(s[r] - m[r]).norm() - (s[r] - t[r]).norm() + 1.5 for r in seen]  # the source is the anchor
        fine = sum(max(gap.item(), 0.0) for gap in gaps) / len(gaps)
    assert sum(gap > 0 for gap in gaps) > 0
    assert loss.item() == pytest.approx(2 * coarse / 8 + 3 * fine, abs=1e-4)  # torch's distance adds 1e-6


def test_a_batch_in_which_nobody_sees_a_source_event_trains(world):
    model, inputs = build(world, "tri_cdr")
    batch = batch_of(inputs)
    blind = type(batch)(**vars(batch) | {"source_visible": torch.zeros_like(batch.source_visible)})
    states, loss = model.states_and_auxiliary_loss(model.prepare(), blind)
    (states.sum() + loss).backward()
    assert torch.isfinite(states).all() and torch.isfinite(loss)
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_batch_in_which_no_source_event_is_followed_pretrains(world):
    model, inputs = build(world, "tri_cdr")
    batch = batch_of(inputs, 1)  # windows of one event
    assert len(batch.source.items) and batch.source.lengths.max() == 1
    loss = model.pretraining_loss(batch)
    assert torch.isfinite(loss) and loss > 0


def test_pretraining_is_next_item_loss_of_each_sequence(small):
    """The row's last positive follows the last event of the mixed and of the target sequence."""
    check_pretraining(*small, lambda model: model.prepare())


def test_pretraining_of_the_enhanced_form_has_its_item_vectors(world):
    model, inputs = build(world, "tri_cdr", semantics=True, dropout=0.0)

    def enhanced(model):
        prepared = model.prepare()
        assert not torch.allclose(prepared.own, model.own.weight)
        assert not torch.allclose(prepared.mixed, model.mixed.weight)
        return prepared

    check_pretraining(model.double(), inputs, enhanced)


def check_pretraining(model, inputs, prepared_of):
    batch, prepared = batch_of(inputs, 20), prepared_of(model)
    last = batch.positives[batch.last].tolist()
    torch.manual_seed(5)
    found = model.pretraining_loss(batch)
    torch.manual_seed(5)
    expected = 0.0
    for name, vectors in (("mixed", prepared.mixed), ("source", prepared.own[30:]), ("target", prepared.own[:30])):
        sequence, losses = getattr(batch, name), []
        states = model.encoders[name](vectors[sequence.items.long()], sequence)
        lengths = sequence.lengths.tolist()
        rows = [items.tolist() for items in sequence.items.split(lengths)]
        wanted = [row[1:] for row in rows] if name == "source" else [
            [*row[1:], end] for row, end in zip(rows, last, strict=True)]  # fmt: skip
        negatives = iter(torch.randint(len(vectors), (sum(map(len, wanted)),)))
        for own, items in zip(states.split(lengths), wanted, strict=True):
            for state, item in zip(own, items, strict=False):
                positive, negative = state @ vectors[item], state @ vectors[next(negatives)]
                losses.append(-positive.sigmoid().log() - (1 - negative.sigmoid()).log())
        expected += sum(losses) / len(losses)
    torch.testing.assert_close(found, expected)


def test_pretraining_moves_encoders_and_tables_alone_and_leaves_a_new_optimiser(world):
    model, inputs = build(world, "tri_cdr", pretraining=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = Trainer(model, inputs.history, Training(loss="bce", max_length=20), 0, CPU)
    trainer.pretrain()
    moved = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"own", "mixed", "encoders"}
    assert not trainer.optimiser.state


def test_weights_of_pairs_that_are_all_zero_are_refused(world):
    with pytest.raises(UserError, match="tri_cdr: one of mixed_source, mixed_target, source_target must be above 0"):
        build(world, "tri_cdr", mixed_source=0.0, mixed_target=0.0, source_target=0.0)
