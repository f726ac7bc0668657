"""Intervals that allow trends to differ: printed numbers, the linear programmes they stand for, and their coverage."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import optimize

from gmvcausal.stats.honest import Study, accepts, relative_magnitude, relative_p, relative_pieces
from gmvcausal.stats.smooth_trend import best_line, folded_quantile, smoothness


def _sigma(size: int, seed: int = 0, rho: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sd = rng.uniform(0.5, 1.5, size)
    at = np.arange(size)
    return (0.5 + 0.5 * rho ** np.abs(at[:, None] - at)) * np.outer(sd, sd)


def _slack(study: Study, bound: float, s: int, sign: float, theta: float) -> float:
    """The smallest slack by a solver of linear programmes, in the paths of delta themselves."""
    n_pre, n_post = study.n_pre, len(study.weight)
    size = n_pre + n_post
    largest = np.zeros(size)
    largest[s] -= sign
    if s + 1 < n_pre:
        largest[s + 1] += sign
    rows = []
    for t in range(n_post):
        move = np.zeros(size)
        move[n_pre + t] = 1.0
        if t:
            move[n_pre + t - 1] = -1.0
        rows += [move - bound * largest, -move - bound * largest]
    a = np.array(rows)
    sd = np.sqrt(np.einsum("ij,jk,ik->i", a, study.sigma, a))
    # Variables: slack, then the effects tau with weight' tau = theta; a (beta - tau) <= slack sd.
    found = optimize.linprog(
        np.eye(n_post + 1)[0],
        A_ub=np.column_stack([-sd, -a[:, n_pre:]]),
        b_ub=-a @ study.beta,
        A_eq=np.concatenate([[0.0], study.weight])[None],
        b_eq=[theta],
        bounds=[(None, None)] * (n_post + 1),
    )
    return float(found.fun)


@pytest.mark.parametrize(
    ("n_pre", "n_post", "bound"), [(1, 1, 1.0), (3, 1, 0.5), (2, 3, 1.5), (4, 5, 1.0), (3, 4, 0.0)]
)
def test_the_closed_form_is_the_linear_programme(n_pre: int, n_post: int, bound: float) -> None:
    rng = np.random.default_rng(n_pre + 10 * n_post)
    for first in (True, False):
        weight = np.eye(n_post)[0] if first else rng.normal(size=n_post)
        study = Study(rng.normal(size=n_pre + n_post), _sigma(n_pre + n_post), n_pre, weight)
        order = itertools.product(range(n_pre), (1.0, -1.0))
        for pieces, (s, sign) in zip(relative_pieces(study, bound), order, strict=True):
            for theta in (-3.0, 0.0, 0.4, 2.0):
                ours = float((pieces.at_zero + theta * pieces.per_effect).max())
                assert ours == pytest.approx(_slack(study, bound, s, sign, theta), abs=1e-8)


def test_an_interval_holds_what_its_test_accepts() -> None:
    study = Study(np.array([0.2, -0.3, 1.5, 2.0]), 0.04 * _sigma(4), 2, np.array([0.5, 0.5]))
    low, high = relative_magnitude(study, 1.0, 0.05)
    found = relative_pieces(study, 1.0)

    def kept(theta: float) -> bool:
        return any(accepts(p, np.array([theta]), 0.05)[0] for p in found)

    assert kept(low + 1e-4) and kept(high - 1e-4)
    assert not kept(low - 1e-4) and not kept(high + 1e-4)


def test_p_value_and_interval_agree() -> None:
    for shift in (0.3, 0.9, 1.6, 3.0):
        study = Study(np.array([0.2, -0.3, shift, 1.2 * shift]), 0.04 * _sigma(4), 2, np.array([0.5, 0.5]))
        p = relative_p(study, 0.7)
        if 1e-4 < p < 0.9:
            assert relative_magnitude(study, 0.7, p * 1.02)[0] > 0
            assert relative_magnitude(study, 0.7, p * 0.98)[0] < 0
        line = best_line(study, 0.1, 0.05)
        low, high = smoothness(study, 0.1, 0.05)
        assert (low > 0 or high < 0) == (line.p_value() < 0.05)


@pytest.mark.parametrize("method", [relative_magnitude, smoothness])
def test_scale_and_sign(method: object) -> None:
    study = Study(np.array([0.2, -0.3, 0.1, 1.5, 2.0]), 0.04 * _sigma(5), 3, np.array([0.5, 0.5]))
    bound = 0.2
    low, high = method(study, bound, 0.05)  # type: ignore[operator]  # one of two functions of one signature
    larger = bound if method is relative_magnitude else 100 * bound
    big = Study(100 * study.beta, 1e4 * study.sigma, 3, study.weight)
    assert method(big, larger, 0.05) == pytest.approx((100 * low, 100 * high), rel=1e-4)  # type: ignore[operator]  # as above
    turned = Study(-study.beta, study.sigma, 3, study.weight)
    again = method(turned, bound, 0.05)  # type: ignore[operator]  # as above
    assert again == pytest.approx((-high, -low), abs=0.01 * (high - low))  # draws are not symmetric


def test_wider_bounds_give_wider_intervals() -> None:
    study = Study(np.array([0.2, -0.3, 0.1, 1.5, 2.0]), 0.04 * _sigma(5), 3, np.array([1.0, 0.0]))
    for method in (relative_magnitude, smoothness):
        spans = [method(study, m, 0.05) for m in (0.0, 0.3, 0.6, 1.2)]
        for one, two in itertools.pairwise(spans):
            assert two[0] <= one[0] + 1e-6 and two[1] >= one[1] - 1e-6


def test_a_straight_line_is_taken_out_by_hand() -> None:
    # One coefficient on each side, variances 1 and 4: the line through base and lead, carried forward, is -1 * 0.5.
    study = Study(np.array([0.5, 3.0]), np.diag([1.0, 4.0]), 1, np.array([1.0]))
    low, high = smoothness(study, 0.0, 0.05)
    assert (low + high) / 2 == pytest.approx(3.0 + 0.5, abs=1e-9)
    assert (high - low) / 2 == pytest.approx(1.959963984540054 * np.sqrt(5.0), abs=1e-8)
    # With a bend of at most .1 at the base the first effect is off by as much.
    bent = smoothness(study, 0.1, 0.05)
    sd = np.sqrt(5.0)
    assert (bent[1] - bent[0]) / 2 == pytest.approx(sd * folded_quantile(0.1 / sd, 0.05), abs=1e-9)


def test_the_shortest_interval_is_the_shortest() -> None:
    """No other weights on the leads that leave straight lines out make the interval shorter."""
    study = Study(np.array([0.2, -0.3, 0.1, 0.4, 1.5, 2.0]), 0.04 * _sigma(6), 4, np.array([0.5, 0.5]))
    bound = 0.05
    low, high = smoothness(study, bound, 0.05)

    def half(w: np.ndarray) -> float:
        v = np.concatenate([w, study.weight])
        sd = float(np.sqrt(v @ study.sigma @ v))
        time = np.array([-4, -3, -2, -1, 1, 2])
        # Bends of delta at -3 .. -1 (seen before the start), and at 0 and 1.
        bias = sum(abs(float(v[:4] @ np.maximum(k - time[:4], 0))) for k in (-3, -2, -1))
        bias += sum(abs(float(v[4:] @ np.maximum(time[4:] - k, 0))) for k in (0, 1))
        return sd * folded_quantile(bound * bias / sd, 0.05)

    # Weights (w) with w' (4, 3, 2, 1) = weight' (1, 2): three free.
    fixed = float(study.weight @ [1.0, 2.0])
    found = min(
        optimize.minimize(
            lambda x: half(np.array([*x, fixed - x @ [4.0, 3.0, 2.0]])), start, method="Nelder-Mead",
            options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 20_000, "maxfev": 20_000},
        ).fun
        for start in (np.zeros(3), np.full(3, 0.2), np.array([-0.3, 0.2, 0.5]))
    )  # fmt: skip
    assert (high - low) / 2 <= found + 1e-6
    assert (high - low) / 2 == pytest.approx(found, rel=1e-3)


@pytest.mark.parametrize("bound", [1.0, 2.0])
def test_coverage_on_the_boundary(bound: float) -> None:
    """Trends that go on as badly as the bound allows: an effect of zero stays in the interval."""
    rng = np.random.default_rng(5)
    sigma = 0.25 * _sigma(7)
    root = np.linalg.cholesky(sigma)
    truth = np.concatenate([[-4.0] * 5, [4.0 * bound, 8.0 * bound]])  # one move of 4 at the base, two of 4 bound after
    kept, runs = 0, 200
    for seed in range(runs):
        study = Study(truth + root @ rng.standard_normal(7), sigma, 5, np.array([0.5, 0.5]), seed)
        kept += any(accepts(p, np.zeros(1), 0.05)[0] for p in relative_pieces(study, bound))
    assert kept / runs >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / runs)
