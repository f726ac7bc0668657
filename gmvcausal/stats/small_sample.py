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

MOST_ALONE = 0.2


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


class Trust(NamedTuple):
    """How far the squared influences of a group of clusters can be trusted as its variance.

    Attributes
    ----------
    df : ndarray, shape (H,) or (a, H)
        Degrees of freedom, for each of a terms where they differ; 0 where the group has fewer than two clusters.
    factor : ndarray, shape (H,) or (a, H)
        What takes their sum to an unbiased variance.
    alone : float
        Share of clusters that are alone in their group, among those that are not controls.
    """

    df: FloatArray
    factor: FloatArray
    alone: float = 0.0


def _alone(clusters: FloatArray, control: int) -> float:
    others = np.delete(clusters, control)
    return float((others == 1).sum() / others.sum()) if others.sum() > 0 else 0.0


def trust_in(sizes: FloatArray, group: IntArray, n_groups: int, control: int = 0) -> Trust:
    """Degrees of freedom of each group from the sizes of its clusters (Bell and McCaffrey 2002, for weighted means).

    A group's mean takes cluster c with the share w of its size. If clusters vary alike, the sum of squared influences
    has the mean sum w^2 (1 - 2w + S2) and the variance of a chi-square with the degrees of freedom given here; with
    equal shares they are n - 1, and one cluster that holds most of the group leaves about one.

    Parameters
    ----------
    sizes : ndarray, shape (C,)
        Units, or weight, of every cluster.
    group : ndarray of int, shape (C,)
    n_groups, control : int
        How many groups there are, and which of them are the controls.

    Examples
    --------
    >>> even = trust_in(np.ones(5), np.zeros(5, dtype=int), 1)
    >>> round(float(even.df[0]), 9), round(float(even.factor[0]), 9)
    (4.0, 1.25)
    >>> bool(trust_in(np.array([50.0, 1, 1, 1, 1]), np.zeros(5, dtype=int), 1).df[0] < 2)
    True
    """
    total = np.bincount(group, sizes, minlength=n_groups)
    share = sizes / np.where(total > 0, total, 1.0)[group]
    powers, power = [], share
    for _ in range(4):
        power = power * share  # several times as fast as share**k
        powers.append(np.bincount(group, power, minlength=n_groups).astype(float))
    shares = np.stack(powers, axis=1)
    return trust_of_shares(shares, np.bincount(group, minlength=n_groups).astype(float), control)


def trust_of_shares(shares: FloatArray, clusters: FloatArray, control: int) -> Trust:
    """`trust_in` from what is known of each group alone.

    Parameters
    ----------
    shares : ndarray, shape (H, 4)
        Sums over the clusters of a group of their share in it to the power of 2, 3, 4 and 5.
    clusters : ndarray, shape (H,)
        Number of clusters in every group.
    control : int
    """
    s2, s3, s4, s5 = shares.T
    first = s2 - 2 * s3 + s2 * s2
    second = s4 + 2 * s3**2 + 4 * s2 * s4 + s2**4 - 4 * s5 - 4 * s2**2 * s3
    live = (clusters > 1) & (first > 1e-12 * s2) & (second > 0)
    df, factor = np.zeros(len(clusters)), np.ones(len(clusters))
    np.divide(first**2, second, out=df, where=live)
    np.divide(s2, first, out=factor, where=live)
    return Trust(df, factor, _alone(clusters, control))


def equal(clusters: FloatArray, control: int = -1) -> Trust:
    """`trust_in` of groups whose clusters are all of one size: n - 1 degrees of freedom, factor n / (n - 1)."""
    n = np.maximum(clusters.astype(float), 2.0)
    return Trust(np.where(clusters > 1, n - 1.0, 0.0), n / (n - 1.0), _alone(clusters, control))


