"""Least squares within units and periods: both kinds of means taken out exactly, on panels with gaps too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def within_both(columns: FloatArray, unit: IntArray, time: IntArray) -> FloatArray:
    """What units and periods leave of columns: residuals of a regression on a dummy for each of both.

    Means by unit are taken out first; what periods explain of the rest comes from one small system of equations.

    Parameters
    ----------
    columns : ndarray, shape (n, k)
    unit, time : ndarray of int, shape (n,)
        Dense codes.

    Examples
    --------
    >>> unit, time = np.repeat([0, 1, 2], 2), np.tile([0, 1], 3)
    >>> y = np.array([0.0, 1, 2, 4, 3, 7])
    >>> within_both(y[:, None], unit, time)[:, 0].round(6).tolist()
    [0.666667, -0.666667, 0.166667, -0.166667, -0.833333, 0.833333]
    """
    from scipy import sparse

    n, units, times = len(unit), int(unit.max()) + 1, int(time.max()) + 1
    held = np.bincount(unit, minlength=units).astype(float)
    moved = columns - columns.mean(axis=0)

    def less_unit(z: FloatArray) -> FloatArray:
        means = np.column_stack([np.bincount(unit, c, minlength=units) for c in z.T]) / held[:, None]
        left: FloatArray = z - means[unit]
        return left

    left = less_unit(moved)
    cells = sparse.csr_matrix((np.ones(n), (unit, time)), shape=(units, times))
    shared = np.asarray((cells.T @ sparse.diags(1 / held) @ cells).todense())
    equations = np.diag(np.bincount(time, minlength=times).astype(float)) - shared
    sums = np.column_stack([np.bincount(time, c, minlength=times) for c in left.T])
    effect = np.linalg.lstsq(equations, sums, rcond=1e-12)[0]
    return less_unit(left - effect[time])


def satterthwaite(z: FloatArray, pull: FloatArray, cluster: IntArray) -> float:
    """Degrees of freedom of a clustered variance (Bell and McCaffrey 2002), under errors that are alike and unrelated.

    Parameters
    ----------
    z : ndarray, shape (n, k)
        Regressors.
    pull : ndarray, shape (n,)
        What multiplies the residuals of a cluster in its score, the adjustment of CR2 included.
    cluster : ndarray of int, shape (n,)

    Examples
    --------
    >>> mean = np.full(8, 1 / 8)  # of eight clusters of one row: seven degrees of freedom
    >>> round(satterthwaite(np.ones((8, 1)), mean * np.sqrt(8 / 7), np.arange(8)), 9)
    7.0
    """
    values, vectors = np.linalg.eigh(z.T @ z)
    return of_basis(z @ (vectors / np.sqrt(values)), pull, cluster)


def of_basis(u: FloatArray, pull: FloatArray, cluster: IntArray) -> float:
    """`satterthwaite`, given orthonormal columns that span the regressors, shape (n, k)."""
    own = np.bincount(cluster, pull**2)
    crossed = np.column_stack([np.bincount(cluster, pull * c) for c in u.T])
    shared = (crossed**2).sum(axis=1)
    trace = float((own - shared).sum())
    squares = float((own**2 - 2 * own * shared).sum()) + float(((crossed.T @ crossed) ** 2).sum())
    return trace**2 / squares if squares > 0 else 0.0
