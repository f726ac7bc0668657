"""Truncated regression, and the second stage of Simar and Wilson (2007, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_STEPS, _HALVES = 200, 40
_FOUND = 1e-18  # Newton's decrement, in units of the log likelihood
_ASTRAY = 1e4


@dataclass(frozen=True, eq=False)
class Truncated:
    """Fits by maximum likelihood, one for each of several outcomes.

    Attributes
    ----------
    beta : ndarray, shape (b, p)
    sigma : ndarray, shape (b,)
    found : ndarray of bool, shape (b,)
        Whether the likelihood has its maximum at finite values, and it was reached.
    """

    beta: FloatArray
    sigma: FloatArray
    found: BoolArray


def log_likelihood(
    d: FloatArray, z: FloatArray, point: FloatArray, bound: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log likelihood, gradient and Hessian of ``d = z beta + e``, e normal, seen only above `bound`.

    Parameters
    ----------
    d : ndarray, shape (b, n)
    z : ndarray, shape (n, p)
    point : ndarray, shape (b, p + 1)
        beta / sigma and 1 / sigma (Olsen 1978), in which the maximum is the only one (Orme 1989).
    bound : float

    Returns
    -------
    ndarray, shapes (b,), (b, p + 1) and (b, p + 1, p + 1)
    """
    gamma, theta = point[:, :-1], point[:, -1:]
    centre = gamma @ z.T
    left, inner = theta * d - centre, centre - theta * bound
    log_mass = special.log_ndtr(inner)
    mills = np.exp(-0.5 * inner**2 - 0.5 * math.log(2 * math.pi) - log_mass)
    value = (np.log(theta) - 0.5 * math.log(2 * math.pi) - 0.5 * left**2 - log_mass).sum(axis=1)
    bend = mills * (mills + inner)
    slope = np.column_stack([(left - mills) @ z, (1 / theta - left * d + bound * mills).sum(axis=1)])
    p = z.shape[1]
    curve = np.empty((len(d), p + 1, p + 1))
    curve[:, :p, :p] = -np.einsum("bn,ni,nj->bij", 1 - bend, z, z, optimize=True)
    curve[:, :p, p] = curve[:, p, :p] = (d - bound * bend) @ z
    curve[:, p, p] = (-1 / theta**2 - d**2 + bound**2 * bend).sum(axis=1)
    return value, slope, curve


def fit_truncated(d: FloatArray, z: FloatArray, bound: float = 1.0) -> Truncated:
    """Newton's method with halved steps, for many outcomes on the same regressors.

    Parameters
    ----------
    d : ndarray, shape (b, n)
        Outcomes, all above `bound`.
    z : ndarray, shape (n, p)
        Regressors with a constant, of full rank.
    bound : float
        Where the distribution is cut off below; default 1, the distance of the frontier.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = np.column_stack([np.ones(2000), rng.normal(size=2000)])
    >>> d = z @ [1.5, 0.5] + 0.5 * rng.normal(size=2000)
    >>> fit = fit_truncated(d[None, d > 1], z[d > 1])
    >>> fit.beta.round(1).tolist(), fit.sigma.round(1).tolist()
    ([[1.5, 0.5]], [0.5])
    """
    beta = np.linalg.lstsq(z, d.T, rcond=None)[0].T
    spread = np.sqrt(((d - beta @ z.T) ** 2).mean(axis=1))
    spread = np.where(spread > 1e-12, spread, 1.0)
    point = np.column_stack([beta, np.ones(len(d))]) / spread[:, None]
    out, found = point.copy(), np.zeros(len(d), dtype=bool)
    at, value_old = np.arange(len(d)), None
    for _ in range(_STEPS):
        value, slope, curve = log_likelihood(d[at], z, point, bound)
        step, gain = _direction(slope, curve)
        done = gain < _FOUND * (1 + np.abs(value))
        out[at] = point
        found[at[done]] = True
        go = ~done & (np.abs(point).max(axis=1) < _ASTRAY) & (point[:, -1] > 1 / _ASTRAY)
        if not go.any():
            break
        at, point, step, value_old, gain = at[go], point[go], step[go], value[go], gain[go]
        size, open_ = np.ones(len(at)), np.ones(len(at), dtype=bool)
        new = point.copy()
        for _ in range(_HALVES):
            trial = point + size[:, None] * step
            fine = trial[:, -1] > 0
            safe = np.where(fine[:, None], trial, point)
            better = fine & (log_likelihood(d[at], z, safe, bound)[0] >= value_old + 1e-4 * size * gain - 1e-12)
            new[open_ & better] = trial[open_ & better]
            open_ &= ~better
            if not open_.any():
                break
            size[open_] /= 2
        point = new
    sigma = 1 / out[:, -1]
    return Truncated(out[:, :-1] * sigma[:, None], sigma, found)


def _direction(slope: FloatArray, curve: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Newton's step where the likelihood is concave; else one uphill with the curvatures taken by their size."""
    size, axes = np.linalg.eigh(-curve)
    size = np.maximum(np.abs(size), 1e-10 * np.abs(size).max(axis=1, keepdims=True))
    along = np.einsum("bij,bi->bj", axes, slope)
    step = np.einsum("bij,bj->bi", axes, along / size)
    return step, np.einsum("bi,bi->b", slope, step)


def redraw(
    z: FloatArray, beta: FloatArray, sigma: float, reps: int, rng: np.random.Generator, bound: float = 1.0
) -> FloatArray:
    """Outcomes of the fitted law, cut off at `bound`, shape (reps, n)."""
    centre = z @ beta
    tail = special.log_ndtr((centre - bound) / sigma)
    chance = np.log1p(-rng.random((reps, len(z))))
    return np.asarray(centre - sigma * special.ndtri_exp(chance + tail))
