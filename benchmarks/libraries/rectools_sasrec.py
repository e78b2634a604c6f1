"""Train RecTools' SASRec on the training events of a direction, and with --settings its eSASRec.

Runs in the environment of requirements-rectools.txt; run.py calls it. Settings are those of RecTools' SASRecModel, with
its defaults. `transformer_layers_type: ligr` means its LiGRLayers.
"""

import numpy as np
import pandas as pd
import pytorch_lightning
import rectools
import torch
from protocol import Judge, Run, arguments, events_before, load, padded, start_quietly
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.transformers.ligr import LiGRLayers

LAYERS = {"ligr": LiGRLayers}


def table(events) -> pd.DataFrame:
    """The interactions in RecTools' form, with the place in the user's order as the time."""
    day = pd.Timestamp("2000-01-01") + pd.to_timedelta(events.place, "D")
    columns = {Columns.User: events.user, Columns.Item: events.item, Columns.Weight: 1.0, Columns.Datetime: day}
    return pd.DataFrame(columns)


class Measure(Callback):
    """Start the run when RecTools has built its model, and validate after each epoch."""

    def __init__(self, args, history) -> None:
        self.args, self.history, self.judge = args, history, Judge(history, args.folder / "candidates.parquet")

    def __deepcopy__(self, memo):
        return self  # RecTools trains with a copy of the trainer; the measurements must stay in this object

    def on_train_start(self, trainer, module) -> None:
        prepared = module.data_preparator
        names = np.array(prepared.item_id_map.external_ids[1:], dtype=np.int64)  # 0 is padding
        self.known, self.number = np.sort(names), np.argsort(names) + 1
        splits = {split: events_before(self.history, split) for split in ("valid", "test")}
        length, users = prepared.session_max_len, self.history.users
        self.inputs = {s: padded(events, users, self.known, self.number, length) for s, events in splits.items()}
        self.run = Run(self.args, module.torch_model, self.ranks)
        self.run.start()

    @torch.no_grad()
    def ranks(self, split: str) -> dict[str, np.ndarray]:
        model = self.run.model.eval()
        items = model.item_model.get_all_embeddings()
        states = [model.encode_sessions({"x": x}, items)[:, -1] for x in self.inputs[split].split(512)]
        scores = model.similarity_module(torch.cat(states), items)
        return self.judge.ranks(split, scores[:, torch.from_numpy(self.number)], self.known)

    def on_train_epoch_end(self, trainer, module) -> None:
        trainer.should_stop = not self.run.epoch()
        module.train()


def main() -> None:
    args = arguments(__doc__).parse_args()
    start_quietly(args.threads)
    history = load(args.folder)
    measure = Measure(args, history)
    seed_everything(args.seed)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}

    def trainer() -> Trainer:
        limits = {"max_epochs": args.epochs, "accelerator": "cpu", "devices": 1, "enable_checkpointing": False}
        return Trainer(**limits, **quiet, callbacks=[measure])

    settings = dict(args.settings)
    layers = settings.pop("transformer_layers_type", None)
    given = settings | ({"transformer_layers_type": LAYERS[layers]} if layers else {})
    model = SASRecModel(get_trainer_func=trainer, **given)
    model.fit(Dataset.construct(table(events_before(history, "valid"))))
    said = ["n_factors", "n_blocks", "n_heads", "dropout_rate", "loss", "lr", "batch_size", "session_max_len"]
    said += ["use_key_padding_mask"] + (["n_negatives"] if model.loss != "softmax" else [])
    resolved = {name: getattr(model, name) for name in said} | ({"transformer_layers_type": layers} if layers else {})
    versions = {"rectools": rectools.__version__, "pytorch_lightning": pytorch_lightning.__version__}
    measure.run.write(versions, resolved)


if __name__ == "__main__":
    main()
