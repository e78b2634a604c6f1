"""Sample: the packaged catalogue of books and films with simulated users, written as raw files of the 2014 release.

Reads   the two catalogues: tab-separated title, creator, year, genres, moods, audience, description.
Writes  reviews_Books.json.gz, meta_Books.json.gz, reviews_Movies_and_TV.json.gz, meta_Movies_and_TV.json.gz; and
        planted/users.parquet, planted/items.parquet, planted/settings.json: the hidden tastes and attributes, for
        tests. No stage reads planted/, and the metadata contain neither moods nor audience.

Books and films are real; users, reviews and ratings are simulated, and every id and text says so. The user model
is in semacdr.data.simulator. The same catalogues, settings and seed give the same bytes.
"""

import argparse
import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl

from semacdr.data import simulator
from semacdr.data.simulator import AUDIENCES, FIRST_DAY, GENRES, MOODS, Events, Items, Parameters, Users
from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Bounds, Natural, Share, add_flags, from_flags, setting
from semacdr.storage import files

COLUMNS = ["title", "creator", "year", "genres", "moods", "audience", "description"]

FILES = ("Books", "Movies_and_TV")
ROOTS = (["Books", "Literature"], ["Movies & TV", "Movies"])
IDS = ("SAMPLEB", "SAMPLEF")
WORDS = {  # the name of a genre in each domain
    "adventure": ("Action & Adventure", "Adventure"),
    "biography": ("Biographies & Memoirs", "Biopics"),
    "comedy": ("Humor & Satire", "Comedy"),
    "crime": ("Crime Fiction", "Crime & Gangsters"),
    "drama": ("Literary Fiction", "Drama"),
    "family": ("Family Reading", "Kids & Family"),
    "fantasy": ("Fantasy Fiction", "Fantasy"),
    "historical": ("History & Historical Fiction", "Period Pieces"),
    "horror": ("Horror & Ghost Stories", "Horror"),
    "mystery": ("Mystery & Detective", "Mystery"),
    "romance": ("Love Stories", "Romance"),
    "science fiction": ("Science Fiction", "Sci-Fi"),
    "thriller": ("Suspense & Spy Novels", "Thrillers"),
    "war": ("War Stories", "Military & War"),
    "western": ("Western Novels", "Westerns"),
}


@dataclass(frozen=True)
class Settings:
    """The settings of the simulation; the other parameters are in semacdr.data.simulator.Parameters."""

    users: Annotated[int, Bounds(50)] = setting(400, "simulated users who are in both domains")
    seed: Natural = setting(2014, "seed of the simulation")
    transfer: Share = setting(0.8, "share of a user's taste that is the same in both domains")


def read_catalogue(path: Path) -> list[dict[str, Any]]:
    """The works of a catalogue, with genres and moods as lists; a UserError names the line that is not valid."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: the catalogue cannot be read: {error}") from error
    if not lines or lines[0].split("\t") != COLUMNS:
        raise UserError(f"{path}: the first line must name the columns {', '.join(COLUMNS)}, separated by tabs")
    works = [_work(line.split("\t"), f"{path}, line {number}") for number, line in enumerate(lines[1:], 2)]
    if not works:
        raise UserError(f"{path}: the catalogue has no work")
    seen = set()
    for number, work in enumerate(works, 2):
        key = work["title"], work["creator"]
        if key in seen:
            raise UserError(f"{path}, line {number}: '{key[0]}' by {key[1]} occurs twice")
        seen.add(key)
    return works


def _work(fields: list[str], where: str) -> dict[str, Any]:
    if len(fields) != len(COLUMNS) or not all(fields):
        raise UserError(f"{where}: needs {len(COLUMNS)} fields separated by tabs, none empty")
    work: dict[str, Any] = dict(zip(COLUMNS, fields, strict=True))
    if not (work["year"].isdecimal() and 1 <= int(work["year"]) < 9999):
        raise UserError(f"{where}: the year '{work['year']}' is not a year")
    work |= {"year": int(work["year"]), "genres": work["genres"].split("|"), "moods": work["moods"].split("|")}
    for column, known in (("genres", GENRES), ("moods", MOODS), ("audience", AUDIENCES)):
        names = work[column] if isinstance(work[column], list) else [work[column]]
        if unknown := set(names) - set(known):
            raise UserError(f"{where}: unknown {column} {sorted(unknown)}; known are {', '.join(known)}")
    return work


def categories(genres: Sequence[str], domain: int) -> list[list[str]]:
    """The category paths of a work, with its domain's names (0 books, 1 films)."""
    return [[*ROOTS[domain], WORDS[genre][domain]] for genre in genres]


def metadata_lines(works: list[dict[str, Any]], ids: list[str], domain: int) -> Iterable[str]:
    """Yield one Python literal for each work, as in the release of 2014, without year, moods and audience."""
    for item, work in zip(ids, works, strict=True):
        yield repr(
            {
                "asin": item,
                "title": work["title"],
                "brand": work["creator"],
                "categories": categories(work["genres"], domain),
                "description": work["description"],
            }
        )


