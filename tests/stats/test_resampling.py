"""Resampled sums have the law of the plain ones; p-values and limits from draws agree."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from gmvcausal.stats import resampling as rs


def test_alike_keeps_every_unit_and_forgets_their_order() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 3, (200, 2)).astype(float) * (rng.random((200, 1)) < 0.3)
    rows, counts = rs.alike(values)
    assert counts.sum() == 200
    assert len(np.unique(rows, axis=0)) == len(rows)
    np.testing.assert_allclose(counts @ rows, values.sum(axis=0))
    again = rs.alike(values[rng.permutation(200)])
    np.testing.assert_array_equal(rows, again[0])
    np.testing.assert_array_equal(counts, again[1])


def test_poisson_sums_have_the_moments_of_poisson_weights() -> None:
    """Mean sum k x, covariance sum k x x'; equal rows drawn together have the law of those drawn apart."""
    rng = np.random.default_rng(2)
    values = np.column_stack([rng.exponential(5, 400) * (rng.random(400) < 0.2), np.ones(400)])
    draws = 20_000
    together = rs.poisson_sums(*rs.alike(values), draws, np.random.default_rng(3))
    apart = rs.poisson_sums(values, np.ones(400, dtype=np.int64), draws, np.random.default_rng(4))
    cov = values.T @ values
    for sums in (together, apart):
        z = (sums.mean(axis=0) - values.sum(axis=0)) / np.sqrt(np.diag(cov) / draws)
        assert np.abs(z).max() < 4
        np.testing.assert_allclose(np.cov(sums.T), cov, rtol=0.06)
    skew = [float(((s - s.mean()) ** 3).mean() / s.std() ** 3) for s in (together[:, 0], apart[:, 0])]
    wanted = (values[:, 0] ** 3).sum() / (values[:, 0] ** 2).sum() ** 1.5
    np.testing.assert_allclose(skew, wanted, atol=0.08)


def test_subsets_are_equally_likely() -> None:
    values = np.array([[1.0], [10.0], [100.0], [1000.0], [0.0], [0.0]])
    draws = 30_000
    sums = rs.subset_sums(*rs.alike(values), 3, draws, np.random.default_rng(5)).ravel()
    wanted: dict[float, int] = {}
    for way in itertools.combinations(values.ravel(), 3):
        wanted[sum(way)] = wanted.get(sum(way), 0) + 1
    total = sum(wanted.values())
    assert total == 20
    for value, ways in wanted.items():
        share = ways / total
        assert abs((sums == value).mean() - share) < 4 * math.sqrt(share / draws)
    assert sum((sums == value).sum() for value in wanted) == draws


def test_every_subset() -> None:
    first, second = rs.every_subset([(4, 2), (3, 1)])
    assert rs.assignments([(4, 2), (3, 1)], 100) == len(first) == len(second) == 18
    assert len({(*a, *b) for a, b in zip(first.tolist(), second.tolist(), strict=True)}) == 18
    assert set(first.sum(axis=1)) == {2}
    assert rs.assignments([(10**6, 5 * 10**5)], 1000) == 1001


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_limits_and_p_values_agree(alternative: str) -> None:
    rng = np.random.default_rng(6)
    for _ in range(300):
        draws = rng.normal(rng.normal(0, 2), 1, 199)
        level = float(rng.choice([0.9, 0.95, 0.99]))
        low, high = rs.percentile(draws, level, alternative)
        assert (low > 0 or high < 0) == (rs.percentile_p(draws, alternative) <= 1 - level + 1e-12)
        null, t = rng.normal(0, 1, 199).round(1), round(float(rng.normal(0, 2)), 1)
        value = {"two-sided": abs(t), "greater": t, "less": -t}[alternative]
        rejects = value > rs.null_critical(null, level, alternative)
        assert rejects == (rs.null_p(t, null, alternative) <= 1 - level + 1e-12)


def test_too_few_draws_have_no_limit() -> None:
    draws = np.arange(1.0, 20.0)
    assert rs.percentile(draws, 0.95, "two-sided") == (-math.inf, math.inf)
    assert rs.null_critical(draws, 0.99, "greater") == math.inf
    assert rs.resolution(19, "two-sided", True) == pytest.approx(0.1)
    assert rs.resolution(19, "two-sided", False) == pytest.approx(0.05)
    assert rs.percentile_p(draws - 100, "greater") == 1.0
