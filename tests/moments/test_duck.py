"""Moments inside DuckDB leave the user's connection as it was, and refuse what they cannot read."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from gmvcausal.errors import InputError
from gmvcausal.moments.duck import from_relation


def connection() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    made.execute("CREATE TABLE src AS SELECT 7 AS other")
    made.execute("CREATE TABLE rows AS SELECT 7 AS other")
    made.execute(
        "CREATE TABLE sales AS SELECT i % 2 AS arm, CAST(i AS DOUBLE) AS gmv, i // 3 AS room FROM range(9) t(i)"
    )
    return made


def test_tables_of_any_name_stay_as_they_are() -> None:
    made = connection()
    moments = from_relation(made.table("sales"), "arm", ["gmv"], "room")
    np.testing.assert_allclose(moments.mean[:, 0], [4.0, 4.0])
    np.testing.assert_allclose(moments.cross[:, 0, 0], [40.0, 20.0])
    assert made.sql("SELECT * FROM src").fetchall() == [(7,)]
    assert made.sql("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [(0,)]
    assert from_relation(made.table("sales"), "arm", ["gmv"]).keys == (0, 1)


def test_a_missing_cluster_is_refused() -> None:
    relation = connection().sql("SELECT arm, gmv, CASE WHEN gmv > 6 THEN NULL ELSE room END AS room FROM sales")
    with pytest.raises(InputError, match="complete, finite columns; column 'room'; 2 found"):
        from_relation(relation, "arm", ["gmv"], "room")
    assert len(from_relation(relation, "arm", ["gmv"]).keys) == 2


@pytest.mark.parametrize(
    ("call", "role"),
    [(("armm", ["gmv"]), "group"), (("arm", ["gmvv"]), "values"), (("arm", ["gmv"], "rooom"), "cluster")],
)
def test_a_column_that_is_not_there(call: tuple[str, ...], role: str) -> None:
    with pytest.raises(
        InputError, match=rf"data has no column .* named for {role}\. Did you mean '[a-z]+'\?"
    ) as caught:
        from_relation(connection().table("sales"), *call)
    assert "parquet" not in str(caught.value)
