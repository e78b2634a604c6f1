"""Display names. Each system, metric and ranking has one name in all pages and figures."""

from collections.abc import Mapping

Column = tuple[str, int | None]  # metric and cut-off

MODEL_NAMES = {
    "popularity": "Popularity",
    "item_knn": "Item-kNN",
    "markov": "Markov chain",
    "seq_rules": "Sequential rules",
    "ease": "EASE",
    "sasrec": "SASRec",
    "cl4srec": "CL4SRec",
    "pinet": "π-Net",
    "c2dsr": "C2DSR",
    "mgcl": "MGCL",
    "cd_sasrec": "CD-SASRec",
    "tri_cdr": "Tri-CDR",
    "tjapl": "TJAPL",
    "semacdr": "SemaCDR",
}
RANKING_TITLES = {"full": "Full ranking", "sampled": "Sampled ranking"}


def system_name(model: str, variant: str = "full") -> str:
    """The name of a system: its model's, and its variant in brackets unless that is the full model.

    The model's key is left out of the variant, so that variants 'ce' and 'sasrec-ce' of sasrec are both SASRec (ce).
    """
    parts = [part.strip("_-") for part in variant.split(model)] if model else [variant]
    words = " ".join(part.replace("_", " ") for part in parts if part)
    name = MODEL_NAMES.get(model, model.replace("_", " "))
    return name if words in ("", "full") else f"{name} ({words})" if name else words


def row_name(row: Mapping[str, str]) -> str:
    """The name of the system in a table's row; of its variant alone if the table has no column for the model."""
    return system_name(row.get("model") or "", row["variant"])


def column_name(column: Column) -> str:
    """The title of a metric's column: HR@10, MRR."""
    metric, k = column
    return metric.upper() if k is None else f"{metric.upper()}@{k}"


def count_of(number: int, noun: str) -> str:
    """A number with its noun: 1 seed, 2 seeds."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
