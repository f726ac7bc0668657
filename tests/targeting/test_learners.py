"""Individual effects: every learner finds what there is, on outcomes that are mostly zero and on plain ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.stats.nuisance.boost import Bins, Recipe
from gmvcausal.stats.nuisance.line import columns_of
from gmvcausal.stats.nuisance.outcomes import cross_fit
from gmvcausal.stats.nuisance.parts import fit_part
from gmvcausal.targeting.learners.choose import LEARNERS
from gmvcausal.targeting.learners.pseudo import winsorised

FEATURES = ["a", "b", "c"]
CALL: dict[str, Any] = {"outcome": "y", "treatment": "on", "features": FEATURES, "propensity": 0.5, "folds": 3}


def plain(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=FEATURES).assign(on=rng.permutation(np.arange(n) % 2))
    frame["cate"] = 1.0 * (frame["a"] > 0)
    return frame.assign(y=2 * frame["b"] + frame["on"] * frame["cate"] + rng.normal(size=n))


def coupons(n: int, seed: int) -> pd.DataFrame:
    """A fifth buys; a coupon brings more buyers where a > 0; amounts are lognormal."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=FEATURES).assign(on=rng.permutation(np.arange(n) % 2))
    low = 1 / (1 + np.exp(1.8 - 0.8 * frame["b"]))
    high = 1 / (1 + np.exp(1.8 - 0.8 * frame["b"] - 0.9 * (frame["a"] > 0)))
    mean = np.exp(2 + 0.3 * frame["b"])
    frame["cate"] = (high - low) * mean * np.exp(0.5)
    buys = rng.random(n) < np.where(frame["on"] == 1, high, low)
    return frame.assign(y=np.where(buys, mean * np.exp(rng.normal(size=n)), 0.0))


@pytest.mark.parametrize("learner", [v for v in LEARNERS if v not in ("auto", "causal_forest")])
def test_every_learner_ranks_users_by_what_they_gain(learner: str) -> None:
    frame = coupons(6000, 1) if learner == "hurdle" else plain(3000, 1)
    m = gc.uplift(frame, **CALL, learner=learner)
    assert m.learner == learner and m.effects.shape == (len(frame), 1)
    assert np.corrcoef(m.effects[:, 0], frame["cate"])[0, 1] > 0.5
    # The average is that of AIPW, whatever the learner is: no learner's own standard error is used.
    assert m.effects.mean() == pytest.approx(m.estimate, rel=1e-9)
    assert m.estimate == gc.uplift(frame, **CALL, learner="dr").estimate
    again = gc.uplift(frame, **CALL, learner=learner)
    np.testing.assert_array_equal(again.predict(frame), m.predict(frame))


def test_hurdle_beats_a_model_for_each_arm_on_zeros_and_tails() -> None:
    frame = coupons(6000, 2)
    error = {
        name: float(np.sqrt(((gc.uplift(frame, **CALL, learner=name).effects[:, 0] - frame["cate"]) ** 2).mean()))
        for name in ("hurdle", "t", "auto")
    }
    assert error["hurdle"] < 0.6 * error["t"] and error["hurdle"] < frame["cate"].std()
    assert error["auto"] < 1.1 * error["hurdle"]


def test_auto_says_what_it_picked_and_why() -> None:
    m = gc.uplift(coupons(3000, 3), **CALL)
    told = next(v for v in m.manifest.notes if "auto chose" in v)
    assert m.learner == "hurdle" and "of the outcomes are zero, above 50%" in told
    other = gc.uplift(plain(1500, 3), **CALL)
    told = next(v for v in other.manifest.notes if "auto chose" in v)
    assert other.learner == "x" and "0.0% of the outcomes are zero" in told


def test_hurdle_is_chance_times_amount() -> None:
    """Without anything to learn the parts are shares and means of buyers, which anyone can multiply."""
    rng = np.random.default_rng(0)
    x, arm = np.zeros((40, 1), dtype=np.float32), np.arange(40) % 2
    y = np.where(rng.random(40) < 0.4, rng.integers(1, 9, 40), 0).astype(float)
    bins = Bins(x, (), 0, 1)
    fold = np.arange(40) // 2 % 2
    mu, _ = cross_fit(bins, fold, y, arm, 2, "hurdle")
    for a in (0, 1):
        own = y[(fold == 1) & (arm == a)]
        bought = own[own > 0]
        assert mu[0, a] == pytest.approx((own > 0).mean() * bought.mean(), rel=1e-6)


