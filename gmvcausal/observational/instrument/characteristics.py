"""Who the compliers are: shares of the three types, and means of covariates by Abadie's kappa."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Types(NamedTuple):
    """Shares of those who receive because assigned, in any case, and in no case."""

    compliers: float
    always: float
    never: float


def types(d: FloatArray, arm: IntArray) -> Types:
    """Shares of the types where nobody receives only when not assigned.

    Examples
    --------
    >>> types(np.array([0.0, 0, 0, 1, 1, 1, 1, 0]), np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    Types(compliers=0.5, always=0.25, never=0.25)
    """
    with_it, without = float(d[arm == 1].mean()), float(d[arm == 0].mean())
    return Types(with_it - without, without, 1 - with_it)


def complier_means(x: FloatArray, d: FloatArray, arm: IntArray) -> tuple[FloatArray, FloatArray]:
    """Means of covariates among compliers with their standard errors (Abadie 2003), assignment being by lot.

    kappa = 1 - d (1 - z) / (1 - p) - (1 - d) z / p, with p the share of the assigned, weighs compliers alone.

    Parameters
    ----------
    x : ndarray, shape (n, q)
    d : ndarray, shape (n,)
        0/1.
    arm : ndarray of int, shape (n,)
        1 where assigned.

    Returns
    -------
    mean, std_error : ndarray, shape (q,)

    Examples
    --------
    >>> d, arm = np.array([0.0, 0, 0, 0, 1, 1, 0, 0]), np.repeat([0, 1], 4)
    >>> mean, _ = complier_means(np.array([[1.0], [2], [3], [4], [4], [4], [0], [2]]), d, arm)
    >>> float(mean[0])
    4.0
    """
    n, p = len(d), float(arm.mean())
    out, never = d * (1 - arm) / (1 - p), (1 - d) * arm / p
    kappa = 1 - out - never
    share = float(kappa.mean())
    if not share > 0:
        return np.full(x.shape[1], math.nan), np.full(x.shape[1], math.nan)
    mean = kappa @ x / (n * share)
    gap = x - mean
    slope = (never / p - out / (1 - p)) @ gap / n  # of p, which is itself estimated
    influence = (kappa[:, None] * gap + (arm - p)[:, None] * slope) / (n * share)
    return mean, np.sqrt(np.einsum("ij,ij->j", influence, influence))
