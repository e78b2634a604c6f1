"""Rows of a table a block at a time: the same as all at once."""

import pyarrow as pa
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
