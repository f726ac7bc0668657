"""Intervals and p-values from bootstrap draws: percentiles, as they are or bias-corrected and accelerated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.resampling import percentile, percentile_p

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws of one effect.

    Attributes
    ----------
    draws : ndarray, shape (reps,)
    estimate : float
    acceleration : float
        A sixth of the skewness of the influences (Efron 1987); NaN for plain percentiles.
    """

    draws: FloatArray
    estimate: float
    acceleration: float = math.nan

    @property
    def _bias(self) -> float:
        from scipy import special

        below = ((self.draws < self.estimate).sum() + 0.5 * (self.draws == self.estimate).sum()) / len(self.draws)
        least = 0.5 / len(self.draws)
        return float(special.ndtri(min(max(float(below), least), 1 - least)))

    def interval(self, level: float) -> tuple[float, float]:
        """Interval at `level`; it always holds the estimate."""
        from scipy import special

        if math.isnan(self.acceleration):
            low, high = percentile(self.draws, level, "two-sided")
        else:
            bias, ends = self._bias, []
            for tail in ((1 - level) / 2, (1 + level) / 2):
                z = bias + float(special.ndtri(tail))
                ends.append(float(special.ndtr(bias + z / (1 - self.acceleration * z))))
            low, high = (float(v) for v in np.quantile(self.draws, ends))
        return min(low, self.estimate), max(high, self.estimate)

    def p_value(self) -> float:
        """The level at which the interval ends at zero."""
        from scipy import special

        if math.isnan(self.acceleration):
            return percentile_p(self.draws, "two-sided")
        below = (1 + np.count_nonzero(self.draws <= 0)) / (2 + len(self.draws))
        w = float(special.ndtri(below)) - self._bias
        z = w / (1 + self.acceleration * w) - self._bias
        return 2 * float(special.ndtr(-abs(z)))


def acceleration(own: FloatArray) -> float:
    """A sixth of the skewness of the sum of `own`.

    Examples
    --------
    >>> acceleration(np.array([1.0, -1.0]))
    0.0
    """
    square = float((own * own).sum())
    return float((own**3).sum()) / (6 * square**1.5) if square > 0 else 0.0
