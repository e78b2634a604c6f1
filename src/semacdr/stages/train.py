"""Train one model in one direction with one seed. Validation chooses the epoch; the test split is not read.

Reads   interactions.parquet, items.parquet, split.parquet; embeddings.parquet, agnostic.parquet and the graphs, for
        models that need them.
Writes  checkpoint.safetensors: the best epoch's parameters; history.tsv: loss and validation of each epoch;
        settings.json: all settings, and digests of the tables; cost.json: parameters, epochs, seconds, memory and the
        device.

An interrupted training leaves training.state in the same folder, from which the same command continues.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from semacdr.errors import UserError
from semacdr.models.base import Model, ModelInputs
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import add_flags, from_flags
from semacdr.stages._direction import add_direction, add_model, paths_of
from semacdr.storage import files, tsv
from semacdr.training import run_folder, system
from semacdr.training.device import be_deterministic, peak_mb
from semacdr.training.engine import TrainingResult, fit
from semacdr.training.saved_state import SavedState, alone, key_of, saving
from semacdr.training.settings import Options, Training


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the stage's command line."""
    cli = parser(__doc__)
    add_direction(cli)
    add_model(cli)
    add_flags(cli, Training, Options)
    cli.add_argument(
        "--proposed", type=Path, metavar="FILE", help="a file of stage tune_search, whose settings replace those given"
    )
    cli.add_argument(
        "--tuned", type=json.loads, metavar="JSON", help="which settings tuning chose; written to settings.json"
    )
    cli.add_argument(
        "--seed",
        type=int,
        required=True,
        help="seed of initialisation, shuffling and training negatives",
    )
    cli.add_argument("--output", type=Path, required=True, help="folder for the four files")
    return cli.parse_args(argv)


def cost_of(result: TrainingResult, model: torch.nn.Module, device: torch.device, threads: int) -> dict[str, Any]:
    """The cost of training: wall-clock seconds (pre-training included), peak memory in MB."""
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "epochs": len(result.epochs),
        "best_epoch": result.best,
        "popularity_valid_ndcg_10": round(result.popularity, 8),
        "training_seconds": round(result.training_seconds, 3),
        "pretraining_seconds": round(result.pretraining_seconds, 3),
        "validation_seconds": round(result.validation_seconds, 3),
        "best_seconds": round(result.best_seconds, 3),
        "peak_mb": round(peak_mb(device), 1),
        "device": device.type,
        "threads": threads,
    }


def trained(
    model: Model, given: ModelInputs, chosen: system.System, seed: int, device: torch.device, saved: SavedState
) -> TrainingResult:
    """The result of training; a UserError if an operation cannot be deterministic and should be."""
    try:
        with saving(saved):
            return fit(model, given.history, chosen.training, seed, device, saved=saved)
    except RuntimeError as error:
        if not chosen.training.deterministic or "deterministic implementation" not in str(error):
            raise
        raise UserError(
            f"{chosen.name} cannot be deterministic on {device}: {error}; or set train.deterministic to false"
        ) from error


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    options = from_flags(args, Options, "train")
    chosen = system.system_of(args.model, args.model_settings, from_flags(args, Training, "train"))
    chosen = system.read_proposed(args.proposed, chosen) if args.proposed else chosen
    device, threads = system.machine_of(args.device, chosen.training, options.threads)
    if chosen.training.deterministic:
        be_deterministic(device)
    given = chosen.load_inputs(paths_of(args))
    log.info("%s, seed %d, on %s with %d threads", args.model, args.seed, device, threads)
    model = chosen.build(given, args.seed)
    description = run_folder.describe(chosen, given, args.seed, args.tuned)
    saved = SavedState(args.output, key_of(description, threads, device), options.save_minutes)
    with alone(args.output):
        result = trained(model, given, chosen, args.seed, device, saved)
        run_folder.write(args.output, description, result.state)
        tsv.write(args.output / "history.tsv", tsv.text(result.epochs, ".8g"))
        files.write_json(args.output / "cost.json", cost_of(result, model, device, threads))
        saved.remove()
    log.info("best epoch %d of %d; %.1f s training, %.1f s validation", result.best, len(result.epochs),
             result.training_seconds, result.validation_seconds)  # fmt: skip


if __name__ == "__main__":
    run(main)
