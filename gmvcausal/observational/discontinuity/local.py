"""Local polynomials on one side of a threshold, and the residuals behind their variances: plain functions on arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ERRORS = ("nn", "hc0", "hc1", "hc2", "hc3")
_MATCHES = 3
_TIE = math.sqrt(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Side:
    """Rows on one side of the threshold, in ascending order of the score.

    Attributes
    ----------
    x : ndarray, shape (n,)
        Score less threshold.
    d : ndarray, shape (n, m)
        Outcome, then the treatment where `fuzzy`, then covariates.
    fuzzy : bool
    cluster : ndarray of int, shape (n,), or None
    """

    x: FloatArray
    d: FloatArray
    fuzzy: bool = False
    cluster: IntArray | None = None

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.x)

    def where(self, keep: NDArray[np.bool_]) -> Side:
        """The rows that `keep` marks."""
        cluster = None if self.cluster is None else self.cluster[keep]
        return Side(self.x[keep], self.d[keep], self.fuzzy, cluster)

    def columns(self, wanted: list[int], fuzzy: bool) -> Side:
        """The same rows with other columns of `d`."""
        return Side(self.x, self.d[:, wanted], fuzzy, self.cluster)


def triangular(x: FloatArray, h: float) -> FloatArray:
    """Triangular kernel over h.

    Examples
    --------
    >>> triangular(np.array([0.0, 1.0, 2.0]), 2.0).tolist()
    [0.5, 0.25, 0.0]
    """
    u = np.abs(x / h)
    return np.asarray((1 - u) * (u <= 1) / h)


def powers(x: FloatArray, order: int) -> FloatArray:
    """1, x, ..., x^order, shape (n, order + 1)."""
    return np.vander(x, order + 1, increasing=True)


def gram_inverse(r: FloatArray, w: FloatArray) -> FloatArray:
    """Inverse of r' W r; NaN where there is none."""
    try:
        return np.asarray(np.linalg.inv((r * w[:, None]).T @ r))
    except np.linalg.LinAlgError:
        return np.full((r.shape[1], r.shape[1]), np.nan)


def neighbours(x: FloatArray, matches: int = _MATCHES) -> tuple[IntArray, IntArray]:
    """First and one past the last row of each row's nearest others, at least `matches` of them; ties all count.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Ascending.

    Examples
    --------
    >>> lo, hi = neighbours(np.array([0.0, 1, 3, 4, 4]), 1)
    >>> lo.tolist(), hi.tolist()
    ([0, 0, 2, 3, 3], [2, 2, 5, 5, 5])
    """
    value, first, group, size = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    k, most = len(value), min(matches, len(x) - 1)
    left, right = np.arange(k), np.arange(k)  # groups that are in
    end = first + size
    for _ in range(most):
        short = end[right] - first[left] - 1 < most
        no_left, no_right = left == 0, right == k - 1
        far = np.where(no_left, np.inf, value - value[np.maximum(left - 1, 0)])
        near = np.where(no_right, np.inf, value[np.minimum(right + 1, k - 1)] - value)
        with np.errstate(invalid="ignore"):
            tie = np.abs(far - near) <= np.maximum(far, near) * _TIE
        tie &= ~no_left & ~no_right
        left = left - (short & ~no_left & (tie | (far <= near)))
        right = right + (short & ~no_right & (tie | (near < far)))
    return first[left][group], end[right][group]


def residuals(side: Side, fitted: FloatArray, leverage: FloatArray, size: int, kind: str) -> FloatArray:
    """Residuals that variances are made of, shape (n, m).

    Parameters
    ----------
    side : Side
    fitted : ndarray, shape (n, m)
    leverage : ndarray, shape (n,)
    size : int
        Coefficients of the fit.
    kind : {"nn", "hc0", "hc1", "hc2", "hc3"}
        "nn": against the mean of the nearest three rows of the same side (Abadie and Imai 2006), which needs no fit.
    """
    if kind == "nn" and side.cluster is None:
        d = side.d - side.d.mean(axis=0)
        lo, hi = neighbours(side.x)
        others = (hi - lo - 1).astype(float)
        total = np.vstack([np.zeros(d.shape[1]), np.cumsum(d, axis=0)])
        mean = (total[hi] - total[lo] - d) / others[:, None]
        return np.asarray(np.sqrt(others / (others + 1))[:, None] * (d - mean))
    rest = side.d - fitted
    if side.cluster is not None or kind == "hc0":
        return rest
    if kind == "hc1":
        return rest * math.sqrt(side.n / max(side.n - size, 1))
    left = np.maximum(1 - leverage, 1e-8)[:, None]
    return np.asarray(rest / (np.sqrt(left) if kind == "hc2" else left))


def variance(weight: FloatArray, residual: FloatArray, cluster: IntArray | None, size: int) -> float:
    """Variance of the sum of weight x residual; clusters with (n - 1) / (n - size) x G / (G - 1)."""
    score = weight * residual
    if cluster is None:
        return float(score @ score)
    sums = np.bincount(np.unique(cluster, return_inverse=True)[1], score)
    groups, n = len(sums), len(score)
    if groups < 2 or n <= size:
        return math.nan
    return float(sums @ sums) * (n - 1) / (n - size) * groups / (groups - 1)


def slopes(rw: FloatArray, inverse: FloatArray, side: Side, w: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What covariates need for their common slopes: Z'MZ and Z'M(y, t), of one side.

    Parameters
    ----------
    rw : ndarray, shape (n, order + 1)
        Powers times weights.
    inverse : ndarray
    side : Side
    w : ndarray, shape (n,)
    """
    own = 2 if side.fuzzy else 1
    u = rw.T @ side.d
    z = side.d[:, own:]
    cross = (z * w[:, None]).T @ side.d - u[:, own:].T @ (inverse @ u)
    return cross[:, own:], cross[:, :own]


def combination(level: FloatArray, gamma: FloatArray | None, fuzzy: bool) -> FloatArray:
    """Weights of outcome, treatment and covariates in the estimate, linearised where it is a ratio, shape (m,).

    Parameters
    ----------
    level : ndarray, shape (m,)
        Jumps (or coefficients) of each column.
    gamma : ndarray, shape (covariates, 1 or 2), or None
        Slopes of the covariates on outcome (and treatment).

    Examples
    --------
    >>> combination(np.array([6.0, 2.0]), None, True).tolist()
    [0.5, -1.5]
    """
    own = 2 if fuzzy else 1
    g = np.zeros((0, own)) if gamma is None else gamma
    if not fuzzy:
        return np.concatenate([[1.0], -g[:, 0]])
    y, t = level[:2] - g.T @ level[2:]
    if t == 0:
        return np.full(len(level), np.nan)
    return np.concatenate([[1 / t, -y / t**2], -g[:, 0] / t + y / t**2 * g[:, 1]])
