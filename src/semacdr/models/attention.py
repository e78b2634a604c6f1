"""Attention over packed sequences, one rectangle for each bucket (semacdr.batching.layout)."""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from semacdr.batching.layout import Layout
from semacdr.models.dropout import dropout, factors


def attend_self(joint: torch.Tensor, layout: Layout, rate: float) -> torch.Tensor:
    """Causal single-head attention (N, d) of packed tokens; `joint` (N, 3d) holds their query, key and value.

    A token sees itself and the tokens before it in its row. `rate` is the dropout rate of the attention weights.
    """
    return _SelfAttention.apply(joint, layout, rate)


class _SelfAttention(torch.autograd.Function):
    """`attend_self` with a hand-written gradient, bit-identical to autograd's.

    Autograd would copy rectangles to scale, mask and cut them, and sum gradients although each token has only one.
    """

    @staticmethod
    def forward(ctx: Any, joint: torch.Tensor, layout: Layout, rate: float) -> torch.Tensor:
        rectangles, kept = F.embedding(layout.query, joint), []
        attended = joint.new_empty(len(layout.query), joint.shape[1] // 3)
        with torch.autocast(joint.device.type, enabled=False):  # no `out` under autocast; softmax is float32 here too
            for part, out in zip(_cut(rectangles, layout), _cut(attended, layout), strict=True):
                query, key, value = part.chunk(3, -1)
                place = torch.arange(part.shape[1], device=joint.device)
                scores = (query @ key.mT).div_(math.sqrt(query.shape[-1]))
                scores.masked_fill_(place > place[:, None], -torch.inf)  # padding comes last, so no token sees it
                weights = scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))
                scale = factors(weights, rate)
                torch.bmm(_dropped(weights, scale, value), value, out=out)
                if ctx.needs_input_grad[0]:
                    kept += [weights, scale]
        ctx.layout = layout
        ctx.save_for_backward(rectangles, *kept)
        return F.embedding(layout.restore, attended)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (rectangles, *kept), layout = ctx.saved_tensors, ctx.layout
        given = gradient.new_zeros(len(layout.query), gradient.shape[1])  # zero for padding, and so are its gradients
        given[layout.restore] = gradient
        wanted = torch.empty_like(rectangles)
        parts = zip(*(_cut(whole, layout) for whole in (rectangles, given, wanted)), strict=True)
        for (part, own, out), weights, scale in zip(parts, kept[::2], kept[1::2], strict=True):
            query, key, value = part.chunk(3, -1)
            of_weights = (own @ value.mT).to(weights.dtype)
            of_weights = of_weights if scale is None else of_weights.mul_(scale)
            # autograd's own operation, in one pass: weights * (gradient - the sum of gradient * weights)
            of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype).to(query.dtype)
            of_scores.div_(math.sqrt(query.shape[-1]))
            of_value = _dropped(weights, scale, value).mT @ own
            torch.cat([of_scores @ key, of_scores.mT @ query, of_value], -1, out=out)
        return F.embedding(layout.restore, wanted), None, None


def _dropped(weights: torch.Tensor, scale: torch.Tensor | None, value: torch.Tensor) -> torch.Tensor:
    return (weights if scale is None else weights * scale).to(value.dtype)


def _cut(packed: torch.Tensor, layout: Layout) -> Iterator[torch.Tensor]:
    """The rectangles (b, Lq, width) as views of the flattened ones."""
    parts = packed.split([b * length for b, length, _ in layout.shapes])
    return (part.view(b, length, -1) for part, (b, length, _) in zip(parts, layout.shapes, strict=True))


def attend_across(
    query: torch.Tensor,
    joint: torch.Tensor,
    visible: torch.Tensor,
    null: torch.Tensor | None,
    layout: Layout,
    rate: float,
) -> torch.Tensor:
    """Single-head attention (N_q, d) of packed queries (N_q, d) over packed keys and values, `joint` (N_k, 2d).

    A query sees the first `visible` (N_q,) keys of its row, and before them the `null` key and value (2d,), so that no
    softmax is empty. Without `null` a query without visible keys gets zeros.
    """
    has_null, null = null is not None, joint.new_zeros(joint.shape[1]) if null is None else null
    results = []
    joint = torch.cat([null[None], joint])
    queries = F.embedding(layout.query, query).split([b * lq for b, lq, _ in layout.shapes])
    limits = visible[layout.query].split([b * lq for b, lq, _ in layout.shapes])
    keys = F.embedding(layout.key + 1, joint).split([b * lk for b, _, lk in layout.shapes])
    for (b, lq, lk), q, limit, part in zip(layout.shapes, queries, limits, keys, strict=True):
        part = torch.cat([null.expand(b, 1, -1), part.view(b, lk, joint.shape[1])], 1)
        key, value = part.chunk(2, -1)
        place = torch.arange(lk + 1, device=joint.device)
        limit = limit.view(b, lq, 1)
        hidden = place > limit
        if not has_null:  # only queries without visible keys see the zero key, whose value is zero
            hidden = hidden | ((place == 0) & (limit > 0))
        results.append(_weighted(q.view(b, lq, -1), key, value, hidden, rate))
    return _packed(results, layout, query.shape[1])


def attend_with_own(
    query: torch.Tensor,
    own: torch.Tensor,
    joint: torch.Tensor,
    visible: torch.Tensor,
    layout: Layout,
    rate: float,
) -> torch.Tensor:
    """Single-head attention (N_q, d) of packed queries (N_q, d), each with its own key and value, `own` (N_q, 2d).

    A query sees its own key and the first `visible` (N_q,) of its row's keys and values, `joint` (N_k, 2d).
    """
    dim, sizes, results = query.shape[1], [b * lq for b, lq, _ in layout.shapes], []
    own_key, own_value = own.chunk(2, -1)
    query = query / math.sqrt(dim)
    given = torch.cat([query, (query * own_key).sum(-1, keepdim=True)], -1)  # a query's own key stays packed
    limits = visible[layout.query].split(sizes)
    keys = F.embedding(layout.key, joint).split([b * lk for b, _, lk in layout.shapes])
    for (b, lq, lk), part, limit, key_value in zip(
        layout.shapes, F.embedding(layout.query, given).split(sizes), limits, keys, strict=True
    ):
        q, own_score = part.view(b, lq, -1).split([dim, 1], -1)
        key, value = key_value.view(b, lk, 2 * dim).chunk(2, -1)
        hidden = torch.arange(lk, device=joint.device) >= limit.view(b, lq, 1)
        scores = torch.cat([(q @ key.mT).masked_fill(hidden, -torch.inf), own_score], -1)
        others, alone = dropout(scores.softmax(-1), rate).split([lk, 1], -1)
        results.append(torch.cat([others @ value, alone], -1))
    seen, weight = _packed(results, layout, dim + 1).split([dim, 1], -1)
    return seen + weight * own_value


def _weighted(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, hidden: torch.Tensor, rate: float
) -> torch.Tensor:
    """softmax(Q K^T / sqrt(d)) V over the keys that are not hidden."""
    scores = (query @ key.mT / math.sqrt(query.shape[-1])).masked_fill(hidden, -torch.inf)
    return dropout(scores.softmax(-1), rate) @ value


def _packed(results: list[torch.Tensor], layout: Layout, dim: int) -> torch.Tensor:
    if not results:
        return layout.restore.new_zeros((0, dim), dtype=torch.get_default_dtype())
    return F.embedding(layout.restore, torch.cat([result.flatten(0, 1) for result in results]))
