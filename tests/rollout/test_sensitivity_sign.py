"""`honest_did(sign=, monotone=)`: trends that differ in one direction, against programmes and on the boundary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linprog

import gmvcausal as gc
from gmvcausal.rollout.referee import bounds
from gmvcausal.stats import honest, signed
from gmvcausal.stats.honest import Pieces, Study, accepts

METHODS = ("relative_magnitude", "smoothness")


def _programme(pre: Any, post: Any, weight: Any, method: str, bound: float, monotone: bool) -> tuple[float, float]:
    """Identified set of the effect by linear programme: the coefficients are the truth, the bias after is free."""
    n, path = len(weight), np.append(pre, 0.0)
    move = np.eye(n) - np.eye(n, k=-1)
    if method == "relative_magnitude":
        rows, limits = [move, -move], np.full(2 * n, bound * np.abs(np.diff(path)).max())
    else:
        bend = move - np.vstack([np.zeros(n), move[:-1]])
        first = np.zeros(n)
        first[0] = path[-1] - path[-2]
        rows, limits = [bend, -bend], np.r_[bound + first, bound - first]
    if monotone:
        rows, limits = [*rows, -move], np.r_[limits, np.zeros(n)]
    ends = [
        linprog(side * weight, A_ub=np.vstack(rows), b_ub=limits, bounds=(0, None), method="highs") for side in (1, -1)
    ]
    assert all(e.status == 0 for e in ends)
    return float(weight @ post + ends[1].fun), float(weight @ post - ends[0].fun)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("monotone", [False, True])
def test_without_noise_it_is_the_set_that_a_programme_gives(method: str, monotone: bool) -> None:
    rng = np.random.default_rng(5)
    for draw in range(12):
        n_pre, n = rng.integers(1, 5), rng.integers(1, 7)
        weight = np.full(n, 1 / n) if draw % 2 else np.eye(n)[0]
        pre = -np.cumsum(rng.uniform(0 if monotone else -1, 1, n_pre))[::-1]
        post = rng.normal(size=n)
        seen = np.abs(np.diff(np.append(pre, 0), 2)).max(initial=0)
        # A slope that falls by more than the bound at the base contradicts the sign: that is another test.
        bound = rng.uniform(0, 2) if method == METHODS[0] else max(seen, pre[-1]) * 1.1 + 0.01
        wanted = _programme(pre, post, weight, method, bound, monotone)
        study = Study(np.r_[pre, post], 1e-14 * np.eye(n_pre + n), int(n_pre), weight)
        found = signed.signed_interval(study, method, bound, "positive", monotone, 0.05)
        assert found == pytest.approx(wanted, abs=1e-5)
        turned = Study(-study.beta, study.sigma, int(n_pre), weight)
        other = signed.signed_interval(turned, method, bound, "negative", monotone, 0.05)
        assert other == pytest.approx((-wanted[1], -wanted[0]), abs=1e-5)


def test_by_hand() -> None:
    # One lead at -1, so the trend rose by 1 into the base; the effect is seen as 5, and the noise is next to nothing.
    known = {"beta": [-1.0, 5.0], "sigma": 1e-14 * np.eye(2), "n_pre": 1, "n_post": 1}

    def ends(**call: Any) -> list[float]:
        frame = gc.honest_did(**known, **call).to_frame()
        return frame.loc[1, ["conf_low", "conf_high"]].tolist()

    assert ends(grid=[2.0]) == pytest.approx([3.0, 7.0], abs=1e-4)
    assert ends(grid=[2.0], sign="positive") == pytest.approx([3.0, 5.0], abs=1e-4)
    assert ends(grid=[2.0], sign="negative") == pytest.approx([5.0, 7.0], abs=1e-4)
    # The slope of 1 may change by .4: the bias is .6 to 1.4, and positive anyway; by 1.5, and it is 0 to 2.5.
    assert ends(grid=[0.4], method="smoothness") == pytest.approx([3.6, 4.4], abs=1e-4)
    assert ends(grid=[0.4], method="smoothness", sign="positive") == pytest.approx([3.6, 4.4], abs=1e-4)
    assert ends(grid=[1.5], method="smoothness", sign="positive") == pytest.approx([2.5, 5.0], abs=1e-4)
    with pytest.raises(gc.DesignError, match="contradict"):
        ends(grid=[0.4], method="smoothness", sign="negative")
    with pytest.raises(gc.DesignError, match="monotone=True"):
        ends(grid=[1.0], sign="negative", monotone=True)


def _covered(pre: Any, n: int, method: str, bound: float, monotone: bool, side: str, reps: int) -> float:
    """Share of samples in which an effect of zero is accepted, the bias at one end of what is allowed."""
    n_pre, weight, t = len(pre), np.full(n, 1 / n), np.arange(1, n + 1)
    moves = np.diff(np.append(pre, 0.0))
    if method == METHODS[0]:
        bias = (bound * np.abs(moves).max() if side == "most" else 0.0) * t
    elif side == "most":
        bias = moves[-1] * t + bound * t * (t + 1) / 2
    else:
        _, high = _programme(pre, np.zeros(n), weight, method, bound, monotone)
        bias = np.full(n, -high)  # only its mean matters: the test sees the effect and the path before
    sigma = 0.04 * (np.eye(n_pre + n) + 1)
    base = Study(np.r_[pre, bias], sigma, n_pre, weight)
    pieces = signed._pieces(base, method, bound, monotone, 0.05)
    rows = [signed._bent(base, bound, monotone, 0.05)[0]]
    if method == METHODS[0]:
        sides = (1.0,) if monotone else (1.0, -1.0)
        rows = [signed._moved(base, bound, monotone, s, x)[0] for s in range(n_pre) for x in sides]
    noise = np.random.default_rng(7).standard_normal((reps, n_pre + n)) @ np.linalg.cholesky(sigma).T
    hit = np.zeros(reps, dtype=bool)
    for made, of_beta in zip(pieces, rows, strict=True):
        linear = np.array(of_beta)
        linear /= np.sqrt(np.einsum("ij,jk,ik->i", linear, sigma, linear))[:, None]
        for r in np.flatnonzero(~hit):
            moved = Pieces(made.at_zero + linear @ noise[r], made.per_effect, made.cov, made.maxima)
            hit[r] = accepts(moved, np.zeros(1), 0.05)[0]
    return float(hit.mean())


@pytest.mark.parametrize("monotone", [False, True])
@pytest.mark.parametrize("side", ["most", "least"])
@pytest.mark.parametrize(("method", "bound"), [(METHODS[0], 1.0), (METHODS[0], 2.0), (METHODS[1], 0.3)])
def test_coverage_on_the_boundary(method: str, bound: float, monotone: bool, side: str) -> None:
    # One move of 2.5 standard errors of a difference before the start; the others are nothing.
    pre = np.array([-0.7, 0.0, 0.0]) if method == METHODS[0] else np.array([-0.9, -0.6, -0.3])
    assert _covered(pre, 4, method, bound, monotone, side, 1_000) >= 0.935  # 95 % less two of its standard errors


def test_a_sign_cuts_one_end_off_and_the_words_say_which() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(40, 9))
    sigma = noise.T @ noise / 40 * 0.02
    beta = [0.1, -0.2, 0.05, 0.0, 1.0, 1.2, 1.1, 1.4, 1.3]
    plain = gc.honest_did(beta, sigma, 4, 5)
    for method in METHODS:
        two = gc.honest_did(beta, sigma, 4, 5, method=method)
        over = gc.honest_did(beta, sigma, 4, 5, method=method, sign="positive")
        under = gc.honest_did(beta, sigma, 4, 5, method=method, sign="negative")
        assert over.told.high < two.told.high and under.told.low > two.told.low
        assert under.breakdown > two.breakdown
        frame = over.to_frame()
        # More is allowed with a larger bound, and p falls under 5 % just where zero is left out.
        assert (np.diff(frame["conf_low"][1:]) <= 1e-9).all()
        assert ((frame["p_value"] < 0.05) == (frame["conf_low"] > 0) | (frame["conf_high"] < 0)).all()
    near = gc.honest_did(beta, sigma, 4, 5, sign="positive", grid=[f * plain.breakdown for f in (0.9, 1.1)])
    assert 0.9 * plain.breakdown < near.breakdown < 1.1 * plain.breakdown
    ends = near.to_frame()["conf_low"][1:].tolist()
    assert ends[0] > 0 > ends[1]
    assert over.sign == "positive" and plain.sign is None
    assert "lie above the controls" in " ".join(over.summary().split())
    steady = gc.honest_did(beta, sigma, 4, 5, sign="positive", monotone=True)
    assert "move up against the controls" in " ".join(steady.summary().split())
    assert steady.manifest.options["monotone"] is True
    scaled = gc.honest_did(100 * np.array(beta), 1e4 * sigma, 4, 5, sign="positive")
    first = gc.honest_did(beta, sigma, 4, 5, sign="positive")
    assert scaled.told.low == pytest.approx(100 * first.told.low, rel=1e-4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"sign": "up"}, "sign"),
        ({"sign": 1}, "sign"),
        ({"monotone": True}, "needs sign="),
        ({"sign": "positive", "monotone": "yes"}, "monotone must be True or False"),
    ],
)
def test_refused(call: dict[str, Any], words: str) -> None:
    with pytest.raises(gc.InputError, match=words):
        gc.honest_did([0.1, 1.0], np.eye(2), 1, 1, **call)


BASE = np.delete(np.eye(8) - np.eye(8)[4], 4, 0)
SIGMA = 0.25 * BASE @ BASE.T
BETA = np.array([-1.682, -1.0505, -1.5838, -0.3262, 0.5762, 1.3598, 1.8155])


@pytest.mark.parametrize("side", ["positive", "negative"])
def test_a_bound_that_goes_to_zero_gives_parallel_trends(side: str) -> None:
    """A direction adds nothing where trends may hardly differ: the interval goes over into that without it."""
    grid = [0.0, 1e-9, 1e-3, 0.05, 0.1, 0.3, 1.0]
    frame = gc.honest_did(BETA, SIGMA, 4, 3, grid=grid, sign=side).to_frame()
    low, high = (frame[c].to_numpy()[1:] for c in ("conf_low", "conf_high"))
    p = frame["p_value"].to_numpy()[1:]
    parallel = frame.loc[0, ["conf_low", "conf_high"]].to_numpy(dtype=float)
    np.testing.assert_allclose([low[:2], high[:2]], parallel[:, None] * np.ones(2), atol=1e-5)
    assert p[1] == pytest.approx(p[0], abs=1e-6)
    assert (np.diff(low) <= 1e-6).all() and (np.diff(high) >= -1e-6).all()
    plain = gc.honest_did(BETA, SIGMA, 4, 3, grid=grid).to_frame()
    error = float(frame.loc[0, "std_error"])
    # The test conditions on the nearer of the two ends, so that the other may move out by a little.
    assert (low >= plain["conf_low"].to_numpy()[1:] - 0.25 * error).all()
    assert (high <= plain["conf_high"].to_numpy()[1:] + 0.25 * error).all()
    cut = high if side == "positive" else -low
    assert cut[-1] < (plain["conf_high"] if side == "positive" else -plain["conf_low"]).to_numpy()[-1] - 2 * error


@pytest.mark.parametrize(("sd", "rho"), [((1.0, 1.0), -1.0), ((1.0, 1.0), 1.0), ((0.5, 2.0), -0.7), ((3.0, 1.0), 0.4)])
def test_the_larger_of_two_by_the_bivariate_normal(sd: tuple[float, float], rho: float) -> None:
    """The critical value of the first stage in closed form, against scipy's integral over the plane."""
    cov = np.array([[sd[0] ** 2, rho * sd[0] * sd[1]], [rho * sd[0] * sd[1], sd[1] ** 2]])
    for level in (0.1, 0.005, 1e-6):
        at = honest.Pieces(np.zeros(2), np.ones(2), cov, np.empty(0)).first(level)
        within = stats.multivariate_normal.cdf([at, at], cov=cov, allow_singular=True, abseps=1e-12, releps=1e-12)
        assert 1 - within == pytest.approx(level, rel=1e-6)


