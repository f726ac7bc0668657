"""Doubly robust scores of single users, and sums of influences by cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.skewed import skewness
from gmvcausal.stats.small_cells import MIN_CELL
from gmvcausal.stats.small_sample import Trust, groups_of_clusters, trust_of_shares, welch
from gmvcausal.targeting.audit.rules import MIN_CLUSTERS, judge
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


def too_few(cluster: IntArray | None, arm: IntArray) -> bool:
    """Whether some arm has fewer clusters (all of them, where they hold several arms) than an interval needs."""
    if cluster is None:
        return False
    arms = int(arm.max()) + 1
    group = groups_of_clusters(arm, cluster, arms)
    counts = [len(group)] if (group == arms).any() else np.bincount(group[group >= 0], minlength=arms)[np.unique(arm)]
    return min(counts) < MIN_CLUSTERS


def spread(
    influence: FloatArray, cluster: IntArray | None, arm: IntArray, part: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Covariance from influences, shape (n, p), and the degrees of freedom of each term, shape (p,).

    As for average effects: squared sums by arm, of users or of clusters, each with the factor and the degrees of
    freedom of Bell and McCaffrey. Only those behind a term count for it: five treated users in a tenth are few,
    however many there are elsewhere, and so are ten rooms, however many users they have.
    With fewer in an arm all is NaN.

    Parameters
    ----------
    influence : ndarray, shape (n, p)
    cluster : ndarray of int, shape (n,), optional
    arm : ndarray of int, shape (n,)
    part : ndarray, shape (n,) or (n, p), optional
        With what weight each user's outcome is in each term; 0 for those who are not behind it. Default 1.

    Examples
    --------
    Two users in each arm, then two of one arm beside many of the other.

    >>> cov, df = spread(np.array([[1.0], [-1], [2], [-2]]), None, np.array([0, 0, 1, 1]))
    >>> cov.round(9).tolist(), round(float(df[0]), 2)
    ([[20.0]], 1.47)
    >>> few = np.repeat([1.0, 0.0], [4, 96])
    >>> _, df = spread(np.tile([[1.0], [-1]], (50, 1)) * few[:, None], None, np.arange(100) // 2 % 2, few)
    >>> round(float(df[0]), 2)
    2.0
    """
    terms, kinds = influence.shape[1], int(arm.max()) + 1
    weight = np.ones(len(influence)) if part is None else part
    weight = np.broadcast_to(weight[:, None] if weight.ndim == 1 else weight, influence.shape)
    added = Spreading(terms, kinds)
    if cluster is None:
        added.add(influence, np.where(weight > 0, arm[:, None], -1), weight)
        return added.found()
    codes = np.unique(cluster, return_inverse=True)[1]
    if too_few(codes, arm):
        return np.full((terms, terms), np.nan), np.full(terms, np.nan)
    groups = [groups_of_clusters(np.where(w > 0, arm, -1).astype(np.int64), codes, kinds) for w in weight.T]
    added.add(_by(codes, influence), np.column_stack(groups), _by(codes, weight))
    return added.found()


def _by(codes: IntArray, values: FloatArray) -> FloatArray:
    """Sums of columns by code."""
    return np.column_stack([np.bincount(codes, column).astype(float) for column in values.T])


class Spreading:
    """`spread` from influences that come in parts: of users, or of clusters.

    Parameters
    ----------
    terms : int
    kinds : int
        Arms.
    """

    def __init__(self, terms: int, kinds: int) -> None:
        self._total = np.zeros((terms, terms))
        # Clusters that hold several arms are a group of their own.
        self._squares, self._powers = np.zeros((terms, kinds + 1)), np.zeros((terms, 5, kinds + 1))
        self._counts = np.zeros((terms, kinds + 1))

    def add(self, influence: FloatArray, group: IntArray, part: FloatArray) -> None:
        """More of them; a group below 0 is not behind the term. All have the shape (n, terms)."""
        self._total += influence.T @ influence
        groups = self._counts.shape[1]
        for t in range(influence.shape[1]):
            live = np.flatnonzero(group[:, t] >= 0)
            of, size = group[live, t], part[live, t]
            self._squares[t] += np.bincount(of, influence[live, t] ** 2, minlength=groups)
            self._counts[t] += np.bincount(of, minlength=groups)
            power = np.ones(len(live))
            for k in range(5):
                power = power * size
                self._powers[t, k] += np.bincount(of, power, minlength=groups)

    def found(self) -> tuple[FloatArray, FloatArray]:
        """As `spread`."""
        terms = len(self._total)
        widen, df = np.ones(terms), np.full(terms, np.inf)
        for t in range(terms):
            total = np.where(self._powers[t, 0] > 0, self._powers[t, 0], 1.0)
            shares = np.column_stack([self._powers[t, k] / total ** (k + 1) for k in range(1, 5)])
            found = trust_of_shares(shares, self._counts[t], 0)
            trust = Trust(np.append(found.df, 0.0), np.append(found.factor, 1.0), found.alone)
            # What others add (the share of a group varies, too) is a mean over many.
            rest = max(float(self._total[t, t]) - float(self._squares[t].sum()), 0.0)
            by_group = np.append(self._squares[t], rest)
            unbiased = float(by_group @ trust.factor)
            df[t] = welch(by_group[None], trust, given=np.array([unbiased])).df[0]
            widen[t] = np.sqrt(unbiased / by_group.sum()) if by_group.sum() > 0 else 1.0
        return np.asarray(self._total * np.outer(widen, widen)), df


def fewest(part: FloatArray, arms: Sequence[NDArray[np.bool_]], cluster: IntArray | None) -> float:
    """Users (clusters) behind a part of the users, of the arm that has fewest; tied users count in parts."""
    least = min(float(part[own].sum()) for own in arms)
    if cluster is None:
        return least
    return min(least, *(float(len(np.unique(cluster[own & (part > 0)]))) for own in arms))


def heavy(influence: FloatArray, side: IntArray, y: FloatArray) -> tuple[str, ...]:
    """A note where the rule of the tail warns of influences, shape (m,), of the control (0), the arm (1) and others."""
    if not influence.any() or judge("tail", skewness(influence, side, 1)) == "passed":
        return ()
    counts = [int((side == a).sum()) for a in (0, 1)]
    buyers = int((y[side == int(np.argmin(counts))] != 0).sum())
    many = f"fewer than {MIN_CELL}" if 0 < buyers < MIN_CELL else f"about {buyers:,}"
    return (f"heavy tail: {many} buyers of the smaller arm decide this; its interval may miss more often than it says",)
