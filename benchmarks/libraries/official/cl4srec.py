"""Train CL4SRec of JamZheng/CL4SRec-pytorch on the training events of a direction, with its own Trainer.

parity.py, one folder above, runs this script.

--settings are options of its main.py; those below differ from its defaults, with cl_embs as SemaCDR names it. `betas`
is an additional one: those of its Adam, by default torch's (0.9, 0.999); our engine has (0.9, 0.98). The checkout is
not edited: model, optimiser, loss, sampler, augmentation and the training epoch are official. These inputs are ours:
* the sequences, instead of data_iterator.Data.__init__, which reads a file, drops users and items with fewer than five
  events and renumbers the others. TrainData and TestData cut off two events and one event, as held out; zeros are put
  there, so no held-out item is in a sequence;
* only users with at least two training events: the code cannot augment the input of a user with one, and would crash;
* pre_seq_aug, an option that TrainData reads and main.py lacks; nothing uses it;
* a tensorboardX and a logger that write nothing. Trainer.eval is not used: Run.epoch validates after each epoch, by the
  scores of full_sort_predict over the batches of TestData, with the whole catalogue as candidates.
The protocol's settings replace the code's defaults for validation, patience and the number of epochs.
"""

import importlib
import logging
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from protocol import Judge, Run, arguments, events_before, load, sequences
from published import commit

SETTINGS = {"cl_embs": "predict", "batch_size": 256, "num_attention_heads": 1}
SAID = ("hidden_size", "inner_size", "num_hidden_layers", "num_attention_heads", "hidden_dropout_prob")
SAID += ("attention_probs_dropout_prob", "loss_type", "batch_size", "lr", "weight_decay", "maxlen")
SAID += ("cl_embs", "w_clloss", "temp", "aug_type", "mask_p", "crop_p", "reorder_p")


class Writer:
    """Replaces tensorboardX.SummaryWriter."""

    def add_scalar(self, *_) -> None:
        """Write nothing."""


def given(self, dataset: tuple[list[list[int]], int], max_len: int, logger: logging.Logger) -> None:
    """The constructor of Data; `dataset` holds the sequences and the number of items, which are numbered from 1."""
    self.pos_seqs, self.num_items = dataset
    self.num_users, self.max_len, self.logger = len(self.pos_seqs), max_len, logger


@torch.no_grad()
def scores(model: torch.nn.Module, data) -> torch.Tensor:
    """(users, items) over the batches of TestData, without the padding item."""
    model.eval()
    batches = ((torch.LongTensor(rows), torch.LongTensor(lengths)) for rows, _, lengths in data)
    return torch.cat([model.full_sort_predict(*batch) for batch in batches])[:, 1:]


def main() -> None:
    cli = arguments(__doc__)
    cli.add_argument("--code", type=Path, required=True, help="a checkout of JamZheng/CL4SRec-pytorch")
    args = cli.parse_args()
    args.output, code = args.output.resolve(), args.code.resolve()
    torch.set_num_threads(args.threads)
    sys.path.insert(0, str(code))
    sys.modules["tensorboardX"] = ModuleType("tensorboardX")
    sys.modules["tensorboardX"].SummaryWriter = Writer
    iterator, official = importlib.import_module("data_iterator"), importlib.import_module("main")
    iterator.Data.__init__ = given

    options = SETTINGS | args.settings
    betas = options.pop("betas", None)
    sys.argv = ["main.py"] + [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    config = official.get_args()
    config.logger, config.pre_seq_aug = logging.getLogger("cl4srec"), None
    official.setup_seed(args.seed)

    history = load(args.folder)
    items, known = len(history.target_items), np.arange(len(history.target_items))
    before = {
        split: [(s + 1).tolist() for s in sequences(events_before(history, split), history.users, known)]
        for split in ("valid", "test")
    }
    config.dataset = [[*s, 0, 0] for s in before["valid"] if len(s) > 1], items
    train = iterator.TrainData(config)
    data = {}
    for split, histories in before.items():
        config.dataset = [[*s, 0] for s in histories], items
        data[split] = iterator.TestData(config, is_valid=False)
    config.n_item, config.n_user = train.num_items + 1, train.num_users + 1

    model = official.CL4SRec(config)
    if betas:
        model.optimizer.param_groups[0]["betas"] = tuple(betas)
    trainer, judge = official.Trainer(), Judge(history, args.folder / "candidates.parquet")
    run = Run(args, model, lambda split: judge.ranks(split, scores(model, data[split]), known))
    with tempfile.TemporaryDirectory() as folder:
        here = Path.cwd()
        os.chdir(folder)  # Trainer.train makes a folder `runs`
        run.start()
        while True:
            trainer.train(len(run.epochs) + 1, Writer(), model, train, config)
            if not run.epoch():
                break
        os.chdir(here)
    said = {name: getattr(config, name) for name in SAID}
    run.write({"CL4SRec-pytorch": commit(code)}, said | {"betas": model.optimizer.param_groups[0]["betas"]})


if __name__ == "__main__":
    main()
