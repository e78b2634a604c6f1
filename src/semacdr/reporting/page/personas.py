"""The page's section on personas: what a user's events say of him, the community found for it, the gate, and the lists.

Users are not picked by hand. Those with a test event and a persona are sorted by their number of training events in the
target domain, of equal numbers by user; they are parted into as many groups as users are shown, and the middle one of
each group is shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semacdr.data.history import History
from semacdr.reporting.names import count_of, system_name
from semacdr.reporting.page.catalogue import Catalogue, Item, Key
from semacdr.reporting.page.persona_tables import Domain, Gate, PersonaTables, load_gate, load_persona_tables
from semacdr.reporting.page.recommenders import Recommender
from semacdr.reporting.page.users import ShownUser, UserViews, timestamps_of

SHOWN_TERMS, SHOWN_ITEMS = 2, 10  # terms of a facet, latest items of the user
SHOWN_MEMBERS, SHOWN_TRAITS, SHOWN_LIKED = 5, 3, 3  # members of a community, and of each its terms and latest items
TYPICAL = 1.2  # a term is typical of a persona with a weight of so many times the domain's mean; weights are smoothed


@dataclass(frozen=True)
class Term:
    """A term with its weight for a user, and the mean weight over the users of the domain."""

    name: str
    weight: float
    usual: float


@dataclass(frozen=True)
class Persona:
    """What the page shows of a persona."""

    text: str
    events: int
    confidence: float
    facets: list[tuple[str, list[Term]]]  # of each facet the terms with the highest weights
    traits: list[str]  # terms that are most typical of the user, the most typical first
    typical: set[Key]  # all terms that are typical


@dataclass(frozen=True)
class Neighbour:
    """A member of a community: a source user with the latest items of his training events."""

    user: int
    similarity: float
    persona: Persona
    items: list[Item]


@dataclass(frozen=True)
class Fusion:
    """What a system with a semantic side does with the community, and the weights of its gate."""

    system: str
    backbone: str
    backbone_shown: bool
    community: str  # nearest, random or none
    members: int  # at most
    weights: npt.NDArray[np.float32] | None  # of all users; None without a gate

    @property
    def mean(self) -> float | None:
        """The mean weight of the collaborative side over users."""
        return None if self.weights is None else float(self.weights.mean())

    def quantile(self, share: float) -> float:
        """The weight below which that share of users are; only with a gate."""
        assert self.weights is not None
        return float(np.quantile(self.weights, share))


@dataclass(frozen=True)
class PersonaUser:
    """A target user: his events and lists, his persona, his community, and the gate's weight in each system."""

    shown: ShownUser
    persona: Persona
    items: list[Item]  # the latest of those that the persona is made from
    community: list[Neighbour]  # the nearest ones
    members: int
    similarity: float | None  # the mean over all members
    gates: list[tuple[str, float, float]]  # system, weight, share of users with a lower one


@dataclass(frozen=True)
class DirectionPersonas:
    """The section's part for a direction."""

    source: str
    target: str
    users: int  # from whom the shown ones are taken
    fusions: list[Fusion]
    others: list[str]  # shown systems that read no personas
    shown: list[PersonaUser]

    @property
    def choices(self) -> list[tuple[int, str]]:
        """The shown users, each with a phrase for the list of users."""
        return [(one.shown.user, count_of(one.persona.events, "training event")) for one in self.shown]


class PersonaViews:
    """Makes the personas and communities of a direction."""

    def __init__(self, data: PersonaTables, history: History, catalogue: Catalogue) -> None:
        self.data, self.history, self.catalogue = data, history, catalogue

    def persona(self, domain: Domain, place: int) -> Persona:
        """The persona in a row of a domain."""
        weights = domain.weights(np.array([place]))[0]
        row = domain.rows.slice(place, 1).select(["text", "events", "confidence"]).to_pylist()[0]
        facets, first = [], 0
        for name, terms in self.data.facets:
            own, usual = weights[first : first + len(terms)], domain.usual[first : first + len(terms)]
            order = np.argsort(-own, kind="stable")[:SHOWN_TERMS]
            facets.append((name, [Term(terms[n], float(own[n]), float(usual[n])) for n in order]))
            first += len(terms)
        typical = typical_terms(weights, domain.usual)
        names = [self.data.terms[n] for n in typical]
        return Persona(
            row["text"], row["events"], row["confidence"], facets, [n for _, n in names[:SHOWN_TRAITS]], set(names)
        )

    def community_terms(self, neighbours: Sequence[int]) -> set[Key]:
        """The terms that are typical of the mean persona of a community."""
        source = self.data.source
        if not neighbours:
            return set()
        mean = source.weights(np.searchsorted(source.users, neighbours)).mean(0)
        return {self.data.terms[n] for n in typical_terms(mean, source.usual)}

    def items(self, user: int, is_target: bool, most: int) -> list[Item]:
        """The items of a user's training events in a domain, at most so many, the latest first."""
        own = slice(self.history.start[user], self.history.training_end[user])
        items = self.history.item[own][self.history.is_target[own] == is_target]
        return [self.catalogue[item] for item in items[::-1][:most].tolist()]

    def neighbour(self, user: int, similarity: float) -> Neighbour:
        """A source user with his persona and his latest items."""
        place = int(np.searchsorted(self.data.source.users, user))
        return Neighbour(user, similarity, self.persona(self.data.source, place), self.items(user, False, SHOWN_LIKED))


