"""Power of the test of the leads: against a simulation of the very test, and of what passes it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.stats.inference import wald
from gmvcausal.stats.pre_trend import detectable_slope, joint_power, mean_if_passed

COV = np.array([[0.9, 0.4, 0.3], [0.4, 0.7, 0.35], [0.3, 0.35, 0.5]])
APART = np.array([-3.0, -2.0, -1.0])


def test_power_and_selection_by_simulation() -> None:
    rng = np.random.default_rng(2)
    slope = detectable_slope(APART, COV, 1e7, 0.05, 0.5)
    assert joint_power(slope * APART, COV, 1e7, 0.05) == pytest.approx(0.5, abs=1e-9)
    draws = slope * APART + rng.multivariate_normal(np.zeros(3), COV, 4000)
    p = np.array([wald(d, COV, 1e7)[1] for d in draws])
    assert (p < 0.05).mean() == pytest.approx(0.5, abs=0.03)
    passed = mean_if_passed(slope * APART, COV, 1e7, 0.05, 0)
    np.testing.assert_allclose(passed, draws[p >= 0.05].mean(axis=0), atol=0.06)
    assert (np.abs(passed) < np.abs(slope * APART)).all()


def test_one_lead_by_hand() -> None:
    # One lead of variance 1 at distance -1 is a two-sided z test: power .8 at 1.96 + .8416.
    slope = detectable_slope(np.array([-1.0]), np.eye(1), 1e9, 0.05, 0.8)
    assert slope == pytest.approx(2.8015, abs=1e-3)
    assert detectable_slope(np.array([-100.0]), 1e4 * np.eye(1), 1e9, 0.05, 0.8) == pytest.approx(slope, rel=1e-6)


def _panel(effect: float = 2.0) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = [
        (u, t, 10 + 0.2 * t + rng.normal() + effect * (u < 40 and t >= 6), 6.0 if u < 40 else np.nan)
        for u in range(80)
        for t in range(9)
    ]
    return pd.DataFrame(rows, columns=["unit", "period", "gmv", "first_treated"])


def test_of_a_result() -> None:
    frame = gc.did(_panel()).pre_trend_power()
    assert list(frame.columns) == ["power", "slope", "bias", "bias_if_passed", "effect"]
    assert frame["slope"].is_monotonic_increasing and (frame["slope"] > 0).all()
    # Lags 0 to 2 on the base at -1: a drift adds its slope times their mean distance, 2.
    np.testing.assert_allclose(frame["bias"], 2 * frame["slope"], rtol=1e-9)
    assert frame["effect"].iloc[0] == pytest.approx(gc.did(_panel()).estimate, rel=1e-9)
    # Base and lags share the noise of the base, so what passes the test is worse than what does not.
    assert (frame["bias_if_passed"] > frame["bias"]).all()


def test_without_leads() -> None:
    panel = _panel()
    with pytest.raises(gc.DesignError, match="no leads"):
        gc.did(panel[panel["period"] >= 5]).pre_trend_power()
    few = panel[(panel["unit"] < 3) | (panel["unit"] >= 40)]
    with pytest.raises(gc.DesignError, match="no interval"):
        gc.did(few).pre_trend_power()
