"""The search for settings: what may be chosen, and the trials of a model."""
