"""Display names. Each system, metric and ranking has one name in all pages and figures."""

from collections.abc import Mapping, Sequence

Column = tuple[str, int | None]  # metric and cut-off
PREFERRED_K = 10  # cut-off that a first table shows, where it was computed

MODEL_NAMES = {
    "popularity": "Most popular",
    "item_knn": "Item-kNN",
    "markov": "Last-item transitions",
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
    "abxi": "ABXI",
    "tri_thread": "LLM4CDSR without user profile",
    "gru4rec": "GRU4Rec",
    "semacdr": "SemaCDR",
    "lightgcn": "LightGCN",
    "neumf": "NeuMF",
    "svdpp": "SVD++",
    "sphere": "SPHERE",
}
SYSTEM_NAMES = {  # of a model's well-known variants
    ("sasrec", "merged"): "SASRec on both domains",
    ("sasrec", "text"): "SASRec with text",
    ("sasrec", "merged_text"): "SASRec on both domains with text",
    ("sasrec", "joint"): "SASRec on both domains, loss over both",
    ("c2dsr", "enhanced"): "Enhanced C2DSR",
    ("tri_cdr", "enhanced"): "Enhanced Tri-CDR",
    ("semacdr", "plus"): "SemaCDR plus",
    ("semacdr", "plus_user_vector"): "SemaCDR plus with user vectors",
    ("semacdr", "plus_rules"): "SemaCDR plus with rules",
    ("semacdr", "no_source"): "SemaCDR without the source domain",
    ("semacdr", "plus_no_source"): "SemaCDR plus without the source domain",
}
RANKING_TITLES = {"full": "Full ranking", "sampled": "Sampled ranking"}


def system_name(model: str, variant: str = "full") -> str:
    """The name of a system: its model's, and its variant in brackets unless that is the full model or has a name.

    The model's key is left out of the variant: 'text' and 'sasrec_text' of sasrec are both SASRec with text.
    """
    parts = [part.strip("_-") for part in variant.split(model)] if model else [variant]
    known = SYSTEM_NAMES.get((model, "_".join(filter(None, parts))))
    if known:
        return known
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


def shown_k(columns: Sequence[Column]) -> int | None:
    """The cut-off that a first table shows: PREFERRED_K if the columns have it, else the largest one."""
    ks = [k for _, k in columns if k is not None]
    return PREFERRED_K if PREFERRED_K in ks else max(ks, default=None)


def count_of(number: int, noun: str) -> str:
    """A number with its noun: 1 seed, 2 seeds."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
