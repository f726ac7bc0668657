"""The numbers behind `gc.spillover`: all assignments of eight users, cases by hand, and formulas written out again."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.sparse import csr_array

from gmvcausal.mechanism.exposure.chances import Chances, Mapping, chances, closed, drawn, joint_any
from gmvcausal.mechanism.exposure.contrasts import CONTRASTS, aronow_samii, means, network_cov, touched
from gmvcausal.mechanism.exposure.fisher import fisher_test
from gmvcausal.mechanism.exposure.line import fit, shares
from gmvcausal.mechanism.exposure.lottery import Lottery, by_draws
from gmvcausal.mechanism.exposure.saturation import cells, contrasts, estimate

FloatArray = NDArray[np.float64]
N = 8
RING = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 0), (0, 4)]
RNG = np.random.default_rng(0)
ANY = Mapping("any", 1)
CHANCE = np.random.default_rng(4).uniform(0.3, 0.7, N)
ALL = np.array(list(product([0.0, 1.0], repeat=N)))
OUTCOMES = np.random.default_rng(5).normal(10, 3, (N, 4)) + np.array([0, 2, 4, 5])


def network(links: list[tuple[int, int]] = RING, n: int = N) -> Any:
    a = np.zeros((n, n))
    for i, j in links:
        a[i, j] = a[j, i] = 1
    return csr_array(a / np.maximum(a.sum(axis=1, keepdims=True), 1))


def conditions(w: Any, mapping: Mapping) -> Any:
    """One-hot conditions of every user under every assignment, shape (256, 8, 4)."""
    return np.eye(4)[[(2 * d + mapping.exposed(w, d)).astype(int) for d in ALL]]


def weight_of(p: FloatArray) -> FloatArray:
    return np.prod(np.where(ALL == 1, p, 1 - p), axis=1)


# --- exposure probabilities -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mapping", [ANY, Mapping("number", 2), Mapping("share", 0.5), Mapping("share", 2 / 3)])
@pytest.mark.parametrize("equal", [True, False])
def test_closed_probabilities_are_those_of_all_assignments(mapping: Mapping, equal: bool) -> None:
    p = np.full(N, 0.3) if equal else CHANCE
    found = closed(network(), mapping, by_draws(ALL[37], p), False)
    if not equal and mapping.kind != "any":
        assert found is None  # a Poisson binomial is drawn, not worked out
        return
    brute = np.einsum("r,rik->ik", weight_of(p), conditions(network(), mapping))
    np.testing.assert_allclose(found, brute, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mapping", [ANY, Mapping("number", 2), Mapping("share", 0.5)])
def test_probabilities_of_a_fixed_number_are_hypergeometric(mapping: Mapping) -> None:
    some = ALL.sum(axis=1) == 3
    lot = Lottery(np.arange(N), ALL[some][0], np.full(N, 3 / 8), np.zeros(N, dtype=int), True)
    brute = conditions(network(), mapping)[some].mean(axis=0)
    np.testing.assert_allclose(closed(network(), mapping, lot, False), brute, rtol=0, atol=1e-12)


def test_drawn_probabilities_come_near_the_exact_ones() -> None:
    lot = by_draws(ALL[37], CHANCE)
    exact = chances(network(), ANY, lot, RNG, 0, False)
    assert exact.draws == 0
    near = drawn(network(), ANY, lot, exact.condition, np.random.default_rng(1), 40_000)
    np.testing.assert_allclose(near, exact.probability, atol=0.015)
    np.testing.assert_allclose(near.sum(axis=1), 1, rtol=1e-12)


def test_joint_probabilities_are_those_of_all_assignments() -> None:
    lone = network([(0, 1), (1, 2), (0, 2), (3, 4), (4, 5)])  # a triangle, a chain, two users alone
    for w in (network(), lone):
        hot = conditions(w, ANY)
        i, j = np.array([(a, b) for a in range(N) for b in range(N) if a != b]).T
        brute = np.einsum("r,rpk,rpl->pkl", weight_of(CHANCE), hot[:, i], hot[:, j])
        np.testing.assert_allclose(joint_any(w, by_draws(ALL[5], CHANCE), i, j), brute, rtol=0, atol=1e-12)


# --- contrasts of conditions ------------------------------------------------------------------------------------------
def test_horvitz_thompson_is_unbiased_and_its_variance_conservative_over_all_assignments() -> None:
    w, p = network(), weight_of(CHANCE)
    estimates, variances = [], []
    for d in ALL:
        lot = by_draws(d, CHANCE)
        found = chances(w, ANY, lot, RNG, 0, False)
        y = OUTCOMES[np.arange(N), found.condition]
        m = means(y, found)
        estimates.append(m.estimates[3:])
        variances.append(aronow_samii(y, found, m, w, lot, touched(w, lot))[3:])  # type: ignore[index]  # few pairs
    estimate = np.array(estimates)
    np.testing.assert_allclose(p @ estimate, CONTRASTS @ OUTCOMES.mean(axis=0), rtol=0, atol=1e-11)
    true = p @ (estimate - p @ estimate) ** 2
    assert (p @ np.array(variances) >= true).all()
    # Not by so much that it says nothing.
    assert (p @ np.array(variances) < 1.5 * true).all()


def test_hajek_and_kish_by_hand() -> None:
    found = Chances(np.array([0, 0, 1, 2, 3, 3]), np.tile([0.5, 0.25, 0.125, 0.125], (6, 1)), 0)
    found.probability[1] = [0.25, 0.25, 0.25, 0.25]
    m = means(np.array([10.0, 4, 7, 9, 12, 18]), found)
    # Weights 2 and 4 on the controls: (2 x 10 + 4 x 4) / 6 = 6, worth 36 / 20 users.
    np.testing.assert_allclose(m.hajek, [6, 7, 9, 15], rtol=1e-12)
    np.testing.assert_allclose(m.horvitz, [36 / 6, 28 / 6, 72 / 6, 240 / 6], rtol=1e-12)
    np.testing.assert_allclose(m.effective, [1.8, 1, 1, 2], rtol=1e-12)
    np.testing.assert_allclose(m.estimates[:3], [3, 1, 9], rtol=1e-12)


def test_pairs_that_share_a_draw_are_counted_once_each() -> None:
    rng = np.random.default_rng(3)
    n = 60
    links = [(int(a), int(b)) for a, b in rng.integers(0, n, (90, 2)) if a != b]
    w = network(links, n)
    lot = by_draws((rng.random(n) < 0.5).astype(float), np.full(n, 0.5))
    influence = rng.normal(size=(n, 2)) + 0.5  # of one sign mostly, so that the sum over pairs is not below the rows'
    a = np.asarray((w.toarray() > 0) | np.eye(n, dtype=bool), dtype=float)
    near = (a @ a.T) > 0
    brute = sum(np.outer(influence[i], influence[j]) for i in range(n) for j in range(n) if near[i, j])
    np.testing.assert_allclose(network_cov(influence, touched(w, lot)), brute, rtol=1e-10)


# --- the line ---------------------------------------------------------------------------------------------------------
def test_pairs_by_hand() -> None:
    """Four pairs, every combination of own and friend's treatment once in each order: differences of means."""
    w = network([(0, 1), (2, 3), (4, 5), (6, 7)])
    d = np.array([0.0, 0, 1, 1, 0, 1, 1, 0])
    friend = np.array([0.0, 0, 1, 1, 1, 0, 0, 1])
    y = np.array([1.0, 3, 12, 14, 6, 9, 7, 4])
    lot = by_draws(d, np.full(N, 0.5))
    line = fit(y, np.ones((N, 1)), shares(w, lot), lot)
    direct, spill = y[d == 1].mean() - y[d == 0].mean(), y[friend == 1].mean() - y[friend == 0].mean()
    np.testing.assert_allclose(line.slopes, [direct, spill], rtol=1e-12)
    e = y - y.mean() - direct * (d - 0.5) - spill * (friend - 0.5)
    swap = [1, 0, 3, 2, 5, 4, 7, 6]
    # Each draw moves its own user and its friend: (treated - 1/2) x residual / (n x 1/4).
    np.testing.assert_allclose(line.influence, np.column_stack([(d - 0.5) * e, (d - 0.5) * e[swap]]) / 2, atol=1e-12)


