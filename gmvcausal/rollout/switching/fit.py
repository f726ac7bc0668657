"""Tactics that switch on and off: effects of the first switch, and effects at every switch.

Two estimators stand side by side. The intertemporal one (de Chaisemartin and D'Haultfoeuille 2024) compares units since
their first switch with those that began alike and have not switched; what earlier treatment leaves behind is part of
the effect. DID_M (the same, 2020) compares consecutive periods at every switch, and needs that nothing is left behind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.results import Estimates
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, MIN_DF
from gmvcausal.rollout.chance.clustered import clustered_uncertainty
from gmvcausal.rollout.chance.headline import headline
from gmvcausal.rollout.chance.placebo import placebo
from gmvcausal.rollout.fitted import (
    EventCells,
    Fitted,
    Options,
    Series,
    count,
    dated,
    no_anticipation,
    no_stack,
    treatment,
)
from gmvcausal.rollout.group_time import aggregate
from gmvcausal.rollout.group_time.cells import Cells
from gmvcausal.rollout.group_time.effects import Effects, compared
from gmvcausal.rollout.group_time.from_units import FromUnits
from gmvcausal.rollout.group_time.tables import cell_series, effect_series, sides_of
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.switching.design import BoolArray, FloatArray, IntArray, Switches, cells_of, switches
from gmvcausal.rollout.switching.steps import Compared, at_the_switch, back_again, compare

TERMS = (
    ("per period on", "average total effect of the first switch, per period under the tactic (carry-over included)"),
    ("at the switch", "DID_M: effect in the period of a switch, joiners and leavers (no carry-over assumed)"),
    ("joiners", "DID_M of those that switch on (no carry-over assumed)"),
    ("leavers", "DID_M of those that switch off (no carry-over assumed)"),
)


@dataclass(frozen=True)
class Switching:
    """What the terms and the audit ask of a design that switches.

    Attributes
    ----------
    found : Switches
    compared : ndarray of bool, shape (R,)
        Switchers that enter the headline.
    steps, joiners, leavers : Compared
        Effects at every switch, of both kinds and of each.
    back : Compared
        What is left of the effect where the treatment is again what it was at first.
    """

    found: Switches
    compared: BoolArray
    steps: Compared
    joiners: Compared
    leavers: Compared
    back: Compared


def switching(panel: Panel, options: Options) -> Fitted:
    """Average total effect per period under the tactic, with the effects at the switch beside it."""
    no_stack(panel)
    no_anticipation(options)
    on, cluster = treatment(panel), panel.cluster
    # A date of first treatment says what absent rows were under; a 0/1 column does not.
    found = switches(on if panel.on is not None else dated(panel.start, on.shape[1]))
    cells = _cells(panel, found)
    sign = found.sign[:, None]

    def of(outcome: FloatArray) -> Effects:
        return compared(cells, found.group, sign * outcome, cluster, panel.weight)

    effects = of(panel.y)
    if not (effects.cells.event >= 0).any():
        raise DesignError(
            "no unit that switches is seen just before its switch and after it, beside a unit that began alike and has "
            "not switched",
            remedy="supply the rows before the switches, or more units",
        )
    estimate = _per_unit_seen(effects)[0]
    # Treatment has the same comparisons as the outcome: its effect is the periods under the tactic that a switch adds.
    dose = _per_unit_seen(of(on))[0]
    ratio = estimate / dose
    net = of(panel.y - ratio * on)
    row = _per_unit_seen(net)[1] / dose

    def influence() -> FloatArray:
        return net.influence(row) + _of_presence(net) / dose

    lost = effects.lost if isinstance(effects, FromUnits) else np.zeros(len(on), dtype=bool)
    state = _state(panel, on, found, effects, lost)
    treated, control = sides_of(effects, [np.flatnonzero(aggregate.post(effects))], cluster)
    sides = int(treated[0]), int(control[0])
    estimates = _terms(panel, options, state, ratio, influence(), sides)
    by_cohort, by_period = aggregate.by_cohort(effects), aggregate.by_period(effects)
    stayers = ~found.switchers & (found.group >= 0)
    return Fitted(
        estimates,
        influence,
        lambda: _event(effects, panel),
        found.switchers,
        stayers if stayers.any() else found.switchers,
        sides,
        int((on[state.compared] == 1).sum()),
        effects,
        {
            "cohort": lambda: effect_series(effects, by_cohort, cluster),
            "period": lambda: effect_series(effects, by_period, cluster),
            "cells": lambda: cell_series(effects, cluster),
        },
        on=lambda: on,
        lost_units=int(lost.sum()),
        notes=() if panel.on is None else _notes(on, found),
        switching=state,
        event_cells=lambda: EventCells(
            effects.cells, effects.group, lambda use: effect_series(effects, aggregate.by_event(effects, use), cluster)
        ),
    )


def _seen(effects: Effects) -> FloatArray | None:
    """Share of its cohort's weight that every cell compares, shape (K,); None where no row is absent."""
    if not isinstance(effects, FromUnits) or effects.complete:
        return None
    used = effects.group >= 0
    whole = np.bincount(effects.group[used], effects.weight[used], minlength=len(effects.n))
    return np.asarray(effects.sides[0][0] / whole[effects.cells.cohort])


def _per_unit_seen(effects: Effects) -> aggregate.Part:
    """The mean over switchers and periods, each cell with the weight of the units that it compares."""
    return aggregate.size_weighted(effects, aggregate.post(effects), _seen(effects))


