"""Means with and without treatment: what a careless reading would report, and the levels behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gmvcausal.rollout.intake.cohorts import ALWAYS, UNTREATED
from gmvcausal.rollout.intake.panel import Panel


@dataclass(frozen=True)
class Naive:
    """The comparison that the texts make: mean outcome under treatment less mean outcome without.

    Attributes
    ----------
    treated, untreated : float
        Means over unit-periods.
    difference : float
    before : float
        Mean outcome of an average treated unit before its treatment (mean over units of their own means).
    never : float
        Mean outcome of the never treated; NaN where there are none.
    never_low, never_high : float
        Lowest and highest period mean of the never treated.
    """

    treated: float
    untreated: float
    difference: float
    before: float
    never: float
    never_low: float
    never_high: float


def naive_means(panel: Panel, on: Any) -> Naive:
    """Means of a panel whose treatment is `on` (1, 0, NaN where absent), shape (R, T)."""
    y = panel.y
    present = np.isfinite(y)
    ever, first = panel.start != UNTREATED, np.maximum(panel.start, 0)
    before = present & ever[:, None] & (np.arange(y.shape[1]) < first[:, None])
    never = present & ~ever[:, None]
    with_, without = _mean(y, present & (on == 1)), _mean(y, present & (on == 0))
    by_period = [_mean(y[:, t], never[:, t]) for t in range(y.shape[1]) if never[:, t].any()]
    low, high = (min(by_period), max(by_period)) if by_period and panel.stack is None else (np.nan, np.nan)
    return Naive(with_, without, with_ - without, _mean_unit(y, before), _mean(y, never), low, high)


def by_cohorts(panel: Panel, always: bool) -> Naive:
    """`naive_means` of a complete panel without weights in which treatment stays on, from its cohorts' moments.

    Parameters
    ----------
    always : bool
        Whether units treated throughout count as treated; else they are left out.
    """
    moments = panel.moments
    assert moments is not None and moments.weighted is None
    start = np.asarray(moments.keys, dtype=np.int64)
    column = np.arange(panel.y.shape[1])
    on = np.where(start[:, None] >= 0, column >= start[:, None], start[:, None] == ALWAYS)
    n = moments.n[:, None] * np.ones(len(column))
    if not always:
        n[start == ALWAYS] = 0.0
    y = moments.mean + moments.rest
    with_, without = _weighted(y, n * on), _weighted(y, n * ~on)
    seen = (column < np.maximum(start, 0)[:, None]).sum(axis=1)
    own = moments.n * ((start != UNTREATED) & (seen > 0))
    before = _weighted(y, (own / np.maximum(seen, 1))[:, None] * (column < start[:, None]))
    never = y[start == UNTREATED]
    low, high = (float(never.min()), float(never.max())) if never.size else (np.nan, np.nan)
    return Naive(with_, without, with_ - without, before, float(never.mean()) if never.size else np.nan, low, high)


def _weighted(y: Any, weight: Any) -> float:
    total = float(weight.sum())
    return float((weight * y).sum() / total) if total > 0 else float("nan")


def _mean(y: Any, inside: Any) -> float:
    count = int(inside.sum())
    return float(y[inside].mean()) if count else float("nan")


def _mean_unit(y: Any, inside: Any) -> float:
    """Mean over units of each unit's own mean, so that a long wait before treatment does not count more."""
    seen = inside.sum(axis=1)
    rows = seen > 0
    return float((np.where(inside, y, 0.0)[rows].sum(axis=1) / seen[rows]).mean()) if rows.any() else float("nan")
