"""Load model inputs and build trainers for benchmarks, from a direction that the pipeline made."""

from pathlib import Path

import torch

from semacdr import models
from semacdr.models.base import ModelInputs
from semacdr.training.inputs import DirectionPaths, load_inputs
from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer


def inputs_of(folder: Path, name: str, settings: object = None) -> ModelInputs:
    """A model's inputs from results/<scenario>/<source>_to_<target>; the scenario's tables are one folder above.

    `settings` are the model's Settings, by default the default ones.
    """
    paths = DirectionPaths(
        interactions=folder.parent / "interactions.parquet",
        items=folder.parent / "items.parquet",
        split=folder / "split.parquet",
        embeddings=folder.parent / "embeddings.parquet",
        agnostic=folder.parent / "semantics/agnostic.parquet",
        graphs=folder / "graphs",
    )
    module = models.load(name)
    settings = settings or module.Settings()
    return load_inputs(paths, models.required_inputs(module, settings), Training().max_length, settings)


def trainer_of(
    inputs: ModelInputs,
    name: str,
    training: Training,
    device: torch.device,
    kind: type[Trainer] = Trainer,
    settings: object = None,
) -> Trainer:
    """A trainer of the model with seed 0 and, if none are given, its default settings."""
    module = models.load(name)
    torch.manual_seed(0)
    model = module.Model(inputs, settings or module.Settings()).to(device)
    return kind(model, inputs.history, training, 0, device)
