"""Where a stage computes: the device, and what it must promise."""

import os

import torch

from semacdr.errors import UserError
from semacdr.runtime import machine
from semacdr.runtime.cli import log

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def device_of(name: str | None) -> torch.device:
    """The device of that name; of none, CUDA where there is one, else the CPU."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def peak_mb(device: torch.device) -> float:
    """The most memory that this process has had, in MB: on CUDA what torch took of the device, else of the machine."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else machine.peak_mb()


def check_precision(precision: str, device: torch.device) -> None:
    """Raise a UserError where the device is not for that precision: a CPU would be slower with it, not faster."""
    if precision != "float32" and device.type != "cuda":
        raise UserError(
            f"precision {precision} is for CUDA, and this runs on {device}: set train.precision to float32, or train "
            f"where torch sees a GPU"
        )


def be_deterministic(device: torch.device) -> None:
    """From now on the same run gives the same bytes on CUDA too; call it before anything is computed there.

    An operation that cannot keep that promise raises a RuntimeError that names it.
    """
    if device.type != "cuda":
        log.info("the same bytes for the same seed are what %s gives anyway: nothing to set", device)
        return
    log.warning("deterministic: the same bytes for the same seed on %s; this costs time", device)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
