"""GPU utilisation of training, compared with a padded SASRec loop.

Needs torch, numpy, pyarrow and safetensors, and a direction that was made before on a machine with all packages:

    python benchmarks/scale_data.py --output results/scale --shares full
    python benchmarks/scale.py results/scale --shares full --jobs split graph --rounds 1
    python benchmarks/gpu_data.py pack results/scale/full/movie_to_book carried        # about 50 MB to copy

On the machine with the GPU, in the repository with src/ on PYTHONPATH:

    python benchmarks/gpu_data.py unpack carried results/carried/movie_to_book
    python benchmarks/gpu.py results/carried/movie_to_book --reference SASRec.pytorch > gpu.tsv

Each loop uses d = 64 and batches of 256 users. A line contains

    steps/s, s/epoch  of training, without validation; the epoch is the median step times the epoch's steps
    kernels           share of the time in which kernels run, by torch.profiler (on a CPU: operators)
    GB/step           minimum number of bytes that the operations of a step read and write: the sizes of their tensors,
                      for a look-up the rows that it reads
    of bandwidth      GB/step divided by the time of a step, as a share of the bandwidth of copying a large tensor
    waits             operations of a step at which the host waits for the device (CUDA's sync debug mode; - on a CPU)
    times             the reference's s/epoch divided by this loop's

The reference is a loop over users padded to 200 events, as in pmixer/SASRec.pytorch, with a model rewritten here, so it
is not a parity check. With --reference FOLDER, a checkout of that repository, its own model runs in the loop.
`--device cpu --small` tries everything without a GPU.

Every loop runs operation by operation, one seed per process, without CUDA graphs, torch.compile or batches over seeds;
`kernels` shows how much these could gain.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from direction import inputs_of, trainer_of
from reference import Loop, model_of
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from semacdr import models
from semacdr.models.base import ModelInputs
from semacdr.training.device import PRECISIONS, be_deterministic, device_of
from semacdr.training.settings import Training

PLUS = {"source_weight": 1.0, "contrastive_weight": 0.0, "graph": "none"}  # settings of variant `plus`
TRAINED = (
    ("sasrec", "bce", {}), ("sasrec", "sampled_softmax", {}), ("sasrec", "ce", {}),
    ("semacdr", "bpr", {}), ("semacdr", "ce", {}), ("semacdr", "ce", PLUS),
)  # fmt: skip
LOOKUPS = {"embedding", "index_select", "index", "gather"}  # they read as much as they return
ROOM = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}  # they only allocate
COLUMNS = ("loop", "steps/s", "s/epoch", "kernels", "GB/step", "of bandwidth", "waits", "times")


class Timed(NamedTuple):
    """A loop: the steps of its epoch, an epoch's batches, and the function that takes a step on one."""

    name: str
    steps: int
    batches: Callable[[], Iterator]
    learn: Callable[[object], torch.Tensor]


class Traffic(TorchDispatchMode):
    """Adds up the bytes of operations' inputs and outputs; views move no data."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result, name = function(*args, **(kwargs or {})), function.overloadpacket.__name__
        if not function.is_view and name not in ROOM:
            read = args, {key: value for key, value in (kwargs or {}).items() if key != "out"}
            given, made = (sum(map(size, tensors(part))) for part in (read, result))
            self.bytes += 2 * made if name in LOOKUPS else given + made
        return result


def tensors(value: object) -> Iterator[torch.Tensor]:
    """All tensors in nested arguments."""
    if torch.is_tensor(value):
        yield value
    elif isinstance(value, dict | list | tuple):
        yield from chain.from_iterable(map(tensors, value.values() if isinstance(value, dict) else value))


def size(tensor: torch.Tensor) -> int:
    """Bytes of a tensor; for a sparse one, of its parts."""
    if tensor.layout == torch.sparse_csr:
        return sum(part.nbytes for part in (tensor.values(), tensor.col_indices(), tensor.crow_indices()))
    return tensor.nbytes


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def bandwidth(device: torch.device, megabytes: int) -> float:
    """Bytes per second, read and written, when copying a tensor; the best of ten."""
    source = torch.ones(megabytes << 18, device=device)
    goal, seconds = torch.empty_like(source), []
    for _ in range(10):
        wait(device)
        start = time.perf_counter()
        goal.copy_(source)
        wait(device)
        seconds.append(time.perf_counter() - start)
    return 2 * source.nbytes / min(seconds)


def loops(folder: Path, training: dict, reference: Path | None, device: torch.device) -> Iterator[Timed]:
    """Yield the reference first, then our loops, each created when it is used."""
    inputs = inputs_of(folder, "sasrec")
    yield padded(inputs, reference, training["batch_size"], device)
    for name, loss, own in TRAINED:
        settings = models.load(name).Settings(**own)
        inputs = inputs_of(folder, name, settings)
        trainer = trainer_of(inputs, name, Training(loss=loss, **training), device, settings=settings)
        trainer.model.train()
        yield Timed(
            f"{name}, {loss}" + ", plus" * bool(own),
            len(trainer.batches),
            trainer.shuffled,
            lambda batch, trainer=trainer: trainer.step(trainer.loss(batch)),
        )


def padded(inputs: ModelInputs, folder: Path | None, batch: int, device: torch.device) -> Timed:
    """The reference's loop with our default settings of SASRec."""
    history = inputs.history
    model = model_of(folder, history.users, len(history.target_items), dim=64, rate=0.5, blocks=2, device=device)
    loop = Loop(model, history, batch, device)
    name = "padded to 200, " + (f"model of {folder.name}" if folder else "rewritten baseline")
    return Timed(name, len(loop), loop.shuffled, loop.learn)


