"""torch's Adam without torch's compiler, which it loads when it is first used: over a second of every training's start.

Its methods are wrapped so that the compiler, where one compiles a training, leaves them out. Nothing is compiled here,
so they are taken as they are under the wrappers.
"""

from inspect import unwrap

import torch


class Adam(torch.optim.Adam):
    """The same steps to the same bits."""

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))
