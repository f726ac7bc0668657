"""The wild cluster bootstrap, residuals of controls and covariance by distance: by loops, by hand, by enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from gmvcausal.rollout.regression.within import take_out
from gmvcausal.stats import wild
from gmvcausal.stats.control_runs import conley_taber, ferman_pinto, variance_by_size
from gmvcausal.stats.few_treated import Contrasts
from gmvcausal.stats.spatial import EARTH, conley


def test_all_signs_of_three_clusters_by_hand() -> None:
    """y = b x, one row a cluster, x = 1: with the null 0 the t statistic of signs times y."""
    y = np.array([1.0, 2.0, 6.0])
    reg = wild.Regression(y, np.ones(3), np.zeros((3, 1)), np.zeros((3, 1)), np.zeros((1, 1)))
    found = wild.restricted(reg, wild.multipliers(3, 0, kind="Rademacher"))

    def t(z: np.ndarray) -> float:
        return abs(z.mean()) / math.sqrt(((z - z.mean()) ** 2).sum() / 9)

    reached = [t(np.array(s) * y) >= t(y) - 1e-12 for s in itertools.product((-1, 1), repeat=3)]
    assert found.p_value() == np.mean(reached) == 0.25  # the data and their mirror image
    assert found.estimate == 3 and found.std_error == pytest.approx(math.sqrt(14) / 3)


def data(seed: int, g: int = 13, t: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(g), rng.integers(1, 4, g))
    on = np.zeros((len(cluster), t))
    on[cluster < 6, 3:] = 1
    on[cluster < 2, 2:] = 1
    y = rng.normal(size=on.shape) + rng.normal(size=g)[cluster, None] + 0.4 * on
    weight = rng.uniform(0.5, 2, (len(cluster), 1)) * (rng.random(on.shape) > 0.1)
    weight[:, 0] = np.maximum(weight[:, 0], 0.5)
    return y, on, cluster, weight, np.zeros(len(cluster), dtype=np.int64)


def sums(y: np.ndarray, on: np.ndarray, cluster: np.ndarray, w: np.ndarray, block: np.ndarray) -> wild.Regression:
    g, x, u = int(cluster.max()) + 1, take_out(on, w, block), take_out(y, w, block)
    one = np.eye(g)[cluster].T
    schur = np.diag(w.sum(axis=0)) - w.T @ (w / w.sum(axis=1, keepdims=True))
    return wild.Regression(
        one @ (w * x * u).sum(axis=1),
        one @ (w * x * x).sum(axis=1),
        one @ (w * x),
        one @ (w * u),
        np.linalg.pinv(schur, rcond=1e-12),
    )


@pytest.mark.parametrize("null", [0.0, 0.7, -3.0])
def test_every_draw_against_a_regression_made_anew(null: float) -> None:
    """Weighted, unbalanced, staggered: dummies and least squares for each of 40 draws."""
    y, on, cluster, w, block = data(3)
    reg = sums(y, on, cluster, w, block)
    draws = wild.multipliers(13, 1, 40)
    found = wild.restricted(reg, draws)
    rows, cols = np.nonzero(w)
    z = np.column_stack([np.eye(len(y))[rows], np.eye(y.shape[1])[cols][:, 1:], on[rows, cols]])
    weight, c = w[rows, cols], cluster[rows]
    root = np.sqrt(weight)[:, None]

    def fit(v: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.lstsq(x * root, v * root[:, 0], rcond=None)[0])

    def t(v: np.ndarray) -> float:
        b = fit(v, z)
        residual = v - z @ b
        only = z[:, -1] - z[:, :-1] @ fit(z[:, -1], z[:, :-1])
        score = np.bincount(c, weight * only * residual)
        return float((b[-1] - null) / (np.sqrt((score**2).sum()) / (weight * only**2).sum()))

    held = y[rows, cols] - null * on[rows, cols]
    fixed = z[:, :-1] @ fit(held, z[:, :-1])
    real = t(y[rows, cols])
    redrawn = [t(fixed + null * on[rows, cols] + v[c] * (held - fixed)) for v in draws.weight]
    below = found.q[0] - 2 * null * found.q[1] + null**2 * found.q[2]
    np.testing.assert_allclose((found.n[0] - null * found.n[1]) / np.sqrt(below), redrawn, rtol=1e-8)
    assert (found.estimate - null) / found.std_error == pytest.approx(real, rel=1e-9)
    assert found.p_value(null) == (1 + (np.abs(redrawn) >= abs(real)).sum()) / 41


def test_the_interval_holds_what_is_not_rejected() -> None:
    y, on, cluster, w, block = data(5)
    found = wild.restricted(sums(y, on, cluster, w, block), wild.multipliers(13, 0))
    assert found.draws.exact and len(found.draws.weight) == 2**13
    low, high = found.limits(0.95)
    assert low < found.estimate < high
    for end, out in ((low, -1e-6), (high, 1e-6)):
        assert found.p_value(end + out) <= 0.05 < found.p_value(end - 1e-6 * np.sign(out))
    # With all signs there is no chance in the draws, so another seed gives the same.
    assert wild.restricted(sums(y, on, cluster, w, block), wild.multipliers(13, 9)).limits(0.95) == (low, high)


def test_scores_by_loops_and_their_interval() -> None:
    rng = np.random.default_rng(2)
    group = np.repeat([0, 1, 2], [4, 5, 11])
    size, psi = rng.integers(1, 5, 20).astype(float), rng.normal(size=(20, 2))
    draws = wild.multipliers(20, 4, 300)
    found = wild.scores(np.array([3.0, -1.0]), psi, group, size, draws)
    for term in range(2):
        t = []
        for v in draws.weight:
            moved = v * psi[:, term]
            left = moved.copy()
            for h in range(3):
                own = group == h
                left[own] -= size[own] / size[own].sum() * moved[own].sum()
            t.append(abs(moved.sum()) / math.sqrt((left**2).sum()))
        np.testing.assert_allclose(found.statistic[:, term], t, rtol=1e-10)
        real = abs(found.estimate[term]) / math.sqrt((psi[:, term] ** 2).sum())
        assert found.p_value(term) == (1 + (np.array(t) >= real).sum()) / 301
        low, high = found.limits(term)(1 - found.p_value(term) - 0.02)
        assert low > 0 or high < 0 or found.p_value(term) > 0.9
    assert found.limits(0)(0.999) == (-math.inf, math.inf)  # 300 draws cannot reject at .1 %


def test_which_weights_are_drawn() -> None:
    webb = wild.multipliers(8, 0)
    assert webb.name == "Webb" and not webb.exact
    assert (webb.weight**2).mean() == pytest.approx(1, abs=0.02) and abs(webb.weight.mean()) < 0.02
    assert wild.multipliers(12, 0).exact and not wild.multipliers(14, 0).exact
    assert wild.multipliers(5, 0).exact and len(wild.multipliers(5, 0).weight) == 6**5


def few(own: list[float], rest: list[float], size: list[float] | None = None) -> Contrasts:
    value = np.array([*own, *rest])[:, None]
    role = np.array([0] * len(own) + [-1] * len(rest))
    return Contrasts(value, np.ones_like(value), np.array(size or [1.0] * len(value)), role, np.ones(1))


def test_conley_taber_by_hand() -> None:
    """Residuals -3, -1, 1, 3; the estimate 2.5 is beaten by two of the four, and 3 bounds an 80 % interval."""
    c = few([4.5], [-1.0, 1.0, 3.0, 5.0])
    runs = conley_taber(c, 0, widened=False)
    assert runs.estimate == 2.5 and runs.runs.tolist() == [3, 3, 1, 1]
    assert runs.p_value == pytest.approx(3 / 5) and runs.limits(0.8) == (-0.5, 5.5)
    assert runs.limits(0.95) == (-math.inf, math.inf)
    # The variance of one and of a mean of four, over that of a residual from a mean of four.
    np.testing.assert_allclose(conley_taber(c, 0).runs, runs.runs * math.sqrt((1 + 1 / 4) / (3 / 4)), rtol=1e-12)


def test_conley_taber_takes_every_pair_for_two_treated() -> None:
    rng = np.random.default_rng(0)
    c = few([3.0, 1.0], rng.normal(size=30).tolist(), [3.0, 1.0, *[1.0] * 30])
    left = c.value[2:, 0] - c.value[2:, 0].mean()
    every = sorted((abs(0.75 * a + 0.25 * b) for a in left for b in left), reverse=True)
    np.testing.assert_allclose(conley_taber(c, 0, widened=False).runs, every, rtol=1e-12)


def test_ferman_pinto_carries_residuals_to_the_size_of_the_treated() -> None:
    """The variance is fitted without error on squares that follow it, so every residual becomes +-1 of its own sd."""
    m = np.array([9.0, 1.0, 1.0, 4.0, 4.0, 16.0, 16.0])
    sd = np.sqrt(1 + 8 / m)
    c = few([5.0], [s * v for s, v in zip([1, -1, 1, -1, 1, -1], sd[1:], strict=True)])
    runs = ferman_pinto(c, m, 0, widened=False)
    np.testing.assert_allclose(runs.runs, np.full(6, sd[0]), rtol=1e-9)
    wide = ((sd[1:] / 6) ** 2).sum() / sd[0] ** 2
    np.testing.assert_allclose(ferman_pinto(c, m, 0).runs, runs.runs * math.sqrt((1 + wide) * 6 / 5), rtol=1e-9)
    a, b, d = variance_by_size(2 + 0.5 * m**2, m, total=True)
    assert (a, d) == pytest.approx((2, 0.5), rel=1e-6) and abs(b) < 1e-6
    # Sizes and money in other units change nothing.
    np.testing.assert_allclose(ferman_pinto(c, 1000 * m, 0, widened=False).runs, runs.runs, rtol=1e-9)


def test_conley_by_loops() -> None:
    rng = np.random.default_rng(1)
    lat, lon, psi = rng.uniform(-89, 89, 70), rng.uniform(-180, 180, 70), rng.normal(size=(70, 2))
    lat[1], lon[1] = lat[0], lon[0]  # two in one place
    a, b = np.radians(lat), np.radians(lon)
    for cutoff, kernel in ((900.0, "bartlett"), (4000.0, "uniform"), (30_000.0, "bartlett")):
        out = np.zeros((2, 2))
        for i in range(70):
            for j in range(70):
                h = np.sin((a[i] - a[j]) / 2) ** 2 + np.cos(a[i]) * np.cos(a[j]) * np.sin((b[i] - b[j]) / 2) ** 2
                km = 2 * EARTH * np.arcsin(np.sqrt(min(h, 1.0)))
                k = (1 - km / cutoff if kernel == "bartlett" else 1.0) if km < cutoff else 0.0
                out += k * np.outer(psi[i], psi[j])
        np.testing.assert_allclose(conley(psi, lat, lon, cutoff, kernel), out, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(conley(psi[1:], lat[1:], lon[1:], 1e-3), psi[1:].T @ psi[1:], rtol=1e-12)
