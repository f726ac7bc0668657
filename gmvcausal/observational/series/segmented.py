"""The textbook's interrupted series: one least-squares fit with a level and a slope from the start on, HAC errors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.observational.series.filter import Forecast
from gmvcausal.stats.logit import independent

FloatArray = NDArray[np.float64]


def automatic_lags(n: int) -> int:
    """Lags of Newey and West by the rule of Lazarus, Lewis, Stock and Watson (2018): 1.3 sqrt(n)."""
    return math.ceil(1.3 * math.sqrt(n))


def newey_west(x: FloatArray, residuals: FloatArray, lags: int) -> FloatArray:
    """Covariance of least-squares coefficients with Bartlett weights; no small-sample factor."""
    inverse = np.linalg.inv(x.T @ x)
    score = x * residuals[:, None]
    middle = score.T @ score
    for lag in range(1, lags + 1):
        cross = score[lag:].T @ score[:-lag]
        middle += (1 - lag / (lags + 1)) * (cross + cross.T)
    return np.asarray(inverse @ middle @ inverse, dtype=float)


def segmented(z: FloatArray, x: FloatArray, start: int, stop: int, lags: int | None = None) -> Forecast:
    """The fitted line of the effect as what forecasts say: z less the effect, and the covariance of the effect.

    Parameters
    ----------
    z : ndarray, shape (T,)
    x : ndarray, shape (T, k)
    start, stop : int
        The level and the slope act in ``[start, stop)``; what comes later is left out.

    Notes
    -----
    Quantiles are those of t with 1.5 n / (lags + 1) degrees of freedom, the fixed-b limit of Bartlett weights to
    second order.
    """
    m = stop - start
    step = np.zeros((stop, 2))
    step[start:] = np.column_stack([np.ones(m), np.arange(m)])
    seen = np.isfinite(z[:stop])
    both = np.column_stack([step if m > 1 else step[:, :1], x[:stop]])
    rows = both[seen]
    size = np.abs(rows).max(axis=0)
    keep = independent(rows / np.where(size > 0, size, 1.0)) & (size > 0)
    acting = min(m, 2)
    if not keep[:acting].all() or keep.sum() >= len(rows):
        raise DesignError("too few periods for a level and a slope", remedy="supply a longer series")
    rows = rows[:, keep]
    beta = np.linalg.lstsq(rows, z[:stop][seen], rcond=None)[0]
    lags = automatic_lags(len(rows)) if lags is None else lags
    cov = newey_west(rows, z[:stop][seen] - rows @ beta, lags)
    line = step[start:, :acting]
    effect = line @ beta[:acting]
    noise = line @ cov[:acting, :acting] @ line.T
    df = 1.5 * len(rows) / (lags + 1)
    shown = np.where(np.isfinite(z[start:stop]), z[start:stop], 0.0)
    return Forecast(np.ones(1), (shown - effect)[None], noise[None], np.diag(noise)[None], df)
