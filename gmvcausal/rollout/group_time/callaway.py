"""The default estimator: group-time effects and their aggregates (Callaway and Sant'Anna 2021)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.chance.headline import NO_RUNS, Runs, headline
from gmvcausal.rollout.chance.placebo import placebo
from gmvcausal.rollout.fitted import EventCells, Fitted, Options, Series, control_rule, no_stack
from gmvcausal.rollout.group_time import aggregate
from gmvcausal.rollout.group_time.effects import group_time, rebase
from gmvcausal.rollout.group_time.from_moments import FromMoments
from gmvcausal.rollout.group_time.from_units import FromUnits
from gmvcausal.rollout.group_time.given import given, idle_note, trimmed_note
from gmvcausal.rollout.group_time.left_out import lost_cohorts, nothing_compared, without, without_controls
from gmvcausal.rollout.group_time.spillover import beside_spillover, reach
from gmvcausal.rollout.group_time.tables import Compared, cell_series, effect_series, sides_of
from gmvcausal.rollout.intake.cohorts import check_variation
from gmvcausal.rollout.intake.panel import Panel


def callaway_santanna(panel: Panel, options: Options) -> Fitted:
    """Group-time effects aggregated with the uncertainty of the cohort shares (Callaway and Sant'Anna 2021)."""
    no_stack(panel)
    control, position, notes = control_rule(options.control, panel), panel.grid.position, list[str]()
    reached = None if panel.exposed is None else reach(panel, options.control)
    check_variation(panel.start, "first_treated", panel.cohorts)
    if control != options.control:
        notes.append("no unit is never treated, so the not-yet-treated serve as controls")
    effects = group_time(
        panel.y, panel.start, panel.cluster, panel.weight, position, control, options.base_period,
        options.anticipation, given(panel, options),
        None if panel.covariates is not None or panel.weight is not None or reached is not None or panel.crossed
        else panel.moments,
        panel.exposed,
        panel.crossed,
    )  # fmt: skip
    if not effects.cells.post.any():
        raise nothing_compared(panel, effects)
    lost = effects.lost if isinstance(effects, FromUnits) else np.zeros(len(panel.start), dtype=bool)
    notes += (
        lost_cohorts(panel, lost, "in the base period")
        + without_controls(panel, effects)
        + trimmed_note(effects)
        + idle_note(panel, effects)
    )
    untreated = effects.group == len(effects.n) - 1
    treated = (effects.group >= 0) & ~untreated & (panel.start >= 0)
    universal = partial(rebase, effects, position, control, "universal", options.anticipation, reached)
    found = summarised(
        panel,
        options,
        effects,
        universal,
        PERSON_TERMS if panel.crossed else ATT_TERMS,
        lambda estimate: (
            Runs(why=NO_RUNS)
            if panel.covariates is not None
            else placebo(without(panel, lost), options, estimate, "last")
        ),
        treated,
        untreated if untreated.any() else treated,
    )
    if reached is not None:
        found, told = beside_spillover(panel, options, effects, found, universal)
        notes += told
    return replace(
        found,
        weights=effects if panel.covariates is not None else None,
        lost_units=int(lost.sum()),
        notes=tuple(notes),
    )


ATT_TERMS = [
    ("overall", "ATT, post group-time effects weighted by cohort size"),
    ("event-time average", "ATT, plain mean over event times from 0 on"),
    ("cohort average", "ATT, mean per cohort weighted by cohort size"),
    ("period average", "ATT, plain mean over calendar periods"),
]
# In repeated cross-sections a cohort is as large as it has rows.
PERSON_TERMS = [(name, what.replace("ATT,", "ATT per person,").replace("size", "rows")) for name, what in ATT_TERMS]


def summarised(
    panel: Panel, options: Options, effects: Compared, universal: Callable[[], Compared], terms: list[tuple[str, str]],
    runs: Callable[[float], Runs], treated: NDArray[np.bool_], controls: NDArray[np.bool_],
) -> Fitted:  # fmt: skip
    """Aggregates and tables of group-time effects.

    Parameters
    ----------
    universal : callable
        The same effects on the universal base, for the event study.
    terms : list of (str, str)
        Name and estimand of the four aggregates, the headline first.
    runs : callable
        From the headline to its placebo runs, where few clusters are treated.
    treated, controls : ndarray of bool, shape (R,)
    """
    cluster = panel.cluster
    parts = [aggregate.simple(effects)]
    by_event, by_cohort, by_period = (
        aggregate.by_event(effects),
        aggregate.by_cohort(effects),
        aggregate.by_period(effects),
    )
    parts += [
        aggregate.mean_of(by_event, by_event.at >= 0),
        aggregate.mean_of_cohorts(by_cohort, effects),
        aggregate.mean_of(by_period),
    ]
    by_unit = aggregate.by_units_seen(effects, aggregate.post(effects)) if panel.weight is None else None
    if by_unit is not None:
        # Where units leave or enter, cohort sizes are not what a total may be made with.
        parts.append(by_unit)
        what = terms[0][1].partition(" weighted by ")[0]
        terms = [*terms, ("per unit-period", f"{what} weighted by the treated units seen in each")]
    rows = np.vstack([p.rows for p in parts])
    cov, spread = effects.uncertainty(rows)
    # Counted are the groups that the headline compares: a last cohort without controls of its own is a control only.
    sides = sides_of(effects, parts[0].cells, cluster)
    clusters = (int(sides[0][0]), int(sides[1][0]))
    estimate = np.concatenate([p.estimate for p in parts])

    lost = 0 if isinstance(effects, FromMoments) else int((effects.lost & treated).sum())

    def event() -> Series:
        found = universal()
        return effect_series(found, aggregate.by_event(found), cluster, found.cells.reference(panel.grid.position))

    def event_cells() -> EventCells:
        found = universal()
        return EventCells(
            found.cells, found.group, lambda use: effect_series(found, aggregate.by_event(found, use), cluster)
        )

    tables: dict[str, Callable[[], Series]] = {
        "cohort": lambda: effect_series(effects, by_cohort, cluster),
        "period": lambda: effect_series(effects, by_period, cluster),
        "cells": lambda: cell_series(effects, cluster),
    }
    estimates = headline(
        terms,
        options.outcome_unit,
        estimate,
        cov,
        panel.units(effects.group >= 0) - lost,
        spread,
        clusters,
        lambda: runs(float(estimate[0])),
    )
    return Fitted(
        estimates,
        lambda: effects.influence(rows[0]),
        event,
        treated,
        controls,
        clusters,
        int(effects.cell_units[effects.cells.post].sum()),
        effects,
        tables,
        rows=rows,
        per_cell=0 if by_unit is None else len(terms) - 1,
        event_cells=event_cells,
        loads=partial(effects.loads, rows[0]) if isinstance(effects, FromMoments) else None,
    )
