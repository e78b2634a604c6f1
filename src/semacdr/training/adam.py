"""torch's Adam without torch's compiler, which torch loads at its first use: 1.1 s of every training's start.

torch wraps Adam's methods so that the compiler skips them. Nothing is compiled here, so the unwrapped methods are used.
"""

from inspect import unwrap

import torch


class Adam(torch.optim.Adam):
    """torch.optim.Adam with bit-identical steps."""

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))
