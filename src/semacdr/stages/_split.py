"""What the stages that split a direction's events have in common."""

import argparse
from pathlib import Path

import polars as pl

from semacdr.errors import UserError
from semacdr.storage import tables

Meta = dict[str, str]


def add_direction(cli: argparse.ArgumentParser) -> None:
    """Add the input tables and the names of the two domains."""
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--source", required=True, help="name of the source domain")
    cli.add_argument("--target", required=True, help="name of the target domain")


def read_direction(args: argparse.Namespace) -> tuple[pl.DataFrame, pl.DataFrame, Meta, Meta]:
    """Interactions and items, the metadata of a split so far, and the digests of what it is made from.

    A UserError if the tables do not belong together or lack a domain.
    """
    interactions, meta = tables.read(args.interactions, "interactions")
    table, items_meta = tables.read(args.items, "items")
    tables.check_made_from(args.items, items_meta, "preprocess", interactions=meta)
    items = pl.DataFrame(table)
    for domain in (args.source, args.target):
        if domain not in set(items["domain"]):
            raise UserError(f"{args.items}: no item of domain '{domain}'; it holds {sorted(set(items['domain']))}")
    made_from = tables.made_from(interactions=meta, items=items_meta)
    return pl.DataFrame(interactions), items, meta | {"source": args.source, "target": args.target}, made_from
