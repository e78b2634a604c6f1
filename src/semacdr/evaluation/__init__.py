"""From the rank of each held-out item to measures, summaries over seeds and paired comparisons."""
