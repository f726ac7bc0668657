"""The numbers of a decomposition: shares of the change, their slopes, and the influence of every row on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.product import lmdi, shapley
from gmvcausal.stats.small_sample import Spread, trust_in, welch_df

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

METHODS = {"shapley": shapley, "lmdi": lmdi}
_STEP = 1e-30  # of complex differentiation, which has no rounding to balance


def pieces(then: NDArray[Any], now: NDArray[Any], method: str) -> NDArray[Any]:
    """Total, share of each factor, and log ratio of the product and of each factor, shape (2 K + 2,).

    Parameters
    ----------
    then, now : ndarray, shape (K + 1,)
        Means of the stages in the two groups; the first stage is what the first factor is a ratio to.
    method : {"shapley", "lmdi"}
    """
    before, after = then[1:] / then[:-1], now[1:] / now[:-1]
    logs = np.log(after / before)
    total = now[-1] / now[0] - then[-1] / then[0]
    whole = np.log(now[-1] / now[0] / (then[-1] / then[0]))
    return np.concatenate([[total], METHODS[method](before, after), [whole], logs])


def slopes(then: FloatArray, now: FloatArray, method: str) -> tuple[FloatArray, FloatArray]:
    """Derivatives of `pieces` by the means of either group, each of shape (2 K + 2, K + 1)."""
    k = len(then)
    out = np.empty((2, 2 * k, k))
    for side in range(2):
        for j in range(k):
            moved = [then.astype(complex), now.astype(complex)]
            moved[side][j] += 1j * _STEP * abs(moved[side][j])
            out[side, :, j] = pieces(moved[0], moved[1], method).imag / (_STEP * abs(moved[side][j].real))
    return out[0], out[1]


@dataclass(frozen=True)
class Joint:
    """Uncertainty of all pieces together.

    Attributes
    ----------
    cov : ndarray, shape (a, a)
    spread : Spread
        Degrees of freedom of each piece.
    largest : ndarray, shape (a,)
        Share of the variance of each piece that comes from the largest cluster.
    clusters : int
        Of the smallest group; of all where clusters hold several groups.
    """

    cov: FloatArray
    spread: Spread
    largest: FloatArray
    clusters: int


def joint(
    x: FloatArray, group: IntArray, mean: FloatArray, slope: FloatArray, cluster: IntArray | None, size: FloatArray
) -> Joint:
    """Delta method from rows: the jackknife of clusters (CR3), with the degrees of freedom of Welch.

    The sum over a cluster's rows is divided by one less its share of the group, and the variance multiplied by
    (C - 1) / C, as `ab_test` does: of rows that is n / (n - 1), so that the total has the standard error and the
    degrees of freedom of Welch's t test. Where clusters hold several groups (users seen in both periods), the groups
    covary within them, and all C clusters together give the degrees of freedom.

    Parameters
    ----------
    x : ndarray, shape (n, s)
        Stages.
    group : ndarray of int, shape (n,)
    mean : ndarray, shape (g, s)
        Of the groups.
    slope : ndarray, shape (g, a, s)
        Derivatives of the pieces by the groups' means.
    cluster : ndarray of int, shape (n,), optional
        Codes; default each row its own.
    size : ndarray, shape (n,)
        Users of each row.
    """
    groups = len(mean)
    rows = np.bincount(group, minlength=groups)
    score = np.empty((len(x), slope.shape[1]))
    for g in range(groups):
        inside = group == g
        score[inside] = (x[inside] - mean[g]) @ slope[g].T / rows[g]
    home, whose = group, np.arange(len(x))
    if cluster is not None:
        cell, code = np.unique(cluster * groups + group, return_inverse=True)
        score, size = _summed(score, code), np.bincount(code, size).astype(float)
        home, whose = cell % groups, np.unique(cell // groups, return_inverse=True)[1]
    share = size / np.bincount(home, size)[home]
    # A group of one cluster leaves nothing over: no interval is given then, so any number will do.
    score = score / np.maximum(1 - share, 1e-9)[:, None]
    clusters = int(whose.max()) + 1
    if clusters < len(home):
        score, size = _summed(score, whose), np.bincount(whose, size).astype(float)
        home = np.zeros(clusters, dtype=np.int64)
    count = np.bincount(home)
    score *= np.sqrt((count - 1) / count)[home][:, None]
    square = score * score
    df = trust_in(size, home, len(count)).df
    variance = square.sum(axis=0)
    found = np.full(len(variance), np.inf)
    for term in np.flatnonzero(variance > 0):
        parts = np.bincount(home, square[:, term])
        found[term] = welch_df([(float(v), float(d)) for v, d in zip(parts, df, strict=True) if v > 0 and d > 0])
    largest = np.divide(square.max(axis=0), variance, out=np.zeros(len(variance)), where=variance > 0)
    return Joint(score.T @ score, Spread(found, np.ones(len(found))), largest, int(count.min()))


def _summed(score: FloatArray, code: IntArray) -> FloatArray:
    return np.column_stack([np.bincount(code, s) for s in score.T])
