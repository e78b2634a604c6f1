"""The search for settings: what may be chosen, the trials of a system, and what they came to."""