def typical_terms(weights: npt.NDArray[np.floating], usual: npt.NDArray[np.floating]) -> list[int]:
    """Terms whose weight is at least TYPICAL times the usual one, by weight times that ratio, the highest first."""
    ratio = np.divide(weights, usual, out=np.zeros_like(weights), where=usual > 0)
    order = np.argsort(-weights * ratio, kind="stable")
    return [int(n) for n in order if ratio[n] >= TYPICAL]


def example_users(
    users: npt.NDArray[np.integer], events: npt.NDArray[np.integer], count: int
) -> npt.NDArray[np.integer]:
    """`count` of the users (or all, if there are fewer), from few to many events: see the module's docstring."""
    order = np.lexsort((users, events))
    count = min(count, len(users))
    return users[order[[(2 * n + 1) * len(users) // (2 * count) for n in range(count)]]] if count else users[:0]


def fusion_of(
    one: Recommender, gate: Gate | None, settings: Mapping[str, Any], systems: Sequence[Recommender]
) -> Fusion:
    """A system that reads personas; `settings` are those of its model."""
    backbone = settings.get("backbone", "")
    return Fusion(
        system=one.name,
        backbone=system_name(backbone) if backbone else "",
        backbone_shown=backbone in {other.run.model for other in systems},
        community=settings.get("community", "nearest"),
        members=settings.get("neighbours", 0),
        weights=gate.weights if gate is not None and len(gate.users) else None,
    )


def reads_personas(one: Recommender) -> bool:
    """Whether a system was trained on personas."""
    return "made_from_personas" in one.run.metadata


def direction_personas(
    history: History,
    interactions: Path,
    catalogue: Catalogue,
    systems: Sequence[Recommender],
    settings: Mapping[str, Mapping[str, Any]],
    folder: Path,
    gates: Mapping[Path, Path],
    count: int,
) -> DirectionPersonas:
    """The personas of `count` target users of a direction, with the systems' lists.

    `settings`: of the models, by name of the run. `folder`: of the personas. `gates`: tables gate_weights.parquet by
    folder of the run. A UserError where a table is of another split or run.
    """
    data = load_persona_tables(folder, history)
    views = PersonaViews(data, history, catalogue)
    readers = [one for one in systems if reads_personas(one)]
    found = {one.name: load_gate(gates[own], one.run) for one in readers if (own := one.run.path.parent) in gates}
    known = np.intersect1d(history.ranked("test")[0], data.target.users)
    places = np.searchsorted(data.target.users, known)
    drawn = example_users(known, data.target.rows["events"].to_numpy()[places], count).tolist()
    users = UserViews(history, timestamps_of(interactions, drawn), catalogue, systems, events=1)
    return DirectionPersonas(
        source=history.meta["source"],
        target=history.meta["target"],
        users=len(known),
        fusions=[fusion_of(one, found.get(one.name), settings.get(one.run.name, {}), systems) for one in readers],
        others=[one.name for one in systems if not reads_personas(one)],
        shown=[persona_user(user, views, users, found) for user in drawn],
    )


def persona_user(user: int, views: PersonaViews, users: UserViews, gates: Mapping[str, Gate]) -> PersonaUser:
    """Everything that the section shows of a target user with a persona."""
    place = views.data.target.place(user)
    assert place is not None
    persona = views.persona(views.data.target, place)
    neighbours, similarity = views.data.community(user)
    pairs = list(zip(neighbours, similarity, strict=True))[:SHOWN_MEMBERS]
    weights = {name: weight for name, gate in gates.items() if (weight := gate.weight(user)) is not None}
    return PersonaUser(
        shown=users.view(user, "", (views.community_terms(neighbours), persona.typical)),
        persona=persona,
        items=views.items(user, True, SHOWN_ITEMS),
        community=[views.neighbour(*pair) for pair in pairs],
        members=len(neighbours),
        similarity=float(np.mean(similarity)) if similarity else None,
        gates=[(name, weight, float((gates[name].weights < weight).mean())) for name, weight in weights.items()],
    )
