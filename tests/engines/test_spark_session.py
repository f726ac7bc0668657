"""Spark starts here, and sums as numpy does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_a_grouped_sum_is_that_of_numpy(spark: SparkSession) -> None:
    rng = np.random.default_rng(3)
    arm, gmv = rng.integers(0, 5, 1_000), rng.gamma(2.0, 30.0, 1_000)
    frame = spark.createDataFrame(pa.table({"arm": arm, "gmv": gmv}))
    got = frame.groupBy("arm").agg({"gmv": "sum", "*": "count"}).orderBy("arm").toArrow()
    assert got["arm"].to_pylist() == [0, 1, 2, 3, 4]
    assert got["count(1)"].to_pylist() == np.bincount(arm).tolist()
    assert got["sum(gmv)"].to_pylist() == pytest.approx(np.bincount(arm, weights=gmv), rel=1e-12)


def test_the_session_is_small_and_heard_by_this_machine_alone(spark: SparkSession) -> None:
    settings = spark.sparkContext.getConf()
    assert spark.sparkContext.master == "local[2]" and settings.get("spark.ui.enabled") == "false"
    assert settings.get("spark.driver.host") == settings.get("spark.driver.bindAddress") == "127.0.0.1"
    assert spark.conf.get("spark.sql.session.timeZone") == "America/New_York"
