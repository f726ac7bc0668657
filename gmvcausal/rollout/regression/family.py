"""Sun-Abraham, ETWFE, imputation and two-stage: the panel goes in, effects by cohort and period come out.

All four take unit and period effects out by least squares and differ in what those effects are fitted to: every row
with a dummy per cohort and period (Sun and Abraham 2021: all but the base; Wooldridge: the treated ones), or the
untreated rows alone (Borusyak, Jaravel and Spiess 2024; Gardner 2022). The weights of their aggregates are the treated
units seen in each cell and count as fixed: the effect meant is that on the treated of these data.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.rollout.chance.headline import headline
from gmvcausal.rollout.chance.placebo import placebo
from gmvcausal.rollout.fitted import EventCells, Fitted, Options, Series, no_stack
from gmvcausal.rollout.group_time.cells import Cells, make_cells
from gmvcausal.rollout.group_time.left_out import lost_cohorts
from gmvcausal.rollout.intake.cohorts import UNTREATED, check_variation
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.regression.cell_effects import CellEffects
from gmvcausal.rollout.regression.cell_regression import regress
from gmvcausal.rollout.regression.imputation import impute
from gmvcausal.rollout.regression.leads import fit_leads
from gmvcausal.rollout.regression.linear import influence, loads_of
from gmvcausal.rollout.regression.normal import BoolArray, IntArray, Units, units_of

_TERMS = [
    ("overall", "ATT, post cells weighted by their treated units"),
    ("event-time average", "ATT, plain mean over event times from 0 on"),
    ("cohort average", "ATT, mean per cohort weighted by cohort size"),
    ("period average", "ATT, plain mean over calendar periods"),
]


def sun_abraham(panel: Panel, options: Options) -> Fitted:
    """Interaction-weighted event study (Sun and Abraham 2021)."""
    start, notes, columns = _checked(panel), list[str](), np.ones(panel.y.shape[1], dtype=bool)
    last = UNTREATED
    if not (start == UNTREATED).any():
        last = int(start.max())
        position = panel.grid.position
        columns = position < position[last] - options.anticipation
        when = panel.grid.text(panel.grid.values[last])
        notes.append(
            f"no unit is never treated, so the last cohort, first treated in {when}, serves as control; its own effect "
            "and the periods from its start on are left out"
        )
    units = units_of(panel, last)
    cells = make_cells(units.starts, panel.grid.position, True, "never_treated", "universal", options.anticipation)
    cells = cells.keep(columns[cells.period])
    _refuse_empty(cells)
    used = np.tile(columns, (len(units.n), 1))
    fitting = regress(units, used, cells.cohort, cells.period, options.ssc)
    return _fitted(panel, options, CellEffects(cells, fitting, units, "regression"), None, notes)


def etwfe(panel: Panel, options: Options) -> Fitted:
    """Two-way effects with a dummy per treated cohort and period, by least squares (Wooldridge 2021)."""
    units, cells, untreated, notes = _design(panel, options)
    used = _used(untreated, cells)
    fitting = regress(units, used, cells.cohort, cells.period, options.ssc)
    return _fitted(panel, options, CellEffects(cells, fitting, units, "regression"), untreated, notes)


def imputation(panel: Panel, options: Options) -> Fitted:
    """Imputation of untreated outcomes, with the conservative variance (Borusyak, Jaravel and Spiess 2024)."""
    return _imputed(panel, options, "cautious")


def two_stage(panel: Panel, options: Options) -> Fitted:
    """Two-stage least squares of outcomes less imputed effects, with its GMM variance (Gardner 2022)."""
    return _imputed(panel, options, "second stage")


def _imputed(panel: Panel, options: Options, variance: str) -> Fitted:
    units, cells, untreated, notes = _design(panel, options)
    fitting = impute(units, untreated, _used(untreated, cells), cells.cohort, cells.period)
    return _fitted(panel, options, CellEffects(cells, fitting, units, variance), untreated, notes)


def _checked(panel: Panel) -> IntArray:
    no_stack(panel)
    check_variation(panel.start, "first_treated", panel.cohorts)
    return panel.start


def _refuse_empty(cells: Cells) -> None:
    if not (cells.event >= 0).any():
        raise DesignError(
            "no treated period has both a period before and a control unit, so no effect is identified",
            remedy="supply earlier periods, later periods or untreated units",
        )


def _design(panel: Panel, options: Options) -> tuple[Units, Cells, BoolArray, list[str]]:
    """The groups, the treated cells beside which somebody is untreated, and which cells are untreated."""
    _checked(panel)
    units = units_of(panel)
    position, starts = panel.grid.position, units.starts
    treated = position >= position[starts][:, None] - options.anticipation
    untreated = np.vstack([~treated, np.full((1, len(position)), units.n[-1] > 0)])
    cells = make_cells(starts, position, bool(units.n[-1]), "not_yet_treated", "universal", options.anticipation)
    cells = cells.keep(treated[cells.cohort, cells.period])
    # A unit is a control in every period in which it is untreated, also where the base of others lies later.
    controls = untreated[:, cells.period].T & (np.arange(len(untreated)) != cells.cohort[:, None])
    cells = Cells(cells.cohort, cells.period, cells.base, controls, cells.event, cells.starts)
    _refuse_empty(cells)
    notes = [] if units.n[-1] else ["no unit is never treated, so the not-yet-treated serve as controls"]
    alone = int(treated.sum()) - len(cells.cohort)
    if alone:
        notes.append(
            f"{alone} of {int(treated.sum())} treated cohort-periods have no untreated unit beside them and are left "
            "out"
        )
    return units, cells, untreated, notes


def _used(untreated: BoolArray, cells: Cells) -> BoolArray:
    """Untreated cells and the treated ones that can be compared."""
    used = untreated.copy()
    used[cells.cohort, cells.period] = True
    return used


def _fitted(
    panel: Panel, options: Options, effects: CellEffects, untreated: BoolArray | None, notes: list[str]
) -> Fitted:
    """Aggregates, tables and event study of the effects; `untreated` where leads are a regression of their own."""
    cells, units = effects.cells, effects.units
    lost = effects.lost()
    if not (cells.event >= 0).any():
        raise DesignError(
            "no treated period is observed beside untreated units and periods, so no effect is identified",
            remedy="supply the rows that are absent, or earlier periods or untreated units",
        )
    notes = notes + lost_cohorts(panel, lost, "before the start")
    post = cells.event >= 0
    overall, by_event = effects.means(np.zeros(len(post), dtype=np.int64), post), effects.means(cells.event, post)
    by_cohort, by_period = effects.means(cells.cohort, post), effects.means(cells.period, post)
    size = units.size[by_cohort.at]
    terms = [overall, by_event.mean(), by_cohort.mean(size / size.sum()), by_period.mean()]
    cov, spread = effects.uncertainty(terms)
    estimate = np.concatenate([effects.estimate(t) for t in terms])
    clusters = (int(effects.clusters(overall)[0][0]), int(effects.clusters(overall)[1][0]))
    estimates = headline(
        _TERMS,
        options.outcome_unit,
        estimate,
        cov,
        effects.fitting.normal.units,
        spread,
        clusters,
        lambda: placebo(panel, options, float(estimate[0]), "last" if untreated is None else "mean"),
    )
    every = np.ones(len(post), dtype=bool)

    def event() -> Series:
        means, base = effects.means(cells.event, every), cells.reference(panel.grid.position)
        if untreated is None or base is None:
            return effects.series(means, base)
        return effects.series_with_leads(
            means, base, fit_leads(units, untreated, _events(panel, units), base, options.ssc), untreated
        )

    tables: dict[str, Callable[[], Series]] = {
        "cohort": lambda: effects.series(by_cohort),
        "period": lambda: effects.series(by_period),
        "cells": lambda: effects.cell_series(),
    }
    treated = (units.group >= 0) & (units.group < len(units.starts))
    control = units.group == len(units.starts)
    return Fitted(
        estimates,
        lambda: influence(units, effects.loaded(overall)),
        event,
        treated,
        control if control.any() else treated,
        clusters,
        int(effects.fitting.count[post].sum()),
        effects,
        tables,
        lost_units=panel.units(lost),
        notes=tuple(notes),
        event_cells=lambda: EventCells(
            cells, effects.group, lambda use: effects.series(effects.means(cells.event, use))
        ),
        # In two stages the residuals depend on the means asked for, so only the headline has influences.
        loads=None if units.moments is None else lambda: loads_of(units, effects.loaded(overall)),
        rows=None if effects.variance == "second stage" else np.vstack([t.rows for t in terms]),
    )


def _events(panel: Panel, units: Units) -> IntArray:
    """Event time of every group and period; the untreated have none and are left at 0."""
    position = panel.grid.position
    out = np.zeros((len(units.n), len(position)), dtype=np.int64)
    out[:-1] = position - position[units.starts][:, None]
    return out
