"""Losses over the steps of a batch; the same for every system, so that a loss never passes for an architecture."""

import torch
import torch.nn.functional as F

LOSSES = ("bpr", "bce", "ce")


def step_loss(
    name: str, states: torch.Tensor, items: torch.Tensor, positives: torch.Tensor, negatives: torch.Tensor
) -> torch.Tensor:
    """The mean loss over steps, from states (N, d), item vectors (n, d), positives (N,), negatives (N, k).

    bpr: -log sigma(s+ - s-) (SemaCDR, eq. 13); bce: -log sigma(s+) - log(1 - sigma(s-)) (SASRec, section III-E);
    both average over a step's negatives. ce: softmax cross-entropy over all n items.
    """
    if name == "ce":
        return F.cross_entropy(states @ items.T, positives.long())
    positive = (states * F.embedding(positives, items)).sum(-1, keepdim=True)  # (N, 1)
    negative = torch.einsum("nd,nkd->nk", states, F.embedding(negatives, items))
    if name == "bpr":
        return F.softplus(negative - positive).mean()
    if name == "bce":
        return (F.softplus(-positive) + F.softplus(negative)).mean()
    raise ValueError(f"unknown loss '{name}'; known are {', '.join(LOSSES)}")
