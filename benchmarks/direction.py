"""What the benchmarks that train have in common: a direction that the pipeline made, as a system sees it."""

import argparse
from pathlib import Path

import torch

from semacdr import models
from semacdr.models.base import Problem
from semacdr.training.engine import Trainer, Training
from semacdr.training.inputs import load_problem


def problem_of(folder: Path, name: str, settings: object = None) -> Problem:
    """A system's problem from results/<scenario>/<source>_to_<target>; the scenario's tables lie one folder above.

    `settings` are the model's Settings, by default as they are.
    """
    paths = argparse.Namespace(
        interactions=folder.parent / "interactions.parquet",
        items=folder.parent / "items.parquet",
        split=folder / "split.parquet",
        embeddings=folder.parent / "embeddings.parquet",
        agnostic=folder.parent / "semantics/agnostic.parquet",
        graphs=folder / "graphs",
    )
    module = models.load(name)
    settings = settings or module.Settings()
    return load_problem(paths, models.inputs(module, settings), Training().max_length, settings)


def trainer_of(
    problem: Problem,
    name: str,
    training: Training,
    device: torch.device,
    kind: type[Trainer] = Trainer,
    settings: object = None,
) -> Trainer:
    """A trainer of the system with seed 0 and, where no others are given, its default settings."""
    module = models.load(name)
    torch.manual_seed(0)
    model = module.Model(problem, settings or module.Settings()).to(device)
    return kind(model, problem.history, training, 0, device)
