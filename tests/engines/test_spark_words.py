"""What is said where Spark fails, where rows have no positions, and that nothing of the session is changed."""

from __future__ import annotations

import gc as collector
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.frames.engines import brought
from gmvcausal.frames.engines import spark as engine
from gmvcausal.rollout.intake.opened import Located

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ORDERS = pd.DataFrame({
    "user": [11, 22, 33, 33], "time": ["2026-03-02", "2026-03-04 10:00", "2026-03-03 08:00", "2026-03-03 08:00"],
    "gmv": [5.0, -2.0, -1.5, -1.5],
})  # fmt: skip


def test_rows_without_positions_are_shown_by_time_and_amount_never_by_id(spark: SparkSession) -> None:
    with pytest.raises(gc.InputError) as caught:
        gc.Logs(orders=spark.createDataFrame(ORDERS))
    first, second = "time 2026-03-03 08:00:00, gmv -1.5", "time 2026-03-03 08:00:00, gmv -1.5"
    assert f"3 found; for example {first} and {second}. Declare" in str(caught.value)
    with pytest.raises(gc.InputError) as caught:
        gc.Logs(orders=spark.createDataFrame(ORDERS.assign(gmv=ORDERS["gmv"].abs())))
    assert str(caught.value).startswith("1 rows of orders repeat an earlier row")
    assert "for example time 2026-03-03 08:00:00, gmv 1.5" in str(caught.value)
    assert "33" not in str(caught.value)


def test_failures_of_the_session_say_what_to_do(spark: SparkSession) -> None:
    with pytest.raises(gc.InputError, match="which does not exist"):
        gc.Logs(orders="/nowhere/orders.parquet", engine=spark)
    both = spark.createDataFrame(ORDERS.assign(gmv=1.0, USER=1)).drop("x")
    with pytest.raises(gc.InputError, match=r"(?s)differ only in case.*Rename"):
        gc.Logs(orders=both)
    with pytest.raises(gc.InputError, match="engine must be a Spark session, but is 'spark'"):
        gc.Logs(orders=ORDERS, engine="spark")


class StoppedError(Exception):
    """As Py4J tells of a stopped session."""


StoppedError.__module__ = "py4j.protocol"


@pytest.mark.parametrize(
    "error",
    [
        AttributeError("'NoneType' object has no attribute 'setCallSite'"),
        StoppedError("An error occurred while calling o1.sql.\n: Cannot call methods on a stopped SparkContext."),
        StoppedError(
            "org.apache.spark.SparkException: [INTERNAL_ERROR] You hit a bug in Spark.\nCaused by: "
            'java.lang.NullPointerException: as "org.apache.spark.SparkContext.dagScheduler()" is null'
        ),
    ],
)
def test_a_stopped_session_is_named(error: Exception) -> None:
    pytest.importorskip("pyspark")
    with (
        pytest.raises(
            gc.InputError, match=r"^orders could not be read: its Spark session was stopped.*Start a session"
        ),
        engine._own_words("orders"),
    ):
        raise error


def test_a_column_of_another_type_than_the_schema_is_named() -> None:
    pytest.importorskip("pyspark")
    said = (
        "[FAILED_READ_FILE.PARQUET_COLUMN_DATA_TYPE_MISMATCH] Encountered error while reading file file:/d/o.parquet. "
        "Mismatches when reading Parquet column [gmv]. Expected Spark type double, actual Parquet type BINARY."
    )
    asked = r"'/d/o.parquet' has another type .* \(gmv: double is asked for, BINARY is stored\)"
    with pytest.raises(gc.InputError, match=asked), engine._own_words("orders"):
        raise StoppedError(said)


def test_what_spark_needs_is_asked_for_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    old: Any = SimpleNamespace(version="3.5.1")
    with pytest.raises(gc.InputError, match=r"session is of Spark 3.5.1, and Spark 4 or later is needed"):
        engine.SparkEngine(old)
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(gc.InputError, match=r"needs sqlglot.*pip install 'gmvcausal\[spark\]'"):
        engine.SparkEngine(old)


