"""How far residuals beside a curve can be trusted as errors, cluster by cluster (Bell and McCaffrey 2002).

A residual at the end of the doses is much smaller than its error: the curve follows it. With L the loadings of a row on
the errors, summed by cluster, M = I - H with the hat matrix of the curve, and S the covariance of the errors, the
scores of the clusters have the covariance V = L' M S M' L. Their sum of squares has the mean tr V, and the degrees of
freedom (tr V)^2 / tr V^2. S has a common part rho within clusters (Imbens and Kolesár 2016). V is diagonal but for a
few ranks, as many as the curve has coefficients, so it is never formed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.dose.basis import Basis

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def common_part(residual: FloatArray, cluster: IntArray) -> float:
    """Correlation of residuals within clusters, in [0, 1]; 0 where no cluster holds two units.

    Parameters
    ----------
    residual : ndarray, shape (n, T)
    cluster : ndarray of int, shape (n,)
        Dense codes.
    """
    count = np.bincount(cluster).astype(float)
    pairs = float((count * (count - 1)).sum())
    own = float((residual**2).sum())
    if not pairs or not own:
        return 0.0
    sums = np.zeros((len(count), residual.shape[1]))
    np.add.at(sums, cluster, residual)
    return float(np.clip(((sums**2).sum() - own) / pairs / (own / len(residual)), 0.0, 1.0))


def trusted(
    b: Basis, weight: FloatArray, cluster: IntArray, counted: NDArray[np.bool_], load: FloatArray, rho: float
) -> tuple[float, float, float]:
    """Degrees of freedom of a row's variance, the factor that makes it unbiased, and its size; (0, 1, 0) without one.

    Parameters
    ----------
    b : Basis
    weight : ndarray, shape (n,)
        Of the units of the curve; their own errors vary with its inverse.
    cluster : ndarray of int, shape (n,)
        Dense codes.
    counted : ndarray of bool, shape (clusters,)
        Whose scores are summed.
    load : ndarray, shape (J, J)
        Loadings of the row on the coefficients, multiplied and added up over periods.
    rho : float
        See `common_part`.
    """
    size, pieces = len(counted), len(load)
    fit, psi, own = b.fit.T, b.psi, 1 / weight

    def add(of_unit: FloatArray) -> FloatArray:
        return np.column_stack([np.bincount(cluster, column, minlength=size) for column in of_unit.T])

    whole = add(fit)
    middle = (1 - rho) * (fit.T * own) @ fit + rho * whole.T @ whole
    value, vector = np.linalg.eigh(load)
    diagonal, sides, blocks = np.zeros(size), list[FloatArray](), list[FloatArray]()
    for r in np.flatnonzero(value > 1e-12 * max(float(value.max()), 0.0)):
        a = fit @ vector[:, r]
        alone, common = add((a**2 * own)[:, None])[:, 0], add(a[:, None])[:, 0]
        diagonal += value[r] * ((1 - rho) * alone + rho * common**2)
        along = add(a[:, None] * psi)
        beside = (1 - rho) * add((a * own)[:, None] * fit) + rho * common[:, None] * whole
        sides += [along, beside]
        empty = np.zeros((pieces, pieces))
        blocks.append(value[r] * np.block([[middle, -np.eye(pieces)], [-np.eye(pieces), empty]]))
    if not sides:
        return 0.0, 1.0, 0.0
    from scipy.linalg import block_diag

    side, diagonal = np.hstack(sides)[counted], diagonal[counted]
    inner = block_diag(*blocks)
    cross = inner @ (side.T @ side)
    mean = float(diagonal.sum() + np.trace(cross))
    spread = float(
        (diagonal**2).sum() + 2 * np.trace(inner @ (side.T * diagonal) @ side) + np.einsum("ij,ji->", cross, cross)
    )
    if not (mean > 1e-9 * diagonal.sum() > 0 and spread > 0):
        return 0.0, 1.0, 0.0
    return mean**2 / spread, float(diagonal.sum()) / mean, float(diagonal.sum())