def test_the_line_from_its_formulas() -> None:
    """Moments and their variance written out with dense matrices and loops, unequal probabilities, a covariate."""
    rng = np.random.default_rng(8)
    n = 120
    links = [(int(a), int(b)) for a, b in rng.integers(0, n - 3, (200, 2)) if a != b]
    w = network(links, n)
    p = rng.uniform(0.2, 0.8, n)
    d = (rng.random(n) < p).astype(float)
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = rng.normal(10, 4, n) + 3 * d + 2 * (w @ d)
    lot = by_draws(d, p)
    line = fit(y, x, shares(w, lot), lot)
    a = w.toarray()
    own, others = d - p, a @ (d - p)
    v = np.array([sum(a[i, j] ** 2 * p[j] * (1 - p[j]) for j in range(n)) for i in range(n)])
    z = np.column_stack([own / (p * (1 - p)), np.where(v > 0, others / np.where(v > 0, v, 1), 0)])
    r = np.column_stack([own, others])
    hat = np.eye(n) - x @ np.linalg.solve(x.T @ x, x.T)
    slopes = np.linalg.solve(z.T @ hat @ r, z.T @ hat @ y)
    np.testing.assert_allclose(line.slopes, slopes, rtol=1e-9)
    e = hat @ (y - r @ slopes)
    scores = np.array([
        [own[j] * e[j] / (p[j] * (1 - p[j])), own[j] * sum(a[i, j] * e[i] / v[i] for i in range(n) if v[i] > 0)]
        for j in range(n)
    ])  # fmt: skip
    bread = np.linalg.inv(z.T @ hat @ r)
    np.testing.assert_allclose(line.influence, scores @ bread.T, rtol=1e-8, atol=1e-12)
    # Least squares is the same line with users weighted by how much their share varies.
    np.testing.assert_allclose(line.precise, sm.OLS(y, np.column_stack([x, r])).fit().params[3], rtol=1e-9)


