"""`ab_test` on Spark: the numbers and the words of memory, and rows brought here only where something needs them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ab_market import ADJUSTED, CALLS, MARKET, ROOMS, refused, same

import gmvcausal as gc
from gmvcausal.frames.engines import brought

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("spark_ab_test") / "market.parquet"
    MARKET.to_parquet(made)
    return made


@pytest.fixture(scope="module")
def market(spark: SparkSession, path: Path) -> DataFrame:
    return spark.read.parquet(str(path)).repartition(2)


@pytest.mark.parametrize("call", ["adjusted", "strata", "rooms adjusted"])
def test_the_same_as_in_memory(call: str, market: DataFrame) -> None:
    metrics, options = CALLS[call]
    same(MARKET, market, metrics, **options)


def test_a_path_that_the_session_reads(spark: SparkSession, path: Path) -> None:
    metrics = [gc.Quantile("minutes", 0.5), gc.Mean("gmv", cap=0.9)]
    found = gc.ab_test(path, metrics=metrics, control="A", engine=spark, memory_limit="1GB")
    wanted = gc.ab_test(MARKET, metrics=metrics, control="A")
    np.testing.assert_allclose(found.to_frame()["std_error"], wanted.to_frame()["std_error"], rtol=1e-10)
    assert found.manifest.options["engine"] == "Spark"
    by, there = wanted.by("tier").to_frame(), found.by("tier").to_frame()
    np.testing.assert_allclose(there["estimate"], by["estimate"], rtol=1e-10)


def test_what_is_wrong_has_no_positions_there(market: DataFrame) -> None:
    from pyspark.sql import functions as f

    def told(data: Any, metrics: Any, **options: Any) -> str:
        with pytest.raises(gc.GmvCausalError) as found:
            gc.ab_test(data, metrics=metrics, **{"control": "A", **options})
        assert not found.value.rows
        return str(found.value)

    two = market.withColumn("bought", f.when(f.col("visits") > 3, 2).otherwise(f.col("bought").cast("int")))
    count = int((MARKET["visits"] > 3).sum())
    assert f"holds 2; column 'bought'; {count:,} found. Use gc.Mean" in told(two, gc.Proportion("bought"))
    gone = market.withColumn("gmv", f.when(f.col("visits") <= 3, f.col("gmv")))
    assert f"outcome is missing; column 'gmv'; {count:,} found. Pass missing='zero'" in told(gone, "gmv")
    assert "strata vary within 'place' for" in told(market, "gmv", **ROOMS, strata="tier")
    twice = market.withColumn("user", f.col("place"))
    assert "is not offered on Spark, whose rows have no order, rule='drop'" in told(twice, "gmv")
    assert "rows on Spark have no order" in told(twice, "gmv", rule="first")
    refused(MARKET, market, "gmvv")


def test_rows_are_brought_only_where_something_needs_them(market: DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, found = (
        gc.ab_test(d, metrics=ADJUSTED[3:], control="A", inference="poisson_bootstrap", draws=200, progress=False)
        for d in (MARKET, market)
    )
    assert found.estimate == pytest.approx(wanted.estimate, rel=1e-10)
    note = "4,000 rows of 2 columns were brought here from Spark, as inference='poisson_bootstrap' needs them"
    assert note in found.manifest.notes
    monkeypatch.setattr(brought, "MOST_ROWS", 3_999)
    with pytest.raises(gc.InputError, match="washout= needs the rows themselves, and at most 3,999 of 4 columns are"):
        gc.ab_test(market, metrics=["gmv"], control="A", time="visits", washout=1, cluster="place")
