"""The entry points: one module a stage, each a command with explicit inputs, outputs and settings."""
