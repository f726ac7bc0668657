"""Poisson quasi-likelihood with unit effects whose other terms depend on cohort and period alone.

Given a unit's total over the periods used, its outcomes have the shares p_t = exp(eta_t) / sum exp(eta) of it, so the
unit effects drop out (Hausman, Hall and Griliches 1984; Wooldridge 1999) and units of one group that are seen in the
same periods enter through the sum of their outcomes. A complete panel is read once: one total a group. Zeros stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_RANK = 1e-11  # of the largest eigenvalue
_STEPS = 200
_CONVERGED = 1e-12


@dataclass(frozen=True)
class Patterns:
    """Units of one group that are seen in the same periods.

    Attributes
    ----------
    of_unit : ndarray of int, shape (N,)
        Pattern of every unit; negative where a unit is left out.
    group : ndarray of int, shape (S,)
    seen : ndarray of bool, shape (S, T)
    total : ndarray, shape (S, T)
        Weighted sum of the outcomes; 0 where absent.
    size, count : ndarray, shape (S,)
        Weight and number of the units.
    """

    of_unit: IntArray
    group: IntArray
    seen: BoolArray
    total: FloatArray
    size: FloatArray
    count: FloatArray


def patterns_of(y: FloatArray, group: IntArray, weight: FloatArray | None, n_groups: int) -> Patterns:
    """Group the units of a panel (N, T), NaN where absent, by group and by the periods in which they are seen."""
    present = np.isfinite(y)
    inside = group >= 0
    of_unit = np.full(len(y), -1, dtype=np.int64)
    if present[inside].all():
        of_group, seen = np.arange(n_groups), np.ones((n_groups, y.shape[1]), dtype=bool)
        of_unit[inside] = group[inside]
    else:
        bits = np.packbits(present[inside], axis=1)
        key = np.column_stack([group[inside].astype(">u4").view(np.uint8).reshape(-1, 4), bits])
        text = np.ascontiguousarray(key).view(np.dtype((np.void, key.shape[1]))).ravel()
        _, first, code = np.unique(text, return_index=True, return_inverse=True)
        of_unit[inside] = code
        of_group, seen = group[inside][first], present[inside][first]
    w = np.ones(len(y)) if weight is None else weight
    code, k = of_unit[inside], len(of_group)
    clean = np.where(present, y, 0.0)[inside] * w[inside, None]
    total = np.column_stack([np.bincount(code, column, minlength=k) for column in clean.T]).astype(float)
    size = np.bincount(code, w[inside], minlength=k).astype(float)
    return Patterns(of_unit, of_group, seen, total, size, np.bincount(code, minlength=k).astype(float))


@dataclass(frozen=True)
class RatioModel:
    """A fitted model.

    Attributes
    ----------
    patterns : Patterns
    used : ndarray of bool, shape (S, T)
        Cells that the fit rests on.
    design : ndarray, shape (H, T, P)
        eta = design @ beta.
    beta : ndarray, shape (P,)
    inverse : ndarray, shape (P, P)
        Generalised inverse of the information.
    identified : ndarray, shape (P, P)
        Projection on what the data identify.
    """

    patterns: Patterns
    used: BoolArray
    design: FloatArray
    beta: FloatArray
    inverse: FloatArray
    identified: FloatArray

    @property
    def path(self) -> FloatArray:
        """exp(eta) of every group and period, shape (H, T)."""
        return np.asarray(np.exp(self.design @ self.beta))

    @property
    def share(self) -> FloatArray:
        """Share of each used period in a unit's total, shape (S, T)."""
        return self.ahead(self.used)

    def ahead(self, cells: BoolArray) -> FloatArray:
        """What `cells` (S, T) are expected to hold for every unit of money in the used ones; 0 elsewhere."""
        level = self.path[self.patterns.group]
        held = (level * self.used).sum(axis=1, keepdims=True)
        return np.asarray(np.divide(level * cells, held, out=np.zeros_like(level), where=held > 0))

    def loads(self, rows: FloatArray) -> FloatArray:
        """From rows (a, P) over beta to the weight of each cell's residual in them, shape (a, H, T)."""
        return np.asarray(np.einsum("ap,htp->aht", rows @ self.inverse, self.design))

    def residual(self) -> FloatArray:
        """Totals of every pattern less their fit, shape (S, T); 0 where not used."""
        kept = self.patterns.total * self.used
        return np.asarray(kept - self.share * kept.sum(axis=1, keepdims=True))


def fit_ratios(patterns: Patterns, cells: BoolArray, design: FloatArray) -> RatioModel:
    """Fit by Newton's method with halved steps; the likelihood has one top.

    Parameters
    ----------
    patterns : Patterns
    cells : ndarray of bool, shape (H, T)
        Cells to fit to.
    design : ndarray, shape (H, T, P)

    Raises
    ------
    DesignError
        Where the fit does not converge.
    """
    used = patterns.seen & cells[patterns.group]
    kept = patterns.total * used
    unit = float(kept.sum()) or 1.0
    kept = kept / unit  # the scale of money has no part in the fit
    whole = kept.sum(axis=1)
    x, n_groups = design, len(design)
    of_group = np.zeros((n_groups, len(whole)))
    of_group[patterns.group, np.arange(len(whole))] = 1.0

    def value(beta: FloatArray) -> tuple[float, FloatArray]:
        eta = (x @ beta)[patterns.group]
        top = np.where(used, eta, -np.inf).max(axis=1, initial=-np.inf, keepdims=True)
        top = np.where(np.isfinite(top), top, 0.0)
        level = np.where(used, np.exp(np.where(used, eta - top, 0.0)), 0.0)
        held = level.sum(axis=1, keepdims=True)
        share = np.divide(level, held, out=np.zeros_like(level), where=held > 0)
        with np.errstate(divide="ignore"):
            log = np.where(held > 0, np.log(np.where(held > 0, held, 1.0)) + top, 0.0)
        return float((kept * np.where(used, eta, 0.0)).sum() - whole @ log[:, 0]), share

    def information(share: FloatArray) -> FloatArray:
        weighted = share * whole[:, None]
        diagonal = of_group @ weighted
        out = np.asarray(np.einsum("htp,ht,htq->pq", x, diagonal, x, optimize=True))
        for h in range(n_groups):
            rows = patterns.group == h
            out -= x[h].T @ (weighted[rows].T @ share[rows]) @ x[h]
        return out

    beta = np.zeros(x.shape[2])
    best, share = value(beta)
    for _ in range(_STEPS):
        gradient = np.einsum("ht,htp->p", of_group @ (kept - share * whole[:, None]), x)
        inverse, projection = _inverse(information(share))
        step = inverse @ gradient
        if float(gradient @ step) < _CONVERGED**2:
            return RatioModel(patterns, used, x, beta, inverse / unit, projection)
        length = 1.0
        while length > 1e-10:
            trial, trial_share = value(beta + length * step)
            if trial >= best - 1e-15 * abs(best):
                break
            length /= 2
        beta, best, share = beta + length * step, trial, trial_share
    raise DesignError(
        "the Poisson fit does not converge: some periods have next to no sales on one side",
        remedy="use longer periods, or the default estimator",
    )


def _inverse(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Generalised inverse of an information matrix, and the projection on what it identifies."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    live = values > _RANK * max(float(values.max(initial=0.0)), 1e-300)
    kept = vectors[:, live]
    return (kept / values[live]) @ kept.T, kept @ kept.T
