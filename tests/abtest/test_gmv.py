"""GMV taken apart: the factors' log-lifts add up to the total's, with the intervals that the rows support."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ab_users import users
from protocol import assert_protocol

import gmvcausal as gc

DATA = users(n=3000, arms=3, seed=4)
DATA["visits"] = DATA["orders"] + np.random.default_rng(1).poisson(0.5, len(DATA))
GMV = gc.Gmv(visits="visits", orders="orders", gmv="gmv")


def test_contributions_add_up(tmp_path: Path) -> None:
    result = gc.ab_test(DATA, control=0, metrics=[GMV, gc.Gmv(orders="orders", gmv="gmv")])
    table = result.to_frame()
    for first, last in ((0, 5), (5, 10), (10, 14), (14, 18)):
        part = table.iloc[first:last]
        assert part["term"].iloc[0].startswith("gmv: total")
        assert part["estimate"].iloc[1:].sum() == pytest.approx(part["estimate"].iloc[0], abs=1e-12)
        # jointly too: the variance of the sum is the variance of the total
        cov = result.estimates.cov[first + 1 : last, first + 1 : last]
        assert cov.sum() == pytest.approx(result.estimates.cov[first, first], rel=1e-9)
    assert_protocol(result, tmp_path)


def test_each_factor_by_hand() -> None:
    table = gc.ab_test(DATA, control=0, metrics=[GMV]).to_frame()
    t, c = DATA[DATA["arm"] == 1], DATA[DATA["arm"] == 0]

    def factors(d: pd.DataFrame) -> list[float]:
        reach, buyers = (d["visits"] > 0).mean(), (d["orders"] > 0).mean()
        orders, gmv = d["orders"].mean(), d["gmv"].mean()
        return [gmv, reach, buyers / reach, orders / buyers, gmv / orders]

    wanted = np.log(np.array(factors(t)) / np.array(factors(c)))
    found = table[table["arm"] == 1]
    np.testing.assert_allclose(found["estimate"], wanted, rtol=1e-10)
    np.testing.assert_allclose(found["relative"], np.expm1(wanted), rtol=1e-10)
    value = DATA.groupby("arm").apply(
        lambda d: pd.Series({"v": (d["gmv"] / d["gmv"].mean() - d["orders"] / d["orders"].mean()).var() / len(d)}),
        include_groups=False,
    )["v"]
    assert found["std_error"].iloc[4] == pytest.approx((value[1] + value[0]) ** 0.5, rel=1e-9)


def test_a_file_gives_the_same(tmp_path: Path) -> None:
    DATA.to_parquet(tmp_path / "t.parquet")
    first, second = (gc.ab_test(d, control=0, metrics=[GMV]).to_frame() for d in (DATA, tmp_path / "t.parquet"))
    np.testing.assert_allclose(first[["estimate", "std_error"]], second[["estimate", "std_error"]], rtol=1e-9)


def test_nothing_to_take_apart() -> None:
    with pytest.raises(gc.DesignError, match="no logarithm"):
        gc.ab_test(DATA.assign(gmv=0.0), control=0, metrics=[GMV])
    with pytest.raises(gc.InputError, match="different columns"):
        gc.Gmv(orders="gmv", gmv="gmv")
