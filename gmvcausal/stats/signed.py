"""Intervals where trends may have differed in one direction only (Rambachan and Roth 2023, section 2.4).

The direction is added to a bound on moves (relative magnitudes) or on changes of slope (smoothness). Given the path
before the start, each such restriction confines the mean bias after it between two functions of that path, a convex
one below and a concave one above; both are maxima and minima of a few straight lines. So all that the restriction says
of the effect is a list of linear inequalities without nuisance parameters, each in units of its own standard error,
and no programme has to be solved for each value of the effect.

All is written for a difference in trends that is positive; the negative one is the same with the signs turned.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from gmvcausal.stats.honest import SMALLEST_STEP, FloatArray, Pieces, Study, draws_of, interval_of, maxima_of, p_of
from gmvcausal.stats.smooth_trend import best_weights


def signed_interval(
    study: Study, method: str, bound: float, sign: str, monotone: bool, alpha: float
) -> tuple[float, float]:
    """Interval of the effect if trends differed in one direction, by so much at most.

    Parameters
    ----------
    study : Study
        Its weights must not be negative.
    method : {"relative_magnitude", "smoothness"}
    bound : float
        As for the method without a sign.
    sign : {"positive", "negative"}
        Of the difference in trends after the start.
    monotone : bool
        Whether it moves in that direction from period to period throughout, before the start too.
    alpha : float

    Returns
    -------
    low, high : float
        NaN where no effect is accepted: the coefficients before the start contradict the restriction.
    """
    turned = _turned(study, sign)
    centre, reach = _where(turned, method, bound, alpha)
    step = SMALLEST_STEP * study.std_error
    low, high = interval_of(_pieces(turned, method, bound, monotone, alpha), centre, reach, step, alpha)
    return (low, high) if sign == "positive" else (-high, -low)


def signed_p(study: Study, method: str, bound: float, sign: str, monotone: bool, alpha: float) -> float:
    """The smallest level at which an effect of zero is rejected; `alpha` chooses among affine estimators."""
    return p_of(_pieces(_turned(study, sign), method, bound, monotone, alpha))


def _turned(study: Study, sign: str) -> Study:
    return study if sign == "positive" else replace(study, beta=-study.beta)


def _where(study: Study, method: str, bound: float, alpha: float) -> tuple[float, float]:
    """Where to look for the ends of the interval: around which value, and how far."""
    if method == "smoothness":
        weights, bias = best_weights(study, bound, alpha)
        return float(weights @ study.beta), bias + 8 * math.sqrt(float(weights @ study.sigma @ weights))
    noise = math.sqrt(float(np.diag(study.sigma).max()))
    moves = np.abs(np.diff(np.append(study.beta[: study.n_pre], 0.0)))
    drift = bound * _reached(study.weight)[0] * (float(moves.max()) + 4 * noise)
    return study.point, 8 * study.std_error + drift


def _reached(weight: FloatArray) -> tuple[float, float]:
    """What a move of one in every period, and a change of slope of one in every period, add up to in the effect."""
    time = np.arange(1, len(weight) + 1)
    return float(weight @ time), float(weight @ (time * (time + 1) / 2))


def _pieces(study: Study, method: str, bound: float, monotone: bool, alpha: float) -> list[Pieces]:
    draws = draws_of(study)
    if method == "smoothness":
        return [_of(study, draws, *_bent(study, bound, monotone, alpha))]
    sides = (1.0,) if monotone else (1.0, -1.0)
    return [_of(study, draws, *_moved(study, bound, monotone, s, side)) for s in range(study.n_pre) for side in sides]


Rows = tuple[list[FloatArray], list[float], list[float]]  # loadings on beta, constants, slopes in the effect


def _of(study: Study, draws: FloatArray, rows: list[FloatArray], constants: list[float], slopes: list[float]) -> Pieces:
    linear = np.array(rows)
    size = np.sqrt(np.einsum("ij,jk,ik->i", linear, study.sigma, linear))
    linear = linear / size[:, None]
    cov = linear @ study.sigma @ linear.T
    at_zero = linear @ study.beta + np.array(constants) / size
    return Pieces(at_zero, np.array(slopes) / size, cov, maxima_of(linear, cov, draws))


def _moves(study: Study) -> FloatArray:
    """Loadings of every move before the start on the coefficients, shape (n_pre, n_pre + n_post)."""
    out = np.zeros((study.n_pre, len(study.beta)))
    for s in range(study.n_pre):
        out[s, s] = -1.0
        if s + 1 < study.n_pre:
            out[s, s + 1] = 1.0
    return out


def _effect(study: Study) -> FloatArray:
    out = np.zeros(len(study.beta))
    out[study.n_pre :] = study.weight
    return out


def _moved(study: Study, bound: float, monotone: bool, s: int, side: float) -> Rows:
    """Moves after the start of at most `bound` times the move `s`, which is taken to be the largest, with `side`."""
    moves, effect = _moves(study), _effect(study)
    largest = side * moves[s]
    rows = [effect - bound * _reached(study.weight)[0] * largest, -effect]
    slopes = [-1.0, 1.0]
    # That the move is not negative is a weighted mean of these two, which is never the larger of them. As a row of
    # its own, in units of its own error, it would decide at the smallest bound, where it says next to nothing.
    least = moves if monotone else moves[:0]
    rows += list(-least)
    slopes += [0.0] * len(least)
    return rows, [0.0] * len(rows), slopes


def _bent(study: Study, bound: float, monotone: bool, alpha: float) -> Rows:
    """Slopes that change by at most `bound` from period to period."""
    moves, effect = _moves(study), _effect(study)
    slope = moves[-1]  # into the base; what comes after goes on from it
    steps, bends = _reached(study.weight)
    rows, constants, slopes = [effect - steps * slope], [-bound * bends], [-1.0]
    for per_slope, per_bound in _lowest(tuple(study.weight), monotone):
        rows.append(per_slope * slope - effect)
        constants.append(per_bound * bound)
        slopes.append(1.0)
    # The affine estimator that is best without the sign, within its bias: it averages over the past, as these do not.
    weights, bias = best_weights(study, bound, alpha)
    for side in (1.0, -1.0):
        rows.append(side * weights)
        constants.append(-bias)
        slopes.append(-side)
    for row in moves if monotone else ():
        rows.append(-row)
        constants.append(0.0)
        slopes.append(0.0)
    for side in (1.0, -1.0):
        for change in np.diff(moves, axis=0):
            rows.append(side * change)
            constants.append(-bound)
            slopes.append(0.0)
    if not monotone:
        rows.append(-slope)
        constants.append(-bound)
        slopes.append(0.0)
    return rows, constants, slopes


@lru_cache(maxsize=64)
def _lowest(weight: tuple[float, ...], monotone: bool) -> tuple[tuple[float, float], ...]:
    """Lines whose maximum is the smallest bias: loads on the last slope before the start, and on the bound."""
    w = np.array(weight)
    n = len(w)
    steps, bends = _reached(w)
    if monotone:
        left = np.cumsum(w[::-1])[::-1]
        time = np.arange(1, n + 1)
        return tuple((float(left[:k].sum()), float(-(left[:k] @ time[:k]))) for k in range(n + 1))
    found = {(0.0, 0.0), (steps, -bends)}
    _between((0.0, 0.0), (steps, -bends), _least_bias(w), found)
    return tuple(sorted(found))


def _between(
    one: tuple[float, float], other: tuple[float, float], least: Callable[[float], tuple[float, float]],
    found: set[tuple[float, float]],
) -> None:  # fmt: skip
    """The lines of a convex function between two of them."""
    if not other[0] - one[0] > 1e-9:
        return
    cross = (one[1] - other[1]) / (other[0] - one[0])
    value, rise = least(cross)
    if value <= one[0] * cross + one[1] + 1e-9:
        return
    line = (rise, value - rise * cross)
    found.add(line)
    _between(one, line, least, found)
    _between(line, other, least, found)


def _least_bias(weight: FloatArray) -> Callable[[float], tuple[float, float]]:
    """The smallest mean of a path that is never negative and bends by at most one, by the slope that it begins with."""
    from scipy.optimize import linprog

    n = len(weight)
    bend = np.zeros((n, n))  # change of slope into each period; the first is from the slope given
    for t in range(n):
        bend[t, t] = 1.0
        if t:
            bend[t, t - 1] -= 2.0
        if t > 1:
            bend[t, t - 2] += 1.0
    both = np.vstack([bend, -bend])

    def least(slope: float) -> tuple[float, float]:
        limit = np.ones(2 * n)
        limit[0] += slope
        limit[n] -= slope
        found = linprog(weight, A_ub=both, b_ub=limit, bounds=(0, None), method="highs")
        price = found.ineqlin.marginals
        return float(weight @ np.asarray(found.x)), float(price[0] - price[n])

    return least
