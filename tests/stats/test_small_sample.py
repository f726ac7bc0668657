"""Welch's t over groups of clusters: by hand, against SciPy, and on what a normal sample promises."""

import math

import numpy as np
import pytest
from scipy import stats

from gmvcausal.stats.inference import band, critical_value, critical_values, p_value, sup_t
from gmvcausal.stats.small_sample import by_cluster, equal, groups_of_clusters, normal, trust_in, welch


def two_samples(n: int, m: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, n), rng.normal(0, 1, m)


@pytest.mark.parametrize(("n", "m"), [(10, 50), (3, 4), (200, 12)])
def test_two_groups_are_welch_s_test(n: int, m: int) -> None:
    x, y = two_samples(n, m)
    variance = np.array([[((x - x.mean()) ** 2).sum() / n**2, ((y - y.mean()) ** 2).sum() / m**2]])
    spread = welch(variance, equal(np.array([n, m], dtype=float)))
    difference, printed = x.mean() - y.mean(), math.sqrt(variance.sum())
    expected = stats.ttest_ind(x, y, equal_var=False)
    assert spread.df[0] == pytest.approx(expected.df, rel=1e-10)
    p = p_value(np.array([difference]), np.array([printed]) * spread.factor, spread.df)
    assert p[0] == pytest.approx(expected.pvalue, rel=1e-8)


def test_by_hand() -> None:
    """Variances 4 over 5 clusters and 2 over 3: unbiased 5 and 3; df = 64 / (25/4 + 9/2); factor^2 = 8/6."""
    spread = welch(np.array([[4.0, 2.0]]), equal(np.array([5.0, 3.0])))
    assert spread.df[0] == pytest.approx(64 / (25 / 4 + 9 / 2), rel=1e-14)
    assert spread.factor[0] ** 2 == pytest.approx(8 / 6, rel=1e-14)
    # A printed variance that is already larger is not made larger still.
    assert welch(np.array([[4.0, 2.0]]), equal(np.array([5.0, 3.0])), np.array([9.0])).factor[0] == 1.0


def test_without_variance_it_is_the_normal() -> None:
    spread = welch(np.zeros((2, 3)), equal(np.array([9.0, 5.0, 1.0])))
    assert np.isinf(spread.df).all() and (spread.factor == 1).all()
    assert np.isinf(normal(2).df).all()


def test_groups_of_clusters() -> None:
    group = np.array([0, 0, 1, 1, 2, -1, 0, -1])
    cluster = np.array([0, 0, 1, 1, 2, 3, 2, 1])
    assert list(groups_of_clusters(group, cluster, 3)) == [0, 1, 3, -1]


def test_by_cluster_sums_rows_first() -> None:
    """Two rows a cluster: scores 1+1, 3-1, -2-2 in group 0 and 2, -2 in group 1."""
    influence = np.array([[1.0], [1], [3], [-1], [-2], [-2], [2], [0], [-2], [0]])
    cluster, group = np.repeat(np.arange(5), 2), np.repeat([0, 0, 0, 1, 1], 2)
    spread = by_cluster(influence, cluster, group, np.array([24.0 + 8]))
    expected = welch(np.array([[24.0, 8.0]]), equal(np.array([3.0, 2.0])))
    np.testing.assert_allclose((spread.df, spread.factor), (expected.df, expected.factor), rtol=1e-14)


def test_critical_values_term_by_term() -> None:
    found = critical_values(0.9, np.array([5.0, math.inf, 80.0]))
    np.testing.assert_allclose(found, [stats.t.ppf(0.95, 5), stats.norm.ppf(0.95), stats.t.ppf(0.95, 80)], rtol=1e-12)
    assert critical_value(0.9, 5.0) == found[0]


def test_a_band_gives_each_term_its_own_t_quantile() -> None:
    z = sup_t(np.eye(6), 0.95, 0)
    found = band(z, np.array([math.inf, 9.0]))
    assert found[0] == pytest.approx(z, rel=1e-9)
    assert found[1] == pytest.approx(stats.t.isf(stats.norm.sf(z), 9), rel=1e-9)


