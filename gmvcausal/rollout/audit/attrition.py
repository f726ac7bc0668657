"""How far absent unit-periods could move a group-time effect: trimming bounds (Lee 2009), cell by cell."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmvcausal.rollout.group_time.from_units import FloatArray, FromUnits

_BALANCED = 1e-9


def attrition_bounds(effects: Any) -> tuple[float, float] | None:
    """Bounds on the size-weighted post effect where more units are seen on one side than on the other.

    In each cell the side of which a larger share of units is seen in both periods is trimmed by the excess, from above
    and from below of its changes. They hold for units seen either way, if treatment moves being seen in one direction
    only.

    Parameters
    ----------
    effects : FromUnits or other
        Only panels with absent cells, and without covariates, have bounds.

    Returns
    -------
    low, high : float
        None where nothing is absent, where units are weighted, or where both sides are seen equally often: the bounds
        would then be one point, which says nothing of who left.
    """
    if type(effects) is not FromUnits or np.isfinite(effects.y.sum()) or np.ptp(effects.weight) > 0:
        return None
    cells = effects.cells
    lows, highs, weights, uneven = [], [], [], False
    for k in np.flatnonzero(cells.post):
        sides = []
        for treated in (True, False):
            pool = effects.group == cells.cohort[k] if treated else np.append(cells.controls[k], False)[effects.group]
            change = (effects.y[:, cells.period[k]] - effects.y[:, cells.base[k]])[pool]
            seen = np.isfinite(change)
            sides.append((np.sort(change[seen]), float(seen.mean())))
        (own, seen_own), (other, seen_other) = sides
        excess = seen_own - seen_other
        uneven = uneven or abs(excess) > _BALANCED
        if excess >= 0:
            low, high = _trimmed_means(own, excess / seen_own)
            lows.append(low - other.mean())
            highs.append(high - other.mean())
        else:
            low, high = _trimmed_means(other, -excess / seen_other)
            lows.append(own.mean() - high)
            highs.append(own.mean() - low)
        weights.append(effects.shares[cells.cohort[k]])
    if not weights or not uneven:
        return None
    return float(np.average(lows, weights=weights)), float(np.average(highs, weights=weights))


def _trimmed_means(values: FloatArray, share: float) -> tuple[float, float]:
    """Means after taking `share` off the top, and off the bottom, of sorted values; the last unit counts in part."""
    keep = (1 - share) * len(values)
    weight = np.clip(keep - np.arange(len(values)), 0.0, 1.0)
    return float(weight @ values / weight.sum()), float(weight @ values[::-1] / weight.sum())
