"""The store of answers: stored answers survive other writers and kills; and the command for it."""

import hashlib
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semacdr.errors import UserError
from semacdr.llm.requests import Answer
from semacdr.llm.store import AnswerStore, export_answers, import_answers
from semacdr.stages import answers
from semacdr.storage import tables

SOURCES = Path(__file__).parents[2] / "src"


def key(number):
    return hashlib.sha256(str(number).encode()).digest()


def answer(number):
    return Answer(
        text=f"answer {number} “ok”\n", finish="stop", scores={"A": -0.5}, prompt_tokens=10, completion_tokens=3
    )


def fill(path, numbers, model="m", weights="w"):
    with AnswerStore(path) as store:
        for number in numbers:
            store.put(key(number), model, weights, answer(number))
    return path


def content(path):
    with AnswerStore(path) as store:
        return list(store.rows())


def test_what_was_put_is_there_and_the_first_answer_stays(tmp_path):
    with AnswerStore(tmp_path / "deep/er/a.sqlite") as store:
        assert store.put(key(1), "m", "w", answer(1)) is True
        assert store.put(key(1), "m", "w", answer(2)) is False
        assert store.put(key(3), "m", "w", answer(3)) is True
        assert store.get([key(3), key(2), key(1), key(1)]) == {key(1): answer(1), key(3): answer(3)}
        assert store.get([]) == {}
    with AnswerStore(tmp_path / "deep/er/a.sqlite") as store:
        assert store.get([key(1)]) == {key(1): answer(1)}


def test_many_keys_are_found_at_once(tmp_path):
    with AnswerStore(fill(tmp_path / "a.sqlite", range(0, 2400, 2))) as store:
        assert store.get([key(number) for number in range(2400)]).keys() == {key(n) for n in range(0, 2400, 2)}
        rows = list(store.some(key(number) for number in range(1200)))
        assert [row[0] for row in rows] == sorted(key(number) for number in range(0, 1200, 2))


def test_a_closed_store_is_one_file(tmp_path):
    fill(tmp_path / "a.sqlite", range(10))
    assert [path.name for path in tmp_path.iterdir()] == ["a.sqlite"]


def writer(path, start, total):
    with AnswerStore(path) as store:
        for number in range(start, start + total):
            store.put(key(number), "m", "w", answer(number))
            store.put(key(number % 50), "m", "w", answer(number % 50))  # all the same ones


def test_several_processes_write_at_once_and_all_is_there(tmp_path):
    path, context = tmp_path / "a.sqlite", multiprocessing.get_context("spawn")
    writers = [context.Process(target=writer, args=(path, 1000 * n, 300)) for n in range(4)]  # all of them create it
    for process in writers:
        process.start()
    for process in writers:
        process.join(120)
        assert process.exitcode == 0
    assert len(content(path)) == len({1000 * n + i for n in range(4) for i in range(300)} | set(range(50)))
    with AnswerStore(path) as store:
        assert store.get([key(3299)]) == {key(3299): answer(3299)}
        assert store.check() == []


PUTTING = """
import sys
from itertools import count
from pathlib import Path
from test_store import AnswerStore, answer, key
store = AnswerStore(Path(sys.argv[1]))
for number in count():
    store.put(key(number), "m", "w", answer(number))
    print(number, flush=True)
"""


