"""Options of the stages that train a model or read a trained one."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from semacdr.runtime.settings import Count, setting
from semacdr.training.inputs import DirectionPaths
from semacdr.training.trained import Trained, load_trained


@dataclass(frozen=True)
class ScoringOptions:
    """The machine resources that a stage may use which scores users."""

    batch_size: Count = setting(512, "users in a batch")
    threads: Count = setting(1, "threads of torch")


def add_direction(cli: argparse.ArgumentParser) -> None:
    """Add the input paths that training and ranking have in common."""
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--split", type=Path, required=True)
    cli.add_argument("--embeddings", type=Path, help="embeddings.parquet, for a model that reads text vectors")
    cli.add_argument("--agnostic", type=Path, help="agnostic.parquet, for a model that reads categories")
    cli.add_argument("--graphs", type=Path, help="folder of the graphs, for a model that reads them")
    cli.add_argument("--personas", type=Path, help="folder of the personas, for a model that reads them")


def paths_of(args: argparse.Namespace) -> DirectionPaths:
    """The input paths of a command line that `add_direction` made."""
    own = (args.embeddings, args.agnostic, args.graphs, args.personas)
    return DirectionPaths(args.interactions, args.items, args.split, *own)


def add_model(cli: argparse.ArgumentParser) -> None:
    """Add the options that name a model, its settings and the device."""
    cli.add_argument("--model", required=True, help="a module of semacdr.models")
    cli.add_argument(
        "--model-settings", type=json.loads, default={}, metavar="JSON", help="the model's settings as one JSON object"
    )
    cli.add_argument("--device", help="default: cuda if torch sees a GPU, else cpu")


def add_run(cli: argparse.ArgumentParser) -> None:
    """Add the options of a stage that reads a trained model: the inputs of train, and its run folder."""
    add_direction(cli)
    cli.add_argument("--run", type=Path, required=True, help="folder of the training run")
    cli.add_argument("--device", help="default: cuda if torch sees a GPU, else cpu")


def trained_of(args: argparse.Namespace, threads: int) -> Trained:
    """The trained model of a command line that `add_run` made; a UserError where `load_trained` raises one."""
    return load_trained(paths_of(args), args.run, args.device, threads)
