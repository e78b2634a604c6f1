"""Packed layers against plain dense mathematics, and graph propagation against DGL."""

import math
from typing import get_args

import dgl
import numpy as np
import pytest
import torch
from dgl.nn import GraphConv
from hypothesis import given, settings
from hypothesis import strategies as st

from semacdr.batching.batches import Sequence
from semacdr.batching.layout import Upload, plan_layout
from semacdr.batching.windows import BLANK
from semacdr.errors import UserError
from semacdr.models.attention import attend_across, attend_self, attend_with_own
from semacdr.models.dropout import dropout
from semacdr.models.layers import (
    Block,
    Encoder,
    GraphConvolution,
    embed,
    mean_by_row,
    propagate,
)
from semacdr.models.settings import EncoderSettings
from semacdr.runtime.settings import types_of
from semacdr.training.inputs import load_graph

NORMS = get_args(types_of(EncoderSettings)["norm"])

LENGTHS = st.lists(st.integers(0, 40), min_size=1, max_size=8)


def layout_of(queries, keys=None):
    upload = Upload()
    plan = plan_layout(upload, np.array(queries), None if keys is None else np.array(keys))
    upload.send(torch.device("cpu"))
    return plan()


def sequence_of(lengths):
    position = torch.cat([torch.arange(n) for n in lengths]).int()
    row = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths)).int()
    return Sequence(position, position, row, torch.tensor(lengths), layout_of(lengths))


@settings(max_examples=40, deadline=None)
@given(LENGTHS, st.integers(0, 99))
def test_self_attention_is_dense_causal_attention_of_each_row(lengths, seed):
    if not sum(lengths):
        return
    torch.manual_seed(seed)
    joint = torch.randn(sum(lengths), 3 * 4, dtype=torch.float64)
    found = attend_self(joint, layout_of(lengths), 0.0)
    expected = []
    for part in joint.split(lengths):
        q, k, v = part.chunk(3, -1)
        mask = torch.ones(len(part), len(part), dtype=torch.bool).tril()
        expected.append((q @ k.T / 2).masked_fill(~mask, -math.inf).softmax(-1) @ v)
    torch.testing.assert_close(found, torch.cat(expected))


@pytest.mark.parametrize("rate", [0.0, 0.5])
@pytest.mark.parametrize("lengths", [[1], [3, 0, 5, 1], [4, 9, 2]], ids=str)
def test_the_gradient_of_self_attention_is_that_of_its_values(lengths, rate):
    joint = torch.randn(sum(lengths), 6, dtype=torch.float64, requires_grad=True)

    def attended(joint):
        torch.manual_seed(0)  # the same weights are dropped every time
        return attend_self(joint, layout_of(lengths), rate)

    assert torch.autograd.gradcheck(attended, joint)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8),
    st.integers(0, 99),
    st.booleans(),
)
def test_cross_attention_sees_the_visible_keys_and_the_null_key_if_there_is_one(pairs, seed, with_null):
    queries, keys = map(list, zip(*pairs, strict=True))
    if not sum(queries):
        return
    torch.manual_seed(seed)
    query = torch.randn(sum(queries), 4, dtype=torch.float64)
    joint, null = (torch.randn(*shape, dtype=torch.float64) for shape in ((sum(keys), 8), (8,)))
    visible = torch.cat([torch.randint(0, n + 1, (m,)) for m, n in pairs]).int()
    found = attend_across(query, joint, visible, null if with_null else None, layout_of(queries, keys), 0.0)
    expected, rows = [], torch.repeat_interleave(torch.arange(len(pairs)), torch.tensor(queries))
    parts = joint.split(keys)
    for one, seen, row in zip(query, visible, rows, strict=True):
        k, v = torch.cat([*([null[None]] if with_null else []), parts[row][:seen]]).chunk(2, -1)
        expected.append((k @ one / 2).softmax(0) @ v)  # without keys the sum is zero
    torch.testing.assert_close(found, torch.stack(expected))


