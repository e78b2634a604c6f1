"""Compare an epoch of LightGCN with the sparse products that it cannot avoid.

    python benchmarks/lightgcn.py INTERACTIONS ITEMS SPLIT

Prints CPU seconds of an epoch (batches, negatives, loss, gradients, Adam), of the epoch's sparse products alone (layers
x 2 for each batch, forward and backward), and their ratio; both alternate in one process, the median of `--rounds`.
"""

import argparse
import time
from pathlib import Path
from statistics import median

import torch

from semacdr.models import lightgcn
from semacdr.runtime.machine import use_threads
from semacdr.training.inputs import DirectionPaths
from semacdr.training.settings import Training
from semacdr.training.system import system_of
from semacdr.training.trainer import Trainer


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("interactions", "items", "split"):
        cli.add_argument(name, type=Path)
    cli.add_argument("--rounds", type=int, default=5)
    cli.add_argument("--batch-size", type=int, default=256)
    args = cli.parse_args()
    use_threads(1)
    training = Training(loss=lightgcn.LOSS, batch_size=args.batch_size)
    system = system_of("lightgcn", {}, training)
    inputs = system.load_inputs(DirectionPaths(args.interactions, args.items, args.split))
    model = system.build(inputs, 0)
    trainer = Trainer(model, inputs.history, training, 0, torch.device("cpu"))
    products = 2 * model.settings.layers * len(trainer.batches)
    times: dict[str, list[float]] = {"epoch": [], "products": []}
    for _ in range(args.rounds):
        start = time.process_time()
        trainer.epoch()
        middle = time.process_time()
        with torch.no_grad():
            for _ in range(products):
                model.graph @ model.table.weight
        times["epoch"].append(middle - start)
        times["products"].append(time.process_time() - middle)
    epoch, alone = (median(values) for values in times.values())
    events = int((inputs.history.training() & inputs.history.is_target).sum())
    print(
        f"{model.known:,} users, {model.catalogue:,} items, {events:,} training events, {len(trainer.batches)} batches"
    )
    print(f"epoch {epoch:.2f} s, its {products} sparse products {alone:.2f} s, ratio {epoch / alone:.2f}")


if __name__ == "__main__":
    main()
