"""Encode: each item's inner-domain text as a vector of a frozen sentence encoder.

Reads   inner.parquet; and encoded.parquet, the vectors that stage semantics made of the same texts with engine encoder:
        they are taken where encoder and batch size are the same, as each text need not be encoded twice.
Writes  embeddings.parquet: item, vector (unit length, float32), one row an item in order.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.semantics.text_encoder import BATCH_SIZE, PACKAGED, TextEncoder, fingerprint
from semacdr.storage import tables


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--inner", type=Path, required=True)
    cli.add_argument("--encoded", type=Path, help="encoded.parquet of stage semantics; without it all are encoded")
    cli.add_argument("--encoder", default=PACKAGED, help=f"sentence encoder; default {PACKAGED}, which works offline")
    cli.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    cli.add_argument("--device", help="default: cuda where there is one, else cpu")
    cli.add_argument("--threads", type=int, help="default: all CPUs")
    cli.add_argument("--output", type=Path, required=True, help="embeddings.parquet")
    return cli.parse_args(argv)


def there_already(path: Path, texts: list[str], encoder: str, batch_size: int) -> np.ndarray | None:
    """(texts, width) the vectors that stage semantics made of these texts in the same way; None where it did not."""
    table, meta = tables.read(path, "embeddings")
    made = [meta.get(name) for name in ("encoder", "batch_size", "texts")]
    same = len(table) > 0 and made == [encoder, str(batch_size), fingerprint(texts)]
    return tables.matrix(table["vector"]) if same else None


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    inner, meta = tables.read(args.inner, "inner")
    texts = inner["text"].to_pylist()
    vectors = args.encoded and there_already(args.encoded, texts, args.encoder, args.batch_size)
    if vectors is None:
        encoder = TextEncoder(args.encoder, args.device, args.batch_size, args.threads)
        vectors = encoder.encode(texts)
    else:
        log.info("the vectors of stage semantics are taken: the same texts, encoder and batch size")
    if not np.isfinite(vectors).all():
        raise UserError(f"text encoder '{args.encoder}' gave a vector that is not finite")
    table = pa.table({"item": inner["item"], "vector": tables.vectors(vectors)})
    tables.write(table, args.output, "embeddings", meta | {"encoder": args.encoder})
    log.info("%d vectors of width %d", *vectors.shape)


if __name__ == "__main__":
    run(main)
