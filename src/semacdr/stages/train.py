"""Train: one system, one direction, one seed; validation chooses the epoch, test is not looked at.

Reads   interactions.parquet, items.parquet, split.parquet; embeddings.parquet, agnostic.parquet and the graphs where
        the system takes them.
Writes  checkpoint.safetensors: the best epoch's parameters; history.tsv: loss and validation of each epoch;
        settings.json: everything that was set, resolved; cost.json: parameters, epochs, seconds, memory, and
        the device that took them.
"""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.training import inputs, options
from semacdr.training.device import be_deterministic, peak_mb
from semacdr.training.engine import Fitted, fit


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    inputs.add_arguments(cli)
    options.add_arguments(cli)
    cli.add_argument(
        "--proposed", type=Path, metavar="JSON", help="what stage tune wrote: settings laid over those given"
    )
    cli.add_argument("--variant", default="full", help="name of its ablation or enhancement, for the tables")
    cli.add_argument("--seed", type=int, required=True, help="of initialisation, shuffling and training negatives")
    cli.add_argument(
        "--deterministic", action="store_true", help="the same bytes for the same seed on CUDA too; slower"
    )
    cli.add_argument("--output", type=Path, required=True, help="folder for the four files")
    return cli.parse_args(argv)


def write(output: Path, fitted: Fitted, cost: dict, settings: dict) -> None:
    """Write the four files; the same run writes the same bytes but for cost.json."""
    output.mkdir(parents=True, exist_ok=True)
    note = json.dumps({key: settings[key] for key in ("release", "model", "variant", "seed")})
    save_file(fitted.state, output / "checkpoint.safetensors", metadata={"semacdr": note})
    names = [field.name for field in dataclasses.fields(fitted.epochs[0])]
    lines = ["\t".join(names), *("\t".join(f"{getattr(e, n):.8g}" for n in names) for e in fitted.epochs)]
    (output / "history.tsv").write_text("\n".join(lines) + "\n")
    (output / "settings.json").write_text(json.dumps(settings, indent=2) + "\n")
    (output / "cost.json").write_text(json.dumps(cost, indent=2) + "\n")


def cost_of(fitted: Fitted, model: torch.nn.Module, device: torch.device, threads: int) -> dict:
    """What training took; seconds are wall time (of training with pre-training), memory is the most that was held."""
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "epochs": len(fitted.epochs),
        "best_epoch": fitted.best,
        "training_seconds": round(fitted.training_seconds, 3),
        "pretraining_seconds": round(fitted.pretraining_seconds, 3),
        "validation_seconds": round(fitted.validation_seconds, 3),
        "best_seconds": round(fitted.best_seconds, 3),
        "peak_mb": round(peak_mb(device), 1),
        "device": device.type,
        "threads": threads,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    system, (device, threads) = options.system(args), options.machine(args)
    system = options.proposed(args.proposed, system) if args.proposed else system
    if args.deterministic:
        be_deterministic(device)
    problem = system.problem(args)
    log.info("%s (%s), seed %d, on %s with %d threads", args.model, args.variant, args.seed, device, threads)
    model = system.build(problem, args.seed)
    try:
        fitted = fit(model, problem.history, system.training, args.seed, device)
    except RuntimeError as error:
        if not args.deterministic or "deterministic implementation" not in str(error):
            raise
        raise UserError(
            f"{args.model} cannot be deterministic on {device}: {error}; or set train.deterministic to false"
        ) from error
    named = {"model": args.model, "variant": args.variant, "seed": args.seed, "deterministic": args.deterministic}
    settings = problem.history.meta | named | {
        "settings": dataclasses.asdict(system.own), "training": dataclasses.asdict(system.training)
    }  # fmt: skip
    write(args.output, fitted, cost_of(fitted, model, device, threads), settings)
    log.info("best epoch %d of %d; %.1f s training, %.1f s validation", fitted.best, len(fitted.epochs),
             fitted.training_seconds, fitted.validation_seconds)  # fmt: skip


if __name__ == "__main__":
    run(main)
