"""Bring one raw file of the Amazon reviews (releases 2014, 2018, 2023) to the name under which the stages look for it.

Reads   with --source local: the category's gzip file in --folder, under any name that a release gives it;
        with --source download: the release's known address or --url, and RELEASE/NAME.sha256 in --checksums.
Writes  --output: a symbolic link to the local file, or the file downloaded. A download grows in OUTPUT.part, with what
        the server said of it in OUTPUT.part.json; stopped at any moment, it goes on from there at the next run. With
        --checksums a first download leaves its sha256 in RELEASE/NAME.sha256, and later ones must match it.
"""

import hashlib
import logging
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from semacdr.data.download import download, forget, place, size_of, write_whole
from semacdr.errors import UserError
from semacdr.runtime.cli import parser, run

log = logging.getLogger("semacdr")

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


def local_names(category: str, kind: str) -> list[str]:
    """The names that the releases give a category's file of a kind, those of all reviews before the 5-core's."""
    if kind == "meta":
        return [f"meta_{category}.json.gz", f"meta_{category}.jsonl.gz"]
    names = ["reviews_{}.json.gz", "{}.json.gz", "{}.jsonl.gz", "reviews_{}_5.json.gz", "{}_5.json.gz"]
    return [name.format(category) for name in names]


def find_local(folder: Path, category: str, kind: str) -> Path:
    """The category's file in the folder, the first of local_names; a UserError if there is none."""
    names = local_names(category, kind)
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        raise UserError(f"{folder}: no {kind} file of {category} there; looked for {', '.join(names)}")
    if len(found) > 1:
        log.warning("%s is taken; beside it lies %s", found[0], ", ".join(path.name for path in found[1:]))
    return found[0]


def link_local(source: Path, output: Path) -> None:
    """Make `output` a symbolic link to the source's real path; a UserError if the source is not a gzip file."""
    with source.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            raise UserError(f"{source}: not a gzip file (it does not start with the bytes 1f 8b)")
    if source.resolve() == output.parent.resolve() / output.name:
        return  # it lies where it belongs; a link would replace it and lead to itself
    # A link, not a copy, since these files take gigabytes. Made aside, so that at no moment there is none.
    aside = Path(f"{output}.link")
    aside.unlink(missing_ok=True)
    aside.symlink_to(source.resolve())
    aside.replace(output)


def url_of(release: str, category: str, kind: str, url: str | None = None) -> str:
    """The address to download: `url` or the release's known one, its {category} filled in; a UserError if neither."""
    if url is None and release not in URLS:
        raise UserError(f"--url is needed: no address is known for release {release}, only for {', '.join(URLS)}")
    return (url or URLS[release][kind]).replace("{category}", category)


def fetch(url: str, output: Path, attempts: int = 5, timeout: float = 30.0, record: Path | None = None) -> str:
    """Download a gzip file to `output` and return its sha256; only a whole one that fits `record` gets that name.

    A UserError where the server refuses, after `attempts` in a row without progress (the .part stays and the next run
    resumes it), or where what arrived is no whole gzip file or does not match the record (the .part is removed).
    """
    part = Path(f"{output}.part")
    inherited = size_of(part) > 0
    download(url, part, attempts, timeout)
    try:
        sha256 = gzip_sha256(part)
    except UserError as error:
        forget(part)
        if inherited:  # what an earlier run left may have suffered when it was cut off; the next bytes are all new
            log.warning("%s; an earlier run had begun it, start over", error)
            return fetch(url, output, attempts, timeout, record)
        mend = "resuming could not mend it, so it is removed; run again, or check what the address gives"
        raise UserError(f"{url}: what arrived is bad: {error}; {mend}") from error
    if record:
        _hold(record, sha256, part, output.name)
    place(part, output)
    return sha256


def gzip_sha256(path: Path) -> str:
    """The sha256 of a gzip file's bytes; a UserError if it does not decompress to its end, where its CRC stands."""
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
    """Run a chunk through; the decompressor of the member in which it ends, or which it ends."""
    while True:
        if member.eof:
            chunk = chunk.lstrip(b"\0")  # what may follow a member: zeros that fill a block, another member
            member = zlib.decompressobj(wbits=31) if chunk else member
        if not chunk:
            return member
        member.decompress(chunk)
        chunk = member.unused_data


def _hold(record: Path, sha256: str, part: Path, name: str) -> None:
    """Compare with the record, or make it; a UserError where they differ (the .part is removed) or it has no sha256."""
    if not record.exists():
        record.parent.mkdir(parents=True, exist_ok=True)
        write_whole(record, f"{sha256}  {name}\n")
        log.info("%s: sha256 %s is recorded and held from now on", record, sha256)
        return
    expected = record.read_text().lower().split(maxsplit=1)[:1]
    if not expected or not re.fullmatch("[0-9a-f]{64}", expected[0]):
        raise UserError(f"{record}: not a line of sha256sum; mend it, or delete it to record the next download")
    if expected[0] != sha256:
        forget(part)
        mend = "the download is removed; if the publisher really changed the file, delete the record and run again"
        raise UserError(f"{name}: {record} expects sha256 {expected[0]}, got {sha256}; {mend}")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage on the arguments; a UserError where an argument, the file or the server is wrong."""
    args = parser(__doc__)
    args.add_argument("--source", choices=["local", "download"], required=True)
    args.add_argument("--release", required=True, help=f"its name; addresses are known for {', '.join(URLS)}")
    args.add_argument("--category", required=True, help="as the release writes it, e.g. Movies_and_TV")
    args.add_argument("--kind", choices=["reviews", "meta"], required=True)
    args.add_argument("--output", type=Path, required=True, help="the raw file's final name")
    args.add_argument("--folder", type=Path, help="where the local files lie")
    args.add_argument("--url", help="address to download instead of the release's own; may contain {category}")
    args.add_argument("--checksums", type=Path, help="folder of the recorded sha256, with a folder for each release")
    args.add_argument("--attempts", type=int, default=5, help="give up after as many without progress (default: 5)")
    args.add_argument("--timeout", type=float, default=30.0, help="seconds of silence that end one (default: 30)")
    options = args.parse_args(argv)
    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        if options.source == "local":
            if options.folder is None:
                raise UserError("--source local needs --folder, where the release's files lie")
            link_local(find_local(options.folder, options.category, options.kind), options.output)
        else:
            url = url_of(options.release, options.category, options.kind, options.url)
            name = f"{options.output.name}.sha256"
            record = options.checksums / options.release / name if options.checksums else None
            sha256 = fetch(url, options.output, options.attempts, options.timeout, record)
            log.info("%s: sha256 %s", options.output, sha256)
    except OSError as error:  # no right to write, no space left, an output that is a folder
        raise UserError(f"{options.output}: {error}") from error


if __name__ == "__main__":
    run(main)
