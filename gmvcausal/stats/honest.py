"""Intervals that allow trends to have differed: Rambachan and Roth (2023), in closed form where the problem has one.

Coefficients of an event study are the effect plus a difference in trends, delta, that is zero at the base. Before the
start only delta is seen; a restriction on how it may go on bounds the effect after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_DRAWS = 10_000
_GRID = 801
SMALLEST_STEP = 1e-6  # of the standard error: the ends of an interval are searched no further


# --- relative magnitudes ----------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Pieces:
    """The test of one value of the effect in one polyhedron: a maximum of linear functions of the coefficients.

    Attributes
    ----------
    at_zero : ndarray, shape (m,)
        Their values where the effect is zero.
    per_effect : ndarray, shape (m,)
        How they fall as the hypothesised effect rises.
    cov : ndarray, shape (m, m)
    maxima : ndarray, shape (draws,)
        Sorted draws of their maximum under the least favourable mean; of two functions none are needed.
    """

    at_zero: FloatArray
    per_effect: FloatArray
    cov: FloatArray
    maxima: FloatArray

    def first(self, level: float) -> float:
        """The critical value of the first stage: their maximum lies above it with chance `level`, at most a half."""
        if not len(self.maxima):
            return _largest_of_two(self.cov, level)
        place = (1 - level) * (len(self.maxima) - 1)
        return float(np.interp(place, np.arange(len(self.maxima)), self.maxima))


@dataclass(frozen=True, eq=False)
class Study:
    """An event study and what is asked of it.

    Attributes
    ----------
    beta : ndarray, shape (n_pre + n_post,)
        Coefficients in the order of time, the base between them left out.
    sigma : ndarray, shape (n_pre + n_post, n_pre + n_post)
    n_pre : int
    weight : ndarray, shape (n_post,)
        Of the post coefficients in the effect.
    seed : int
        Of the draws for first-stage critical values.
    """

    beta: FloatArray
    sigma: FloatArray
    n_pre: int
    weight: FloatArray
    seed: int = 0

    @property
    def point(self) -> float:
        """The effect if trends were parallel."""
        return float(self.weight @ self.beta[self.n_pre :])

    @property
    def std_error(self) -> float:
        """Its standard error."""
        return math.sqrt(max(float(self.weight @ self.sigma[self.n_pre :, self.n_pre :] @ self.weight), 0.0))


def relative_pieces(study: Study, bound: float) -> list[Pieces]:
    """The polyhedra whose union is: delta moves after the start by at most `bound` times its largest move before it.

    Each takes another earlier period, and sign, for the largest move. In each, whether an effect is possible is a test
    of moment inequalities with nuisance parameters (Andrews, Roth and Pakes 2023). Its linear programme has a closed
    form here: with u_t the move of delta into post period t, the effect fixes one linear combination of the u_t, and
    each lies between two bounds, so the smallest slack is the maximum of n_post + 2 linear functions. No solver is
    needed, however many periods there are.
    """
    draws = draws_of(study)
    return [_pieces(study, bound, s, sign, draws) for s in range(study.n_pre) for sign in (1.0, -1.0)]


def draws_of(study: Study) -> FloatArray:
    """Draws of the noise of the coefficients, shape (draws, n_pre + n_post)."""
    values, vectors = np.linalg.eigh((study.sigma + study.sigma.T) / 2)
    draws = np.random.default_rng(study.seed).standard_normal((_DRAWS, len(study.beta)))
    # The symmetric root: vectors of equal eigenvalues differ from one processor to the next, it does not.
    return np.asarray(draws @ ((vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T))


def maxima_of(linear: FloatArray, cov: FloatArray, draws: FloatArray) -> FloatArray:
    """Sorted draws of the largest of these functions; none of two that vary, whose law has a closed form."""
    if len(linear) == 2 and (np.diag(cov) > 0).all():
        return np.empty(0)
    return np.sort(reduce(np.maximum, (draws @ linear.T).T))  # a handful of columns: .max(axis=1) takes five times


def _largest_of_two(cov: FloatArray, level: float) -> float:
    """What the larger of two normal variables with mean zero exceeds with chance `level` (Owen 1956)."""
    from scipy import optimize, special

    sd = np.sqrt(np.diag(cov))
    rho = float(np.clip(cov[0, 1] / (sd[0] * sd[1]), -1.0, 1.0))
    apart = math.sqrt((1 - rho) * (1 + rho))

    def above(at: float) -> float:
        end = at / sd
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.nan_to_num((end[::-1] - rho * end) / (end * apart), nan=0.0, posinf=np.inf, neginf=-np.inf)
        return float((special.ndtr(-end) / 2 + special.owens_t(end, slope)).sum()) - level

    return float(optimize.brentq(above, 1e-9 * sd.min(), 40.0 * sd.max(), xtol=1e-12))


def _pieces(study: Study, bound: float, s: int, sign: float, draws: FloatArray) -> Pieces:
    sigma, weight, n_pre = study.sigma, study.weight, study.n_pre
    size, n_post = len(study.beta), len(weight)
    largest = np.zeros(size)  # the move before the start that is taken to be the largest, as a function of beta
    largest[s] = -sign
    if s + 1 < n_pre:
        largest[s + 1] = sign
    move = np.zeros((n_post, size))
    for t in range(n_post):
        move[t, n_pre + t] = 1.0
        if t:
            move[t, n_pre + t - 1] = -1.0
    up, down = move - bound * largest, -move - bound * largest
    sd_up, sd_down = (np.sqrt(np.einsum("ij,jk,ik->i", rows, sigma, rows)) for rows in (up, down))
    through = np.cumsum(weight[::-1])[::-1]  # the effect as a sum of moves
    reach = np.abs(through)
    above = float((reach * np.where(through > 0, sd_up, sd_down)).sum())
    below = float((reach * np.where(through > 0, sd_down, sd_up)).sum())
    effect = np.zeros(size)
    effect[n_pre:] = weight
    drift = bound * float(reach.sum()) * largest
    rows = [(effect - drift) / above, (-effect - drift) / below]
    slope = [-1.0 / above, 1.0 / below]
    if n_post > 1 and bound > 0:
        rows += list(-2 * bound * largest / (sd_up + sd_down)[:, None])
        slope += [0.0] * n_post
    linear = np.array(rows)
    cov = linear @ sigma @ linear.T
    return Pieces(linear @ study.beta, np.array(slope), cov, maxima_of(linear, cov, draws))


def accepts(pieces: Pieces, theta: FloatArray, alpha: float) -> NDArray[np.bool_]:
    """Which values of the effect the test does not reject, shape as `theta`.

    The conditional test at nine tenths of the level, behind a least favourable first stage at one tenth.
    """
    from scipy import special

    first = pieces.first(alpha / 10)
    z = pieces.at_zero + theta[:, None] * pieces.per_effect
    top = z.argmax(axis=1)
    eta = z[np.arange(len(theta)), top]
    variance = np.diag(pieces.cov)[top]
    live = variance > 0
    ratio = pieces.cov[top] / np.where(live, variance, 1.0)[:, None]
    # The others stay below the largest while that lies between these two, the rest of the data held.
    gap = 1.0 - ratio
    flat = np.abs(gap) < 1e-12
    limit = (z - ratio * eta[:, None]) / np.where(flat, 1.0, gap)
    low = np.where((gap > 0) & ~flat, limit, -np.inf).max(axis=1)
    high = np.where((gap < 0) & ~flat, limit, np.inf).min(axis=1)
    high = np.minimum(high, first)
    sd = np.sqrt(np.where(live, variance, 1.0))
    # Chance of a value above eta between the two, from the tail that loses no digits.
    at, a, b = (special.log_ndtr(-end / sd) for end in (eta, low, high))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = -np.expm1(np.minimum(b - at, 0.0)) * np.exp(at - a) / -np.expm1(np.minimum(b - a, 0.0))
    second = (alpha - alpha / 10) / (1 - alpha / 10)
    reject = live & ((eta > first) | ((eta > 0) & ~(share >= second)))
    return np.asarray(~reject)


def relative_magnitude(study: Study, bound: float, alpha: float) -> tuple[float, float]:
    """Interval of the effect if delta moves after the start by at most `bound` times its largest move before it.

    Parameters
    ----------
    study : Study
    bound : float
    alpha : float

    Returns
    -------
    low, high : float
        The smallest and largest effect that some polyhedron accepts; infinite where none in reach is rejected.
    """
    # The set reaches as far as the bound lets trends run, and a few standard errors more.
    steps = np.abs(np.diff(np.append(study.beta[: study.n_pre], 0.0)))
    run = np.abs(np.cumsum(study.weight[::-1])).sum()
    noise = math.sqrt(float(np.diag(study.sigma).max()))
    reach = 8 * study.std_error + bound * run * (float(steps.max()) + 4 * noise)
    return interval_of(relative_pieces(study, bound), study.point, reach, SMALLEST_STEP * study.std_error, alpha)


def interval_of(found: list[Pieces], centre: float, reach: float, step: float, alpha: float) -> tuple[float, float]:
    """Smallest and largest effect that the test of some polyhedron accepts; NaN where there is none.

    Parameters
    ----------
    found : list of Pieces
    centre, reach : float
        Where effects are looked for first, and how far from there.
    step : float
        How exactly the ends are found.
    alpha : float
    """

    def accepted(theta: FloatArray) -> NDArray[np.bool_]:
        keep = np.zeros(len(theta), dtype=bool)
        for pieces in found:
            rest = np.flatnonzero(~keep)
            keep[rest] = accepts(pieces, theta[rest], alpha)
        return keep

    return _hull(accepted, centre, reach, step)


def relative_p(study: Study, bound: float) -> float:
    """The smallest level at which an effect of zero is rejected under `bound`."""
    return p_of(relative_pieces(study, bound))


def p_of(found: list[Pieces]) -> float:
    """The smallest level at which an effect of zero is rejected in every polyhedron."""
    zero = np.zeros(1)
    p = 0.0
    for pieces in found:
        if not accepts(pieces, zero, max(p, 1e-9))[0]:
            continue  # rejected at the largest level so far, and so no larger one
        low, high = max(p, 1e-9), 1.0
        while high - low > 1e-6 * high:
            middle = math.sqrt(low * high) if low < 0.1 * high else (low + high) / 2
            low, high = (middle, high) if accepts(pieces, zero, middle)[0] else (low, middle)
        p = high
    return p


_Accepted = Callable[[FloatArray], NDArray[np.bool_]]


def _hull(accepted: _Accepted, point: float, reach: float, step: float) -> tuple[float, float]:
    """Smallest and largest accepted value: a grid around the estimate, widened until both ends are rejected."""
    for _ in range(6):
        grid = point + np.linspace(-reach, reach, _GRID)
        keep = accepted(grid)
        if keep.any() and not keep[0] and not keep[-1]:
            break
        if keep.any():
            reach *= 4
        else:  # everything rejected on this grid: look closer around the estimate
            reach /= 8
    if not keep.any():
        return math.nan, math.nan
    first, last = int(np.flatnonzero(keep)[0]), int(np.flatnonzero(keep)[-1])
    low = -math.inf if first == 0 else _edge(accepted, grid[first - 1], grid[first], step)
    high = math.inf if last == len(grid) - 1 else _edge(accepted, grid[last + 1], grid[last], step)
    return low, high


def _edge(accepted: _Accepted, outside: float, inside: float, step: float) -> float:
    while abs(inside - outside) > step:
        between = np.linspace(outside, inside, 18)
        keep = accepted(between)
        first = int(np.flatnonzero(keep)[0]) if keep.any() else 17
        outside, inside = float(between[max(first - 1, 0)]), float(between[first])
        if first == 0:
            break
    return inside
