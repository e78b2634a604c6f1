"""Tests run side by side (`pytest -n auto`), so each takes one thread: busy threads of two wait for each other."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is first imported
