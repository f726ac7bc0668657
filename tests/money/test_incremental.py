"""Money from an effect: by hand, against simulation, and the ways of counting a coupon twice."""

# ruff: noqa: E501  # the refusals are a table: one case a line

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import campaigns, rollout, thinned

import gmvcausal as gc

EXACT = {"rel": 1e-11}
# Twenty treated and twenty control units: each side brings half of the variance .1 with 19 degrees of freedom, so
# Welch has 38, and the unbiased variance is 20/19 of the printed one.
T = 2.0243941639119702 * math.sqrt(20 / 19)


def forty() -> pd.DataFrame:
    """Twenty treated (changes 6 and 4) and twenty controls (changes 1 and 3): effect 3, variance .1, twenty treated cells."""
    paths = {"A": ([10, 16], 2), "B": ([12, 16], 2), "C": ([5, 6], None), "D": ([7, 10], None)}
    return pd.DataFrame([
        {"unit": f"{name}{k}", "period": t, "gmv": float(y), "first_treated": first}
        for name, (path, first) in paths.items() for k in range(10) for t, y in enumerate(path, 1)
    ])  # fmt: skip


def told(money: Any) -> dict[str, float]:
    return money.to_frame().set_index("term")["estimate"].to_dict()


def test_by_hand_without_cost() -> None:
    money = gc.did(forty()).incremental_gmv()
    assert told(money) == pytest.approx({"incremental_gmv": 60, "refunds": 0, "cost": 0}, **EXACT)
    assert money.std_error == pytest.approx(20 * math.sqrt(0.1), **EXACT)
    assert money.conf_int() == pytest.approx((60 - T * 20 * math.sqrt(0.1), 60 + T * 20 * math.sqrt(0.1)), **EXACT)
    assert money.audit["gmv_definition"].status == "warned"


def test_profit_without_cost_is_shown_where_it_differs_from_gmv() -> None:
    assert told(gc.did(forty()).incremental_gmv(refunds=0.25))["profit"] == pytest.approx(45, **EXACT)
    assert told(gc.did(forty()).incremental_gmv(margin=0.3))["profit"] == pytest.approx(18, **EXACT)


def test_by_hand_with_a_known_cost() -> None:
    """60 gained, a tenth comes back, half of the rest is margin, 20 spent: 27 - 20 = 7; return 7 / 20."""
    money = gc.did(forty()).incremental_gmv(cost=20, cost_is="other", gmv_is="paid", margin=0.5, refunds=0.1)
    assert told(money) == pytest.approx(
        {"incremental_gmv": 60, "refunds": 6, "cost": 20, "profit": 7, "roi": 0.35}, **EXACT
    )
    frame = money.to_frame().set_index("term")
    half = T * 0.45 * 20 * math.sqrt(0.1)
    # With a known cost Fieller's interval is that of the profit, divided by the cost.
    assert tuple(frame.loc["profit", ["conf_low", "conf_high"]]) == pytest.approx((7 - half, 7 + half), **EXACT)
    assert tuple(frame.loc["roi", ["conf_low", "conf_high"]]) == pytest.approx(
        ((7 - half) / 20, (7 + half) / 20), **EXACT
    )
    assert frame.loc["cost", "std_error"] == 0 and math.isnan(frame.loc["roi", "std_error"])
    assert list(frame["unit"]) == ["money"] * 4 + ["ratio"]


def test_a_cost_in_fixed_proportion_leaves_a_certain_return() -> None:
    """Cost is always a fifth of GMV, so the return is 4 whatever the draw: only the covariance knows that."""
    frame = rollout(n=150, seed=3)
    gain = gc.did(frame)
    cost = gc.did(frame.assign(cost=frame["gmv"] / 5), outcome="cost")
    money = gain.incremental_gmv(cost=cost, cost_is="other", gmv_is="paid")
    table = money.to_frame().set_index("term")
    assert table.loc["roi", "estimate"] == pytest.approx(4, rel=1e-9)
    assert tuple(table.loc["roi", ["conf_low", "conf_high"]]) == pytest.approx((4, 4), rel=1e-6)
    assert table.loc["profit", "std_error"] == pytest.approx(0.8 * table.loc["incremental_gmv", "std_error"], rel=1e-9)


