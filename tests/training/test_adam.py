"""The optimiser: identical to torch's steps, without torch's compiler."""

import subprocess
import sys

import torch

from semacdr.training.adam import Adam

STEPS = """
import sys, torch
from semacdr.training.adam import Adam
weight = torch.nn.Parameter(torch.ones(3))
optimiser = Adam([weight], fused=True)
weight.sum().backward()
optimiser.step()
optimiser.zero_grad()
sys.exit("torch._dynamo was loaded" if "torch._dynamo" in sys.modules else 0)
"""


def stepped(kind: type[torch.optim.Optimizer]) -> list[torch.Tensor]:
    """Two parameters of two rates after some steps, of which the second has no gradient in one."""
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.nn.Parameter(torch.randn(5, 4, generator=generator)) for _ in range(2))
    groups = [{"params": [first], "lr": 0.1}, {"params": [second], "lr": 0.01}]
    optimiser = kind(groups, betas=(0.9, 0.98), weight_decay=0.1, fused=True)
    for number in range(4):
        optimiser.zero_grad(set_to_none=True)
        loss = (first**3).sum()
        (loss if number == 2 else loss + second.exp().sum()).backward()
        optimiser.step()
    assert all(parameter.requires_grad for parameter in (first, second))
    return [first.detach(), second.detach()]


def test_its_steps_are_torchs_to_the_bit():
    for own, other in zip(stepped(Adam), stepped(torch.optim.Adam), strict=True):
        assert torch.equal(own, other)


def test_it_does_not_load_the_compiler():
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