def endless(loop: Timed) -> Iterator:
    """Yield batches of one epoch after another."""
    while True:
        yield from loop.batches()


def seconds_of(loop: Timed, batches: Iterator, device: torch.device, count: int) -> float:
    """Seconds of `count` steps, including the time to make their batches."""
    wait(device)
    start = time.perf_counter()
    for batch in islice(batches, count):
        loop.learn(batch)
    wait(device)
    return time.perf_counter() - start


def busy(loop: Timed, batches: Iterator, device: torch.device, count: int) -> float:
    """Share of the time of `count` steps in which the device computes."""
    cuda = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as profiled:
        seconds = seconds_of(loop, batches, device, count)
    events = profiled.key_averages()
    return sum(event.self_device_time_total if cuda else event.self_cpu_time_total for event in events) / 1e6 / seconds


def waits(loop: Timed, batches: Iterator, device: torch.device, count: int) -> str:
    """The number of operations per step at which the host waits."""
    if device.type != "cuda":
        return "-"
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            for batch in islice(batches, count):
                loop.learn(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return f"{sum('synchronizing CUDA operation' in str(one.message) for one in found) / count:.2f}"


def measure(loop: Timed, device: torch.device, copied: float, steps: int, rounds: int) -> tuple[list[str], float]:
    """The line of a loop, without `times`, and seconds per epoch; `copied`: bytes per second of plain copying."""
    batches = endless(loop)
    seconds_of(loop, batches, device, min(steps, 5))
    step = median(seconds_of(loop, batches, device, steps) for _ in range(rounds)) / steps
    share = busy(loop, batches, device, steps)
    with Traffic() as traffic:
        loop.learn(next(batches))
    moved = traffic.bytes
    cells = [loop.name, f"{1 / step:.2f}", f"{step * loop.steps:.2f}", f"{share:.0%}", f"{moved / 1e9:.3f}"]
    return [*cells, f"{moved / step / copied:.0%}", waits(loop, batches, device, steps)], step * loop.steps


def main(argv: Sequence[str] | None = None) -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path, help="results/<scenario>/<source>_to_<target>")
    cli.add_argument("--reference", type=Path, help="a checkout of pmixer/SASRec.pytorch")
    cli.add_argument("--device", help="default: cuda if there is a GPU, else cpu")
    cli.add_argument("--precision", choices=PRECISIONS, default="float32", help="precision of our loops")
    cli.add_argument("--deterministic", action="store_true", help="make all loops deterministic on CUDA")
    cli.add_argument("--small", action="store_true", help="few and small batches, to test the script")
    args = cli.parse_args(argv)
    device, small = device_of(args.device), args.small
    if args.deterministic:
        be_deterministic(device)
    training = {"batch_size": 16 if small else 256, "precision": args.precision}
    copied = bandwidth(device, 16 if small else 2048)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"# {name}, torch {torch.__version__}, {args.precision}; copying: {copied / 1e9:.0f} GB/s")
    print("\t".join(COLUMNS), flush=True)
    first = None
    for loop in loops(args.folder, training, args.reference, device):
        line, epoch = measure(loop, device, copied, *((3, 1) if small else (50, 5)))
        first = first or epoch
        print("\t".join([*line, f"{first / epoch:.1f}"]), flush=True)


if __name__ == "__main__":
    main()
