"""How far absent unit-periods could move a group-time effect: trimming bounds (Lee 2009), cell by cell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.group_time import FloatArray, FromUnits


def attrition_bounds(effects: Any) -> tuple[float, float] | None:
    """Bounds on the size-weighted post effect where more units stay on one side than on the other.

    For each cell the side of which more units are still seen is trimmed by the excess share from above and from below
    (of its changes from the base), under the assumption that treatment moves staying in one direction only.

    Parameters
    ----------
    effects : FromUnits or other
        Only panels with absent cells have bounds.

    Returns
    -------
    low, high : float, or None where nothing is absent
    """
    if not isinstance(effects, FromUnits) or np.isfinite(effects.y.sum()):
        return None
    cells = effects.cells
    lows, highs, weights = [], [], []
    for k in np.flatnonzero(cells.event >= 0):
        sides = []
        for treated in (True, False):
            pool = effects.group == cells.cohort[k] if treated else np.append(cells.controls[k], False)[effects.group]
            at_base = pool & np.isfinite(effects.y[:, cells.base[k]])
            change = (effects.y[:, cells.period[k]] - effects.y[:, cells.base[k]])[at_base]
            seen = np.isfinite(change)
            sides.append((np.sort(change[seen]), float(seen.mean()) if len(seen) else 0.0))
        (own, stay_own), (other, stay_other) = sides
        if not len(own) or not len(other):
            continue
        excess = stay_own - stay_other
        if excess >= 0:
            low, high = _trimmed_means(own, excess / stay_own)
            centre = other.mean()
            lows.append(low - centre)
            highs.append(high - centre)
        else:
            low, high = _trimmed_means(other, -excess / stay_other)
            lows.append(own.mean() - high)
            highs.append(own.mean() - low)
        weights.append(effects.shares[cells.cohort[k]])
    if not weights:
        return None
    return float(np.average(lows, weights=weights)), float(np.average(highs, weights=weights))


def _trimmed_means(values: NDArray[np.float64], share: float) -> tuple[float, float]:
    """Means after dropping `share` from the top, and from the bottom, of sorted values."""
    cut = min(int(np.floor(share * len(values))), len(values) - 1)
    kept: FloatArray = values[: len(values) - cut]
    return float(kept.mean()), float(values[cut:].mean())
