"""The two-by-two difference-in-differences: four means, and their regression form with clustered standard errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.stats.inference import small_sample_factor

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class FourMeans:
    """The table behind the estimate.

    Attributes
    ----------
    means : ndarray, shape (2, 2)
        Control and treated by before and after.
    counts : ndarray, shape (2, 2)
    estimate, variance : float
    influence : ndarray, shape (N,)
        Of every unit, without the small-sample factor.
    n_clusters : int
    """

    means: FloatArray
    counts: FloatArray
    estimate: float
    variance: float
    influence: FloatArray
    n_clusters: int


def four_means(
    y: FloatArray,
    treated: NDArray[np.bool_],
    after: NDArray[np.bool_],
    cluster: IntArray,
    weight: FloatArray | None,
    ssc: str,
) -> FourMeans:
    """Least squares of y on group, after and their product, over all cells present; the product is the estimate.

    Parameters
    ----------
    y : ndarray, shape (N, T)
        NaN where absent.
    treated : ndarray of bool, shape (N,)
    after : ndarray of bool, shape (T,)
    cluster : ndarray of int, shape (N,)
    weight : ndarray, shape (N,), or None
    ssc : str
        K counts the four coefficients.
    """
    present = np.isfinite(y)
    w = present * (1.0 if weight is None else weight[:, None])
    centre = float(y[present].mean())
    clean = np.where(present, y - centre, 0.0)
    means, counts = np.zeros((2, 2)), np.zeros((2, 2))
    influence = np.zeros(len(y))
    for g in (0, 1):
        for a in (0, 1):
            rows, columns = treated == bool(g), after == bool(a)
            block, size = clean[np.ix_(rows, columns)], w[np.ix_(rows, columns)]
            total = size.sum()
            if not total:
                side, when = ("control", "treated")[g], ("before", "after")[a]
                raise DesignError(
                    f"no {side} unit is seen {when} the start, so one of the four means does not exist",
                    remedy="supply rows of both groups before and after the start",
                )
            means[g, a] = (size * block).sum() / total
            counts[g, a] = present[np.ix_(rows, columns)].sum()
            sign = 1.0 if g == a else -1.0
            influence[rows] += sign * (size * (block - means[g, a])).sum(axis=1) / total
    estimate = float(means[1, 1] - means[1, 0] - means[0, 1] + means[0, 0])
    scores = np.bincount(cluster, influence)
    n_clusters = len(np.unique(cluster))
    factor = small_sample_factor(ssc, int(present.sum()), 4, 0, 0, n_clusters)
    return FourMeans(means + centre, counts, estimate, float(factor * scores @ scores), influence, n_clusters)
