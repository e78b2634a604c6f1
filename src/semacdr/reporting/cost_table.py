"""Training costs as columns of a Markdown table, with a note on how they were measured."""

from collections.abc import Sequence

from semacdr.evaluation.costs import Cost, distinct

COST_TITLES = ("Parameters", "s / epoch", "Epochs", "Best epoch", "To best, s", "Peak MB")


def cost_cells(cost: Cost) -> list[str]:
    """The cells of a system under COST_TITLES."""
    counts = f"{cost.parameters:,}", f"{cost.epoch_seconds:.2f}", f"{cost.epochs:.0f}", f"{cost.best_epoch:.0f}"
    return [*counts, f"{cost.best_seconds:.0f}", f"{cost.peak_mb:,.0f}"]


def cost_note(costs: Sequence[Cost]) -> str:
    """How the costs were measured: a paragraph to put above the table."""
    devices, threads, seeds = (
        distinct(getattr(cost, name) for cost in costs) for name in ("device", "threads", "seeds")
    )
    return (
        f"Trained on {devices} with {threads} threads per job. Means over seeds ({seeds}); peak memory is the maximum. "
        "To best: wall time of pre-training, training and validation until the epoch that validation chose."
    )
