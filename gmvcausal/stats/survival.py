"""Time to an event that some have not had yet (Kaplan and Meier 1958), and counts that build up under censoring."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.inference import critical_value

FloatArray = NDArray[np.float64]


class Survival(NamedTuple):
    """The share that has not had the event yet, at every time when somebody had it.

    Attributes
    ----------
    time, share : ndarray, shape (k,)
    at_risk, events : ndarray, shape (k,)
    greenwood : ndarray, shape (k,)
        Sum of d / (n (n - d)) up to each time: the variance of the log share. Infinite once nobody is left.
    n : int
    last : float
        Until when anybody was observed.
    """

    time: FloatArray
    share: FloatArray
    at_risk: FloatArray
    events: FloatArray
    greenwood: FloatArray
    n: int
    last: float


def kaplan_meier(time: FloatArray, event: NDArray[np.bool_]) -> Survival:
    """Product-limit estimate; those censored at a time count as at risk there.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Until the event, or until observation ended; not below 0.
    event : ndarray of bool, shape (n,)

    Examples
    --------
    >>> found = kaplan_meier(np.array([1.0, 2, 2, 3]), np.array([True, True, False, True]))
    >>> found.share.round(4).tolist(), found.at_risk.tolist()
    ([0.75, 0.5, 0.0], [4.0, 3.0, 1.0])
    """
    when, at = np.unique(time, return_inverse=True)
    d = np.bincount(at, event, minlength=len(when)).astype(float)
    gone = np.bincount(at, minlength=len(when))
    left = len(time) - np.concatenate([[0], np.cumsum(gone)[:-1]]).astype(float)
    live = d > 0
    when, d, left = when[live], d[live], left[live]
    share = np.cumprod(1.0 - d / left)
    with np.errstate(divide="ignore"):
        greenwood = np.cumsum(d / (left * (left - d)))
    return Survival(when, share, left, d, greenwood, len(time), float(time.max(initial=0.0)))


class At(NamedTuple):
    """The share without the event at some times, shape (k,) each.

    Attributes
    ----------
    share : ndarray
    greenwood : ndarray
        Variance of its logarithm.
    """

    share: FloatArray
    greenwood: FloatArray

    @property
    def std_error(self) -> FloatArray:
        """Of the share, by Greenwood's formula; 0 where the share is 0."""
        live = self.share > 0
        return np.where(live, self.share * np.sqrt(np.where(live, self.greenwood, 0.0)), 0.0)

    def cov(self) -> FloatArray:
        """Joint covariance of the shares: increments of the log share are independent."""
        low = np.minimum.outer(self.greenwood, self.greenwood)
        both = np.outer(self.share, self.share)
        return np.where(both > 0, both * np.where(np.isfinite(low), low, 0.0), 0.0)


def at(found: Survival, times: FloatArray) -> At:
    """`found` at `times`: steps are from the right, and before the first event all are left."""
    place = np.searchsorted(found.time, times, side="right") - 1
    share = np.concatenate([[1.0], found.share])[place + 1]
    greenwood = np.concatenate([[0.0], found.greenwood])[place + 1]
    return At(share, greenwood)


def log_log(share: float, std_error: float, level: float) -> tuple[float, float]:
    """Interval of a share on the scale of log(-log), which stays between 0 and 1 (Kalbfleisch and Prentice 1980).

    Examples
    --------
    >>> low, high = log_log(0.5, 0.1, 0.95)
    >>> round(low, 4), round(high, 4)
    (0.2952, 0.6745)
    """
    if not 0 < share < 1 or not std_error > 0:
        return math.nan, math.nan
    log = math.log(share)
    reach = math.exp(critical_value(level) * std_error / (share * -log))
    return share**reach, share ** (1.0 / reach)


def restricted_mean(found: Survival, horizon: float) -> tuple[float, float]:
    """Mean time without the event, counted up to `horizon`, and its standard error.

    The area under the curve; its variance is the sum over events of (area beyond)^2 d / (n (n - d)).

    Examples
    --------
    >>> found = kaplan_meier(np.array([1.0, 2, 2, 3]), np.array([True, True, False, True]))
    >>> restricted_mean(found, 3.0)[0]
    2.25
    """
    use = found.time < horizon
    edges = np.concatenate([[0.0], found.time[use], [horizon]])
    height = np.concatenate([[1.0], found.share[use]])
    area = height * np.diff(edges)
    beyond = area[::-1].cumsum()[::-1][1:]
    n, d = found.at_risk[use], found.events[use]
    step = np.zeros(len(n))
    np.divide(d, n * (n - d), out=step, where=n > d)  # the last one to go leaves no area beyond
    return float(area.sum()), math.sqrt(float((beyond**2 * step).sum()))


class Counts(NamedTuple):
    """Mean number of events per unit, built up over periods, shape (periods,) each.

    Attributes
    ----------
    mean, std_error : ndarray
        Up to the end of each period.
    seen : ndarray
        Units observed throughout the period.
    """

    mean: FloatArray
    std_error: FloatArray
    seen: FloatArray
    influence: FloatArray


def mean_counts(counts: FloatArray, whole: NDArray[np.bool_]) -> Counts:
    """Mean cumulative number of events where units are observed for different times (Lawless and Nadeau 1995).

    Each period's mean is over the units that were observed throughout it; the variance is over units, so that counts of
    one unit may depend on each other.

    Parameters
    ----------
    counts : ndarray, shape (n, periods)
    whole : ndarray of bool, shape (n, periods)
        Whether the unit was observed throughout the period.

    Examples
    --------
    >>> found = mean_counts(np.array([[1.0, 0], [0, 2], [2, 9]]), np.array([[True, True], [True, True], [True, False]]))
    >>> found.mean.tolist(), found.seen.tolist()
    ([1.0, 2.0], [3.0, 2.0])
    """
    seen = whole.sum(axis=0).astype(float)
    counted = np.where(whole, counts, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = counted.sum(axis=0) / seen
        influence = np.cumsum(np.where(whole, counts - mean, 0.0) / seen, axis=1)
        factor = seen / (seen - 1.0)
    error = np.sqrt((influence**2).sum(axis=0) * np.where(seen > 1, factor, np.nan))
    return Counts(np.cumsum(mean), error, seen, influence)


def wilson(hits: FloatArray, n: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Interval of shares hits / n (Wilson 1927); NaN where n is 0.

    Examples
    --------
    >>> low, high = wilson(np.array([5.0]), np.array([10.0]), 0.95)
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.2366], [0.7634])
    """
    z2 = critical_value(level) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        p = hits / n
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
