"""What a scenario's data are, before anything runs: `semacdr check`."""
