"""What a training run says of itself beside its parameters: what was set, and what it took."""

import json
from pathlib import Path

from semacdr.errors import UserError

COSTS = (
    "parameters", "epochs", "best_epoch", "training_seconds", "pretraining_seconds", "validation_seconds",
    "best_seconds", "peak_mb", "device", "threads",
)  # fmt: skip


def read(folder: Path) -> tuple[dict, dict]:
    """settings.json and cost.json of a run; a UserError where one cannot be read or is of an older version."""
    try:
        settings, cost = (json.loads((folder / f"{kind}.json").read_text()) for kind in ("settings", "cost"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: no training run can be read there: {error}") from error
    missing = [name for name in COSTS if name not in cost]
    if missing:
        raise UserError(
            f"{folder}/cost.json lacks {', '.join(missing)}: it is of an older version; train the run again"
        )
    return settings, cost
