"""Average effects by augmented inverse probability weighting: plain functions on arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.params import one_of
from gmvcausal.stats.small_sample import Spread, Trust, equal, groups_of_clusters, trust_in, welch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ESTIMANDS = ("ate", "att", "overlap")


class Averages(NamedTuple):
    """Average effects of every arm but the control.

    Attributes
    ----------
    estimate : ndarray, shape (k,)
    cov : ndarray, shape (k, k)
    spread : Spread
        Degrees of freedom of each.
    influence : ndarray, shape (n, k)
        What each row adds to the estimate less the truth: they sum to zero.
    """

    estimate: FloatArray
    cov: FloatArray
    spread: Spread
    influence: FloatArray


def scores(y: FloatArray, arm: IntArray, e: FloatArray, mu: FloatArray) -> FloatArray:
    """Each row's unbiased word on its mean outcome under every arm, shape (n, k + 1): mu_a + 1{arm=a} (y - mu_a) / e_a.

    Parameters
    ----------
    y : ndarray, shape (n,)
    arm : ndarray, shape (n,)
    e, mu : ndarray, shape (n, k + 1)
        Chances of the arms, and predicted outcomes under them by models that have not seen the row.

    Examples
    --------
    >>> scores(np.array([3.0]), np.array([1]), np.array([[0.5, 0.5]]), np.array([[1.0, 2.0]])).tolist()
    [[1.0, 4.0]]
    """
    out = mu.copy()
    at = np.arange(len(y))
    out[at, arm] += (y - mu[at, arm]) / e[at, arm]
    return out


def overlap_weight(e: FloatArray) -> FloatArray:
    """1 / sum of 1 / e_a, shape (n,): e (1 - e) for two arms (Li, Morgan and Zaslavsky 2018; Li and Li 2019)."""
    return np.asarray(1.0 / (1.0 / e).sum(axis=1), dtype=np.float64)


def averages(
    y: FloatArray, arm: IntArray, e: FloatArray, mu: FloatArray, *, estimand: str = "ate",
    cluster: IntArray | None = None, known: bool = True,
) -> Averages:  # fmt: skip
    """Average effect of every arm against the control (arm 0).

    Parameters
    ----------
    y, arm, e, mu : ndarray
        As in `scores`.
    estimand : {"ate", "att", "overlap"}
        Of everyone; of those who got the arm; of everyone weighted by how near the arms' chances are.
    cluster : ndarray, shape (n,), optional
        Dense codes of what was assigned, or depends, together.
    known : bool
        Whether the chances are those of the lot, or the arms' shares. Overlap weights learned from features vary too,
        which is added.

    Returns
    -------
    Averages
        The variance is the sum over arms of squared influences times n_a / (n_a - 1), n_a counting rows (clusters: the
        factor of Bell and McCaffrey 2002). With one constant prediction per arm, the arms' own means, this is the
        difference of means with Welch's standard error and degrees of freedom.

    References
    ----------
    Robins, Rotnitzky and Zhao (1994), Journal of the American Statistical Association 89; Li and Li (2019), Annals of
    Applied Statistics 13.

    Examples
    --------
    >>> y, arm = np.array([1.0, 2, 3, 4, 5, 9]), np.array([0, 0, 0, 1, 1, 1])
    >>> found = averages(y, arm, np.full((6, 2), 0.5), np.tile([2.0, 6.0], (6, 1)))
    >>> float(found.estimate[0]), round(float(found.cov[0, 0]), 6)
    (4.0, 2.666667)
    """
    one_of("estimand", estimand, ESTIMANDS)
    psi = scores(y, arm, e, mu)
    k = e.shape[1] - 1
    n = len(y)
    estimate, influence = np.empty(k), np.empty((n, k))
    h: FloatArray | float = 1.0
    moved: FloatArray | float = 0.0
    if estimand == "overlap":
        h = overlap_weight(e)
        if not known:
            got = np.eye(k + 1)[arm]
            moved = (h[:, None] ** 2 / e**2 * (got - e)).sum(axis=1)
    for a in range(1, k + 1):
        weight: FloatArray | float = 1.0
        total = float(n)
        if estimand == "att":
            own = (arm == a).astype(float)
            gain = own * (y - mu[:, 0]) - (arm == 0) * (e[:, a] / e[:, 0]) * (y - mu[:, 0])
            weight, total = own, float(own.sum())
        elif estimand == "overlap":
            gain = h * (psi[:, a] - psi[:, 0]) + moved * (mu[:, a] - mu[:, 0])
            weight = h + moved
            total = float(np.sum(weight))
        else:
            gain = psi[:, a] - psi[:, 0]
        # From a middle value on, so that a common size of all outcomes costs no digits.
        estimate[a - 1] = float(gain.sum()) / total
        gain -= weight * estimate[a - 1]
        gain /= total
        influence[:, a - 1] = gain
    cov, spread = clustered(influence, arm, k + 1, cluster)
    return Averages(estimate, cov, spread, influence)


def mean_outcomes(y: FloatArray, arm: IntArray, e: FloatArray, mu: FloatArray, estimand: str) -> FloatArray:
    """Mean outcome under every arm, shape (k + 1,), of those whom the estimand is about; "att": of each arm's own rows.

    Parameters
    ----------
    y, arm, e, mu : ndarray
        As in `scores`.
    estimand : {"ate", "att", "overlap"}
    """
    if estimand == "att":
        arms = e.shape[1]
        own = np.bincount(arm, y, minlength=arms) / np.bincount(arm, minlength=arms)
        return np.asarray(own, dtype=np.float64)
    psi = scores(y, arm, e, mu)
    if estimand == "overlap":
        h = overlap_weight(e)
        return np.asarray((h[:, None] * psi).sum(axis=0) / h.sum())
    return np.asarray(psi.mean(axis=0))


def clustered(
    influence: FloatArray, arm: IntArray, arms: int, cluster: IntArray | None = None
) -> tuple[FloatArray, Spread]:
    """Covariance of sums of influences, and the t distribution that goes with it.

    Parameters
    ----------
    influence : ndarray, shape (n, k)
    arm : ndarray, shape (n,)
    arms : int
    cluster : ndarray, shape (n,), optional

    Returns
    -------
    cov : ndarray, shape (k, k)
    spread : Spread
    """
    by_group, trust = by_groups(influence, arm, arms, cluster)
    cov = np.asarray((by_group * trust.factor[:, None, None]).sum(axis=0))
    variance = np.diagonal(by_group, axis1=1, axis2=2).T.copy()
    return cov, welch(variance, trust, given=np.diag(cov).copy())


def by_groups(
    influence: FloatArray, arm: IntArray, arms: int, cluster: IntArray | None = None
) -> tuple[FloatArray, Trust]:
    """What each arm adds to the covariance of sums of influences; clusters of several arms are a group of their own.

    Parameters
    ----------
    influence, arm, arms, cluster
        As in `clustered`.

    Returns
    -------
    by_group : ndarray, shape (groups, k, k)
    trust : Trust
        Of the groups.
    """
    if cluster is None:
        group, sums = arm, influence
        trust = equal(np.bincount(arm, minlength=arms).astype(float))
    else:
        groups = int(cluster.max()) + 1
        group = groups_of_clusters(arm, cluster, arms)
        sums = np.column_stack([np.bincount(cluster, column, minlength=groups) for column in influence.T])
        size = np.bincount(cluster, minlength=groups).astype(float)
        kinds = int(group.max()) + 1
        live = group >= 0
        group, sums, size = group[live], sums[live], size[live]
        trust = trust_in(size, group, max(kinds, arms))
    k = influence.shape[1]
    by_group = np.zeros((len(trust.factor), k, k))
    for g in range(len(trust.factor)):
        own = sums[group == g]
        by_group[g] = own.T @ own
    return by_group, trust
