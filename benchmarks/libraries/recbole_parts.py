"""What RecBole's systems share in the comparison: their training data, model and trainer from a direction's events.

RecBole's defaults apply except to the inputs: the training events come as an atomic file, all in RecBole's training
part (its leave-one-out split would train on the validation event of users with three events).
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from protocol import Events
from recbole.config import Config
from recbole.data import create_dataset
from recbole.utils import get_model, get_trainer, init_seed


@dataclass(frozen=True)
class Prepared:
    """A system of RecBole before its first epoch. `train` holds all training events."""

    config: Config
    dataset: Any
    train: Any
    model: torch.nn.Module
    trainer: Any


def write_atomic(events: Events, folder: Path) -> None:
    """Write RecBole's atomic file `target.inter`, with the place in the user's order as the time."""
    (folder / "target").mkdir()
    rows = zip(events.user, events.item, events.place, strict=True)
    lines = ["user_id:token\titem_id:token\ttimestamp:float", *("\t".join(map(str, row)) for row in rows)]
    (folder / "target/target.inter").write_text("\n".join(lines) + "\n")


def prepare(model: str, events: Events, seed: int, settings: dict) -> Prepared:
    """RecBole's model of that name for training events, with `settings` over RecBole's defaults."""
    with tempfile.TemporaryDirectory() as folder:
        write_atomic(events, Path(folder))
        given = {"data_path": folder, "checkpoint_dir": folder, "use_gpu": False, "show_progress": False}
        given |= {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}}
        given |= {"eval_args": {"split": {"RS": [1, 0, 0]}, "order": "TO", "group_by": "user", "mode": "full"}}
        config = Config(model=model, dataset="target", config_dict=given | {"seed": seed, **settings})
        init_seed(config["seed"], config["reproducibility"])
        dataset = create_dataset(config)
        train = dataset.build()[0]
        built = get_model(model)(config, train).to(config["device"])
        return Prepared(config, dataset, train, built, get_trainer(config["MODEL_TYPE"], model)(config, built))


def numbers(dataset: Any, field: str) -> np.ndarray:
    """Our numbers of a field's tokens in RecBole's order, without its padding: place i is RecBole's number i + 1."""
    return dataset.id2token(field, np.arange(1, dataset.num(field))).astype(np.int64)
