"""Encode: each item's inner-domain text as a vector of a frozen sentence encoder.

Reads   inner.parquet.
Writes  embeddings.parquet: item, vector (unit length, float32), one row an item in order.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from semacdr import tables
from semacdr.cli import log, parser, run
from semacdr.errors import UserError
from semacdr.text_encoder import PACKAGED, TextEncoder


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--inner", type=Path, required=True)
    cli.add_argument("--encoder", default=PACKAGED, help=f"sentence encoder; default {PACKAGED}, which works offline")
    cli.add_argument("--batch-size", type=int, default=64)
    cli.add_argument("--device", help="default: cuda where there is one, else cpu")
    cli.add_argument("--threads", type=int, help="default: all CPUs")
    cli.add_argument("--output", type=Path, required=True, help="embeddings.parquet")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    inner, meta = tables.read(args.inner, "inner")
    encoder = TextEncoder(args.encoder, args.device, args.batch_size, args.threads)
    vectors = encoder.encode(inner["text"].to_pylist())
    if not np.isfinite(vectors).all():
        raise UserError(f"text encoder '{args.encoder}' gave a vector that is not finite")
    table = pa.table({"item": inner["item"], "vector": tables.vectors(vectors)})
    tables.write(table, args.output, "embeddings", meta | {"encoder": args.encoder})
    log.info("%d vectors of width %d", *vectors.shape)


if __name__ == "__main__":
    run(main)
