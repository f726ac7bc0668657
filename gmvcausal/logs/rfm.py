"""Recency, frequency and monetary value, with quintile scores and classes that do not depend on the order of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_GROUPS = 5

# High recency, frequency, monetary value (1) or not (0) -> the class as Chinese retail names it.
CLASSES: dict[tuple[int, int, int], str] = {
    (1, 1, 1): "重要价值客户",
    (1, 0, 1): "重要发展客户",
    (0, 1, 1): "重要保持客户",
    (0, 0, 1): "重要挽留客户",
    (1, 1, 0): "一般价值客户",
    (1, 0, 0): "一般发展客户",
    (0, 1, 0): "一般保持客户",
    (0, 0, 0): "一般挽留客户",
}
NO_HISTORY = "无历史订单"


def scores(values: NDArray[np.float64], *, high_is_good: bool) -> NDArray[np.int8]:
    """Quintile scores 1 (worst) to 5 (best); equal values always share a score, and missing values get 1.

    Parameters
    ----------
    values : ndarray of float64, shape (users,)
        NaN where the user has no history.
    high_is_good : bool
        True for frequency and monetary value, False for recency in days.

    Returns
    -------
    ndarray of int8, shape (users,)
    """
    out = np.ones(len(values), dtype=np.int8)
    known = ~np.isnan(values)
    if not known.any():
        return out
    signed = values[known] if high_is_good else -values[known]
    # The middle of the ranks that equal values share: ties cannot be split between two scores.
    rank = pd.Series(signed).rank(method="average").to_numpy()
    out[known] = np.clip(np.ceil(_GROUPS * (rank - 0.5) / len(rank)), 1, _GROUPS).astype(np.int8)
    return out


def classes(
    recency: NDArray[np.float64], frequency: NDArray[np.int64], monetary: NDArray[np.float64]
) -> tuple[NDArray[Any], tuple[float, float, float]]:
    """The eight classes of RFM: each value is high where it is better than its mean among users with a history.

    Parameters
    ----------
    recency : ndarray of float64, shape (users,)
        Days; NaN for users without a history, who are a class of their own and set no mean. Low is good.
    frequency, monetary : ndarray, shape (users,)

    Returns
    -------
    classes : ndarray of str, shape (users,)
    cuts : tuple of float
        The three means; NaN where nobody has a history.

    Examples
    --------
    >>> classes(np.array([30.0, 2.0, np.nan]), np.array([1, 4, 0]), np.array([20.0, 90.0, 0.0]))[0].tolist()
    ['一般挽留客户', '重要价值客户', '无历史订单']
    """
    bought = ~np.isnan(recency)
    out = np.full(len(recency), NO_HISTORY, dtype=object)
    if not bought.any():
        return out, (np.nan, np.nan, np.nan)
    cuts = (float(recency[bought].mean()), float(frequency[bought].mean()), float(monetary[bought].mean()))
    high = np.column_stack([recency[bought] < cuts[0], frequency[bought] > cuts[1], monetary[bought] > cuts[2]])
    names = np.array([CLASSES[k >> 2, (k >> 1) & 1, k & 1] for k in range(8)], dtype=object)
    out[bought] = names[high @ np.array([4, 2, 1])]
    return out, cuts
