"""Effects in per cent of GMV: Poisson quasi-likelihood with unit and period effects (Wooldridge 2023)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.moments import from_arrays
from gmvcausal.results import Estimates
from gmvcausal.rollout.chance.headline import Runs, headline
from gmvcausal.rollout.fitted import MAX_JOINT, EventCells, Fitted, Options, Series, no_stack
from gmvcausal.rollout.group_time.cells import Cells
from gmvcausal.rollout.group_time.effects import groups_of
from gmvcausal.rollout.intake.cohorts import check_variation
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.ratios.effects import Imputed, Loads, RatioEffects, Sample, stack, uncertainty
from gmvcausal.rollout.ratios.model import BoolArray, FloatArray, IntArray, Patterns, fit_ratios, patterns_of
from gmvcausal.stats.inference import critical_values, p_value
from gmvcausal.stats.small_sample import Spread

_CELLS_AT_ONCE = 250
_TOLERANCE = 1e-6
_TERMS = [
    ("overall", "ATT under trends parallel in ratios, mean over treated unit-periods"),
    ("event-time average", "ATT, plain mean over event times from 0 on"),
    ("cohort average", "ATT, mean per cohort weighted by cohort size"),
    ("period average", "ATT, plain mean over calendar periods"),
]
_PERCENT = (
    "% of what it would have been",
    "ratio of totals: treated unit-periods with the tactic over without, less 1",
)


def poisson(panel: Panel, options: Options) -> Fitted:
    """Untreated paths by Poisson quasi-likelihood, imputed for the treated; ratios and levels of what they add."""
    no_stack(panel)
    check_variation(panel.start, "first_treated", panel.cohorts)
    starts, group = groups_of(panel.start)
    position, width = panel.grid.position, panel.y.shape[1]
    n = np.bincount(group[group >= 0], minlength=len(starts) + 1).astype(float)
    treated = position >= position[starts][:, None] - options.anticipation
    untreated = np.vstack([~treated, np.full((1, width), n[-1] > 0)])
    sample, patterns = sample_of(panel, group, n)
    notes = [] if n[-1] else ["no unit is never treated, so the not-yet-treated serve as controls"]
    fitted_on = untreated & (group_sums(patterns, patterns.total * untreated[patterns.group]).sum(axis=0) > 0)
    periods = np.broadcast_to(np.eye(width), (len(n), width, width))
    sums = Imputed(fit_ratios(patterns, fitted_on, periods))
    cells = _cells(starts, position, treated, untreated, sums, notes)
    effects = RatioEffects(cells, sums, sample)
    post = cells.event >= 0
    by_event = effects.marks(cells.event, post)[1]
    at_cohort, by_cohort = effects.marks(cells.cohort, post)
    at_period, by_period = effects.marks(cells.period, post)
    overall = post[None, :].astype(float)
    size = n[at_cohort]
    rows = [
        effects.level(overall),
        _plain(effects.level(by_event)),
        effects.level(by_cohort).mean(size / size.sum()),
        _plain(effects.level(by_period)),
        effects.log_ratio(overall),
    ]
    cov, spread = uncertainty(sample, [sums.part(stack(rows))])
    clusters = (int(effects.clusters(overall)[0][0]), int(effects.clusters(overall)[1][0]))
    log = float(rows[-1].estimate[0])
    estimates = headline(
        [*_TERMS, _PERCENT],
        options.outcome_unit,
        np.append(np.concatenate([r.estimate for r in rows[:-1]]), 100 * np.expm1(log)),
        cov * np.outer(*[np.array([1.0] * 4 + [100 * np.exp(log)])] * 2),
        int(n.sum()),
        spread,
        clusters,
        lambda: Runs(why="placebo runs are made for differences of means, not for ratios"),
    )
    estimates = _in_percent(estimates, log, float(cov[-1, -1]), spread)

    def event() -> Series:
        return _event_study(effects, options, position, treated, untreated, starts, percent=False)

    tables: dict[str, Callable[[], Series]] = {
        "cohort": lambda: _series(effects, at_cohort, by_cohort, effects.level),
        "period": lambda: _series(effects, at_period, by_period, effects.level),
        "cells": lambda: _cell_series(effects, effects.level),
        "log event": lambda: _event_study(effects, options, position, treated, untreated, starts, percent=True),
        "log cohort": lambda: _series(effects, at_cohort, by_cohort, effects.log_ratio),
        "log period": lambda: _series(effects, at_period, by_period, effects.log_ratio),
        "log overall": lambda: _series(effects, np.array([0]), overall, effects.log_ratio),
        "log cells": lambda: _cell_series(effects, effects.log_ratio),
    }

    alone = ~sums.model.used.any(axis=1)
    lost = np.append(alone, False)[patterns.of_unit] & (group >= 0) & (group < len(starts))
    if lost.any():
        notes.append(f"{int(lost.sum()):,} treated units are never seen before their start and enter no comparison")
    is_treated, is_control = (group >= 0) & (group < len(starts)), group == len(starts)
    return Fitted(
        estimates,
        lambda: effects.pull(rows[0]),
        event,
        is_treated,
        is_control if is_control.any() else is_treated,
        clusters,
        int(effects.count[post].sum()),
        effects,
        tables,
        lost_units=int(lost.sum()),
        notes=tuple(notes),
        event_cells=lambda: EventCells(
            cells, group, lambda use: _series(effects, *effects.marks(cells.event, use), effects.level)
        ),
    )


def sample_of(panel: Panel, group: IntArray, n: FloatArray) -> tuple[Sample, Patterns]:
    """The panel by groups; complete, unweighted panels by their moments."""
    y, cluster = panel.y, panel.cluster
    if panel.weight is None and np.isfinite(y.sum()):
        above = int(cluster.max()) + 1 < len(cluster)
        moments = from_arrays(y, group, tuple(range(len(n))), cluster if above else None)
        total = moments.mean * moments.n[:, None]
        patterns = Patterns(group, np.arange(len(n)), np.ones(total.shape, dtype=bool), total, n, n)
        return Sample(y, group, cluster, None, n, moments), patterns
    weight = None if panel.weight is None else panel.weight / panel.weight.mean()
    return Sample(y, group, cluster, weight, n, None), patterns_of(y, group, weight, len(n))


def group_sums(patterns: Patterns, values: FloatArray) -> FloatArray:
    """Sums over the patterns of every group, shape (H, T)."""
    out = np.zeros((int(patterns.group.max()) + 1, values.shape[1]))
    np.add.at(out, patterns.group, values)
    return out


def _cells(
    starts: IntArray, position: IntArray, treated: BoolArray, untreated: BoolArray, sums: Imputed, notes: list[str]
) -> Cells:
    """The treated cells of which the untreated ones say what they would have held."""
    cohort, period = np.nonzero(treated)
    event = position[period] - position[starts[cohort]]
    controls = untreated[:, period].T & (np.arange(len(untreated)) != cohort[:, None])
    sold = np.array([sums.observed[g, ~treated[g]].sum() > 0 for g in range(len(starts))])
    if not sold.any():
        raise DesignError(
            "the treated sold nothing in any period before their start, so no ratio to it can be formed",
            remedy="supply earlier periods, or use the default estimator, which compares differences",
        )
    first = np.array([int(np.flatnonzero(~t)[-1]) if (~t).any() else -1 for t in treated])
    known = sums.imputed[cohort, period] > 0
    # A cell's imputed sum must not move along what the data leave open (periods that nothing links).
    marks = np.zeros((len(cohort), *treated.shape))
    marks[np.arange(len(cohort)), cohort, period] = 1.0
    slopes = sums.slopes(np.concatenate([marks, np.zeros((len(cohort), 1, treated.shape[1]))], axis=1))
    size = np.maximum(np.abs(slopes).max(axis=1), 1e-300)
    open_part = np.abs(slopes - slopes @ sums.model.identified).max(axis=1) / size
    seen = sums.count[cohort, period] > 0
    keep = known & (open_part < _TOLERANCE) & controls.any(axis=1) & (first[cohort] >= 0) & seen
    if not (keep & (event >= 0)).any():
        raise DesignError(
            "no treated period has both a period before and a control unit that sold something, so no effect is "
            "identified",
            remedy="supply earlier periods, later periods or untreated units",
        )
    gone = int((~keep & (event >= 0) & seen).sum())
    if gone:
        notes.append(
            f"{gone} of {int((event >= 0).sum())} treated cohort-periods are left out: nobody untreated sold anything "
            "beside them, or their cohort sold nothing before its start"
        )
    return Cells(cohort, period, first[cohort], controls, event, starts).keep(keep)


def _plain(loads: Loads) -> Loads:
    return loads.mean(np.full(len(loads.estimate), 1.0 / len(loads.estimate)))


def _in_percent(estimates: Estimates, log: float, variance: float, spread: Spread) -> Estimates:
    """The last row as a percentage: its interval is made for the logarithm, and ends above -100 %."""
    last = len(estimates.term) - 1
    unit = (*estimates.unit[:-1], "%")
    if np.isnan(estimates.cov[last, last]) or not variance > 0:
        return replace(estimates, unit=unit)
    se = float(np.sqrt(variance)) * float(spread.factor[last])

    def limits(level: float) -> tuple[float, float]:
        half = float(critical_values(level, spread.df[last:])[0]) * se
        return 100 * float(np.expm1(log - half)), 100 * float(np.expm1(log + half))

    p = float(p_value(np.array([log]), np.array([se]), spread.df[last:])[0])
    return replace(estimates, unit=unit, special={last: limits}, special_p={last: p})


def _series(
    effects: RatioEffects, at: IntArray, marks: FloatArray, make: Callable[[FloatArray], Loads],
    reference: int | None = None,
) -> Series:  # fmt: skip
    loads = make(marks)
    cov, spread = uncertainty(effects.sample, [effects.sums.part(loads)])
    n = effects.behind(marks).sum(axis=1).astype(np.int64)
    return Series(at, loads.estimate, cov, n, np.minimum(*effects.clusters(marks)), spread, reference)


def _cell_series(effects: RatioEffects, make: Callable[[FloatArray], Loads]) -> Series:
    """Every effect on its own; beyond `MAX_JOINT` of them without their joint covariance."""
    k = len(effects.cells.event)
    each = np.eye(k)
    if k <= MAX_JOINT:
        return _series(effects, effects.cells.event, each, make)
    pieces = [
        _series(effects, effects.cells.event[low : low + _CELLS_AT_ONCE], each[low : low + _CELLS_AT_ONCE],
                make)
        for low in range(0, k, _CELLS_AT_ONCE)
    ]  # fmt: skip
    return Series(
        effects.cells.event,
        np.concatenate([p.estimate for p in pieces]),
        np.concatenate([np.diag(p.cov) for p in pieces]),
        np.concatenate([p.n for p in pieces]),
        np.concatenate([p.clusters for p in pieces]),
        Spread(*(np.concatenate([p.spread[i] for p in pieces]) for i in range(2))),
    )


def _event_study(
    effects: RatioEffects, options: Options, position: IntArray, treated: BoolArray, untreated: BoolArray,
    starts: IntArray, *, percent: bool,
) -> Series:  # fmt: skip
    """Effects by event time after leads from a model of the untreated cells alone, with their joint covariance.

    A lead is a dummy of its own on the untreated cells, relative to the last event time before the start; treated cells
    take no part, so what effects do after the start cannot show in the leads.
    """
    cells, sample, model = effects.cells, effects.sample, effects.sums.model
    at, marks = effects.marks(cells.event, np.ones(len(cells.event), dtype=bool))
    make = effects.log_ratio if percent else effects.level
    after = make(marks)
    base = cells.reference(position)
    event = position - position[starts][:, None]
    sold = effects.sums.observed[:-1]
    before = ~treated & (sold > 0)
    times = np.unique(event[before & (event != base)])
    times = np.array([e for e in times if sold[before & (event == e)].sum() > 0], dtype=np.int64)
    width = len(position)
    dummies = np.zeros((len(untreated), width, len(times)))
    dummies[:-1] = (event[:, :, None] == times) & ~treated[:, :, None]
    design = np.concatenate([np.broadcast_to(np.eye(width), (len(untreated), width, width)), dummies], axis=2)
    fitted_on = untreated & (group_sums(model.patterns, model.patterns.total * model.used).sum(axis=0) > 0)
    leads = Imputed(fit_ratios(model.patterns, fitted_on, design))
    # Where two leads are collinear with the effects, those that the data leave open have no lead.
    projection = leads.model.identified[width:, width:]
    ok = np.abs(np.diag(projection) - 1.0) < _TOLERANCE
    times, dummies = times[ok], dummies[:, :, ok]
    pick = np.flatnonzero(ok) + width
    delta = leads.model.beta[pick]
    rows = np.zeros((len(times), width + len(ok)))
    held = np.einsum("hte,ht->e", dummies, leads.observed)
    size = np.einsum("hte,ht->e", dummies, leads.size)
    share = np.moveaxis(dummies, 2, 0) / np.maximum(size, 1e-300)[:, None, None]
    nothing = np.zeros_like(share)
    if percent:
        rows[np.arange(len(times)), pick] = 1.0
        made = Loads(delta, nothing, nothing, rows)
    else:
        rows[np.arange(len(times)), pick] = held / size * np.exp(-delta)
        made = Loads(-held / size * np.expm1(-delta), share * -np.expm1(-delta)[:, None, None], nothing, rows)
    cov, spread = uncertainty(sample, [leads.part(made), effects.sums.part(after)])
    count = np.einsum("hte,ht->eht", dummies[:-1], leads.count[:-1]).max(axis=2)
    anyone = np.array([untreated[:, (d[:-1] > 0).any(axis=0)].any(axis=1) for d in np.moveaxis(dummies, 2, 0)])
    anyone = anyone.reshape(len(times), len(untreated))
    behind = np.concatenate([count, effects.behind(marks)])
    clusters = np.r_[np.minimum(*effects.sides(count > 0, anyone)), np.minimum(*effects.clusters(marks))]
    return Series(
        np.r_[times, at], np.r_[made.estimate, after.estimate], cov, behind.sum(axis=1).astype(np.int64),
        clusters.astype(np.int64), spread, base, None if base is None else float(np.mean(np.r_[times, base])),
    )  # fmt: skip
