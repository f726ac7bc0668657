"""Mixtures of t distributions: what is said of a number when the noise behind it is not known for certain."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_STEPS, _CLOSE = 80, 1e-14


@dataclass(frozen=True, eq=False)
class Mixture:
    """Mixtures of located and scaled t distributions, one for each of a numbers.

    Attributes
    ----------
    weight : ndarray, shape (g,)
        Of the parts; they add up to 1.
    centre, scale : ndarray, shape (g, a)
    df : float
        Degrees of freedom of all parts; ``inf`` is the normal distribution.
    """

    weight: FloatArray
    centre: FloatArray
    scale: FloatArray
    df: float
    # Every table, sentence and figure asks a result for the same few quantiles.
    found: dict[tuple[float, float], FloatArray] = field(default_factory=dict, init=False, repr=False)

    @property
    def mean(self) -> FloatArray:
        """Means, shape (a,)."""
        return self.weight @ self.centre

    @property
    def sd(self) -> FloatArray:
        """Standard deviations, shape (a,)."""
        grow = self.df / (self.df - 2) if 2 < self.df < math.inf else 1.0
        spread = self.weight @ (grow * self.scale**2 + (self.centre - self.mean) ** 2)
        return np.asarray(np.sqrt(spread), dtype=float)

    def below(self, x: FloatArray, sign: float = 1.0) -> FloatArray:
        """Probability of a value below `x` (beyond it with ``sign=-1``), shape (a,)."""
        from scipy import special

        with np.errstate(divide="ignore", invalid="ignore"):
            z = sign * (x - self.centre) / self.scale
        z = np.where(np.isnan(z), 0.0, z)
        one = special.ndtr(z) if math.isinf(self.df) else special.stdtr(self.df, z)
        return np.asarray(self.weight @ one, dtype=float)

    def quantile(self, tail: float, sign: float = 1.0) -> FloatArray:
        """The values, shape (a,), with probability `tail` below them (beyond them with ``sign=-1``).

        Found once for each tail; not to be written into.
        """
        if (tail, sign) not in self.found:
            at = self._solve(tail, sign)
            at.flags.writeable = False
            self.found[tail, sign] = at
        return self.found[tail, sign]

    def _solve(self, tail: float, sign: float) -> FloatArray:
        """Newton's steps, halved where they leave the bracket."""
        from scipy import special

        one = float(special.ndtri(tail)) if math.isinf(self.df) else float(special.stdtrit(self.df, tail))
        ends = sign * self.centre + one * self.scale
        low, high = ends.min(axis=0), ends.max(axis=0)
        at = self.weight @ ends
        close = _CLOSE * np.maximum(self.scale.max(axis=0), np.abs(at))
        for _ in range(_STEPS):
            wrong = self.below(sign * at, sign) - tail
            low, high = np.where(wrong < 0, at, low), np.where(wrong > 0, at, high)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                step = at - wrong / self._density(sign * at)
            # A step too small to leave the end of the bracket it stands on has arrived.
            inside = ((step > low) & (step < high)) | (np.abs(step - at) <= close)
            new = np.where(wrong == 0, at, np.where(inside, step, (low + high) / 2))
            done, at = bool((np.abs(new - at) <= close).all()), new
            if done:
                break
        return np.asarray(sign * at, dtype=float)

    def _density(self, x: FloatArray) -> FloatArray:
        """Density at `x`, shape (a,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (x - self.centre) / self.scale
            if math.isinf(self.df):
                one = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
            else:
                log = math.lgamma((self.df + 1) / 2) - math.lgamma(self.df / 2) - math.log(self.df * math.pi) / 2
                one = np.exp(log - (self.df + 1) / 2 * np.log1p(z * z / self.df))
            return np.asarray(self.weight @ (one / self.scale), dtype=float)

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Central intervals at `level`."""
        return self.quantile((1 - level) / 2), self.quantile((1 - level) / 2, -1.0)

    def p_value(self, at: FloatArray) -> FloatArray:
        """Two-sided: twice the smaller tail beyond `at`."""
        return np.asarray(2 * np.minimum(self.below(at), self.below(at, -1.0)), dtype=float)

    def take(self, place: int) -> Mixture:
        """One of the numbers alone."""
        return Mixture(self.weight, self.centre[:, [place]], self.scale[:, [place]], self.df)
