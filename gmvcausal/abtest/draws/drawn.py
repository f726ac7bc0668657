"""What draws are made from: two numbers per unit and metric; and contrasts whose intervals come from draws.

Every unit (row, or cluster) enters with two numbers per metric, e and d: over any weights w, a metric's value is off
from what it is now by sum(w e) / sum(w d). For a mean e is the distance from the mean and d is 1; for a ratio of totals
d is the denominator over its mean, and e the residual. Covariates enter with their slopes held fixed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gmvcausal.abtest.intake.rows import FloatArray, IntArray, Rows
from gmvcausal.abtest.terms.compare import Contrast
from gmvcausal.abtest.terms.estimate import Fit
from gmvcausal.abtest.terms.sample import slopes
from gmvcausal.abtest.terms.values import Recipe
from gmvcausal.stats import resampling as rs


class Plan(NamedTuple):
    """How draws are made."""

    inference: str
    draws: int
    seed: int
    progress: bool


@dataclass(frozen=True, eq=False)
class Bootstrapped(Contrast):
    """A contrast whose interval is that of the percentiles of bootstrap draws.

    Attributes
    ----------
    treated_off, control_off : ndarray, shape (draws,)
        How far both values are off in every draw.
    """

    treated_off: FloatArray = field(default_factory=lambda: np.zeros(0))
    control_off: FloatArray = field(default_factory=lambda: np.zeros(0))
    by_draws: ClassVar[str] = "percentiles of the Poisson bootstrap"

    @property
    def _gaps(self) -> FloatArray:
        return self.difference + (self.treated_off - self.control_off)

    def p_value(self) -> float:
        """The level at which the interval ends at zero."""
        return rs.percentile_p(self._gaps, self.alternative) if self.variance > 0 else math.nan

    def interval(self, level: float) -> tuple[float, float]:
        """Percentiles of the difference."""
        return rs.percentile(self._gaps, level, self.alternative)

    def relative_interval(self, level: float) -> tuple[float, float]:
        """Percentiles of the relative effect; NaN where some draw of the control's value is not above zero."""
        if self.log:
            low, high = self.interval(level)
            return math.expm1(low), math.expm1(high)
        controls = self.control + self.control_off
        if not self.control > 0 or not (controls > 0).all():
            return math.nan, math.nan
        return rs.percentile(self._gaps / controls, level, self.alternative)


@dataclass(frozen=True, eq=False)
class Permuted(Contrast):
    """A contrast whose t statistic is held against its draws under permuted arms.

    Attributes
    ----------
    null : ndarray, shape (draws,)
        The statistic in every draw, without the one that was observed.
    """

    null: FloatArray = field(default_factory=lambda: np.zeros(0))
    by_draws: ClassVar[str] = "the t statistic under permuted arms"

    def p_value(self) -> float:
        """Share of assignments, the observed one among them, whose statistic is as large."""
        if not self.variance > 0:
            if not self.difference:
                return math.nan
            return rs.null_p(math.copysign(math.inf, self.difference), self.null, self.alternative)
        return rs.null_p(self.difference / math.sqrt(self.variance), self.null, self.alternative)

    def critical(self, level: float) -> float:
        # A hair wider, so that where p is above alpha by a tie the interval does hold zero.
        return rs.null_critical(self.null, level, self.alternative) * (1 + 1e-12)


def facts(contrast: Contrast) -> dict[str, Any]:
    """Everything that a contrast holds, by name."""
    return {f.name: getattr(contrast, f.name) for f in fields(Contrast)}


def _gradients(recipe: Recipe, cross: FloatArray) -> list[FloatArray]:
    found = []
    for column in recipe.outcomes:
        gradient = np.zeros(len(cross))
        gradient[column] = 1.0
        if recipe.covariates:
            gradient[list(recipe.covariates)] = -slopes(cross, column, list(recipe.covariates))
        found.append(gradient)
    return found


def scores(
    recipe: Recipe, fit: Fit, rows: Rows, inside: IntArray, mean: FloatArray, cross: FloatArray, at: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """e and d of the rows `inside`, whose means are `mean`, and the value that they have together."""
    held = list(recipe.covariates)
    moved, levels = [], []
    for column, gradient in zip(recipe.outcomes, _gradients(recipe, cross), strict=True):
        out = np.zeros(len(inside))
        for j in np.flatnonzero(gradient):
            out += gradient[j] * (rows.column(fit.cols[j])[inside] - mean[j])
        moved.append(out)
        # An adjusted mean is that of y - slope (x - at): the covariates' own means enter by their distance from `at`.
        levels.append(float(mean[column] + gradient[held] @ (mean[held] - at[held])))
    if recipe.denominator is None:
        return moved[0], np.ones(len(inside)), levels[0]
    ratio = levels[0] / levels[1]
    return (moved[0] - ratio * moved[1]) / levels[1], 1 + moved[1] / levels[1], ratio


def moved(value: float, off: FloatArray, log: bool) -> FloatArray:
    """What a value whose level is `value` becomes when it is off by `off`: its logarithm's move, or its own."""
    if not log:
        return off
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log1p(off / value))


def by_cluster(rows: Rows, inside: IntArray, scores: FloatArray) -> FloatArray:
    """Sums of the scores over the clusters of these rows, shape (clusters, columns)."""
    assert rows.cluster is not None
    labels, code = np.unique(rows.cluster[inside], return_inverse=True)
    return np.column_stack([np.bincount(code, weights=c, minlength=len(labels)) for c in scores.T])
