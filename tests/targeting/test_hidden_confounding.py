"""Sensitivity of a fitted result: known truth, a direct computation, econml's numbers, refusals."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import gmvcausal as gc

RNG = np.random.default_rng(8)
N = 4000
U = RNG.normal(size=N)  # nobody sees it
USERS = pd.DataFrame({"tier": RNG.integers(0, 4, N), "recency": RNG.random(N), "hidden": U})
CHANCE = 1 / (1 + np.exp(-(USERS["tier"] - 1.5 + 0.6 * U)))
USERS["coupon"] = (RNG.random(N) < CHANCE).astype(int)
USERS["gmv"] = 20 + 5 * USERS["tier"] + 2.0 * USERS["coupon"] + 2.5 * U + RNG.normal(size=N) * 4
CALL: dict[str, Any] = {"treatment": "coupon", "learner": "t", "folds": 2}


@functools.cache
def short() -> Any:
    return gc.uplift(USERS, **CALL, features=["tier", "recency"])


@functools.cache
def found() -> Any:
    return short().sensitivity(["tier", "recency"])


def test_numbers_are_those_of_econml() -> None:
    other = pytest.importorskip("econml.validate.sensitivity_analysis")
    from gmvcausal.stats.nuisance.aipw import scores

    t, e, mu = short().trial, short().fit.e, short().fit.mu
    psi = scores(t.y, t.arm, e, mu)
    theirs = other.dr_sensitivity_values(t.y, (t.arm == 1)[:, None] * 1.0, psi, e)
    one = [v[0] for v in theirs]
    row = found().to_frame().iloc[0]
    np.testing.assert_allclose(found().found[0][:3], one[:3], rtol=1e-9)
    np.testing.assert_allclose(found().found[0].cov, one[3], rtol=3e-3, atol=1e-9)  # n_a / (n_a - 1), arm by arm
    assert row["robustness"] == pytest.approx(other.RV(*one, 0.05, interval_type="theta"), abs=2e-6)
    assert row["robustness_interval"] == pytest.approx(other.RV(*one, 0.05), abs=2e-4)
    plain = other.sensitivity_interval(*one, 0.05, 0.03, 0.03, 1.0, interval_type="theta")
    np.testing.assert_allclose(row[["bound_low", "bound_high"]].to_numpy(float), plain, rtol=1e-9)
    ends = other.sensitivity_interval(*one, 0.05, 0.03, 0.03, 1.0)
    np.testing.assert_allclose(row[["conf_low", "conf_high"]].to_numpy(float), ends, rtol=2e-3)


def test_at_no_strength_it_is_the_interval_itself() -> None:
    row = short().sensitivity(outcome=0.0, treatment=0.0).to_frame().iloc[0]
    assert row["bound_low"] == row["bound_high"] == short().estimate
    np.testing.assert_allclose(row[["conf_low", "conf_high"]].to_numpy(float), short().conf_int(), rtol=1e-8)
    at = float(row["robustness"])
    zero = short().sensitivity(outcome=at, treatment=at).to_frame().iloc[0]
    assert zero["bound_low"] == pytest.approx(0, abs=1e-9)


def test_bounds_hold_the_truth_at_the_strength_of_what_was_left_out() -> None:
    """With the hidden feature in the model its own strength is measured; bounds at that strength hold the truth, 2."""
    long = gc.uplift(USERS, **CALL, features=["tier", "recency", "hidden"])
    assert abs(long.estimate - 2) < 3 * long.std_error < short().estimate - 2
    b = long.sensitivity("hidden").benchmarks[0]
    assert b.change == pytest.approx(short().estimate - long.estimate, abs=0.3)
    row = short().sensitivity(outcome=b.outcome / (1 + b.outcome), treatment=b.treatment).to_frame().iloc[0]
    assert row["conf_low"] < 2 < row["conf_high"]
    assert short().conf_int()[0] > 2  # the interval that knows nothing of it does not


def test_benchmarks_and_words() -> None:
    frame = found().benchmark_frame().set_index("feature")
    assert frame.loc["tier", "treatment"] > 0.1 > frame.loc["recency", "treatment"]
    assert frame.loc["tier", "outcome"] > 0.1 > frame.loc["recency", "outcome"]
    assert frame.loc["tier", "low"] < short().estimate < frame.loc["tier", "high"]
    told = " ".join(found().summary().split())
    assert "could be all of it" in told and "As strong as 'tier'" in told and "E-value" in told
    assert "Name a feature" in " ".join(short().sensitivity().summary().split())
    figure = found().curves()
    contour = figure.lines[3]
    at = 50
    strength = (float(contour.y[at]), float(contour.x[at]))
    assert short().sensitivity(outcome=strength[0], treatment=strength[1]).to_frame()["bound_low"][0] == pytest.approx(
        0, abs=1e-9
    )
    found().plot()


@pytest.mark.parametrize("estimand", ["att", "overlap"])
def test_other_averages(estimand: str) -> None:
    m = gc.uplift(USERS, **CALL, features=["tier"], estimand=estimand)
    found = m.sensitivity("tier")
    o = found.found[0]
    assert o.theta == m.estimate and np.sqrt(o.cov[0, 0]) == pytest.approx(m.std_error, rel=1e-9)
    assert 0 < found.to_frame()["robustness"][0] < 1


def test_e_values() -> None:
    """Of a 0/1 outcome by the ratio of its means, as published; of amounts by standard deviations."""
    buys = USERS.assign(gmv=(USERS["gmv"] > 30).astype(int))
    m = gc.uplift(buys, **CALL, features=["tier"])
    rare = m.sensitivity()
    first = m.to_frame().iloc[0]
    ratio = first["value"] / first["control_value"]
    assert rare.by_ratio and rare.to_frame()["e_value"][0] == pytest.approx(ratio + np.sqrt(ratio * (ratio - 1)))
    spread = np.sqrt(sum(((g - g.mean()) ** 2).sum() for _, g in USERS.groupby("coupon")["gmv"]) / (N - 2))
    d = np.exp(0.91 * short().estimate / spread)
    low = np.exp(0.91 * short().conf_int()[0] / spread)
    row = found().to_frame().iloc[0]
    assert row["e_value"] == pytest.approx(d + np.sqrt(d * (d - 1)))
    assert row["e_value_limit"] == pytest.approx(low + np.sqrt(low * (low - 1)), rel=1e-6)


def test_relations() -> None:
    row = found().to_frame().iloc[0]
    cents = gc.uplift(USERS.assign(gmv=USERS["gmv"] * 100), **CALL, features=["tier", "recency"]).sensitivity()
    mixed = gc.uplift(USERS.sample(frac=1, random_state=1), **CALL, features=["tier", "recency"]).sensitivity()
    same = ["robustness", "robustness_interval", "e_value", "e_value_limit"]
    np.testing.assert_allclose(cents.to_frame()[same].iloc[0].to_numpy(float), row[same].to_numpy(float), rtol=1e-4)
    np.testing.assert_array_equal(mixed.to_frame()[same].iloc[0].to_numpy(float), row[same].to_numpy(float))
    np.testing.assert_allclose(cents.to_frame()["conf_low"][0], 100 * row["conf_low"], rtol=1e-4)


def test_a_lot_excludes_it() -> None:
    m = gc.uplift(USERS.assign(coupon=np.arange(N) % 2), **CALL, features=["tier"], propensity=0.5)
    found = m.sensitivity()
    assert found.given and "excluded by design" in " ".join(found.summary().split())
    assert found.to_frame()["robustness"].isna().all() and found.to_frame()["estimate"][0] == m.estimate
    with pytest.raises(gc.DesignError, match="excluded by design"):
        found.plot()


def test_clusters_and_arms() -> None:
    users = USERS.assign(
        room=np.arange(N) % 200, coupon=np.where(U > 1, "two", np.where(USERS["coupon"], "one", "none"))
    )
    m = gc.uplift(users, **CALL, control="none", features=["tier"], cluster="room")
    found = m.sensitivity()
    np.testing.assert_allclose(np.sqrt([o.cov[0, 0] for o in found.found]), m.estimates.std_error[:2], rtol=1e-9)
    assert found.to_frame()["arm"].tolist() == ["one", "two"]
    assert np.isfinite(found.to_frame()["conf_low"]).all()
    few = gc.uplift(users.assign(room=np.arange(N) % 4), **CALL, control="none", features=["tier"], cluster="room")
    assert few.sensitivity().to_frame()[["conf_low", "robustness_interval"]].isna().all(axis=None)
    with pytest.raises(gc.InputError, match="arm is 'ten'"):
        found.plot("ten")


def test_refused() -> None:
    with pytest.raises(gc.InputError, match="benchmark names 'tire', which is no feature"):
        short().sensitivity("tire")
    for bad in ({"outcome": 1.5}, {"treatment": 1}, {"rho": -2}, {"outcome": "much"}):
        with pytest.raises(gc.InputError, match="no strength of a confounder"):
            short().sensitivity(**bad)
    with pytest.raises(gc.InputError, match="alpha"):
        short().sensitivity(alpha=5)
    assert stats.norm.ppf(0.975) < float(found().critical[0])
