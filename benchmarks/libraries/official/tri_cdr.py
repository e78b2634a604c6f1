"""Train Tri-CDR's official code (hulkima/Tri-CDR) on the training events of a direction.

The official script Tri_CDR.py runs: its sampler's batches, model, losses, optimiser, learning rates and order of steps.
It runs the branch `amazon_game`, where the source's items come before the target's. These functions of utils.py are
replaced:
* data_partition: for each user the events up to the last training positive (the official one reads files of fixed
  names and includes source events after validation); positions of the events before each positive follow the official
  definition;
* evaluate_SASRec: validation, by the official `predict` on all target items, instead of the official test split;
* WarpSampler: the official sample_function, called in this process (the official class forks three workers, whose
  equal random states make each batch three times).
The checkout is not edited; these changes are made when it is read:
* model.py: `.cuda()` moves to the model's device; `predict` reads the last place, not the 200th;
* Tri_CDR.py: it runs when imported; the schedulers get no `verbose`, which torch no longer has;
* packages for debugging, plots, files and metrics that nothing here needs are not imported.

At its start the script loads the encoders of a SASRec for each sequence. Such files exist only for the official data,
without the code that made them. Here each official encoder is trained for `pretraining` epochs to predict the next item
of its sequence, by the binary cross-entropy of inner products with one negative, uniform over the sequence's items.
With 0 nothing is loaded, as in the official code for its other data set.
Kept as published: users are drawn with replacement, and users with at most one source or target event never; without a
visible source event the mean is over all places, including later ones; padding gets attention; the learning rate
decays; the mixed sequence lacks the validation event at test (`whole_mixed` true: it contains it). Weights are those of
Game to Toy. A `maxlen` above a scenario's longest sequence only adds padding. Settings are the options of Tri_CDR.py,
and pretraining and whole_mixed. Memory and time grow with batch_size * maxlen^2. A GPU is used if there is one, unless
`device` says otherwise.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from protocol import Judge, Run, arguments, load
from published import changed, commit, stand_in

from semacdr.data.history import History

SETTINGS = {"batch_size": 256, "lr": 1e-3, "lr_decay_rate": 0.99, "maxlen": 50, "hidden_units": 64, "num_blocks": 2}
SETTINGS |= {"num_heads": 1, "dropout_rate": 0.5, "temperature": 5.0, "info_NCE_temperature": 0.1, "cl_weight": 0.1}
SETTINGS |= {"rate_mix_source": 1.0, "rate_mix_target": 1.0, "rate_source_target": 1.0, "triplet_weight": 10.0}
SETTINGS |= {"triplet_margin": 4.0, "device": "cuda" if torch.cuda.is_available() else "cpu"}
OWN = {"pretraining": 20, "whole_mixed": False}
ABSENT = ["ipdb", "dill", "sklearn", "sklearn.metrics"]
ABSENT += ["matplotlib", "matplotlib.pyplot", "matplotlib.font_manager"]
MODEL = {".cuda()": ".to(self.dev)", "position = 200": "position = target_log_seqs.shape[1]"}
SCRIPT = {"__name__ == '__main__'": "True", "last_epoch=-1, verbose=True": "last_epoch=-1"}
BRANCH = "amazon_game"
CHECKPOINTS = ["SASRec_checkpoint_Toy", "SASRec_checkpoint_Game", "SASRec_checkpoint_Game_Mix"]


class Over(Exception):
    """Raised to stop a loop that would not end."""


class Basket:
    """Takes one batch of the official sampler, which draws them without end."""

    def put(self, batch) -> None:
        self.batch = batch
        raise Over


def numbers(history: History) -> np.ndarray:
    """(events,) the items numbered as in the official code: source from 1, then target."""
    own = np.where(history.is_target, history.item - history.target_items.start, history.item)
    return own + np.where(history.is_target, len(history.source_items), -history.source_items.start) + 1


def partition(history: History) -> list:
    """The result of data_partition, by user from 1; it contains no held-out event."""
    items, sequences = numbers(history), ({}, {}, {})
    before = {}, {}
    for user in range(history.users):
        begin, end = history.start[user], history.valid[user]
        target = np.flatnonzero(history.is_target[begin:end])
        count = target[-1] + 1
        mixed, is_target = items[begin : begin + count], history.is_target[begin : begin + count]
        for own, part in zip(sequences, (mixed, mixed[~is_target], mixed[is_target]), strict=True):
            own[user + 1] = part.tolist()
        places = target[1:] - 1, target[1:] - np.arange(1, len(target)) - 1  # of the event before each positive
        for own, place, length in zip(before, places, (count, count - len(target)), strict=True):
            own[user + 1] = (place - length).tolist()  # counted from the end
    total = len(history.source_items) + len(history.target_items)
    return [*sequences, {}, {}, *before, history.users, total, len(history.source_items)]


def padded(parts: list[np.ndarray], length: int) -> np.ndarray:
    """(users, length) the last items, padding before them."""
    rows = np.zeros((len(parts), length), np.int32)
    for row, items in zip(rows, parts, strict=True):
        row[length - len(items[-length:]) :] = items[-length:]
    return rows


def inputs(history: History, split: str, length: int, whole: bool) -> list[np.ndarray]:
    """(users, length) the mixed, source and target sequence before a split's event."""
    items, found = numbers(history), ([], [], [])
    for begin, valid, end in zip(history.start[:-1], history.valid, getattr(history, split), strict=True):
        events, target = np.arange(begin, end), history.is_target[begin:end]
        parts = events[whole | (events != valid)], events[~target], events[target]
        for own, part in zip(found, parts, strict=True):
            own.append(items[part])
    return [padded(parts, length) for parts in found]


