"""How tables are stored: Parquet with contracts and provenance, and TSV."""
