"""SemaCDR: cross-domain sequential recommendation that transfers knowledge by item semantics instead of item ids."""

import os

# By default, OpenMP threads spin for a long time while they wait for each other. If another process wants the same CPU,
# all of them stall: epochs took several times as long. torch reads the variable on import, so it is set before that.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
