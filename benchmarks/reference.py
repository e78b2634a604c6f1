"""A padded SASRec and its training loop, as in pmixer's SASRec.pytorch, as a baseline for speed.

The model is rewritten here: it shows how long such a loop takes and does not prove parity. With a checkout of that
repository (Apache-2.0) its own model runs in the same loop.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from semacdr.batching.windows import training_windows
from semacdr.data.history import History

LENGTH = 200  # its --maxlen for longer histories; its current model always uses this
Rows = tuple[np.ndarray, ...]


class Padded(nn.Module):
    """Post-norm blocks over left-padded sequences; items from 1, 0 is padding."""

    def __init__(self, items: int, dim: int, rate: float, blocks: int, device: torch.device) -> None:
        super().__init__()
        self.device, self.dim = device, dim
        self.items = nn.Embedding(items + 1, dim, padding_idx=0)
        self.places = nn.Embedding(LENGTH + 1, dim, padding_idx=0)
        self.drop = nn.Dropout(rate)
        self.attention = nn.ModuleList(nn.MultiheadAttention(dim, 1, rate) for _ in range(blocks))
        self.forwards = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, dim), nn.Dropout(rate), nn.ReLU(), nn.Linear(dim, dim), nn.Dropout(rate))
            for _ in range(blocks)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=1e-8) for _ in range(2 * blocks + 1))

    def forward(self, users: np.ndarray, given: np.ndarray, positives: np.ndarray, negatives: np.ndarray):
        """Logits (B, 200) of the positives and of the negatives."""
        given, *others = (
            torch.tensor(part, dtype=torch.long, device=self.device) for part in (given, positives, negatives)
        )
        place = torch.arange(1, LENGTH + 1, device=self.device) * (given != 0)
        x = self.drop(self.items(given) * self.dim**0.5 + self.places(place))
        later = ~torch.tril(torch.ones((LENGTH, LENGTH), dtype=torch.bool, device=self.device))
        for attention, forward, first, second in zip(
            self.attention, self.forwards, self.norms[:-1:2], self.norms[1:-1:2], strict=True
        ):
            rows = x.transpose(0, 1)
            x = first(rows + attention(rows, rows, rows, attn_mask=later)[0]).transpose(0, 1)
            x = second(x + forward(x))
        states = self.norms[-1](x)
        return tuple((states * self.items(part)).sum(-1) for part in others)


def model_of(
    folder: Path | None, users: int, items: int, dim: int, rate: float, blocks: int, device: torch.device
) -> nn.Module:
    """The baseline, or the SASRec of a checkout."""
    if folder is None:
        return Padded(items, dim, rate, blocks, device).to(device)
    path = next((p for p in (folder / "model.py", folder / "python/model.py") if p.exists()), None)
    if path is None:
        raise SystemExit(f"{folder}: has neither model.py nor python/model.py; give a checkout of SASRec.pytorch")
    spec = importlib.util.spec_from_file_location("reference_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    options = SimpleNamespace(
        device=str(device), hidden_units=dim, maxlen=LENGTH, num_blocks=blocks, num_heads=1, dropout_rate=rate,
        norm_first=False, l2_emb=0.0,
    )  # fmt: skip
    return module.SASRec(users, items, options).to(device)


class Loop:
    """Its loop: numpy batches of padded rows, BCE over the places that are not padding, Adam.

    The original sampler draws users with replacement and checks negatives one by one in separate processes. Here each
    user comes once an epoch, and negatives are drawn together without a check, so the host has less work than there.
    """

    def __init__(self, model: nn.Module, history: History, batch: int, device: torch.device) -> None:
        windows = training_windows(history, LENGTH)
        steps = np.diff(windows.target.offsets)
        place = np.arange(LENGTH) >= LENGTH - steps[:, None]  # padding comes first
        self.given, self.positives = np.zeros(place.shape, np.int32), np.zeros(place.shape, np.int32)
        self.given[place], self.positives[place] = windows.target.values + 1, windows.positives + 1
        self.users, self.items, self.batch, self.device = windows.users + 1, len(history.target_items), batch, device
        self.model, self.rng, self.loss = model, np.random.default_rng(0), nn.BCEWithLogitsLoss()
        self.optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98))
        for parameter in model.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter.data)

    def __len__(self) -> int:
        return -(-len(self.users) // self.batch)

    def shuffled(self) -> Iterator[Rows]:
        """The batches of an epoch: users, items, positives and negatives."""
        self.model.train()
        order = self.rng.permutation(len(self.users))
        for begin in range(0, len(order), self.batch):
            rows = order[begin : begin + self.batch]
            negatives = self.rng.integers(1, self.items + 1, (len(rows), LENGTH)) * (self.positives[rows] != 0)
            yield self.users[rows], self.given[rows], self.positives[rows], negatives

    def learn(self, batch: Rows) -> torch.Tensor:
        """One step; the loss."""
        positive, negative = self.model(*batch)
        real = np.where(batch[2] != 0)
        self.optimiser.zero_grad()
        loss = self.loss(positive[real], torch.ones(len(real[0]), device=self.device))
        loss += self.loss(negative[real], torch.zeros(len(real[0]), device=self.device))
        loss.backward()
        self.optimiser.step()
        return loss.detach()
