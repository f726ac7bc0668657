"""What would have been, and the difference to what was: totals, means, shares, with intervals that add up days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.observational.series.filter import Forecast
from gmvcausal.observational.series.mixture import Mixture

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Total:
    """Sums of GMV beside what they would have been, a of them.

    Attributes
    ----------
    actual : ndarray, shape (a,)
    expected : Mixture
        Of what would have been; of its logarithm where `log`.
    log : bool
    """

    actual: FloatArray
    expected: Mixture
    log: bool

    def _money(self, value: FloatArray) -> FloatArray:
        return np.exp(value) if self.log else value

    @property
    def counterfactual(self) -> FloatArray:
        """What would have been."""
        return self._money(self.expected.mean)

    @property
    def effect(self) -> FloatArray:
        """What came on top of it."""
        return self.actual - self.counterfactual

    @property
    def std_error(self) -> FloatArray:
        """Standard deviation of the forecast error of the sum."""
        sd = self.expected.sd
        return self.counterfactual * sd if self.log else sd

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Limits of the effects."""
        low, high = self.expected.interval(level)
        return self.actual - self._money(high), self.actual - self._money(low)

    def share(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Limits of the effects as shares of what would have been; NaN where that may not be positive."""
        low, high = (self._money(end) for end in self.expected.interval(level))
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = self.actual / high - 1, self.actual / low - 1
        good = low > 0
        return np.where(good, ends[0], np.nan), np.where(good, ends[1], np.nan)

    @property
    def p_value(self) -> FloatArray:
        """Two-sided, against no effect."""
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.log(self.actual) if self.log else self.actual
        return self.expected.p_value(at)


@dataclass(frozen=True, eq=False)
class Paths:
    """Consecutive periods with their forecast.

    Attributes
    ----------
    y, z, offset : ndarray, shape (m,)
        GMV, its working scale less the offset, and the offset.
    ahead : Forecast
    log : bool
    """

    y: FloatArray
    z: FloatArray
    offset: FloatArray
    ahead: Forecast
    log: bool

    @property
    def known(self) -> BoolArray:
        """Periods with data."""
        return np.isfinite(self.y)

    def _means(self) -> FloatArray:
        """Mean of every period that would have been, under every part, shape (g, m)."""
        f = self.ahead
        centre = f.centre + self.offset
        if not self.log:
            return centre
        variance = np.einsum("gmm->gm", f.noise)
        # The mean of what the noise multiplies lies above its median; that the coefficients are estimated has raised
        # it already.
        return np.asarray(np.exp(centre + (variance - 2 * f.own) / 2))

    def totals(self, weights: FloatArray) -> Total:
        """Sums with each row of `weights`, shape (a, m), whose entries are not negative; unknown periods are left out.

        Where logarithms are compared a sum is taken as lognormal, with the variance to first order.
        """
        f, w = self.ahead, np.where(self.known, weights, 0.0)
        actual = w @ np.where(self.known, self.y, 0.0)
        means = np.where(self.known, self._means(), 0.0)
        sums = means @ w.T
        v = w * means[:, None, :] / sums[:, :, None] if self.log else np.broadcast_to(w, (len(means), *w.shape))
        scale = np.sqrt(np.maximum(((v @ f.noise) * v).sum(axis=2), 0.0))
        centre = np.log(sums) if self.log else sums
        return Total(actual, Mixture(f.weight, centre, scale, f.df), self.log)

    def mean_over(self, use: BoolArray) -> Total:
        """The mean over the periods marked."""
        use = use & self.known
        return self.totals(use[None] / use.sum())

    def contrast(self, weights: FloatArray) -> tuple[float, Mixture]:
        """A sum of GMV with weights of both signs, shape (m,), and what it would have been, to first order."""
        f, w = self.ahead, np.where(self.known, weights, 0.0)
        means = np.where(self.known, self._means(), 0.0)
        v = w * means if self.log else np.broadcast_to(w, means.shape)
        scale = np.sqrt(np.maximum(np.einsum("gi,gij,gj->g", v, f.noise, v, optimize=True), 0.0))
        actual = float(w @ np.where(self.known, self.y, 0.0))
        return actual, Mixture(f.weight, (means @ w)[:, None], scale[:, None], f.df)

    def line(self, weights: FloatArray) -> Mixture:
        """Linear functions of the effects on the working scale, one per row of `weights`, shape (a, m)."""
        f, w = self.ahead, np.where(self.known, weights, 0.0)
        gap = np.where(self.known, self.z, 0.0) - np.where(self.known, f.centre, 0.0)
        scale = np.sqrt(np.maximum(np.einsum("ai,gij,aj->ga", w, f.noise, w, optimize=True), 0.0))
        return Mixture(f.weight, gap @ w.T, scale, f.df)

    def level_and_slope(self, use: BoolArray) -> Mixture:
        """Level at the first period and slope per period of the effects, by least squares over the periods marked."""
        use = use & self.known
        at = np.flatnonzero(use).astype(float)
        line = np.column_stack([np.ones(len(at)), at])
        w = np.zeros((2, len(use)))
        w[:, use] = np.linalg.pinv(line)
        return self.line(w[:2] if len(at) > 1 else w[:1])
