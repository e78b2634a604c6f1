"""Dropout with few random numbers, because drawing them is the main cost of dropout on a CPU."""

import torch

from semacdr.errors import UserError


def factors(like: torch.Tensor, rate: float) -> torch.Tensor | None:
    """The factors of dropout for a tensor, in its shape and at least float32; None for rate 0.

    Each is 0 with probability `rate` (to the nearest 1/256), else the value that keeps the mean. 64 random bits give
    eight factors. A UserError for a rate outside [0, 1).
    """
    threshold = round(rate * 256)
    if not 0 <= threshold < 256:
        raise UserError(f"dropout must be a number from 0 to below 1, not {rate}")
    if not threshold:
        return None
    words = torch.empty((like.numel() + 7) // 8, dtype=torch.int64, device=like.device)
    bytes_ = words.random_(torch.iinfo(torch.int64).min, None).view(torch.uint8)[: like.numel()]
    exact = torch.promote_types(like.dtype, torch.float32)
    return (bytes_.view(like.shape) >= threshold).to(exact) * (256 / (256 - threshold))


def dropout(x: torch.Tensor, rate: float) -> torch.Tensor:
    """x in which each element is zero with probability `rate` and the others are scaled to keep the mean."""
    scale = factors(x, rate)
    return x if scale is None else (x * scale).to(x.dtype)