@pytest.mark.parametrize("estimator", ["callaway_santanna", "twfe"])
def test_covariance_of_gain_and_cost_against_simulation(estimator: str) -> None:
    """Profit's standard error, with its covariance, is the spread of profit over repeated samples."""
    profits, errors, returns = [], [], 0
    reps, truth = 150, {}
    for seed in range(reps):
        frame = rollout(n=100, cohorts=(4,), effect=3.0, seed=seed, city_noise=0.0)
        noise = np.random.default_rng(10_000 + seed).normal(0, 0.3, len(frame))
        frame["cost"] = 0.25 * frame["gmv"] + noise
        gain = gc.did(frame, estimator=estimator)
        money = gain.incremental_gmv(
            cost=gc.did(frame, outcome="cost", estimator=estimator), cost_is="other", gmv_is="list", margin=0.5
        )
        table = money.to_frame().set_index("term")
        cells = gain.fitted.treated_cells
        profits.append(table.loc["profit", "estimate"] / cells)
        errors.append(table.loc["profit", "std_error"] / cells)
        truth = {"profit": 0.5 * 3 - 0.25 * 3, "roi": (0.5 * 3 - 0.25 * 3) / (0.25 * 3)}
        returns += table.loc["roi", "conf_low"] <= truth["roi"] <= table.loc["roi", "conf_high"]
    assert np.mean(profits) == pytest.approx(truth["profit"], abs=3 * np.std(profits) / math.sqrt(reps))
    assert np.mean(errors) / np.std(profits, ddof=1) == pytest.approx(1, abs=3 / math.sqrt(2 * reps))
    assert returns / reps == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / reps))


def test_absent_unit_periods_have_no_money() -> None:
    frame = thinned(rollout(n=150, seed=4))
    result = gc.did(frame)
    # Only unit-periods that a comparison reaches count: the unit is seen then and in the period before its start.
    based = set(frame.loc[frame["period"] == frame["first_treated"] - 1, "unit"])
    seen = ((frame["period"] >= frame["first_treated"]) & frame["unit"].isin(based)).sum()
    assert result.fitted.treated_cells == seen
    cells = result.att_gt().query("event_time >= 0")
    total = float(cells["estimate"] @ cells["n"])
    assert result.incremental_gmv().estimate == pytest.approx(total, **EXACT)


def test_few_clusters_have_money_without_an_interval() -> None:
    frame = forty()
    few = frame[frame["unit"].isin(["A0", "B1"]) | frame["first_treated"].isna()]
    money = gc.did(few).incremental_gmv(cost=2, cost_is="other", gmv_is="paid")
    assert money.estimate == pytest.approx(6, **EXACT)
    assert np.isnan(money.conf_int()).all()
    assert money.to_frame().set_index("term").loc["roi", ["conf_low", "conf_high"]].isna().all()
    assert not money.audit.credible


def test_weeks_in_four_week_periods() -> None:
    """An effect per week over cells of four weeks counts four times."""
    frame = forty().assign(parts=4)
    frame.attrs["gmvcausal"] = {"freq": "4W", "per": "W", "gmv_is": "paid", "gmv": "gross"}
    assert gc.did(frame).incremental_gmv().estimate == pytest.approx(240, **EXACT)


def about(**facts: Any) -> pd.DataFrame:
    frame = forty().assign(discount=lambda f: f["gmv"] / 10, w=1.5)
    frame.attrs["gmvcausal"] = facts
    return frame


