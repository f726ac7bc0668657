"""Coupons that cost only when redeemed: chances, plans and values; by hand, beside a second way, on known truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.targeting.policy import Held, policy_value

SHARES = {"none": 0.4, "5 yuan": 0.3, "10 yuan": 0.3}
CALL: dict[str, Any] = {
    "treatment": "coupon", "features": ["recency", "city"], "control": "none", "propensity": SHARES,
    "cost": {"5 yuan": 5.0, "10 yuan": 10.0}, "margin": 0.4, "redeemed": "used", "folds": 2,
}  # fmt: skip


def chance(recency: Any, face: Any) -> Any:
    return np.where(face > 0, 0.1 + 0.4 * recency + 0.01 * face, 0.0)


def users(n: int, seed: int) -> pd.DataFrame:
    """Whoever came lately redeems; a redeemed coupon brings an order of 30, and nothing else does."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "recency": rng.random(n), "city": rng.choice(["Hefei", "上海"], n),
        "coupon": rng.choice(list(SHARES), n, p=list(SHARES.values())),
    })  # fmt: skip
    face = frame["coupon"].map({"none": 0, "5 yuan": 5, "10 yuan": 10})
    frame["used"] = (rng.random(n) < chance(frame["recency"], face)).astype(int)
    frame["gmv"] = 20 + 30.0 * frame["used"] + rng.normal(0, 5, n)
    return frame


@pytest.fixture(scope="module")
def model() -> Any:
    return gc.uplift(users(5_000, 1), **CALL)


def test_net_value_by_hand() -> None:
    """Eight users, the coupon (2 if redeemed) for the first six, of whom three were drawn into it and two redeemed.

    Net of the treated, half of GMV less 2 if redeemed: 2 - 2, 1 - 0, 3 - 2, mean 2/3; of the control 0.5, 0.5, 2: mean
    1. So the coupon loses 1/3 for six of eight users. By weights the gain is 0.5 x 6/8 x 2, the cost 2 x 2/3 x 6/8.
    """
    arm = np.array([1, 0, 1, 0, 1, 0, 1, 0])
    y = np.array([4.0, 1, 2, 1, 6, 4, 99, -50])
    redeemed = np.array([1.0, 0, 0, 0, 1, 0, 1, 0])
    held = Held(y, arm, np.full((8, 2), 0.5), np.full((8, 1), 2.0), 0.5, redeemed=redeemed)
    v = policy_value(np.array([1] * 6 + [0] * 2), held)
    assert v.gain.estimate == pytest.approx(0.75) and v.cost.estimate == pytest.approx(1.0)
    assert v.value == pytest.approx(-0.25) and v.roi == pytest.approx(-0.25)
    net = np.array([0, 0.5, 1, 0.5, 1, 2])
    own = 6 / 8 / 3 * (net - np.array([2 / 3, 1] * 3)) * np.array([1, -1] * 3)  # of the two means
    inside = own + (-1 / 3 - -0.25) / 8  # and of the share of the six
    influence = np.append(inside, [0.25 / 8] * 2)
    factor = np.append(np.full(6, 3 / 2), [1, 1])  # three users of each arm are behind it
    assert v.std_error == pytest.approx(np.sqrt(influence**2 @ factor), rel=1e-12)
    paid = np.array([2, 0, 2]) - 4 / 3
    of_cost = np.append(np.zeros(6), [-1 / 8] * 2)
    of_cost[:6] = (4 / 3 - 1) / 8
    of_cost[[0, 2, 4]] += 6 / 8 / 3 * paid
    assert v.cost.std_error == pytest.approx(np.sqrt(of_cost**2 @ factor), rel=1e-12)


def held(n: int, seed: int) -> tuple[Any, Held]:
    """Coupon of 1; redeemed with the chance 1/4 + x/2, and only then worth anything: 2 x on average."""
    rng = np.random.default_rng(seed)
    x, arm = rng.random(n), rng.integers(0, 2, n)
    p = 0.25 + 0.5 * x
    redeemed = arm * (rng.random(n) < p).astype(float)
    y = rng.exponential(1, n) + redeemed * 2 * x / p
    mu = np.column_stack([np.ones(n), 1 + 1.8 * x])  # the models are not quite right
    return x, Held(
        y, arm, np.full((n, 2), 0.5), np.ones((n, 1)), 1.0, mu, None, "money", redeemed, 0.3 + 0.3 * x[:, None]
    )


