"""The B-spline of one cohort: its knots, its basis at the doses of the units, what makes coefficients of outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DEGREE = 3
# Clusters (and different doses) of a cohort from which on its spline has one, two, ... inner knots: four times as many
# for each, which grows faster than n^(1/9), the rate for a cubic, so that bias stays below chance.
KNOTS = (200, 800, 3_200, 12_800)


@dataclass(frozen=True)
class Basis:
    """The spline of one cohort.

    Attributes
    ----------
    cohort : int
    units : ndarray, shape (n,)
    knots : ndarray
    psi, steep : ndarray, shape (n, J)
        Basis and its derivative at the doses of the units.
    fit : ndarray, shape (J, n)
        Makes coefficients of outcomes.
    """

    cohort: int
    units: IntArray
    knots: FloatArray
    psi: FloatArray
    steep: FloatArray
    fit: FloatArray

    def at(self, dose: FloatArray, derivative: int = 0) -> FloatArray:
        """The basis, or its derivative, at some doses, shape (m, J)."""
        return _basis(self.knots, dose, derivative)

    def reaches(self, dose: float) -> bool:
        """Whether the dose lies within those of the cohort."""
        return bool(self.knots[0] <= dose <= self.knots[-1])


def _basis(knots: FloatArray, dose: FloatArray, derivative: int = 0) -> FloatArray:
    from scipy.interpolate import BSpline

    curve: Any = BSpline(knots, np.eye(len(knots) - DEGREE - 1), DEGREE, extrapolate=False)
    return np.asarray(curve.derivative()(dose) if derivative else curve(dose))


def inner_knots(size: int) -> int:
    """How many inner knots a cohort of `size` clusters, or different doses, has."""
    return int(np.searchsorted(KNOTS, size, side="right"))


def fit_basis(cohort: int, units: IntArray, dose: FloatArray, weight: FloatArray, size: int) -> Basis:
    inner = inner_knots(size)
    while True:
        cuts = np.unique(np.quantile(dose, np.arange(1, inner + 1) / (inner + 1)))
        cuts = cuts[(cuts > dose.min()) & (cuts < dose.max())]
        knots = np.concatenate([np.full(DEGREE + 1, dose.min()), cuts, np.full(DEGREE + 1, dose.max())])
        psi = _basis(knots, dose)
        gram = psi.T @ (weight[:, None] * psi)
        scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
        if inner == 0 or float(np.linalg.eigvalsh(gram / np.outer(scale, scale)).min()) > 1e-8:
            break
        inner -= 1
    fit = np.asarray(np.linalg.solve(gram, psi.T * weight), dtype=float)
    return Basis(cohort, units, knots, psi, _basis(knots, dose, 1), fit)
