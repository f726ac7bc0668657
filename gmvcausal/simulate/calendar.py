"""What every room and every user feels on a day: the week, the shopping festivals, shocks of cities and rooms."""

from __future__ import annotations

import datetime as dt

import numpy as np

from gmvcausal.simulate.amounts import FloatArray

FESTIVALS = ((6, 18, 4.0), (11, 11, 8.0))
WARM_UP, WARM_UP_DAYS = 1.6, 7
AFTER, AFTER_DAYS = 0.75, 14


def festival_factors(start: dt.date, days: int) -> FloatArray:
    """By how much a day's GMV is multiplied: 618 and 11.11, the week before them and the two weeks after.

    Parameters
    ----------
    start : date
        The first day.
    days : int

    Returns
    -------
    array, shape (days,)

    Examples
    --------
    >>> import datetime as dt
    >>> festival_factors(dt.date(2026, 6, 16), 4).tolist()
    [1.6, 1.6, 4.0, 0.75]
    """
    factors = np.ones(days)
    for year in range(start.year - 1, (start + dt.timedelta(days=days)).year + 2):
        for month, day, factor in FESTIVALS:
            at = (dt.date(year, month, day) - start).days
            for first, last, value in ((at - WARM_UP_DAYS, at, WARM_UP), (at + 1, at + 1 + AFTER_DAYS, AFTER)):
                factors[max(first, 0) : max(last, 0)] = value
            if 0 <= at < days:
                factors[at] = factor
    return factors


def autoregressive(noise: FloatArray, correlation: float, sd: float) -> FloatArray:
    """Stationary AR(1) shocks along the last axis with standard deviation `sd`, from standard normal `noise`.

    Examples
    --------
    >>> import numpy as np
    >>> autoregressive(np.array([[1.0, 0.0, 0.0]]), 0.5, 2.0).tolist()
    [[2.0, 1.0, 0.5]]
    """
    shocks = np.empty_like(noise)
    shocks[..., 0] = noise[..., 0]
    fresh = np.sqrt(1.0 - correlation**2)
    for day in range(1, noise.shape[-1]):
        shocks[..., day] = correlation * shocks[..., day - 1] + fresh * noise[..., day]
    return sd * shocks
