"""Leads from untreated cells alone: the pre-trend regression of Borusyak, Jaravel and Spiess (2024).

Treated cells take no part, so what effects do after the start cannot show in the leads; a lead is the distance of units
so many periods before their start from where unit and period effects put them, relative to the base period.
"""

from __future__ import annotations

import numpy as np

from gmvcausal.rollout.regression.linear import Part
from gmvcausal.rollout.regression.normal import BoolArray, FloatArray, IntArray, Units, normal
from gmvcausal.rollout.regression.terms import regress_on


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
    found, cohorts = normal(units, untreated, untreated), len(units.starts)
    mark = untreated[:cohorts] & (event[:cohorts] != base) & (found.count[:cohorts] > 0)
    times = np.unique(event[:cohorts][mark])
    dummies = np.zeros((*untreated.shape, len(times)))
    dummies[:cohorts] = (event[:cohorts, :, None] == times) & mark[:, :, None]
    farthest_last = np.arange(len(times))[::-1]
    part, kept = regress_on(found, dummies, farthest_last, ssc)
    times, d = times[kept], dummies[:cohorts][:, :, kept]
    behind = np.einsum("hte,ht->eh", d, found.count[:cohorts])
    return part, times, behind