def test_coverage_with_ten_treated_of_sixty() -> None:
    """What the normal misses 8 to 9 % of the time, Welch's t misses 5 %."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(4000, 10)), rng.normal(size=(4000, 50))
    variance = np.stack([x.var(axis=1) / 10, y.var(axis=1) / 50], axis=1)
    spread = welch(variance, equal(np.array([10.0, 50.0])))
    p = p_value(x.mean(axis=1) - y.mean(axis=1), np.sqrt(variance.sum(axis=1)) * spread.factor, spread.df)
    old = p_value(x.mean(axis=1) - y.mean(axis=1), np.sqrt(variance.sum(axis=1)))
    error = 3 * math.sqrt(0.05 * 0.95 / 4000)
    assert abs((p < 0.05).mean() - 0.05) < error
    assert (old < 0.05).mean() > 0.05 + error


def test_unequal_clusters_against_the_matrix_they_come_from() -> None:
    """Bell and McCaffrey's traces, written out: V = e'De with e = (I - 1w')y, D = diag(w^2)."""
    sizes = np.array([7.0, 1, 2, 3, 1, 5])
    group = np.array([0, 0, 0, 0, 1, 1])
    found = trust_in(sizes, group, 3)
    for g in (0, 1):
        w = sizes[group == g] / sizes[group == g].sum()
        residual = np.eye(len(w)) - np.outer(np.ones(len(w)), w)
        m = residual.T @ np.diag(w**2) @ residual
        assert found.df[g] == pytest.approx(np.trace(m) ** 2 / np.trace(m @ m), rel=1e-12)
        assert found.factor[g] == pytest.approx((w**2).sum() / np.trace(m), rel=1e-12)
    assert found.df[2] == 0.0


def test_clusters_alone_in_their_group_leave_no_degrees_of_freedom() -> None:
    """One single room among many cohorts is passed over; where a fifth of the treated are such, nothing is known."""
    one = equal(np.array([8.0, 1.0, 50.0]))
    assert one.alone == pytest.approx(1 / 9) and welch(np.ones((1, 3)), one).df[0] > 4
    many = equal(np.array([1.0, 1.0, 1.0, 6.0, 50.0]))
    assert welch(np.ones((1, 5)), many).df[0] == 0.0
    assert np.isnan(p_value(np.array([1.0]), np.array([1.0]), np.zeros(1))[0])


@pytest.mark.parametrize("spread_of_sizes", [0.0, 1.0])
def test_coverage_with_unequal_clusters(spread_of_sizes: float) -> None:
    """Twelve treated clusters of very different sizes: at most 5 % false rejections; the count alone gives far more."""
    rng = np.random.default_rng(3)
    rejected, naive, reps = 0, 0, 1500
    for _ in range(reps):
        sizes = np.exp(spread_of_sizes * rng.normal(size=60))
        group = (np.arange(60) >= 12).astype(int)
        y = rng.normal(size=60)
        means = np.array([np.average(y[group == g], weights=sizes[group == g]) for g in (0, 1)])
        share = sizes / np.bincount(group, sizes)[group]
        variance = np.bincount(group, (share * (y - means[group])) ** 2)[None]
        for trust, which in ((trust_in(sizes, group, 2), 0), (equal(np.array([12.0, 48.0])), 1)):
            spread = welch(variance, trust)
            p = p_value(means[:1] - means[1:], np.sqrt(variance.sum(axis=1)) * spread.factor, spread.df)[0]
            rejected, naive = rejected + (p < 0.05) * (which == 0), naive + (p < 0.05) * (which == 1)
    error = 3 * math.sqrt(0.05 * 0.95 / reps)
    assert rejected / reps < 0.05 + error
    assert (naive / reps > 0.05 + error) == (spread_of_sizes > 0)
