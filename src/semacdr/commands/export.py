"""Export the vectors of items and users of a trained run, and an index to search them.

Reads   RUN: the folder of a trained run, or a bundle of `semacdr pack`.
Writes  FOLDER/items.parquet: item_id, title, vector (float32), one row for each item of the target domain.
        FOLDER/users.parquet: user_id, vector, one row for each known user; not for a bundle without histories.
        FOLDER/export.json: model, as_of, dimension, provenance.
        FOLDER/index.faiss with --index faiss: an exact index of inner products; its number n is row n of items.parquet.

The inner product of a user's and an item's vector is the score. So the nearest items of a user are the recommendations
with the user's own items among them (`semacdr recommend --keep-seen`). Vectors of new histories:
`semacdr.load(RUN).user_vectors(histories=…)`. Some models have no vectors, such as those that count
(docs/recommend.md).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from semacdr.runtime.cli import log, parser
from semacdr.serving.export import export
from semacdr.serving.recommender import load


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    cli = parser(__doc__)
    cli.add_argument("run", type=Path, metavar="RUN", help="folder of a trained run, or a bundle")
    cli.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    cli.add_argument("--index", choices=["faiss"], help="write an index; needs pip install semacdr[index]")
    cli.add_argument("--device", default="cpu", help="default: cpu")
    cli.add_argument("--threads", type=int, default=1, help="threads of torch (default 1)")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = arguments(argv)
    about = export(load(args.run, args.device, args.threads), args.output, args.index == "faiss")
    log.info(
        "%s: vectors of %s items and %s users, dimension %d",
        args.output, f"{about['items']:,}", f"{about['users']:,}", about["dimension"],
    )  # fmt: skip
