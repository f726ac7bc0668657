"""Outcome, treatment and instruments less what constant and covariates explain, on scales of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.logit import independent

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Partial:
    """What is left of the variables after regression on a constant and the covariates (Frisch, Waugh and Lovell).

    Attributes
    ----------
    y, d : ndarray, shape (n,)
        Outcome and treatment, over `y_scale` and `d_scale`.
    z : ndarray, shape (n, k)
        Instruments as orthonormal columns: those left are `z` @ `back`.
    back : ndarray, shape (k, k)
    lev : ndarray, shape (n,)
        Leverage of constant and covariates.
    x : ndarray, shape (n, p)
        The covariates that were kept, standardised.
    y_scale, d_scale : float
    kept : ndarray of bool
        Instruments that are no combination of covariates and of those before them.
    """

    y: FloatArray
    d: FloatArray
    z: FloatArray
    back: FloatArray
    lev: FloatArray
    x: FloatArray
    y_scale: float
    d_scale: float
    kept: NDArray[np.bool_]

    @property
    def n(self) -> int:
        """Rows."""
        return int(self.y.shape[0])

    @property
    def p(self) -> int:
        """Covariates."""
        return int(self.x.shape[1])

    @property
    def k(self) -> int:
        """Instruments."""
        return int(self.z.shape[1])


def partial_out(y: FloatArray, d: FloatArray, z: FloatArray, x: FloatArray) -> Partial:
    """Take constant and covariates out of the others.

    Parameters
    ----------
    y, d : ndarray, shape (n,)
    z : ndarray, shape (n, k)
        Instruments.
    x : ndarray, shape (n, p)
        Covariates of mean zero on one scale, none a combination of the others.

    Examples
    --------
    >>> left = partial_out(np.array([1.0, 2, 6]), np.array([0.0, 1, 1]), np.array([[0.0], [1], [1]]), np.zeros((3, 0)))
    >>> (left.y * left.y_scale).round(9).tolist(), float(left.lev[0].round(9))
    ([-2.0, -1.0, 3.0], 0.333333333)
    """
    n = len(y)
    root = _root(x.T @ x) if x.shape[1] else np.zeros((0, 0))
    basis = x @ np.linalg.solve(root, np.eye(x.shape[1])) if x.shape[1] else x  # orthonormal up to rounding
    lev = 1.0 / n + np.einsum("ij,ij->i", basis, basis)
    sides = [_unit(column) for column in (y, d, *z.T)]
    left = np.column_stack([column for column, _ in sides])
    for _ in range(2):  # the second time takes away what rounding left
        left -= left.mean(axis=0)
        if x.shape[1]:
            left -= basis @ (basis.T @ left)
    spread = np.sqrt(np.einsum("ij,ij->j", left, left))
    # What rounding leaves of a column that the covariates explain is no variation.
    gone = spread <= 1e-10 * np.sqrt(n)
    left[:, gone] = 0.0
    instruments = left[:, 2:]
    kept = independent(instruments)
    instruments = instruments[:, kept]
    back = _root(instruments.T @ instruments) if kept.any() else np.zeros((0, 0))
    unit = np.asarray(np.linalg.solve(back.T, instruments.T).T if kept.any() else instruments, dtype=np.float64)
    scale = np.array([s for _, s in sides[2:]])[kept]
    return Partial(
        np.ascontiguousarray(left[:, 0]), np.ascontiguousarray(left[:, 1]), unit, back * scale, lev, x,
        sides[0][1], sides[1][1], kept,
    )  # fmt: skip


def _unit(column: FloatArray) -> tuple[FloatArray, float]:
    """A column of mean zero and size one, and what its size was; 1 for a constant."""
    centred = column - column.mean()
    top = float(np.abs(centred).max(initial=0.0))
    if not top > 1e-13 * float(np.abs(column).max(initial=0.0)):
        return np.zeros(len(column)), 1.0
    scale = top * float(np.sqrt(np.mean((centred / top) ** 2)))
    return centred / scale, scale


def _root(square: FloatArray) -> FloatArray:
    """Upper triangle R with R'R = square."""
    return np.asarray(np.linalg.cholesky(square).T)