def test_value_beside_the_same_of_net_outcomes() -> None:
    """Margin x GMV less what was redeemed is an outcome like any other, of a coupon that costs nothing."""
    x, h = held(3_000, 0)
    give = (x > 0.4).astype(int)
    z = h.y - h.arm * h.redeemed
    mu = np.array(h.mu)
    mu[:, 1] -= h.chance[:, 0]
    free = policy_value(give, Held(z, h.arm, h.e, np.zeros_like(h.cost), 1.0, mu))
    v = policy_value(give, h)
    for one, other in ((v.doubly_robust, free.doubly_robust), (v.ipw, free.ipw)):
        assert one.estimate == pytest.approx(other.estimate, abs=1e-12)
        assert one.std_error == pytest.approx(other.std_error, rel=1e-10)
    per_head = policy_value(give, Held(h.y, h.arm, h.e, h.cost, 1.0, h.mu))
    assert per_head.cost.estimate == pytest.approx(give.mean()) and per_head.value < v.value - 0.2


def test_coverage_of_value_cost_and_roi() -> None:
    """Coupon where x > 1/2: gain 3/4, redeemed by (1/4 + 3/8) / 2 of all; value 7/16, ROI 7/5."""
    hits = np.zeros(5)
    truths = (7 / 16, 7 / 16, 7 / 16, 5 / 16, 7 / 5)
    for seed in range(300):
        x, h = held(600, seed)
        v = policy_value((x > 0.5).astype(int), h)
        ends = [v.conf_int(), v.doubly_robust.conf_int(), v.ipw.conf_int(), v.cost.conf_int(), v.roi_conf_int()]
        hits += [low <= truth <= high for (low, high), truth in zip(ends, truths, strict=True)]
    assert (hits / 300 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 300)).all(), hits / 300


def test_who_redeems(model) -> None:
    table = model.redemption().set_index("arm")
    train = users(5_000, 1)
    for label, face in (("5 yuan", 5), ("10 yuan", 10)):
        own = train["coupon"] == label
        row = table.loc[label]
        assert row["n"] == own.sum() and row["redeemed"] == train.loc[own, "used"].sum()
        assert abs(row["share"] - (0.3 + 0.01 * face)) < 4 * row["std_error"]
        assert row["conf_low"] < row["share"] < row["conf_high"] and row["by_features"]
        assert row["cost_per_user"] == pytest.approx(face * row["share"]) and row["cost_per_coupon"] == face
        said = model.fit.predict_redeems(model.trial.x)[:, list(model.arms).index(label)]
        truth = chance(train["recency"], face)
        assert np.sqrt(np.mean((model.trial.in_table_order(said) - truth) ** 2)) < 0.06
    assert "redeem it, at 10 each" in " ".join(model.summary().split())


def test_chances_that_nothing_predicts_are_the_share() -> None:
    rng = np.random.default_rng(3)
    frame = users(2_000, 3)
    frame["used"] = np.where(frame["coupon"] == "none", 0, rng.integers(0, 2, 2_000))
    m = gc.uplift(frame, **CALL)
    assert not m.redemption()["by_features"].any()
    share = frame.loc[frame["coupon"] == "5 yuan", "used"].mean()
    assert m.fit.predict_redeems(m.trial.x)[:, list(m.arms).index("5 yuan")] == pytest.approx(share)
    bare = gc.uplift(frame, **CALL | {"features": []})
    assert bare.redemption()["share"].between(0.4, 0.6).all()


def test_chances_are_out_of_fold(model) -> None:
    """No model of a row has seen it: the coupons of one fold turned round leave its own chances as they are."""
    t, f = model.trial, model.fit
    from gmvcausal.stats.nuisance.boost import Bins
    from gmvcausal.targeting.redemption import cross_fit_redemption

    bins = Bins(t.x, t.features.categorical, 0, 1)
    turned = np.where((f.fold == 0) & (t.arm > 0), 1 - t.redeemed, t.redeemed)
    _, one = cross_fit_redemption(bins, f.fold, t.redeemed, t.arm, t.arms)
    _, two = cross_fit_redemption(bins, f.fold, turned, t.arm, t.arms)
    x = t.x[f.fold == 0]
    assert (one.models[0][0].predict(x) == f.redemption.models[0][0].predict(x)).all()
    assert two.models == () or (two.models[0][0].predict(x) == one.models[0][0].predict(x)).all()
    assert two.models == () or (two.models[1][0].predict(x) != one.models[1][0].predict(x)).any()


