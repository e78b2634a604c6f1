"""Losses over the steps of a batch, the same for every model, so that models are compared under equal losses."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

SAMPLED = ("bpr", "bce", "gbce")  # losses with separate negatives for each step
Match = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # states (N, d), vectors (N, k, d): scores (N, k)
CHUNK = {"cpu": 2**18, "cuda": 2**27}  # scores of loss ce in memory at once: 1 MB, a core's own cache, and 512 MB


def step_loss(
    name: str,
    states: torch.Tensor,
    items: torch.Tensor,
    positives: torch.Tensor,
    negatives: torch.Tensor,
    calibration: float = 0.75,
    match: Match | None = None,
) -> torch.Tensor:
    """The mean loss over steps, from states (N, d), item vectors (n, d), positives (N,) and negatives.

    With negatives (N, k) of each step: bpr: -log sigma(s+ - s-) (SemaCDR, eq. 13); bce: -log sigma(s+) -
    log(1 - sigma(s-)) (SASRec, section III-E), both averaged over a step's negatives; gbce: bce whose positive term is
    the log of sigma(s+)^beta, which calibrates scores despite the sampling (Petrov & Macdonald, RecSys 2023,
    eqs. 8 to 10, `calibration` is their t), averaged over positive and negatives.
    sampled_softmax: cross-entropy against negatives (k,) that all steps share, drawn uniformly from all n items; the
    logQ correction log(n / k) makes their sum an unbiased estimate of the whole catalogue's.
    ce: softmax cross-entropy over all n items; scores are computed in chunks.

    Scores are inner products, or for the losses SAMPLED those of `match` (semacdr.models.base.Model).
    """
    if name == "ce":
        return softmax_loss(states, items, positives, len(states))
    if name == "sampled_softmax":
        return _sampled_softmax(states, items, positives, negatives)
    if match is None:
        positive = (states * F.embedding(positives, items)).sum(-1, keepdim=True)  # (N, 1)
        negative = torch.einsum("nd,nkd->nk", states, F.embedding(negatives, items))
    else:
        positive = match(states, F.embedding(positives[:, None], items))
        negative = match(states, F.embedding(negatives, items))
    if name == "bpr":
        return F.softplus(negative - positive).mean()
    if name == "bce":
        return (F.softplus(-positive) + F.softplus(negative)).mean()
    if name == "gbce":
        beta = power(negatives.shape[1], len(items), calibration)
        return (beta * F.softplus(-positive) + F.softplus(negative).sum(-1, keepdim=True)).mean() / (
            1 + negatives.shape[1]
        )
    raise ValueError(f"unknown loss '{name}'")


def power(negatives: int, items: int, calibration: float) -> float:
    """beta of gbce: alpha (t (1 - 1/alpha) + 1/alpha), alpha = k / (n - 1) the share of negatives that is drawn."""
    alpha = negatives / (items - 1)
    return alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)


def softmax_loss(
    states: torch.Tensor,
    items: torch.Tensor,
    positives: torch.Tensor,
    divisor: int | torch.Tensor,
    counted: torch.Tensor | None = None,
) -> torch.Tensor:
    """The sum of loss ce over steps, divided by `divisor`; with `counted` (N,) of bool only over those steps.

    Models use it for their own losses too, over more events than the target steps; it is float32 under autocast.
    """
    weight = items.new_ones(len(states)) if counted is None else counted.to(items.dtype)
    chunk = CHUNK[states.device.type]
    return _FullSoftmax.apply(states.to(items.dtype), items, positives.long(), weight, divisor, chunk)


class _FullSoftmax(torch.autograd.Function):
    """The weighted sum of F.cross_entropy(states @ items.T, positives) over steps, with scores computed in chunks.

    A batch's scores of a whole catalogue, their softmax and its gradient would each take (N, n): gigabytes if each of
    5,000 steps scores 30,000 items. Value and gradients are added up together in the forward pass.
    """

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        items: torch.Tensor,
        positives: torch.Tensor,
        weight: torch.Tensor,
        divisor: int | torch.Tensor,
        chunk: int,
    ) -> torch.Tensor:
        loss, rows = states.new_zeros(()), max(1, chunk // len(items))
        of_states, of_items = torch.empty_like(states), torch.zeros_like(items)
        whole = states, positives[:, None], weight[:, None], of_states
        minus_one = states.new_full((rows, 1), -1.0)
        with torch.autocast(states.device.type, enabled=False):  # it does not support `out`
            for part, wanted, factor, gradient in zip(*(x.split(rows) for x in whole), strict=True):
                scores = part @ items.T
                highest, own = scores.amax(1, keepdim=True), scores.gather(1, wanted)
                share = torch.softmax(
                    scores, 1, out=scores
                )  # the highest share is at least 1 / n, so its log is finite
                loss += ((highest - share.amax(1, keepdim=True).log() - own) * factor).sum()
                share.scatter_add_(1, wanted, minus_one[: len(part)])  # the gradient of the chunk's loss
                torch.mm(share, items, out=gradient)
                of_items.addmm_(share.T, part * factor)
        of_states.mul_(weight[:, None])
        ctx.save_for_backward(of_states.div_(divisor), of_items.div_(divisor))
        return loss / divisor

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        of_states, of_items = ctx.saved_tensors
        return gradient * of_states, gradient * of_items, None, None, None, None


def _sampled_softmax(
    states: torch.Tensor, items: torch.Tensor, positives: torch.Tensor, negatives: torch.Tensor
) -> torch.Tensor:
    positive = (states * F.embedding(positives, items)).sum(-1, keepdim=True)
    drawn = states @ F.embedding(negatives, items).T + math.log(len(items) / len(negatives))
    drawn = drawn.masked_fill(negatives == positives[:, None], -torch.inf)  # it is the first column already
    return F.cross_entropy(torch.cat([positive, drawn], 1), torch.zeros_like(positives, dtype=torch.long))
