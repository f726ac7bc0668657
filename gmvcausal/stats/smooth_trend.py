"""The shortest interval where trends may bend: affine estimators of a smooth difference in trends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gmvcausal.stats.honest import FloatArray, Study


def smoothness(study: Study, bound: float, alpha: float) -> tuple[float, float]:
    """Shortest interval of fixed length if the slope of delta changes by at most `bound` from period to period.

    Parameters
    ----------
    study : Study
    bound : float
        Largest second difference of delta; 0 means a straight line through the base.
    alpha : float

    Returns
    -------
    low, high : float

    Notes
    -----
    Of all affine estimators v'beta that no straight line moves, the one whose interval, as wide as its standard error
    and its largest bias ask for, is the shortest (Donoho 1994; Armstrong and Kolesár 2018). In terms of x, the weights
    of v on the second differences before the start, its bias is ``bound * (constant + |x|_1)`` and its variance is
    quadratic: each point of the trade-off is a lasso of n_pre - 1 variables.
    """
    line = best_line(study, bound, alpha)
    half = line.std_error * folded_quantile(line.bias / line.std_error, alpha)
    return line.centre - half, line.centre + half


_Half = Callable[[FloatArray], float]


class Line(NamedTuple):
    """An affine estimator: its value, its standard error, and the largest bias that the bound allows."""

    centre: float
    std_error: float
    bias: float

    def p_value(self) -> float:
        """Smallest level at which its interval leaves zero out."""
        from scipy import special

        z, shift = abs(self.centre) / self.std_error, self.bias / self.std_error
        return float(special.ndtr(-z - shift) + special.ndtr(shift - z))


def best_line(study: Study, bound: float, alpha: float) -> Line:
    """The estimator behind `smoothness`."""
    v, bias = best_weights(study, bound, alpha)
    return Line(float(v @ study.beta), math.sqrt(float(v @ study.sigma @ v)), bias)


def best_weights(study: Study, bound: float, alpha: float) -> tuple[FloatArray, float]:
    """Its weights on the coefficients, and its largest bias."""
    sigma, weight, n_pre = study.sigma, study.weight, study.n_pre
    n_post = len(weight)
    time = np.arange(1, n_post + 1)
    constant = sum(abs(float(weight[j:] @ (time[j:] - j))) for j in range(n_post))
    # v = offset + turn x: the weight of period -t is the second difference of x at t, x_0 fixed by the slope.
    whole = np.zeros((n_pre, n_pre + 2))
    for t in range(1, n_pre + 1):
        whole[n_pre - t, t - 1 : t + 2] = [1.0, -2.0, 1.0]
    offset = np.concatenate([whole[:, 0] * float(weight @ time), weight])
    turn = np.vstack([whole[:, 1:n_pre], np.zeros((n_post, n_pre - 1))])
    quadratic = turn.T @ sigma @ turn
    linear = turn.T @ sigma @ offset

    def made(x: FloatArray) -> tuple[FloatArray, float]:
        return offset + turn @ x, bound * (constant + float(np.abs(x).sum()))

    def half(x: FloatArray) -> float:
        v, bias = made(x)
        se = math.sqrt(float(v @ sigma @ v))
        return se * folded_quantile(bias / se, alpha)

    best = np.linalg.solve(quadratic, -linear) if n_pre > 1 else np.zeros(0)
    if bound > 0 and n_pre > 1:
        best = _along(quadratic, linear, best, half)
    return made(best)


def _along(
    quadratic: FloatArray, linear: FloatArray, start: FloatArray, half: Callable[[FloatArray], float]
) -> FloatArray:
    """The best point of the lasso's path: a grid of penalties, then between its best neighbours."""
    top = float(np.abs(linear).max())
    low, high = math.log(top * 1e-9), math.log(top)
    best, x = start, start
    for _ in range(6):
        grid = np.linspace(low, high, 25)
        found, points = [], []
        for penalty in np.exp(grid):
            x = _lasso(quadratic, linear, float(penalty), x)
            points.append(x)
            found.append(half(x))
        k = int(np.argmin(found))
        best = points[k]
        low, high = grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]
    return best


def _lasso(quadratic: FloatArray, linear: FloatArray, penalty: float, start: FloatArray) -> FloatArray:
    """Minimise x'Qx/2 + linear'x + penalty |x|_1 by coordinate descent, then exactly on the signs found."""
    x = start.copy()
    size = np.diag(quadratic)
    for _ in range(2000):
        before = x.copy()
        for j in range(len(x)):
            pull = linear[j] + quadratic[j] @ x - size[j] * x[j]
            x[j] = -math.copysign(max(abs(pull) - penalty, 0.0), pull) / size[j]
        if np.abs(x - before).max() <= 1e-10 * max(np.abs(x).max(), 1e-300):
            break
    on = np.flatnonzero(x)
    if len(on):
        exact = np.linalg.solve(quadratic[np.ix_(on, on)], -linear[on] - penalty * np.sign(x[on]))
        if (np.sign(exact) == np.sign(x[on])).all():
            x[on] = exact
    return x


def folded_quantile(shift: float, alpha: float) -> float:
    """The 1 - alpha quantile of the absolute value of a normal variable with mean `shift` and variance 1."""
    from scipy import optimize, special

    def missed(c: float) -> float:
        return float(special.ndtr(-c - shift) + special.ndtr(shift - c)) - alpha

    z = float(special.ndtri(1 - alpha / 2))
    return float(optimize.brentq(missed, 0.0, shift + z + 1.0, xtol=1e-12))
