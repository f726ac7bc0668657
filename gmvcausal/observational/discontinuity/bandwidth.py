"""The bandwidth that minimises the mean squared error of the jump (Calonico, Cattaneo and Titiunik 2014)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from gmvcausal.observational.discontinuity.local import (
    FloatArray,
    Side,
    combination,
    gram_inverse,
    powers,
    residuals,
    slopes,
    triangular,
    variance,
)

_KERNEL = 2.576  # of the rule of thumb, for the triangular kernel
_REPEATED = 0.2
_LEAST = 10


@dataclass(frozen=True)
class Widths:
    """Bandwidths in units of the score.

    Attributes
    ----------
    h, b : float
        Of the estimate, and of its bias.
    repeated : bool
        Whether repeated scores widened the pilot bandwidths, so that ten distinct scores lie in each.
    """

    h: float
    b: float
    repeated: bool = False


@dataclass(eq=False)
class _Pilot:
    """One side, with the fits at the rule-of-thumb bandwidth remembered."""

    side: Side
    kind: str
    rough: float
    seen: dict[tuple[int, int], tuple[float, float, FloatArray]] = field(default_factory=dict)

    def spread(self, order: int, nu: int) -> tuple[float, float, FloatArray]:
        """Variance of coefficient `nu`, the constant of its bias, and the combination of columns."""
        if (order, nu) in self.seen:
            return self.seen[order, nu]
        w = triangular(self.side.x, self.rough)
        own = self.side.where(w > 0)
        w = w[w > 0]
        r = powers(own.x, order)
        rw = r * w[:, None]
        inverse = gram_inverse(r, w)
        beta = inverse @ (rw.T @ own.d)
        gamma = None
        columns = 2 if own.fuzzy else 1
        if own.d.shape[1] > columns:
            zz, zy = slopes(rw, inverse, own, w)
            gamma = np.linalg.pinv(zz) @ zy
        s = combination(beta[nu], gamma, own.fuzzy)
        rest = residuals(own, r @ beta, ((r @ inverse) * rw).sum(axis=1), order + 1, self.kind)
        spread = variance(rw @ inverse[:, nu], rest @ s, own.cluster, order + 1)
        bias = self.rough**nu * float((inverse @ (rw.T @ (own.x / self.rough) ** (order + 1)))[nu])
        self.seen[order, nu] = spread, bias, s
        return spread, bias, s

    def parts(self, order: int, nu: int, above: int, h_bias: float, *, regular: bool) -> FloatArray:
        """Variance, bias and regularisation of coefficient `nu` of a fit of `order`."""
        spread, constant, s = self.spread(order, nu)
        if not (math.isfinite(h_bias) and np.isfinite(s).all()):
            return np.full(3, np.nan)
        w = triangular(self.side.x, h_bias)
        own = self.side.where(w > 0)
        w = w[w > 0]
        r = powers(own.x, above)
        rw = r * w[:, None]
        inverse = gram_inverse(r, w)
        beta = inverse @ (rw.T @ own.d)
        more = 0.0
        if regular:
            rest = residuals(own, r @ beta, ((r @ inverse) * rw).sum(axis=1), above + 1, self.kind)
            more = 3 * constant**2 * variance(rw @ inverse[:, -1], rest @ s, own.cluster, above + 1)
        steps = 2 * (order + 1 - nu)
        scaled = (2 * nu + 1) * self.rough ** (2 * nu + 1) * spread
        return np.array([scaled, math.sqrt(steps) * constant * float(s @ beta[-1]), steps * more])


def best_widths(below: Side, above: Side, kind: str) -> Widths:
    """One bandwidth for both sides (``mserd`` of rdrobust), of a local linear fit with quadratic bias correction.

    Parameters
    ----------
    below, above : Side
        Scores in standard deviations, or of that order.
    kind : str
        Of the residuals.

    Returns
    -------
    Widths
        NaN where the curves cannot be fitted.
    """
    x = np.concatenate([below.x, above.x])
    distinct = np.unique(below.x), np.unique(above.x)
    quarter = np.quantile(x, [0.25, 0.75], method="averaged_inverted_cdf")
    scale = min(float(x.std(ddof=1)), float(quarter[1] - quarter[0]) / 1.349)
    far_left, far_right = abs(float(x.min())), abs(float(x.max()))
    widest = max(far_left, far_right)
    repeated = any(1 - len(u) / s.n >= _REPEATED for u, s in zip(distinct, (below, above), strict=True))
    least = max(float(np.sort(np.abs(u))[min(_LEAST, len(u)) - 1]) for u in distinct) * (1 + math.sqrt(2.0**-52))
    least = least if repeated else 0.0
    rough = max(min(_KERNEL * scale * (len(distinct[0]) + len(distinct[1])) ** -0.2, widest), least)
    sides = (_Pilot(below, kind, rough), _Pilot(above, kind, rough))

    def best(order: int, nu: int, top: int, wide: tuple[float, float], regular: bool) -> float:
        low, high = (p.parts(order, nu, top, w, regular=regular) for p, w in zip(sides, wide, strict=True))
        bias = (high[1] - low[1]) ** 2 + (low[2] + high[2] if regular else 0.0)
        if not (low[0] + high[0] > 0 and bias >= 0):  # nothing varies, or a curve could not be fitted
            return math.nan
        return widest if bias == 0 else min(float(((low[0] + high[0]) / bias) ** (1 / (2 * order + 3))), widest)

    padded = 1 + math.sqrt(2.0**-52)
    d = best(3, 3, 4, (far_left * padded, far_right * padded), False)
    d = max(d, least) if math.isfinite(d) else d
    b = best(2, 2, 3, (d, d), True)
    h = best(1, 0, 2, (b, b), True)
    return Widths(h, b, repeated)
