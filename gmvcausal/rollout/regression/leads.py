"""Leads from untreated cells alone: the pre-trend regression of Borusyak, Jaravel and Spiess (2024).

Treated cells take no part, so what effects do after the start cannot show in the leads; a lead is the distance of units
so many periods before their start from where unit and period effects put them, relative to the base period.
"""

from __future__ import annotations

import numpy as np

from gmvcausal.rollout.regression.cell_regression import factor_of
from gmvcausal.rollout.regression.linear import Part
from gmvcausal.rollout.regression.normal import BoolArray, FloatArray, IntArray, Units, inverse, normal
from gmvcausal.rollout.regression.within import kept_pivots


def fit_leads(
    units: Units, untreated: BoolArray, event: IntArray, base: int, ssc: str
) -> tuple[Part, IntArray, FloatArray]:
    """Least squares of the untreated cells on one dummy per lead other than `base`.

    Parameters
    ----------
    units : Units
    untreated : ndarray of bool, shape (H, T)
    event : ndarray of int, shape (H, T)
        Event time of every cohort and period.
    base : int
    ssc : str

    Returns
    -------
    part : Part
    at : ndarray of int, shape (k,)
        Event times of its coefficients, ascending. Where two are collinear with the effects the farther one goes.
    units_behind : ndarray, shape (k, G)
        Units of every cohort seen in each lead.
    """
    found = normal(units, untreated, untreated)
    p, q = found.product, found.total
    cohorts = len(units.starts)
    mark = untreated[:cohorts] & (event[:cohorts] != base) & (found.count[:cohorts] > 0)
    times = np.unique(event[:cohorts][mark])[::-1]
    dummies = (event[:cohorts, :, None] == times) & mark[:, :, None]
    d = dummies.astype(float)
    outer = inverse(p.sum(axis=0))
    mixed = np.einsum("hts,hse->te", p[:cohorts], d)
    gram = np.einsum("hte,hts,hsf->ef", d, p[:cohorts], d, optimize=True) - mixed.T @ outer @ mixed
    right = np.einsum("hte,ht->e", d, q[:cohorts]) - mixed.T @ outer @ q.sum(axis=0)
    keep = kept_pivots(gram, np.einsum("hte,ht->e", d, found.size[:cohorts]))
    times, d, mixed = times[keep][::-1], d[:, :, keep][:, :, ::-1], mixed[:, keep][:, ::-1]
    inner = inverse(gram[np.ix_(keep, keep)][::-1, ::-1])
    estimate = inner @ right[keep][::-1]
    path = np.tile(outer @ (q.sum(axis=0) - mixed @ estimate), (len(p), 1))
    path[:cohorts] += d @ estimate

    def load(rows: FloatArray) -> FloatArray:
        own = rows @ inner
        out = np.tile(-own @ mixed.T @ outer, (len(p), 1, 1))
        out[:cohorts] += np.einsum("ae,hte->hat", own, d)
        return out

    part = Part(estimate, found.used, found.basis, path, load, factor_of(found, len(times), ssc))
    behind = np.einsum("hte,ht->eh", d, found.count[:cohorts])
    return part, times, behind
