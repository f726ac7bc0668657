"""Ibis tables: lazily where their back end is ours, streamed from any other, whole in either case."""

from __future__ import annotations

import gc as garbage
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.frames.engines.ibis_table import native

# Ibis 12 calls what DuckDB and pandas have since renamed.
pytestmark = [
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'future.infer_string' option:DeprecationWarning"),
]


@pytest.fixture
def users() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    return pd.DataFrame({
        "user": np.arange(80), "arm": np.arange(80) % 2, "gmv": rng.gamma(2.0, 10.0, 80).round(2), "note": "x",
    })  # fmt: skip


@pytest.fixture
def there(users: pd.DataFrame, tmp_path: Path) -> Any:
    """The users in SQLite, with a column of bytes that no verb reads."""
    connection = sqlite3.connect(tmp_path / "users.db")
    users.assign(raw=b"\0").to_sql("users", connection, index=False)
    connection.close()
    return ibis.sqlite.connect(tmp_path / "users.db").table("users")


def test_what_is_joined_and_computed_is_run_by_duckdb(users: pd.DataFrame) -> None:
    connection = ibis.duckdb.connect()
    connection.con.register("users", users)
    rows, arms = connection.table("users"), ibis.memtable({"arm": [0, 1], "name": ["none", "coupon"]})
    named = rows.join(arms, "arm").mutate(twice=rows.gmv * 2).filter(rows.user >= 10)
    result = gc.ab_test(named.drop("arm"), metrics="twice", arm="name", control="none")
    late = users[users["user"] >= 10]
    means = late.groupby("arm")["gmv"].mean() * 2
    assert result.estimate == pytest.approx(means[1] - means[0], rel=1e-12)
    assert "fetched" not in str(result)


def test_a_table_in_memory_lives_as_long_as_its_relation(users: pd.DataFrame) -> None:
    relation = native(ibis.memtable(users))
    garbage.collect()
    assert relation.aggregate("sum(gmv)").fetchall()[0][0] == pytest.approx(users["gmv"].sum())


def test_the_default_limit_of_ibis_cuts_nothing(users: pd.DataFrame, there: Any) -> None:
    before = ibis.options.sql.default_limit
    ibis.options.sql.default_limit = 30
    try:
        for data in (there, ibis.memtable(users)):
            assert gc.Logs(orders=data.mutate(time=ibis.date("2026-03-01"))).panel()["gmv"].sum() == pytest.approx(
                users["gmv"].sum()
            )
    finally:
        ibis.options.sql.default_limit = before


def test_rows_of_another_back_end_are_fetched_for_as_long_as_they_are_needed(
    there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    result = gc.ab_test(there, metrics="gmv", control=0)
    assert "the rows of data were fetched from sqlite by Ibis into a temporary file" in result.manifest.notes
    orders = there.mutate(time=ibis.date("2026-03-01"))
    logs = gc.Logs(orders=orders)
    assert any(
        "the rows of orders were fetched from sqlite" in note for note in logs.panel().attrs["gmvcausal"]["notes"]
    )
    logs.close()
    assert os.listdir(tmp_path / "scratch")
    del result, logs
    garbage.collect()
    assert os.listdir(tmp_path / "scratch") == []


def test_whole_numbers_that_ibis_rounds_are_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.execute("CREATE TABLE x (user BIGINT, arm BIGINT, gmv DOUBLE)")
    connection.executemany("INSERT INTO x VALUES (?, ?, ?)", [(2**60 + 1, 0, 1.0), (None, 1, 2.0)])
    connection.commit()
    connection.close()
    data = ibis.sqlite.connect(tmp_path / "x.db").table("x")
    with pytest.raises(gc.InputError, match="beyond 2\\^53 beside missing values") as caught:
        gc.ab_test(data, metrics="gmv", control=0)
    assert (caught.value.column, caught.value.count) == ("user", 1)


def test_tables_that_nobody_can_run_are_refused(there: Any, users: pd.DataFrame) -> None:
    here = ibis.duckdb.connect()
    here.con.register("users", users)
    both = there.join(here.table("users"), "user")
    for data in (both, ibis.table({"gmv": "float64"}, name="nowhere")):
        with pytest.raises(gc.InputError, match="no single back end can run"):
            gc.ab_test(data, metrics="gmv", control=0)
    with pytest.raises(gc.InputError, match=r"no column 'gmvv'.*'gmv'"):
        gc.iv(there, "gmvv", "arm", "user")
    table = here.table("users")
    here.con.unregister("users")
    with pytest.raises(gc.InputError, match=r"could not be read by Ibis.*users"):
        gc.ab_test(table, metrics="gmv", control=0)
