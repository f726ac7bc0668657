"""How skewed a sum of influences is: what the rule of the tail looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def skewness(own: FloatArray, group: IntArray, a: int) -> float:
    """Skewness of the sum of `own`: direct, and as if arm `a` and the control (0) had the tail they have together.

    Without the largest row, or a third of that with it, if larger.
    """
    out = 0.0
    for cubes, squares, largest in _powers(own, group, a):
        whole = abs(cubes) / squares**1.5 if squares > 0 else 0.0
        left = squares - largest**2
        rest = max(abs(cubes) - abs(largest) ** 3, 0.0) / left**1.5 if left > 1e-9 * squares else 0.0
        out = max(out, rest, whole / 3)
    return out


def _powers(own: FloatArray, group: IntArray, a: int) -> list[tuple[float, float, float]]:
    """Sums of cubes and of squares, and the largest value: as they are, and with both arms' tails put together."""
    direct = (float((own**3).sum()), float((own**2).sum()), float(np.abs(own).max()))
    mine, theirs = own[group == a], -own[group == 0]
    n, m = len(mine), len(theirs)
    if min(n, m) < 2:
        return [direct]
    # Deviations of single rows from their arm's model; what the arms' sizes do not even out is skewness.
    pooled = np.concatenate([mine * n, theirs * m])
    scale = float((pooled**2).mean())
    lopsided = abs(1 / n**2 - 1 / m**2) / (1 / n + 1 / m) ** 1.5
    if not scale > 0:
        return [direct]
    unit = pooled / np.sqrt(scale) * (lopsided / len(pooled)) ** (1 / 3)
    cube = float((unit**3).sum())
    largest = float(np.abs(unit).max())
    # Scaled so that the squares sum to one: the cubes are the skewness itself.
    return [direct, (cube, 1.0, min(largest, 0.999))]