REFUSED: dict[str, tuple[Any, dict[str, Any], type, str]] = {
    "discount in paid GMV": (lambda: gc.did(forty()), {"cost": 5, "cost_is": "discount", "gmv_is": "paid"}, gc.InputError, "count the coupon twice.*gmv_is='list'"),
    "the panel says paid": (lambda: gc.did(about(gmv_is="paid")), {"cost": 5, "cost_is": "discount"}, gc.InputError, "count the coupon twice"),
    "estimated discount": (lambda: gc.did(about()), {"cost": lambda: gc.did(about(), outcome="discount"), "cost_is": "other", "gmv_is": "paid"}, gc.InputError, "count the coupon twice"),
    "discount by another name": (lambda: gc.did(about(discount="gmv2").assign(gmv2=1.0)), {"cost": lambda: gc.did(about().rename(columns={"discount": "gmv2"}), outcome="gmv2"), "cost_is": "other", "gmv_is": "paid"}, gc.InputError, "twice"),
    "cost of unknown kind": (lambda: gc.did(forty()), {"cost": 5, "gmv_is": "paid"}, gc.InputError, "needs cost_is=.*cost_is='discount'.*cost_is='other'"),
    "GMV of unknown kind": (lambda: gc.did(forty()), {"cost": 5, "cost_is": "other"}, gc.InputError, "paid or list price.*gmv_is="),
    "the panel says otherwise": (lambda: gc.did(about(gmv_is="list")), {"gmv_is": "paid"}, gc.InputError, "GMV is list, but gmv_is='paid'"),
    "refunds twice": (lambda: gc.did(about(gmv="net")), {"refunds": 0.1}, gc.InputError, "already net of refunds"),
    "weights": (lambda: gc.did(about(), weights="w"), {}, gc.DesignError, "no total"),
    "naive": (lambda: gc.did(forty(), estimator="naive"), {}, gc.DesignError, "naive comparison"),
    "cost of other units": (lambda: gc.did(forty()), {"cost": lambda: gc.did(forty().assign(fee=1.0, unit=lambda f: f["unit"] + "x"), outcome="fee"), "cost_is": "other", "gmv_is": "paid"}, gc.InputError, "other units.*same panel"),
    "cost of other periods": (lambda: gc.did(forty()), {"cost": lambda: gc.did(rollout(), outcome="w"), "cost_is": "other", "gmv_is": "paid"}, gc.InputError, "other units"),
    "margin in percent": (lambda: gc.did(forty()), {"margin": 30}, gc.InputError, "margin must be a number in \\(0, 1\\]"),
    "negative cost": (lambda: gc.did(forty()), {"cost": -1}, gc.InputError, "cost must be a number in \\[0"),
    "cost as text": (lambda: gc.did(forty()), {"cost": "20"}, gc.InputError, "cost must be a number"),
    "refunds in percent": (lambda: gc.did(forty()), {"refunds": 5}, gc.InputError, "refunds must be a number in \\[0, 1\\)"),
    "unknown kind of GMV": (lambda: gc.did(forty()), {"gmv_is": "gross"}, gc.InputError, "'paid', 'list'"),
    "unknown kind of cost": (lambda: gc.did(forty()), {"cost": 1, "cost_is": "coupon", "gmv_is": "list"}, gc.InputError, "'discount', 'other'"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(REFUSED))
def test_refusals(case: str) -> None:
    make, options, kind, words = REFUSED[case]
    options = {k: v() if callable(v) else v for k, v in options.items()}
    with pytest.raises(kind, match=f"(?s){words}") as caught:
        make().incremental_gmv(**options)
    assert type(caught.value) is kind


def test_a_result_of_something_else() -> None:
    from gmvcausal.money import incremental_gmv

    with pytest.raises(gc.InputError, match=r"needs an effect on GMV that adds up over units, but got int"):
        incremental_gmv(5)


def test_a_discount_on_list_prices_is_a_cost() -> None:
    money = gc.did(about()).incremental_gmv(
        cost=gc.did(about(), outcome="discount"), cost_is="discount", gmv_is="list", margin=0.5
    )
    assert told(money)["profit"] == pytest.approx(0.5 * 60 - 6, **EXACT)


def test_the_audit_of_the_source_comes_along() -> None:
    result = gc.did(campaigns(), estimator="stacked", stack="campaign", treated="treated")
    money = result.incremental_gmv()
    assert {c.name for c in result.audit} < {c.name for c in money.audit}
    assert money.manifest.verb == "incremental_gmv" and money.manifest.data_sha256 == result.manifest.data_sha256


def test_nothing_of_a_loss_is_nothing() -> None:
    """No refunds of a negative effect are 0, not the -0 that 0 times a negative number is."""
    frame = forty()
    money = gc.did(frame.assign(gmv=-frame["gmv"])).incremental_gmv()
    assert told(money)["incremental_gmv"] == pytest.approx(-60, **EXACT)
    assert not np.signbit(money.to_frame().set_index("term").loc["refunds", "estimate"])
