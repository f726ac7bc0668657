"""Uplift on frames of Spark: the same lot, the same numbers, and what is wrong with a row said as in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.targeting.large import source

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

HOW: dict[str, Any] = {
    "treatment": "coupon", "features": ["age", "tier"], "propensity": 0.2, "folds": 2, "learner": "hurdle",
    "cost": 0.5, "margin": 0.4,
}  # fmt: skip


def people(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    f = pd.DataFrame({"user_id": np.arange(n) + 10**6 * seed, "age": rng.normal(40, 10, n)})
    f["tier"] = rng.choice(["gold", "silver", "new"], n)
    f["coupon"] = (rng.random(n) < 0.2).astype(int)
    f["gmv"] = np.where(rng.random(n) < 0.3 + 0.2 * f["coupon"], rng.gamma(4, 10, n), 0.0).round(2)
    return f


def test_uplift_on_spark(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    users, test = people(3_000, 1), people(2_000, 2)
    here, there = gc.uplift(users, sample=1_000, **HOW), gc.uplift(spark.createDataFrame(users), sample=1_000, **HOW)
    columns = ["estimate", "std_error", "df", "value"]
    np.testing.assert_allclose(there.to_frame()[columns], here.to_frame()[columns], rtol=1e-10)
    np.testing.assert_allclose(there.predict(test), here.predict(test), rtol=1e-10)
    assert there.sampled == here.sampled and there.n == 3_000

    monkeypatch.setattr(source, "HELD", 1_000)
    frame = spark.createDataFrame(test).repartition(3)
    scores = here.score(frame, keep=["user_id"]).toArrow().to_pandas().sort_values("user_id")
    np.testing.assert_array_equal(scores["effect 1"], here.predict(test)[:, 0])
    a, b = here.evaluate(test), here.evaluate(frame)
    columns = ["estimate", "std_error", "p_value", "conf_low", "conf_high"]
    np.testing.assert_allclose(b.to_frame()[columns], a.to_frame()[columns], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(b.deciles(), a.deciles(), rtol=1e-10, atol=1e-10)

    with pytest.raises(gc.InputError, match="to= names a file"):
        here.score(frame, "scores.parquet")
    gone = spark.createDataFrame(test.assign(gmv=test["gmv"].where(test.index != 1_500)))
    with pytest.raises(gc.InputError, match=r"outcome (is missing|holds)") as caught:
        here.evaluate(gone)
    assert caught.value.column == "gmv" and caught.value.count == 1
