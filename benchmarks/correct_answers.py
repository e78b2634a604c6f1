"""Correct recorded descriptions by hand: replace the texts of a language model's answers and mark them as corrected.

    python benchmarks/correct_answers.py --items results/movie_book/items.parquet --words 40 \
      --corrections resources/sample/corrections.tsv --answers resources/sample/answers.parquet

Reads   items.parquet; the corrections: tab-separated item_id and text; the answers, which must be of one model.
Writes  the answers, with new texts for the first request about each item of the corrections. They keep model and date,
        and say `corrected`; stage semantics writes that into the provenance. All other answers stay as they are.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from semacdr.errors import UserError
from semacdr.llm.prompts import Prompt
from semacdr.llm.requests import Answer, Asking, Request
from semacdr.semantics.llm_engine import NAMES, Engine
from semacdr.semantics.quality import prose
from semacdr.stages.semantics import Settings
from semacdr.storage import files, tables, tsv


class Keys:
    """An asker that asks nothing and notes the key of each request."""

    def __init__(self) -> None:
        self.found: dict[int, bytes] = {}

    def answers(
        self, indices: Iterable[int], build: Callable[[int], Request], again: bool = False
    ) -> Iterator[tuple[int, Answer]]:
        self.found |= {index: build(index).key for index in indices}
        return iter(())


def keys_of(items: pa.Table, prompt: Path, asking: Asking, words: int) -> dict[str, bytes]:
    """By item id, the key of the first request for the item's description."""
    keys, settings = Keys(), Settings()
    rows = tables.Rows(items)
    engine = Engine(rows, keys, asking, 1, settings.max_characters, settings.max_subcategories)
    engine.describe(Prompt(prompt, NAMES["inner"]), words, sifted=False)
    return {rows[index]["item_id"]: key for index, key in keys.found.items()}


def corrected(text: str, item: str, words: int) -> str:
    """The answer with a corrected text, as JSON; a UserError if the stage would not take the text as it is."""
    answer = Answer(text=text, finish="stop", corrected=True)
    kept, why = prose(answer, words)
    if kept != text:
        raise UserError(f"{item}: the corrected text is not usable ({why or 'it would be changed'}): {text}")
    return msgspec.json.encode(answer).decode()


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--items", "--corrections", "--answers"):
        cli.add_argument(name, type=Path, required=True)
    cli.add_argument("--words", type=int, required=True, help="semantics.llm.max_words of the recorded requests")
    cli.add_argument("--prompt", type=Path, default=Path("resources/prompts/inner.txt"))
    args = cli.parse_args()
    table, _ = tables.read(args.answers, "answers")
    models = {(row["model"], row["weights"]) for row in table.select(["model", "weights"]).to_pylist()}
    if len(models) != 1:
        raise UserError(f"{args.answers}: has the answers of {len(models)} models, not of one")
    asking = Asking(*models.pop(), parameters={"temperature": 0})
    keys = keys_of(tables.read(args.items, "items")[0], args.prompt, asking, args.words)
    rows = tsv.read(args.corrections, ("item_id", "text"))
    texts = {keys[row["item_id"]]: corrected(row["text"], row["item_id"], args.words) for row in rows}
    stored = table["key"].to_pylist()
    if missing := len(texts.keys() - set(stored)):
        raise UserError(f"{args.answers}: has no answer to {missing} of the requests; were items or prompts changed?")
    answers = [texts.get(key, old) for key, old in zip(stored, table["answer"].to_pylist(), strict=True)]
    column = pa.array(answers, table.schema.field("answer").type)
    table = table.set_column(table.schema.get_field_index("answer"), "answer", column)
    with files.replacing(args.answers) as path:
        pq.write_table(table, path, compression="zstd", compression_level=19)
    print(f"{len(texts)} of {len(stored)} answers corrected")


if __name__ == "__main__":
    main()
