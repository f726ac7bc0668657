"""Critical values, joint tests, factors and Fieller's interval against known values and against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from gmvcausal import InputError
from gmvcausal.stats.inference import (
    critical_value,
    fieller,
    p_value,
    root_of_diagonal,
    sidak,
    small_sample_factor,
    sup_t,
    unrelated,
    wald,
)


def test_critical_values() -> None:
    assert critical_value(0.95) == pytest.approx(1.959963984540054, rel=1e-14)
    # The exact value, by high-precision inversion of the incomplete beta; SciPy 1.15 is 9.6e-12 below, 1.18 meets it.
    assert critical_value(0.95, 10) == pytest.approx(2.228138851986274748, rel=1e-11)
    assert critical_value(0.9, 1e9) == pytest.approx(critical_value(0.9), rel=1e-6)


def test_p_values() -> None:
    estimate, se = np.array([1.959963984540054, -1.0, 0.0, 3.0, 3.0]), np.array([1.0, 1.0, 1.0, 0.0, np.nan])
    np.testing.assert_allclose(p_value(estimate, se)[:3], [0.05, 0.31731050786291415, 1.0], rtol=1e-12)
    assert np.isnan(p_value(estimate, se)[3:]).all()
    assert p_value(np.array([2.2281388519649385]), np.ones(1), 10)[0] == pytest.approx(0.05, rel=1e-9)


def test_root_of_diagonal() -> None:
    np.testing.assert_array_equal(root_of_diagonal(np.array([4.0, -1e-30, np.nan])), [2.0, 0.0, np.nan])
    np.testing.assert_array_equal(root_of_diagonal(np.diag([4.0, 9.0])), [2.0, 3.0])


# --- simultaneous bands
# ------------------------------------------------------------------------------------------------
def test_band_of_independent_terms_is_sidak_s() -> None:
    """For k independent normals the exact value is known."""
    for k in (1, 2, 5, 20):
        assert sup_t(np.eye(k), 0.95, seed=1, draws=60_000) == pytest.approx(sidak(0.95, k), abs=0.02)
    assert sidak(0.95, 1) == critical_value(0.95)


def test_band_of_one_term_said_many_times_is_pointwise() -> None:
    cov = np.outer(np.arange(1, 8), np.arange(1, 8)).astype(float)
    assert sup_t(cov, 0.95, seed=0) == pytest.approx(critical_value(0.95), abs=0.03)


def test_band_against_the_multivariate_normal() -> None:
    """Correlation .8 between two terms: P(|Z1| <= c, |Z2| <= c) = .95."""
    cov = np.array([[1.0, 0.8 * 3], [0.8 * 3, 9.0]])
    c = sup_t(cov, 0.95, seed=3, draws=99_999)
    both = stats.multivariate_normal(cov=[[1, 0.8], [0.8, 1]])
    inside = both.cdf([c, c]) - both.cdf([-c, c]) - both.cdf([c, -c]) + both.cdf([-c, -c])
    assert inside == pytest.approx(0.95, abs=0.003)


def test_band_with_few_degrees_of_freedom_is_wider() -> None:
    cov = np.eye(4)
    assert sup_t(cov, 0.95, 0, df=12) > sup_t(cov, 0.95, 0)
    assert sup_t(np.eye(1), 0.95, 0, df=12) >= critical_value(0.95, 12)
    # Studentised maximum modulus, k = 4, 12 degrees of freedom (Stoline and Ury 1979, table): 2.913.
    assert sup_t(cov, 0.95, 0, df=12, draws=99_999) == pytest.approx(2.91, abs=0.02)
    assert sidak(0.95, 4, 12) > sup_t(cov, 0.95, 0, df=12, draws=99_999) - 0.01


def test_band_leaves_out_terms_without_variance_and_repeats_itself() -> None:
    cov = np.diag([1.0, 0.0, 4.0])
    assert sup_t(cov, 0.95, 0) == sup_t(np.diag([1.0, 4.0]), 0.95, 0)
    assert math.isnan(sup_t(np.zeros((2, 2)), 0.95, 0))
    singular = np.ones((3, 3)) + np.diag([0, 0, 1e-14])
    assert sup_t(singular, 0.95, 0) == pytest.approx(critical_value(0.95), abs=0.03)
    assert sup_t(cov, 0.95, 7) == sup_t(cov, 0.95, 7) != sup_t(cov, 0.95, 8)


# --- joint tests
# ---------------------------------------------------------------------------------------------------------
def test_wald_is_hotelling_s() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(25, 3)) + np.array([0.3, 0.0, -0.2])
    mean, cov = x.mean(axis=0), np.cov(x.T) / 25
    statistic, p, rank = wald(mean, cov, 25)
    t2 = float(mean @ np.linalg.inv(cov) @ mean)
    assert (statistic, rank) == (pytest.approx(t2, rel=1e-9), 3)
    assert p == pytest.approx(stats.f.sf(t2 * 22 / (3 * 24), 3, 22), rel=1e-9)


def test_wald_of_one_term_is_the_t_test() -> None:
    for z in (0.5, 2.0, 3.3):
        _, p, _ = wald(np.array([z]), np.eye(1), 31)
        assert p == pytest.approx(2 * stats.t.sf(z, 30), rel=1e-9)


def test_wald_does_not_depend_on_scale_or_on_repeated_terms() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(3, 3))
    cov, beta = a @ a.T, rng.normal(size=3)
    base = wald(beta, cov, 50)
    scale = np.diag([1e-6, 1.0, 1e8])
    assert wald(scale @ beta, scale @ cov @ scale, 50)[:2] == pytest.approx(base[:2], rel=1e-6)
    twice = np.vstack([np.eye(3), [[1.0, 1.0, 0.0]]])
    assert wald(twice @ beta, twice @ cov @ twice.T, 50) == pytest.approx(base, rel=1e-6)


def test_wald_where_nothing_can_be_tested() -> None:
    assert wald(np.zeros(2), np.zeros((2, 2)), 40)[2] == 0
    assert math.isnan(wald(np.ones(5), np.eye(5), 5)[1])


# --- small samples
# ---------------------------------------------------------------------------------------------------------
def test_small_sample_factor() -> None:
    assert small_sample_factor("none", 100, 1, 5, 19, 20) == 1.0
    assert small_sample_factor("nested", 100, 1, 5, 19, 20) == pytest.approx(20 / 19 * 99 / 94, rel=1e-14)
    assert small_sample_factor("full", 100, 1, 5, 19, 20) == pytest.approx(20 / 19 * 99 / 75, rel=1e-14)
    with pytest.raises(InputError, match="ssc must be one of 'nested', 'full', 'none'"):
        small_sample_factor("hc3", 1, 1, 1, 1, 2)


# --- Fieller
# -----------------------------------------------------------------------------------------------------------
def test_fieller_holds_zero_exactly_where_the_numerator_is_not_significant() -> None:
    rng = np.random.default_rng(2)
    crit, seen = critical_value(0.95), set()
    for _ in range(300):
        num, den = rng.normal(0, 2), rng.uniform(2, 9)
        var_num, var_den = rng.uniform(0.2, 2), rng.uniform(0, 0.5)
        cov = rng.uniform(-0.9, 0.9) * math.sqrt(var_num * var_den)
        low, high = fieller(num, den, var_num, var_den, cov, crit)
        if math.isnan(low):
            assert den**2 <= crit**2 * var_den
            continue
        p = 2 * stats.norm.sf(abs(num) / math.sqrt(var_num))
        assert (low <= 0 <= high) == (p > 0.05)
        assert low < num / den < high
        seen.add(p > 0.05)
    assert seen == {True, False}


def test_fieller_solves_its_own_equation() -> None:
    """At a limit r, the numerator less r times the denominator is exactly `critical` standard errors from zero."""
    for limit in fieller(10, 4, 3, 0.4, 0.6, 1.96):
        gap, se = 10 - limit * 4, math.sqrt(3 - 2 * limit * 0.6 + limit**2 * 0.4)
        assert abs(gap) / se == pytest.approx(1.96, rel=1e-10)


def test_fieller_covers() -> None:
    rng = np.random.default_rng(3)
    cov = np.array([[4.0, 0.9], [0.9, 0.5]])
    draws = rng.multivariate_normal([6.0, 4.0], cov, size=4_000)
    inside = [
        low <= 1.5 <= high
        for low, high in (fieller(a, b, 4.0, 0.5, 0.9, 1.96) for a, b in draws)
        if not math.isnan(low)
    ]
    assert np.mean(inside) == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / len(inside)))
    assert math.isnan(fieller(1, 0.1, 1, 1, 0, 1.96)[0])


def test_a_lot_and_what_it_goes_with() -> None:
    # Scores of (1, 2, 3, 6) with a lot of 0, 0, 1, 1: -.5 and .5 times -2, -1, 0, 3, which is 1, .5, 0, 1.5.
    p, column = unrelated(np.array([0.0, 0, 1, 1]), np.array([[1.0], [2], [3], [6]]))
    scores = np.array([1.0, 0.5, 0, 1.5])
    assert p == pytest.approx(2 * stats.t.sf(scores.sum() / np.sqrt((scores**2).sum()), 3)) and column == 0
    rng = np.random.default_rng(5)
    room = np.repeat(np.arange(30), 20)
    lot, taste = (rng.permutation(30) < 15)[room].astype(float), rng.normal(size=30)[room]
    found = [unrelated(lot, taste[:, None])[0], unrelated(lot, taste[:, None], room)[0]]
    assert found[1] > found[0]  # rooms are thirty, not six hundred
    below = [
        unrelated((rng.permutation(30) < 15)[room].astype(float), taste[:, None], room)[0] < 0.05 for _ in range(400)
    ]
    assert stats.binom.ppf(0.001, 400, 0.05) <= sum(below) <= stats.binom.ppf(0.999, 400, 0.05)
