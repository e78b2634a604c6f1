"""Simulate a scenario of any size: the tables of the stages before split, for several shares of its users.

    python benchmarks/scale_data.py --output results/scale

The catalogue contains many copies of each of the sample's works. A copy has the work's attributes and year, and a
separate popularity. So an item is drawn in two exact steps: a work, by the simulator's utility with the popularity of
all its copies, then one of the copies by popularity; an event that repeats an item of the user is drawn again. No user
follows a creator here (tie 0), because attachments would need a matrix of users and items. Texts are random vectors,
and categories the works' attributes. The default sizes are those of movie_book in the paper's table 4. A share contains
the first users, and the whole catalogue.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from semacdr.data import simulator
from semacdr.data.simulator import DOMAINS, FIRST_DAY, Items, Parameters, Users
from semacdr.stages.sample import Settings, read_catalogue
from semacdr.storage import tables

ROOT = Path(__file__).parents[1]
META = {"release": "sample", "scenario": "scale", "domains": "book movie"}
NAMES = ("book", "movie")
SHARES = {"quarter": 1 / 4, "half": 1 / 2, "full": 1.0}
WIDTH = 384  # of a text vector, as with the packaged encoder
CHUNK = 8192  # events whose utilities are held at once


def copies(works: Items, counts: Sequence[int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The work and the popularity of each item (books first); every work has at least one item."""
    work, popularity = [], []
    for domain, (count, skew) in enumerate(zip(counts, Parameters.skew, strict=True)):
        own = np.flatnonzero(works.domain == domain)
        if count < len(own):
            raise SystemExit(f"{count} items of {DOMAINS[domain]} are fewer than the catalogue's {len(own)} works")
        work.append(np.append(own, rng.choice(own, count - len(own))))
        popularity.append(-skew * np.log(1 + rng.permutation(count)))
    return np.concatenate(work), np.concatenate(popularity)


