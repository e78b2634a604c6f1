"""Random views of packed sequences: masking, cropping and reordering (CL4SRec, Xie et al., ICDE 2022)."""

from typing import NamedTuple

import torch

from semacdr.batching.batches import Sequence


class View(NamedTuple):
    """An augmented view of B packed sequences, N tokens in all."""

    token: torch.Tensor  # (N,) which token stands at each place; in its row what is cropped away comes last
    masked: torch.Tensor  # (N,) bool, whether the place is masked
    lengths: torch.Tensor  # (B,) how many places of each row are the view


def augment(sequence: Sequence, shares: dict[str, float]) -> View:
    """A view of each row by one of the operators in `shares`, drawn for the row alone.

    m hides that share of the row's items, any of them; c keeps a window of that share, rounded up; r shuffles a window
    of that share. What is cropped away stays in the row, behind the view: under causal attention nothing in the view
    sees it, and the layout of the batch serves as it is.
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

    turned = torch.where(crop[row], (place - begin[row]) % n[row], place)  # what is kept comes first
    within = reorder[row] & (place >= begin[row]) & (place < (begin + window)[row])
    shuffled = torch.where(within, begin[row] - 0.5 + window[row] * chance, turned)
    first = torch.cumsum(n, 0) - n
    return View(torch.argsort(first[row] + shuffled), masked, kept.int())


def _floor(x: torch.Tensor) -> torch.Tensor:
    """x rounded down, where what floating point left below a whole number counts as that number."""
    return torch.floor(x + 1e-9)
