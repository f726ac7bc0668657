"""Scores of estimated individual effects against the true ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.trust.cells import whole


def _pair(first: Any, second: Any, names: str) -> tuple[NDArray[Any], NDArray[Any]]:
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise InputError(
            f"{names} must be two lists of numbers of the same length, at least 1",
            remedy="pass one number per user in each",
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError(f"{names} hold missing or infinite numbers", remedy="leave these users out of both")
    return a, b


def pehe(predicted: Any, true: Any) -> float:
    """Precision in estimating heterogeneous effects: the root mean squared error over users (Hill 2011).

    Examples
    --------
    >>> pehe([1.0, 2.0], [1.0, 4.0]) == 2 ** .5
    True
    """
    a, b = _pair(predicted, true, "predicted and true effects")
    return math.sqrt(float(((a - b) ** 2).mean()))


def calibration_slope(predicted: Any, true: Any) -> float:
    """Slope of the regression of the true effects on the predicted ones.

    1 where a predicted difference of 1 between users is one of 1 on average; below 1 where predictions spread too far;
    NaN where all predictions are equal.

    Examples
    --------
    >>> round(calibration_slope([0.0, 2.0, 4.0], [0.0, 1.0, 2.0]), 12)
    0.5
    """
    a, b = _pair(predicted, true, "predicted and true effects")
    centred = a - a.mean()
    square = float(centred @ centred)
    return float(centred @ b) / square if square > 0 else math.nan


def policy_regret(treat: Any, gain: Any, *, budget: int | None = None) -> float:
    """What a targeting rule leaves on the table, per user.

    Parameters
    ----------
    treat : array of 0/1, shape (users,)
        Whom the rule treats.
    gain : array, shape (users,)
        True gain from treating each user, its cost taken off.
    budget : int, optional
        How many users may be treated; without it, everyone whose gain is positive should be.

    Returns
    -------
    float
        Mean gain of the best rule (within the budget) less that of this one; 0 for the best.

    Examples
    --------
    >>> policy_regret([1, 0, 1, 0], [3.0, 2.0, -1.0, -2.0])
    0.75
    >>> policy_regret([1, 0, 0, 0], [3.0, 2.0, -1.0, -2.0], budget=1)
    0.0
    """
    chosen, worth = _pair(treat, gain, "treat and gain")
    if not np.isin(chosen, (0.0, 1.0)).all():
        raise InputError("treat must hold 0 and 1 only", remedy="pass 1 for users whom the rule treats")
    if budget is not None:
        whole("budget", budget, 0)
    if budget is not None and chosen.sum() > budget:
        raise InputError(
            f"the rule treats {int(chosen.sum()):,} users, more than the budget of {budget:,}",
            remedy="treat at most that many, or raise budget=",
        )
    best = np.sort(np.maximum(worth, 0.0))[::-1][: len(worth) if budget is None else budget]
    return (float(best.sum()) - float(worth @ chosen)) / len(worth)
