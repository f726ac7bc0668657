"""Regression with noise that remembers: a first-order autoregression plus white noise, by the Kalman filter.

With the two numbers that say how the noise remembers known, everything is least squares on whitened rows. They are not
known, so every pair on a grid is fitted at once and weighs by its likelihood: intervals then know how little a short
series says of its own memory, which is why they hold where a fitted autoregression or HAC errors do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Memory from one period to the next, and the share of the variance that has none. The prior is uniform on both.
RHO = np.concatenate([np.arange(0.0, 0.9, 0.05), [0.9, 0.925, 0.95, 0.97, 0.98, 0.99]])
NUGGET = np.array([0.0, 0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9])
# Ratio of the variance of a shrunk coefficient (of standardised columns) to that of the noise.
RIDGE = np.array([0.003, 0.03, 0.3, 3.0, 30.0])
_NEGLIGIBLE = 1e-5


@dataclass(frozen=True, eq=False)
class Fit:
    """Every part of the posterior that carries weight.

    Attributes
    ----------
    weight : ndarray, shape (g,)
    rho, nugget : ndarray, shape (g,)
    beta : ndarray, shape (g, k)
    spread : ndarray, shape (g, k, k)
        Covariance of the coefficients over `variance`.
    variance : ndarray, shape (g,)
        Of the noise (both parts of it).
    df : int
    state, state_x : ndarray, shapes (g,) and (g, k)
        What the noise is known to be in the last period of the fit: of the outcome, and of each column.
    left : ndarray, shape (g,)
        Variance of that knowledge, over `variance`.
    whitened : ndarray, shape (n,)
        Standardised one-step errors of the most likely part; NaN where nothing was observed.
    """

    weight: FloatArray
    rho: FloatArray
    nugget: FloatArray
    beta: FloatArray
    spread: FloatArray
    variance: FloatArray
    df: int
    state: FloatArray
    state_x: FloatArray
    left: FloatArray
    whitened: FloatArray


def noise_grid(rho: FloatArray = RHO, nugget: FloatArray = NUGGET) -> tuple[FloatArray, FloatArray, FloatArray]:
    """All pairs with their prior weights (memory of nothing but white noise is one pair)."""

    def widths(at: FloatArray) -> FloatArray:
        if len(at) < 2:
            return np.ones(len(at))
        middle = (at[1:] + at[:-1]) / 2
        return np.diff(np.concatenate([at[:1], middle, at[-1:]]))

    r, v = (a.ravel() for a in np.meshgrid(rho, nugget, indexing="ij"))
    w = np.outer(widths(rho), widths(nugget)).ravel()
    return r, v, w / w.sum()


def whiten(
    columns: FloatArray, rho: FloatArray, nugget: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """One-step errors of every column under every pair.

    Parameters
    ----------
    columns : ndarray, shape (n, c)
        Rows of NaN were not observed.
    rho, nugget : ndarray, shape (g,)

    Returns
    -------
    errors : ndarray, shape (n, g, c)
        Over their standard deviation (the noise has variance 1); zero where nothing was observed.
    log_var : ndarray, shape (g,)
        Sum of the logarithms of their variances.
    state : ndarray, shape (g, c)
    left : ndarray, shape (g,)
    """
    n, c = columns.shape
    seen = np.isfinite(columns.sum(axis=1))
    errors = np.zeros((n, len(rho), c))
    log_var = np.zeros(len(rho))
    alive = 1 - nugget
    state, left = np.zeros((len(rho), c)), alive.copy()
    for t in range(n):
        if t:
            state *= rho[:, None]
            left = rho**2 * left + (1 - rho**2) * alive
        if not seen[t]:
            continue
        var = left + nugget
        wrong = columns[t] - state
        errors[t] = wrong / np.sqrt(var)[:, None]
        log_var += np.log(var)
        gain = left / var
        state += gain[:, None] * wrong
        left = left * (1 - gain)
    return errors, log_var, state, left


def fit(
    y: FloatArray, x: FloatArray, shrunk: int = 0, grid: tuple[FloatArray, FloatArray, FloatArray] | None = None
) -> Fit:
    """Fit a regression whose noise remembers.

    Parameters
    ----------
    y : ndarray, shape (n,)
        One value per period; NaN where there is none.
    x : ndarray, shape (n, k)
        Columns, linearly independent where y is known.
    shrunk : int
        How many of the last columns have coefficients drawn to zero, by an amount that the data decide.
    grid : tuple of ndarray, optional
        Memory, share without memory, prior weight.

    Returns
    -------
    Fit
    """
    rho, nugget, prior = noise_grid() if grid is None else grid
    together = np.column_stack([x, y])
    together[np.isnan(y)] = np.nan
    errors, log_var, state, left = whiten(together, rho, nugget)
    n, k = int(np.isfinite(y).sum()), x.shape[1]
    cross = np.einsum("tgi,tgj->gij", errors, errors, optimize=True)
    penalties = RIDGE if shrunk else np.array([np.inf])
    parts = []
    for ridge in penalties:
        a = cross[:, :k, :k].copy()
        a[:, range(k - shrunk, k), range(k - shrunk, k)] += 1 / ridge
        b = cross[:, :k, k]
        beta = np.linalg.solve(a, b[:, :, None])[:, :, 0]
        rest = np.maximum(cross[:, k, k] - np.einsum("gi,gi->g", b, beta), 1e-300)
        log_det = np.linalg.slogdet(a)[1] + (shrunk * np.log(ridge) if shrunk else 0.0)
        parts.append((beta, a, rest, log_det))
    beta, a, rest, log_det = (np.concatenate(p) for p in zip(*parts, strict=True))
    df = n - (k - shrunk)
    many = len(penalties)
    with np.errstate(divide="ignore"):
        log_w = np.log(np.tile(prior, many))
    log_w = log_w - 0.5 * np.tile(log_var, many) - 0.5 * log_det - 0.5 * df * np.log(rest)
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    keep = w > _NEGLIGIBLE * w.max()
    w = w[keep] / w[keep].sum()
    index = np.tile(np.arange(len(rho)), many)[keep]
    best = int(index[np.argmax(w)])
    own = errors[:, best]
    whitened = own[:, k] - own[:, :k] @ beta[keep][np.argmax(w)]
    whitened = np.where(np.isnan(y), np.nan, whitened)
    return Fit(
        w, rho[index], nugget[index], beta[keep], np.linalg.inv(a[keep]), rest[keep] / df, df,
        state[index, k], state[index, :k], left[index], whitened,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Forecast:
    """What the periods after a fit would have been, had nothing changed.

    Attributes
    ----------
    centre : ndarray, shape (g, m)
    noise : ndarray, shape (g, m, m)
        Covariance of the forecast errors.
    own : ndarray, shape (g, m)
        The part of the variances that comes from the coefficients.
    weight : ndarray, shape (g,)
    df : float
    """

    weight: FloatArray
    centre: FloatArray
    noise: FloatArray
    own: FloatArray
    df: float


def forecast(f: Fit, x: FloatArray) -> Forecast:
    """The next m periods, whose columns are `x`, shape (m, k)."""
    m = len(x)
    ahead = np.arange(1, m + 1)
    fade = f.rho[:, None] ** ahead
    rows = x[None] - fade[:, :, None] * f.state_x[:, None, :]
    centre = fade * f.state[:, None] + np.einsum("gmk,gk->gm", rows, f.beta)
    alive = (1 - f.nugget)[:, None]
    known = fade**2 * f.left[:, None] + (1 - fade**2) * alive
    apart = np.abs(ahead[:, None] - ahead)
    sooner = np.minimum(ahead[:, None], ahead) - 1
    noise = f.rho[:, None, None] ** apart * known[:, sooner]
    noise[:, range(m), range(m)] += f.nugget[:, None]
    half = np.einsum("gmk,gkl->gml", rows, f.spread)
    noise += half @ rows.transpose(0, 2, 1)
    own = np.einsum("gml,gml->gm", half, rows) * f.variance[:, None]
    return Forecast(f.weight, centre, noise * f.variance[:, None, None], own, float(f.df))