def test_a_blank_has_a_vector_of_zeros_and_code_that_forgets_blanks_fails():
    table, items = torch.randn(5, 3), torch.tensor([4, BLANK, 0], dtype=torch.int32)
    zeros, lengths = torch.zeros_like(items), torch.ones_like(items)
    blank = Sequence(items, zeros, zeros, lengths, layout_of([1, 1, 1]), True)
    assert torch.equal(embed(blank, table), torch.stack([table[4], torch.zeros(3), table[0]]))
    table.requires_grad_()
    later = embed(blank, torch.cat([torch.full((2, 3), torch.nan), table]), first=2)  # of the second domain
    assert torch.equal(later, torch.stack([table[4], torch.zeros(3), table[0]]))
    later.sum().backward()
    assert table.grad.any(1).tolist() == [True, False, False, False, True]
    for forgetful in (lambda: torch.nn.functional.embedding(items, table), lambda: table[items.long()]):
        with pytest.raises(IndexError):
            forgetful()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8), st.integers(0, 99))
def test_attention_with_own_sees_the_own_key_and_the_visible_ones(pairs, seed):
    queries, keys = map(list, zip(*pairs, strict=True))
    if not sum(queries):
        return
    torch.manual_seed(seed)
    query, own, joint = (torch.randn(n, d, dtype=torch.float64) for n, d in zip(
        (sum(queries), sum(queries), sum(keys)), (4, 8, 8), strict=True))  # fmt: skip
    visible = torch.cat([torch.randint(0, n + 1, (m,)) for m, n in pairs]).int()
    found = attend_with_own(query, own, joint, visible, layout_of(queries, keys), 0.0)
    expected, rows = [], torch.repeat_interleave(torch.arange(len(pairs)), torch.tensor(queries))
    parts = joint.split(keys)
    for one, mine, seen, row in zip(query, own, visible, rows, strict=True):
        k, v = torch.cat([mine[None], parts[row][:seen]]).chunk(2, -1)
        expected.append((k @ one / 2).softmax(0) @ v)
    torch.testing.assert_close(found, torch.stack(expected))


@pytest.mark.parametrize("norm", NORMS)
def test_a_block_among_what_came_before_is_the_block(norm):
    torch.manual_seed(0)
    block, sequence = Block(8, 0.0, norm).double(), sequence_of([5, 0, 9])
    x = torch.randn(14, 8, dtype=torch.float64)
    found = block.with_own(x, x, x, sequence.positions, sequence.layout)
    torch.testing.assert_close(found, block(x, sequence.layout))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_drops_its_share(rate):
    torch.manual_seed(0)
    x = torch.ones(400_001)
    dropped = dropout(x, rate)
    share = round(rate * 256) / 256
    assert (dropped == 0).float().mean().item() == pytest.approx(share, abs=0.005)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)
    by_place = (dropped[:400_000].view(-1, 8) == 0).float().mean(0)  # all bytes of a 64-bit draw are alike
    assert (by_place - share).abs().max() < 0.01
    assert dropout(x, 0.0) is x


@pytest.mark.parametrize("rate", [-0.5, 1.0, 0.9999, 50.0])
def test_a_share_that_cannot_be_dropped_is_refused(rate):
    with pytest.raises(UserError, match=f"from 0 to below 1, not {rate}"):
        dropout(torch.ones(8), rate)


