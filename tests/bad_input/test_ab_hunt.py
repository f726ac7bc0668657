"""Odd data and options of `gc.ab_test`: what is said of them, word by word."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.abtest.intake.read import chance_assigned_there


def test_clusters_too_large_for_a_chance_are_found(tmp_path: Path) -> None:
    city = np.repeat(np.arange(24), 5000)
    rng = np.random.default_rng(0)
    d = pd.DataFrame(
        {"arm": np.where(city % 2 == 0, "none", "coupon"), "city": city, "gmv": rng.gamma(2, 10, len(city))}
    )
    path = tmp_path / "d.parquet"
    d.to_parquet(path)
    for data in (d, path):
        with pytest.warns(gc.GmvCausalWarning, match="does not vary within 'city'"):
            r = gc.ab_test(data, control="none", metrics=["gmv"])
        assert r.audit["cluster_level"].status == "warned"


def test_the_chance_of_clusters_is_that_of_the_sum_where_the_sum_exists() -> None:
    share = np.array([0.2, 0.3, 0.5])
    by_sum = 4 * math.log(float((share**3).sum())) + 2 * math.log(float((share**7).sum()))
    assert chance_assigned_there({1: 9, 3: 4, 7: 2}, share) == pytest.approx(by_sum, rel=1e-13)
    assert chance_assigned_there({5000: 2}, np.array([0.5, 0.5])) == pytest.approx(2 * -4999 * math.log(2), rel=1e-13)
