"""Measure CPU seconds and memory of loss ce, which computes scores in chunks, and of F.cross_entropy on all scores.

    python benchmarks/softmax.py

Prints a line for a batch of kitchen_food and one for a batch of movie_book. Both kinds alternate in one process,
forward and backward; each peak is that of a separate process, minus its memory before the first batch.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from memory import ALLOCATOR

from semacdr.models.losses import step_loss
from semacdr.runtime.machine import peak_mb

SIZES = {"kitchen_food": (2_000, 4_581), "movie_book": (5_000, 31_067)}  # steps of a batch of 256 users, target items
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
KINDS: dict[str, Loss] = {
    "parts": lambda states, items, positives: step_loss("ce", states, items, positives, positives[:, None]),
    "whole": lambda states, items, positives: F.cross_entropy(states @ items.T, positives),
}


def inputs(size: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """States, item vectors and positives of a batch."""
    torch.manual_seed(0)
    steps, items = SIZES[size]
    states, vectors = (torch.randn(count, 64).mul_(0.5).requires_grad_() for count in (steps, items))
    return states, vectors, torch.randint(items, (steps,))


def timed(loss: Loss, given: tuple[torch.Tensor, ...]) -> float:
    """CPU seconds of a loss and its gradients."""
    start = time.process_time()
    loss(*given).backward()
    given[0].grad = given[1].grad = None
    return time.process_time() - start


def peak(kind: str, size: str) -> int:
    """MB by which a separate process's peak memory exceeds that before the first batch."""
    command = [sys.executable, __file__, "--kind", kind, "--size", size]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | ALLOCATOR)
    return int(done.stdout)


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--rounds", type=int, default=15)
    cli.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)  # for the child process
    cli.add_argument("--size", choices=SIZES, help=argparse.SUPPRESS)
    args = cli.parse_args()
    torch.set_num_threads(1)
    if args.kind:
        given, before = inputs(args.size), peak_mb()
        timed(KINDS[args.kind], given)
        print(round(peak_mb() - before))
        return
    print("batch\tsteps\titems\tparts s\twhole s\tparts/whole\tparts MB\twhole MB", flush=True)
    for size, (steps, items) in SIZES.items():
        given = inputs(size)
        rounds = [[timed(KINDS[kind], given) for kind in KINDS] for _ in range(args.rounds + 1)][1:]
        parts, whole = (median(column) for column in zip(*rounds, strict=True))
        ratio = median(one / other for one, other in rounds)
        peaks = "\t".join(str(peak(kind, size)) for kind in KINDS)
        print(f"{size}\t{steps}\t{items}\t{parts:.3f}\t{whole:.3f}\t{ratio:.2f}\t{peaks}", flush=True)


if __name__ == "__main__":
    main()