def test_clusters_drawn_together_take_their_inside_out() -> None:
    """Half of the links stay inside pairs that were drawn together: the rest tells spillover from direct effect."""
    rng = np.random.default_rng(2)
    n = 400
    thing = np.arange(n) // 2
    links = [(2 * k, 2 * k + 1) for k in range(n // 2)] + [
        (int(a), int(b)) for a, b in rng.integers(0, n, (600, 2)) if a // 2 != b // 2
    ]
    w = network(links, n)
    drawn_ = (rng.random(n // 2) < 0.5).astype(float)
    lot = Lottery(thing, drawn_, np.full(n // 2, 0.5), np.zeros(n // 2, dtype=int), False)
    s = shares(w, lot)
    d = drawn_[thing]
    np.testing.assert_allclose(s.others + s.inside * s.own, w @ (d - 0.5), atol=1e-12)
    y = 7 + 5 * d + 3 * (w @ d)  # without noise the line is found as it is
    np.testing.assert_allclose(fit(y, np.ones((n, 1)), s, lot).slopes, [5, 3], rtol=1e-8)


# --- Fisher's test ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fixed", [False, True])
def test_fisher_holds_its_size_and_finds_spillover(fixed: bool) -> None:
    rng = np.random.default_rng(11)
    n = 200
    w = network([(int(a), int(b)) for a, b in rng.integers(0, n, (400, 2)) if a != b], n)
    x = np.ones((n, 1))
    p_null, p_effect = [], []
    for _ in range(150):
        d = (rng.permutation(n) < n // 2) if fixed else (rng.random(n) < 0.5)
        lot = Lottery(np.arange(n), d.astype(float), np.full(n, 0.5), np.zeros(n, dtype=int), fixed)
        y = rng.gamma(0.5, 20.0, n) * (1 + d)  # one's own treatment may do what it likes
        p_null.append(fisher_test(y, x, shares(w, lot), lot, rng, 99).p_value)
        p_effect.append(fisher_test(y + 60 * (w @ d), x, shares(w, lot), lot, rng, 99).p_value)
    assert np.mean(np.array(p_null) <= 0.1) < 0.1 + 3 * np.sqrt(0.09 / 150)
    assert np.mean(np.array(p_effect) <= 0.1) > 0.8


# --- saturations ------------------------------------------------------------------------------------------------------
def test_saturations_by_hand_and_by_regression() -> None:
    rng = np.random.default_rng(6)
    share = np.repeat([0.0, 0.5, 1.0], [4, 5, 3])
    group = np.repeat(np.arange(12), 6)
    d = np.array([k % 2 if share[g] == 0.5 else share[g] for k, g in enumerate(group)], dtype=float)
    y = rng.normal(20, 5, 72) + 4 * d + 6 * share[group] + rng.normal(0, 2, 12)[group]
    c = cells(y, d, group, share)
    asked = contrasts(c)
    assert [a.term for a in asked] == [
        "direct", "spillover", "total", "direct at 0.5", "spillover at 0.5", "total at 0.5", "total, all treated",
    ]  # fmt: skip
    value, cov, df, factor = estimate(c, asked)
    mean = {(s, t): y[(share[group] == s) & (d == t)].mean() for s, t in ((0, 0), (0.5, 0), (0.5, 1), (1, 1))}
    by_hand = [mean[0.5, 1] - mean[0.5, 0], mean[0.5, 0] - mean[0, 0], mean[0.5, 1] - mean[0, 0]]
    np.testing.assert_allclose(value[:3], by_hand, rtol=1e-12)
    np.testing.assert_allclose(value[6], mean[1, 1] - mean[0, 0], rtol=1e-12)
    design = np.column_stack(
        [np.ones(72), (share[group] == 0.5) & (d == 0), (share[group] == 0.5) & (d == 1), d * (share[group] == 1)]
    )
    ols = sm.OLS(y, design.astype(float)).fit(cov_type="cluster", cov_kwds={"groups": group, "use_correction": False})
    rows = np.array([[0, -1, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    np.testing.assert_allclose(cov[:3, :3], rows @ ols.cov_params() @ rows.T, rtol=1e-9)
    # Groups of one size: Welch's degrees of freedom, 4 and 5 groups at the two saturations.
    a, b = (c.influence[c.level == k, col] for k, col in ((0, 0), (1, 2)))
    parts = [(a @ a) * 4 / 3, (b @ b) * 5 / 4]
    welch = sum(parts) ** 2 / (parts[0] ** 2 / 3 + parts[1] ** 2 / 4)
    np.testing.assert_allclose(df[1], welch, rtol=1e-9)
    np.testing.assert_allclose(factor[1] ** 2, sum(parts) / (a @ a + b @ b), rtol=1e-9)
