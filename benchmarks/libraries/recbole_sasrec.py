"""Train RecBole's SASRec on the training events of a direction, with RecBole's default settings.

Runs in the environment of requirements-recbole.txt; run.py calls it. It differs from RecBole's defaults only in its
inputs: the training events as an atomic file (RecBole's leave-one-out split would train on the validation event of
users with three events); no negatives, as its documentation says for the loss CE; and no early stopping by RecBole,
since validation is the same for all systems here (stopping_step is 10 there, too).
"""

import tempfile
from pathlib import Path

import numpy as np
import recbole
import torch
from protocol import Events, Judge, Run, arguments, events_before, load, sequences
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data.dataloader import TrainDataLoader
from recbole.data.interaction import Interaction
from recbole.utils import get_model, get_trainer, init_seed


def write_atomic(events: Events, folder: Path) -> None:
    """Write RecBole's atomic file `target.inter`, with the place in the user's order as the time."""
    (folder / "target").mkdir()
    rows = zip(events.user, events.item, events.place, strict=True)
    lines = ["user_id:token\titem_id:token\ttimestamp:float", *("\t".join(map(str, row)) for row in rows)]
    (folder / "target/target.inter").write_text("\n".join(lines) + "\n")


def padded(histories: list[np.ndarray], length: int) -> Interaction:
    """The input of RecBole's sequential models: the last `length` items, then padding."""
    table, lengths = np.zeros((len(histories), length), np.int64), np.zeros(len(histories), np.int64)
    for row, items in enumerate(histories):
        items = items[-length:]
        table[row, : len(items)], lengths[row] = items, len(items)
    return Interaction({"item_id_list": torch.from_numpy(table), "item_length": torch.from_numpy(lengths)})


@torch.no_grad()
def scores(model: torch.nn.Module, histories: Interaction, batch: int = 512) -> torch.Tensor:
    """(users, items) without the padding item."""
    model.eval()
    parts = [model.full_sort_predict(histories[i : i + batch]) for i in range(0, len(histories), batch)]
    return torch.cat(parts)[:, 1:]


def main() -> None:
    args = arguments(__doc__).parse_args()
    torch.set_num_threads(args.threads)
    history = load(args.folder)
    training = events_before(history, "valid")
    with tempfile.TemporaryDirectory() as folder:
        write_atomic(training, Path(folder))
        given = {"data_path": folder, "checkpoint_dir": folder, "use_gpu": False, "show_progress": False}
        given |= {"load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "train_neg_sample_args": None}
        given |= {"eval_args": {"split": {"RS": [1, 0, 0]}, "order": "TO", "group_by": "user", "mode": "full"}}
        given |= {"seed": args.seed, **args.settings}
        config = Config(model="SASRec", dataset="target", config_dict=given)
        init_seed(config["seed"], config["reproducibility"])
        dataset = create_dataset(config)
        train = dataset.build()[0]
        model = get_model("SASRec")(config, train).to(config["device"])
        trainer = get_trainer(config["MODEL_TYPE"], "SASRec")(config, model)
    batches = TrainDataLoader(config, train, None, shuffle=True)

    length = config["MAX_ITEM_LIST_LENGTH"]
    names = dataset.id2token("item_id", np.arange(1, dataset.item_num)).astype(np.int64)  # 0 is padding
    known, number = np.sort(names), np.argsort(names)  # number: RecBole's number of each known item, minus 1
    inputs = {
        split: padded([number[s] + 1 for s in sequences(events_before(history, split), history.users, known)], length)
        for split in ("valid", "test")
    }
    judge = Judge(history, args.folder / "candidates.parquet")
    run = Run(args, model, lambda split: judge.ranks(split, scores(model, inputs[split])[:, number], known))
    run.start()
    while True:
        trainer._train_epoch(batches, len(run.epochs))
        if not run.epoch():
            break
    said = ["hidden_size", "n_layers", "n_heads", "inner_size", "hidden_dropout_prob", "attn_dropout_prob", "loss_type"]
    said += ["learning_rate", "train_batch_size", "MAX_ITEM_LIST_LENGTH"]
    run.write({"recbole": recbole.__version__}, {name: config[name] for name in said})


if __name__ == "__main__":
    main()
