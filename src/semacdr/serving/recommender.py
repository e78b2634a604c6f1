"""The Python interface of a trained run: recommendations, scores and vectors for known users and for new histories."""

import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from semacdr.data.history import NONE
from semacdr.errors import UserError
from semacdr.serving import bundle, places
from semacdr.serving.catalogue import Catalogue, Given
from semacdr.serving.explain import Support
from semacdr.serving.queries import BEFORE_TEST, Asked, Queries, as_of
from semacdr.serving.scoring import Scorer
from semacdr.storage import tables
from semacdr.training.trained import Trained, load_trained

Users = Sequence[str] | Literal["all"]
Histories = Sequence[Sequence[Given]] | Mapping[str, Sequence[Given]] | pl.DataFrame
COLUMNS = {"user_id": pl.String, "place": pl.Int32, "item_id": pl.String, "title": pl.String, "score": pl.Float32}


def load(run: str | Path, device: str | None = "cpu", threads: int = 1) -> "Recommender":
    """The recommender of a run's folder or of a bundle (`semacdr pack`).

    `device` None is cuda if torch sees a GPU, else cpu. A UserError if files are missing, damaged or do not belong
    together.
    """
    path = Path(run)
    if not path.is_file():
        found = places.find(path)
        trained = load_trained(found.tables, path, device, threads)
        return Recommender(trained, found, as_of(trained.history), known=True)
    with tempfile.TemporaryDirectory(prefix="semacdr-") as folder:
        found, time, history = bundle.unpack(path, Path(folder))
        trained = load_trained(found.tables, found.run, device, threads, history)
        return Recommender(trained, found, time, known=history is None)


