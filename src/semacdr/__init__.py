"""SemaCDR: cross-domain sequential recommendation whose knowledge travels by meaning, not by ids."""
