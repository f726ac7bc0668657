"""Hidden confounding in numbers: published examples, second implementations, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from gmvcausal.stats import hidden


def test_darfur() -> None:
    """Cinelli and Hazlett (2020), tables 1 and section 5: effect of being harmed on attitudes to peace."""
    estimate, error, df = 0.09731582, 0.02325654, 783
    t = estimate / error
    assert round(hidden.partial_r2(t, df), 3) == 0.022
    assert round(hidden.robustness_value(t, df), 3) == 0.139
    assert round(hidden.robustness_value(t, df, alpha=0.05), 3) == 0.076
    for times, r2d, r2y, at, se, stat in [
        (1, 0.00916, 0.1246, 0.0752, 0.0219, 3.44), (2, 0.0183, 0.2493, 0.0529, 0.0204, 2.60),
        (3, 0.0275, 0.3741, 0.0304, 0.0187, 1.63),
    ]:  # fmt: skip
        strength = hidden.benchmark(0.0090778, 0.1090, times)  # of being female, 10.9 % of the outcome
        assert strength.treatment == pytest.approx(r2d, abs=6e-5)
        assert strength.outcome == pytest.approx(r2y, abs=2e-4)
        found = hidden.adjusted(estimate, error, df, r2d, r2y)
        assert found == pytest.approx((at, se, stat), abs=6e-3)


def _least_squares(y: Any, x: Any) -> tuple[Any, Any, int]:
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ y
    rest = y - x @ beta
    df = len(y) - x.shape[1]
    return beta, np.sqrt(np.diag(inverse) * (rest @ rest) / df), df


def test_adjusting_for_a_known_confounder() -> None:
    """Left out and put back: the formula gives the long regression to the last digit."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 80))
    d = x + 0.5 * z + rng.normal(size=80)
    y = d + x + z + rng.normal(size=80)
    one = np.ones(80)
    long, long_se, _ = _least_squares(y, np.column_stack([d, x, one, z]))
    short, short_se, df = _least_squares(y, np.column_stack([d, x, one]))
    b, se, df_z = _least_squares(d, np.column_stack([z, x, one]))
    with_d, se_d, df_y = _least_squares(y, np.column_stack([z, d, x, one]))
    r2_d, r2_y = hidden.partial_r2(b[0] / se[0], df_z), hidden.partial_r2(with_d[0] / se_d[0], df_y)
    found = hidden.adjusted(short[0], short_se[0], df, r2_d, r2_y)
    assert found.estimate == pytest.approx(long[0], rel=1e-10)
    assert found.std_error == pytest.approx(long_se[0], rel=1e-10)
    # At the robustness value the estimate is zero, or on the edge of being told from it.
    t = short[0] / short_se[0]
    r = hidden.robustness_value(t, df)
    assert hidden.adjusted(short[0], short_se[0], df, r, r).estimate == pytest.approx(0, abs=1e-12)
    assert hidden.robustness_value(0.1, df, alpha=0.05) == 0.0
    assert hidden.robustness_value(t, df, q=0.5) < r
    edge = hidden.adjusted(short[0], short_se[0], df, *(hidden.robustness_value(t, df, alpha=0.05),) * 2)
    from scipy import stats

    # (sensemakr's definition takes df - 1 for the adjusted statistic.)
    assert edge.t == pytest.approx(stats.t.ppf(0.975, df - 1), rel=1e-9)


def test_a_strength_that_nothing_has() -> None:
    with pytest.raises(ValueError, match="more than all of the treatment"):
        hidden.benchmark(0.4, 0.1, times=2)
    assert hidden.benchmark(0.3, 0.9).capped
    for bad in ({"outcome": 1.2, "treatment": 0.1}, {"outcome": 0.1, "treatment": 1.0}):
        with pytest.raises(ValueError, match="between 0 and 1"):
            hidden.bias_bound(hidden.Omitted(1, 1, 1, np.eye(3)), **bad)


