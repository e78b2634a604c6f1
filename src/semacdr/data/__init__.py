"""Data: download and read the raw releases, simulate the sample, and load the events of a direction."""
