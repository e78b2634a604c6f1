"""Answers: list, export, import or check a store of a language model's answers.

Reads   a store (SQLite); for import also Parquet files or other stores.
Writes  for export a Parquet file; for import the store.

list      models, number of answers, tokens
export    all answers, or those of a model, to Parquet
import    answers from Parquet files and other stores; answers that the store already has are kept
check     find damage to the file and unreadable answers; exit status 1 if there are any
"""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from semacdr.errors import UserError
from semacdr.llm.store import AnswerStore, export_answers, import_answers
from semacdr.runtime.cli import log, parser, run


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    cli = parser(__doc__)
    cli.add_argument("action", choices=["list", "export", "import", "check"])
    cli.add_argument("files", type=Path, nargs="*", help="export: the Parquet file to write; import: what to add")
    cli.add_argument("--store", type=Path, required=True, help="the SQLite file")
    cli.add_argument("--model", help="export: only its answers")
    args = cli.parse_intermixed_args(argv)  # files may come before or after the options
    if args.action == "export" and len(args.files) != 1:
        cli.error("export takes one file")
    if args.action == "import" and not args.files:
        cli.error("import takes one file or more")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = arguments(argv)
    if args.action != "import" and not args.store.exists():
        raise UserError(f"{args.store}: no such store of answers")
    with AnswerStore(args.store) as store:
        if args.action == "list":
            names = ("model", "weights", "answers", "prompt_tokens", "completion_tokens", "first", "last")
            print("\t".join(names))
            for row in store.models():
                times = {name: datetime.fromtimestamp(row[name], UTC).isoformat() for name in ("first", "last")}
                print("\t".join(str((row | times)[name]) for name in names))
        elif args.action == "export":
            log.info("%d answers written to %s", export_answers(store.rows(args.model), args.files[0]), args.files[0])
        elif args.action == "import":
            for path in args.files:
                log.info("%s: %d answers were new", path, import_answers(store, path))
        elif wrong := store.check():
            raise UserError(f"{args.store}: {len(wrong)} faults:\n" + "\n".join(wrong[:20]))
        else:
            log.info("%s: no fault", args.store)


if __name__ == "__main__":
    run(main)