@pytest.mark.parametrize("norm", NORMS)
def test_later_events_change_no_earlier_state(norm):
    torch.manual_seed(0)
    encoder = Encoder(8, 20, 2, 0.0, norm).eval()
    vectors, lengths = torch.randn(12, 8), [5, 7]
    whole = encoder(vectors, sequence_of(lengths))
    changed = vectors.clone()
    changed[3:5], changed[9:] = torch.randn(2, 8), torch.randn(3, 8)
    found = encoder(changed, sequence_of(lengths))
    torch.testing.assert_close(found[:3], whole[:3], rtol=0, atol=1e-6)
    torch.testing.assert_close(found[5:9], whole[5:9], rtol=0, atol=1e-6)
    assert (found[3] - whole[3]).abs().max() > 1e-3
    cut = encoder(vectors[:3], sequence_of([3]))
    torch.testing.assert_close(cut, whole[:3], rtol=0, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_a_row_does_not_depend_on_the_rows_among_it(norm):
    torch.manual_seed(0)
    encoder = Encoder(8, 64, 2, 0.0, norm).eval().double()
    vectors = torch.randn(60, 8, dtype=torch.float64)
    alone = encoder(vectors[:4], sequence_of([4]))
    among = encoder(vectors, sequence_of([4, 40, 0, 16]))
    torch.testing.assert_close(among[:4], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_equals_torch_s_own_transformer_layer(norm):
    torch.manual_seed(0)
    block = Block(8, 0.0, norm).eval().double()
    options = {"batch_first": True, "norm_first": norm == "pre", "layer_norm_eps": 1e-8}
    theirs = torch.nn.TransformerEncoderLayer(8, 1, 8, 0.0, **options).eval().double()
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(torch.cat([block.query.weight, block.key_value.weight]))
        theirs.self_attn.in_proj_bias.copy_(torch.cat([block.query.bias, block.key_value.bias]))
        theirs.self_attn.out_proj.weight.copy_(torch.eye(8))  # ours has no map after attention, as SASRec's
        theirs.self_attn.out_proj.bias.zero_()
    theirs.linear1.load_state_dict(block.inner.state_dict())
    theirs.linear2.load_state_dict(block.outer.state_dict())
    x = torch.randn(5, 8, dtype=torch.float64)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    torch.testing.assert_close(block(x, sequence_of([5]).layout), theirs(x[None], mask)[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("norm", NORMS)
def test_a_block_across_sees_the_others_as_a_block_sees_its_own(norm):
    torch.manual_seed(0)
    block, lengths = Block(8, 0.0, norm).eval().double(), [5, 1, 7]
    x, sequence = torch.randn(13, 8, dtype=torch.float64), sequence_of(lengths)
    itself = block.across(x, x, sequence.positions + 1, layout_of(lengths, lengths))
    torch.testing.assert_close(itself, block(x, sequence.layout), rtol=0, atol=1e-12)
    nothing = block.across(x, x[:0], torch.zeros(13).int(), layout_of(lengths, [0, 0, 0]))
    for parameter in block.key_value.parameters():  # with zero values, the attention result is zero too
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(nothing, block(x, sequence.layout), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["source", "target", "mixed"])
def test_propagation_equals_dgl_graph_convolution_forward_and_backward(world, name):
    graphs, _ = dgl.load_graphs(str(world.folder / f"graphs/{name}.bin"))
    graph = graphs[0] if graphs[0].is_homogeneous else dgl.to_homogeneous(graphs[0])
    graph = dgl.add_self_loop(graph)
    torch.manual_seed(0)
    theirs, ours = GraphConv(8, 8, norm="both"), GraphConvolution(8)
    with torch.no_grad():
        ours.linear.weight.copy_(theirs.weight.T)
        ours.linear.bias.copy_(theirs.bias.uniform_(-1, 1))
    adjacency = load_graph(world.folder / f"graphs/{name}.parquet")
    x = torch.randn(graph.num_nodes(), 8)
    given, expected = x.clone().requires_grad_(), x.clone().requires_grad_()
    found = ours(adjacency, given)
    reference = torch.nn.functional.leaky_relu(theirs(graph, expected), 0.1)
    torch.testing.assert_close(found, reference, rtol=1e-4, atol=1e-5)
    weight = torch.randn_like(found)
    (found * weight).sum().backward()
    (reference * weight).sum().backward()
    torch.testing.assert_close(given.grad, expected.grad, rtol=1e-4, atol=1e-5)


def test_propagation_gradient_is_exact(world):
    adjacency = load_graph(world.folder / "graphs/target.parquet").double()
    x = torch.randn(adjacency.shape[0], 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: propagate(adjacency, x), (x,), fast_mode=True)


def test_mean_by_row_is_over_the_chosen_ones():
    x, row = torch.tensor([[1.0, 2.0], [3.0, 6.0], [5.0, 9.0], [7.0, 0.0]]), torch.tensor([0, 0, 2, 2]).int()
    mean, count = mean_by_row(x, row, torch.tensor([True, True, False, True]), 4)
    assert mean.tolist() == [[2, 4], [0, 0], [7, 0], [0, 0]] and count.tolist() == [2, 0, 1, 0]