def _of_presence(effects: Effects) -> FloatArray:
    """What each unit's own absences add to its influence on that mean, shape (R,).

    The row of the mean moves the weights of all cells of a unit's cohort by the shares seen in them; the unit itself
    weighs in the cells in which it is seen.
    """
    out, seen = np.zeros(len(effects.group)), _seen(effects)
    if seen is None or not isinstance(effects, FromUnits):
        return out
    at, cohort, present = np.flatnonzero(aggregate.post(effects)), effects.cells.cohort, np.isfinite(effects.y)
    estimate = _per_unit_seen(effects)[0]
    total = float(seen[at] @ effects.shares[cohort[at]]) * effects.weight[effects.group >= 0].sum()
    for k in at:
        units = np.flatnonzero(effects.group == cohort[k])
        both = present[units, effects.cells.period[k]] & present[units, effects.cells.base[k]]
        out[units] += effects.weight[units] * (both - seen[k]) * (effects.att[k] - estimate) / total
    return out


def _cells(panel: Panel, found: Switches) -> Cells:
    switchers = int(found.switchers.sum())
    if not switchers:
        raise DesignError(
            "the treatment of no unit changes within the periods observed, so there is no switch to learn from",
            remedy="check the treatment column, or supply earlier periods",
        )
    cells = cells_of(found, panel.grid.position)
    if not (cells.event >= 0).any():
        raise DesignError(
            f"none of the {switchers:,} units that switch can be compared: no unit with the same treatment in its "
            "first period switches later, or never",
            remedy="supply units that keep the treatment they began with",
        )
    return cells


def _state(panel: Panel, on: FloatArray, found: Switches, effects: Effects, lost: BoolArray) -> Switching:
    weight = np.ones(len(on)) if panel.weight is None else panel.weight
    reached = np.zeros(len(found.came_from) + 1, dtype=bool)  # one more, for units that are never seen
    reached[effects.cells.cohort[effects.cells.event >= 0]] = True
    every = chain(at_the_switch(on, True), at_the_switch(on, False))
    return Switching(
        found,
        reached[found.group] & ~lost,
        compare(panel.y, weight, every),
        compare(panel.y, weight, at_the_switch(on, True)),
        compare(panel.y, weight, at_the_switch(on, False)),
        compare(panel.y, weight, back_again(on, found)),
    )


def _terms(
    panel: Panel, options: Options, state: Switching, ratio: float, influence: FloatArray, sides: tuple[int, int]
) -> Estimates:
    """The headline and the effects at the switch, with their joint covariance by clusters."""
    group, cluster = state.found.group, panel.cluster
    parts = zip(TERMS[1:], (state.steps, state.joiners, state.leavers), strict=True)
    steps = [(term, part) for term, part in parts if part.changes]
    scores = [influence, *(part.influence for _, part in steps)]
    used = np.bincount(cluster[group >= 0], minlength=panel.n_clusters) > 0
    sums = np.array([np.bincount(cluster, s, minlength=panel.n_clusters)[used] for s in scores])
    cov, spread = clustered_uncertainty([sums], len(sums), group, cluster, panel.weight, len(state.found.came_from))
    for k, (_, part) in enumerate(steps, 1):
        # Changes at a switch are taken from one mean for each period and direction, not from that of a cohort.
        two = np.where(group < 0, -1, np.where(part.own, 0, 1))
        own = clustered_uncertainty([sums[k : k + 1]], 1, two, cluster, panel.weight, 2)[1]
        left = part.changes - part.pairs
        spread.df[k] = own.df[0] if left > 0 else 0.0
        spread.factor[k] = own.factor[0] * np.sqrt(part.changes / max(left, 1))
    made = headline(
        [TERMS[0], *(term for term, _ in steps)],
        options.outcome_unit,
        np.array([ratio, *(part.estimate for _, part in steps)]),
        cov,
        int((group >= 0).sum()),
        spread,
        sides,
        lambda: placebo(panel, options, ratio, "last"),
    )
    few = [
        k
        for k, (_, part) in enumerate(steps, 1)
        if min(clusters_of(cluster, part)) < MIN_CLUSTERS or spread.df[k] < MIN_DF
    ]
    if not few or not np.isfinite(made.cov[0, 0]):
        return made
    cov = made.cov.copy()
    cov[few], cov[:, few] = np.nan, np.nan
    told = ", ".join(made.term[k] for k in few)
    return replace(made, cov=cov, withheld=f"fewer than {MIN_CLUSTERS} clusters, or too few at a time, behind: {told}")


def clusters_of(cluster: IntArray, part: Compared) -> tuple[int, int]:
    """Clusters of the units compared and of those beside them."""
    return count(cluster, part.own), count(cluster, part.beside)


def _notes(on: FloatArray, found: Switches) -> tuple[str, ...]:
    notes = []
    seen = np.isfinite(on)
    late = int((~seen[:, 0] & (found.group >= 0)).sum())
    if late:
        notes.append(
            f"{late:,} units are first seen after the first period; the treatment seen first counts as the one that "
            "they began with"
        )
    return tuple(notes)


def _event(effects: Effects, panel: Panel) -> Series:
    parts = aggregate.by_event(effects)
    return effect_series(effects, parts, panel.cluster, effects.cells.reference(panel.grid.position))
