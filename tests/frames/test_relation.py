"""Any input to a view of role-named, typed columns: the same rules and sentences as for frames in memory."""

from __future__ import annotations

import gc
import os
import uuid

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from log_inputs import CONNECTION, KINDS, as_kind

from gmvcausal.errors import InputError
from gmvcausal.frames.engines.duck import DuckEngine
from gmvcausal.frames.relation import column_names, open_relation, with_extra

SPEC = {
    "unit": ("u", "id"),
    "when": ("t", "time?"),
    "value": ("v", "number?"),
    "on": ("f", "flag"),
    "label": ("l", "text?"),
}

kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def space():
    made = DuckEngine()
    yield made
    made.close()


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "u": [3, 1, 2],
            "t": pd.to_datetime(["2025-01-01 10:00:00.123456", None, "2025-01-03"], format="ISO8601").as_unit("us"),
            "v": [1.5, np.nan, -2.0],
            "f": [True, False, True],
            "l": ["a", None, "c"],
            "more": [7, 8, 9],
        }
    )


@kinds
def test_the_view_is_typed_and_named_by_role(kind, space, tmp_path):
    relation = open_relation(space, as_kind(frame(), kind, tmp_path), "data", SPEC, extra=["more"])
    assert relation.n == 3
    assert relation.kinds == {"unit": "int", "when": "time", "value": "number", "on": "flag", "label": "text"}
    rows = space.rows(
        f'SELECT unit, CAST("when" AS VARCHAR), value, "on", label, "=more" FROM {relation.sql} ORDER BY unit'
    )
    assert rows == [
        (1, None, None, False, None, 8),
        (2, "2025-01-03 00:00:00", -2.0, True, "c", 9),
        (3, "2025-01-01 10:00:00.123456", 1.5, True, "a", 7),
    ]


@kinds
def test_a_column_can_be_added_later(kind, space, tmp_path):
    relation = open_relation(space, as_kind(frame(), kind, tmp_path), "data", {"unit": ("u", "id")})
    wider = with_extra(relation, ["more", "l"], "keep")
    assert space.rows(f'SELECT unit, "=more", "=l" FROM {wider.sql} ORDER BY unit') == [
        (1, 8, None), (2, 9, "c"), (3, 7, "a"),
    ]  # fmt: skip
    assert with_extra(wider, ["more"], "keep") is wider
    with pytest.raises(InputError, match="no column 'nor'"):
        with_extra(relation, ["nor"], "keep")


@kinds
def test_names_of_columns(kind, space, tmp_path):
    assert column_names(space, as_kind(frame(), kind, tmp_path), "data") == list(frame().columns)


@kinds
@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("u", [1, None, None], "unit (data) is missing; column 'u'; 2 found; first at row positions 1, 2"),
        ("u", [1.0, 2.5, 3.0], "unit (data) holds numbers that are not whole, for example"),
        ("v", [1.0, np.inf, 2.0], "value (data) holds infinite values; column 'v'; 1 found; first at row position 1"),
        ("v", ["1", "2", "3"], "value (data) holds text, for example '1', where numbers are needed"),
        ("f", [0, 1, 2], "on (data) must hold 0 and 1 only, but holds 2; column 'f'; 1 found; first at row position 2"),
        ("t", ["2025-01-01", "soon", None], "when (data) holds text that is not an ISO date, for example 'soon'"),
        ("t", [1, 2, 3], "when (data) holds numbers where dates are needed; column 't'"),
    ],
)
def test_the_same_sentence_for_every_kind(kind, column, values, message, space, tmp_path):
    wrong = frame().assign(**{column: values})
    with pytest.raises(InputError) as caught:
        open_relation(space, as_kind(wrong, kind, tmp_path), "data", SPEC)
    assert message in str(caught.value)


NUMBERS = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"]
FRACTIONS = ["FLOAT", "DOUBLE", "DECIMAL(9, 2)", "DECIMAL(38, 0)"]


@pytest.mark.parametrize("sql_type", [*NUMBERS, *FRACTIONS])
def test_every_number_of_duckdb(sql_type, space):
    data = CONNECTION.sql(f"SELECT CAST(7 AS {sql_type}) AS u, CAST(7 AS {sql_type}) AS v")
    relation = open_relation(space, data, "data", {"unit": ("u", "id"), "value": ("v", "number")})
    assert space.rows(f"SELECT unit, value FROM {relation.sql}") == [(7, 7.0)]


@pytest.mark.parametrize("sql_type", ["UUID", "VARCHAR", "ENUM('a', 'b')", "DATE"])
def test_ids_that_become_text(sql_type, space):
    value = {"UUID": str(uuid.UUID(int=5)), "DATE": "2025-01-02"}.get(sql_type, "a")
    data = CONNECTION.sql(f"SELECT CAST('{value}' AS {sql_type}) AS u")
    relation = open_relation(space, data, "data", {"unit": ("u", "id")})
    assert relation.kinds == {"unit": "text"}
    assert space.rows(f"SELECT unit FROM {relation.sql}") == [(value,)]


@pytest.mark.parametrize("sql_type", ["BLOB", "INTEGER[]", "STRUCT(a INTEGER)", "INTERVAL"])
@pytest.mark.parametrize("kind", ["id", "number", "time"])
def test_types_without_a_meaning(sql_type, kind, space):
    data = CONNECTION.sql(f"SELECT CAST(NULL AS {sql_type}) AS u")
    with pytest.raises(InputError, match=r"cannot be read as"):
        open_relation(space, data, "data", {"unit": ("u", kind + "?")})


def test_a_table_of_a_users_connection_is_streamed(space):
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT range AS u, range * 0.5 AS v, 1 AS w FROM range(1000)")
    relation = open_relation(space, connection.table("t"), "data", {"unit": ("u", "id"), "value": ("v", "number")})
    connection.close()
    assert space.row(f"SELECT count(*), sum(value) FROM {relation.sql}") == (1000, 249750.0)
    assert "w" not in space.schema(relation.source)


def test_row_positions_count_through_row_groups_and_files(space, tmp_path):
    values = np.ones(5000)
    values[[3999, 4500]] = np.nan
    for i, part in enumerate(np.split(values, [2500])):
        pq.write_table(pa.table({"v": part}), tmp_path / f"{i}.parquet", row_group_size=300)
    with pytest.raises(InputError) as caught:
        open_relation(space, str(tmp_path / "*.parquet"), "data", {"value": ("v", "number")})
    assert caught.value.rows == (3999, 4500)


def test_temporary_files_go_with_the_workspace():
    space = DuckEngine()
    directory = space.directory
    relation = open_relation(space, CONNECTION.sql("SELECT 1 AS u"), "data", {"unit": ("u", "id")})
    assert os.listdir(directory)
    del relation, space
    gc.collect()
    assert not os.path.exists(directory)


def test_failures_of_duckdb_come_as_ours(space):
    for run in (space.rows, space.numpy, space.row, space.run, space.arrow, space.schema):
        with pytest.raises(InputError, match="orders could not be read"):
            run("SELECT * FROM read_parquet('nowhere.parquet')", "orders")
    with pytest.raises(InputError, match="orders could not be read"):
        list(space.batches("SELECT nothing", 10, "orders"))
    connection = duckdb.connect()
    data = connection.sql("SELECT 1 AS u")
    connection.close()
    with pytest.raises(InputError):
        open_relation(space, data, "orders", {"unit": ("u", "id")})
