"""Intervals and p-values from bootstrap draws: percentiles, as they are or bias-corrected and accelerated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.resampling import percentile, percentile_p, places_in_tail

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
        """Interval at `level`; it always holds the estimate. An end beyond the draws is infinite."""
        if math.isnan(self.acceleration):
            low, high = percentile(self.draws, level, "two-sided")
        else:
            tail = (1 - level) / 2
            ordered = np.sort(self.draws)
            below = places_in_tail(self._moved(tail), len(ordered))
            above = places_in_tail(1 - self._moved(1 - tail), len(ordered))
            low = float(ordered[below - 1]) if below else -math.inf
            high = float(ordered[-above]) if above else math.inf
        return min(low, self.estimate), max(high, self.estimate)

    def p_value(self) -> float:
        """The level at which the interval ends at zero."""
        if math.isnan(self.acceleration):
            return percentile_p(self.draws, "two-sided")
        size = 1 + len(self.draws)
        tails = [1.0]
        if self.estimate > 0:
            tails.append(2 * self._back((1 + np.count_nonzero(self.draws <= 0)) / size))
        if self.estimate < 0:
            tails.append(2 * (1 - self._back(1 - (1 + np.count_nonzero(self.draws >= 0)) / size)))
        return min(tails)

    def _moved(self, tail: float) -> float:
        """Where among the draws the end lies that leaves `tail` below (Efron 1987)."""
        from scipy import special

        z = self._bias + float(special.ndtri(tail))
        left = 1 - self.acceleration * z
        return float(special.ndtr(self._bias + z / left)) if left > 0 else float(z > 0)

    def _back(self, share: float) -> float:
        """The tail whose end lies at `share` of the draws."""
        from scipy import special

        w = float(special.ndtri(share)) - self._bias
        left = 1 + self.acceleration * w
        return float(special.ndtr(w / left - self._bias)) if left > 0 else float(w > 0)


def acceleration(own: FloatArray) -> float:
    """A sixth of the skewness of the sum of `own`.

    Examples
    --------
    >>> acceleration(np.array([1.0, -1.0]))
    0.0
    """
    square = float((own * own).sum())
    return float((own**3).sum()) / (6 * square**1.5) if square > 0 else 0.0
