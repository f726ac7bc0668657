"""Doubly robust scores of single users, and sums of influences by cluster."""

from __future__ import annotations

import numpy as np

from gmvcausal.stats.small_sample import groups_of_clusters
from gmvcausal.targeting.aipw import clustered
from gmvcausal.targeting.audit.rules import MIN_CLUSTERS
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray

# Why there is no finding, in a sentence.
NO_INTERVAL = "no interval, since an arm has too few clusters"


def potential(y: FloatArray, arm: IntArray, e: FloatArray, mu: FloatArray | None) -> FloatArray:
    """Score of every user under every arm: mu + 1{arm} (y - mu) / e (Robins, Rotnitzky and Zhao 1994).

    Parameters
    ----------
    y : ndarray, shape (n,)
    arm : ndarray of int, shape (n,)
        0 is the control.
    e : ndarray, shape (n, k + 1)
        Probability of every arm.
    mu : ndarray, shape (n, k + 1), optional
        Expected outcome under every arm, not learned from these users. Without, the weighted mean of the arm: the
        average of the scores is then that mean (Hajek).

    Returns
    -------
    ndarray, shape (n, k + 1)

    Examples
    --------
    >>> y, arm = np.array([1.0, 3.0, 5.0, 9.0]), np.array([0, 0, 1, 1])
    >>> potential(y, arm, np.full((4, 2), 0.5), None).tolist()
    [[0.0, 7.0], [4.0, 7.0], [2.0, 3.0], [2.0, 11.0]]
    """
    rows = np.arange(len(y))
    weight = 1 / e[rows, arm]
    if mu is None:
        arms = e.shape[1]
        total = np.bincount(arm, weight, arms)
        mean = np.divide(np.bincount(arm, weight * y, arms), total, out=np.zeros(arms), where=total > 0)
        out = np.tile(mean, (len(y), 1))
    else:
        out = np.array(mu, dtype=float)
    out[rows, arm] += weight * (y - out[rows, arm])
    return out


def variance(influence: FloatArray, cluster: IntArray | None) -> FloatArray:
    """Covariance from influences, shape (n,) or (n, p): of independent users, or of clusters.

    The factor g / (g - 1) makes up for the mean that was estimated.
    """
    one = influence[:, None] if influence.ndim == 1 else influence
    if cluster is not None:
        one = np.stack([np.bincount(cluster, column) for column in one.T], axis=1)
        one = one[np.bincount(cluster) > 0]
    g = len(one)
    cov = one.T @ one * (g / (g - 1) if g > 1 else np.nan)
    return cov if influence.ndim > 1 else cov[0, 0]


def too_few(cluster: IntArray | None, arm: IntArray) -> bool:
    """Whether some arm has fewer clusters (all of them, where they hold several arms) than an interval needs."""
    if cluster is None:
        return False
    arms = int(arm.max()) + 1
    group = groups_of_clusters(arm, cluster, arms)
    counts = [len(group)] if (group == arms).any() else np.bincount(group[group >= 0], minlength=arms)[np.unique(arm)]
    return min(counts) < MIN_CLUSTERS


def spread(influence: FloatArray, cluster: IntArray | None, arm: IntArray) -> tuple[FloatArray, FloatArray]:
    """Covariance from influences, shape (n, p), and the degrees of freedom of each term, shape (p,).

    Under clusters as for average effects: squared sums by the arm of the cluster, each with the factor and the degrees
    of freedom of Bell and McCaffrey; ten rooms in an arm are few, however many users they have. Fewer have no spread:
    all is NaN.

    Examples
    --------
    >>> _, df = spread(np.tile([[1.0], [-1]], (20, 1)), np.arange(40), np.arange(40) % 2)
    >>> round(float(df[0]), 2), float(spread(np.ones((4, 1)), None, np.array([0, 0, 1, 1]))[1][0])
    (38.0, inf)
    """
    if cluster is None:
        return variance(influence, None), np.full(influence.shape[1], np.inf)
    codes = np.unique(cluster, return_inverse=True)[1]
    if too_few(codes, arm):
        k = influence.shape[1]
        return np.full((k, k), np.nan), np.full(k, np.nan)
    cov, found = clustered(influence, arm, int(arm.max()) + 1, codes)
    return cov, found.df
