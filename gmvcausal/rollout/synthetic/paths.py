"""Synthetic control, augmented synthetic control and synthetic difference-in-differences on plain arrays.

One cohort at a time: the mean path of the units that started together, and the paths of the units never treated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.simplex import simplex_weights

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Grid of ridge penalties of the augmented synthetic control, as in the R package augsynth: from the largest squared
# singular value down by a factor of 1e8.
_PENALTIES, _SPAN = 20, 1e-8


@dataclass(frozen=True)
class Weighted:
    """A treated path beside a weighted mean of controls.

    Attributes
    ----------
    unit : ndarray, shape (N,)
        Weight of every control; adds up to 1.
    time : ndarray, shape (T,)
        Weight of every period in the base: zeros for the two that compare levels, else adds up to 1 over the periods
        before.
    gap : ndarray, shape (T,)
        Treated less weighted controls in every period, less the same over the base.
    before, after : ndarray of bool, shape (T,)
        Periods fitted on, and periods averaged over.
    penalty : float
        Ridge penalty of the augmented synthetic control; 0 for the others.
    """

    unit: FloatArray
    time: FloatArray
    gap: FloatArray
    before: BoolArray
    after: BoolArray
    penalty: float = 0.0

    @property
    def estimate(self) -> float:
        """Mean gap over the periods after the start."""
        return float(self.gap[self.after].mean())

    @property
    def rmspe_before(self) -> float:
        """Root mean square of the gap before the start."""
        return float(np.sqrt(np.mean(self.gap[self.before] ** 2)))

    @property
    def rmspe_after(self) -> float:
        """Root mean square of the gap after the start."""
        return float(np.sqrt(np.mean(self.gap[self.after] ** 2)))


# controls (N, T), treated (T,), number of treated units, before (T,), after (T,) -> Weighted
Method = Callable[[FloatArray, FloatArray, int, BoolArray, BoolArray], Weighted]


def synthetic_control(
    controls: FloatArray, treated: FloatArray, size: int, before: BoolArray, after: BoolArray
) -> Weighted:
    """Convex weights that bring the controls' outcomes before the start nearest to the treated; no intercept.

    Parameters
    ----------
    controls : ndarray, shape (N, T)
    treated : ndarray, shape (T,)
        Mean path of the treated units.
    size : int
        Their number; not used here.
    before, after : ndarray of bool, shape (T,)

    References
    ----------
    Abadie, Diamond and Hainmueller (2010), Journal of the American Statistical Association 105; outcomes only, as in
    Doudchenko and Imbens (2016), NBER working paper 22791.
    """
    unit = level_weights(controls[:, before], treated[before], None)
    return Weighted(unit, np.zeros(len(treated)), treated - unit @ controls, before, after)


def augmented(controls: FloatArray, treated: FloatArray, size: int, before: BoolArray, after: BoolArray) -> Weighted:
    """Synthetic control, with what its fit leaves taken off by a ridge regression on the outcomes before the start.

    The weights still add up to 1 but may be negative. The penalty is the largest whose error over periods left out in
    turn lies within one standard error of the least, as in the authors' R package augsynth.

    References
    ----------
    Ben-Michael, Feller and Rothstein (2021), Journal of the American Statistical Association 116.
    """
    past, target = controls[:, before], treated[before]
    penalty = _penalty(past, target)
    unit = level_weights(past, target, penalty)
    return Weighted(unit, np.zeros(len(treated)), treated - unit @ controls, before, after, penalty)


def level_weights(controls: FloatArray, treated: FloatArray, penalty: float | None) -> FloatArray:
    """Weights fitted on all columns: convex ones, and a ridge correction where a penalty is given."""
    unit = simplex_weights(controls.T, treated)
    if penalty is None:
        return unit
    return np.asarray(unit + _correction(controls, treated, unit, np.array([penalty]))[0])


def _correction(past: FloatArray, target: FloatArray, unit: FloatArray, penalties: FloatArray) -> FloatArray:
    """What the ridge regression adds to the weights, one row per penalty; shape (p, N)."""
    centred = past - past.mean(axis=0)
    left, root, right = np.linalg.svd(centred, full_matrices=False)
    miss = right @ (target - unit @ past)
    with np.errstate(divide="ignore", invalid="ignore"):
        shrunk = np.where(root > 0, root / (root**2 + penalties[:, None]), 0.0)
    return np.asarray((shrunk * miss) @ left.T)


def _penalty(past: FloatArray, target: FloatArray) -> float:
    top = float(np.linalg.norm(past - past.mean(axis=0), 2)) ** 2
    penalties = top * _SPAN ** (np.arange(_PENALTIES + 1) / _PENALTIES)
    n_periods = past.shape[1]
    if n_periods < 3 or top == 0:
        return float(penalties[0])
    errors = np.empty((n_periods, len(penalties)))
    for t in range(n_periods):
        rest = np.arange(n_periods) != t
        unit = level_weights(past[:, rest], target[rest], None)
        weights = unit + _correction(past[:, rest], target[rest], unit, penalties)
        errors[t] = (target[t] - weights @ past[:, t]) ** 2
    mean, spread = errors.mean(axis=0), errors.std(axis=0, ddof=1) / math.sqrt(n_periods)
    least = int(mean.argmin())
    return float(penalties[mean <= mean[least] + spread[least]].max())


def synthetic_did(
    controls: FloatArray, treated: FloatArray, size: int, before: BoolArray, after: BoolArray
) -> Weighted:
    """Weights on units and on periods, each with an intercept, and the difference-in-differences they give.

    Unit weights are drawn towards equal ones by the penalty of the authors, (number of treated cells)^(1/4) x standard
    deviation of the controls' changes; time weights by one so small that it only makes them unique. Both are the exact
    minima of what the authors' R package synthdid approaches by at most 10,000 steps of Frank and Wolfe.

    References
    ----------
    Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), American Economic Review 111.
    """
    past, later = controls[:, before], controls[:, after].mean(axis=1)
    noise = float(np.diff(past, axis=1).std(ddof=1)) if past.shape[1] > 1 and past.size > past.shape[0] + 1 else 0.0
    strength = (size * int(after.sum())) ** 0.25 * noise
    unit = _with_intercept(past.T, treated[before], strength)
    time = np.zeros(len(treated))
    time[before] = _with_intercept(past, later, 1e-6 * noise)
    gap = treated - unit @ controls
    return Weighted(unit, time, gap - float(time @ gap), before, after)


def _with_intercept(columns: FloatArray, target: FloatArray, strength: float) -> FloatArray:
    rows = len(columns)
    return simplex_weights(columns - columns.mean(axis=0), target - target.mean(), rows * strength**2)


def with_weights(like: Weighted, controls: FloatArray, treated: FloatArray) -> Weighted:
    """The same weights on other rows or outcomes; unit weights are brought back to a sum of 1."""
    unit = like.unit / like.unit.sum() if like.unit.sum() > 0 else np.full(len(like.unit), 1.0 / len(like.unit))
    gap = treated - unit @ controls
    return Weighted(unit, like.time, gap - float(like.time @ gap), like.before, like.after, like.penalty)


METHODS: dict[str, Method] = {
    "synthetic_control": synthetic_control,
    "augmented_synthetic_control": augmented,
    "synthetic_did": synthetic_did,
}
