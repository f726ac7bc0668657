"""Who switches when, and who is compared with whom (de Chaisemartin and D'Haultfoeuille 2024).

A unit's cohort is its first treatment together with the period of its first switch. It is compared with the units that
began alike and have not switched yet. Outcomes of units that began under the tactic change their sign, so that every
comparison reads as the effect of having it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.group_time.cells import Cells

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

STAYS = -1  # of the first switch: none is seen


@dataclass(frozen=True)
class Switches:
    """First treatment and first switch of every unit.

    Attributes
    ----------
    before : ndarray, shape (R,)
        Treatment where the unit is first seen, 0 or 1; NaN where it is never seen.
    first : ndarray of int, shape (R,)
        Column of the first switch, `STAYS` without one.
    group : ndarray of int, shape (R,)
        Cohort of (first treatment, first switch); those that stay on are the last but one where there are any, those
        that stay off the last. -1 where never seen.
    starts : ndarray of int, shape (G,)
        First switch of every cohort; T for those that stay on.
    came_from : ndarray of int, shape (G + 1,)
        First treatment of every group.
    """

    before: FloatArray
    first: IntArray
    group: IntArray
    starts: IntArray
    came_from: IntArray

    @property
    def sign(self) -> FloatArray:
        """1 where the unit began without the tactic, -1 where it began with it; shape (R,)."""
        return np.where(self.before == 1, -1.0, 1.0)

    @property
    def switchers(self) -> BoolArray:
        """Units whose treatment changes, shape (R,)."""
        return np.asarray(self.first != STAYS)


def switches(on: FloatArray) -> Switches:
    """Read first treatments and first switches off a 0/1 matrix (NaN where a cell is absent), shape (R, T)."""
    seen = np.isfinite(on)
    rows, width = np.arange(len(on)), on.shape[1]
    before = on[rows, seen.argmax(axis=1)]
    moved = seen & (on != before[:, None])
    first = np.where(moved.any(axis=1), moved.argmax(axis=1), STAYS).astype(np.int64)
    # Sorted by first treatment, then by period; units that stay on are a cohort that switches after the data.
    code = np.where(first == STAYS, width, first) + np.where(before == 1, width + 1, 0)
    code[~seen.any(axis=1)] = -1
    stays_off = code == width
    cohorts = np.unique(code[(code >= 0) & ~stays_off])
    group = np.where(code >= 0, np.searchsorted(cohorts, code), -1)
    group[stays_off] = len(cohorts)
    came_from = np.append(cohorts // (width + 1), 0)
    return Switches(before, first, group.astype(np.int64), cohorts % (width + 1), came_from)


def cells_of(found: Switches, position: IntArray) -> Cells:
    """Every cohort in every period against those that began alike and have not switched by then.

    The period before the first switch is the base. A period l before the base is compared among the same units as the
    period l after it, as the placebos of the paper are.
    """
    starts, width = found.starts, len(position)
    stays = np.append(starts, width)
    cohort = np.repeat(np.flatnonzero(starts < width), width)
    period = np.tile(np.arange(width), int((starts < width).sum()))
    base = starts[cohort] - 1
    horizon = base + np.abs(period - base)
    alike = found.came_from[cohort][:, None] == found.came_from[None, :]
    # The last group may be empty, but then it holds no unit that could be compared with.
    there = np.bincount(found.group[found.group >= 0], minlength=len(stays)) > 0
    pool = alike & there & (stays[None, :] > horizon[:, None])
    listed = (period != base) & (horizon < width) & pool.any(axis=1)
    kind = tuple("off" if came else "on" for came in found.came_from[:-1])
    event = position[period] - position[np.minimum(starts[cohort], width - 1)]
    return Cells(cohort, period, base, pool, event, starts, kind).keep(listed)
