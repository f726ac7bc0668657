"""The front door: what the treatment does to mediators, times what these do to the outcome."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class FrontDoor(NamedTuple):
    """An effect through mediators.

    Attributes
    ----------
    estimate : float
    influence : ndarray, shape (n,)
        Of every row on the estimate; their sum of squares (of their sums by cluster) is its variance.
    moved, passed : ndarray, shape (m,)
        What the treatment adds to each mediator, and what each mediator adds to the outcome.
    """

    estimate: float
    influence: FloatArray
    moved: FloatArray
    passed: FloatArray


def front_door(y: FloatArray, d: FloatArray, m: FloatArray, tilted: int | None = None) -> FrontDoor:
    """Pearl's front-door formula where the outcome follows the mediators along a line that treatment may tilt.

    The effect is the sum over mediators of (mean with less mean without the treatment) x (slope of the outcome on the
    mediator given the treatment, averaged over who is treated). With y = a + b d + c m + e d m the slope is
    c + e times the share of the treated, so that nothing is assumed of the mediators' distribution.

    Parameters
    ----------
    y : ndarray, shape (n,)
    d : ndarray, shape (n,)
        0/1.
    m : ndarray, shape (n, k)
    tilted : int, optional
        Columns of `m`, the first ones, whose slopes the treatment may tilt; default all.

    Returns
    -------
    FrontDoor

    References
    ----------
    Pearl (1995), Biometrika 82; Bellemare, Bloem and Wexler (2024), Oxford Bulletin of Economics and Statistics 86.

    Examples
    --------
    >>> d = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
    >>> m = np.array([[0.0], [1], [0], [1], [1], [2], [1], [2]])
    >>> round(front_door(5 + 2 * d + 3 * m[:, 0], d, m).estimate, 9)
    3.0
    """
    n, k = m.shape
    share = float(d.mean())
    # Least squares on scaled columns, so that money and clicks weigh alike.
    level = m.mean(axis=0)
    size = np.abs(m - level).max(axis=0)
    size = np.where(size > 0, size, 1.0)
    moved_m, tilt = (m - level) / size, d - share
    shift = float(y.mean())
    x = np.column_stack([np.ones(n), tilt, moved_m, tilt[:, None] * moved_m[:, :tilted]])
    inverse = np.linalg.pinv(x.T @ x, hermitian=True)
    slopes = inverse @ (x.T @ (y - shift))
    left = y - shift - x @ slopes
    passed = slopes[2 : 2 + k]
    own = (x @ inverse[:, 2 : 2 + k]) * left[:, None]  # influence on each slope
    # The slope at the share of the treated moves with that share: d slope / d share is the interaction.
    turned = slopes[2 + k :]
    own[:, : len(turned)] += ((d - share) / n)[:, None] * turned
    high, low = d == 1, d == 0
    mean_high, mean_low = moved_m[high].mean(axis=0), moved_m[low].mean(axis=0)
    gap = mean_high - mean_low
    by_mean = np.where(high[:, None], (moved_m - mean_high) / high.sum(), -(moved_m - mean_low) / low.sum())
    influence = by_mean @ passed + own @ gap
    return FrontDoor(float(gap @ passed), influence, gap * size, passed / size)
