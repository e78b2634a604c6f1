"""The planner: from the config to scenarios, systems, runs, experiments and paths. No job imports it."""
