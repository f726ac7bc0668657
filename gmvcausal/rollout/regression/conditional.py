"""The two-by-two given covariates: each unit's mean after less its mean before, compared among alike units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.rollout.chance.headline import NO_RUNS, Runs, headline
from gmvcausal.rollout.fitted import Fitted, FloatArray, Options, Series, count
from gmvcausal.rollout.group_time import aggregate
from gmvcausal.rollout.group_time.effects import group_time
from gmvcausal.rollout.group_time.given import given, trimmed_note
from gmvcausal.rollout.group_time.tables import effect_series
from gmvcausal.rollout.intake.cohorts import UNTREATED
from gmvcausal.rollout.intake.panel import Panel


def given_covariates(panel: Panel, options: Options, start: int) -> Fitted:
    """One comparison of two periods: the means before and after the start of units seen on both sides.

    Columns that change within units count with their value in the last period before the start.
    """
    asked = given(panel, options)
    assert asked is not None  # the caller looked
    columns = np.arange(panel.y.shape[1])
    y = np.column_stack([_mean(panel.y[:, columns < start]), _mean(panel.y[:, columns >= start])])
    x = panel.covariates.at(start - 1) if panel.covariates is not None else np.zeros((len(y), 0))
    y[~np.isfinite(x).all(axis=1)] = np.nan
    two = np.where(panel.start >= 0, 1, panel.start)
    label = (asked.label[start - 1], asked.label[start])
    pair = replace(asked, covariates=replace(asked.covariates, x=x), label=label)
    effects = group_time(
        y, two, panel.cluster, panel.weight, np.arange(2), "never_treated", "varying", 0, pair, crossed=panel.crossed
    )
    if not len(effects.att):
        raise DesignError(
            "no treated unit, or no control unit, is seen both before and after the start",
            remedy="supply rows of both groups before and after the start",
        )
    used = panel.start >= UNTREATED
    seen = np.isfinite(y).any(axis=1) if panel.crossed else np.isfinite(y).all(axis=1)
    lost = int((used & ~seen).sum())
    notes = trimmed_note(effects)
    if lost:
        notes.append(f"{lost:,} units are not seen both before and after the start and were left out")
    row = np.eye(1, 1 + len(effects.shares))
    cov, spread = effects.uncertainty(row)
    treated, control = panel.start >= 0, panel.start == UNTREATED
    clusters = (count(panel.cluster, treated & seen), count(panel.cluster, control & seen))
    estimates = headline(
        [("treated x after", "ATT, difference in differences of means before and after, given the covariates")],
        options.outcome_unit,
        effects.att.copy(),
        cov,
        int((used & seen).sum()),
        spread,
        clusters,
        lambda: Runs(why=NO_RUNS),
    )

    def influence() -> FloatArray:
        return effects.influence(row[0])

    def event() -> Series:
        every = group_time(
            panel.y, panel.start, panel.cluster, panel.weight, panel.grid.position, "never_treated", "universal", 0,
            asked, crossed=panel.crossed,
        )  # fmt: skip
        reference = every.cells.reference(panel.grid.position)
        return effect_series(every, aggregate.by_event(every), panel.cluster, reference)

    cells = int(np.isfinite(panel.y[treated & seen][:, columns >= start]).sum())
    return Fitted(
        estimates, influence, event, treated, control, clusters, cells, weights=effects, notes=tuple(notes),
    )  # fmt: skip


def _mean(y: FloatArray) -> FloatArray:
    """Mean of the periods seen, NaN where there is none."""
    seen = np.isfinite(y)
    count = seen.sum(axis=1)
    return np.asarray(np.where(count > 0, np.where(seen, y, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan))
