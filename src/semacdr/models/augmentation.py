"""Random views of packed sequences: masking, cropping and reordering (CL4SRec, Xie et al., ICDE 2022)."""

from typing import NamedTuple

import torch

from semacdr.batching.batches import Sequence


class View(NamedTuple):
    """An augmented view of B packed sequences, N tokens in all."""

    token: torch.Tensor  # (N,) the token at each place; cropped tokens are last in their row
    masked: torch.Tensor  # (N,) bool, whether the place is masked
    lengths: torch.Tensor  # (B,) places of each row that belong to the view


def augment(sequence: Sequence, shares: dict[str, float]) -> View:
    """A view of each row by one of the operators in `shares`, drawn separately for each row.

    m masks that share of the row's items at random; c keeps a window of that share, rounded up; r shuffles a window of
    that share. Cropped tokens stay in the row, after the view: with causal attention nothing in the view sees them, and
    the layout of the batch stays valid.
    """
    row, place, n = sequence.row, sequence.positions, sequence.lengths.double()
    letters = list(shares)
    operator = torch.randint(len(letters), n.shape, device=n.device)
    mask, crop, reorder = (operator == (letters.index(letter) if letter in shares else -1) for letter in "mcr")
    hidden = torch.where(mask, _floor(shares.get("m", 0.0) * n), 0)
    kept = torch.where(crop, -_floor(-shares.get("c", 1.0) * n), n)
    window = torch.where(reorder, _floor(shares.get("r", 0.0) * n), kept)
    begin = torch.floor(torch.rand_like(n) * (n - window + 1))
    chance = torch.rand(len(row), dtype=torch.float64, device=n.device)

    ranked = torch.argsort(row + chance)  # each row's tokens in random order
    masked = torch.zeros_like(row, dtype=torch.bool)
    masked[ranked[place < hidden[row]]] = True

    turned = torch.where(crop[row], (place - begin[row]) % n[row], place)  # kept tokens come first
    within = reorder[row] & (place >= begin[row]) & (place < (begin + window)[row])
    shuffled = torch.where(within, begin[row] - 0.5 + window[row] * chance, turned)
    first = torch.cumsum(n, 0) - n
    return View(torch.argsort(first[row] + shuffled), masked, kept.int())


def _floor(x: torch.Tensor) -> torch.Tensor:
    """x rounded down; a value just below a whole number by floating-point error counts as that number."""
    return torch.floor(x + 1e-9)
