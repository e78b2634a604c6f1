"""Raw: provide one raw file of the Amazon reviews (releases 2014, 2018, 2023) under the name that the stages read.

Reads   with --source local: the category's gzip file in --folder, under any name that a release gives it;
        with --source download: the same in --inbox/RELEASE, if it is there; otherwise the release's known address or
        --url, and RELEASE/NAME.sha256 in --checksums.
Writes  --output: a symbolic link to the local file, or the downloaded file. A download is written to OUTPUT.part, with
        the server's headers in OUTPUT.part.json, and is resumed by the next run if it was interrupted. The first
        download records its sha256 in RELEASE/NAME.sha256, and later ones must match it.

Files in --folder and --inbox are only read and linked; nothing changes or deletes them.
"""

import argparse
import hashlib
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from semacdr.data.download import discard, download, finish, size_of
from semacdr.data.local import files_of, find_local
from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.storage.files import replacing, write_text, writing_to

SNAP = "http://snap.stanford.edu/data/amazon/productGraph/categoryFiles"
UCSD = "https://mcauleylab.ucsd.edu/public_datasets/data"
URLS = {
    "amazon2014": {
        "reviews": f"{SNAP}/reviews_{{category}}.json.gz",
        "meta": f"{SNAP}/meta_{{category}}.json.gz",
    },
    "amazon2018": {
        "reviews": f"{UCSD}/amazon_v2/categoryFiles/{{category}}.json.gz",
        "meta": f"{UCSD}/amazon_v2/metaFiles2/meta_{{category}}.json.gz",
    },
    "amazon2023": {
        "reviews": f"{UCSD}/amazon_2023/raw/review_categories/{{category}}.jsonl.gz",
        "meta": f"{UCSD}/amazon_2023/raw/meta_categories/meta_{{category}}.jsonl.gz",
    },
}
CHUNK = 1 << 16  # gzip expands a chunk at most a thousandfold, so checking one stays below 70 MB


def link_local(source: Path, output: Path) -> None:
    """Make `output` a symbolic link to the source's real path; a UserError if the source is not a gzip file."""
    with source.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            raise UserError(f"{source}: not a gzip file (it does not start with the bytes 1f 8b)")
    if source.resolve() == output.parent.resolve() / output.name:
        return  # it is in place already; a link would replace it and point to itself
    with replacing(output) as temporary:  # a link and not a copy, as these files take gigabytes
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(source.resolve())


def url_of(release: str, category: str, kind: str, url: str | None = None) -> str:
    """The address to download: `url` or the release's known one, its {category} filled in; a UserError if neither."""
    if url is None and release not in URLS:
        raise UserError(f"--url is needed: no address is known for release {release}, only for {', '.join(URLS)}")
    return (url or URLS[release][kind]).replace("{category}", category)


def fetch(url: str, output: Path, attempts: int = 5, timeout: float = 30.0, record: Path | None = None) -> str:
    """Download a gzip file to `output` and return its sha256, if it is undamaged and matches the recorded one.

    A UserError if the server refuses, after `attempts` attempts in a row without progress (the .part is kept and the
    next run resumes it), or if the file is not a complete gzip file or does not match `record` (the .part is removed).
    """
    part = Path(f"{output}.part")
    resumed = size_of(part) > 0
    download(url, part, attempts, timeout)
    try:
        sha256 = gzip_sha256(part)
    except UserError as error:
        discard(part)
        if resumed:  # the part from an earlier run may be damaged where it was cut off
            log.warning("%s; the part came from an earlier run; starting over", error)
            return fetch(url, output, attempts, timeout, record)
        raise UserError(
            f"{url}: the downloaded file is damaged: {error}; it is removed; run again, or check the address"
        ) from error
    if record and record.exists():
        try:
            check_record(record, sha256, output.name)
        except UserError:
            discard(part)
            raise
    elif record:
        write_text(record, f"{sha256}  {output.name}\n", durable=True)
        log.info("%s: sha256 %s is recorded; later downloads must match it", record, sha256)
    finish(part, output)
    return sha256


