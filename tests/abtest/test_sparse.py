"""Rows of which most are zero, not written out: the verb gives what it gives on the dense table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.abtest.intake.rows import Ask, Col
from gmvcausal.abtest.intake.sparse import Sparse, sparse


def both(seed: int = 3) -> tuple[pd.DataFrame, Sparse]:
    """The same users as a table and without those who did nothing; a few have orders of value zero, or a refund."""
    rng = np.random.default_rng(seed)
    arm = np.repeat([0, 1], [9_000, 3_000])
    orders = np.where(rng.random(len(arm)) < 0.06, rng.integers(1, 4, len(arm)), 0)
    gmv = np.where(orders > 0, np.exp(rng.normal(3, 1.6, len(arm))), 0.0) * np.where(rng.random(len(arm)) < 0.05, 0, 1)
    gmv[np.flatnonzero(orders)[:2]] = -7.5
    dense = pd.DataFrame({"arm": arm, "gmv": gmv, "orders": orders}).sample(frac=1, random_state=1, ignore_index=True)
    live = dense[(dense["orders"] > 0) | (dense["gmv"] != 0)]
    outcomes = {"gmv": live["gmv"].to_numpy(), "orders": live["orders"].to_numpy()}
    return dense, sparse((0, 1), 0, np.array([9_000, 3_000]), live["arm"].to_numpy(), outcomes)


CALLS: list[dict[str, Any]] = [
    {"metrics": [gc.Mean("gmv"), gc.Ratio("gmv", "orders"), gc.Quantile("gmv", 0.97)]},
    {"metrics": [gc.Mean("gmv", cap=0.9)], "alternative": "greater", "lift": "log", "hc": None},
    {"metrics": [gc.Mean("gmv"), gc.Mean("orders"), gc.Gmv("gmv", "orders")], "adjust": "holm", "alpha": 0.1},
]


@pytest.mark.parametrize("call", CALLS)
def test_it_is_the_answer_on_the_dense_table(call: dict[str, Any]) -> None:
    dense, few = both()
    shares = {0: 0.75, 1: 0.25}
    wanted, found = (gc.ab_test(data, expected_ratio=shares, **call) for data in (dense, few))
    pd.testing.assert_frame_equal(found.to_frame(), wanted.to_frame(), rtol=1e-10, atol=1e-12)
    for a, b in zip(wanted.audit, found.audit, strict=True):
        assert (a.name, a.status, a.message, a.remedy) == (b.name, b.status, b.message, b.remedy)
        assert b.value == (None if a.value is None else pytest.approx(a.value, rel=1e-8))
    assert (found.n, found.manifest.rows, found.manifest.columns) == (12_000, 12_000, 3)
    assert found.advice == wanted.advice


def test_the_largest_residual_may_be_that_of_a_row_that_is_zero() -> None:
    one = sparse((0, 1), 0, np.array([4, 4]), np.array([0, 0, 0, 1]), {"x": np.array([5.0, 5.0, 5.0, 5.0])})
    ask = Ask(0, np.array([3.75]), np.array([1.0]), None)
    (look,) = one.look([Col("x")], [ask])
    assert look[:3] == pytest.approx((3.75**2, 3 * 1.25**2 + 3.75**2, 3 * 1.25**3 - 3.75**3))


def test_without_rows_that_are_zero_it_is_the_rows() -> None:
    arm, x = np.array([0, 0, 1, 1]), np.array([-3.0, -5.0, -4.0, -8.0])
    few = sparse((0, 1), 0, np.array([2, 2]), arm, {"x": x})
    assert few.shape(Col("x")) == pytest.approx(few.live.shape(Col("x")))
