"""Final: train an evaluated run again on all events, for recommendations as of now.

Reads   what train read, but with the split and the graphs of all events; the folder of the evaluated run.
Writes  checkpoint.safetensors and settings.json, like train. settings.json says under `final` how many epochs were
        trained, and names the checkpoint of the evaluated run.

The run has the settings and the seed of the evaluated run, and as many epochs as validation chose there. Nothing is
held out, so nothing about this run can be measured: its quality is that of the evaluated run, with two more events of
each user to learn from.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semacdr.data.history import NONE
from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Count, add_flags, from_flags, setting
from semacdr.stages._direction import add_run, paths_of
from semacdr.training import run_folder
from semacdr.training.device import be_deterministic
from semacdr.training.system import machine_of
from semacdr.training.trainer import Trainer

ALIKE = ("interactions", "items", "embeddings", "agnostic")  # tables that the evaluated run was trained on too


@dataclass(frozen=True)
class Options:
    """The machine resources that the stage may use."""

    threads: Count = setting(1, "threads of torch; another number changes rounding")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    add_run(cli)
    add_flags(cli, Options)
    cli.add_argument("--output", type=Path, required=True, help="folder for the two files")
    return cli.parse_args(argv)


def chosen_epochs(folder: Path) -> int:
    """The number of epochs that validation chose for the run of a folder; a UserError if it does not say so."""
    path = folder / "cost.json"
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["best_epoch"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: does not name the best epoch; run stage train again ({error!r})") from error


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    evaluated = run_folder.read(args.run)
    system, seed = evaluated.system, int(evaluated.content["seed"])
    device, threads = machine_of(args.device, system.training, from_flags(args, Options, "final").threads)
    if system.training.deterministic:
        be_deterministic(device)
    inputs = system.load_inputs(paths_of(args))
    if (inputs.history.valid != NONE).any() or (inputs.history.test != NONE).any():
        raise UserError(f"{args.split}: holds out events; give the split of stage final_split")
    evaluated.check_sizes(args.split, inputs.history)
    evaluated.check_tables({name: digest for name, digest in inputs.digests.items() if name in ALIKE})
    model = system.build(inputs, seed)
    learned = any(parameter.requires_grad for parameter in model.parameters())
    epochs = chosen_epochs(args.run) if learned else 0
    if learned:
        trainer = Trainer(model.to(device), inputs.history, system.training, seed, device)
        trainer.pretrain()
        for number in range(1, epochs + 1):
            log.info("epoch %d of %d: loss %.4f", number, epochs, trainer.epoch())
    content = run_folder.describe(system, inputs, seed, evaluated.content["tuned"])
    content |= {"final": {"epochs": epochs, "evaluated": evaluated.content["checkpoint"]}}
    state = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    run_folder.write(args.output, content, state)
    log.info("%s, seed %d: %d epochs on all events, with %d threads", system.name, seed, epochs, threads)


if __name__ == "__main__":
    run(main)