def review_lines(events: Events, chosen: np.ndarray, works: list[dict[str, Any]], ids: list[str]) -> Iterable[str]:
    """Yield one JSON object for each of the chosen events, ordered by item, day and user."""
    order = chosen[np.lexsort((events.user[chosen], events.day[chosen], events.item[chosen]))]
    columns = (events.user, events.item, events.day, events.rating, events.again)
    for user, item, day, rating, again in zip(*(column[order].tolist() for column in columns), strict=True):
        when = FIRST_DAY + timedelta(day)
        title, creator = works[item]["title"], works[item]["creator"]
        yield json.dumps(
            {
                "reviewerID": user_id(user),
                "asin": ids[item],
                "reviewerName": f"Simulated person {user + 1}",
                "helpful": [0, 0],
                "reviewText": f"A simulated review: no one wrote it. Simulated person {user + 1} gave {title} by "
                f"{creator} {rating} of 5{', for the second time' if again else ''}.",
                "overall": float(rating),
                "summary": f"Simulated review, {rating} of 5",
                "unixReviewTime": 86400 * (when - date(1970, 1, 1)).days,
                "reviewTime": f"{when:%m} {when.day}, {when.year}",
            },
            ensure_ascii=False,
        )


def user_id(user: int) -> str:
    """The reviewerID of a user; ids are numbered from 1."""
    return f"SAMPLE-P{user + 1:05d}"


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a gzip file without timestamp and name, so that the same lines give the same bytes."""
    files.write_bytes(path, gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))
    log.info("wrote %s", path)


def write_planted(
    folder: Path, works: list[dict[str, Any]], ids: list[str], items: Items, users: Users, parameters: Parameters
) -> None:
    """Write the hidden tastes of the users, attributes of the items, and parameters, for tests."""
    tied = [[ids[j] for j in np.flatnonzero(row)] for row in items.ties]
    planted_items = pl.DataFrame(
        {
            "asin": ids,
            "domain": [simulator.DOMAINS[d] for d in items.domain],
            "genres": [work["genres"] for work in works],
            "moods": [work["moods"] for work in works],
            "audience": [work["audience"] for work in works],
            "popularity": items.popularity,
            "era": items.era,
            "tied": pl.Series(tied, dtype=pl.List(pl.String)),
        }
    )
    planted_users = pl.DataFrame(
        {
            "reviewerID": [user_id(user) for user in range(len(users.era))],
            "events_books": users.events[:, 0],
            "events_films": users.events[:, 1],
            "era": users.era,
            "shared": pl.Series(users.shared.tolist(), dtype=pl.List(pl.List(pl.Float64))),  # half years, attributes
            "own_books": pl.Series(users.own[:, 0].tolist(), dtype=pl.List(pl.Float64)),
            "own_films": pl.Series(users.own[:, 1].tolist(), dtype=pl.List(pl.Float64)),
        }
    )
    for name, frame in (("items", planted_items), ("users", planted_users)):
        with files.replacing(folder / f"{name}.parquet") as path:
            frame.write_parquet(path)
    first, half_year = FIRST_DAY.isoformat(), simulator.HALF_YEAR
    text = asdict(parameters) | {"attributes": simulator.ATTRIBUTES, "first_day": first, "half_year_days": half_year}
    files.write_json(folder / "settings.json", text, indent=1)


def write_release(
    output: Path,
    catalogues: list[list[dict[str, Any]]],
    parameters: Parameters,
    items: Items,
    users: Users,
    events: Events,
) -> None:
    """Write the raw files of both domains, and the folder planted/."""
    works = catalogues[0] + catalogues[1]
    ids = [f"{name}{n:03d}" for name, part in zip(IDS, catalogues, strict=True) for n in range(1, len(part) + 1)]
    for domain, name in enumerate(FILES):
        here = np.flatnonzero(items.domain == domain)
        lines = metadata_lines([works[i] for i in here], [ids[i] for i in here], domain)
        write_lines(output / f"meta_{name}.json.gz", lines)
        chosen = np.flatnonzero(items.domain[events.item] == domain)
        write_lines(output / f"reviews_{name}.json.gz", review_lines(events, chosen, works, ids))
    write_planted(output / "planted", works, ids, items, users, parameters)
    log.info("%d simulated users, %d reviews (seed %d)", len(users.era), len(events.item), parameters.seed)


def simulate(catalogues: list[list[dict[str, Any]]], parameters: Parameters) -> tuple[Items, Users, Events]:
    """Simulate items, users and their events for the works of the two catalogues."""
    rng = np.random.default_rng(parameters.seed)
    items = simulator.make_items(catalogues, parameters, rng)
    for domain, name in enumerate(simulator.DOMAINS):
        ready = int(((items.domain == domain) & (items.day <= 0)).sum())
        if ready < parameters.most:
            raise UserError(
                f"the catalogue of {name} has {ready} works published before {FIRST_DAY.year}; a user may take up to "
                f"{parameters.most}, so it needs at least as many"
            )
    users = simulator.make_users(items, parameters, rng)
    return items, users, simulator.simulate(items, users, parameters, rng)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--books", type=Path, required=True, help="catalogue of the books")
    cli.add_argument("--films", type=Path, required=True, help="catalogue of the films")
    cli.add_argument("--output", type=Path, required=True, help="folder for the raw files and planted/")
    add_flags(cli, Settings)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "sample")
    parameters = Parameters(**asdict(settings))
    catalogues = [read_catalogue(args.books), read_catalogue(args.films)]
    write_release(args.output, catalogues, parameters, *simulate(catalogues, parameters))


if __name__ == "__main__":
    run(main)
