"""Losses, the training loop, and what a system is built from; the same for every system (torch, numpy, pyarrow)."""
