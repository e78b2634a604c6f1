"""From the rank of each user's held-out item to measures, summaries over seeds and a table to read."""
