"""The entry points: one module per stage, each a command with explicit inputs, outputs and settings."""
