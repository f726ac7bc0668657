"""Do the levels of units form two humps, as amounts in two currencies do?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_PIECE = 1_000_000


def two_humps(level: FloatArray) -> tuple[float, float]:
    """Share of the smaller of two humps and their distance in powers of ten; 0, 0 where there is one hump.

    The split with the largest between-variance (Otsu 1979). One hump, however wide, splits into halves that lie less
    than three of their own spreads apart; another currency lies farther.

    Parameters
    ----------
    level : ndarray, shape (n,)
        Decimal logarithms of the levels, sorted.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> one = rng.normal(2.0, 0.3, 950)
    >>> share, apart = two_humps(np.sort(np.concatenate([one, rng.normal(5.0, 0.2, 50)])))
    >>> round(float(share), 3), round(apart)
    (0.05, 3)
    >>> two_humps(np.sort(one))
    (0.0, 0.0)
    """
    n = len(level)
    left, total = np.cumsum(level)[:-1], float(level.sum())
    most, low = -1.0, 1
    for first in range(0, n - 1, _PIECE):
        own = left[first : first + _PIECE]
        size = np.arange(first + 1, first + 1 + len(own))
        between = size * (n - size) * ((total - own) / (n - size) - own / size) ** 2
        best = int(np.argmax(between))
        if between[best] > most:
            most, low = float(between[best]), first + 1 + best
    return _apart(n, low, float(left[low - 1]), total, float(level @ level))


def humps_of_bins(count: FloatArray, total: FloatArray, square: FloatArray) -> tuple[float, float]:
    """`two_humps` of levels in bins, which split between bins: exactly where two humps lie apart.

    Parameters
    ----------
    count, total, square : ndarray, shape (bins,)
        Levels in every bin, ascending, their sums and the sums of their squares.

    Examples
    --------
    >>> humps_of_bins(np.array([95.0, 0.0, 5.0]), np.array([190.0, 0.0, 25.0]), np.array([380.0, 0.0, 125.0]))
    (0.05, 3.0)
    """
    filled = count > 0
    if filled.sum() < 2:
        return 0.0, 0.0
    size, left = np.cumsum(count[filled]), np.cumsum(total[filled])
    n, whole = float(size[-1]), float(left[-1])
    size, left = size[:-1], left[:-1]
    best = int(np.argmax(size * (n - size) * ((whole - left) / (n - size) - left / size) ** 2))
    return _apart(n, float(size[best]), float(left[best]), whole, float(square.sum()))


def _apart(n: float, low: float, left: float, total: float, squares: float) -> tuple[float, float]:
    """Share of the smaller side and distance of the means, where the `low` lowest of `n` levels add up to `left`."""
    high = n - low
    mean = left / low, (total - left) / high
    within = squares - low * mean[0] ** 2 - high * mean[1] ** 2
    spread = float(np.sqrt(max(within, 0.0) / n))
    apart = float(mean[1] - mean[0])
    return (min(low, high) / n, apart) if apart > 1.5 and apart > 4 * spread else (0.0, 0.0)
