"""Seconds of CPU and peak memory of a stage in a process of its own, as JSON on stdout.

python benchmarks/memory.py semacdr.split --interactions ...
"""

import json
import runpy
import sys
import time
from pathlib import Path

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592"}  # as the workflow sets it


def peak_mb() -> int:
    """The most memory that this process has had, in MB; getrusage would count that of the one that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


if __name__ == "__main__":
    sys.argv.pop(0)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    print(json.dumps({"seconds": time.process_time(), "peak_mb": peak_mb()}))
