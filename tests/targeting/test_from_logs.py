"""From raw logs of a market to the effects of its coupon: what lies before assignment stays before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

KNOWN = ["recency", "frequency", "monetary", "orders_pre", "gmv_pre"]


@pytest.fixture(scope="module")
def market() -> Any:
    return gc.simulate.livestream(users=1_200, rooms=4, days=50, tactics=["coupon"], seed=3, conversion=0.1)


@pytest.fixture(scope="module")
def table(market) -> pd.DataFrame:
    """One row a user: the window from assignment, what was known before it, the chance of the lot, who redeemed."""
    found = market.table()
    logs = market.logs
    lot = logs.assignments.set_index("user")["probability"]
    redeemed = logs.coupons.loc[logs.coupons["redeemed"].notna(), "user"]
    found["chance"] = found["user"].map(lot)
    found["used"] = found["user"].isin(redeemed).astype(int)
    found["drawn"] = pd.Timestamp(market.design.options["anchor"])
    return found


def call(**options: Any) -> dict[str, Any]:
    return {
        "treatment": "arm", "control": "none", "features": KNOWN, "propensity": "chance", "cost": 8.0,
        "redeemed": "used", "margin": 0.3, "learner": "hurdle", "folds": 2,
    } | options  # fmt: skip


def test_rows_41_and_39_of_logs(market, table) -> None:
    """Orders before assignment are features, counted in the notes, and in no outcome; exposure may not come first."""
    m = gc.uplift(table, **call(assigned_at="drawn", exposed_at="assigned"))
    orders, start = market.logs.orders, pd.Timestamp(market.design.options["anchor"])
    placed = orders["time"].dt.tz_localize(None) if orders["time"].dt.tz is not None else orders["time"]
    days = int(market.design.options["pre"].removesuffix("D"))
    before = orders[(placed < start) & (placed >= start - pd.Timedelta(days=days))]
    assert table["orders_pre"].sum() == len(before) > 0
    noted = f"{len(before):,} orders of the {days} days before assignment count in gmv_pre, not in gmv"
    assert noted in m.manifest.notes and noted in " ".join(m.summary().split())
    assert m.unit == table.attrs["gmvcausal"]["outcome_unit"] and m.audit["sample_ratio"].status == "passed"
    assert m.redemption()["redeemed"].tolist() == [int(table["used"].sum())] and table["used"].sum() > 0
    early = table.copy()
    moved = np.flatnonzero(table["arm"] == "coupon")[:3]
    early.loc[moved, "assigned"] -= pd.Timedelta(days=2)
    with pytest.raises(gc.InputError, match="3 rows were exposed before they were assigned") as caught:
        gc.uplift(early, **call(assigned_at="drawn", exposed_at="assigned"))
    assert caught.value.count == 3 and caught.value.rows == tuple(moved)


def test_row_38_of_logs(market) -> None:
    """Users exposed to two of the tactics belong to no arm."""
    twice = market.logs.exposures.head(4).assign(tactic="push")
    both = pd.concat([market.logs.exposures, twice], ignore_index=True)
    logs = gc.Logs(**{**market.logs, "exposures": both}, **market.design.logs)
    with pytest.raises(gc.InputError, match="4 users were exposed to more than one of the tactics"):
        logs.users(**{**market.design.options, "tactic": ["coupon", "push"]})


def test_a_plan_of_users_of_logs(table) -> None:
    """Learned on half of the users, planned and measured on the others; the window of the outcome is no feature."""
    train, test = table.iloc[::2], table.iloc[1::2]
    m = gc.uplift(train, **call())
    p = m.policy(test.iloc[::2][KNOWN], max_share=0.5)
    assert (p.assign == "coupon").mean() <= 0.5
    v = p.evaluate(test.iloc[1::2])
    assert v.n == 300 and np.isfinite([v.value, v.std_error, v.cost.estimate]).all()
    with pytest.raises(gc.InputError, match="'orders', which is measured after assignment"):
        gc.uplift(train, **call(features=[*KNOWN, "orders"]))