def test_bounds_are_those_of_econml() -> None:
    """The same residuals: points, intervals and robustness values."""
    other = pytest.importorskip("econml.validate.sensitivity_analysis")
    rng = np.random.default_rng(1)
    n = 900
    x = rng.normal(size=n)
    e1 = 1 / (1 + np.exp(-x))
    arm = np.where(rng.random(n) < e1, rng.integers(1, 3, n), 0)
    e = np.column_stack([1 - e1, e1 / 2, e1 / 2])
    mu = np.column_stack([x, x + 1, x + 2])
    y = mu[np.arange(n), arm] + rng.normal(size=n)
    psi = mu.copy()
    psi[np.arange(n), arm] += (y - mu[np.arange(n), arm]) / e[np.arange(n), arm]
    got = np.eye(3)[arm]
    theirs = other.dr_sensitivity_values(y, got[:, 1:], psi, e)
    from scipy import stats

    for a in (1, 2):
        alpha, nu = hidden.weights_of(arm, e, a, "ate")
        theta = psi[:, a] - psi[:, 0]
        sigma = np.where(np.isin(arm, (0, a)), (y - mu[np.arange(n), arm]) ** 2, 0.0)
        scores = np.column_stack([theta, sigma, nu])
        rest = scores - scores.mean(axis=0)
        mine = hidden.Omitted(*map(float, scores.mean(axis=0)), rest.T @ rest / n**2)
        one = [theirs.theta[a - 1], theirs.sigma[a - 1], theirs.nu[a - 1], theirs.cov[a - 1]]
        np.testing.assert_allclose(mine[:3], one[:3], rtol=1e-10)
        np.testing.assert_allclose(mine.cov, one[3], rtol=1e-8, atol=1e-12)
        assert np.mean(alpha * y) == pytest.approx(np.mean(y * (arm == a) / e[:, a] - y * (arm == 0) / e[:, 0]))
        for cf in ((0.05, 0.05, 1.0), (0.3, 0.02, 0.4)):
            plain = other.sensitivity_interval(*one, 0.05, *cf, interval_type="theta")
            np.testing.assert_allclose(hidden.bounds(mine, *cf), plain, rtol=1e-9)
            ends = other.sensitivity_interval(*one, 0.05, *cf)
            np.testing.assert_allclose(hidden.bounds(mine, *cf, critical=stats.norm.ppf(0.975)), ends, rtol=1e-9)
        assert hidden.omitted_robustness(mine) == pytest.approx(other.RV(*one, 0.05, interval_type="theta"), abs=2e-6)
        rv = hidden.omitted_robustness(mine, critical=stats.norm.ppf(0.975))
        assert rv == pytest.approx(other.RV(*one, 0.05), abs=2e-6)
        turned = mine._replace(theta=-mine.theta, cov=mine.cov * np.outer([-1, 1, 1], [-1, 1, 1]))
        assert hidden.omitted_robustness(turned, critical=stats.norm.ppf(0.975)) == pytest.approx(rv, abs=1e-10)


@pytest.mark.parametrize("estimand", ["ate", "att", "overlap"])
def test_a_confounder_that_is_known(estimand: str) -> None:
    """Of a market in which everything is known the bias of leaving it out equals |rho| S sqrt(C_y C_d)."""
    rng = np.random.default_rng(2)
    u = np.repeat([0, 1], 500_000)
    e_long = np.where(u == 1, 0.7, 0.4)
    arm = (rng.random(len(u)) < e_long).astype(np.int64)
    y = 2.0 * arm + 3.0 * u  # no noise: only the confounder is left
    both = np.column_stack([1 - e_long, e_long])
    e = np.column_stack([np.full(len(u), 1 - arm.mean()), np.full(len(u), arm.mean())])
    long, nu_long = hidden.weights_of(arm, both, 1, estimand)
    short, nu = hidden.weights_of(arm, e, 1, estimand)
    rest = y - np.array([y[arm == 0].mean(), y[arm == 1].mean()])[arm]
    if estimand != "ate":  # there also the weights of the average move with what is known
        assert nu.mean() == pytest.approx((short**2).mean(), rel=2e-2)
        return
    theta = y[arm == 1].mean() - y[arm == 0].mean()
    found = hidden.Omitted(theta, float((rest**2).mean()), float((short**2).mean()), np.eye(3))
    strength = 1 - (short**2).mean() / (long**2).mean()
    rho = np.corrcoef(rest, long - short)[0, 1]
    assert hidden.bias_bound(found, 1.0, strength, rho) == pytest.approx(theta - 2.0, rel=5e-3)
    assert nu.mean() == pytest.approx((short**2).mean(), rel=1e-2)
    assert nu_long.mean() == pytest.approx((long**2).mean(), rel=1e-2)


