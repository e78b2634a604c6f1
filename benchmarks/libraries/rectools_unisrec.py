"""Train RecTools' UniSRecModel on the training events of a direction, with the text vectors of stage encode.

Runs in the environment of requirements-rectools.txt; run.py calls it. Settings are those of UniSRecModel, with its
defaults. Its own early stopping looks at training events and is not used: validation events end the training.
"""

import numpy as np
import pyarrow.parquet as pq
import pytorch_lightning
import rectools
import torch
from protocol import Judge, Run, arguments, events_before, load, padded, start_quietly
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools.fast_transformers import UniSRecModel

SAID = ["n_factors", "projection_hidden", "n_blocks", "n_heads", "dropout", "adaptor_type", "loss", "lr", "batch_size"]
SAID += ["session_max_len", "weight_decay"]


def text_vectors(args, history) -> torch.Tensor:
    """(target items + 1, width): the vectors of the target items after a row of zeros, which is padding."""
    table = pq.read_table(args.folder.parent / "embeddings.parquet")
    assert np.array_equal(table["item"].to_numpy(), np.arange(len(table))), "items are not in order"
    vectors = np.stack(table["vector"].to_numpy(zero_copy_only=False)).astype(np.float32)
    own = vectors[history.target_items.start : history.target_items.stop]
    return torch.from_numpy(np.concatenate([np.zeros_like(own[:1]), own]))


class Measure(Callback):
    """Start the run when RecTools has built its network, and validate after each epoch."""

    def __init__(self, args, history) -> None:
        self.args, self.history, self.judge = args, history, Judge(history, args.folder / "candidates.parquet")
        self.model: UniSRecModel | None = None

    def on_train_start(self, trainer, module) -> None:
        self.known = self.model.item_id_mapping.numpy() - 1  # sorted; the library's numbers are places plus 1
        length, users = self.model.session_max_len, self.history.users
        number = np.arange(len(self.known)) + 1
        splits = {split: events_before(self.history, split) for split in ("valid", "test")}
        self.inputs = {s: padded(events, users, self.known, number, length) for s, events in splits.items()}
        self.run = Run(self.args, module.net, self.ranks)
        self.run.start()

    @torch.no_grad()
    def ranks(self, split: str) -> dict[str, np.ndarray]:
        net = self.run.model.eval()
        items = net.project_all()[1:]
        states = torch.cat([net.encode_last(x) for x in self.inputs[split].split(512)])
        return self.judge.ranks(split, states @ items.T, self.known)

    def on_train_epoch_end(self, trainer, module) -> None:
        trainer.should_stop = not self.run.epoch()
        module.train()


class Measured(UniSRecModel):
    """UniSRecModel whose trainer has the measurements; the library has no option for that."""

    def __init__(self, vectors: torch.Tensor, measure: Measure, **settings) -> None:
        super().__init__(vectors, **settings)
        self.measure, measure.model = measure, self

    def _make_trainer(self, max_epochs: int, val_dl=None) -> Trainer:
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        limits = {"max_epochs": max_epochs, "accelerator": "cpu", "devices": 1, "enable_checkpointing": False}
        return Trainer(**limits, **quiet, gradient_clip_val=self.grad_clip, callbacks=[self.measure])


def main() -> None:
    args = arguments(__doc__).parse_args()
    start_quietly(args.threads)
    history = load(args.folder)
    measure = Measure(args, history)
    seed_everything(args.seed)
    model = Measured(text_vectors(args, history), measure, epochs=args.epochs, **args.settings)
    events = events_before(history, "valid")
    model.fit(*map(torch.from_numpy, (events.user, events.item + 1, events.place)))
    versions = {"rectools": rectools.__version__, "pytorch_lightning": pytorch_lightning.__version__}
    measure.run.write(versions, {name: getattr(model, name) for name in SAID})


if __name__ == "__main__":
    main()
