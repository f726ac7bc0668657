"""Residual on residual: the slope, its robust spread, and whether a line is enough. Plain functions on arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Slope(NamedTuple):
    """A regression through the origin on one regressor, row by row or cluster by cluster.

    Attributes
    ----------
    estimate, std_error : float
    df : float
        Degrees of freedom of the t distribution; 0 where one cluster holds all of the regressor's variation.
    influence : ndarray, shape (clusters,)
        What each row (cluster) adds to the estimate less the truth: they sum to zero.
    weight : ndarray, shape (clusters,)
        Share of each in the sum of squares of the regressor: its leverage.
    """

    estimate: float
    std_error: float
    df: float
    influence: FloatArray
    weight: FloatArray

    @property
    def spread(self) -> FloatArray:
        """Influences as the standard error takes them: the root of the sum of their squares."""
        return adjusted(self.influence, self.weight)


def adjusted(influence: FloatArray, weight: FloatArray) -> FloatArray:
    """Each influence over the root of one less its leverage."""
    return np.asarray(influence / np.sqrt(np.maximum(1.0 - weight, 1e-12)))


def slope(d: FloatArray, y: FloatArray, cluster: IntArray | None = None) -> Slope:
    """Slope of `y` on `d` through the origin, with the spread that is unbiased where all rows vary alike.

    Parameters
    ----------
    d, y : ndarray, shape (n,)
        Residual dose and residual outcome.
    cluster : ndarray, shape (n,), optional
        Dense codes.

    Returns
    -------
    Slope
        HC2, and CR2 under clusters (Bell and McCaffrey 2002), with their degrees of freedom. With one regressor both
        have a closed form in the leverages h of rows (clusters): scores over the root of 1 - h, and
        1 / df = sum h^2 + (sum k)^2 - sum k^2 with k = h^2 / (1 - h).

    References
    ----------
    Robinson (1988), Econometrica 56; Bell and McCaffrey (2002), Survey Methodology 28; Imbens and Kolesár (2016),
    Review of Economics and Statistics 98.

    Examples
    --------
    >>> found = slope(np.array([-1.0, 0, 1]), np.array([-1.0, 1, 3]))
    >>> found.estimate, round(found.std_error, 6), found.df
    (2.0, 1.0, 1.0)
    """
    total = float(d @ d)
    estimate = float(d @ y) / total
    score, size = d * (y - estimate * d), d * d
    if cluster is not None:
        groups = int(cluster.max()) + 1
        score = np.bincount(cluster, score, minlength=groups).astype(float)
        size = np.bincount(cluster, size, minlength=groups).astype(float)
    h = size / total
    if h.max() > 1 - 1e-9:
        return Slope(estimate, float("nan"), 0.0, score / total, h)
    own = adjusted(score / total, h)
    k = h * h / (1 - h)
    inverse = float((h * h).sum() + k.sum() ** 2 - (k * k).sum())
    return Slope(estimate, float(np.sqrt(own @ own)), 1 / inverse, score / total, h)


class Bend(NamedTuple):
    """How much the slope changes from one unit of the dose to the next.

    Attributes
    ----------
    change : float
    p_value : float
    """

    change: float
    p_value: float


def bend(d: FloatArray, square: FloatArray, left: FloatArray, cluster: IntArray | None = None) -> Bend | None:
    """Test of what the line leaves on the square of the dose.

    Parameters
    ----------
    d : ndarray, shape (n,)
        Residual dose.
    square : ndarray, shape (n,)
        Its square, less what the features say of it.
    left : ndarray, shape (n,)
        What the line leaves of the outcome.
    cluster : ndarray, shape (n,), optional

    Returns
    -------
    Bend or None
        None where the square says no more than the dose itself.
    """
    from gmvcausal.stats.inference import p_value

    own = square - d * (float(d @ square) / float(d @ d))
    if not float(own @ own) > 1e-9 * float(square @ square):
        return None
    found = slope(own, left, cluster)
    if not found.std_error > 0:
        return None
    p = p_value(np.array([found.estimate]), np.array([found.std_error]), found.df)
    return Bend(2 * found.estimate, float(p[0]))
