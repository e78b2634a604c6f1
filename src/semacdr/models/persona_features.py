"""What SPHERE's semantic towers read: fixed numbers of each user and item, from frozen encoders and counts.

A target user has a persona, and a Community Source Persona (CSP): the mean over similar users of the source domain of
their personas and of the text vectors of the items that they like, weighted by the softmax of their similarity.
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from semacdr.data.history import History
from semacdr.data.persona_parts import parts_of
from semacdr.models.base import ModelInputs, Personas, Side

Community = Literal["nearest", "random", "none"]
Persona = Literal["persona", "items", "none"]
Content = Literal["both", "personas", "items", "traits"]


@dataclass(frozen=True)
class Use:
    """Which of them a system reads (settings of semacdr.models.sphere)."""

    persona: Persona
    vocabulary: bool
    community: Community
    content: Content
    neighbours: int
    temperature: float


def user_features(inputs: ModelInputs, use: Use, part: int = 0, parts: int = 0) -> torch.Tensor:
    """(P, F): of each target user with a persona, the persona and the CSP; F is 0 if neither is used.

    The personas of `inputs` are those without a part of the target events (0: whole); items of the part are left out.
    """
    personas, history = inputs.personas, inputs.history
    assert personas is not None and inputs.text is not None
    found = persona_parts(personas.target, use.vocabulary) if use.persona == "persona" else []
    if use.persona == "items":
        kept = history.training() & history.is_target & ((parts_of(history, parts) != part) | (part == 0))
        found.append(liked(history, kept, personas.target, inputs.text))
    if use.community != "none":
        weight, place = community_weights(personas, use)
        found += [pooled(weight, place, rows) for rows in community_parts(inputs, personas, use)]
        if use.content == "traits":
            found.append(personas.target.weights @ co_occurrence(personas.source.weights))
    return torch.cat(found, 1) if found else torch.zeros(len(personas.target.users), 0)


def part_features(inputs: ModelInputs, use: Use) -> tuple[torch.Tensor, torch.Tensor]:
    """(1 + parts, 1 + P, F) the user features, whole and without each part; (1 + parts, 1 + P) the personas' events.

    Row 0 and the rows of users who have no persona without a part are zeros.
    """
    personas = inputs.personas
    assert personas is not None
    whole = personas.target.users
    features, events = [], []
    for part, one in enumerate((personas, *personas.parts)):
        rows = user_features(dataclasses.replace(inputs, personas=one), use, part, len(personas.parts))
        place = torch.searchsorted(whole, one.target.users) + 1
        features.append(rows.new_zeros(len(whole) + 1, rows.shape[1]).index_copy_(0, place, rows))
        events.append(torch.zeros(len(whole) + 1).index_copy_(0, place, one.target.events.float()))
    return torch.stack(features), torch.stack(events)


def source_features(inputs: ModelInputs, use: Use) -> torch.Tensor:
    """(P_source, F): the same of the source users, who have no community: zeros take its place."""
    personas, width = inputs.personas, user_features(inputs, use).shape[1]
    assert personas is not None
    parts = torch.cat(persona_parts(personas.source, use.vocabulary), 1)
    return F.pad(parts, (0, width - parts.shape[1]))


def item_features(inputs: ModelInputs, vocabulary: bool) -> torch.Tensor:
    """(items of the scenario, F): the text vector, and the terms that the item is filed under."""
    assert inputs.text is not None and inputs.semantics is not None
    return torch.cat([inputs.text, inputs.semantics.membership], 1) if vocabulary else inputs.text


def persona_parts(side: Side, vocabulary: bool) -> list[torch.Tensor]:
    """The vector of a persona's text, and its weights over the vocabulary."""
    return [side.text, side.weights] if vocabulary else [side.text]


def community_parts(inputs: ModelInputs, personas: Personas, use: Use) -> list[torch.Tensor]:
    """(P_source, …) each: what a source user adds to a community."""
    assert inputs.text is not None
    parts = persona_parts(personas.source, use.vocabulary) if use.content in ("both", "personas") else []
    if use.content in ("both", "items"):
        history = inputs.history
        parts.append(liked(history, history.training() & ~history.is_target, personas.source, inputs.text))
    return parts


def community_weights(personas: Personas, use: Use) -> tuple[torch.Tensor, torch.Tensor]:
    """(P, n) the weights of each target user's community, and the places of its members among the source users.

    A random community has as many members as the nearest one, drawn uniformly, but never the user's own source account,
    and all weigh the same. It depends on the user alone: it is the same for every seed, and with a part of the events
    left out. A user without a community has weights of zero.
    """
    place, similarity = personas.neighbours[:, : use.neighbours], personas.similarity[:, : use.neighbours]
    present = place >= 0
    if use.community == "random":
        place = _random_places(personas, place.shape[1])
        similarity = torch.zeros_like(similarity)
    scores = (similarity / use.temperature).masked_fill(~present, -torch.inf)
    weight = torch.softmax(scores, 1).nan_to_num(0.0)
    return weight, place.clamp(min=0)


def _random_places(personas: Personas, count: int) -> torch.Tensor:
    """(P, count): uniform places among the source users other than the user's own."""
    source, users = personas.source.users, personas.target.users
    generator, most = torch.Generator().manual_seed(0), int(users.max()) + 1 if len(users) else 0
    drawn = torch.rand(most, count, generator=generator, dtype=torch.float64)[users]
    own = torch.searchsorted(source, users)
    known = F.pad(source, (0, 1), value=-1)[own] == users
    places = (drawn * (len(source) - known.long())[:, None]).long()
    return places + (known[:, None] & (places >= own[:, None]))  # the places from one's own on move by one


def pooled(weight: torch.Tensor, place: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """(P, F): the weighted sum of the communities' rows (P_source, F); in chunks, as (P, n, F) may be large."""
    if not len(rows):  # without source events
        return rows.new_zeros(len(weight), rows.shape[1])
    parts = [
        torch.einsum("pn,pnf->pf", part, rows[members])
        for part, members in zip(weight.split(1024), place.split(1024), strict=True)
    ]
    return torch.cat(parts)


def liked(history: History, chosen: np.ndarray, side: Side, text: torch.Tensor) -> torch.Tensor:
    """(P, width): the mean text vector of each user's items among the chosen events (E,), all of users of the side."""
    user, item = (torch.from_numpy(np.ascontiguousarray(column[chosen])) for column in (history.user(), history.item))
    place = torch.searchsorted(side.users, user)
    total = text.new_zeros(len(side.users), text.shape[1]).index_add_(0, place, text[item])
    return total / torch.bincount(place, minlength=len(side.users)).clamp(min=1)[:, None]


def co_occurrence(weights: torch.Tensor) -> torch.Tensor:
    """(T, T): how much a user with a term likes each other term, in units of how much everybody does."""
    users = max(len(weights), 1)
    mean = (weights.sum(0) / users).clamp(min=1e-6)
    joint = weights.T @ weights / users / mean[:, None]
    return joint / mean - 1
