"""Least squares with weights that are not negative and add up to 1, solved exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_GAP = 1e-12  # relative: no weight can lower the objective by more than this share
_GONE = 1e-13  # weights below are zero up to rounding
_STRONG = 1e-4  # a penalty above this share of the largest squared distance keeps normal equations exact enough
_EPS = float(np.finfo(float).eps)


def simplex_weights(columns: FloatArray, target: FloatArray, ridge: float = 0.0) -> FloatArray:
    """Minimise ``|columns @ w - target|^2 + ridge |w|^2`` over weights that are not negative and add up to 1.

    As the weights add up to 1, this is the point nearest to zero in the hull of the columns less the target, which
    Wolfe's (1976) method finds exactly in finitely many steps: a few dozen for some hundred columns, where steps of
    Frank and Wolfe need thousands and stop short.

    Parameters
    ----------
    columns : ndarray, shape (m, n)
        One column per donor.
    target : ndarray, shape (m,)
    ridge : float
        Default 0. With a positive one the weights are unique; without, they are where the target lies outside the hull
        of the columns and these are in general position.

    Returns
    -------
    ndarray, shape (n,)
        Equal weights where every column equals the target.

    References
    ----------
    Wolfe (1976), Finding the nearest point in a polytope, Mathematical Programming 11.

    Examples
    --------
    Halfway between the second and the third column:

    >>> import numpy as np
    >>> simplex_weights(np.array([[0.0, 2.0, 4.0], [9.0, 0.0, 0.0]]), np.array([3.0, -1.0])).round(6)
    array([0. , 0.5, 0.5])
    """
    if ridge == 0:
        # Columns that are the same share their weight, so that it does not hang on which of them comes first.
        distinct, same = np.unique(columns, axis=1, return_inverse=True)
        if distinct.shape[1] < columns.shape[1]:
            return np.asarray(simplex_weights(distinct, target)[same] / np.bincount(same)[same])
    points = columns - target[:, None]
    n = points.shape[1]
    norms = np.einsum("ij,ij->j", points, points) + ridge
    scale = float(norms.max())
    if scale <= ridge:
        return np.full(n, 1.0 / n)
    strong = ridge > _STRONG * scale
    inside, weight = _guess(points, ridge) if strong else ([int(norms.argmin())], np.ones(1))
    last = np.inf
    for _ in range(100 + 50 * n):
        nearest = points[:, inside] @ weight
        slope = nearest @ points
        slope[inside] += ridge * weight
        value = float(nearest @ nearest + ridge * weight @ weight)
        if value >= last:  # rounding: every step of exact arithmetic lowers it
            break
        last = value
        entering = int(slope.argmin())
        noise = 8 * _EPS * np.sqrt(value * scale)  # what rounding makes of the slope
        if value - slope[entering] <= _GAP * value + noise or value <= (8 * _EPS) ** 2 * scale or entering in inside:
            break
        inside, weight = _settle(points, ridge, strong, [*inside, entering], np.append(weight, 0.0))
    out = np.zeros(n)
    out[inside] = weight / weight.sum()
    return out


def _guess(points: FloatArray, ridge: float) -> tuple[list[int], FloatArray]:
    """A start near the minimum, where a strong penalty spreads the weights: all points but those that turn negative."""
    inside = np.arange(points.shape[1])
    while True:
        free = _ridged(points[:, inside], ridge)
        if (free > _GONE).all():
            return inside.tolist(), free
        inside = inside[free > _GONE]


def _settle(
    points: FloatArray, ridge: float, strong: bool, inside: list[int], weight: FloatArray
) -> tuple[list[int], FloatArray]:
    """Move to the best weights on the points `inside` (sum 1, any sign), dropping on the way those that turn negative.

    Each pass drops a point at least, so it ends.
    """
    while True:
        free = _ridged(points[:, inside], ridge) if strong else _affine(points[:, inside], ridge)
        bad = free <= _GONE
        if not bad.any():
            return inside, free
        step = float(np.min(weight[bad] / (weight[bad] - free[bad]))) if (weight[bad] > free[bad]).all() else 0.0
        weight = weight + step * (free - weight)
        keep = weight > _GONE
        keep[int(np.argmin(np.where(bad, weight, np.inf)))] = False
        inside = [i for i, kept in zip(inside, keep, strict=True) if kept]
        weight = weight[keep] / weight[keep].sum()


def _affine(points: FloatArray, ridge: float) -> FloatArray:
    """Weights of any sign that add up to 1 and bring the points nearest to zero."""
    if points.shape[1] == 1:
        return np.ones(1)
    if ridge > 0:
        points = np.vstack([points, np.sqrt(ridge) * np.eye(points.shape[1])])
    others = np.linalg.lstsq(points[:, 1:] - points[:, :1], -points[:, 0], rcond=None)[0]
    return np.append(1.0 - others.sum(), others)


def _ridged(points: FloatArray, ridge: float) -> FloatArray:
    """`_affine` for a strong penalty: the smaller of the two Gram matrices, so that many donors cost little."""
    rows, n = points.shape
    if n > rows:
        inner = np.linalg.solve(points @ points.T + ridge * np.eye(rows), points.sum(axis=1))
        free = np.asarray(1.0 - inner @ points, dtype=float)
    else:
        free = np.asarray(np.linalg.solve(points.T @ points + ridge * np.eye(n), np.ones(n)), dtype=float)
    return np.asarray(free / free.sum())
