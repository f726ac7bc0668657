"""Chances that trees say, calibrated out of fold, and whether what was learned is worth more than a plain share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Line = tuple[float, float]


class Lines(NamedTuple):
    """Calibration: log odds = intercept + slope x log odds of the trees. The slope is never negative.

    Attributes
    ----------
    every : (float, float)
        Of all rows: for rows that nothing was learned from.
    of_fold : tuple of (float, float)
        For the rows of each fold, from the rows of the others.
    """

    every: Line
    of_fold: tuple[Line, ...]


def calibrate(raw: FloatArray, hit: NDArray[np.bool_], fold: IntArray) -> Lines:
    """The lines along log odds `raw` (n,), which are out of fold themselves.

    Trees that are upside down on rows that they have not seen have learned noise: the line is flat then, at the share.
    """
    every = _line(raw, hit)
    if every[1] == 0:
        return Lines(every, (every,) * (int(fold.max()) + 1))
    return Lines(every, tuple(_line(raw[fold != f], hit[fold != f]) for f in range(int(fold.max()) + 1)))


def _line(raw: FloatArray, hit: NDArray[np.bool_]) -> Line:
    from gmvcausal.stats.logit import fit_logit

    if not raw.std() > 1e-9:
        return 0.0, 1.0
    fit = fit_logit(np.column_stack([np.ones(len(raw)), raw]), hit, np.ones(len(raw)))
    if fit is None:
        return 0.0, 1.0
    if fit.beta[1] > 0:
        return float(fit.beta[0]), float(fit.beta[1])
    share = float(hit.mean())
    return float(np.log(share / (1 - share))), 0.0


def standard_errors(gain: FloatArray, cluster: IntArray | None) -> float:
    """By how many standard errors, of clusters where there are any, the mean of `gain` (n,) is above zero.

    Examples
    --------
    >>> gain = np.array([1.0, 1.0, -1.0, 3.0])
    >>> round(standard_errors(gain, None), 9), round(standard_errors(gain, np.array([0, 0, 1, 1])), 9)
    (1.224744871, inf)
    """
    mean = float(gain.mean())
    sums = gain - mean
    if cluster is not None:
        sums = np.asarray(np.bincount(cluster, sums)[np.bincount(cluster) > 0], dtype=np.float64)
    error = float(np.sqrt(sums @ sums * (len(sums) / max(len(sums) - 1, 1)))) / len(gain)
    if error > 1e-12 * abs(mean):
        return mean / error
    return float(np.inf * np.sign(mean)) if mean else 0.0
