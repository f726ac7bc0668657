"""Money of a randomised test: the uncapped effect per unit times the units of the arm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.abtest.result import AbResult

EXACT = {"rel": 1e-9}
KNOWN: dict[str, Any] = {"cost_is": "other", "gmv_is": "paid"}


def users(n: int = 4_000, arms: tuple[str, ...] = ("none", "coupon"), sigma: float = 0.5) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    arm = np.array(arms)[rng.integers(0, len(arms), n)]
    gmv = np.where(rng.random(n) < 0.4, np.exp(rng.normal(3, sigma, n)), 0) + 2 * (arm != "none")
    fee = (arm != "none") * rng.uniform(0.5, 1.5, n)
    return pd.DataFrame({"arm": arm, "gmv": gmv, "fee": fee, "orders": (gmv > 5) * 1.0, "city": rng.integers(0, 3, n)})


def told(result: Any) -> pd.DataFrame:
    frame: pd.DataFrame = result.to_frame().set_index("term")
    return frame


def test_by_hand() -> None:
    """Four and four users: 3 more each, four treated, so 12; a tenth comes back, a half is margin, 2 was paid."""
    frame = pd.DataFrame({"arm": [0, 1] * 4, "gmv": [1, 4, 2, 5, 3, 6, 6, 9.0]})
    r = gc.ab_test(frame, metrics=gc.Mean("gmv", cap=None))
    money = told(r.incremental_gmv(cost=2, margin=0.5, refunds=0.1, **KNOWN))
    assert money["estimate"].tolist() == pytest.approx([12, 1.2, 2, 0.5 * 0.9 * 12 - 2, (5.4 - 2) / 2], **EXACT)
    low, high = (4 * limit for limit in r.conf_int())
    assert tuple(money.loc["incremental_gmv", ["conf_low", "conf_high"]]) == pytest.approx((low, high), **EXACT)
    assert tuple(money.loc["roi", ["conf_low", "conf_high"]]) == pytest.approx(
        tuple((0.45 * limit - 2) / 2 for limit in (low, high)), **EXACT
    )
    assert money.loc["incremental_gmv", "p_value"] == pytest.approx(r.p_value, **EXACT)
    assert money.loc["incremental_gmv", "estimand"] == "total of gmv over the 4 units of arm 1"


def test_an_estimated_cost_is_the_test_of_the_profit_itself() -> None:
    frame = users()
    r = gc.ab_test(frame, control="none", metrics=[gc.Mean("gmv", cap=None), gc.Mean("fee", cap=None)])
    money = told(r.incremental_gmv(cost="fee", margin=0.3, **KNOWN))
    own = frame.assign(profit=0.3 * frame["gmv"] - frame["fee"])
    direct = gc.ab_test(own, control="none", metrics=gc.Mean("profit", cap=None))
    treated = (frame["arm"] == "coupon").sum()
    assert money.loc["profit", "estimate"] == pytest.approx(direct.estimate * treated, **EXACT)
    assert money.loc["profit", "std_error"] == pytest.approx(direct.std_error * treated, **EXACT)


def test_each_arm_has_its_own_total() -> None:
    frame = users(arms=("none", "coupon", "push"))
    r = gc.ab_test(frame, control="none", metrics=["orders", "gmv"])
    table = r.to_frame()
    for arm in ("coupon", "push"):
        money = r.incremental_gmv(metric="gmv", arm=arm)
        row = table[(table["metric"] == "gmv") & (table["arm"] == arm)].iloc[0]
        assert money.estimate == pytest.approx(row["estimate"] * (frame["arm"] == arm).sum(), **EXACT)
        assert {c.name for c in r.audit} < {c.name for c in money.audit}
    with pytest.raises(gc.InputError, match=r"2 treated arms.*arm='coupon'"):
        r.incremental_gmv(metric="gmv")
    with pytest.raises(gc.InputError, match=r"no treated arm 'pus'.*Did you mean 'push'"):
        r.incremental_gmv(metric="gmv", arm="pus")
    with pytest.raises(gc.InputError, match="counts things"):
        r.incremental_gmv(arm="push")


def test_the_total_stays_uncapped_and_says_so() -> None:
    frame = users(sigma=2.5)
    r = gc.ab_test(frame.drop(frame.index[frame["arm"] == "coupon"][200:]), control="none", metrics="gmv",
                   expected_ratio={"none": 9, "coupon": 1})  # fmt: skip
    assert r.spoken == 1
    for one in (r, gc.ab_test(frame, control="none", metrics=gc.Mean("gmv", cap=0.9))):
        money = one.incremental_gmv()
        plain = next(i for i, cap in enumerate(one.extra.caps) if not cap)
        assert money.estimate == pytest.approx(one.to_frame()["estimate"][plain] * one.extra.units[0], **EXACT)
        assert "no total of GMV" in money.summary()
    assert "few large values decide this total" in " ".join(r.incremental_gmv().summary().split())


@pytest.mark.parametrize("options", [{"adjust": "holm"}, {"alternative": "greater"}, {"cluster": "group"}])
def test_intervals_follow_those_of_the_effect(options: dict[str, Any]) -> None:
    frame = users().assign(group=lambda f: f.groupby("arm").cumcount() % 40 + 100 * (f["arm"] == "coupon"))
    r = gc.ab_test(frame, control="none", metrics=[gc.Mean("gmv", cap=None), gc.Mean("fee", cap=None)], **options)
    money = r.incremental_gmv(cost=100, margin=0.5, **KNOWN)
    size = (frame["arm"] == "coupon").sum()
    assert money.conf_int() == pytest.approx(tuple(size * limit for limit in r.conf_int()), **EXACT)
    profit = told(money).loc["profit"]
    assert profit["conf_low"] == pytest.approx(0.5 * size * r.conf_int()[0] - 100, **EXACT)
    if "cluster" not in options:
        # Adjusted, or one-sided, the p-value against no effect is none of a profit of zero.
        assert np.isnan(profit["p_value"]) and money.p_value == r.p_value
        with pytest.raises(gc.InputError, match=r"made with .*, and have no joint one"):
            r.incremental_gmv(cost="fee", **KNOWN)


def test_a_stratified_effect_is_taken_for_the_treated_with_a_warning() -> None:
    r = gc.ab_test(users(), control="none", metrics=gc.Mean("gmv", cap=None), strata="city")
    assert r.incremental_gmv().audit["total_weighting"].status == "warned"


def about(**facts: Any) -> AbResult:
    frame = users().assign(discount=1.0 * (lambda f: f["arm"] == "coupon")(users()) + users()["fee"] / 9)
    frame.attrs["gmvcausal"] = facts
    return gc.ab_test(frame, control="none", metrics=["gmv", "discount"])


METRICS: list[Any] = [
    gc.Ratio("gmv", "orders"), gc.Proportion("orders"), gc.Gmv(gmv="gmv", orders="orders"), gc.Quantile("gmv", 0.9),
]  # fmt: skip


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: type(m).__name__)
def test_only_a_mean_has_a_total(metric: Any) -> None:
    frame = users().assign(orders=lambda f: np.where(f["gmv"] > 0, 1, 0))  # every amount belongs to an order
    with pytest.raises(gc.InputError, match=rf"(?i)is a {type(metric).__name__}.*add gc\.Mean"):
        gc.ab_test(frame, control="none", metrics=metric).incremental_gmv()
    with pytest.raises(gc.InputError, match=r"Pass metric='fee'"):
        gc.ab_test(frame, control="none", metrics=[metric, "fee"]).incremental_gmv()


@pytest.mark.parametrize(
    ("facts", "options", "message"),
    [
        ({}, {"metric": "gmw"}, "no metric 'gmw'.*did you mean 'gmv'"),
        ({}, {"cost": "fees", **KNOWN}, r"names no mean.*gc\.Mean\('fees'\)"),
        ({}, {"cost": 5, "gmv_is": "paid"}, "needs cost_is="),
        ({}, {"cost": 5, "cost_is": "other"}, "paid or list price"),
        ({"gmv_is": "paid"}, {"cost": "discount", "cost_is": "other"}, "count the coupon twice"),
        ({"gmv_is": "paid"}, {"cost": 5, "cost_is": "discount"}, "count the coupon twice"),
        ({"gmv": "net"}, {"refunds": 0.1}, "already net of refunds"),
        ({}, {"margin": 30}, "margin must be"),
        ({}, {"cost": -1, **KNOWN}, "cost must be"),
    ],
)
def test_refusals(facts: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(gc.InputError, match=f"(?si){message}"):
        about(**facts).incremental_gmv(**options)


def test_a_roll_out_has_neither_metric_nor_arm() -> None:
    from gmvcausal.money import incremental_gmv

    panel = pd.DataFrame(
        [
            {"unit": u, "period": t, "gmv": u + t, "first_treated": 3 if u < 10 else None}
            for u in range(30)
            for t in range(1, 5)
        ]
    )
    with pytest.raises(gc.InputError, match="roll-out"):
        incremental_gmv(gc.did(panel), arm="coupon")