def test_e_values() -> None:
    """VanderWeele and Ding (2017): smoking and lung cancer 10.73, infant formula 3.9 (1.8 to 8.7)."""
    assert round(hidden.e_value(10.73), 1) == 20.9
    assert round(hidden.e_value(3.9), 2) == 7.26
    assert round(hidden.e_value_of_limit(1.8, 8.7), 1) == 3.0
    assert hidden.e_value(1 / 3.9) == pytest.approx(hidden.e_value(3.9))
    assert hidden.e_value_of_limit(1 / 8.7, 1 / 1.8) == pytest.approx(hidden.e_value(1.8))
    assert hidden.e_value(1.0) == 1.0
    assert hidden.ratio_of_means(1.0, 2.0) == pytest.approx(np.exp(0.455))
    with pytest.raises(ValueError, match="above 0"):
        hidden.e_value(0.0)


# Lead in the blood of children whose parents worked with it, and of their matched neighbours (Morton et al. 1982).
EXPOSED = "38 23 41 18 37 36 23 62 31 34 24 14 21 17 16 20 15 10 45 39 22 35 49 48 44 35 43 39 34 13 73 25 27"
NEIGHBOURS = "16 18 18 24 19 11 10 15 16 18 18 13 19 10 16 16 24 13 9 14 21 19 7 18 19 12 11 22 25 16 13 11 13"


def test_rosenbaum_s_lead() -> None:
    """Rosenbaum (2002), table 4.2 on the signed rank statistic, 527 of 561."""
    d = np.array(EXPOSED.split(), float) - np.array(NEIGHBOURS.split(), float)
    for gamma, p in [(2, 0.0018), (3, 0.0136), (4, 0.0388), (5, 0.0740)]:
        assert round(hidden.rosenbaum_p(d, gamma), 4) == p
    assert hidden.rosenbaum_p(d, 1) < 0.0001
    edge = hidden.rosenbaum_gamma(d)
    assert 4.2 < edge < 4.4 and hidden.rosenbaum_p(d, edge) == pytest.approx(0.05, abs=1e-9)
    # A second implementation: ranks by sorting, sums in a loop.
    order = pd.Series(np.abs(d)).rank().to_numpy()
    up = sum(r for r, v in zip(order, d, strict=True) if v > 0)
    all_ranks = sum(r for r, v in zip(order, d, strict=True) if v != 0)
    squares = sum(r * r for r, v in zip(order, d, strict=True) if v != 0)
    assert up == 527
    from statistics import NormalDist

    z = (up - 0.75 * all_ranks) / np.sqrt(0.1875 * squares)
    assert hidden.rosenbaum_p(d, 3) == pytest.approx(1 - NormalDist().cdf(z), rel=1e-9)


def test_rosenbaum_s_edges() -> None:
    assert hidden.rosenbaum_gamma(np.array([1.0, -2, 3, -4])) == 1.0
    assert hidden.rosenbaum_p(np.zeros(5), 2.0) == 1.0
    with pytest.raises(ValueError, match="at least 1"):
        hidden.rosenbaum_p(np.ones(3), 0.5)
