"""The device of a training: choice, precision, memory, determinism."""

import os

import torch

from semacdr.errors import UserError
from semacdr.runtime import machine
from semacdr.runtime.cli import log

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def device_of(name: str | None) -> torch.device:
    """The device of that name; without a name, CUDA if available, else the CPU."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def peak_mb(device: torch.device) -> float:
    """The peak memory of this process in MB: on CUDA of the device, as torch allocated it, else of the machine."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else machine.peak_mb()


def check_precision(precision: str, device: torch.device) -> None:
    """Raise a UserError for bfloat16 on a CPU, which would be slower with it."""
    if precision != "float32" and device.type != "cuda":
        raise UserError(
            f"precision {precision} is for CUDA, and this runs on {device}: set train.precision to float32, or train "
            f"on a machine with a GPU"
        )


def be_deterministic(device: torch.device) -> None:
    """Make the same run give the same bytes on CUDA; call it before anything is computed there.

    From then on a non-deterministic operation raises a RuntimeError that names it.
    """
    if device.type != "cuda":
        log.info("deterministic: %s always gives the same bytes for the same seed", device)
        return
    log.warning("deterministic: the same bytes for the same seed on %s; this costs time", device)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
