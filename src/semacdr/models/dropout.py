"""Dropout by few random numbers: drawing them is what it costs on a CPU."""

import torch

from semacdr.errors import UserError


def factors(like: torch.Tensor, rate: float) -> torch.Tensor | None:
    """What dropout multiplies a tensor with, in its shape, in float32 at least; None where nothing is dropped.

    Each is 0 with probability `rate` (to the nearest 1/256), else what keeps the mean. 64 random bits decide on eight.
    A UserError names a rate that is none.
    """
    threshold = round(rate * 256)
    if not 0 <= threshold < 256:
        raise UserError(f"dropout is a share of what is dropped, from 0 to below 1, not {rate}")
    if not threshold:
        return None
    words = torch.empty((like.numel() + 7) // 8, dtype=torch.int64, device=like.device)
    bytes_ = words.random_(torch.iinfo(torch.int64).min, None).view(torch.uint8)[: like.numel()]
    exact = torch.promote_types(like.dtype, torch.float32)
    return (bytes_.view(like.shape) >= threshold).to(exact) * (256 / (256 - threshold))


def dropout(x: torch.Tensor, rate: float) -> torch.Tensor:
    """x with each element zero with probability `rate`, the others scaled up to keep the mean."""
    scale = factors(x, rate)
    return x if scale is None else (x * scale).to(x.dtype)
