"""Two-way fixed effects, plain and stacked over campaigns, and leads and lags by regression."""

from __future__ import annotations

import math

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.results import Estimates
from gmvcausal.rollout.chance.headline import headline
from gmvcausal.rollout.chance.placebo import placebo
from gmvcausal.rollout.fitted import Fitted, FloatArray, IntArray, Options, Series, count, no_anticipation, treatment
from gmvcausal.rollout.intake.cohorts import UNTREATED, check_variation
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.intake.read import first_on
from gmvcausal.rollout.regression import within
from gmvcausal.rollout.regression.crossed import crossed
from gmvcausal.rollout.regression.event_regression import event_fit, event_times, group_rows
from gmvcausal.rollout.regression.twoway_moments import from_moments
from gmvcausal.stats.small_sample import Spread, by_cluster


def twoway(panel: Panel, options: Options) -> Fitted:
    """Two-way fixed effects: `twfe` with unit and period effects, `stacked` with those of each campaign."""
    stacked = options.estimator == "stacked"
    if stacked and panel.stack is None:
        raise InputError(
            "estimator='stacked' needs stack=, the column of the campaign",
            remedy="build the frame with Logs.stack(...), or pass stack=",
        )
    if not stacked and panel.stack is not None:
        raise InputError("stack= is for estimator='stacked'", remedy="pass estimator='stacked', or leave stack= out")
    no_anticipation(options)
    if not stacked and panel.cohorts is not None:
        check_variation(panel.start, "first_treated", panel.cohorts)
    if panel.crossed:
        return crossed(panel, options)
    what = "campaign" if stacked else "period"
    estimand = (
        "ATT, stacked over campaigns, weighted by regression"
        if stacked
        else "coefficient of the treatment with unit and period effects (a weighted mix, not always an ATT)"
    )

    def told(beta: FloatArray, cov: FloatArray, n: int, spread: Spread, clusters: tuple[int, int]) -> Estimates:
        return headline(
            [(f"treated ({what} effects)", estimand)],
            options.outcome_unit,
            beta,
            cov,
            n,
            spread,
            clusters,
            lambda: placebo(panel, options, float(beta[0]), "mean"),
        )

    if panel.on is None and panel.moments is not None and (panel.start != UNTREATED).any():
        return from_moments(panel, options, told)
    block = np.zeros(len(panel.y), dtype=np.int64) if panel.stack is None else panel.stack
    on = treatment(panel)
    if not (on == 1).any() or not (on == 0).any():
        raise DesignError(
            "the treatment is the same in every row, so there is nothing to compare",
            remedy="supply treated and untreated rows",
        )
    if stacked:
        _check_stacks(on, block, panel)
    fit = within.fit(panel.y, [np.nan_to_num(on)], block, panel.cluster, panel.weight, options.ssc)
    treated = (on == 1).any(axis=1)
    control = ~treated
    # Rows under treatment throughout say nothing about its effect, so they do not count as treated clusters; controls
    # are the rows seen untreated once the treatment has begun somewhere (in their campaign).
    switching = treated & (on == 0).any(axis=1)
    # Units under treatment from the first period on begin nothing: else each unit's own past made it a control.
    starts = [(on[switching & (block == b)] == 1).any(axis=0).argmax() for b in range(int(block.max()) + 1)]
    begun = np.array(starts)[block]
    beside = ((on == 0) & (np.arange(on.shape[1]) >= begun[:, None])).any(axis=1)
    clusters = (count(panel.cluster, switching), count(panel.cluster, beside))
    n_units = len(np.unique(panel.unit_code[np.isfinite(panel.y).any(axis=1)]))
    # Cohorts are told apart by their start, because clusters of one cohort vary about one mean.
    group = np.where(treated, 1 + first_on(on), 0)
    group[~np.isfinite(panel.y).any(axis=1)] = -1
    spread = by_cluster(fit.scores, panel.cluster, group, np.diag(fit.cov), panel.weight)
    raw = float((np.bincount(panel.cluster, fit.scores[:, 0]) ** 2).sum())
    scale = math.sqrt(float(fit.cov[0, 0]) / raw) if raw > 0 else 1.0
    return Fitted(
        told(fit.beta, fit.cov, n_units, spread, clusters),
        lambda: fit.scores[:, 0] * scale,
        lambda: _event_regression(panel, options, on, block, clusters[1], spread),
        treated,
        control,
        clusters,
        int(((on == 1) & np.isfinite(panel.y)).sum()),
        on=lambda: on,
        residual=lambda: fit.residual_x[0],
        block=block,
    )


def _check_stacks(on: FloatArray, block: IntArray, panel: Panel) -> None:
    """Each campaign needs treated and untreated units, and one common start."""
    labels = panel.stack_labels
    assert labels is not None
    own, column = first_on(on), np.arange(on.shape[1])
    for b in range(int(block.max()) + 1):
        inside = block == b
        ever = inside & (own >= 0)
        what = f"campaign number {b + 1} of {len(labels)} (in sorted order)"
        if not ever.any() or not (inside & ~ever).any():
            side = "untreated" if ever.any() else "treated"
            raise DesignError(f"{what} has no {side} unit", remedy="leave this campaign out of the stack")
        start = int(own[ever].min())
        # A unit seen untreated after the campaign's start began later; one not seen then may have begun with it.
        late = ever & ((on == 0) & (column >= start) & (column < own[:, None])).any(axis=1)
        if late.any():
            raise InputError(
                f"{what} starts in {len(np.unique(own[late])) + 1} different periods",
                remedy="stack campaigns by their start, one stack per start",
            )
        if start == 0:
            raise DesignError(
                f"{what} has no period before its start", remedy="widen the window, or leave this campaign out"
            )


def _event_regression(
    panel: Panel, options: Options, on: FloatArray, block: IntArray, control_clusters: int, spread: Spread
) -> Series | None:
    """Leads and lags by regression on the last column before; None where the treatment switches off again.

    Every term takes the degrees of freedom of the headline (`spread`): the same clusters stand behind it.
    """
    ever, first = panel.start != UNTREATED, np.maximum(panel.start, 0)
    columns = np.arange(on.shape[1])
    if (ever[:, None] & (on == 0) & (columns > first[:, None])).any():
        return None
    position = panel.grid.position if panel.stack is None else columns
    start = np.where(ever & (first > 0), first, UNTREATED)
    groups = group_rows(np.isfinite(panel.y), start, block)
    event, inside = groups.events(position)
    times, base = event_times(groups, position)
    fit = event_fit(panel.y, groups, times, position, panel.cluster, panel.weight, options.ssc)
    kept = times[fit.kept]
    order = np.argsort(kept)
    behind = [((event == e) & inside).any(axis=1)[groups.of_row] for e in kept]
    n = np.array([count(panel.unit_code, rows) for rows in behind])
    clusters = np.array([min(count(panel.cluster, rows), control_clusters) for rows in behind])
    k = len(order)
    same = Spread(np.repeat(spread.df, k), np.repeat(spread.factor, k))
    return Series(kept[order], fit.beta[order], fit.cov[np.ix_(order, order)], n[order], clusters[order], same, base)
