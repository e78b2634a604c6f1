"""The search for settings: the search space and the trials of a model."""
