"""The t distribution that a clustered estimate deserves: degrees of freedom and an unbiased spread, side by side.

The sum of squared influences is what the literature prints as the variance. Within a group of n clusters it is too
small by (n - 1)/n, and it varies as a chi-square with n - 1 degrees of freedom would. Both matter when ten rooms are
treated beside a thousand that are not: the number of clusters in all says nothing then.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Spread(NamedTuple):
    """How an interval is made from each standard error: estimate +- t(df) x factor x standard error.

    Attributes
    ----------
    df : ndarray, shape (a,)
        ``inf`` is the normal distribution.
    factor : ndarray, shape (a,)
    """

    df: FloatArray
    factor: FloatArray

    def take(self, use: NDArray[np.bool_]) -> Spread:
        """The terms marked by `use`."""
        return Spread(self.df[use], self.factor[use])


def normal(terms: int) -> Spread:
    """The normal distribution for every term."""
    return Spread(np.full(terms, np.inf), np.ones(terms))


def welch(variance: FloatArray, clusters: FloatArray, given: FloatArray | None = None) -> Spread:
    """Welch's t for variances that are sums over groups (Welch 1947; Bell and McCaffrey 2002 for two groups).

    Parameters
    ----------
    variance : ndarray, shape (a, H)
        Sum of squared influences of each group of clusters on each term.
    clusters : ndarray, shape (H,)
        Clusters in each group. A group of one has no variance of its own, and adds none.
    given : ndarray, shape (a,), optional
        The variance that is printed, where it carries a small-sample factor already; default the sum over groups.

    Returns
    -------
    Spread
        Degrees of freedom by Welch and Satterthwaite; the factor takes the printed standard error to the unbiased one,
        and is never below 1. Normal where no group has two clusters.

    Examples
    --------
    >>> spread = welch(np.array([[4.0, 0.0]]), np.array([5, 100]))
    >>> float(spread.df[0]), round(float(spread.factor[0]) ** 2, 6)
    (4.0, 1.25)
    """
    n = np.maximum(clusters.astype(float), 2.0)
    unbiased = variance * (n / (n - 1.0))
    total = unbiased.sum(axis=1)
    squares = (unbiased**2 / (n - 1.0)).sum(axis=1)
    printed = variance.sum(axis=1) if given is None else given
    live = (total > 0) & (printed > 0) & (squares > 0)
    df, factor = np.full(len(total), np.inf), np.ones(len(total))
    np.divide(total**2, squares, out=df, where=live)
    np.divide(total, printed, out=factor, where=live)
    return Spread(df, np.sqrt(np.maximum(factor, 1.0)))


def groups_of_clusters(group: IntArray, cluster: IntArray, n_groups: int) -> IntArray:
    """The group of every cluster; clusters that hold several groups form one more, `n_groups`.

    Parameters
    ----------
    group : ndarray of int, shape (N,)
        Each unit's group, negative where left out.
    cluster : ndarray of int, shape (N,)
        Each unit's cluster, a dense code.
    n_groups : int

    Returns
    -------
    ndarray of int, shape (clusters,)
        -1 for clusters none of whose units is used.
    """
    out = np.full(int(cluster.max()) + 1, -1, dtype=np.int64)
    used = group >= 0
    out[cluster[used]] = group[used]
    mixed = used & (out[cluster] != group)
    out[cluster[mixed]] = n_groups
    return out


def by_cluster(influence: FloatArray, cluster: IntArray, group: IntArray, given: FloatArray) -> Spread:
    """Welch's t for terms whose influence is known row by row (regressions).

    Parameters
    ----------
    influence : ndarray, shape (R, a)
    cluster, group : ndarray of int, shape (R,)
        Dense code of the cluster, and the group (cohort, or untreated) of each row; negative groups are left out.
    given : ndarray, shape (a,)
        The printed variances.
    """
    n_groups = int(group.max()) + 1
    of_cluster = groups_of_clusters(group, cluster, n_groups)
    size = np.bincount(of_cluster[of_cluster >= 0], minlength=n_groups + 1).astype(float)
    variance = np.zeros((influence.shape[1], n_groups + 1))
    for term in range(influence.shape[1]):
        score = np.bincount(cluster, influence[:, term], minlength=len(of_cluster))
        variance[term] = np.bincount(
            np.where(of_cluster >= 0, of_cluster, n_groups), score * score, minlength=n_groups + 1
        )
    return welch(variance, size, given)
