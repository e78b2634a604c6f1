"""Measure CPU seconds and peak memory of a stage in a separate process; prints JSON.

python benchmarks/memory.py semacdr.stages.split --interactions ...
"""

import json
import runpy
import sys
import time

from semacdr.runtime.machine import peak_mb

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592"}  # as in the workflow


if __name__ == "__main__":
    sys.argv.pop(0)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    print(json.dumps({"seconds": time.process_time(), "peak_mb": round(peak_mb())}))
