"""Train RecBole's SASRec on the training events of a direction, with RecBole's default settings.

Runs in the environment of requirements-recbole.txt; run.py calls it. It differs from RecBole's defaults only in its
inputs: the training events as an atomic file (RecBole's leave-one-out split would train on the validation event of
users with three events); no negatives, as its documentation says for the loss CE; and no early stopping by RecBole,
since validation is the same for all systems here (stopping_step is 10 there, too).
"""

import numpy as np
import recbole
import torch
from protocol import Judge, Run, arguments, events_before, load, sequences
from recbole.data.dataloader import TrainDataLoader
from recbole.data.interaction import Interaction
from recbole_parts import numbers, prepare


def padded(histories: list[np.ndarray], length: int) -> Interaction:
    """The input of RecBole's sequential models: the last `length` items, then padding."""
    table, lengths = np.zeros((len(histories), length), np.int64), np.ones(len(histories), np.int64)
    for row, items in enumerate(histories):
        items = items[-length:]
        table[row, : len(items)], lengths[row] = items, max(1, len(items))  # users of the source domain: padding
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
    made = prepare("SASRec", training, args.seed, {"train_neg_sample_args": None, **args.settings})
    config, model = made.config, made.model
    batches = TrainDataLoader(config, made.train, None, shuffle=True)

    length = config["MAX_ITEM_LIST_LENGTH"]
    names = numbers(made.dataset, "item_id")
    known, number = np.sort(names), np.argsort(names)  # number: RecBole's number of each known item, minus 1
    inputs = {
        split: padded([number[s] + 1 for s in sequences(events_before(history, split), history.users, known)], length)
        for split in ("valid", "test")
    }
    judge = Judge(history, args.folder / "candidates.parquet")
    run = Run(args, model, lambda split: judge.ranks(split, scores(model, inputs[split])[:, number], known))
    run.start()
    while True:
        made.trainer._train_epoch(batches, len(run.epochs))
        if not run.epoch():
            break
    said = ["hidden_size", "n_layers", "n_heads", "inner_size", "hidden_dropout_prob", "attn_dropout_prob", "loss_type"]
    said += ["learning_rate", "train_batch_size", "MAX_ITEM_LIST_LENGTH"]
    run.write({"recbole": recbole.__version__}, {name: config[name] for name in said})


if __name__ == "__main__":
    main()
