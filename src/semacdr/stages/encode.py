"""Encode: each item's inner-domain text as a vector of a frozen sentence encoder.

Reads   inner.parquet; optionally encoded.parquet, the vectors of the same texts that stage semantics made with engine
        encoder. They are reused if encoder and batch size are the same, so no text is encoded twice.
Writes  embeddings.parquet: item, vector (unit length, float32), one row per item in order.

The packaged encoder knows only English. If many texts seem to be in other languages, the log has a warning.
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
from semacdr.semantics.languages import MANY, foreign_texts, languages
from semacdr.semantics.text_encoder import ENGLISH_ONLY, TextEncoder, fingerprint
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
    cli.add_argument("--inner", type=Path, required=True, help="inner.parquet")
    cli.add_argument("--encoded", type=Path, help="encoded.parquet of stage semantics; without it all are encoded")
    cli.add_argument("--output", type=Path, required=True, help="embeddings.parquet")
    add_flags(cli, Settings, Options)
    return cli.parse_args(argv)


def reusable_vectors(path: Path, texts: list[str], settings: Settings) -> np.ndarray | None:
    """(texts, width) vectors that stage semantics made of the same texts with these settings; else None."""
    table, meta = tables.read(path, "embeddings")
    made_with = [meta.get(name) for name in ("encoder", "batch_size", "texts")]
    if not len(table) or made_with != [settings.encoder, str(settings.batch_size), fingerprint(texts)]:
        return None
    vectors = tables.matrix(table["vector"])
    if not np.isfinite(vectors).all():
        raise UserError(f"{path}: holds a vector that is not finite; delete the file and run semantics again")
    return vectors


def check_languages(texts: Sequence[str], encoder: str) -> None:
    """Log the languages of the texts, as a warning where many are not English and the encoder knows only English."""
    found = languages(texts)
    if found.foreign <= MANY or encoder not in ENGLISH_ONLY:
        log.info("languages of %s texts, roughly: %s", f"{found.texts:,}", found)
        return
    log.warning("%s", foreign_texts(found))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings, options = from_flags(args, Settings, "encode"), from_flags(args, Options, "encode")
    inner, meta = tables.read(args.inner, "inner")
    texts = inner["text"].to_pylist()
    check_languages(texts, settings.encoder)
    vectors = reusable_vectors(args.encoded, texts, settings) if args.encoded else None
    if vectors is None:
        encoder = TextEncoder(settings.encoder, options.device, settings.batch_size, options.threads)
        vectors = encoder.encode(texts)
    else:
        log.info("the vectors of stage semantics are used: the same texts, encoder and batch size")
    table = pa.table({"item": inner["item"], "vector": tables.vectors(vectors)})
    meta = meta | {"encoder": settings.encoder} | tables.made_from(inner=meta)
    tables.write(table, args.output, "embeddings", meta)
    log.info("%d vectors of width %d", *vectors.shape)


if __name__ == "__main__":
    run(main)
