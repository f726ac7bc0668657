"""Do the levels of units form two humps, as amounts in two currencies do?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


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
    size = np.arange(1, n)
    left = np.cumsum(level)[:-1]
    square = np.cumsum(level**2)
    mean = np.array([left / size, (level.sum() - left) / (n - size)])
    cut = int(np.argmax(size * (n - size) * (mean[1] - mean[0]) ** 2))
    low, high = size[cut], n - size[cut]
    within = square[-1] - low * mean[0, cut] ** 2 - high * mean[1, cut] ** 2
    spread = float(np.sqrt(max(within, 0.0) / n))
    apart = float(mean[1, cut] - mean[0, cut])
    return (min(low, high) / n, apart) if apart > 1.5 and apart > 4 * spread else (0.0, 0.0)
