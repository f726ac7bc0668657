"""Least squares with unit and period effects and one dummy per cohort and period (Sun-Abraham; Wooldridge's ETWFE).

Dummies of two cohorts meet only in the period effects. So each cohort's dummies are eliminated by themselves, and what
remains is one (periods x periods) system, whatever the number of dummies and units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmvcausal.rollout.regression.linear import Part
from gmvcausal.rollout.regression.normal import BoolArray, FloatArray, IntArray, Normal, Units, inverse, normal, rank
from gmvcausal.stats.inference import small_sample_factor

_ESTIMABLE = 1e-6


@dataclass(frozen=True)
class Fitting:
    """What every estimator of the family hands on.

    Attributes
    ----------
    part : Part
        One coefficient per cell that is identified.
    cells : ndarray of int, shape (k,)
        Their positions among the cells asked for.
    size, count : ndarray, shape (k,)
        Weight and number of the treated units behind each.
    normal : Normal
    """

    part: Part
    cells: IntArray
    size: FloatArray
    count: FloatArray
    normal: Normal


def regress(units: Units, used: BoolArray, cohort: IntArray, period: IntArray, ssc: str) -> Fitting:
    """Least squares on the dummies of the cells (`cohort`, `period`), over the rows that `used` marks.

    Parameters
    ----------
    units : Units
    used : ndarray of bool, shape (H, T)
    cohort, period : ndarray of int, shape (K,)
        Sorted by cohort.
    ssc : str
        See `stats.inference.small_sample_factor`.

    Returns
    -------
    Fitting
        Cells that the data do not tell from unit and period effects are left out; their dummies stay in the regression.
    """
    found = normal(units, used, used)
    p, q = found.product, found.total
    n_groups, width = used.shape
    own = [np.flatnonzero(cohort == h) for h in range(n_groups)]
    at = [period[k] for k in own]
    inner = [inverse(p[h][np.ix_(at[h], at[h])]) for h in range(n_groups)]
    reach = [p[h][:, at[h]] @ inner[h] for h in range(n_groups)]
    schur = p.sum(axis=0) - sum((reach[h] @ p[h][at[h]] for h in range(n_groups)), np.zeros((width, width)))
    outer = inverse(schur)
    beta = outer @ (q.sum(axis=0) - sum((reach[h] @ q[h][at[h]] for h in range(n_groups)), np.zeros(width)))
    estimate, path = np.zeros(len(cohort)), np.tile(beta, (n_groups, 1))
    known = np.zeros(len(cohort), dtype=bool)
    through = schur @ outer
    for h in range(n_groups):
        estimate[own[h]] = inner[h] @ (q[h][at[h]] - p[h][at[h]] @ beta)
        path[h, at[h]] += estimate[own[h]]
        # Estimable: the dummy lies in the range of the cohort's own system and what it needs of the periods in theirs.
        within = p[h][np.ix_(at[h], at[h])] @ inner[h] - np.eye(len(at[h]))
        between = through @ reach[h] - reach[h]
        known[own[h]] = (np.abs(within).max(axis=0, initial=0) < _ESTIMABLE) & (
            np.abs(between).max(axis=0, initial=0) < _ESTIMABLE
        )
        known[own[h]] &= found.count[h, at[h]] > 0
    kept = np.flatnonzero(known)

    def load(rows: FloatArray) -> FloatArray:
        full = np.zeros((len(rows), len(cohort)))
        full[:, kept] = rows
        need = sum((full[:, own[h]] @ reach[h].T for h in range(n_groups)), np.zeros((len(rows), width)))
        of_periods = -need @ outer
        out = np.tile(of_periods, (n_groups, 1, 1))
        for h in range(n_groups):
            out[h][:, at[h]] += (full[:, own[h]] - of_periods @ p[h][:, at[h]]) @ inner[h]
        return out

    terms = sum(rank(p[h][np.ix_(at[h], at[h])]) for h in range(n_groups)) + rank(schur) - rank(p.sum(axis=0))
    factor = factor_of(found, terms, ssc)
    part = Part(estimate[kept], found.used, found.basis, path, load, factor)
    size, count = found.size[cohort[kept], period[kept]], found.count[cohort[kept], period[kept]]
    return Fitting(part, kept, size, count, found)


def factor_of(found: Normal, regressors: int, ssc: str) -> float:
    """Small-sample factor of a regression with unit and period effects; see `stats.inference.small_sample_factor`."""
    periods = int((found.count.sum(axis=0) > 0).sum())
    rows = int(found.count.sum())
    return small_sample_factor(ssc, rows, regressors, periods, found.units - 1, found.clusters)
