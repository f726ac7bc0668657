"""Covariances of sums of scores: robust, clustered or unadjusted, with the small-sample convention by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.small_sample import groups_of_clusters, trust_in

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

KINDS = ("robust", "unadjusted")
SSC = ("hc2", "hc1", "none")


@dataclass(frozen=True, eq=False)
class Errors:
    """How scores add up to a covariance.

    Attributes
    ----------
    kind : {"robust", "unadjusted"}
    ssc : {"hc2", "hc1", "none"}
        "hc2": residuals over the root of one less their leverage, Welch's degrees of freedom over the arms of a binary
        instrument; of clusters the unbiased factor of Bell and McCaffrey for each arm. "hc1": n / (n - K), and
        G / (G - 1) x (n - 1) / (n - K) under clusters. "none": as the sums are, and the normal distribution.
    arm : ndarray of int, shape (n,), or None
        Arms of a binary instrument.
    cluster : ndarray of int, shape (n,), or None
        Dense codes.
    """

    kind: str
    ssc: str
    arm: IntArray | None = None
    cluster: IntArray | None = None

    @property
    def weighs(self) -> bool:
        """Whether residuals are taken over the root of one less their leverage."""
        return self.kind == "robust" and self.ssc == "hc2" and self.cluster is None


@dataclass(frozen=True, eq=False)
class Part:
    """An independent part of a covariance, shape (m, m), with its degrees of freedom."""

    cov: FloatArray
    df: float


def parts(
    weight: FloatArray, residual: FloatArray, leverage: FloatArray, size: IntArray, how: Errors, p: int
) -> list[Part]:
    """Covariance of the sums of weight x residual, part by part.

    Parameters
    ----------
    weight, residual, leverage : ndarray, shape (n, m)
    size : ndarray of int, shape (m,)
        Coefficients of the regression that each residual is of.
    how : Errors
    p : int
        Covariates besides the constant.

    Examples
    --------
    >>> y, arm = np.array([1.0, 3, 2, 6]), np.array([0, 0, 1, 1])
    >>> w, r, h = np.array([[-0.5, -0.5, 0.5, 0.5]]).T, np.array([[-1.0, 1, -2, 2]]).T, np.full((4, 1), 0.5)
    >>> found = parts(w, r, h, np.array([2]), Errors("robust", "hc2", arm), 0)
    >>> [(round(float(one.cov[0, 0]), 9), one.df) for one in found]
    [(1.0, 1.0), (4.0, 1.0)]
    """
    n = len(weight)
    none = np.ones(len(size))
    free = np.sqrt(np.maximum(n - size, none))
    if how.kind == "unadjusted":
        scale = np.sqrt(n) if how.ssc == "none" else free
        cov = (weight.T @ weight) * (residual.T @ residual) / np.outer(scale, np.broadcast_to(scale, size.shape))
        return [Part(cov, np.inf if how.ssc == "none" else float(n - size[0]))]
    scores = weight * residual
    if how.weighs:
        scores /= np.sqrt(np.maximum(1.0 - leverage, 1e-10))
        if how.arm is None:
            return [Part(scores.T @ scores, float(n - size[0]))]
        found = []
        for a in range(2):
            own = scores[how.arm == a]
            found.append(Part(own.T @ own, max(len(own) * (1 - p / n) - 1, 0.0)))
        return [one for one in found if one.df > 0]
    if how.cluster is None:
        factor = np.sqrt(n) / free if how.ssc == "hc1" else none
        return [Part(scores.T @ scores * np.outer(factor, factor), float(n - size[0]) if how.ssc == "hc1" else np.inf)]
    groups = int(how.cluster.max()) + 1
    sums: FloatArray = np.column_stack([np.bincount(how.cluster, c, minlength=groups) for c in scores.T]).astype(float)
    if how.ssc != "hc2":
        factor = np.sqrt(groups / (groups - 1) * (n - 1)) / free if how.ssc == "hc1" else none
        cov = sums.T @ sums * np.outer(factor, factor)
        return [Part(cov, float(groups - 1) if how.ssc == "hc1" else np.inf)]
    arm = np.zeros(n, dtype=np.int64) if how.arm is None else how.arm
    kinds = 1 if how.arm is None else 2
    group = groups_of_clusters(arm, how.cluster, kinds)
    if (np.bincount(group) == 1).any():  # a cluster alone in its group says nothing of its variance: all are one group
        group, kinds = np.zeros(groups, dtype=np.int64), 1
    trust = trust_in(np.bincount(how.cluster, minlength=groups).astype(float), group, kinds + 1)
    found = []
    for g in range(kinds + 1):
        own = sums[group == g]
        if trust.df[g] > 0:
            found.append(Part(own.T @ own * trust.factor[g], float(trust.df[g])))
    return found
