"""Placebo inference for roll-outs that reach a handful of clusters: from a panel to what each cluster could have been.

The headline of a complete panel is a weighted sum of changes, one per treated cluster, less the mean change of the
controls. So every control cluster has the change it would have had in a treated cluster's place.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.chance.headline import Runs
from gmvcausal.rollout.fitted import FloatArray, IntArray, Options
from gmvcausal.rollout.intake.cohorts import ALWAYS
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.intake.summed import AGGREGATE
from gmvcausal.stats.few_treated import MIN_PLACEBOS, MOST_TREATED, Contrasts, permutation, placebo_runs
from gmvcausal.stats.small_sample import groups_of_clusters

BoolArray = NDArray[np.bool_]

MIXED = "this design mixes its comparisons in a way that placebo runs do not follow"
MIN_BEFORE = 3  # periods before the start, to measure a cluster's own variability by


def placebo(panel: Panel, options: Options, estimate: float, base: str) -> Runs:
    """Interval and p-value of the headline where few clusters are treated, or the reason why none holds.

    Parameters
    ----------
    panel : Panel
    options : Options
        ``assignment="random"`` asks for the permutation of the lot instead of scaled placebo runs.
    estimate : float
        The estimator's own headline; what is built here must be the same number, else nothing is given.
    base : {"last", "mean"}
        Whether changes are measured from the last period before (Callaway and Sant'Anna) or from the mean of all.
    """
    made = followed(panel, options, estimate, base)
    if isinstance(made, str):
        return Runs(why=made)
    contrasts, shift, _ = made
    treated, control = len(contrasts.treated), len(contrasts.control)
    whole = len(contrasts.weight) == 1
    if options.assignment == "random":
        lot = permutation(contrasts, shift, options.seed)
        if math.isinf(lot.limits(1 - options.alpha)[0]):
            return Runs(why=f"{len(lot.runs):,} other drawings of the lot cannot reject at {options.alpha:g}")
        method = f"permutation of the lot: {len(lot.runs):,} other drawings of {treated} out of {treated + control}"
        return Runs(lot.limits, lot.p_value, method, whole=whole)
    moved = int((contrasts.scale[contrasts.control] > 0).all(axis=1).sum())
    if moved < MIN_PLACEBOS:
        idle = "" if moved == control else f" that varied before the start, and there are {moved}"
        return Runs(why=f"placebo runs need {MIN_PLACEBOS} control clusters{idle}")
    if treated > MOST_TREATED * moved:
        return Runs(why=f"placebo runs need twice as many controls as treated, and there are {treated} and {moved}")
    starts = np.unique(panel.start[panel.start >= 0])
    position = panel.grid.position
    before = int((position < position[starts[0]] - options.anticipation).sum())
    if before < MIN_BEFORE:
        return Runs(why=f"placebo runs need {MIN_BEFORE} periods before the start, and there are {before}")
    if not (contrasts.scale[contrasts.treated, contrasts.role[contrasts.treated]] > 0).all():
        return Runs(why="a treated cluster did not vary before the start")
    runs = placebo_runs(contrasts, options.seed)
    if math.isinf(runs.limits(1 - options.alpha)[0]):
        return Runs(why=f"{len(runs.ratios):,} placebo runs cannot reject at {options.alpha:g}")
    drawn = "every control" if treated == 1 else f"{len(runs.ratios):,} sets of controls"
    method = f"placebo runs: {drawn} in the place of the treated, each measured by its own variation before the start"
    return Runs(runs.limits, runs.p_value, method, whole=whole)


def followed(
    panel: Panel, options: Options, estimate: float, base: str
) -> tuple[Contrasts, FloatArray, IntArray] | str:
    """`_contrasts` where they make up the estimator's own headline, else why not."""
    made = _contrasts(panel, options, base)
    if isinstance(made, str):
        return made
    y = of_clusters(panel).y
    size = float(np.abs(y[np.isfinite(y)]).max())
    if not abs(made[0].estimate - estimate) <= 1e-9 * max(size, abs(estimate)):
        return MIXED
    return made


def of_clusters(panel: Panel) -> Panel:
    """Where only sums are held, a panel of the means of every start and cluster, weighted by their units."""
    cells = None if panel.summed is None else panel.summed.moments.cells
    if panel.summed is None or cells is None:
        return panel
    start = np.array([int(str(key)) for key in panel.summed.moments.keys], dtype=np.int64)[cells.group]
    cluster = np.unique(cells.cluster, return_inverse=True)[1].astype(np.int64)
    return replace(panel, y=cells.mean, start=start, cluster=cluster, weight=cells.n)


def placebo_slope(panel: Panel, options: Options) -> float | None:
    """p-value of the line through the periods before the start, where few clusters are treated; None where none holds.

    A straight line is told from persistent shocks by what the controls' own past looks like.
    """
    made = _contrasts(panel, options, "slope")
    if isinstance(made, str):
        return None
    contrasts = made[0]
    own = contrasts.scale[contrasts.treated, contrasts.role[contrasts.treated]]
    moved = (contrasts.scale[contrasts.control] > 0).all(axis=1).sum()
    few = len(contrasts.treated) <= MOST_TREATED * moved
    if moved < MIN_PLACEBOS or not few or not (own > 0).all():
        return None
    return placebo_runs(contrasts, options.seed).p_value


def _contrasts(panel: Panel, options: Options, base: str) -> tuple[Contrasts, FloatArray, IntArray] | str:
    """The change of every cluster in every role, by how much an effect of one moves it, and the cluster of every unit
    used; or why there are none.
    """
    if panel.stack is not None:
        return "placebo runs are not made for stacked campaigns"
    if panel.summed is not None and panel.alone:
        return f"placebo runs take the units one by one, and of this panel only sums are held: {AGGREGATE}"
    panel = of_clusters(panel)
    used = panel.start != ALWAYS
    start, y = panel.start[used], panel.y[used]
    if panel.crossed:
        return "placebo runs need a panel: average by place and period, and pass the place as unit="
    if not np.isfinite(y).all():
        return "placebo runs need a panel without absent rows"
    if panel.on is not None and not _absorbing(panel.on[used], start):
        return "placebo runs need a treatment that stays on"
    starts = np.unique(start[start >= 0])
    if base == "mean" and len(starts) > 1:
        return "placebo runs follow regressions only where all start together"
    _, cluster = np.unique(panel.cluster[used], return_inverse=True)
    place = np.where(start >= 0, np.searchsorted(starts, start), len(starts))
    group = groups_of_clusters(place, cluster, len(starts) + 1)
    if (group > len(starts)).any():
        return "a cluster holds units that start at different times, or never"
    weight = np.ones(len(y)) if panel.weight is None else panel.weight[used]
    size = np.asarray(np.bincount(cluster, weight), dtype=float)
    mean = np.zeros((len(size), y.shape[1]))
    np.add.at(mean, cluster, weight[:, None] * y)
    mean /= size[:, None]
    role = np.where(group < len(starts), group, -1)
    if (role >= 0).all():
        return "placebo runs need clusters that are never treated"
    value, scale, shift, share = _roles(mean, size, role, starts, panel.grid.position, options.anticipation, base)
    return Contrasts(value, scale, size, role, share), shift, cluster


def _absorbing(on: FloatArray, start: IntArray) -> bool:
    after = (np.arange(on.shape[1]) >= start[:, None]) & (start[:, None] >= 0)
    return bool((on == after).all())


def _roles(
    mean: FloatArray,
    size: FloatArray,
    role: IntArray,
    starts: IntArray,
    position: IntArray,
    anticipation: int,
    base: str,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Changes, their scales, their response to an effect of one (each clusters x roles), and the roles' weights."""
    n_roles, columns = len(starts), np.arange(mean.shape[1])
    value, scale, shift = np.zeros((3, len(mean), n_roles))
    share = np.zeros(n_roles)
    controls = role < 0
    path = mean - (size[controls] @ mean[controls] / size[controls].sum())
    own = np.where(role >= 0, starts[np.maximum(role, 0)], len(columns))
    on = columns >= own[:, None]
    for r, first in enumerate(starts):
        after = columns >= first
        before = position < position[first] - anticipation
        load = _load(base, after, before, position)
        value[:, r] = mean @ load
        shift[:, r] = on @ load
        if before.sum() > 1:
            # A room that sold nothing before has no variation of its own, only that of the controls taken off it.
            moved = np.ptp(mean[:, before], axis=1) > 0
            scale[:, r] = np.where(moved, path[:, before].std(axis=1, ddof=1), 0.0)
        share[r] = size[role == r].sum() * after.sum()
    return value, scale, shift, share / share.sum()


def _load(base: str, after: BoolArray, before: BoolArray, position: IntArray) -> FloatArray:
    """Weight of each period in the change: mean after less the base, or the slope of the line through the past."""
    if base == "slope":
        centred = np.where(before, position - position[before].mean(), 0.0) if before.any() else np.zeros(len(before))
        length = float(centred @ centred)
        return np.asarray(centred / length if length > 0 else centred)
    load = after / after.sum()
    if base == "mean":
        return np.asarray(load - ~after / (~after).sum())
    if before.any():
        load[np.flatnonzero(before)[-1]] -= 1.0
    return np.asarray(load)