def with_totals(events: np.ndarray, totals: Sequence[int], fewest: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of events (users, 2), scaled so that they sum to the totals."""
    for domain, total in enumerate(totals):
        more = events[:, domain] - fewest
        wanted = more * (total - fewest * len(more)) / more.sum()
        more = np.floor(wanted).astype(int)
        more[rng.permutation(len(more))[: total - fewest * len(more) - more.sum()]] += 1
        events[:, domain] = fewest + more
    return events


def draw(
    who: np.ndarray, domain: np.ndarray, day: np.ndarray, works: Items, users: Users, parameters: Parameters,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """(n,) the work that each event takes, by the simulator's utility."""
    chosen = []
    for at in range(0, len(who), CHUNK):
        part = slice(at, at + CHUNK)
        scores = simulator.utility(works, users, parameters, who[part], domain[part], day[part], np.zeros(1))
        chosen.append(np.argmax(scores + rng.gumbel(size=scores.shape), axis=1))
    return np.concatenate(chosen)


def simulate(
    catalogues: list[list[dict]], counts: Sequence[int], user_count: int, totals: Sequence[int], seed: int
) -> tuple[np.ndarray, ...]:
    """User, item, domain and day of every event, and the work of every item."""
    rng = np.random.default_rng(seed)
    given = asdict(Settings()) | {"users": user_count, "seed": seed}
    taste = {"match": 10.0, "block_weights": (1.0, 0.6, 0.5), "skew": (0.6, 0.7), "drift": 0.6}  # not the sample's
    spread = {"activity": 0.5, "habit": 0.6}
    parameters = Parameters(**given, **taste, **spread, lone=0.0, tie=0.0, fewest=3, most=10**6, length=np.log(20))
    works = simulator.make_items(catalogues, parameters, rng)
    work, popularity = copies(works, counts, rng)
    weight = np.bincount(work, np.exp(popularity))
    works = replace(works, popularity=np.log(weight))
    users = simulator.make_users(works, parameters, rng)
    users = replace(users, events=with_totals(users.events, totals, parameters.fewest, rng))
    user, domain, day = simulator.schedule(users, parameters, rng)
    order = np.argsort(work, kind="stable")  # a work's copies next to each other
    bounds = np.append(0, np.cumsum(np.exp(popularity[order])))
    first = np.searchsorted(work[order], np.arange(len(weight)))
    item, again = np.zeros(len(user), int), np.arange(len(user))
    while len(again):
        taken = draw(user[again], domain[again], day[again], works, users, parameters, rng)
        place = np.searchsorted(bounds, bounds[first[taken]] + rng.random(len(again)) * weight[taken], side="right") - 1
        item[again] = order[np.clip(place, first[taken], len(order) - 1)]
        kept = np.zeros(len(user), bool)
        kept[np.unique(user * len(work) + item, return_index=True)[1]] = True
        again = np.flatnonzero(~kept)
    return user, item, domain, day, work


def write(folder: Path, share: float, user_count: int, events: tuple[np.ndarray, ...], catalogue: list[dict]) -> None:
    """The tables of the first users in a folder; items, texts and categories of the whole catalogue."""
    user, item, domain, day, work = events
    chosen = np.flatnonzero(user < round(share * user_count))
    chosen = chosen[np.lexsort((item[chosen], domain[chosen], day[chosen], user[chosen]))]
    start = np.datetime64(FIRST_DAY, "s").astype(int)
    columns = {"user": user[chosen], "item": item[chosen], "domain": np.array(NAMES)[domain[chosen]]}
    interactions = pa.table(columns | {"timestamp": start + 86_400 * day[chosen]})
    tables.write(interactions, folder / "interactions.parquet", "interactions", META)
    names = [f"ITEM{i:06d}" for i in range(len(work))]
    rows = [catalogue[i] for i in work]
    texts = {"item_id": names, "title": names, "brand": [r["creator"] for r in rows], "description": names}
    genres = {"domain": [NAMES[r["domain"]] for r in rows], "categories": [r["genres"] for r in rows]}
    tables.write(pa.table({"item": range(len(work))} | texts | genres), folder / "items.parquet", "items", META)
    vectors = np.random.default_rng(0).normal(size=(len(work), WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = pa.table({"item": range(len(work)), "vector": tables.vectors(vectors)})
    tables.write(texts, folder / "embeddings.parquet", "embeddings", META)
    places = [
        (i, name, value, "planted")
        for i, row in enumerate(rows)
        for name, values in (("Genre", row["genres"]), ("Mood", row["moods"]), ("Audience", [row["audience"]]))
        for value in values
    ]
    agnostic = dict(zip(("item", "category", "subcategory", "provenance"), zip(*places, strict=True), strict=True))
    agnostic = pa.table({name: list(column) for name, column in agnostic.items()})
    tables.write(agnostic, folder / "semantics/agnostic.parquet", "agnostic", META)


def main(argv: Sequence[str] | None = None) -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--users", type=int, default=30_938)
    cli.add_argument("--items", type=int, nargs=2, default=(31_067, 19_975), metavar=("BOOKS", "MOVIES"))
    cli.add_argument("--events", type=int, nargs=2, default=(664_205, 763_301), metavar=("BOOKS", "MOVIES"))
    cli.add_argument("--shares", nargs="+", choices=SHARES, default=list(SHARES))
    cli.add_argument("--seed", type=int, default=2014)
    cli.add_argument("--output", type=Path, required=True, help="folder for the output, with a folder for each share")
    args = cli.parse_args(argv)
    catalogues = [read_catalogue(ROOT / f"resources/sample/{name}.tsv") for name in DOMAINS]
    events = simulate(catalogues, args.items, args.users, args.events, args.seed)
    flat = [work | {"domain": d} for d, catalogue in enumerate(catalogues) for work in catalogue]
    for share in args.shares:
        write(args.output / share, SHARES[share], args.users, events, flat)
    met = np.bincount(events[1], minlength=sum(args.items))
    print(f"{len(events[1]):,} events of {args.users:,} users; {(met == 0).sum():,} of {len(met):,} items have none,"
          f" {(met < 10).sum():,} fewer than 10")  # fmt: skip


if __name__ == "__main__":
    main()
