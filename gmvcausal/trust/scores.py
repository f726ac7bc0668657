"""Scores of replicates, each with its Monte Carlo error.

Let e = estimate - truth over the R replicates that gave an estimate. The truth may differ between replicates (it is
that of the units treated in each), so the spread that a standard error must match is that of e, not of the estimates.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from gmvcausal.trust.records import Columns, FloatArray, fired

LEVELS = (90, 95, 99)
SIZES = (10, 5, 1)


def rate(hits: int, n: int) -> tuple[float, float]:
    """A share and its Monte Carlo error.

    The error is sqrt(q (1 - q) / n) at q = (hits + 2) / (n + 4), Agresti and Coull's, so that a share of 0 or 1 does
    not claim to be known exactly.

    Returns
    -------
    share, error : float
        NaN without a trial.

    Examples
    --------
    >>> share, error = rate(2, 8)
    >>> share, round(error, 6)
    (0.25, 0.166667)
    """
    if n == 0:
        return math.nan, math.nan
    q = (hits + 2) / (n + 4)
    return hits / n, math.sqrt(q * (1 - q) / n)


def mean_error(values: FloatArray) -> tuple[float, float]:
    """A mean and its Monte Carlo error, sd / sqrt(n).

    Examples
    --------
    >>> mean_error(np.array([1.0, 3.0]))
    (2.0, 1.0)
    """
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    return mean, float(values.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan


def spread(errors: FloatArray) -> tuple[float, float]:
    """Standard deviation s and its Monte Carlo error by the delta method, sqrt(m4 - s^4) / (2 s sqrt(n)).

    The fourth moment m4 is the sample's: heavy tails make the error larger than the normal s / sqrt(2 n).
    """
    n = len(errors)
    if n < 2:
        return math.nan, math.nan
    s = float(errors.std(ddof=1))
    return s, _error_of((errors - errors.mean()) ** 2 / (2 * s)) if s > 0 else math.nan


def root_mean_square(errors: FloatArray) -> tuple[float, float]:
    """Root mean squared error and its Monte Carlo error by the delta method, sd(e^2) / (2 RMSE sqrt(n))."""
    if not len(errors):
        return math.nan, math.nan
    r = math.sqrt(float((errors**2).mean()))
    return r, _error_of(errors**2 / (2 * r)) if r > 0 and len(errors) > 1 else math.nan


def ratio(std_errors: FloatArray, errors: FloatArray) -> tuple[float, float]:
    """mean(SE) / sd(e) and its Monte Carlo error.

    Delta method on the influence of each replicate, with m = mean(SE) and s = sd(e):
    (SE_i - m) / s - m ((e_i - mean e)^2 - s^2) / (2 s^3). Its standard deviation over sqrt(n) takes the kurtosis of the
    errors and the correlation of SE and error as they are; for normal e and constant SE it is ratio / sqrt(2 n).

    Examples
    --------
    >>> value, _ = ratio(np.array([1.0, 1.0, 1.0]), np.array([-1.0, 0.0, 1.0]))
    >>> value
    1.0
    """
    n = len(errors)
    if n < 2:
        return math.nan, math.nan
    m, s = float(std_errors.mean()), float(errors.std(ddof=1))
    if s == 0:
        return math.nan, math.nan
    influence = (std_errors - m) / s - m * ((errors - errors.mean()) ** 2 - s**2) / (2 * s**3)
    return m / s, _error_of(influence)


def _error_of(influence: FloatArray) -> float:
    return float(influence.std(ddof=1) / math.sqrt(len(influence)))


def scores(found: Columns, *, null: bool) -> dict[str, Any]:
    """All scores of one cell.

    Parameters
    ----------
    found : Columns
    null : bool
        Whether the true effect is zero.

    Returns
    -------
    dict
        Every share, mean and ratio with its Monte Carlo error under the same name and ``_mc``; shares are of the
        replicates that gave what is counted. ``below`` counts intervals that lie wholly below the truth, ``above``
        those wholly above it. An interval that has no end at some level is none at that level, neither holding nor
        missing, and a run that could not have rejected at a level is left out of the rejections at it.
    """
    out: dict[str, Any] = {"reps": len(found)}
    ran = np.array([not e for e in found.error], dtype=bool)
    estimated = ran & np.isfinite(found["estimate"])
    error = (found["estimate"] - found["truth"])[estimated]
    std_error = found["std_error"]
    given = np.isfinite(found.low[:, 1]) & np.isfinite(found.high[:, 1])

    def put(name: str, pair: tuple[float, float]) -> None:
        out[name], out[f"{name}_mc"] = pair

    put("failed", rate(int((~ran).sum()), len(found)))
    out["crashed"] = sum(e.startswith("crash") for e in found.error)
    put("no_interval", rate(int((ran & ~given).sum()), int(ran.sum())))
    put("refused", rate(int((found.credible == 0).sum()), int(ran.sum())))
    out["reasons"] = dict(Counter(w for w in (*found.withheld, *found.error) if w).most_common(5))
    put("truth", mean_error(found["truth"]))
    put("bias", mean_error(error))
    put("sd", spread(error))
    out["bias_sd"] = out["bias"] / out["sd"] if out["sd"] and out["sd"] > 0 else math.nan
    put("rmse", root_mean_square(error))
    known = estimated & np.isfinite(std_error)
    put("mean_se", mean_error(std_error[known]))
    put("se_ratio", ratio(std_error[known], (found["estimate"] - found["truth"])[known]))
    out["intervals"] = int(given.sum())
    bounded = np.isfinite(found.low) & np.isfinite(found.high)
    for k, level in enumerate(LEVELS):
        has = given & bounded[:, k]
        low, high = found.low[has, k], found.high[has, k]
        truth = found["truth"][has]
        out[f"intervals{level}"] = len(truth)
        put(f"coverage{level}", rate(int(((low <= truth) & (truth <= high)).sum()), len(truth)))
        put(f"below{level}", rate(int((high < truth).sum()), len(truth)))
        put(f"above{level}", rate(int((low > truth).sum()), len(truth)))
    put("length95", mean_error((found.high - found.low)[given, 1]))
    passed = given & (found.credible == 1)
    holds = (found.low[:, 1] <= found["truth"]) & (found["truth"] <= found.high[:, 1])
    put("coverage95_if_credible", rate(int((holds & passed).sum()), int(passed.sum())))
    for k, size in zip((0, 1, 2), SIZES, strict=True):
        p = found["p_value"]
        # Without a p-value the interval decides.
        outside = (found.low[:, k] > 0) | (found.high[:, k] < 0)
        rejected = given & np.where(np.isfinite(p), p < size / 100, outside)
        # Where the interval has no end, no p-value can fall below the level: such a run is no trial of it. Nor is any
        # where no interval was read at the level.
        trials = int((given & (bounded[:, k] | rejected)).sum()) if bounded[:, k].any() else 0
        put(f"type1_{size}" if null else f"power_{size}", rate(int(rejected.sum()) if trials else 0, trials))
    bands = found.band[np.isfinite(found.band)]
    out["bands"] = len(bands)
    put("band", rate(int(bands.sum()), len(bands)))
    detectable = found["detectable"][np.isfinite(found["detectable"])]
    put("detectable", mean_error(detectable))
    out["audit"] = {
        name: {status: fired(letters, status) / max(int(ran.sum()), 1) for status in ("warned", "failed", "not_run")}
        for name, letters in sorted(found.audit.items())
    }
    return out
