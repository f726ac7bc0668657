"""The jump at the threshold: local linear, with robust bias correction (Calonico, Cattaneo and Titiunik 2014)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gmvcausal.observational.discontinuity.bandwidth import Widths, best_widths
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


@dataclass(frozen=True)
class Estimate:
    """A jump with and without bias correction; `robust_error` knows of the correction, `error` does not."""

    plain: float
    corrected: float
    error: float
    robust_error: float


@dataclass(frozen=True, eq=False)
class Jump:
    """What the fits on both sides say.

    Attributes
    ----------
    effect : Estimate
        Jump of the outcome; with a treatment, over the jump of the treatment.
    outcome, treatment : Estimate
        Jump of the outcome, and of the treatment (None in a sharp design).
    widths : Widths
    inside : (int, int)
        Rows within h, below and above.
    distinct : (int, int)
        Distinct scores among them.
    lines : ndarray, shape (2, 2)
        Intercept and slope of the outcome below and above.
    """

    effect: Estimate
    outcome: Estimate
    treatment: Estimate | None
    widths: Widths
    inside: tuple[int, int]
    distinct: tuple[int, int]
    lines: FloatArray


@dataclass(frozen=True, eq=False)
class _Fit:
    """One side: weights of each row in the plain and in the corrected intercept, residuals of both."""

    side: Side
    plain: FloatArray
    corrected: FloatArray
    rest: FloatArray
    rest_bias: FloatArray
    beta: FloatArray
    zz: FloatArray
    zy: FloatArray

    def spread(self, s: FloatArray) -> tuple[float, float]:
        cluster = self.side.cluster
        return (
            variance(self.plain, self.rest @ s, cluster, 2),
            variance(self.corrected, self.rest_bias @ s, cluster, 3),
        )


def _fit(whole: Side, widths: Widths, kind: str) -> _Fit | None:
    h, b = widths.h, widths.b
    side = whole.where(np.abs(whole.x) <= max(h, b))
    # The kernel is zero at the very edge.
    side = side.where((triangular(side.x, h) > 0) | (triangular(side.x, b) > 0))
    wh, wb = triangular(side.x, h), triangular(side.x, b)
    if len(np.unique(side.x[wh > 0])) < 2 or len(np.unique(side.x[wb > 0])) < 3:
        return None
    line, square = powers(side.x, 1), powers(side.x, 2)
    rw = line * wh[:, None]
    inverse, wide = gram_inverse(line, wh), gram_inverse(square, wb)
    moved = rw.T @ (side.x / h) ** 2
    q = rw - h**2 * np.outer((square @ wide[2]) * wb, moved)
    plain, corrected = rw @ inverse[:, 0], q @ inverse[:, 0]
    beta, curve = inverse @ (rw.T @ side.d), wide @ ((square * wb[:, None]).T @ side.d)
    rest = residuals(side, line @ beta, ((line @ inverse) * rw).sum(axis=1), 2, kind)
    bias = residuals(side, square @ curve, ((square @ wide) * square * wb[:, None]).sum(axis=1), 3, kind)
    zz, zy = slopes(rw, inverse, side, wh)
    return _Fit(side, plain, corrected, rest, bias, beta, zz, zy)


def jump(below: Side, above: Side, kind: str, widths: Widths | None = None) -> Jump | None:
    """Estimate the jump from below to above; None where a side has too few distinct scores within the bandwidth.

    Parameters
    ----------
    below, above : Side
        Scores less the threshold, in any units.
    kind : {"nn", "hc0", "hc1", "hc2", "hc3"}
        Of the variance; ignored under clusters, whose scores are added up.
    widths : Widths, optional
        By default the one that minimises the mean squared error.
    """
    unit = float(np.concatenate([below.x, above.x]).std(ddof=1))
    money = float(np.concatenate([below.d[:, 0], above.d[:, 0]]).std(ddof=1)) or 1.0
    # The bandwidth of a ratio depends on where the outcome's zero is, so it stays there.
    shift = 0.0 if below.fuzzy else float(np.concatenate([below.d[:, 0], above.d[:, 0]]).mean())
    low, high = _scaled(below, unit, money, shift), _scaled(above, unit, money, shift)
    if widths is None:
        # Where one side is treated throughout or not at all, the bandwidth is that of the outcome's jump.
        sharp = below.fuzzy and (float(np.ptp(below.d[:, 1])) == 0 or float(np.ptp(above.d[:, 1])) == 0)
        cut = [0, *range(2, below.d.shape[1])]
        pair = (low.columns(cut, False), high.columns(cut, False)) if sharp else (low, high)
        found = best_widths(*pair, kind)
        if not (math.isfinite(found.h) and math.isfinite(found.b) and min(found.h, found.b) > 0):
            return None
    else:
        found = Widths(widths.h / unit, widths.b / unit, widths.repeated)
    fits = _fit(low, found, kind), _fit(high, found, kind)
    if fits[0] is None or fits[1] is None:
        return None
    left, right = fits[0], fits[1]
    own = 2 if below.fuzzy else 1
    gamma = np.linalg.pinv(left.zz + right.zz) @ (left.zy + right.zy)
    plain = right.beta[0] - left.beta[0]
    corrected = right.corrected @ right.side.d - left.corrected @ left.side.d

    def told(s: FloatArray, level: float, scale: float) -> Estimate:
        parts = np.array([left.spread(s), right.spread(s)]).sum(axis=0)
        errors = np.sqrt(parts) * scale
        return Estimate(level * scale, (level - float(s @ (plain - corrected))) * scale, *map(float, errors))

    def of(column: int) -> FloatArray:
        s = np.zeros(len(plain))
        s[column], s[own:] = 1.0, -gamma[:, column]
        return s

    outcome = told(of(0), float(of(0) @ plain), money)
    treatment, effect = None, outcome
    if below.fuzzy:
        treatment = told(of(1), float(of(1) @ plain), 1.0)
        if treatment.plain == 0:
            return None
        effect = told(combination(plain, gamma, True), outcome.plain / money / treatment.plain, money)
    lines = np.array([left.beta[:, 0], right.beta[:, 0]]) * money / np.array([1.0, unit])
    lines[:, 0] += shift
    within = [s.x[triangular(s.x, found.h) > 0] for s in (left.side, right.side)]
    back = Widths(found.h * unit, found.b * unit, found.repeated)
    return Jump(
        effect, outcome, treatment, back, (len(within[0]), len(within[1])),
        (len(np.unique(within[0])), len(np.unique(within[1]))), lines,
    )  # fmt: skip


def _scaled(side: Side, unit: float, money: float, shift: float) -> Side:
    d = side.d.copy()
    d[:, 0] = (d[:, 0] - shift) / money
    return Side(side.x / unit, d, side.fuzzy, side.cluster)
