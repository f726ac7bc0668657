"""How skewed a sum of influences is: what the rule of the tail looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def skewness_of_sum(own: FloatArray) -> float:
    """Skewness of the sum of `own`: without the largest of them, or a third of that with it, if larger.

    The third power makes the largest most of the whole, and so of its chance; it alone may not hide either.

    Examples
    --------
    >>> skewness_of_sum(np.array([1.0, -1.0, 1.0, -1.0]))
    0.0
    >>> round(skewness_of_sum(np.array([3.0, -1.0, -1.0, -1.0])), 3)
    0.192
    """
    top = float(np.abs(own).max(initial=0.0))
    if not top > 0:
        return 0.0
    own = own / top
    squares, cubes = float((own**2).sum()), abs(float((own**3).sum()))
    return _judged(cubes, squares, 1.0)


def skewness(own: FloatArray, group: IntArray, a: int) -> float:
    """Skewness of the sum of `own`: direct, and as if arm `a` and the control (0) had the tail they have together.

    Without the largest row, or a third of that with it, if larger.
    """
    return max(skewness_of_sum(own), _pooled(own, group, a))


def _judged(cubes: float, squares: float, largest: float) -> float:
    left = float(squares - largest**2)
    rest = max(cubes - largest**3, 0.0) / left**1.5 if left > 1e-9 * squares else 0.0
    return float(max(rest, cubes / squares**1.5 / 3))


def _pooled(own: FloatArray, group: IntArray, a: int) -> float:
    """With both arms' tails put together."""
    mine, theirs = own[group == a], -own[group == 0]
    n, m = len(mine), len(theirs)
    if min(n, m) < 2:
        return 0.0
    # Deviations of single rows from their arm's model; what the arms' sizes do not even out is skewness.
    pooled = np.concatenate([mine * n, theirs * m])
    scale = float((pooled**2).mean())
    lopsided = abs(1 / n**2 - 1 / m**2) / (1 / n + 1 / m) ** 1.5
    if not scale > 0:
        return 0.0
    # Scaled so that the squares sum to one: the cubes are the skewness itself.
    unit = pooled / np.sqrt(scale) * (lopsided / len(pooled)) ** (1 / 3)
    return _judged(abs(float((unit**3).sum())), 1.0, min(float(np.abs(unit).max()), 0.999))
