"""Group-time effects as tables: aggregates with their covariance, and the clusters behind each row."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.fitted import MAX_JOINT, IntArray, Series, count
from gmvcausal.rollout.group_time import aggregate
from gmvcausal.rollout.group_time.contrast import Contrast
from gmvcausal.rollout.group_time.effects import Effects
from gmvcausal.rollout.group_time.from_moments import FromMoments
from gmvcausal.rollout.group_time.from_rows import FromRows
from gmvcausal.rollout.group_time.from_units import FromUnits
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
    side = np.minimum(*sides_of(effects, parts.cells, cluster))
    return Series(parts.at, parts.estimate, cov, units.astype(np.int64), side, spread, reference)


def cell_series(effects: Compared, cluster: IntArray, which: NDArray[np.bool_] | None = None) -> Series:
    """Every group-time effect on its own; of the treated, or those marked by `which`."""
    at = np.flatnonzero(effects.cells.own if which is None else which)
    k = len(effects.att)
    side = np.minimum(*sides_of(effects, at[:, None], cluster))
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


def sides_of(effects: Compared, cells: Iterable[IntArray], cluster: IntArray) -> tuple[IntArray, IntArray]:
    """Clusters on the treated and on the control side behind each list of cells: of units that these compare.

    Who is absent in the base period, or afterwards, is behind no cell, whatever cohort he belongs to. Where a side has
    several means (of a triple difference, of different people before and after), the one with fewest clusters counts.
    """
    if isinstance(effects, Contrast):
        k, cells = len(effects.att), list(cells)
        eligible = sides_of(effects.both, cells, cluster)
        ineligible = sides_of(effects.both, [at + k for at in cells], cluster)
        return np.minimum(eligible[0], ineligible[0]), np.minimum(eligible[1], ineligible[1])
    if isinstance(effects, FromUnits) and not effects.whole:
        found = [[min(count(cluster, who) for who in side) for side in effects.behind(at)] for at in cells]
        treated, control = np.array(found, dtype=np.int64).reshape(-1, 2).T
        return treated, control
    cells = list(cells)
    groups = np.zeros((2, len(cells), len(effects.n)), dtype=bool)
    for i, at in enumerate(cells):
        groups[0, i, effects.cells.cohort[at]] = True
        groups[1, i] = effects.cells.controls[at].any(axis=0)
    moments = effects.moments if isinstance(effects, FromMoments) else None
    treated, control = (aggregate.cluster_counts(side, effects, cluster, moments) for side in groups)
    return treated, control


def units_behind(effects: Effects, cells: IntArray) -> int:
    """Treated units that some of the cells compare."""
    if isinstance(effects, FromUnits) and not effects.whole:
        return int(np.count_nonzero(effects.behind(cells)[0][0]))
    return int(effects.n[np.unique(effects.cells.cohort[cells])].sum())