def welch(variance: FloatArray, trust: Trust, given: FloatArray | None = None) -> Spread:
    """Welch's t for variances that are sums over groups (Welch 1947; Satterthwaite 1946).

    Parameters
    ----------
    variance : ndarray, shape (a, H)
        Sum of squared influences of each group of clusters on each term.
    trust : Trust
        Of each group. A group of one cluster has no variance of its own, and adds none; where more than a fifth of the
        clusters are such, the variance is not known and there are no degrees of freedom.
    given : ndarray, shape (a,), optional
        The variance that is printed, where it carries a small-sample factor already; default the sum over groups.

    Returns
    -------
    Spread
        The factor takes the printed standard error to the unbiased one, and is never below 1. Normal where no group
        has two clusters.

    Examples
    --------
    >>> spread = welch(np.array([[4.0, 0.0]]), equal(np.array([5.0, 100.0])))
    >>> float(spread.df[0]), round(float(spread.factor[0]) ** 2, 6)
    (4.0, 1.25)
    """
    unbiased = variance * trust.factor
    total = unbiased.sum(axis=1)
    squares = (unbiased**2 / np.where(trust.df > 0, trust.df, np.inf)).sum(axis=1)
    printed = variance.sum(axis=1) if given is None else given
    live = (total > 0) & (printed > 0) & (squares > 0)
    df, factor = np.full(len(total), np.inf), np.ones(len(total))
    np.divide(total**2, squares, out=df, where=live)
    np.divide(total, printed, out=factor, where=live)
    if trust.alone > MOST_ALONE:
        df[:] = 0.0
    return Spread(df, np.sqrt(np.maximum(factor, 1.0)))


def welch_df(parts: list[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of variances (Welch 1947; Satterthwaite 1946); parts are (variance, df)."""
    variance = np.array([v for v, _ in parts])
    df = np.array([d for _, d in parts])
    squares = float((variance**2 / df).sum())
    return float(variance.sum()) ** 2 / squares if squares > 0 else float("inf")


def joint_df(df: FloatArray) -> float:
    """Degrees of freedom of the covariance of several terms together, from those of each (Pustejovsky and Tipton 2018).

    Their approximate Hotelling statistic takes the covariance as Wishart with the degrees of freedom that give its
    entries the right variance. For variances V_g that come with d_g degrees of freedom from groups g of clusters this
    is q (q + 1) / sum_g (tr V_g^2 + (tr V_g)^2) / d_g, each V_g standardised by their sum. By the inequality of Cauchy
    and Schwarz it is at least the number given here, which the terms' own degrees of freedom suffice for; where all
    have the same, it is theirs.

    Parameters
    ----------
    df : ndarray, shape (q,)
        Of each term, above 0; ``inf`` for the normal.

    Examples
    --------
    >>> joint_df(np.array([9.0, 9.0])), round(joint_df(np.array([49.0, 9.0])), 2)
    (9.0, 16.75)
    """
    q, inverse = len(df), 1.0 / df
    below = float(inverse.sum() + np.sqrt(inverse).sum() ** 2)
    return q * (q + 1) / below if below > 0 else float("inf")


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


def by_cluster(
    influence: FloatArray, cluster: IntArray, group: IntArray, given: FloatArray, size: FloatArray | None = None
) -> Spread:
    """Welch's t for terms whose influence is known row by row (regressions).

    Parameters
    ----------
    influence : ndarray, shape (R, a)
    cluster, group : ndarray of int, shape (R,)
        Dense code of the cluster, and the group (cohort, or untreated) of each row; negative groups are left out.
    given : ndarray, shape (a,)
        The printed variances.
    size : ndarray, shape (R,), optional
        Weight of each row; default 1.
    """
    n_groups = int(group.max()) + 1
    of_cluster = groups_of_clusters(group, cluster, n_groups)
    used, inside = group >= 0, of_cluster >= 0
    sizes = np.bincount(cluster[used], None if size is None else size[used], minlength=len(of_cluster))
    variance = np.zeros((influence.shape[1], n_groups + 1))
    for term in range(influence.shape[1]):
        score = np.bincount(cluster, influence[:, term], minlength=len(of_cluster))
        variance[term] = np.bincount(np.where(inside, of_cluster, n_groups), score * score, minlength=n_groups + 1)
    return welch(variance, trust_in(sizes[inside].astype(float), of_cluster[inside], n_groups + 1), given)