class Recommender:
    """A trained run, ready to answer. Attributes: model (its name), source and target (domains), as_of.

    `as_of` is "now" for a run that was trained on all events (`final`): its lists for known users follow all their
    events. It is "before_test" for an evaluated run: its lists follow the events before the user's test event.
    """

    def __init__(self, trained: Trained, found: places.Places, as_of: str, known: bool) -> None:
        self.trained, self.as_of = trained, as_of
        self.model, self.meta = trained.system.name, trained.meta
        self.source, self.target = trained.history.meta["source"], trained.history.meta["target"]
        self.catalogue = Catalogue(found.tables.items, self.source, self.target)
        self.scorer = Scorer(trained)
        self._users = pl.DataFrame(tables.read(found.users, "users")[0])["user_id"] if known else None
        agnostic = found.tables.agnostic
        self._support = Support(agnostic, len(self.catalogue.table)) if agnostic and agnostic.is_file() else None

    @property
    def items(self) -> pl.DataFrame:
        """The items of both domains: item_id, domain, title."""
        return self.catalogue.table.drop("item")

    def users(self) -> list[str]:
        """The ids of the users whom `recommend(users="all")` answers for; none in a bundle without histories."""
        return [] if self._users is None else self.understand(users="all").names

    def categories(self, item: int) -> dict[str, list[str]] | None:
        """The subcategories of an item (number) by category; None without the table of shared categories."""
        if self._support is None:
            return None
        found: dict[str, list[str]] = {}
        for category, subcategory in sorted(self._support.own[item]):
            found.setdefault(category, []).append(subcategory)
        return found

    @property
    def serves_unseen_users(self) -> bool:
        """Whether the run can recommend to users who were not in training."""
        return self.trained.model.serves_unseen_users

    def recommend(
        self,
        users: Users | None = None,
        histories: Histories | None = None,
        top: int = 20,
        explain: bool = False,
        keep_seen: bool = False,
        skip_unknown: bool = False,
    ) -> pl.DataFrame:
        """The `top` best target items of each user or history: user_id, place (1 is the best), item_id, title, score.

        `users` are ids of known users, or "all". `histories` are lists of item ids in order of time, by name or in
        order; an id that both domains have is given as (domain, id). Or they are a table with user_id, item_id and
        perhaps domain. A history in a list is named by its number from 1. The user's own items are left out unless
        `keep_seen`. `explain` adds a column with the shared categories that support each item.

        A UserError names an unknown user or item (with `skip_unknown` unknown items are left out), and a model that
        cannot serve unseen users.
        """
        if top < 1:
            raise UserError(f"top must be at least 1, not {top}")
        names, queries = self._queries(users, histories, skip_unknown)
        items, scores = self.scorer.top(queries, top, keep_seen)
        row, place = np.nonzero(scores > -np.inf)
        chosen = items[row, place]
        table = pl.DataFrame(
            {
                "user_id": pl.Series(names, dtype=pl.String).gather(row),
                "place": (place + 1).astype(np.int32),
                "item_id": self.target_items["item_id"].gather(chosen),
                "title": self.target_items["title"].gather(chosen),
                "score": scores[row, place].astype(np.float32),
            }
        )
        return table.with_columns(supported_by=self.supported_by(queries, row, chosen)) if explain else table

    def scores(
        self,
        users: Users | None = None,
        histories: Histories | None = None,
        items: Sequence[str] | None = None,
        skip_unknown: bool = False,
    ) -> pl.DataFrame:
        """The scores of target items, the user's own items included: user_id, item_id, score.

        `items` are ids of the target domain, by default all of them: then there is a row for each user and target item.
        """
        names, queries = self._queries(users, histories, skip_unknown)
        first = self.trained.history.target_items.start
        wanted = [self.catalogue.number((self.target, item)) - first for item in items] if items is not None else None
        columns = np.arange(len(self.target_items)) if wanted is None else np.array(wanted, np.int64)
        parts = [scores[:, columns].float().cpu().numpy() for _, scores in self.scorer.scores(queries)]
        table = np.concatenate(parts) if parts else np.zeros((0, len(columns)), np.float32)
        return pl.DataFrame(
            {
                "user_id": pl.Series(names, dtype=pl.String).gather(np.repeat(np.arange(len(names)), len(columns))),
                "item_id": self.target_items["item_id"].gather(np.tile(columns, len(names))),
                "score": table.ravel(),
            }
        )

    def item_vectors(self) -> pl.DataFrame:
        """The vectors of target items: item_id, title, vector. Inner products with `user_vectors` are the scores.

        A UserError for a model whose scores are no inner products, such as one that counts.
        """
        return _with_vectors(self.target_items.select("item_id", "title"), self.scorer.item_vectors())

    def user_vectors(
        self, users: Users | None = None, histories: Histories | None = None, skip_unknown: bool = False
    ) -> pl.DataFrame:
        """The vectors of users or histories: user_id, vector."""
        names, queries = self._queries(users, histories, skip_unknown)
        return _with_vectors(pl.DataFrame({"user_id": names}), self.scorer.user_vectors(queries))

    @cached_property
    def target_items(self) -> pl.DataFrame:
        """The items of the target domain, in the order of the columns of scores."""
        domain = self.trained.history.target_items
        return self.catalogue.table[domain.start : domain.stop]

    @cached_property
    def _user_numbers(self) -> dict[str, int]:
        return {} if self._users is None else {name: number for number, name in enumerate(self._users)}

    def understand(
        self, users: Users | None = None, histories: Histories | None = None, skip_unknown: bool = False
    ) -> Asked:
        """Whom `recommend` is asked for, by numbers; a UserError unless it is either users or histories."""
        if (users is None) == (histories is None):
            raise UserError("give either users or histories")
        if users is not None:
            return self._of_users(users)
        if not self.serves_unseen_users:
            raise UserError(
                f"{self.model} cannot serve unseen users: with its settings each user has learned parameters; "
                "give ids of known users, or use a system that can (docs/recommend.md)"
            )
        assert histories is not None
        if isinstance(histories, pl.DataFrame):
            histories = _by_user(histories)
        named = (
            histories
            if isinstance(histories, Mapping)
            else dict(zip(map(str, range(1, len(histories) + 1)), histories, strict=True))
        )
        numbers, skipped = self.catalogue.numbers(list(named.values()), skip_unknown)
        return Asked(list(named), None, numbers, skipped)

    def _queries(
        self, users: Users | None, histories: Histories | None, skip_unknown: bool
    ) -> tuple[list[str], Queries]:
        asked = self.understand(users, histories, skip_unknown)
        return asked.names, asked.queries(self.trained.history)

    def _of_users(self, users: Users) -> Asked:
        history = self.trained.history
        if self._users is None:
            raise UserError("this bundle was packed without histories, so it knows no users; give histories")
        if isinstance(users, str) and users != "all":
            raise UserError(f"users must be a list of ids, or 'all', not the text '{users}'")
        if users == "all":
            numbers = np.arange(history.users) if self.as_of == "now" else history.ranked("test")[0]
            return Asked(self._users.gather(numbers).to_list(), numbers.tolist(), None)
        for user in users:
            if user not in self._user_numbers:
                known = f"the {len(self._users):,} users, such as '{self._users[0]}'"
                raise UserError(f"there is no user {user!r} among {known}; for somebody new, give a history")
            if self.as_of == BEFORE_TEST and history.test[self._user_numbers[user]] == NONE:
                raise UserError(
                    f"user '{user}' has no test event, so no list before it; use a run of all events (final)"
                )
        return Asked(list(users), [self._user_numbers[user] for user in users], None)

    def supported_by(self, queries: Queries, row: np.ndarray, chosen: np.ndarray) -> pl.Series:
        """The categories that support the chosen target items (numbers) of the queries `row`, in order of queries."""
        if self._support is None:
            raise UserError("there are no shared categories to explain with: the run has no semantics/agnostic.parquet")
        history, first = queries.history, self.trained.history.target_items.start
        lines: list[str] = []
        bounds = np.searchsorted(row, np.arange(history.users + 1))
        for query in range(history.users):
            events = history.item[history.start[query] : history.test[query]].tolist()
            own = chosen[bounds[query] : bounds[query + 1]] + first
            lines += self._support.lines(events, own.tolist()) if events else [""] * len(own)
        return pl.Series(lines, dtype=pl.String)


def _by_user(table: pl.DataFrame) -> dict[str, list[Given]]:
    """The histories of a table by user, in the order of its rows."""
    for name in ("user_id", "item_id"):
        if name not in table.columns:
            raise UserError(f"a table of histories needs a column '{name}'; it has {', '.join(table.columns)}")
    table = table.with_columns(pl.col("user_id", "item_id").cast(pl.String))
    found: dict[str, list[Given]] = {}
    domains = table["domain"].to_list() if "domain" in table.columns else [None] * len(table)
    for user, item, domain in zip(table["user_id"], table["item_id"], domains, strict=True):
        found.setdefault(user, []).append(item if domain is None else (domain, item))
    return found


def _with_vectors(table: pl.DataFrame, vectors: np.ndarray) -> pl.DataFrame:
    return table.with_columns(pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, vectors.shape[1])))
