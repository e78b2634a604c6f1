"""How views become nodes, how they are aligned, and how signals are fused: by hand and by their properties."""

import math

import pytest
import torch
from direction_world import build

from semacdr.errors import UserError
from semacdr.models.fusion import FUSIONS, Fusion
from semacdr.models.semacdr import Settings, check
from semacdr.models.views import COMBINATIONS, Combination, contrast

A = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
B = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 3.0]])


def test_contrast_by_hand():
    cosines = [[1, 1, 0], [0, 0, 1], [2**-0.5, 2**-0.5, 2**-0.5]]
    rows = [-row[i] / 0.5 + math.log(sum(math.exp(c / 0.5) for c in row)) for i, row in enumerate(cosines)]
    assert contrast(A, B, 0.5).item() == pytest.approx(sum(rows) / 3)
    columns = list(zip(*cosines, strict=True))
    others = [-row[i] / 0.5 + math.log(sum(math.exp(c / 0.5) for c in row)) for i, row in enumerate(columns)]
    assert contrast(A, B, 0.5, symmetric=True).item() == pytest.approx((sum(rows) + sum(others)) / 6)


def test_items_with_the_same_labels_are_no_negatives_of_each_other():
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    cosines = [[1, None, 0], [None, 0, 1], [2**-0.5, 2**-0.5, 2**-0.5]]
    rows = [
        -row[i] / 0.5 + math.log(sum(math.exp(c / 0.5) for c in row if c is not None)) for i, row in enumerate(cosines)
    ]
    assert contrast(A, B, 0.5, labels).item() == pytest.approx(sum(rows) / 3)
    apart = torch.eye(3)
    assert contrast(A, B, 0.5, apart).item() == pytest.approx(contrast(A, B, 0.5).item())


@pytest.mark.parametrize("how", COMBINATIONS)
def test_combinations(how):
    torch.manual_seed(0)
    combine = Combination(how, 2, 2)
    found = combine([A, B])
    if how == "sum":
        expected = A + B
    elif how == "concat":
        expected = torch.cat([A, B], 1) @ combine.linear.weight.T + combine.linear.bias
    else:
        weight = (torch.cat([A, B], 1) @ combine.linear.weight.T + combine.linear.bias).exp()
        expected = (weight[:, :1] * A + weight[:, 1:] * B) / weight.sum(1, keepdim=True)
    torch.testing.assert_close(found, expected)
    assert torch.equal(Combination(how, 1, 2)([A]), A)  # of one view nothing is to be combined


def test_learned_weights_of_every_fusion_by_hand():
    fusions = {how: Fusion(how, 2, 2) for how in FUSIONS if how != "average"}
    with torch.no_grad():
        for how in ("adaptive", "softmax"):
            fusions[how].weight.copy_(torch.tensor([2.0, -1.0]))
        fusions["dimension"].weight.copy_(torch.tensor([[2.0, 0.0], [-1.0, 3.0]]))
        fusions["gate"].linear.weight.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
        fusions["gate"].linear.bias.zero_()
    share = math.exp(2) / (math.exp(2) + math.exp(-1))
    gate = torch.sigmoid(A[:, :1])  # the first signal's first dimension against zero
    expected = {
        "adaptive": 2 * A - B,
        "softmax": share * A + (1 - share) * B,
        "dimension": torch.stack([2 * A[:, 0] - B[:, 0], 3 * B[:, 1]], 1),
        "gate": gate * A + (1 - gate) * B,
    }
    for how, fusion in fusions.items():
        torch.testing.assert_close(fusion([A, B]), expected[how])


@pytest.mark.parametrize("how", FUSIONS)
def test_every_fusion_starts_as_the_average_or_between_its_signals(how):
    torch.manual_seed(0)
    fusion = Fusion(how, 2, 2)
    fusion.reset()
    found = fusion([A, B])
    if how == "gate":
        assert ((found - A) * (found - B) <= 1e-6).all()
    else:
        torch.testing.assert_close(found, (A + B) / 2)


def test_without_its_positive_a_user_is_as_if_the_edge_were_not_there(world):
    """The message of the positive is taken off, at the degrees of the whole graph."""
    model, problem = build(world, "semacdr", user_vector="graph_without_positive", convolution="light")
    model.eval()
    graph, prepared = problem.graphs["mixed"].to_dense(), model.prepare()
    items = len(problem.history.source_items) + len(problem.history.target_items)
    target = problem.history.target_items.start
    user, positive = next((u, p) for u in range(5) for p in range(20) if graph[items + u, target + p] > 0)
    cut = graph.clone()
    cut[items + user, target + positive] = 0
    expected = (prepared.nodes[items + user] + cut[items + user] @ prepared.nodes) / 2
    batch = type("Batch", (), {})()
    batch.users, batch.positives = torch.tensor([user], dtype=torch.int32), torch.tensor([positive], dtype=torch.int32)
    batch.target = type("Sequence", (), {"row": torch.zeros(1, dtype=torch.int32)})()
    model.train()
    torch.testing.assert_close(model._users(prepared, batch)[0], expected, rtol=1e-5, atol=1e-6)
    model.eval()
    torch.testing.assert_close(model._users(prepared, batch)[0], prepared.mixed[items + user])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"views": "product"}, "semacdr: views is one of sum, concat, gate, not 'product'"),
        ({"graph": "none", "user_vector": "graph"}, "user_vector 'graph' needs a graph with users, not 'none'"),
        ({"agnostic": False, "mask_same": True}, "mask_same needs the agnostic view"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        check(Settings(**settings))
