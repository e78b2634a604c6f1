"""SemaCDR: cross-domain sequential recommendation whose knowledge travels by meaning, not by ids."""

import os

# Threads that wait for each other spin for long before they sleep, and where another process wants the same CPU, all of
# them stand still: epochs took several times as long. Read when torch is imported, so it must be said before.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
