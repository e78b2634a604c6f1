"""Storage: Parquet tables with contracts and provenance, TSV tables, and atomic writing."""