def test_plans_spend_what_is_redeemed(model, tmp_path) -> None:
    choose = users(3_000, 2).drop(columns=["coupon", "used", "gmv"])
    p = model.policy(choose, budget=1_500.0)
    own = model.fit.predict_redeems(model.trial.features.transform(_table(choose, model)))
    face = np.array([{"5 yuan": 5.0, "10 yuan": 10.0}[a] for a in model.arms])
    at = np.array([list(model.trial.labels).index(label) for label in p.assign])
    spent = np.column_stack([np.zeros(len(at)), own * face])[np.arange(len(at)), at]
    assert p.cost == pytest.approx(spent.sum()) and 1_480 < p.cost <= 1_500
    test = users(5_000, 3)
    v = p.evaluate(test)
    given = p.apply(test)
    per = np.select([given == "5 yuan", given == "10 yuan"], [5.0, 10.0], 0.0)
    redeems = chance(test["recency"], per)
    low, high = v.conf_int(0.999)
    assert low < ((0.4 * 30 - per) * redeems).mean() < high
    low, high = v.cost.conf_int(0.999)
    assert low < (per * redeems).mean() < high and v.cost.std_error > 0
    model.save(tmp_path / "m")
    again = gc.load_uplift(tmp_path / "m")
    assert (again.policy(choose, budget=1_500.0).assign == p.assign).all()
    assert again.policy(choose, budget=1_500.0).evaluate(test).value == v.value
    pd.testing.assert_frame_equal(again.redemption(), model.redemption())
    with pytest.raises(gc.InputError, match="no column 'used'"):
        p.evaluate(test.drop(columns="used"))


def _table(frame: pd.DataFrame, model: Any) -> Any:
    from gmvcausal.frames.table import open_table

    return open_table(frame, needed=model.trial.features.needed)


def test_units_order_and_names(model) -> None:
    """Money in fen, rows in another order, arms called otherwise: the same plan."""
    train, choose, test = users(5_000, 1), users(1_000, 2), users(3_000, 3)
    p = model.policy(choose, budget=400.0)
    v = p.evaluate(test)
    fen = gc.uplift(train.assign(gmv=100 * train["gmv"]), **CALL | {"cost": {"5 yuan": 500.0, "10 yuan": 1_000.0}})
    q = fen.policy(choose, budget=40_000.0)
    assert (q.assign == p.assign).mean() > 0.998 and q.cost == pytest.approx(100 * p.cost, rel=1e-3)
    w = q.evaluate(test.assign(gmv=100 * test["gmv"]))
    assert w.value == pytest.approx(100 * v.value, rel=2e-2) and w.roi == pytest.approx(v.roi, rel=2e-2)
    shuffled = gc.uplift(train.sample(frac=1, random_state=0), **CALL)
    pd.testing.assert_frame_equal(shuffled.redemption(), model.redemption(), rtol=1e-10)
    order = np.random.default_rng(0).permutation(len(choose))
    r = shuffled.policy(choose.iloc[order], budget=400.0)
    assert (r.assign != p.assign[order]).sum() <= 10  # users alike among whom the last of the budget is divided
    assert r.cost == pytest.approx(p.cost)
    names = {"none": "none", "5 yuan": "A", "10 yuan": "B"}  # the other way round in the alphabet
    named = gc.uplift(
        train.assign(coupon=train["coupon"].map(names)),
        **CALL | {"propensity": {"none": 0.4, "A": 0.3, "B": 0.3}, "cost": {"A": 5.0, "B": 10.0}},
    )
    ours, theirs = model.redemption().set_index("arm"), named.redemption().set_index("arm")
    for label in ("5 yuan", "10 yuan"):
        assert theirs.loc[names[label], "share"] == pytest.approx(ours.loc[label, "share"], rel=1e-10)


def test_a_cost_for_everyone_is_said() -> None:
    frame = users(1_000, 6)
    m = gc.uplift(frame, **CALL | {"redeemed": None})
    words = " ".join(m.summary().split())
    assert "Every treated user costs, whether the coupon is used or not" in words
    with pytest.raises(gc.InputError, match="nobody said who redeemed"):
        m.redemption()
    ate, low, high = m.estimates.estimate[0], *(ends[0] for ends in m.estimates.interval(0.95))
    earned = [0.4 * v - 10 for v in (ate, low, high)]
    assert m.arms[0] == "10 yuan"
    assert f"earns {earned[0]:+,.3g} per unit (95% interval {earned[1]:+,.3g} to {earned[2]:+,.3g})" in words
    free = gc.uplift(frame, **CALL | {"cost": 0, "margin": 1.0})
    assert "redeemed= tells shares alone" in " ".join(free.summary().split())
