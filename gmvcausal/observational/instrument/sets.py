"""The values of an effect that several instruments do not reject (Anderson and Rubin 1949), found exactly.

A value b is kept unless the instruments, together, move outcome - b x treatment. With robust covariances the statistic
g(b)' V(b)^-1 g(b) is no quadratic in b, but it equals c where det(c V(b) - g(b) g(b)') is zero: V is quadratic in b,
so the ends are eigenvalues of a matrix of twice as many rows as there are instruments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Pieces = tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class Region:
    """Effects of several instruments on outcome and treatment, with their covariance.

    Attributes
    ----------
    top, bottom : ndarray, shape (k,)
        Effects on the outcome and on the treatment.
    cov : ndarray, shape (2k, 2k)
        Of both, the outcome first.
    df : float
        Degrees of freedom of the covariance; infinite for the chi-square.
    scale : float
        Values are in units of this.
    """

    top: FloatArray
    bottom: FloatArray
    cov: FloatArray
    df: float
    scale: float = 1.0

    def _blocks(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        k = len(self.top)
        cross = self.cov[:k, k:]
        return self.cov[:k, :k], cross + cross.T, self.cov[k:, k:]

    def statistic(self, b: float) -> float:
        """At the value `b`; at infinity that of no effect on the treatment."""
        yy, both, dd = self._blocks()
        if math.isinf(b):
            gap, cov = self.bottom, dd
        else:
            at = b / self.scale
            size = max(1.0, abs(at))  # so that far values do not overflow
            gap = self.top / size - at / size * self.bottom
            cov = yy / size**2 - at / size**2 * both + (at / size) ** 2 * dd
        try:
            return float(gap @ np.linalg.solve(cov, gap))
        except np.linalg.LinAlgError:  # an outcome without variation: what has no variance is left out
            return float(gap @ np.linalg.pinv(cov, hermitian=True) @ gap)

    def p_value(self, b: float = 0.0) -> float:
        """Of the hypothesis that the effect is `b`; NaN without variance."""
        from scipy import stats

        k, value = len(self.top), self.statistic(b)
        if math.isinf(self.df):
            return float(stats.chi2.sf(value, k))
        left = self.df - k + 1
        return float(stats.f.sf(value * left / (k * self.df), k, left)) if left > 0 else math.nan

    def critical(self, level: float) -> float:
        """What the statistic is held against: Hotelling's, with as many degrees of freedom as the covariance has."""
        from scipy import stats

        k = len(self.top)
        if math.isinf(self.df):
            return float(stats.chi2.ppf(level, k))
        left = self.df - k + 1
        return float(stats.f.ppf(level, k, left)) * k * self.df / left if left > 0 else math.inf

    def accepted(self, level: float) -> Pieces:
        """The values that are not rejected at 1 - level, as intervals in ascending order; empty where there are none.

        Examples
        --------
        >>> one = Region(np.array([2.0]), np.array([1.0]), np.diag([0.04, 0.0]), np.inf)
        >>> [(round(a, 3), round(b, 3)) for a, b in one.accepted(0.95)]
        [(1.608, 2.392)]
        """
        bound = self.critical(level)
        if math.isinf(bound):
            return ((-math.inf, math.inf),)
        ends = [-math.inf, *self._ends(bound), math.inf]
        inside: list[tuple[float, float]] = []
        for low, high in pairwise(ends):
            if self.statistic(_between(low, high, self.scale)) <= bound:
                if inside and inside[-1][1] == low:
                    inside[-1] = (inside[-1][0], high)
                else:
                    inside.append((low, high))
        return tuple(inside)

    def _ends(self, bound: float) -> list[float]:
        from scipy import linalg

        yy, both, dd = self._blocks()
        k = len(self.top)
        constant = bound * yy - np.outer(self.top, self.top)
        linear = -bound * both + np.outer(self.top, self.bottom) + np.outer(self.bottom, self.top)
        square = bound * dd - np.outer(self.bottom, self.bottom)
        one, nothing = np.eye(k), np.zeros((k, k))
        left = np.block([[nothing, one], [-constant, -linear]])
        right = np.block([[one, nothing], [nothing, square]])
        above, below = linalg.eig(left, right, right=False, homogeneous_eigvals=True)
        size = np.abs(above) + np.abs(below)
        live = np.abs(below) > 1e-13 * size
        roots = above[live] / below[live]
        real = np.abs(roots.imag) <= 1e-7 * np.maximum(np.abs(roots), 1e-300)
        return sorted({float(r) * self.scale for r in roots[real].real})


@dataclass(frozen=True, eq=False)
class Span:
    """The ends of a set as a function of the level that can be stored: NaN where the set is empty."""

    region: Region

    def __call__(self, level: float) -> tuple[float, float]:
        found = self.region.accepted(level)
        return (found[0][0], found[-1][1]) if found else (math.nan, math.nan)


def _between(low: float, high: float, scale: float) -> float:
    """A value inside."""
    if math.isinf(low) and math.isinf(high):
        return 0.0
    if math.isinf(low):
        return high - max(abs(high), scale)
    if math.isinf(high):
        return low + max(abs(low), scale)
    return (low + high) / 2
