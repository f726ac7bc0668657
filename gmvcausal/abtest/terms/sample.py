"""From moments to each arm's mean vector and its covariance: by rows, by strata or by clusters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.moments import Moments
from gmvcausal.stats.small_sample import trust_in

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Arm:
    """One arm's mean vector.

    Attributes
    ----------
    n, units : float
        Rows; independent units behind them (rows or clusters).
    mean, rest : ndarray, shape (p,)
        The mean, and what rounding took from it.
    cross : ndarray, shape (p, p)
        Centred products within the arm (within its strata).
    parts : tuple of (ndarray of shape (p, p), float)
        The covariance of the mean is their sum; each with its degrees of freedom.
    effective : float
        How many units of one size would be as many: one over the sum of squared shares of the rows.
    sums : ndarray, shape (clusters, p), or None
        The deviations of each cluster's rows from the mean of the arm (of its stratum), added up; None without
        clusters.
    """

    n: float
    units: float
    mean: FloatArray
    rest: FloatArray
    cross: FloatArray
    parts: tuple[tuple[FloatArray, float], ...]
    effective: float = 0.0
    sums: FloatArray | None = None

    @property
    def cov(self) -> FloatArray:
        """Covariance of the mean, shape (p, p)."""
        return np.asarray(sum(part for part, _ in self.parts))


@dataclass(frozen=True, eq=False)
class Sample:
    """All arms.

    Attributes
    ----------
    arms : tuple of Arm
    crossed : float
        Where clusters hold several arms, how many clusters there are; else 0.
    between : ndarray, shape (arms, arms, p, p), or None
        Covariances between the means of the arms, where clusters hold several.
    df, effective : float
        Degrees of freedom, and clusters of one size that would be as many, where clusters hold several arms.
    """

    arms: tuple[Arm, ...]
    crossed: float = 0.0
    between: FloatArray | None = None
    df: float = 0.0
    effective: float = 0.0


def plain(moments: Moments, arms: int, strata: int) -> Sample:
    """Arms of independent rows; the groups of `moments` are arm x stratum, strata varying fastest.

    The mean of an arm is that of its strata, weighted by their shares in the whole test (post-stratification; Miratrix,
    Sekhon and Yu 2013). With one stratum it is the plain mean with the variance s^2 / n.
    """
    cells = zip(moments.n, moments.mean, moments.rest, moments.cross, strict=True)
    groups = [Arm(float(n), float(n), mean, rest, c, ((c / (n * (n - 1)), n - 1),)) for n, mean, rest, c in cells]
    return Sample(by_strata(tuple(groups), arms, strata))


def by_strata(groups: tuple[Arm, ...], arms: int, strata: int) -> tuple[Arm, ...]:
    """Arms from the cells of arm x stratum (strata varying fastest), weighted by the strata's shares in the test."""
    size = np.array([g.n for g in groups]).reshape(arms, strata)
    share = size.sum(axis=0) / size.sum()
    found = []
    for a in range(arms):
        own = groups[a * strata : (a + 1) * strata]
        parts = tuple((w * w * cov, df) for w, g in zip(share, own, strict=True) for cov, df in g.parts)
        if strata == 1:
            found.append(own[0])
            continue
        # About the first stratum, so that a large common offset costs no digits.
        moved = sum(w * ((g.mean - own[0].mean) + g.rest) for w, g in zip(share, own, strict=True))
        cross = np.sum([g.cross for g in own], axis=0)
        n, units = sum(g.n for g in own), sum(g.units for g in own)
        squares = sum((g.n / n) ** 2 / g.effective for g in own if g.effective > 0)
        sums = None if own[0].sums is None else np.concatenate([g.sums for g in own if g.sums is not None])
        effective = 1 / squares if squares > 0 else 0.0
        found.append(Arm(n, units, own[0].mean, np.asarray(moved), cross, parts, effective, sums))
    return tuple(found)


