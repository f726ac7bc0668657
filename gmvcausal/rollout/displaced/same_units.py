"""Whose effects are added up: a sum over a window must be of the same units in all of its periods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.results.displaced import Window
from gmvcausal.rollout.audit.case import subset
from gmvcausal.rollout.fitted import EventCells, Fitted, IntArray, Series, treatment
from gmvcausal.rollout.intake.naive_means import naive_means
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.methods import METHODS

if TYPE_CHECKING:
    from gmvcausal.rollout.result import DidResult

BoolArray = NDArray[np.bool_]

_ALWAYS = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Found:
    """The event study over the window, and who stands behind it.

    Attributes
    ----------
    event : Series
    panel : Panel
        Without the treated units that are left out of the sums.
    left_out, treated : int
        Treated units left out, and all of them.
    """

    event: Series
    panel: Panel
    left_out: int
    treated: int


@dataclass(frozen=True)
class Reach:
    """Periods on end, from the start on, of every row; 0 where not treated. Shapes (R,).

    Attributes
    ----------
    treated : ndarray of bool
    seen : ndarray of int
        In which the unit is seen.
    formed : ndarray of int
        In which the estimator forms an effect of its cohort: controls may run out before the rows do.
    """

    treated: BoolArray
    seen: IntArray
    formed: IntArray

    @property
    def both(self) -> IntArray:
        """In which the unit is seen and has an effect."""
        return np.minimum(self.seen, self.formed)


def reach_of(panel: Panel, fitted: Fitted, before: int) -> Reach:
    """See `Reach`; 0 too for whom one of the `before` periods before the start is missing."""
    treated = (panel.start >= 0) & fitted.treated
    seen, formed = np.zeros((2, len(treated)), dtype=np.int64)
    seen[treated] = _seen(panel, treated, before)
    formed[treated] = _formed(fitted.event_cells(), treated, before) if fitted.event_cells else _ALWAYS
    return Reach(treated, seen, formed)


def _seen(panel: Panel, treated: BoolArray, before: int) -> IntArray:
    position = panel.grid.position if panel.stack is None else np.arange(panel.y.shape[1])
    start = panel.start[treated]
    present = np.isfinite(panel.y[treated])
    if panel.crossed:  # everybody is seen once: a cohort is seen where anybody of it is
        for column in np.unique(start):
            present[start == column] = present[start == column].any(axis=0)
    # One period more, in which nobody is seen, and as many before the first as may be asked for.
    there = np.zeros((len(start), before + int(position[-1]) + 2), dtype=bool)
    there[:, before + position] = present
    first = before + position[start][:, None]
    since = np.arange(there.shape[1]) - first
    waited = (there | (since < -before) | (since >= 0)).all(axis=1)
    end = (~there & (since >= 0)).argmax(axis=1) - first[:, 0]
    return np.where(waited, end, 0).astype(np.int64)


def _formed(made: EventCells, treated: BoolArray, before: int) -> IntArray:
    length = np.zeros(len(made.cells.starts), dtype=np.int64)
    own = made.cells.own
    for cohort in np.unique(made.cells.cohort[own]):
        events = set(made.cells.event[own & (made.cells.cohort == cohort)].tolist())
        if all(-k in events for k in range(1, before + 1)):
            while int(length[cohort]) in events:
                length[cohort] += 1
    group = made.group[treated]
    known = (group >= 0) & (group < len(length))
    return np.where(known, length[np.where(known, group, 0)], 0)


def length_of(reach: Reach, window: int | None, push: int, notes: list[str]) -> int:
    """Periods from the start on: as asked, or as many as at least half of the treated units have effects for."""
    both = np.sort(reach.both[reach.both > 0])[::-1]
    if not len(both):
        raise DesignError(
            "no treated unit is seen, and has an effect, in the first period from its start on (and in those before=)",
            remedy="supply the rows of these periods; rows that are absent because nothing was sold are zeros",
        )
    most, usual = int(both[0]), int(both[(len(both) - 1) // 2])
    length = usual if window is None else int(window)
    if length > most:
        few = int(reach.seen.max()) > most
        what = "has an effect" if few else "is seen"
        raise InputError(
            f"window={length}, but no treated unit {what} for more than {most} periods from its start on"
            + (": controls, or rows, run out" if few else ""),
            remedy=f"pass window={most} or less, or supply later periods" + (" and untreated units" if few else ""),
        )
    if length <= push:
        rule = f"a window of {length} ends with the push of {push}, so nothing is seen of what followed"
        if window is not None:
            raise InputError(rule, remedy=f"pass a window of more than {push} periods")
        raise DesignError(rule, remedy="supply later periods, or pass a shorter during=")
    if window is None:
        notes.append(f"the window is {length} periods from the start: as long as half of the treated units are seen")
    return length


def same_throughout(result: DidResult, event: Series, reach: Reach, asked: Window, notes: list[str]) -> Found:
    """The event study of the units that are seen, and have an effect, in every period of the window.

    Cohorts without an effect in some period are left out of the sums and stay what else they are, controls of others
    until their start. Units of the other cohorts that come or go within the window are left out of the data.
    """
    panel, fitted, whole = result.panel, result.fitted, event
    treated = _count(panel, reach.treated)
    unformed, short = (reach.treated & (n < asked.length) for n in (reach.formed, reach.seen))
    if not (unformed | short).any():
        return _even(Found(event, panel, 0, treated), asked)
    if short.any():
        notes.append(
            f"{_count(panel, short):,} treated units are not seen for {asked.length} periods from their start on (late "
            "starts, missing periods) and are left out of these sums"
        )
    if (unformed & ~short).any():
        notes.append(
            f"{_count(panel, unformed & ~short):,} treated units have no effect in some of the {asked.length} periods "
            "from their start on (nobody to compare them with) and are left out of these sums"
        )
    kept = subset(panel, ~(unformed | short))
    base, gone = panel, short & ~unformed
    if gone.any():
        base = subset(panel, ~gone)
        fitted = METHODS[result.options.estimator].run(base, result.options)
    if fitted.event_cells is None:
        again = fitted.event()
        assert again is not None  # it has one with them
        whole = again
    else:
        made, left = fitted.event_cells(), reach_of(base, fitted, asked.before)
        use = left.treated & (left.both >= asked.length)
        if not use.any():
            raise DesignError(
                f"no treated unit has an effect in each of the {asked.length} periods, once those are left out that "
                "come or go within them",
                remedy="pass a shorter window=, or supply later periods",
            )
        kept = subset(base, use | ~left.treated)
        some = np.zeros(len(made.cells.starts), dtype=bool)
        some[made.group[use]] = True
        whole = made.of(made.cells.own & some[made.cells.cohort])
    left_out = treated - _count(kept, (kept.start >= 0) & np.isin(kept.unit_code, panel.unit_code[reach.treated]))
    return _even(Found(whole, kept, left_out, treated), asked)


def baseline_of(result: DidResult, found: Found) -> float:
    """Mean outcome before, of the treated units in the sums."""
    if not found.left_out:
        return result.baseline
    panel = found.panel if found.panel.eligible is None else subset(found.panel, found.panel.eligible)
    return naive_means(panel, treatment(panel)).before


def _count(panel: Panel, rows: BoolArray) -> int:
    """Units of the marked rows: a stack has one for every campaign."""
    return len(np.unique(panel.unit_code[rows]))


def _even(found: Found, asked: Window) -> Found:
    """Refuse periods behind which stand different units, whatever the reason."""
    if found.panel.crossed:
        return found
    n = units(found.event, asked)
    if len(n) and np.ptp(n) > 0:
        raise DesignError(
            f"the effects of the window are those of different units ({', '.join(f'{k:,}' for k in n[:8])} treated "
            "units in its periods), so their sum is nobody's",
            remedy="pass a shorter window=, or use estimator='callaway_santanna' or 'imputation'",
        )
    return found


def units(event: Series, asked: Window) -> IntArray:
    """Treated units in each period of the window."""
    return event.n[(event.at >= -asked.before) & (event.at < asked.length)]
