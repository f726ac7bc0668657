"""Effects on the treated and on those whom their treatment reached, each beside units that nothing reached.

With exposed units among the controls, what the treatment does to its neighbours is taken off its own effect. Here they
are cohorts of their own, by the period in which they were first exposed, with cells of their own; the controls of all
cells are units neither treated nor exposed (Clarke 2017; Butts 2021). A unit that is exposed first and treated later
adds to the spillover until its start; its base lies before its exposure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.results import Estimates
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, MIN_DF
from gmvcausal.rollout.fitted import Fitted, FloatArray, IntArray, Options, Series
from gmvcausal.rollout.group_time import aggregate
from gmvcausal.rollout.group_time.cells import Reached
from gmvcausal.rollout.group_time.effects import Effects, exposed_groups, group_time
from gmvcausal.rollout.group_time.from_units import FromUnits
from gmvcausal.rollout.group_time.given import given
from gmvcausal.rollout.group_time.tables import cell_series, effect_series, sides_of
from gmvcausal.rollout.intake.cohorts import ALWAYS, UNTREATED
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.stats.small_sample import Spread


@dataclass(frozen=True)
class Spillover:
    """Effects of others' treatment on units without their own, beside those on the treated.

    Attributes
    ----------
    event, cells : callable
        By periods since the first exposure; and every cohort and period.
    influence : callable
        Of every row on the term "total", the one that money adds up.
    naive : float
        The headline had exposed units been taken as controls.
    units, early, clean : int
        Exposed and never treated; treated after having been exposed; neither treated nor exposed.
    unit_periods : int
        Exposed and not treated, in the data used.
    lost : int
        Exposed units that no comparison reaches.
    """

    event: Callable[[], Series]
    cells: Callable[[], Series]
    influence: Callable[[], FloatArray]
    naive: float
    units: int
    early: int
    clean: int
    unit_periods: int
    lost: int


def reach(panel: Panel, control: str) -> Reached:
    """Whom others' treatment reaches, and from when on.

    Raises
    ------
    DesignError
        Nobody is left whom no treatment reached.
    """
    assert panel.exposed is not None
    if not (panel.start >= 0).any() and panel.cohorts is not None and (panel.cohorts.start >= 0).any():
        raise DesignError(
            "every treated unit was exposed to others' treatment from the first period on, so no period before is "
            "observed",
            remedy="supply earlier periods",
        )
    if not (panel.start == UNTREATED).any() and control == "never_treated":
        count = int(((panel.start == ALWAYS) & (panel.exposed >= 0)).sum())
        raise DesignError(
            f"all {count:,} untreated units are exposed to others' treatment, so no clean control is left",
            remedy="supply units that cannot be reached, raise exposure=, or pass control='not_yet_treated' to compare "
            "with units before they are reached",
        )
    return exposed_groups(panel.start, panel.exposed)[2]


def mixed_origin(effects: Effects, position: IntArray, base: int | None) -> float | None:
    """Mean event time from which the treated are measured, where exposure puts the base of some farther back."""
    cells = effects.cells
    at = np.flatnonzero(cells.post)
    away = position[cells.base[at]] - position[cells.starts[cells.cohort[at]]]
    if cells.since is None or base is None or (cells.since == cells.starts).all():
        return None
    return float(np.average(away, weights=effects.shares[cells.cohort[at]]))


def beside_spillover(
    panel: Panel, options: Options, effects: Effects, found: Fitted, universal: Callable[[], Effects]
) -> tuple[Fitted, list[str]]:
    """The fit with the terms "spillover" and "total", and what is to be said of them.

    Parameters
    ----------
    found : Fitted
        Of the effects on the treated.
    universal : callable
        The effects on the universal base.
    """
    estimates, direct, treated_cells = found.estimates, found.rows, found.treated_cells
    assert direct is not None
    assert panel.exposed is not None
    cells = effects.cells
    spill = ~cells.own & (cells.event >= 0)
    if not spill.any():
        raise DesignError(
            "no exposed unit has both a period before its exposure and a clean control, so no spillover is identified",
            remedy="supply earlier periods, or leave exposed= and edges= out",
        )
    overall = aggregate.spilled(effects)[0]
    periods = round(float(effects.cell_units[spill].sum()))
    ratio = periods / treated_cells
    seen = (aggregate.by_units_seen(effects, spill) if panel.weight is None else None) or overall
    total = direct[found.per_cell : found.per_cell + 1] + ratio * seen.rows
    cov, spread = effects.uncertainty(np.vstack([direct, overall.rows, total]))
    exposed, clean_side = (int(side[0]) for side in sides_of(effects, overall.cells, panel.cluster))
    point = np.array([overall.estimate[0], estimates.estimate[found.per_cell] + ratio * seen.estimate[0]])
    made = _beside(estimates, point, cov, spread, (exposed, clean_side), (treated_cells, periods))
    naive = _naive(panel, options)
    units = (panel.start == ALWAYS) & (panel.exposed >= 0)
    early = (panel.start >= 0) & (panel.exposed >= 0)
    clean = int((panel.start == UNTREATED).sum())
    notes = [
        f"{int(units.sum()):,} untreated units are exposed to others' treatment and compared with the {clean:,} clean "
        f"controls; taken as controls themselves, they would have made the effect {naive:.4g}"
    ]
    if early.any():
        notes.append(
            f"{int(early.sum()):,} treated units were exposed before their own start: they are measured from before "
            "the exposure, and count as exposed until they start"
        )

    lost = _lost(effects)
    if lost:
        notes.append(
            f"{lost:,} exposed units enter no comparison, because they or all their controls are absent in the period "
            "before their exposure or ever after: the spillover and the total do not cover them"
        )

    def event() -> Series:
        again = universal()
        by_event = aggregate.spilled(again)[1]
        return effect_series(again, by_event, panel.cluster, _reference(again, panel.grid.position))

    def own_event() -> Series | None:
        made, again = found.event(), universal()
        return made and replace(made, origin=mixed_origin(again, panel.grid.position, made.reference))

    spillover = Spillover(
        event,
        lambda: cell_series(effects, panel.cluster, ~cells.own),
        lambda: effects.influence(total[0]),
        naive,
        int(units.sum()),
        int(early.sum()),
        clean,
        periods,
        lost,
    )
    per_cell = made.term.index("total")
    return replace(found, estimates=made, event=own_event, spillover=spillover, per_cell=per_cell), notes


def _lost(effects: Effects) -> int:
    """Exposed units that no comparison after their exposure reaches."""
    if not isinstance(effects, FromUnits):
        return 0
    return int(effects.unreached(lambda cells: ~cells.own & (cells.event >= 0)).sum())


def _beside(
    e: Estimates, point: FloatArray, cov: FloatArray, spread: Spread, clusters: tuple[int, int], counts: tuple[int, int]
) -> Estimates:
    """The estimates of the treated, and below them those of the exposed and of both, with one covariance.

    Parameters
    ----------
    point : ndarray, shape (2,)
    cov : ndarray, shape (k + 2, k + 2)
    spread : Spread
        Of all k + 2 terms.
    clusters : (int, int)
        Exposed and clean clusters.
    counts : (int, int)
        Unit-periods under treatment, and exposed without it.
    """
    k = len(e.term)
    cov = cov.copy()
    cov[:k, :k] = e.cov
    treated_known = bool(np.isfinite(e.cov[0, 0]))
    few = min(clusters) < MIN_CLUSTERS or bool(spread.df[k] < MIN_DF)
    for term, unknown in ((k, few), (k + 1, few or not treated_known)):
        if unknown:
            cov[term], cov[:, term] = np.nan, np.nan
    if not treated_known:
        cov[:k, k:], cov[k:, :k] = np.nan, np.nan
    withheld = e.withheld
    if few and not withheld:
        withheld = f"{clusters[0]} exposed and {clusters[1]} clean clusters: the spillover has no interval"
    terms = ("spillover", "total")
    estimands = (
        "mean effect of others' treatment on units exposed and not treated",
        f"effects of {counts[0]:,} treated and {counts[1]:,} exposed unit-periods together, per treated unit-period",
    )
    return Estimates(
        (*e.term, *terms),
        (*e.estimand, *estimands),
        (*e.unit, *e.unit[:1] * 2),
        np.append(e.estimate, point),
        cov,
        (*e.n, *e.n[:1] * 2),
        spread,
        withheld,
        e.special,
        e.special_p,
        e.method,
    )


def _reference(effects: Effects, position: IntArray) -> int | None:
    """Periods from first exposure to the base of the exposed."""
    cells = effects.cells
    at = np.flatnonzero(~cells.own & (cells.event >= 0))
    since = cells.starts if cells.since is None else cells.since
    return int((position[cells.base[at]] - position[since[cells.cohort[at]]]).max()) if len(at) else None


def _naive(panel: Panel, options: Options) -> float:
    """The effect on the treated with exposed units among the controls, and each from before its own start."""
    assert panel.exposed is not None
    start = np.where((panel.start == ALWAYS) & (panel.exposed >= 0), UNTREATED, panel.start)
    control = options.control if (start == UNTREATED).any() else "not_yet_treated"
    effects = group_time(
        panel.y, start, panel.cluster, panel.weight, panel.grid.position, control, options.base_period,
        options.anticipation, given(panel, options),
    )  # fmt: skip
    return float(aggregate.simple(effects).estimate[0]) if effects.cells.post.any() else math.nan
