"""The line that tells the long outcome from surrogates, fitted in the history."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MOST_LEVERAGE = 1.0 - 1e-10


class Index(NamedTuple):
    """Least squares of the long outcome on centred surrogates and covariates.

    Attributes
    ----------
    beta : ndarray, shape (p,)
        Without the constant, which is the mean of the outcome.
    residual, leverage : ndarray, shape (m,)
    influence : ndarray, shape (m, p)
        What each row of the history adds to the slopes less the truth.
    constant : ndarray, shape (m,)
        What each row adds to the constant.
    df : float
        Rows less coefficients.
    """

    beta: FloatArray
    residual: FloatArray
    leverage: FloatArray
    influence: FloatArray
    constant: FloatArray
    df: float

    @property
    def variance(self) -> float:
        """Of the outcome around the index."""
        return float(self.residual @ self.residual) / self.df


def fit_index(x: FloatArray, y: FloatArray) -> Index:
    """Fit the index.

    Parameters
    ----------
    x : ndarray, shape (m, p)
        Independent columns with mean zero.
    y : ndarray, shape (m,)

    Examples
    --------
    >>> x = np.array([[-1.0], [0.0], [1.0]])
    >>> found = fit_index(x, np.array([1.0, 3.0, 5.0]))
    >>> found.beta.tolist(), round(found.variance, 12)
    ([2.0], 0.0)
    """
    bread = np.linalg.inv(x.T @ x)
    centred = y - y.mean()
    beta = bread @ (x.T @ centred)
    residual = centred - x @ beta
    turned = x @ bread
    leverage = np.minimum(np.einsum("ij,ij->i", turned, x) + 1.0 / len(y), _MOST_LEVERAGE)
    influence = turned * residual[:, None]
    return Index(beta, residual, leverage, influence, residual / len(y), float(len(y) - x.shape[1] - 1))


def explained(x: FloatArray, y: FloatArray, fold: IntArray) -> float:
    """Share of the variance of `y` that the index tells in rows it has not seen; below 0 where it misleads."""
    left = total = 0.0
    for f in range(int(fold.max()) + 1):
        out = fold == f
        a = np.column_stack([np.ones(int((~out).sum())), x[~out]])
        level = float(y[~out].mean())
        beta = np.linalg.lstsq(a, y[~out] - level, rcond=None)[0]
        left += float(((y[out] - level - beta[0] - x[out] @ beta[1:]) ** 2).sum())
        total += float(((y[out] - level) ** 2).sum())
    return 1.0 - left / total if total > 0 else 0.0


class Part(NamedTuple):
    """One source of chance: influences whose sum of squares by cluster is a variance.

    Attributes
    ----------
    sums : ndarray, shape (clusters, k)
    code : ndarray of int, shape (clusters,)
        Of each cluster among those of both tables; negative where the row stands alone.
    factor : float
        On the sum of squares.
    df : float
    """

    sums: FloatArray
    code: IntArray
    factor: float
    df: float

    @property
    def cov(self) -> FloatArray:
        """Covariance, shape (k, k)."""
        return np.asarray(self.factor * (self.sums.T @ self.sums))


def part(influence: FloatArray, cluster: IntArray | None, lost: int, leverage: FloatArray | None = None) -> Part:
    """Influences as a source of chance.

    Parameters
    ----------
    influence : ndarray, shape (n, k)
    cluster : ndarray of int, shape (n,), or None
        Codes; rows stand alone without.
    lost : int
        Degrees of freedom that estimates have used: coefficients of a line, 1 for a mean.
    leverage : ndarray, shape (n,), optional
        Of a line: rows get MacKinnon and White's HC2 in place of the factor n / (n - lost).

    Notes
    -----
    Clusters get G / (G - 1) x (n - 1) / (n - lost), as Stata and statsmodels have it.
    """
    n = len(influence)
    if cluster is None:
        alone = np.full(n, -1, dtype=np.int64)
        if leverage is not None:
            return Part(influence / np.sqrt(1.0 - leverage)[:, None], alone, 1.0, float(n - lost))
        return Part(influence, alone, n / (n - lost), float(n - lost))
    code, at = np.unique(cluster, return_inverse=True)
    sums = np.column_stack([np.bincount(at, c, minlength=len(code)) for c in influence.T])
    groups = len(code)
    factor = groups / max(groups - 1, 1) * (n - 1) / max(n - lost, 1)
    return Part(sums.astype(np.float64), code, factor, float(groups - 1))


def joined(parts: list[Part]) -> tuple[FloatArray, FloatArray]:
    """Covariance of the sum of several sources, and its degrees of freedom by term (Welch 1947).

    Sources share a cluster where its code stands in both: then what it adds to one and to the other goes together.
    """
    k = parts[0].sums.shape[1]
    cov, squares = np.zeros((k, k)), np.zeros(k)
    for one in parts:
        own = one.cov
        cov += own
        if one.df > 0:
            squares += np.diag(own) ** 2 / one.df
    for i, one in enumerate(parts):
        for other in parts[i + 1 :]:
            both, a, b = np.intersect1d(one.code, other.code, return_indices=True)
            a, b = a[both >= 0], b[both >= 0]
            if len(a):
                cross = np.sqrt(one.factor * other.factor) * (one.sums[a].T @ other.sums[b])
                cov += cross + cross.T
    df = np.full(k, np.inf)
    np.divide(np.diag(cov) ** 2, squares, out=df, where=squares > 0)
    return cov, df