def pretrain(model: torch.nn.Module, sampler, steps: int, settings: dict, interval: int, items: int) -> None:
    """Train each encoder on its sequence."""
    ranges = {"mix": (1, items + 1), "source": (1, interval + 1), "target": (interval + 1, items + 1)}
    optimiser = torch.optim.Adam(model.parameters(), lr=settings["lr"], betas=(0.9, 0.98))
    for _ in range(steps):
        mixed, source, target, following = (np.array(part) for part in list(sampler.next_batch())[1:5])
        pairs = {"mix": (mixed[:, :-1], mixed[:, 1:]), "source": (source[:, :-1], source[:, 1:])}
        loss = 0.0
        for name, (before, after) in (pairs | {"target": (target, following)}).items():  # target lacks its last event
            encoder = getattr(model, f"sasrec_embedding_{name}")
            states = encoder(before)[before != 0]
            positives = torch.from_numpy(after[before != 0]).to(states.device)
            negatives = torch.randint(*ranges[name], positives.shape, device=states.device)
            positive, negative = ((states * encoder.item_emb(i)).sum(-1) for i in (positives, negatives))
            loss = loss + F.softplus(-positive).mean() + F.softplus(negative).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def main() -> None:
    cli = arguments(__doc__)
    cli.add_argument("--code", type=Path, required=True, help="checkout of github.com/hulkima/Tri-CDR")
    args = cli.parse_args()
    code = args.code.resolve()
    warnings.filterwarnings("ignore")
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(code))
    stand_in(*ABSENT)
    modules = changed("model", code / "model.py", MODEL)
    utils = changed("utils", code / "utils.py", {})
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)  # noqa: NPY002 - their sampler draws from it
    history = load(args.folder)
    settings = SETTINGS | OWN | args.settings
    options = {name: value for name, value in settings.items() if name not in OWN} | {"dataset": BRANCH}
    data, count = partition(history), len(history.target_items)
    total, interval = data[-2:]
    judge = Judge(history, args.folder / "candidates.parquet")
    ranked = {s: inputs(history, s, settings["maxlen"], settings["whole_mixed"]) for s in ("valid", "test")}

    @torch.no_grad()
    def scores(split: str) -> torch.Tensor:
        """(users, target items)"""
        run.model.eval()
        users, found = np.arange(history.users), []
        for part in np.split(users, range(128, len(users), 128)):
            every = np.tile(np.arange(interval + 1, total + 1), (len(part), 1))
            found.append(run.model.predict(part, *(x[part] for x in ranked[split]), every)[0].cpu())
        return torch.cat(found)

    class Sampler:
        """The official sampler, one batch at a time."""

        def __init__(self, *given, batch_size: int, maxlen: int, n_workers: int) -> None:
            self.given = *given[:11], batch_size, maxlen

        def next_batch(self):
            basket = Basket()
            with contextlib.suppress(Over), contextlib.redirect_stdout(None):
                utils.sample_function(*self.given, basket, None)
            return basket.batch

    def evaluate(model: torch.nn.Module, *_) -> list[float]:
        run.model = model
        with contextlib.redirect_stdout(sys.__stdout__):
            if not run.epoch():
                raise Over
        return [0.0] * 15

    utils.data_partition, utils.WarpSampler, utils.evaluate_SASRec = lambda *_: data, Sampler, evaluate
    run = Run(args, None, lambda split: judge.ranks(split, scores(split), np.arange(count)))
    run.start()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), Path(os.devnull).open("w") as nowhere:
        if settings["pretraining"]:
            first = modules.SASRec_V12_time_final(history.users, total, argparse.Namespace(**options))
            first.to(settings["device"])
            for parameter in first.parameters():
                if parameter.dim() > 1:
                    torch.nn.init.xavier_normal_(parameter)
            given = None, BRANCH, None, interval, *data[:3], *data[5:9]
            sampler = Sampler(*given, batch_size=settings["batch_size"], maxlen=settings["maxlen"], n_workers=0)
            steps = settings["pretraining"] * (history.users // settings["batch_size"])
            pretrain(first, sampler, steps, settings, interval, total)
            Path("Checkpoints").mkdir()
            for name in CHECKPOINTS:
                torch.save(first.state_dict(), f"Checkpoints/{name}.pt")
        options |= {"cross_dataset": "Toy_Game" if settings["pretraining"] else "Book_Movie", "seed": args.seed}
        options |= {"num_epochs": args.epochs}
        sys.argv = ["Tri_CDR.py", *(f"--{name}={value}" for name, value in options.items())]
        with contextlib.redirect_stdout(nowhere), contextlib.suppress(Over):
            changed("Tri_CDR", code / "Tri_CDR.py", SCRIPT)
    run.write({"Tri-CDR": commit(code)}, settings)


if __name__ == "__main__":
    main()