@pytest.mark.parametrize("least", [1, 700])
def test_a_killed_process_loses_nothing_that_was_acknowledged(tmp_path, least):
    path = tmp_path / "a.sqlite"
    environment = os.environ | {"PYTHONPATH": f"{SOURCES}{os.pathsep}{Path(__file__).parent}"}
    command = [sys.executable, "-c", PUTTING, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            if int(line) >= least:
                process.send_signal(signal.SIGKILL)
                break
        last = int([line, *process.stdout.read().split("\n")[:-1]][-1])  # its last output before it was killed
    assert process.returncode == -signal.SIGKILL
    with AnswerStore(path) as store:
        assert len(store.get([key(number) for number in range(last + 1)])) == last + 1
        assert store.check() == []


def test_parquet_brings_all_back(tmp_path):
    path = fill(tmp_path / "a.sqlite", range(30))
    with AnswerStore(path) as store:
        assert export_answers(store.rows(), tmp_path / "out/a.parquet") == 30
    table, _ = tables.read(tmp_path / "out/a.parquet", "answers")
    assert table["key"].to_pylist() == sorted(key(number) for number in range(30))
    with AnswerStore(tmp_path / "b.sqlite") as store:
        assert import_answers(store, tmp_path / "out/a.parquet") == 30
        assert import_answers(store, tmp_path / "out/a.parquet") == 0
    assert content(tmp_path / "b.sqlite") == content(path)
    with AnswerStore(tmp_path / "b.sqlite") as store:
        export_answers(store.rows(), tmp_path / "b.parquet")
    assert (tmp_path / "b.parquet").read_bytes() == (tmp_path / "out/a.parquet").read_bytes()


def test_an_empty_store_can_be_exported_and_imported(tmp_path):
    with AnswerStore(tmp_path / "a.sqlite") as store:
        assert export_answers(store.rows(), tmp_path / "a.parquet") == 0
        assert import_answers(store, tmp_path / "a.parquet") == 0


def test_a_merge_of_two_stores_has_both_and_keeps_what_it_had(tmp_path):
    one, two = fill(tmp_path / "a.sqlite", range(10), "m1"), fill(tmp_path / "b.sqlite", range(5, 15), "m2")
    with AnswerStore(one) as store:
        assert import_answers(store, two) == 5
    models = {row[0]: row[1] for row in content(one)}
    assert models == {key(n): "m1" if n < 10 else "m2" for n in range(15)}
    assert len(content(two)) == 10


def test_an_answer_that_cannot_be_read_is_not_imported(tmp_path):
    names = tables.CONTRACTS["answers"]
    rows = [(key(1), "m", "w", 1, '{"text": "good"}'), (key(2), "m", "w", 1, '{"text": 7}')]
    columns = [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), names.values(), strict=True)]
    pq.write_table(pa.table(columns, list(names)), tmp_path / "bad.parquet")
    with AnswerStore(tmp_path / "a.sqlite") as store:
        with pytest.raises(UserError, match=rf"bad\.parquet: answer {key(2).hex()} cannot be read.*nothing was import"):
            import_answers(store, tmp_path / "bad.parquet")
        assert list(store.rows()) == []
        store.put(key(3), "m", "w", answer(3))  # the store is not locked
    pq.write_table(pa.table({"key": [1]}), tmp_path / "other.parquet")
    message = "column 'key' of the answers table must be"
    with AnswerStore(tmp_path / "a.sqlite") as store, pytest.raises(UserError, match=message):
        import_answers(store, tmp_path / "other.parquet")


def test_models_are_listed_with_their_tokens(tmp_path):
    path = fill(tmp_path / "a.sqlite", range(4), "m1")
    fill(path, range(4, 6), "m1", "other weights")
    fill(path, range(6, 9), "m2", "")
    with AnswerStore(path) as store:
        rows = [tuple(row.values())[:5] for row in store.models()]
    assert rows == [("m1", "other weights", 2, 20, 6), ("m1", "w", 4, 40, 12), ("m2", "", 3, 30, 9)]


def damage(path):
    """Overwrite everything except the header, without which it would not be a store."""
    data = bytearray(path.read_bytes())
    for place in range(2 * 4096, len(data), 4096):
        data[place : place + 64] = b"\xff" * 64
    path.write_bytes(data)


def test_check_finds_damage_of_the_file(tmp_path):
    path = fill(tmp_path / "a.sqlite", range(200))
    with AnswerStore(path) as store:
        assert store.check() == []
    damage(path)
    with AnswerStore(path) as store:
        assert store.check()


