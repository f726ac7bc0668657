"""Least squares with unit and period effects on a few regressors that depend on group and period alone.

Leads, leads and lags, the 0/1 treatment itself: whatever the number of units, what is solved is one system in the
periods and one in the regressors.
"""

from __future__ import annotations

import numpy as np

from gmvcausal.rollout.regression.cell_regression import factor_of
from gmvcausal.rollout.regression.linear import Part
from gmvcausal.rollout.regression.normal import BoolArray, FloatArray, IntArray, Normal, inverse
from gmvcausal.rollout.regression.within import kept_pivots


def regress_on(found: Normal, x: FloatArray, order: IntArray, ssc: str) -> tuple[Part, BoolArray]:
    """Least squares of the used cells on regressors that are the same for all units of a group.

    Parameters
    ----------
    found : Normal
        Levels measured over the cells used.
    x : ndarray, shape (H, T, k)
    order : ndarray of int, shape (k,)
        Where two are collinear with the effects, the later one in this order goes.
    ssc : str
        See `stats.inference.small_sample_factor`.

    Returns
    -------
    part : Part
        Of the regressors that are kept, in the order of `x`.
    kept : ndarray of bool, shape (k,)
        There may be none.
    """
    p, q = found.product, found.total
    outer = inverse(p.sum(axis=0))
    mixed = np.einsum("hts,hse->te", p, x)
    gram = np.einsum("hte,hts,hsf->ef", x, p, x, optimize=True) - mixed.T @ outer @ mixed
    right = np.einsum("hte,ht->e", x, q) - mixed.T @ outer @ q.sum(axis=0)
    kept = np.zeros(len(order), dtype=bool)
    kept[order] = kept_pivots(gram[np.ix_(order, order)], np.einsum("hte,ht->e", x * x, found.size)[order])
    x, mixed = x[:, :, kept], mixed[:, kept]
    inner = inverse(gram[np.ix_(kept, kept)])
    estimate = inner @ right[kept]
    path = outer @ (q.sum(axis=0) - mixed @ estimate) + x @ estimate

    def load(rows: FloatArray) -> FloatArray:
        own = rows @ inner
        return np.asarray(np.einsum("ae,hte->hat", own, x) - own @ mixed.T @ outer)

    return Part(estimate, found.used, found.basis, path, load, factor_of(found, int(kept.sum()), ssc)), kept
