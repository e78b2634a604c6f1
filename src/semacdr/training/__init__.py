"""Training: the loop, a model's inputs, and the folder of a run (torch, numpy, pyarrow, safetensors)."""
