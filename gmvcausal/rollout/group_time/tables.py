"""Group-time effects as tables: aggregates with their covariance, and the clusters behind each row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.fitted import MAX_JOINT, IntArray, Series
from gmvcausal.rollout.group_time import aggregate
from gmvcausal.rollout.group_time.contrast import Contrast
from gmvcausal.rollout.group_time.effects import Effects
from gmvcausal.rollout.group_time.from_rows import FromRows
from gmvcausal.stats.small_sample import Spread

Compared = Effects | Contrast


def effect_series(
    effects: Compared, parts: aggregate.Aggregates, cluster: IntArray, reference: int | None = None
) -> Series:
    """Aggregates with their covariance and the clusters behind each."""
    cov, spread = effects.uncertainty(parts.rows)
    live = parts.rows[:, : len(effects.att)]
    if isinstance(effects, FromRows):  # everybody is seen once
        units = (live != 0) @ effects.cell_units
    else:
        units = aggregate.most_units(live, effects.cells.cohort, effects.cell_units, len(effects.n) - 1).sum(axis=1)
    side = smaller_side(effects, parts.cohorts, parts.controls, cluster)
    return Series(parts.at, parts.estimate, cov, units.astype(np.int64), side, spread, reference)


def cell_series(effects: Compared, cluster: IntArray, which: NDArray[np.bool_] | None = None) -> Series:
    """Every group-time effect on its own; of the treated, or those marked by `which`."""
    at = np.flatnonzero(effects.cells.own if which is None else which)
    k = len(effects.att)
    side = smaller_side(effects, aggregate.cohorts_of_cells(effects)[at], effects.cells.controls[at], cluster)
    if len(at) > MAX_JOINT:
        # Their joint covariance is not formed, so the smaller side alone sets the degrees of freedom.
        n = np.maximum(side, 2).astype(float)
        cov, spread = effects.variances()[at], Spread(n - 1, np.sqrt(n / (n - 1)))
    else:
        cov, spread = effects.uncertainty(np.eye(k, k + len(effects.shares))[at])
    return Series(
        effects.cells.event[at],
        effects.att[at],
        cov,
        effects.cell_units[at].astype(np.int64),
        side,
        spread,
    )


def smaller_side(
    effects: Compared, cohorts: NDArray[np.bool_], controls: NDArray[np.bool_], cluster: IntArray
) -> IntArray:
    return np.minimum(*sides_of(effects, cohorts, controls, cluster))


def sides_of(
    effects: Compared, cohorts: NDArray[np.bool_], controls: NDArray[np.bool_], cluster: IntArray
) -> tuple[IntArray, IntArray]:
    """Clusters on the treated and on the control side of each row; of a triple difference the fewer of its two."""
    if isinstance(effects, Contrast):
        return effects.sides(cohorts, cluster)
    return (
        aggregate.cluster_counts(cohorts, effects, cluster),
        aggregate.cluster_counts(controls, effects, cluster),
    )
