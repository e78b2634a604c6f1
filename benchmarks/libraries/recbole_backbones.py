"""Train RecBole's LightGCN or NeuMF on the training events of a direction; --settings holds `model` and its settings.

Runs in the environment of requirements-recbole.txt; backbones.py calls it. RecBole's own data loader and sampler draw
the negatives, and its trainer takes the steps. RecBole scores NeuMF pair by pair, with a sigmoid at the end. Here its
first layer is computed once for each user and each item, without the sigmoid: the same order in a tenth of the time.
"""

import numpy as np
import recbole
import torch
import torch.nn.functional as F
from protocol import Judge, Run, arguments, events_before, load, start_quietly
from recbole.data.dataloader import TrainDataLoader
from recbole.sampler import Sampler
from recbole_parts import numbers, prepare

SETTINGS = {  # of which RecBole has those that the record names
    "LightGCN": ["embedding_size", "n_layers", "reg_weight", "require_pow"],
    "NeuMF": ["mf_embedding_size", "mlp_embedding_size", "mlp_hidden_size", "dropout_prob"],
}


def lightgcn_scores(model: torch.nn.Module) -> torch.Tensor:
    """(users, items) by RecBole's numbers, with the padding of both."""
    users, items = model.forward()
    return users @ items.T


def neumf_scores(model: torch.nn.Module, rows: int = 8) -> torch.Tensor:
    """(users, items) logits by RecBole's numbers, with the padding of both."""
    first, *others = [layer for layer in model.mlp_layers.mlp_layers if isinstance(layer, torch.nn.Linear)]
    of_users, of_items = first.weight.split(model.mlp_embedding_size, 1)
    users = F.linear(model.user_mlp_embedding.weight, of_users, first.bias)
    items = F.linear(model.item_mlp_embedding.weight, of_items)
    product, tower = model.predict_layer.weight[0].split([model.mf_embedding_size, others[-1].out_features])
    found = (model.user_mf_embedding.weight * product) @ model.item_mf_embedding.weight.T + model.predict_layer.bias
    for part, own in zip(found.split(rows), users.split(rows), strict=True):
        hidden = F.relu(own[:, None] + items)
        for layer in others:
            hidden = F.relu(layer(hidden))
        part += hidden @ tower
    return found


SCORES = {"LightGCN": lightgcn_scores, "NeuMF": neumf_scores}


def check(model: torch.nn.Module, scores: torch.Tensor, name: str) -> None:
    """Stop unless 1,000 random scores order pairs as RecBole's own predictions do."""
    user, item = (torch.randint(1, size, (1000,)) for size in scores.shape)
    own = model.predict({model.USER_ID: user, model.ITEM_ID: item})
    found = scores[user, item]
    torch.testing.assert_close(found.sigmoid() if name == "NeuMF" else found, own, rtol=1e-4, atol=1e-5)


def main() -> None:
    args = arguments(__doc__).parse_args()
    start_quietly(args.threads)
    given = dict(args.settings)
    name = given.pop("model")
    history = load(args.folder)
    made = prepare(name, events_before(history, "valid"), args.seed, given)
    config, model = made.config, made.model
    batches = TrainDataLoader(config, made.train, Sampler(["train"], [made.train]).set_phase("train"), shuffle=True)
    people, items = (numbers(made.dataset, field) for field in ("user_id", "item_id"))
    known, order = np.sort(items), torch.from_numpy(np.argsort(items) + 1)
    judge = Judge(history, args.folder / "candidates.parquet")

    @torch.no_grad()
    def ranks(split: str) -> dict[str, np.ndarray]:
        model.eval()
        scores = SCORES[name](model)
        check(model, scores, name)
        table = scores.new_zeros((history.users, len(known)))  # users of the source domain are not ranked
        table[torch.from_numpy(people)] = scores[1:].index_select(1, order)
        return judge.ranks(split, table, known)

    run = Run(args, model, ranks)
    run.start()
    while True:
        made.trainer._train_epoch(batches, len(run.epochs))
        if not run.epoch():
            break
    said = {name: config[name] for name in ["learning_rate", "train_batch_size", *SETTINGS[name]]}
    said |= {"negatives": config["train_neg_sample_args"]["sample_num"], "steps_an_epoch": len(batches)}
    run.write({"recbole": recbole.__version__}, said)


if __name__ == "__main__":
    main()
