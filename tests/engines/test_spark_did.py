"""`gc.did` of a Spark frame: the matrix where it fits, sums made by the workers where it does not."""

from __future__ import annotations

import gc as gc_of_python
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.rollout.intake.opened import Located

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


def panel() -> pd.DataFrame:
    """120 units of text ids in 20 places, 7 weeks by date; rows in no order."""
    rng = np.random.default_rng(8)
    unit, week = np.repeat(np.arange(120), 7), np.tile(np.arange(7), 120)
    start = np.repeat(rng.choice([np.nan, 3, 5], 120), 7)
    gmv = rng.gamma(2.0, 5.0, len(unit)) + 1e6 + 3.0 * (week >= start)
    monday = pd.Timestamp("2026-01-05")
    frame = pd.DataFrame(
        {
            "unit": "user " + pd.Series(unit).astype(str),
            "period": monday + pd.to_timedelta(7 * week, "D"),
            "gmv": gmv,
            "first_treated": monday + pd.to_timedelta(7 * start, "D"),
            "place": unit % 20,
        }
    )
    return frame.sample(frac=1.0, random_state=1, ignore_index=True)


def same(whole: Any, other: Any) -> None:
    """The same numbers to ten digits and the same audit."""
    close: Any = {"rtol": 1e-10, "atol": 1e-10}
    pd.testing.assert_frame_equal(whole.to_frame(), other.to_frame(), **close)
    pd.testing.assert_frame_equal(whole.event_study(), other.event_study(), **close)
    columns = ["name", "status", "value", "threshold"]
    left, right = (r.audit.to_frame()[columns] for r in (whole, other))
    pd.testing.assert_frame_equal(left, right, rtol=1e-7, atol=1e-9)


def test_the_numbers_of_the_frame(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = panel()
    frame.to_parquet(tmp_path / "panel.parquet", index=False, coerce_timestamps="us")
    whole = gc.did(frame, estimator="imputation", cluster="place")
    rows = spark.read.parquet(str(tmp_path / "panel.parquet"))
    gc_of_python.collect()  # engines of other tests drop their views when they go away
    views = {view.name for view in spark.catalog.listTables()}
    matrix = gc.did(rows, estimator="imputation", cluster="place")
    assert matrix.panel.summed is None
    same(whole, matrix)
    monkeypatch.setattr(Located, "fits", False)
    sums = gc.did(str(tmp_path / "panel.parquet"), engine=spark, estimator="imputation", cluster="place")
    assert sums.panel.summed is not None and "made by Spark" in sums.manifest.notes[-1]
    same(whole, sums)
    assert {view.name for view in spark.catalog.listTables()} <= views


def test_repeated_rows_are_counted(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = panel()
    monkeypatch.setattr(Located, "fits", False)
    path = tmp_path / "panel.parquet"
    pd.concat([frame, frame.iloc[:3]]).to_parquet(path, index=False, coerce_timestamps="us")
    with pytest.raises(gc.InputError, match=r"3 unit-periods.*HAVING count.*lists them"):
        gc.did(spark.read.parquet(str(path)))


def test_an_engine_reads_files(spark: SparkSession) -> None:
    with pytest.raises(gc.InputError, match="engine= reads files"):
        gc.did(panel(), engine=spark)