def test_arms_share_what_they_have_in_common() -> None:
    """The mean of every arm is right on the rows that were learned from, on the scale of each link."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 2)).astype(np.float32)
    arm = np.arange(2000) % 2
    bins, rows = Bins(x, (), 0, 1), np.arange(2000)
    chance = (rng.random(2000) < 0.2 + 0.2 * arm).astype(float)
    amount = np.exp(x[:, 0].astype(float) + 0.5 * arm) * rng.gamma(2, 1, 2000)
    for target, objective in ((chance, "binary"), (amount, "gamma")):
        said = fit_part(bins, columns_of(x, ()), rows, target, arm, 2, objective).predict(x)
        for a in (0, 1):
            assert said[arm == a, a].mean() == pytest.approx(target[arm == a].mean(), rel=0.05)
    assert np.corrcoef(np.log(said[:, 0]), x[:, 0])[0, 1] > 0.95


def test_trees_are_those_of_lightgbm() -> None:
    """One binning for all selections of rows gives the trees that LightGBM grows on the selection with these bins."""
    import lightgbm as lgb

    rng = np.random.default_rng(2)
    x = rng.normal(size=(500, 3)).astype(np.float32)
    y = x[:, 0] + rng.normal(size=500)
    rows = np.arange(0, 500, 2)
    found = Bins(x, (), 0, 1).train(rows, y[rows], Recipe(20, 5, 0.1, 20, 1.0)).predict(x)
    params = {"verbosity": -1, "num_leaves": 5, "min_data_in_leaf": 20, "lambda_l2": 1.0, "num_threads": 1}
    whole = lgb.Dataset(x, params=params).construct()
    part = lgb.Dataset(x[rows], (y[rows] - y[rows].mean()) / y[rows].std(), reference=whole, params=params)
    same = lgb.train(params, part, 20).predict(x) * y[rows].std() + y[rows].mean()
    np.testing.assert_allclose(found, same, rtol=1e-5, atol=1e-6)


def test_winsorising_leaves_plain_values_alone() -> None:
    rng = np.random.default_rng(0)
    value = rng.normal(size=1000)
    assert winsorised(value) is value
    wild = np.append(value, 1e6)
    assert winsorised(wild).max() < 10 and winsorised(wild).min() <= np.quantile(value, 0.01)


def test_hurdle_needs_amounts() -> None:
    frame = plain(400, 0)
    with pytest.raises(gc.DesignError, match="negative values"):
        gc.uplift(frame, **CALL, learner="hurdle")


def test_binary_outcomes_and_several_arms() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.normal(size=(4000, 3)), columns=FEATURES)
    frame["on"] = np.array(["none", "five", "ten"])[rng.permutation(np.arange(4000) % 3)]
    lift = frame["on"].map({"none": 0.0, "five": 0.1, "ten": 0.3}) * (frame["a"] > 0)
    frame["y"] = (rng.random(4000) < 0.2 + lift).astype(int)
    shares = dict.fromkeys(("none", "five", "ten"), 1 / 3)
    call = {**CALL, "propensity": shares, "control": "none"}
    for learner in ("hurdle", "dr", "r", "x", "s", "t"):
        m = gc.uplift(frame, **call, learner=learner)
        assert m.arms == ("five", "ten") and m.predict(frame).shape == (4000, 2)
        high, low = m.effects[frame["a"] > 0], m.effects[frame["a"] <= 0]
        assert high.mean(axis=0)[1] > high.mean(axis=0)[0] > low.mean(axis=0)[0] - 0.05
    told = " ".join(gc.uplift(frame, **call).manifest.notes)
    assert "the others one: hurdle, the chance alone, comes first" in told
    assert m.fit.kind == "binary" and m.fit.mu.min() > 0 and m.fit.mu.max() < 1


@pytest.mark.parametrize("known", [True, False])
def test_no_drift_in_a_plain_randomised_trial(known: bool) -> None:
    """Twenty trials whose effect is 1: inverse chances of noise would send single answers to -0.4 and 2.1."""
    gaps = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(300, 5))
        on = rng.random(300) < 0.5
        frame = pd.DataFrame(x, columns=list("abcde")).assign(on=on, y=x[:, 0] + on + rng.normal(size=300))
        call: dict[str, Any] = {"outcome": "y", "treatment": "on", "features": list("abcde"), "folds": 2}
        m = gc.uplift(frame, **call, learner="dr", propensity=0.5 if known else None)
        gaps.append((m.estimate - 1, m.std_error))
        assert abs(m.effects.mean() - 1) < 0.6
    gap, error = np.array(gaps).T
    assert abs(gap.mean()) < 3 * error.mean() / np.sqrt(20)
    assert 0.6 < gap.std() / error.mean() < 1.4


def test_methods_on_data_kept_apart(data_dir: Path) -> None:
    """Womens e-mail on visits: half learns, the other half holds the ranking and a plan against what happened."""
    frame = pd.read_csv(data_dir / "hillstrom.csv")
    frame = frame[frame["segment"] != "Mens E-Mail"].sample(20_000, random_state=0)
    train, test = frame.iloc[:10_000], frame.iloc[10_000:]
    m = gc.uplift(
        train, outcome="visit", treatment="segment", control="No E-Mail", propensity=0.5, cost=0.02,
        features=["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"],
    )  # fmt: skip
    e = m.evaluate(test)
    low, high = e.qini.conf_int()
    assert low < e.qini.estimate < high and e.qini.estimate > 0
    p = m.policy(test.iloc[:5000], budget=40)
    assert set(p.assign) == {"No E-Mail", "Womens E-Mail"} and p.cost <= 40
    assert (p.assign != "No E-Mail").sum() == 2000
    v = p.evaluate(test.iloc[5000:])
    assert np.isfinite(v.value) and v.conf_int()[0] < v.value < v.conf_int()[1]
    for call in (m.evaluate, p.evaluate):
        with pytest.raises(gc.DesignError, match="trained the model"):
            call(train)
    with pytest.raises(gc.DesignError, match="chose"):
        p.evaluate(test.iloc[:5000])
