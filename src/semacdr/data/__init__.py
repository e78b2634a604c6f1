"""Reading the raw releases: review lines and metadata lines, in the three formats of Amazon's releases."""
