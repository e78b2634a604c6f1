"""Persona vectors: each persona's text as a vector of a frozen sentence encoder. Each distinct text is encoded once.

Reads   personas.parquet.
Writes  vectors.parquet: user, domain, vector (unit length, float32), the rows of the personas in their order.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import add_flags, from_flags
from semacdr.semantics.encoder_settings import EncoderOptions, EncoderSettings
from semacdr.semantics.text_encoder import TextEncoder
from semacdr.storage import tables


@dataclass(frozen=True)
class Settings(EncoderSettings):
    """How texts are encoded."""


@dataclass(frozen=True)
class Options(EncoderOptions):
    """Options that change no result, except for the last digits of vectors between devices."""


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--personas", type=Path, required=True, help="personas.parquet")
    cli.add_argument(
        "--known", nargs=2, type=Path, metavar="TABLE", help="other personas and their vectors, whose texts are reused"
    )
    cli.add_argument("--output", type=Path, required=True, help="vectors.parquet")
    add_flags(cli, Settings, Options)
    return cli.parse_args(argv)


def encode(texts: Sequence[str], known: Sequence[Path] | None, settings: Settings, options: Options) -> np.ndarray:
    """(texts, width) their vectors; those of texts that the known tables have are taken from there."""
    found = _known(known, settings.encoder) if known else {}
    new = [text for text in texts if text not in found]
    if new:
        encoder = TextEncoder(settings.encoder, options.device, settings.batch_size, options.threads)
        found |= dict(zip(new, encoder.encode(new), strict=True))
    log.info("%s of %s texts are encoded, the others are known", f"{len(new):,}", f"{len(texts):,}")
    return np.stack([found[text] for text in texts]).astype(np.float32)


def _known(paths: Sequence[Path], encoder: str) -> dict[str, np.ndarray]:
    personas, personas_meta = tables.read(paths[0], "personas")
    vectors, meta = tables.read(paths[1], "persona_vectors")
    tables.check_made_from(paths[1], meta, "persona_vectors", personas=personas_meta)
    if meta.get("encoder") != encoder:
        raise UserError(
            f"{paths[1]}: was made by encoder {meta.get('encoder')}, not {encoder}; run persona_vectors again"
        )
    return dict(zip(personas["text"].to_pylist(), tables.matrix(vectors["vector"]), strict=True))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "persona_vectors")
    options = from_flags(args, Options, "persona_vectors")
    personas, meta = tables.read(args.personas, "personas")
    coded = personas["text"].combine_chunks().dictionary_encode()
    vectors = encode(coded.dictionary.to_pylist(), args.known, settings, options)[coded.indices.to_numpy()]
    table = pa.table({"user": personas["user"], "domain": personas["domain"], "vector": tables.vectors(vectors)})
    meta |= {"encoder": settings.encoder} | tables.made_from(personas=meta)
    tables.write(table, args.output, "persona_vectors", meta)
    log.info("%d vectors of width %d", *vectors.shape)


if __name__ == "__main__":
    run(main)
