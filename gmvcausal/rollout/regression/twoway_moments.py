"""Two-way fixed effects of a complete panel in which treatment stays on, from the moments of its cohorts.

The 0/1 treatment, and the leads and lags, are then the same for all units of a cohort, so the cohorts' means give the
coefficients and their second moments the covariance: the numbers of `twoway`, without going through the units again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.rollout.fitted import Fitted, Options, Series, treatment
from gmvcausal.rollout.group_time.aggregate import cluster_counts
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.regression.event_regression import Groups, event_times
from gmvcausal.rollout.regression.linear import Part, influence, loaded, loads_of, uncertainty
from gmvcausal.rollout.regression.normal import BoolArray, FloatArray, IntArray, Units, normal, units_of
from gmvcausal.rollout.regression.terms import regress_on
from gmvcausal.rollout.regression.within import refuse_none
from gmvcausal.stats.small_sample import Spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from gmvcausal.results import Estimates

    Headline = Callable[[FloatArray, FloatArray, int, Spread, tuple[int, int]], Estimates]


def from_moments(panel: Panel, options: Options, told: Headline) -> Fitted:
    """The fit of `twoway` for a panel that has moments; `told` puts the headline into words."""
    units = units_of(panel, always=True)
    column = np.arange(panel.y.shape[1])
    first = np.append(units.starts, len(column))
    on = column >= first[:, None]
    part, _ = _regress(units, on[:, :, None].astype(float), np.zeros(1, dtype=np.int64), options.ssc)
    headline = loaded(part, np.ones((1, 1)))
    cov, spread = uncertainty(units, [headline])
    live = units.n > 0
    # Cohorts treated throughout say nothing about the effect and begin nothing; controls are seen untreated once
    # treatment has begun.
    switching = live & (first > 0) & (first < len(column))
    beside = live & (first > first[switching].min(initial=len(column)))
    sides = cluster_counts(np.vstack([switching, beside]), units, panel.cluster, units.moments)
    clusters = (int(sides[0]), int(sides[1]))
    treated = units.group < len(units.starts)
    return Fitted(
        told(part.estimate, cov, int(units.n.sum()), spread, clusters),
        lambda: influence(units, headline),
        lambda: _event(panel, options, units, clusters[1], spread),
        treated,
        ~treated,
        clusters,
        int(units.n @ on.sum(axis=1)),
        on=lambda: treatment(panel),
        residual=lambda: _residual(units, on)[units.group],
        block=np.zeros(len(treated), dtype=np.int64),
        loads=lambda: loads_of(units, headline),
    )


def _regress(units: Units, x: FloatArray, order: IntArray, ssc: str) -> tuple[Part, BoolArray]:
    every = np.ones(x.shape[:2], dtype=bool)
    part, kept = regress_on(normal(units, every, every), x, order, ssc)
    refuse_none(kept)
    return part, kept


def _residual(units: Units, on: BoolArray) -> FloatArray:
    """Treatment of each group less unit and period effects, shape (H, T)."""
    own = on - on.mean(axis=1, keepdims=True)
    return np.asarray(own - units.size @ own / units.size.sum())


def _event(panel: Panel, options: Options, units: Units, control_clusters: int, spread: Spread) -> Series:
    """Leads and lags on the last column before the start; every term takes the degrees of freedom of the headline."""
    n_groups, position = len(units.n), panel.grid.position
    # Cohorts treated throughout have no event time, as the untreated have none.
    start = np.append(np.where(units.starts > 0, units.starts, -1), -1)
    live = (units.n > 0)[:, None] & np.ones(len(position), dtype=bool)
    groups = Groups(np.arange(n_groups), np.zeros(n_groups, dtype=np.int64), start, live)
    event, inside = groups.events(position)
    times, base = event_times(groups, position)
    dummies = (event[:, :, None] == times) & inside[:, :, None]
    part, kept = _regress(units, dummies.astype(float), np.arange(len(times)), options.ssc)
    order = np.argsort(times[kept])
    cov, _ = uncertainty(units, [loaded(part, np.eye(len(order))[order])])
    behind = dummies[:, :, kept][:, :, order].any(axis=1).T
    sides = np.minimum(cluster_counts(behind, units, panel.cluster, units.moments), control_clusters)
    same = Spread(np.repeat(spread.df, len(order)), np.repeat(spread.factor, len(order)))
    return Series(times[kept][order], part.estimate[order], cov, (behind @ units.n).astype(np.int64), sides, same, base)
