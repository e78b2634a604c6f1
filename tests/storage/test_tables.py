"""Tables: contracts, damaged files, digests, and rows in blocks."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semacdr.errors import UserError
from semacdr.storage import tables
from semacdr.storage.tables import Rows, column


@given(st.lists(st.tuples(st.integers(0, 9), st.text(max_size=3)), max_size=30), st.integers(1, 7))
def test_rows_are_those_of_the_table(values, block):
    table = pa.table(
        {"a": pa.array([a for a, _ in values], pa.int32()), "b": pa.array([b for _, b in values], pa.string())}
    )
    rows, whole = Rows(table, block), table.to_pylist()
    assert len(rows) == len(whole) and list(rows) == whole
    assert [rows[index] for index in reversed(range(len(whole)))] == whole[::-1]
    assert column(rows, "b") == column(whole, "b") == [b for _, b in values]
    for index in (-1, len(whole)):
        with pytest.raises(IndexError):
            rows[index]


def test_a_digest_follows_the_rows_and_not_the_metadata(tmp_path):
    rows = pa.table({"user": pa.array([0, 1], pa.int32()), "user_id": ["a", "b"]})
    others = pa.table({"user": pa.array([0, 1], pa.int32()), "user_id": ["b", "a"]})
    metas = []
    for place, (table, meta) in enumerate([(rows, {"release": "x"}), (rows, {"release": "y"}), (others, {})]):
        tables.write(table, tmp_path / f"{place}.parquet", "users", meta)
        metas.append(tables.read(tmp_path / f"{place}.parquet", "users")[1])
    assert metas[0]["digest"] == metas[1]["digest"] != metas[2]["digest"]
    made = tables.made_from(users=metas[0])
    tables.check_made_from("x.parquet", made, "x", users=metas[1])
    with pytest.raises(UserError, match=r"x\.parquet: was made from another users table .*; run stage x again"):
        tables.check_made_from("x.parquet", made, "x", users=metas[2])


# Damaged files


def small(tmp_path, contract="users"):
    path = tmp_path / "table.parquet"
    columns = {
        "users": {"user": range(50), "user_id": [f"user {i % 7}" for i in range(50)]},
        "embeddings": {"item": range(20), "vector": tables.vectors(np.arange(60, dtype=np.float32).reshape(20, 3))},
        "candidates": {"user": [0, 1], "split": ["test"] * 2, "positive": [3, 4], "negatives": [[1, 2], [2, 5]]},
    }[contract]
    tables.write(pa.table(columns), path, contract, {"release": "x"})
    return path


@pytest.mark.parametrize("contract", ["users", "embeddings", "candidates"])
@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_a_flipped_bit_anywhere_is_refused_or_changes_no_row(tmp_path, contract, flip):
    path = small(tmp_path, contract)
    whole, (rows, _) = path.read_bytes(), tables.read(path, contract)
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
        try:
            found, _ = tables.read(path, contract)
        except UserError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:
            assert found.equals(rows), place


@pytest.mark.parametrize("content", [b"", b"PAR1", b"text", b"PAR1" + bytes(64) + b"PAR1"])
def test_what_is_no_parquet_file_is_refused(tmp_path, content):
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.parquet: cannot be read as the users table"):
        tables.read(path, "users")


def test_a_truncated_or_missing_file_is_refused(tmp_path):
    path = small(tmp_path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"table\.parquet: cannot be read as the users table"):
            tables.read(path, "users")
    path.unlink()
    with pytest.raises(UserError, match=r"table\.parquet: there is no such file"):
        tables.read(path, "users")


def test_a_text_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "users.parquet"
    names = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 3], np.int32)), pa.py_buffer(b"a\xff\xfe"))
    pq.write_table(pa.table({"user": pa.array([0], pa.int32()), "user_id": names}), path)
    with pytest.raises(UserError, match=r"users\.parquet: cannot be read as the users table .*UTF8"):
        tables.read(path, "users")


def test_a_column_that_is_missing_or_of_another_type_is_named(tmp_path):
    path = tmp_path / "users.parquet"
    pq.write_table(pa.table({"user": pa.array([0], pa.int32())}), path)
    with pytest.raises(UserError, match=r"the users table needs a column 'user_id'; it has \['user'\]"):
        tables.read(path, "users")
    pq.write_table(pa.table({"user": [0], "user_id": ["a"]}), path)
    with pytest.raises(UserError, match="column 'user' of the users table must be int32, it is int64"):
        tables.read(path, "users")
    pq.write_table(pa.table({"item": pa.array([0], pa.int32()), "vector": [[1.0]]}), path)
    with pytest.raises(UserError, match=r"column 'vector' .* must be fixed_size_list<float>, it is list<"):
        tables.read(path, "embeddings")


@pytest.mark.parametrize(
    ("row", "column"), [([1, 0], [0, 0]), ([0, 0], [1, 0]), ([0, 0], [1, 1]), ([0, 1, 1], [2, 1, 0])]
)
def test_a_graph_whose_rows_are_out_of_order_or_occur_twice_is_refused(tmp_path, row, column):
    edges = pa.table({"row": row, "column": column, "weight": [1.0] * len(row)})
    tables.write(edges, tmp_path / "x.parquet", "adjacency", {})
    with pytest.raises(UserError, match=r"x\.parquet: the rows of the adjacency table are not sorted by row and"):
        tables.read(tmp_path / "x.parquet", "adjacency")


def test_the_columns_of_a_file_may_have_any_order(tmp_path):
    edges = {"weight": pa.array([1.0], pa.float32()), "column": pa.array([0], pa.int32())}
    pq.write_table(pa.table(edges | {"row": pa.array([1], pa.int32())}), tmp_path / "x.parquet")
    assert tables.read(tmp_path / "x.parquet", "adjacency")[0].column_names == ["row", "column", "weight"]


def test_write_returns_the_metadata_of_the_file(tmp_path):
    written = tables.write(pa.table({"user": [0], "user_id": ["a"]}), tmp_path / "x", "users", {"release": "sample"})
    assert written == tables.read(tmp_path / "x", "users")[1]
    assert written.keys() == {"release", "note", "digest"}
