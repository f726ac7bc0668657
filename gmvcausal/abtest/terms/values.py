"""A metric's value in an arm, and its gradient over the columns: every variance is gradient' cov gradient.

Adjusted by covariates x (Lin 2013), a mean is what the arm's own regression predicts at the covariates' mean over both
arms, c: y - b'(x - c). A ratio adjusts its numerator and its denominator so, and is then linearised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmvcausal.abtest.terms.sample import Arm, FloatArray, slopes


@dataclass(frozen=True)
class Recipe:
    """A metric over the columns of the matrix.

    Attributes
    ----------
    numerator : int
        Position of the column.
    denominator : int or None
    covariates : tuple of int
    log : bool
        Whether the value is the logarithm of the mean or the ratio.
    factor : str
        The factor of GMV that this is; empty for other metrics.
    instead : tuple of int
        The columns that the model behind `covariates` learned from.
    quantile : float or None
        Of `numerator`, where the value is a quantile and not a mean.
    """

    numerator: int
    denominator: int | None = None
    covariates: tuple[int, ...] = ()
    log: bool = False
    factor: str = ""
    quantile: float | None = None
    instead: tuple[int, ...] = ()

    @property
    def outcomes(self) -> tuple[int, ...]:
        """Numerator and, for a ratio, denominator."""
        return (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)


@dataclass(frozen=True, eq=False)
class Value:
    """What a metric is in one arm.

    Attributes
    ----------
    value, rest : float
        The value, and what rounding took from it.
    gradient : ndarray, shape (p,)
        Its derivative with respect to the means of the columns, covariates adjusted.
    """

    value: float
    rest: float
    gradient: FloatArray


def centre(one: Arm, other: Arm) -> FloatArray:
    """Means over both arms, shape (p,)."""
    gap = (other.mean - one.mean) + (other.rest - one.rest)
    return np.asarray(one.mean + (one.rest + gap * other.n / (one.n + other.n)))


def value(recipe: Recipe, arm: Arm, at: FloatArray) -> Value:
    """The metric in `arm`, covariates held at `at` (the means over both arms).

    Parameters
    ----------
    recipe : Recipe
    arm : Arm
    at : ndarray, shape (p,)

    Returns
    -------
    Value
        NaN for a ratio whose denominator is zero throughout.
    """
    size = len(arm.mean)
    held = list(recipe.covariates)
    moved, gradients = [], []
    for column in recipe.outcomes:
        gradient = np.zeros(size)
        gradient[column] = 1.0
        rest = float(arm.rest[column])
        if held:
            slope = slopes(arm.cross, column, held)
            gradient[held] = -slope
            rest -= float(slope @ ((arm.mean[held] - at[held]) + arm.rest[held]))
        moved.append((float(arm.mean[column]), rest))
        gradients.append(gradient)
    if recipe.log:
        levels = [mean + rest for mean, rest in moved]
        if min(levels) <= 0:
            return Value(np.nan, 0.0, np.full(size, np.nan))
        log = [np.log(level) for level in levels]
        signs = (1.0, -1.0)
        found = sum(s * one for s, one in zip(signs, log, strict=False))
        slope = np.sum([s * g / level for s, g, level in zip(signs, gradients, levels, strict=False)], axis=0)
        return Value(float(found), 0.0, np.asarray(slope))
    if recipe.denominator is None:
        return Value(*moved[0], gradients[0])
    top, bottom = (mean + rest for mean, rest in moved)
    if bottom == 0:
        return Value(np.nan, 0.0, np.full(size, np.nan))
    ratio = top / bottom
    return Value(ratio, 0.0, (gradients[0] - ratio * gradients[1]) / bottom)


def variance_parts(value: Value, arm: Arm) -> list[tuple[float, float]]:
    """The variance of the value as parts with their degrees of freedom."""
    return [(max(float(value.gradient @ cov @ value.gradient), 0.0), df) for cov, df in arm.parts]


def regression_variance(recipe: Recipe, value: Value, arm: Arm, at: FloatArray) -> tuple[float, float]:
    """Variance of an adjusted value as the regression of this arm alone has it, and its degrees of freedom.

    The residual variance over n - 1 - k, times 1/n + d' X^-1 d with d the distance of the arm's covariates from `at`.
    """
    held = list(recipe.covariates)
    distance = (arm.mean[held] - at[held]) + arm.rest[held]
    df = arm.n - 1 - len(held)
    residual = max(float(value.gradient @ arm.cross @ value.gradient), 0.0)
    return residual / df * (1 / arm.n + _quadratic(arm, held, distance)), df


def _quadratic(arm: Arm, held: list[int], distance: FloatArray) -> float:
    scale = np.sqrt(np.diag(arm.cross)[held])
    matrix = arm.cross[np.ix_(held, held)] / np.outer(scale, scale)
    return float((distance / scale) @ np.linalg.solve(matrix, distance / scale))


@dataclass(frozen=True, eq=False)
class Hc2:
    """What the second pass over the rows of an arm needs for one value (MacKinnon and White 1985).

    With z the covariates less the arm's mean, a row's leverage is 1/n + z'Az, its weight 1/n - z'b, and its residual
    e = gradient . (row - mean); the variance is the sum of (weight e)^2 / (1 - leverage).

    Attributes
    ----------
    covariates : list of int
    inverse : ndarray, shape (k, k)
        A, the inverse of the centred products of the covariates.
    lean : ndarray, shape (k,)
        b = A (mean - centre).
    mean, gradient : ndarray, shape (p,)
    n : float
    """

    covariates: list[int]
    inverse: FloatArray
    lean: FloatArray
    mean: FloatArray
    gradient: FloatArray
    n: float


def hc2(recipe: Recipe, value: Value, arm: Arm, at: FloatArray) -> Hc2:
    """The second pass for an adjusted value."""
    held = list(recipe.covariates)
    scale = np.sqrt(np.diag(arm.cross)[held])
    inverse = np.linalg.inv(arm.cross[np.ix_(held, held)] / np.outer(scale, scale)) / np.outer(scale, scale)
    distance = (arm.mean[held] - at[held]) + arm.rest[held]
    return Hc2(held, inverse, inverse @ distance, arm.mean + arm.rest, value.gradient, arm.n)
