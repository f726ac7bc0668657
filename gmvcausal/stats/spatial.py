"""Covariance of estimates whose clusters are near each other: shocks fade with distance (Conley 1999)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

EARTH = 6_371.0088  # mean radius in km
KERNELS = ("bartlett", "uniform")
_PAIRS = 20_000_000


def distances(latitude: FloatArray, longitude: FloatArray, cutoff: float) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs (i < j) of places nearer than `cutoff` km on the sphere, and their distances.

    Examples
    --------
    >>> i, j, km = distances(np.array([0.0, 0.0, 40.0]), np.array([0.0, 1.0, 0.0]), 200.0)
    >>> i.tolist(), j.tolist(), km.round(2).tolist()
    ([0], [1], [111.2])
    """
    from scipy.spatial import cKDTree

    a, b = np.radians(latitude), np.radians(longitude)
    points = np.column_stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)])
    angle = min(cutoff / EARTH, np.pi)
    # A chord longer than the sphere is wide takes every pair.
    pairs = cKDTree(points).query_pairs(2 * np.sin(angle / 2) * (1 + 1e-9), output_type="ndarray")
    i, j = pairs[:, 0], pairs[:, 1]
    chord = np.sqrt(((points[i] - points[j]) ** 2).sum(axis=1))
    km = 2 * EARTH * np.arcsin(np.minimum(chord / 2, 1.0))
    near = km < cutoff
    return i[near].astype(np.int64), j[near].astype(np.int64), km[near]


def conley(
    influence: FloatArray, latitude: FloatArray, longitude: FloatArray, cutoff: float, kernel: str = "bartlett"
) -> FloatArray:
    """Covariance with weights that fall with the distance between clusters.

    Parameters
    ----------
    influence : ndarray, shape (G, k)
        Of every cluster; sums of squares give the variances without distance.
    latitude, longitude : ndarray, shape (G,)
        In degrees.
    cutoff : float
        In km; clusters at least so far apart count as independent.
    kernel : {"bartlett", "uniform"}
        Weights 1 - distance/cutoff, or 1, below the cutoff.

    Returns
    -------
    ndarray, shape (k, k)
        Not always positive definite: kernels of distance on a plane need not be.

    References
    ----------
    Conley (1999), Journal of Econometrics 92.
    """
    out = influence.T @ influence
    i, j, km = distances(latitude, longitude, cutoff)
    weight = 1 - km / cutoff if kernel == "bartlett" else np.ones(len(km))
    step = max(1, _PAIRS // max(1, influence.shape[1]))
    for low in range(0, len(i), step):
        here = slice(low, low + step)
        cross = (influence[i[here]] * weight[here, None]).T @ influence[j[here]]
        out = out + cross + cross.T
    return np.asarray(out)
