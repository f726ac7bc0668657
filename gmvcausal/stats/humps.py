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
    high = n - low
    mean = left[low - 1] / low, (total - left[low - 1]) / high
    within = float(level @ level) - low * mean[0] ** 2 - high * mean[1] ** 2
    spread = float(np.sqrt(max(within, 0.0) / n))
    apart = float(mean[1] - mean[0])
    return (min(low, high) / n, apart) if apart > 1.5 and apart > 4 * spread else (0.0, 0.0)
