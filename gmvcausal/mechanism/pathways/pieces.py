"""Whether a mediator is a piece of the outcome: a factor (no GMV without orders) or a summand (GMV of fewer days)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_CHANCE = 1e-6  # beyond which a rule that no row breaks is no chance
_NEAR = 0.9  # of the outcome, which a summand makes up somewhere
_ROUNDING = 1e-9


def piece_of(y: FloatArray, m: FloatArray) -> str:
    """ "factor", "summand" or "" from the values alone: no row breaks the rule, and by chance some would.

    A factor is zero in some rows, and the outcome is zero in all of these. A summand lies between zero and the outcome
    in every row, and makes up most of it somewhere.

    Parameters
    ----------
    y, m : ndarray, shape (n,)

    Examples
    --------
    >>> gmv, orders = np.tile([0.0, 30, 80, 0], 20), np.tile([0.0, 1, 2, 0], 20)
    >>> piece_of(gmv, orders), piece_of(gmv, np.tile([0.0, 25, 80, 0], 20)), piece_of(gmv + 1, orders)
    ('factor', 'factor', '')
    >>> piece_of(gmv + 1, np.tile([0.0, 25, 80, 0], 20))
    'summand'
    """
    if not (np.ptp(y) > 0 and np.ptp(m) > 0):
        return ""
    none = np.abs(m) <= _ROUNDING * np.abs(m).max()
    nothing = y == 0
    if none.any() and nothing[none].all() and nothing.mean() ** int(none.sum()) < _CHANCE:
        return "factor"
    slack = _ROUNDING * np.abs(y).max()
    if m.min() < -slack or (m > y + slack).any():
        return ""
    live = ~none
    # Of pairs of rows put together by lot, so many would break the rule.
    broken = float(np.searchsorted(np.sort(y), m[live] - slack).mean()) / len(y) * float(live.mean())
    near = bool((m[live] >= _NEAR * y[live]).any())
    return "summand" if near and (1 - broken) ** len(y) < _CHANCE else ""