def gzip_sha256(path: Path) -> str:
    """The sha256 of a gzip file's bytes; a UserError if it is damaged or incomplete (its CRC is checked)."""
    sha256, member = hashlib.sha256(), zlib.decompressobj(wbits=31)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            try:
                member = _decompress(member, chunk)
            except zlib.error as error:
                raise UserError(f"{path}: not a gzip file, or a corrupt one ({error})") from error
    if not member.eof:
        raise UserError(f"{path}: a truncated gzip file of {size_of(path):,} bytes")
    return sha256.hexdigest()


def _decompress(member: "zlib._Decompress", chunk: bytes) -> "zlib._Decompress":
    """Decompress a chunk; returns the decompressor of the gzip member in which the chunk ends."""
    while True:
        if member.eof:
            chunk = chunk.lstrip(b"\0")  # a member may be followed by zeros that fill a block, and by another member
            member = zlib.decompressobj(wbits=31) if chunk else member
        if not chunk:
            return member
        member.decompress(chunk)
        chunk = member.unused_data


def check_record(record: Path, sha256: str, name: str) -> None:
    """Compare a file's sha256 with its record; a UserError if they differ or the record holds no sha256."""
    expected = record.read_text().lower().split(maxsplit=1)[:1]
    if not expected or not re.fullmatch("[0-9a-f]{64}", expected[0]):
        raise UserError(f"{record}: not a line of sha256sum; correct it, or delete it to record the next download")
    if expected[0] != sha256:
        raise UserError(
            f"{name}: {record} expects sha256 {expected[0]}, but the file has {sha256}; it is not used. If the "
            "publisher has changed the file, delete the record and run again"
        )


def provide(args: argparse.Namespace) -> None:
    """Link the local file or the one in the inbox, or download it."""
    if args.source == "local":
        if args.folder is None:
            raise UserError("--source local needs --folder, the folder of the release's files")
        link_local(find_local(args.folder, args.category, args.kind, args.release), args.output)
        return
    record = args.checksums / args.release / f"{args.output.name}.sha256" if args.checksums else None
    inbox = args.inbox / args.release if args.inbox else None
    if inbox and files_of(inbox, args.category, args.kind, args.release):
        source = find_local(inbox, args.category, args.kind, args.release)
        if record and record.exists():
            check_record(record, gzip_sha256(source), str(source))
        link_local(source, args.output)
        log.info("%s is linked to %s; nothing is downloaded", args.output, source)
        return
    url = url_of(args.release, args.category, args.kind, args.url)
    try:
        sha256 = fetch(url, args.output, args.attempts, args.timeout, record)
    except UserError as error:
        advice = f"; or put the file, downloaded otherwise, into {inbox}/" if inbox else ""
        raise UserError(f"{error}{advice}") from error
    log.info("%s: sha256 %s", args.output, sha256)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--source", choices=["local", "download"], required=True)
    cli.add_argument("--release", required=True, help=f"the release's name; addresses are known for {', '.join(URLS)}")
    cli.add_argument("--category", required=True, help="as the release writes it, e.g. Movies_and_TV")
    cli.add_argument("--kind", choices=["reviews", "meta"], required=True)
    cli.add_argument("--output", type=Path, required=True, help="the raw file's final name")
    cli.add_argument("--folder", type=Path, help="folder of the local files")
    cli.add_argument("--inbox", type=Path, help="folder with a folder for each release: files there are not downloaded")
    cli.add_argument("--url", help="address to download instead of the release's own; may contain {category}")
    cli.add_argument("--checksums", type=Path, help="folder of the recorded sha256, with a folder for each release")
    cli.add_argument("--attempts", type=int, default=5, help="attempts in a row without progress before giving up")
    cli.add_argument("--timeout", type=float, default=30.0, help="seconds without data that end an attempt")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    with writing_to(args.output):
        args.output.parent.mkdir(parents=True, exist_ok=True)
        provide(args)


if __name__ == "__main__":
    run(main)
