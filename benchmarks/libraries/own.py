"""Train a system of this project in the same comparison, with the engine that stage train uses.

--settings holds `model`, fields of semacdr.training.settings.Training, and under `own` fields of the model's Settings.
"""

import dataclasses
from importlib.metadata import version

import torch
from direction import inputs_of
from protocol import Run, arguments, rankers

from semacdr import models
from semacdr.runtime.machine import use_threads
from semacdr.runtime.settings import resolve
from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer


def main() -> None:
    args = arguments(__doc__).parse_args()
    use_threads(args.threads)
    given = dict(args.settings)
    name, own = given.pop("model"), given.pop("own", {})
    module = models.load(name)
    settings = resolve(module.Settings, own, module.__name__)
    training = resolve(Training, {"loss": module.LOSS} | given, "training")
    inputs = inputs_of(args.folder, name, settings)
    torch.manual_seed(args.seed)
    model, device = module.Model(inputs, settings), torch.device("cpu")
    trainer = Trainer(model, inputs.history, training, args.seed, device)
    own_rankers = rankers(inputs.history, args.folder / "candidates.parquet", training.max_length)
    run = Run(args, model, lambda split: own_rankers[split].rank(model))
    run.start()
    if model.pretraining_epochs:
        trainer.pretrain()
    while True:
        trainer.epoch()
        if not run.epoch():
            break
    said = ["loss", "learning_rate", "batch_size", "max_length"]
    said += ["semantic_learning_rate"] if model.semantic_parameters() else []
    sampled = {"sampled_softmax": ["shared_negatives"], "bce": ["train_negatives"]}
    said += (sampled | {"gbce": ["train_negatives", "calibration"]}).get(training.loss, [])
    common = {name: getattr(settings, name) for name in ("dim", "blocks", "dropout") if hasattr(settings, name)}
    more = common | own | {name: dataclasses.asdict(training)[name] for name in said}
    run.write({"semacdr": version("semacdr")}, more)


if __name__ == "__main__":
    main()