def clustered(moments: Moments, arms: int, strata: int = 1) -> Sample:
    """Arms whose rows come in clusters: the deviations of a cluster's rows are added up before they are squared.

    Each sum is divided by one less the cluster's share of its arm, and the variance multiplied by (C-1)/C: the
    jackknife (CR3; Bell and McCaffrey 2002), which is C/(C-1) where clusters are of one size. Degrees of freedom are
    Satterthwaite's from the clusters' shares: C-1 where they are of one size, fewer where they are not. Where clusters
    hold several arms, the arms covary within them, and all C clusters together give both. Strata are post-stratified as
    in `plain`; every cluster lies in one of them.
    """
    if strata > 1:
        return Sample(by_strata(clustered(moments, arms * strata).arms, arms, strata))
    cells = moments.cells
    assert cells is not None
    labels, code = np.unique(cells.cluster, return_inverse=True)
    crossed = len(labels) < len(code)
    total, found, scores = float(len(labels)), [], np.zeros((arms, len(labels), moments.mean.shape[1]))
    for a in range(arms):
        own = cells.group == a
        share = cells.n[own] / moments.n[a]
        moved = (cells.mean[own] - moments.mean[a]) - moments.rest[a]
        # An arm of one cluster leaves nothing over: no interval is given then, so any number will do.
        scores[a, code[own]] = (share / np.maximum(1 - share, 1e-9))[:, None] * moved
        c = total if crossed else float(own.sum())
        cov = (c - 1) / c * scores[a].T @ scores[a]
        df, effective = of_sizes(cells.n[own])
        mean, rest, cross = moments.mean[a], moments.rest[a], moments.cross[a]
        sums = cells.n[own][:, None] * moved
        found.append(Arm(float(moments.n[a]), float(own.sum()), mean, rest, cross, ((cov, df),), effective, sums))
    if not crossed:
        return Sample(tuple(found))
    between = (total - 1) / total * np.einsum("acp,bcq->abpq", scores, scores)
    return Sample(tuple(found), total, between, *of_sizes(np.bincount(code, cells.n).astype(float)))


def of_sizes(sizes: FloatArray) -> tuple[float, float]:
    """Degrees of freedom of clusters of these sizes (1 for a single one), and how many of one size would be as many."""
    if not len(sizes):
        return 1.0, 0.0
    df = float(trust_in(sizes, np.zeros(len(sizes), dtype=np.int64), 1).df[0])
    return df or 1.0, float(sizes.sum() ** 2 / (sizes @ sizes))


def usable(cross: FloatArray, columns: list[int]) -> list[int]:
    """Those of `columns` that vary in every arm and are no combination of those before them.

    Parameters
    ----------
    cross : ndarray, shape (arms, p, p)
        Centred products of each arm.
    columns : list of int
        Candidates, in the order in which they are kept.
    """
    kept: list[int] = []
    for j in columns:
        if all(_leftover(c, kept, j) > 1e-9 for c in cross):
            kept.append(j)
    return kept


def _leftover(cross: FloatArray, kept: list[int], j: int) -> float:
    """Share of the variance of column j that the kept columns do not explain."""
    if cross[j, j] <= 0:
        return 0.0
    if not kept:
        return 1.0
    return 1.0 - float(_standard_solve(cross, kept, j) @ cross[kept, j]) / float(cross[j, j])


def _standard_solve(cross: FloatArray, kept: list[int], j: Any) -> FloatArray:
    """Slopes of column(s) j on the kept ones; standardised inside, so that wild scales cost no digits."""
    scale = np.sqrt(np.diag(cross)[kept])
    matrix = cross[np.ix_(kept, kept)] / np.outer(scale, scale)
    right = cross[kept][:, j]
    right = right / (scale if right.ndim == 1 else scale[:, None])
    out = np.linalg.solve(matrix, right)
    return np.asarray(out / (scale if out.ndim == 1 else scale[:, None]))


def slopes(cross: FloatArray, outcome: int, covariates: list[int]) -> FloatArray:
    """Least-squares slopes of the outcome on the covariates within an arm, shape (k,)."""
    return _standard_solve(cross, covariates, outcome)


def without_dust(moments: Moments) -> Moments:
    """A column that is constant within a group has no variance there: what rounding left of one is swept out."""
    size = np.maximum(np.abs(moments.mean), 1e-300) * 1e-13
    spread = np.einsum("kii->ki", moments.cross)
    still = spread <= moments.n[:, None] * size * size
    if not still.any():
        return moments
    cross = np.where(still[:, :, None] | still[:, None, :], 0.0, moments.cross)
    return replace(moments, cross=cross)
