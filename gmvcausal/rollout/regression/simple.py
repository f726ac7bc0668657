"""The two plain comparisons: means with and without the tactic, and four means before and after one start."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.rollout.chance.headline import headline
from gmvcausal.rollout.chance.placebo import placebo
from gmvcausal.rollout.fitted import (
    Fitted,
    FloatArray,
    IntArray,
    Options,
    Series,
    count,
    no_anticipation,
    no_stack,
    treatment,
)
from gmvcausal.rollout.group_time import aggregate
from gmvcausal.rollout.group_time.effects import group_time
from gmvcausal.rollout.group_time.tables import effect_series
from gmvcausal.rollout.intake.cohorts import UNTREATED, check_variation
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.regression import two_by_two
from gmvcausal.rollout.regression.conditional import given_covariates
from gmvcausal.stats.small_sample import by_cluster


def naive(panel: Panel, options: Options) -> Fitted:
    """Mean outcome of unit-periods under treatment less mean of all others: not an effect, shown for what it is."""
    no_anticipation(options)
    on = treatment(panel)
    present = np.isfinite(panel.y)
    sides = [present & (on == 1), present & (on == 0)]
    if not all(side.any() for side in sides):
        raise DesignError(
            "the treatment is the same in every row, so there is nothing to compare",
            remedy="supply treated and untreated rows",
        )
    weight = present.astype(float) if panel.weight is None else present * panel.weight[:, None]
    clean = np.where(present, panel.y, 0.0)
    influence, means = np.zeros(len(panel.y)), []
    for sign, side in zip((1.0, -1.0), sides, strict=True):
        w = weight * side
        mean = float((w * clean).sum() / w.sum())
        means.append(mean)
        influence += sign * (w * (clean - mean)).sum(axis=1) / w.sum()
    treated, without = sides[0].any(axis=1), sides[1].any(axis=1)
    control = ~treated if (~treated).any() else treated
    clusters = (count(panel.cluster, treated), count(panel.cluster, without))
    scores = np.bincount(panel.cluster, influence)
    variance = np.array([[float(scores @ scores)]])
    estimates = headline(
        [("with less without", "difference of means with and without the tactic (not an effect)")],
        options.outcome_unit,
        np.array([means[0] - means[1]]),
        variance,
        len(np.unique(panel.unit_code)),
        by_cluster(influence[:, None], panel.cluster, treated.astype(np.int64), variance[0], panel.weight),
        clusters,
    )
    return Fitted(
        estimates, lambda: influence, lambda: None, treated, control, clusters, int(sides[0].sum()), on=lambda: on
    )


def two_by_two_did(panel: Panel, options: Options) -> Fitted:
    """Four means: treated and control, before and after one common start."""
    no_stack(panel)
    check_variation(panel.start, "first_treated", panel.cohorts)
    used = panel.start >= UNTREATED
    starts = np.unique(panel.start[panel.start >= 0])
    if len(starts) > 1:
        raise DesignError(
            f"the treated units start in {len(starts)} different periods, so there is no common before and after",
            remedy="use the default estimator='callaway_santanna', which compares each cohort with its own controls",
        )
    treated, control = panel.start >= 0, panel.start == UNTREATED
    no_anticipation(options)
    if panel.covariates is not None:
        return given_covariates(panel, options, int(starts[0]))
    after = np.arange(panel.y.shape[1]) >= starts[0]
    weight = None if panel.weight is None else panel.weight[used]
    table = two_by_two.four_means(panel.y[used], treated[used], after, panel.cluster[used], weight, options.ssc)
    clusters = (count(panel.cluster, treated), count(panel.cluster, control))
    variance = np.array([table.variance])
    estimates = headline(
        [("treated x after", f"ATT{' per person' * panel.crossed}, difference in differences of four means")],
        options.outcome_unit,
        np.array([table.estimate]),
        variance[None],
        int(used.sum()),
        by_cluster(table.influence[:, None], panel.cluster[used], _groups(panel, after)[used], variance, weight),
        clusters,
        lambda: placebo(panel, options, table.estimate, "mean"),
    )
    raw = float(np.bincount(panel.cluster[used], table.influence) @ np.bincount(panel.cluster[used], table.influence))
    scale = math.sqrt(table.variance / raw) if raw > 0 else 1.0

    def influence() -> FloatArray:
        out = np.zeros(len(used))
        out[used] = table.influence * scale
        return out

    def event() -> Series:
        effects = group_time(
            panel.y,
            panel.start,
            panel.cluster,
            panel.weight,
            panel.grid.position,
            "never_treated",
            "universal",
            0,
            crossed=panel.crossed,
        )
        return effect_series(
            effects, aggregate.by_event(effects), panel.cluster, effects.cells.reference(panel.grid.position)
        )

    cells = int(np.isfinite(panel.y[treated][:, after]).sum())
    return Fitted(estimates, influence, event, treated, control, clusters, cells)


def _groups(panel: Panel, after: NDArray[np.bool_]) -> IntArray:
    """Rows that vary about one mean: of the control and of the treated; people seen once, also before and after."""
    group = (panel.start >= 0).astype(np.int64)
    if not panel.crossed or panel.n_clusters < len(group):
        return group
    return np.asarray(group + 2 * after[np.isfinite(panel.y).argmax(axis=1)], dtype=np.int64)
