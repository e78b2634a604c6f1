"""The parts of the report's page: each module reads what its part shows; templates/ says how it looks."""