def test_draws_are_those_of_the_covariance_however_its_eigenvectors_are_turned() -> None:
    """Seven coefficients of which six eigenvalues are equal: their vectors are anybody's choice, the draws are not."""
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(7, 7)))[0]
    study = Study(BETA, SIGMA, 4, np.full(3, 1 / 3))
    again = Study(BETA, turned @ (turned.T @ SIGMA @ turned) @ turned.T, 4, np.full(3, 1 / 3))
    np.testing.assert_allclose(honest.draws_of(study), honest.draws_of(again), atol=1e-9)


def test_a_direction_that_the_past_contradicts_has_no_breakdown_and_says_why() -> None:
    """A positive, growing difference after +0.9 (0.4) before the start: each wider bound leaves a narrower interval."""
    options: dict[str, Any] = {"grid": [0.0, 1.0, 2.0], "sign": "positive", "monotone": True}
    result = gc.honest_did([0.9, 1.0], np.diag([0.16, 0.25]), 1, 1, **options)
    low = result.to_frame()["conf_low"].to_numpy()
    assert low[0] > 0 and low[1] < 0 < low[2] < low[3]
    assert np.isnan(result.breakdown) and "nan" not in " ".join(result.advice)
    assert "speaks against the direction" in " ".join(result.summary().split())


def test_a_breakdown_at_nothing_is_found_and_said() -> None:
    """Zero is rejected under parallel trends and by no bound above it: the search ends, and the words say so."""
    study = Study(BETA, SIGMA, 4, np.full(3, 1 / 3))
    found = bounds.breakdown_of(study, METHODS[0], 0.0303174, 1.0, ("positive", False))
    assert found < 1e-3
    result = gc.honest_did(BETA, SIGMA, 4, 3, grid=[1.0], sign="positive", alpha=0.0303174)
    assert result.breakdown == 0
    assert "as soon as trends may differ at all" in " ".join(result.advice)