def test_check_finds_answers_that_cannot_be_read(tmp_path):
    path = fill(tmp_path / "a.sqlite", range(3))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE answers SET answer = ? WHERE key = ?", (b'{"text": "cut', key(1)))
        db.execute("UPDATE answers SET answer = ? WHERE key = ?", (b'{"text": 7}', key(2)))
    db.close()
    with AnswerStore(path) as store:
        found = store.check()
        assert len(found) == 2 and {line.split(":")[0] for line in found} == {f"answer {key(n).hex()}" for n in (1, 2)}
        assert store.get([key(0)]) == {key(0): answer(0)}
        with pytest.raises(UserError, match=r"a\.sqlite: .*semacdr\.stages\.answers check"):
            store.get([key(1)])


def test_a_file_that_is_no_store_is_named_and_left_as_it_is(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("these are no answers, but long enough to be looked at" * 50)
    before = text.read_bytes()
    with pytest.raises(UserError, match=r"notes\.txt: cannot be opened as a store of answers: file is not a database"):
        AnswerStore(text)
    assert text.read_bytes() == before
    with pytest.raises(UserError, match="cannot be opened as a store"):
        AnswerStore(tmp_path)
    with sqlite3.connect(tmp_path / "other.sqlite") as db:
        db.execute("CREATE TABLE answers (question TEXT)")
    db.close()
    with pytest.raises(UserError, match=r"other\.sqlite: cannot be opened as a store of answers: no such column"):
        AnswerStore(tmp_path / "other.sqlite")


# The command


def command(path, *argv):
    answers.main([*map(str, argv), "--store", str(path)])


def test_the_command_lists_exports_imports_and_checks(tmp_path, capsys, caplog):
    caplog.set_level("INFO")
    path = fill(tmp_path / "a.sqlite", range(4), "m1")
    fill(path, range(4, 6), "m2")
    command(path, "list")
    head, *rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert head == ["model", "weights", "answers", "prompt_tokens", "completion_tokens", "first", "last"]
    assert [row[:5] for row in rows] == [["m1", "w", "4", "40", "12"], ["m2", "w", "2", "20", "6"]]
    assert all(row[5].startswith("20") and row[5].endswith("+00:00") for row in rows)
    command(path, "export", tmp_path / "m2.parquet", "--model", "m2")
    answers.main(["export", "--store", str(path), "--model", "m2", str(tmp_path / "same.parquet")])  # options first
    assert (tmp_path / "same.parquet").read_bytes() == (tmp_path / "m2.parquet").read_bytes()
    assert "2 answers written to" in caplog.text
    fill(tmp_path / "c.sqlite", range(10, 13))
    command(tmp_path / "b.sqlite", "import", tmp_path / "m2.parquet", tmp_path / "c.sqlite")
    assert {row[0] for row in content(tmp_path / "b.sqlite")} == {key(n) for n in (4, 5, 10, 11, 12)}
    command(path, "check")
    assert "no fault" in caplog.text


def test_the_command_says_what_is_wrong(tmp_path):
    with pytest.raises(UserError, match=r"none\.sqlite: no such store of answers"):
        command(tmp_path / "none.sqlite", "list")
    assert not (tmp_path / "none.sqlite").exists()
    path = fill(tmp_path / "a.sqlite", range(200))
    with pytest.raises(UserError, match=r"gone\.sqlite: no such store of answers"):
        command(path, "import", tmp_path / "gone.sqlite")
    damage(path)
    with pytest.raises(UserError, match="faults:"):
        command(path, "check")
    for argv in (["export"], ["import"]):
        with pytest.raises(SystemExit):
            command(path, *argv)


def test_a_fault_is_one_line_and_exit_status_1(tmp_path):
    (tmp_path / "notes.txt").write_text("these are no answers" * 100)
    done = subprocess.run(
        [sys.executable, "-m", "semacdr.stages.answers", "list", "--store", f"{tmp_path}/notes.txt"],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(SOURCES)}, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == f"error: {tmp_path}/notes.txt: cannot be opened as a store of answers: file is not a database\n"
    )
