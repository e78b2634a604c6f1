"""CPUs, peak memory and torch threads of this process."""

import os
import sys
from pathlib import Path


def available_cpus() -> int:
    """The number of CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_mb() -> float:
    """The peak resident memory of this process, in MB (2^20 bytes)."""
    try:  # getrusage also counts the memory of the process that started this one
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
    except (OSError, StopIteration):  # not Linux
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def use_threads(threads: int | None) -> int:
    """Let torch use `threads` threads, at most one per CPU, and return their number.

    None or 0 means all CPUs. More threads than CPUs would slow each other down, as torch's threads wait actively.
    """
    import torch

    threads = min(threads or available_cpus(), available_cpus())
    torch.set_num_threads(threads)
    return threads