def test_nothing_of_the_users_is_changed(spark: SparkSession) -> None:
    def state() -> Any:
        collector.collect()  # a result keeps its engine, whose views go with it
        options = {row.key: row.value for row in spark.sql("SET").collect()}
        tables = sorted(table.name for table in spark.catalog.listTables())
        kept = sorted(spark.sparkContext._jsc.getPersistentRDDs().keySet())
        drawn = np.random.get_state()  # noqa: NPY002  # the global state is what is looked at
        return options, tables, kept, drawn[1].tolist()

    spark.createDataFrame(ORDERS).createOrReplaceTempView("mine")
    before = state()
    orders = spark.table("mine").selectExpr("user", "time", "abs(gmv) AS gmv")
    logs = gc.Logs(orders=orders, dedupe="exact")
    logs.panel(freq="D")
    logs.close()
    rows = spark.createDataFrame(pd.DataFrame({
        "unit": np.repeat(range(12), 3), "period": np.tile([1, 2, 3], 12), "gmv": np.arange(36) ** 0.5,
        "first_treated": np.repeat([3, 0], 18),
    }))  # fmt: skip
    gc.did(rows, never=0)
    gc.ab_test(
        rows.selectExpr("unit * 3 + period AS row", "gmv", "first_treated"),
        metrics="gmv",
        arm="first_treated",
        control=0,
    )
    after = state()
    spark.catalog.dropTempView("mine")
    assert after == before


def panel(spark: SparkSession, **columns: Any) -> Any:
    """Twelve units in three periods, with some columns otherwise."""
    return spark.createDataFrame(pd.DataFrame({
        "unit": np.repeat(range(12), 3), "period": np.tile([1, 2, 3], 12), "gmv": np.arange(36) ** 0.5,
        "first_treated": np.repeat([3.0, np.nan], 18),
    }).assign(**columns))  # fmt: skip


def test_a_panel_that_is_read_here_names_no_positions(spark: SparkSession) -> None:
    with pytest.raises(gc.InputError, match="36 found") as caught:
        gc.did(panel(spark, gmv=np.inf))
    assert "position" not in str(caught.value)
    with pytest.raises(gc.InputError, match="1 unit-period occur more than once") as caught:
        gc.did(panel(spark, period=[1, 1, 3, *np.tile([1, 2, 3], 11)]))
    assert "position" not in str(caught.value)


def test_what_lists_repeats_is_sql_of_spark(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Located, "fits", False)
    with pytest.raises(gc.InputError, match=r"GROUP BY `unit`, `period` HAVING count\(\*\) > 1 lists them"):
        gc.did(panel(spark, period=[1, 1, 3, *np.tile([1, 2, 3], 11)]))
    assert engine._backticks("a`b") == "`a``b`"


def test_what_a_function_of_the_users_raised_is_said(spark: SparkSession) -> None:
    def fails(batches: Any) -> Any:
        raise ValueError("bad price")
        yield from batches

    made = panel(spark).mapInArrow(fails, "unit long, period long, gmv double, first_treated double")
    with pytest.raises(gc.InputError, match=r"(?s)one of its workers: ValueError: bad price\. .*frame's own"):
        gc.did(made)


def test_rows_are_counted_before_they_are_brought(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brought, "MOST_ROWS", 35)
    with pytest.raises(
        gc.InputError, match=r"at most 35 of \d columns .* from Spark, but data has 36\. Aggregate in Sp"
    ):
        gc.adjust(panel(spark), outcome="gmv", treatment="period", covariates=["unit"])


def test_bad_dates_are_counted_in_rows(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Located, "fits", False)
    with pytest.raises(gc.InputError, match=r"fractions, for example 2\.5; column 'first_treated'; 18 found\. Number"):
        gc.did(panel(spark, first_treated=np.repeat([2.5, np.nan], 18)))
