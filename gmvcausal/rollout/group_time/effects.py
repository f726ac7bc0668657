"""ATT(g, t): from moments of complete, unweighted panels without covariates, else from the units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.moments import Moments, from_arrays
from gmvcausal.rollout.group_time.cells import Cells, Reached, make_cells
from gmvcausal.rollout.group_time.from_covariates import FromCovariates
from gmvcausal.rollout.group_time.from_moments import FromMoments
from gmvcausal.rollout.group_time.from_rows import FromRows
from gmvcausal.rollout.group_time.from_rows_given import FromRowsGiven
from gmvcausal.rollout.group_time.from_units import FromUnits
from gmvcausal.rollout.intake.cohorts import ALWAYS, UNTREATED
from gmvcausal.rollout.intake.covariates import Given
from gmvcausal.rollout.intake.panel import cohort_moments

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Effects = FromMoments | FromUnits


def groups_of(start: IntArray) -> tuple[IntArray, IntArray]:
    """Cohort starts, and each unit's group: its cohort, the untreated last, negative where left out."""
    # Counting and a look-up instead of sorting: starts are columns or one of two negative codes.
    lowest = min(ALWAYS, UNTREATED)
    starts = np.flatnonzero(np.bincount(start - lowest)[-lowest:])
    place = np.full(-lowest + int(start.max(initial=0)) + 1, -1, dtype=np.int64)
    place[starts - lowest] = np.arange(len(starts))
    place[UNTREATED - lowest] = len(starts)
    return starts, place[start - lowest]


def exposed_groups(start: IntArray, exposed: IntArray) -> tuple[IntArray, IntArray, Reached]:
    """`groups_of` where others' treatment reaches some: cohorts apart by when it did, those never treated after them.

    Parameters
    ----------
    start, exposed : ndarray, shape (N,)
        As in `Panel`: units that are exposed and never treated have `ALWAYS` and their column.
    """
    late = int(max(start.max(initial=0), exposed.max(initial=0))) + 1
    first = np.where(exposed >= 0, exposed, late)
    apart = (start == ALWAYS) & (exposed >= 0)
    # The treated in order of start, then the exposed in order of exposure: one number for each cohort.
    key = np.where(start >= 0, start * (late + 1) + first, np.where(apart, late * (late + 1) + first, -1))
    keys, place = np.unique(key, return_inverse=True)
    if keys[0] == -1:
        keys, place = keys[1:], place - 1
    treated = keys < late * (late + 1)
    since, starts = keys % (late + 1), keys // (late + 1)
    starts = np.where(treated, starts, since)
    group = np.where(start == UNTREATED, len(keys), place)
    return starts, group, Reached(np.minimum(since, starts), treated)


def group_time(
    y: FloatArray, start: IntArray, cluster: IntArray, weight: FloatArray | None, position: IntArray,
    control: str, base_period: str, anticipation: int, given: Given | None = None,
    moments: Moments | None = None,
    exposed: IntArray | None = None,
    crossed: bool = False,
) -> Effects:  # fmt: skip
    """Group-time effects of a panel: from moments where it is complete and unweighted, else from the units.

    Parameters
    ----------
    y : ndarray, shape (N, T)
        NaN where a cell is absent.
    start : ndarray, shape (N,)
        Column of first treatment, negative codes as in `cohorts`.
    cluster : ndarray, shape (N,)
        Dense codes.
    weight : ndarray, shape (N,), or None
    position : ndarray, shape (T,)
    control, base_period, anticipation
        See `make_cells`.
    given : Given, optional
        Covariates that trends are parallel given.
    moments : Moments, optional
        Those of the panel by start, where they have been made.
    exposed : ndarray, shape (N,), optional
        See `Panel`.
    crossed : bool
        Whether every unit is a person seen once (repeated cross-sections).
    """
    reached = None
    if exposed is None:
        starts, group = groups_of(start)
    else:
        starts, group, reached = exposed_groups(start, exposed)
    has_never = bool((group == len(starts)).any())
    cells = make_cells(starts, position, has_never, control, base_period, anticipation, reached)
    if crossed:
        weight = np.ones(len(y)) if weight is None else weight / weight.mean()
        group = np.where(np.isfinite(y).any(axis=1), group, -1)  # absent where their period was left out
        if given is not None:
            who = tuple(f"the cohort first treated in {given.label[s]}" for s in starts)
            return drop_empty(
                FromRowsGiven(cells, cells, group, y, weight, cluster, given.covariates, given.adjustment, who)
            )
        return drop_empty(FromRows(cells, cells, group, y, weight, cluster))
    if reached is None and given is None and weight is None and (moments is not None or np.isfinite(y.sum())):
        moments = cohort_moments(y, start, cluster, None) if moments is None else moments
        return FromMoments(cells, moments.select((*starts.tolist(), UNTREATED)), group, y)
    if given is None:
        return compared(cells, group, y, cluster, weight)
    weight = np.ones(len(y)) if weight is None else weight / weight.mean()
    own = np.ones(len(starts), dtype=bool) if reached is None else reached.treated
    label = tuple(
        f"the cohort first {'treated' if mine else 'exposed'} in {given.label[s]}"
        for s, mine in zip(starts, own, strict=True)
    )
    adjusted = FromCovariates(cells, cells, group, y, weight, cluster, given.covariates, given.adjustment, label)
    return drop_empty(adjusted)


def compared(
    cells: Cells, group: IntArray, y: FloatArray, cluster: IntArray, weight: FloatArray | None,
    kin: IntArray | None = None,
) -> Effects:  # fmt: skip
    """The effects of stated comparisons; those that nobody is seen on both sides of are left out. See `grouped`."""
    made = grouped(cells, group, y, cluster, weight, kin)
    return drop_empty(made) if isinstance(made, FromUnits) else made


def grouped(
    cells: Cells, group: IntArray, y: FloatArray, cluster: IntArray, weight: FloatArray | None, kin: IntArray | None
) -> Effects:
    """Comparisons of groups of any make: from moments where the panel is complete and unweighted, else from the units.

    Parameters
    ----------
    cells : Cells
        Empty comparisons are kept.
    group : ndarray of int, shape (N,)
        Each unit's group, up to the number of cohorts; negative where left out.
    y, cluster, weight
        See `group_time`.
    kin : ndarray of int, or None
        See `FromUnits`.
    """
    if weight is None and np.isfinite(y.sum()):
        above = int(cluster.max()) + 1 < len(cluster)
        keys = tuple(range(len(cells.starts) + 1))
        return FromMoments(cells, from_arrays(y, group, keys, cluster if above else None), group, y, kin)
    scaled = np.ones(len(y)) if weight is None else weight / weight.mean()
    return FromUnits(cells, cells, group, y, scaled, cluster, kin=kin)


def drop_empty(effects: FromUnits) -> FromUnits:
    """Leave out comparisons for which no unit is seen in both periods on one side."""
    keep = np.isfinite(effects.att)
    return effects if keep.all() else replace(effects, cells=effects.cells.keep(keep))


def rebase(
    effects: Effects, position: IntArray, control: str, base_period: str, anticipation: int,
    reached: Reached | None = None,
) -> Effects:  # fmt: skip
    """The same data with another base period: no second pass over complete panels."""
    cells = make_cells(effects.cells.starts, position, bool(effects.n[-1]), control, base_period, anticipation, reached)
    if isinstance(effects, FromUnits):
        return drop_empty(replace(effects, cells=cells, listed=cells))
    return replace(effects, cells=cells)
