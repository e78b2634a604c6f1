"""Batches, losses and the training loop that every system shares (torch, numpy, pyarrow, safetensors alone)."""
