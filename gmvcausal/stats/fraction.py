"""One difference over another, and the set of values that the data do not reject (Anderson and Rubin 1949).

The ratio b is tested by whether top - b x bottom is zero, with the variance and Welch's degrees of freedom that it has
at that b. Nothing is divided, so the test holds however weak the bottom is; where it cannot be told from zero, the set
is unbounded, and says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from gmvcausal.stats.small_sample import welch_df


class Piece(NamedTuple):
    """One independent part of the variances of top and bottom, and of their covariance, with its degrees of freedom."""

    top: float
    cross: float
    bottom: float
    df: float

    def at(self, b: float) -> float:
        """Of top - b x bottom."""
        return max(self.top - 2 * b * self.cross + b * b * self.bottom, 0.0)


class Set(NamedTuple):
    """The values that are not rejected.

    Attributes
    ----------
    low, high : float
        Ends of the smallest interval that holds them; infinite where they have no end.
    gap : (float, float) or None
        Where they surround an interval of values that are rejected: its ends.
    """

    low: float
    high: float
    gap: tuple[float, float] | None = None


@dataclass(frozen=True)
class Fraction:
    """A ratio of two differences between the same arms.

    Attributes
    ----------
    top, bottom : float
    pieces : tuple of Piece
        Of both arms.
    shared : Piece or None
        Covariance between the arms where clusters hold both (to be taken off twice), with the degrees of freedom.
    alternative : {"two-sided", "greater", "less"}
    """

    top: float
    bottom: float
    pieces: tuple[Piece, ...]
    shared: Piece | None = None
    alternative: str = "two-sided"

    @property
    def estimate(self) -> float:
        """NaN where the bottom is zero."""
        return self.top / self.bottom if self.bottom != 0 else math.nan

    def spread(self, b: float) -> tuple[float, float]:
        """Variance of top - b x bottom and its degrees of freedom; at infinity those of the bottom."""
        far = math.isinf(b)
        own = [(p.bottom if far else p.at(b), p.df) for p in self.pieces]
        variance = sum(v for v, _ in own)
        if self.shared is None:
            return variance, welch_df(own)
        s = self.shared
        joint = s.bottom if far else s.top - 2 * b * s.cross + b * b * s.bottom
        return max(variance - 2 * joint, 0.0), s.df

    @property
    def variance(self) -> float:
        """Of the estimate, to first order (delta method, which is that of two-stage least squares)."""
        if self.bottom == 0:
            return math.nan
        return self.spread(self.estimate)[0] / self.bottom**2

    def p_value(self) -> float:
        """Of the hypothesis that the ratio is zero: that of the top; NaN without variance."""
        from scipy import stats

        variance, df = self.spread(0.0)
        if not variance > 0:
            return math.nan
        t = math.copysign(1.0, self.bottom) * self.top / math.sqrt(variance)
        if self.alternative == "two-sided":
            return 2 * float(stats.t.sf(abs(t), df))
        return float(stats.t.sf(t if self.alternative == "greater" else -t, df))

    def accepted(self, level: float) -> Set:
        """The values that are not rejected at 1 - level."""
        far = self._quadratic(math.inf, level)
        if not far[0] > 0:
            gap = None
            if self.alternative == "two-sided" and far[0] < 0:
                ends = (self._end(-1.0, level), self._end(1.0, level))
                gap = None if math.isnan(ends[0]) or math.isnan(ends[1]) else (min(ends), max(ends))
            return Set(-math.inf, math.inf, gap)
        low, high = (self._end(side, level) for side in (-1.0, 1.0))
        if math.isnan(low) or math.isnan(high):
            return Set(-math.inf, math.inf)
        if self.alternative == "greater":
            return Set(low, math.inf)
        return Set(-math.inf, high) if self.alternative == "less" else Set(low, high)

    def _quadratic(self, b: float, level: float) -> tuple[float, float, float]:
        """A, B, C: with the critical value that belongs to `b`, those values x are accepted for which
        A x^2 - 2 B x + C <= 0."""
        from scipy import stats

        tail = 0.5 + level / 2 if self.alternative == "two-sided" else level
        c2 = float(stats.t.ppf(tail, self.spread(b)[1])) ** 2
        top, cross, bottom = (sum(p[i] for p in self.pieces) for i in range(3))
        if self.shared is not None:
            s = self.shared
            top, cross, bottom = top - 2 * s.top, cross - 2 * s.cross, bottom - 2 * s.bottom
        return (
            self.bottom**2 - c2 * bottom,
            self.top * self.bottom - c2 * cross,
            self.top**2 - c2 * top,
        )

    def _end(self, side: float, level: float) -> float:
        """The root on one side; the critical value is that at the root itself, found by repetition."""
        b = self.estimate
        for _ in range(100):
            qa, qb, qc = self._quadratic(b, level)
            inside = qb * qb - qa * qc
            if qa == 0 or (inside < 0 and qa < 0):
                return math.nan
            # Of the two forms of a root the one that cancels nothing; with A > 0 only rounding puts it below zero.
            far = qb + math.copysign(math.sqrt(max(inside, 0.0)), qb)
            roots = sorted((far / qa, qc / far if far != 0 else 0.0))
            moved = roots[0] if side < 0 else roots[1]
            if abs(moved - b) <= 1e-14 * max(abs(moved), abs(b)):
                return moved
            b = moved
        return b
