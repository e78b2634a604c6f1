"""Infomax between a domain's sequence and the other domain's part of the mixed sequence (C2DSR)."""

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.models.layers import mean_by_row
from semacdr.models.next_item_labels import is_followed


def corrupt(items: torch.Tensor, domain: range) -> torch.Tensor:
    """The mixed items (N_m,), where each item of the domain is replaced by one drawn uniformly from that domain."""
    drawn = torch.randint_like(items, domain.start, domain.stop)
    return torch.where((items >= domain.start) & (items < domain.stop), drawn, items)


class Infomax(nn.Module):
    """One bilinear discriminator for each domain tells whether mixed states come from the true sequence."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.discriminators = nn.ModuleDict({name: nn.Bilinear(dim, dim, 1) for name in ("target", "source")})

    def forward(
        self,
        target: torch.Tensor,
        source: torch.Tensor,
        mixed: torch.Tensor,
        corrupted: dict[str, torch.Tensor],
        batch: Batch,
    ) -> torch.Tensor:
        """Mean over users of BCE(D(r, z), 1) + BCE(D(r, z of the corrupted sequence), 0), summed over domains.

        r is the mean of a domain's own states, `target` (N_t, d) or `source` (N_s, d), z that of the `mixed` states
        (1 + N_m, d) at the other domain's events; `corrupted` holds, by domain, the mixed states where that domain's
        items were replaced. Means are over events that are followed by one of the same domain, the positive included;
        users without one in both domains are left out.
        """
        rows = len(batch.users)
        loss: torch.Tensor | float = 0.0
        users = mixed.new_ones(rows, dtype=torch.bool)
        own = {"target": target, "source": source}
        labelled = {"target": torch.ones_like(batch.positives, dtype=torch.bool), "source": is_followed(batch.source)}
        for name, other in (("target", "source"), ("source", "target")):
            r, count = mean_by_row(own[name], getattr(batch, name).row, labelled[name], rows)
            users = users & (count > 0)
            place, row = getattr(batch, f"{other}_place"), getattr(batch, other).row
            for states, sign in ((mixed, -1), (corrupted[name], 1)):
                z, count = mean_by_row(F.embedding(place, states), row, labelled[other] & (place > 0), rows)
                loss = loss + F.softplus(sign * self.discriminators[name](r, z)[:, 0])
            users = users & (count > 0)
        return (loss * users).sum() / users.sum().clamp(min=1)
