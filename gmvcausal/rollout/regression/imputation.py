"""Imputation: period and unit effects from untreated cells alone, and what treated cells have beyond them.

Borusyak, Jaravel and Spiess (2024); Gardner's two-stage estimator (2022) has the same points.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmvcausal.rollout.regression.cell_regression import Fitting
from gmvcausal.rollout.regression.linear import Part
from gmvcausal.rollout.regression.normal import BoolArray, FloatArray, IntArray, Units, centred, inverse, normal

_ESTIMABLE = 1e-6


def impute(units: Units, untreated: BoolArray, used: BoolArray, cohort: IntArray, period: IntArray) -> Fitting:
    """Mean effect in every cell (`cohort`, `period`) by imputation.

    Parameters
    ----------
    units : Units
    untreated, used : ndarray of bool, shape (H, T)
        Periods without (anticipated) effect, and those with or without.
    cohort, period : ndarray of int, shape (K,)

    Returns
    -------
    Fitting
        `path` holds the mean effects themselves; `centre_on` puts others in their place for the variance.
    """
    found = normal(units, used, untreated)
    p, q = found.product, found.total
    outer_of = (p * untreated[:, :, None]).sum(axis=0)
    outer = inverse(outer_of)
    beta = outer @ (q * untreated).sum(axis=0)
    size = found.size[cohort, period]
    need = p[cohort, period] / np.where(size > 0, size, 1.0)[:, None]
    estimate = q[cohort, period] / np.where(size > 0, size, 1.0) - need @ beta
    known = (size > 0) & (np.abs(need @ (outer_of @ outer) - need).max(axis=1, initial=0) < _ESTIMABLE)
    kept = np.flatnonzero(known)
    to_periods = -need[kept] @ outer

    def load(rows: FloatArray) -> FloatArray:
        out = np.where(untreated[:, None, :], rows @ to_periods, 0.0)
        out[cohort[kept], :, period[kept]] = (rows / size[kept]).T
        return out

    path = np.tile(beta, (len(used), 1))
    path[cohort, period] += estimate
    # Cells that are not identified carry no load; without them no unit's score touches them.
    part = Part(estimate[kept], found.used, untreated, path, load)
    return Fitting(part, kept, size[kept], found.count[cohort[kept], period[kept]], found)


def centre_on(fitting: Fitting, cohort: IntArray, period: IntArray, centre: FloatArray) -> Part:
    """The part with its treated residuals taken from `centre`, one number per identified cell."""
    part = fitting.part
    path = part.path.copy()
    at = (cohort[fitting.cells], period[fitting.cells])
    path[at] += centre - part.estimate
    return replace(part, path=path)


def cautious_means(units: Units, fitting: Fitting, cohort: IntArray, period: IntArray) -> FloatArray:
    """Mean effect per cell as the conservative variance needs it: clusters weighted by the square of their weight.

    Borusyak, Jaravel and Spiess (2024), equation 8, with groups of cohort and period; own clusters are not left out.
    With equal clusters it is the plain mean.
    """
    kept = fitting.cells
    estimate = fitting.part.estimate
    moments = units.moments
    above = int(units.cluster.max()) + 1 < len(units.cluster) if moments is None else moments.cells is not None
    if units.weight is None and not above:
        return estimate
    top = np.zeros((len(units.n), units.y.shape[1]))
    bottom = np.zeros_like(top)
    for h, weight, total in _by_cluster(units, fitting):
        top[h] += (weight * total).sum(axis=0)
        bottom[h] += (weight * weight).sum(axis=0)
    at = (cohort[kept], period[kept])
    # `path` holds the mean effect already, so what is added up here is the distance from it.
    return np.asarray(estimate + top[at] / bottom[at])


def _by_cluster(units: Units, fitting: Fitting) -> list[tuple[int, FloatArray, FloatArray]]:
    """For each cohort: weight, and weighted sum of the effects less their mean, by cluster and period."""
    part, out = fitting.part, []
    if units.moments is not None and units.moments.cells is not None:
        cells, mean = units.moments.cells, units.moments.mean
        exact = units.means()
        for h in range(len(units.starts)):
            inside = cells.group == h
            share = part.basis[h] / max(part.basis[h].sum(), 1)
            off = (cells.mean[inside] - mean[h]) + (exact[h] - part.path[h])
            off = off - (off @ share)[:, None]
            weight = np.repeat(cells.n[inside][:, None], off.shape[1], axis=1)
            out.append((h, weight, weight * off))
        return out
    for h in range(len(units.starts)):
        at = units.order[units.group[units.order] == h]
        level, seen, _ = centred(units.y[at], part.used[h], part.basis[h])
        z, seen, _ = centred(np.where(seen, level - part.path[h], np.nan), part.used[h], part.basis[h])
        w = seen.astype(float) if units.weight is None else seen * units.weight[at, None]
        if len(at):
            edges = np.flatnonzero(np.r_[True, np.diff(units.cluster[at]) != 0])
            out.append((h, np.add.reduceat(w, edges, axis=0), np.add.reduceat(w * z, edges, axis=0)))
    return out
