"""From a fitted model to an evaluation and a plan: the whole way, on users kept apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

RNG = np.random.default_rng(4)
CALL: dict[str, Any] = {
    "treatment": "coupon", "features": ["tier", "recency", "city"], "control": "none",
    "propensity": {"none": 0.4, "5 yuan": 0.3, "10 yuan": 0.3}, "cost": {"5 yuan": "face", "10 yuan": 2.0},
    "margin": 0.5,
}  # fmt: skip


def users(n: int, seed: int) -> pd.DataFrame:
    """The small coupon helps whoever came lately, the large one high tiers; it costs twice as much."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "tier": rng.integers(0, 4, n), "recency": rng.random(n), "city": rng.choice(["Hefei", "上海"], n),
        "coupon": rng.choice(["none", "5 yuan", "10 yuan"], n, p=[0.4, 0.3, 0.3]), "face": 1.0,
    })  # fmt: skip
    effect = np.where(frame["coupon"] == "5 yuan", 6 * (frame["recency"] > 0.5), 0.0)
    effect = effect + np.where(frame["coupon"] == "10 yuan", 4.0 * frame["tier"], 0.0)
    frame["gmv"] = 20 + 3 * frame["tier"] + effect + rng.normal(0, 4, n)
    return frame


@pytest.fixture(scope="module")
def model() -> Any:
    return gc.uplift(users(6_000, 1), **CALL)


@pytest.fixture(scope="module")
def test() -> pd.DataFrame:
    return users(4_000, 2)


def test_evaluation(model, test) -> None:
    both = model.evaluate(test)
    assert both.labels == tuple(model.arms) == ("10 yuan", "5 yuan")
    e = both.of("5 yuan")
    assert not e.noise
    # the Qini of knowing best: half gain 6, half 0 (area 6/8 above the line's), and a quarter each 12, 8, 4, 0
    best = 6 * (0.5 - 0.25) / 2
    low, high = e.doubly_robust.qini.conf_int(0.999)
    assert low < best and 0.8 * best < high
    large = both.of("10 yuan").calibration().slope
    assert abs(large.estimate - 1) < 4 * large.std_error + 0.1
    order = RNG.permutation(len(test))
    again = model.evaluate(test.iloc[order]).of("5 yuan")
    assert again.qini.estimate == pytest.approx(e.qini.estimate, rel=1e-10)
    with pytest.raises(gc.DesignError, match="trained the model"):
        model.evaluate(users(6_000, 1))


def test_plan_and_its_value(model, test) -> None:
    free = model.policy(users(3_000, 3))
    p = model.policy(users(3_000, 3), budget=2_000.0)
    assert p.cost <= 2_000 < free.cost and p.expected.gap < 1e-3 and p.expected.price > 0
    assert set(p.assign) == {"none", "5 yuan", "10 yuan"}
    spent = {"none": 0.0, "5 yuan": 1.0, "10 yuan": 2.0}
    assert p.cost == pytest.approx(sum(spent[label] for label in p.assign))
    again = p.apply(users(3_000, 3))
    assert (again == p.assign).mean() > 0.98  # users alike whom the last of the budget divides are left out
    assert 1_960 < sum(spent[label] for label in again) <= 2_000
    v = p.evaluate(test)
    given = p.apply(test)
    truth = np.where(given == "5 yuan", 0.5 * 6 * (test["recency"] > 0.5) - 1, 0.0)
    truth = truth + np.where(given == "10 yuan", 0.5 * 4 * test["tier"] - 2, 0.0)
    low, high = v.conf_int(0.999)
    assert low < truth.mean() < high
    low, high = v.ipw.conf_int(0.999)
    assert low < truth.mean() < high
    assert v.cost.estimate == pytest.approx(np.mean([spent[label] for label in given]))
    assert v.roi == pytest.approx(v.value / v.cost.estimate)
    gap = free.evaluate(test, against=p)
    assert gap.treated == pytest.approx((free.apply(test) != given).mean())
    assert gap.value == pytest.approx(free.evaluate(test).value - v.value, abs=1e-10)
    assert gap.conf_int()[0] > 0  # a budget that binds costs value
    with pytest.raises(gc.DesignError, match="trained the model"):
        p.evaluate(users(6_000, 1))
    with pytest.raises(gc.DesignError, match="chose the policy"):
        p.evaluate(users(3_000, 3))
    assert "expected by the model, not measured" in p.summary()
    assert "kept apart" in v.summary() and "ROI" in v.summary()


def test_a_plan_that_is_a_tree(model, test) -> None:
    choose = users(3_000, 3)
    best, p = model.policy(choose), model.policy(choose, depth=2)
    assert 0 <= p.expected.gap < 0.25 and p.expected.bound == best.expected.bound
    words = p.rule.tree.words()
    assert "tier is at most" in words and "recency is at most 0." in words
    assert (p.apply(choose) == p.assign).all()
    assert "by a tree" in p.summary()
    v = p.evaluate(test)
    given = p.apply(test)
    truth = np.where(given == "5 yuan", 0.5 * 6 * (test["recency"] > 0.5) - 1, 0.0)
    truth = truth + np.where(given == "10 yuan", 0.5 * 4 * test["tier"] - 2, 0.0)
    low, high = v.conf_int(0.999)
    assert low < truth.mean() < high
    tight = model.policy(choose, depth=2, budget=1_200.0)
    assert 0 < tight.cost <= 1_200 and tight.expected.value < p.expected.value
    few = model.policy(choose, depth=2, max_share=0.3)
    treated = few.assign != "none"
    assert 0.2 < treated.mean() <= 0.3 and 0 < few.expected.value < p.expected.value
    # no tree of the same users treats as few and is worth more than the bound of all plans
    assert few.expected.bound == pytest.approx(model.policy(choose, max_share=0.3).expected.bound)
    both = model.policy(choose, depth=2, max_share=0.3, budget=500.0)
    assert both.cost <= 500 and (both.assign != "none").mean() <= 0.3 and 0 < both.expected.value <= few.expected.value
    nobody = model.policy(choose, depth=1, max_share=0.0)
    assert (nobody.assign == "none").all() and "Nobody is treated" in nobody.summary()
    with pytest.raises(gc.InputError, match=r"depth= and group_share= do not go together.*budget= or max_share="):
        model.policy(choose, depth=2, groups="city", group_share=(0.1, 0.5))
    with pytest.raises(gc.InputError, match="depth must be 1, 2 or 3"):
        model.policy(choose, depth=7)


def test_shares_by_group(model) -> None:
    choose = users(2_000, 5)
    p = model.policy(choose, max_share=0.3, groups="city", group_share=(0.25, 0.5))
    treated = pd.Series(p.assign != "none")
    assert treated.mean() <= 0.3
    shares = treated.groupby(choose["city"]).mean()
    assert shares.between(0.25, 0.5).all()
    with pytest.raises(gc.InputError, match="groups for which the policy was not made"):
        p.apply(choose.assign(city="Wuhu"))
    with pytest.raises(gc.InputError, match="needs groups"):
        model.policy(choose, group_share=(0.25, 0.5))


def test_a_frame_is_not_changed(model, test) -> None:
    before = test.copy()
    p = model.policy(test.drop(columns=["gmv", "coupon"]), max_share=0.2)
    model.evaluate(test)
    assert (p.assign != "none").mean() <= 0.2
    pd.testing.assert_frame_equal(test, before)
