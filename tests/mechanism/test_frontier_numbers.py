"""The programmes, the bootstrap and the truncated regression against books, other software and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from gmvcausal.mechanism.frontier import bootstrap, scores
from gmvcausal.mechanism.frontier.programs import Problem, single, solve
from gmvcausal.mechanism.frontier.truncated import fit_truncated, log_likelihood, redraw

# Pyfrontier 1.1.1 (scores rounded to six digits), EnvelopDEA(frontier, orientation).fit(X, Y).
X = np.array([
    [20.1, 23.32], [17.51, 12.87], [16.0, 12.23], [20.7, 39.26], [15.7, 14.73], [25.66, 24.01], [21.17, 12.61],
    [19.79, 28.44], [10.26, 15.98], [7.76, 10.54], [8.0, 17.86], [10.66, 23.0],
])  # fmt: skip
Y = np.array([
    [59.05, 49.73], [15.51, 41.71], [53.29, 57.78], [25.4, 43.0], [33.47, 36.44], [92.8, 36.46], [53.72, 84.96],
    [40.78, 51.63], [57.7, 56.37], [29.59, 56.72], [107.71, 25.19], [83.91, 57.96],
])  # fmt: skip
PYFRONTIER = {
    ("constant", False): [0.541505, 0.516097, 0.914946, 0.291103, 0.515645, 0.672318, 1.0, 0.401466, 0.897961, 1.0,
                          1.0, 0.986316],
    ("constant", True): [1.846705, 1.937619, 1.09296, 3.435213, 1.93932, 1.48739, 1.0, 2.490871, 1.113635, 1.0, 1.0,
                         1.013874],
    ("variable", False): [0.561387, 0.818959, 1.0, 0.374879, 0.73433, 0.680805, 1.0, 0.406884, 0.971689, 1.0, 1.0,
                          1.0],
    ("variable", True): [1.297084, 1.852132, 1.0, 1.952796, 1.871661, 1.056379, 1.0, 1.509673, 1.019422, 1.0, 1.0,
                         1.0],
}  # fmt: skip


@pytest.mark.parametrize(("hull", "output"), list(PYFRONTIER))
def test_against_pyfrontier(hull: str, output: bool) -> None:
    found = scores.against(X, Y, output, hull)
    np.testing.assert_allclose(found.factor, PYFRONTIER[hull, output], atol=1e-6)


def test_two_inputs_of_cooper_seiford_and_tone() -> None:
    """Data Envelopment Analysis (2007), table 2.2: stores A to F, one output; F is weakly efficient."""
    x = np.array([[4.0, 3], [7, 3], [8, 1], [4, 2], [2, 4], [10, 1]])
    s = scores.evaluate(x, np.ones((6, 1)), False, "constant")
    # A lies on a line through D and E (x1 + x2 = 6), B on one through C and D (x1 + 4 x2 = 12).
    np.testing.assert_allclose(s.score, [6 / 7, 12 / 19, 1, 1, 1, 1], atol=1e-12)
    assert s.efficient.tolist() == ["no", "no", "strong", "strong", "strong", "weak"]
    np.testing.assert_allclose(s.slack[5], [2, 0, 0], atol=1e-12)
    np.testing.assert_allclose(s.target[5], [8, 1, 1], atol=1e-12)
    assert np.flatnonzero(s.weights[0] > 1e-9).tolist() == [3, 4] and s.weights[5, 2] == pytest.approx(1)
    # Against the others alone: C's inputs could be 10/8 (F's mix has as little of the second: 1 -> theta = 1.25 | 1).
    assert s.beyond[:2].tolist() == s.score[:2].tolist() and s.beyond[5] == pytest.approx(1)
    # E's others use at least 4 of the first input: D's, so 2 theta = 4.
    assert s.beyond[4] == pytest.approx(2)


def test_five_firms_of_coelli() -> None:
    """A Guide to DEAP 2.1 (1996), examples 1 and 2: scores, peers, slack; scale and its direction."""
    one = scores.evaluate(
        np.array([[2.0, 5], [2, 4], [6, 6], [3, 2], [6, 2]]), np.array([[1.0], [2], [3], [1], [2]]), False, "constant"
    )
    np.testing.assert_allclose(one.score, [1 / 2, 1, 5 / 6, 5 / 7, 1], atol=1e-12)
    np.testing.assert_allclose(one.weights[0], [0, 0.5, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(one.weights[2], [0, 1, 0, 0, 0.5], atol=1e-12)
    np.testing.assert_allclose(one.weights[3], [0, 3 / 14, 0, 0, 2 / 7], atol=1e-12)
    np.testing.assert_allclose(one.slack[0], [0, 0.5, 0], atol=1e-12)
    x, y = np.array([[2.0], [4], [3], [5], [6]]), np.array([[1.0], [2], [3], [4], [5]])
    two = scores.evaluate(x, y, False, "variable")
    np.testing.assert_allclose(two.score, [1, 0.625, 1, 0.9, 1], atol=1e-12)
    np.testing.assert_allclose(two.scale, [0.5, 0.8, 1, 8 / 9, 5 / 6], atol=1e-12)
    assert two.returns.tolist() == ["increasing", "increasing", "constant", "decreasing", "decreasing"]


def shop(n: int, m: int, s: int, seed: int, *, coarse: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.exp(rng.normal(2, 0.8, (n, m)))
    y = (x.prod(axis=1) ** (0.7 / m))[:, None] * np.exp(rng.normal(0, 0.3, (n, s)) - rng.exponential(0.3, (n, 1)))
    return (np.ceil(x / 3), np.ceil(y)) if coarse else (x, y)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("hull", ["constant", "variable", "decreasing"])
@pytest.mark.parametrize("output", [False, True])
def test_against_highs(output: bool, hull: str, coarse: bool) -> None:
    """Whole numbers make ties, duplicates and degenerate corners."""
    x, y = shop(40, 3, 2, 4, coarse=coarse)
    found = solve(Problem(output, hull), x, y, x[None], y[None], np.arange(40), slacks=True)
    apart = [single(Problem(output, hull), x[i], y[i], x, y) for i in range(40)]
    np.testing.assert_allclose(found.factor, apart, rtol=1e-9)
    # The equations hold with the weights and slacks as given, and the slacks are the largest.
    grow_x, grow_y = (1.0, found.factor[:, None]) if output else (found.factor[:, None], 1.0)
    np.testing.assert_allclose(found.weights @ x, (grow_x - found.slack[:, :3]) * x, rtol=1e-9)
    np.testing.assert_allclose(found.weights @ y, (grow_y + found.slack[:, 3:]) * y, rtol=1e-9)
    for i in range(0, 40, 5):
        assert found.slack[i].sum() == pytest.approx(most_slack(x, y, i, output, hull, apart[i]), abs=1e-7)


def most_slack(x: np.ndarray, y: np.ndarray, i: int, output: bool, hull: str, factor: float) -> float:
    """The second phase as inequalities: weights alone."""
    (n, m), s = x.shape, y.shape[1]
    gain = (y / y[i]).sum(axis=1) - (x / x[i]).sum(axis=1)
    a, b = [*(x / x[i]).T, *-(y / y[i]).T], [1.0 if output else factor] * m + [-factor if output else -1.0] * s
    b = [v + 1e-11 for v in b]
    more = {} if hull == "constant" else {"A_eq": np.ones((1, n)), "b_eq": [1.0]} if hull == "variable" else {}
    if hull == "decreasing":
        a, b = [*a, np.ones(n)], [*b, 1.0]
    done = optimize.linprog(-gain, A_ub=np.array(a), b_ub=b, bounds=(0, None), method="highs", **more)
    return float(-done.fun + sum([1.0 if output else factor] * m) - sum([factor if output else 1.0] * s))


def test_amounts_of_very_different_size() -> None:
    """One input and one output: the ratios are the scores, also of a unit a billion times as large as the others."""
    rng = np.random.default_rng(6)
    x, y = np.exp(rng.normal(0, 3, (30, 1))), np.exp(rng.normal(0, 3, (30, 1)))
    x[4], y[7] = 1e-6, 1e8
    ratio = (y / x)[:, 0]
    for output in (False, True):
        s = scores.evaluate(x, y, output, "constant")
        np.testing.assert_allclose(s.score, ratio / ratio.max(), rtol=1e-9)
        best = int(ratio.argmax())
        assert s.beyond[best] == pytest.approx(ratio[best] / np.delete(ratio, best).max(), rel=1e-6)


def test_what_does_not_converge_goes_to_highs(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = shop(15, 2, 2, 1)
    right = scores.against(x, y, True, "variable", slacks=True)
    monkeypatch.setattr("gmvcausal.mechanism.frontier.programs._MOST", 1)
    again = scores.against(x, y, True, "variable", slacks=True)
    np.testing.assert_allclose(again.factor, right.factor, rtol=1e-9)
    np.testing.assert_allclose(again.slack.sum(axis=1), right.slack.sum(axis=1), atol=1e-8)


def test_influence_is_that_of_leaving_a_unit_out() -> None:
    x, y = shop(25, 2, 1, 8)
    for output, hull in ((True, "variable"), (False, "constant")):
        s = scores.evaluate(x, y, output, hull)
        rise = scores.influence(x, y, output, hull, s)
        for j in range(25):
            rest = np.arange(25) != j
            without = scores.shares(scores.against(x[rest], y[rest], output, hull).factor, output)
            assert rise[j] == pytest.approx((without - s.score[rest]).mean(), abs=1e-9)


@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize("hull", ["constant", "variable"])
def test_the_bootstrap_is_the_plain_loop(output: bool, hull: str) -> None:
    """The steps of Simar and Wilson (1998) but for the shrinking of the draws, one unit and programme at a time."""
    x, y = shop(12, 2, 1, 3)
    factor = scores.against(x, y, output, hull).factor
    d = np.maximum(factor if output else 1 / factor, 1.0)
    draws = bootstrap.draws_of(x, y, output, hull, d, 6, np.random.default_rng(9), lambda done: None)
    rng = np.random.default_rng(9)
    picks, noise = rng.integers(0, 12, (6, 12)), rng.standard_normal((6, 12))
    h = bootstrap.bandwidth(d)
    for b in range(6):
        beta = d[picks[b]]
        pseudo_x, pseudo_y = x.copy(), y.copy()
        for i in range(12):
            moved = beta[i] + h * noise[b, i]
            drawn = 2 - moved if moved < 1 else moved
            if output:
                pseudo_y[i] = y[i] * d[i] / drawn
            else:
                pseudo_x[i] = x[i] * drawn / d[i]
        for i in range(12):
            f = single(Problem(output, hull), x[i], y[i], pseudo_x, pseudo_y)
            assert draws[b, i] == pytest.approx(f if output else 1 / f, rel=1e-9)
    # A pseudo frontier never lies beyond that of the data.
    assert (draws <= d + 1e-9).all()


def test_pseudo_distances_have_the_smoothed_law() -> None:
    """The kernel estimate reflected at 1, held against its distribution function in closed form."""
    d, h = 1 + np.random.default_rng(0).exponential(0.4, 50), 0.15
    drawn = bootstrap.pseudo(d, h, 80, np.random.default_rng(1)).ravel()

    def law(t: np.ndarray) -> np.ndarray:
        up, down = (t[:, None] - d) / h, (2 - t[:, None] - d) / h
        return (stats.norm.cdf(up) - stats.norm.cdf(down)).mean(axis=1)

    assert drawn.min() >= 1 and stats.kstest(drawn, law).pvalue > 0.01


def cut(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = np.column_stack([np.ones(3 * n), rng.normal(size=3 * n)])
    d = z @ [1.2, 0.3] + 0.4 * rng.normal(size=3 * n)
    return d[d > 1][:n], z[d > 1][:n]


def test_truncated_regression_is_at_its_maximum() -> None:
    d, z = cut(80, 2)
    fit = fit_truncated(np.vstack([d, d[::-1]]), z)
    assert fit.found.all()
    point = np.column_stack([fit.beta, np.ones(2)]) / fit.sigma[:, None]
    outcomes = np.vstack([d, d[::-1]])
    value, slope, curve = log_likelihood(outcomes, z, point, 1.0)
    np.testing.assert_allclose(slope, 0, atol=1e-6)
    assert (np.linalg.eigvalsh(curve) < 0).all()
    law = stats.truncnorm((1 - z @ fit.beta[0]) / fit.sigma[0], np.inf, z @ fit.beta[0], fit.sigma[0])
    assert value[0] == pytest.approx(law.logpdf(d).sum(), rel=1e-12)
    # Gradient and Hessian by differences, off the maximum.
    off, step = point * 1.1, 1e-6
    _, slope, curve = log_likelihood(outcomes, z, off, 1.0)
    for k in range(3):
        nudge = step * np.eye(3)[k]
        up, down = log_likelihood(outcomes, z, off + nudge, 1.0), log_likelihood(outcomes, z, off - nudge, 1.0)
        np.testing.assert_allclose((up[0] - down[0]) / (2 * step), slope[:, k], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose((up[1] - down[1]) / (2 * step), curve[:, k], rtol=1e-6, atol=1e-5)

    def minus(theta: np.ndarray) -> float:
        centre, sigma = z @ theta[:2], math.exp(theta[2])
        return -float(stats.truncnorm.logpdf(d, (1 - centre) / sigma, np.inf, centre, sigma).sum())

    other = optimize.minimize(minus, [1.0, 0.1, -0.5], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    np.testing.assert_allclose(other.x, [*fit.beta[0], math.log(fit.sigma[0])], atol=1e-6)


def test_outcomes_that_only_fall_away_have_no_maximum() -> None:
    """Distances that crowd at the bound as an exponential law and more do not tell centre from spread."""
    d = 1 + np.random.default_rng(0).gamma(0.3, 1, 60)
    assert not fit_truncated(d[None], np.ones((60, 1))).found[0]


def test_redrawn_outcomes_have_the_fitted_law() -> None:
    drawn = redraw(np.ones((1, 1)), np.array([0.5]), 0.4, 4000, np.random.default_rng(3))[:, 0]
    law = stats.truncnorm((1 - 0.5) / 0.4, np.inf, 0.5, 0.4)
    assert drawn.min() > 1 and stats.kstest(drawn, law.cdf).pvalue > 0.01
