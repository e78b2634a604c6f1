"""Train C2DSR's official code (cjx96/C2DSR) on the training events of a direction: X is source, Y is target.

Official are the file format, loader (labels, corrupted sequences, batches), graphs, model, loss, optimiser and step.
For each user the loader gets the mixed window of training_windows and, as the last label, its last positive; the graphs
get all events before validation. To rank, the loader gets the mixed window before the event, with a placeholder for the
positive; scores are the logits that CDSRTrainer.test_batch compares. The checkout is not edited; these changes are made
when it is read:
* loader.py: the length is `maxlen` instead of 15, and no negatives are drawn, because ranks are computed elsewhere;
* trainer.py: `used`, the number of last positions that are learned, is a setting (10 as published; 0: all), and the
  labels of infomax go to the GPU with everything else or not at all.

`maxlen` is max_length + 1: with exactly `maxlen` events the position table would overflow and a ranked sequence would
be lost. A max_length above a scenario's longest mixed window only adds padding, which costs time and gets attention.
Kept as published: batches and corrupted items are drawn once for all epochs (`redraw` true: in each); means are over
all of the `used` positions; padding gets attention; edges are counted as often as they occur; users without a labelled
event in either domain are not trained on; the first target item is never a last label. Settings are those of
train_rec.py and max_length, used, redraw and `xavier` (true: all weights are initialised as ours; false: item and
position tables are standard normal). A GPU is used if there is one, unless `cuda` is false.
"""

import contextlib
import io
import random
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from protocol import Judge, Run, arguments, load
from published import changed, commit

from semacdr.batching.windows import Ragged, evaluation_windows, training_windows
from semacdr.data.history import History
from semacdr.models.layers import initialise

SETTINGS = {"model": "C2DSR", "hidden_units": 64, "num_blocks": 2, "num_heads": 1, "GNN": 1, "dropout": 0.5}
SETTINGS |= {"leakey": 0.1, "optim": "adam", "lr": 1e-3, "lambda": 0.7, "batch_size": 256}
SETTINGS |= {"max_length": 50, "used": 10, "redraw": False, "xavier": False, "cuda": torch.cuda.is_available()}
LOADER = {"max_len = 15": 'max_len = self.opt["maxlen"]', 'self.opt["maxlen"] = 15': "pass", "range(999)": "range(0)"}
TRAINER = {"used = 10": 'used = self.opt["used"]'}
TRAINER |= {f"_like({name}).cuda()": f"_like({name})" for name in ("real_x_score", "false_x_score")}
NAME = "direction"


def rows(history: History, ragged: Ragged) -> list[np.ndarray]:
    """The items of each row, numbered over the scenario as in the official code: source from 0, then target."""
    items, source = ragged.values, history.source_items
    target = items - history.target_items.start + len(source)
    own = np.where((items >= source.start) & (items < source.stop), items - source.start, target)
    return np.split(own, ragged.offsets[1:-1])


def write(folder: Path, history: History, max_length: int) -> None:
    """Write the input of the official loader and GraphMaker, with the place in the sequence as the time."""
    folder.mkdir(parents=True)
    first = len(history.source_items)
    windows = training_windows(history, max_length)
    labels = windows.positives[windows.target.offsets[1:] - 1] + first
    training = history.training()
    counts = np.bincount(history.user()[training], minlength=history.users)
    known = Ragged(history.item[training], np.append(0, np.cumsum(counts)))
    files = {
        "traindata_new": [np.append(x, y) for x, y in zip(rows(history, windows.mixed), labels, strict=True)],
        "graph": rows(history, known),
        "Alist": history.source_items,
        "Blist": history.target_items,
    }
    for split in ("valid", "test"):  # the last entry is the positive; the first target item replaces it
        ranked = evaluation_windows(history, split, max_length)
        files[f"{split}data_new"] = [np.append(x, first) for x in rows(history, ranked.mixed)]
    for name, lines in files.items():
        if name in ("Alist", "Blist"):
            text = "".join(f"{item}\n" for item in lines)
        else:
            pairs = ("\t".join(f"{item}|{place}" for place, item in enumerate(line)) for line in lines)
            text = "".join(f"{row}\t{row}\t{line}\n" for row, line in enumerate(pairs))
        (folder / f"{name}.txt").write_text(text)


def main() -> None:
    cli = arguments(__doc__)
    cli.add_argument("--code", type=Path, required=True, help="checkout of github.com/cjx96/C2DSR")
    args = cli.parse_args()
    code = args.code.resolve() / "C2DSR_src"
    sys.dont_write_bytecode = True
    warnings.filterwarnings("ignore")
    sys.path.insert(0, str(code))
    loader = changed("utils.loader", code / "utils/loader.py", LOADER)
    trainer = changed("model.trainer", code / "model/trainer.py", TRAINER)
    from utils.GraphMaker import GraphMaker  # official; importable only now

    torch.set_num_threads(args.threads)
    random.seed(args.seed)
    np.random.seed(args.seed)  # noqa: NPY002 - as theirs
    torch.manual_seed(args.seed)
    history = load(args.folder)
    settings = SETTINGS | args.settings
    length = settings["max_length"] + 1
    opt = settings | {"maxlen": length, "used": settings["used"] or length}
    said, folder = io.StringIO(), tempfile.TemporaryDirectory()
    data = Path(folder.name) / "dataset" / NAME
    write(data, history, settings["max_length"])

    def loaded(evaluation: int):
        with contextlib.chdir(folder.name), contextlib.redirect_stdout(said):
            return loader.DataLoader(NAME, opt["batch_size"], opt, evaluation)

    training, ranked = loaded(-1), {"valid": loaded(2), "test": loaded(1)}
    opt["itemnum"] = opt["source_item_num"] + opt["target_item_num"] + 1
    graph = GraphMaker(opt, str(data / "graph.txt"))
    passed = {domain: said.getvalue().count(f"pass sequence {domain}") for domain in "xy"}
    sequences = len(training.train_data) - sum(passed.values())
    print(f"{sequences} training sequences in {len(training)} batches; without a labelled event: {passed}", flush=True)
    adjacency = [part.cuda() if opt["cuda"] else part for part in (graph.adj, graph.adj_single)]
    theirs = trainer.CDSRTrainer(opt, *adjacency)
    if opt["xavier"]:
        initialise(theirs.model)
    model, judge, known = theirs.model, Judge(history, args.folder / "candidates.parquet"), history.target_items

    @torch.no_grad()
    def scores(split: str) -> torch.Tensor:
        """(users, target items)"""
        model.eval()
        model.graph_convolution()
        found = []
        for batch in ranked[split]:
            *inputs, _, last, _, _, _ = theirs.unpack_batch_predict(batch)
            shared, _, own = model(*inputs)
            found.append(model.lin_Y(shared[:, -1] + own[torch.arange(len(own)), last]).cpu())
        return torch.cat(found)

    run = Run(args, model, lambda split: judge.ranks(split, scores(split), np.arange(len(known))))
    run.start()
    while True:
        if opt["redraw"] and run.epochs:
            training = loaded(-1)
        for batch in training:
            theirs.train_batch(batch)
        if not run.epoch():
            break
    more = {"training_sequences": sequences, "source_items": len(history.source_items), "target_items": len(known)}
    run.write({"C2DSR": commit(code)}, settings | more)


if __name__ == "__main__":
    main()
