"""The estimators of this room: each takes the same `Panel` and returns the same `Fitted`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.results import Estimates
from gmvcausal.rollout import aggregate, two_by_two, within
from gmvcausal.rollout.cohorts import UNTREATED, check_variation
from gmvcausal.rollout.group_time import FromMoments, FromUnits, cell_variances, group_time, rebase
from gmvcausal.rollout.panel import Panel, first_on

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Below this many treated (or control) clusters the analytic standard errors reject far too often, so none is given.
MIN_CLUSTERS = 10
# Beyond this many terms their joint covariance is not formed: bands then rest on an inequality that needs variances
# only.
MAX_JOINT = 1_000


@dataclass(frozen=True)
class Options:
    """The checked options of one call."""

    estimator: str
    control: str
    base_period: str
    anticipation: int
    alpha: float
    bands: str
    ssc: str
    seed: int
    outcome_unit: str


@dataclass(frozen=True)
class Series:
    """Effects along one axis, with their joint covariance.

    Attributes
    ----------
    at : ndarray, shape (a,)
        Event time, cohort column, or period column.
    estimate : ndarray, shape (a,)
    cov : ndarray, shape (a, a), or (a,)
        Variances only where there are more than `MAX_JOINT` terms.
    n : ndarray of int, shape (a,)
        Treated units that contribute.
    clusters : ndarray of int, shape (a,)
        Clusters on the smaller side, treated or control; below `MIN_CLUSTERS` no interval is given.
    reference : int or None
        The base event time, whose effect is zero by construction (not among `at`).
    df : float
    """

    at: IntArray
    estimate: FloatArray
    cov: FloatArray
    n: IntArray
    clusters: IntArray
    reference: int | None = None
    df: float = math.inf

    def withheld(self) -> FloatArray:
        """`cov` with NaN where too few clusters stand behind a term."""
        few = self.clusters < MIN_CLUSTERS
        out = self.cov.copy()
        out[few] = np.nan
        if out.ndim == 2:
            out[:, few] = np.nan
        return out


@dataclass(frozen=True)
class Fitted:
    """What an estimator hands to the result.

    Attributes
    ----------
    estimates : Estimates
    influence : callable
        Influence of every panel row on the headline, shape (R,), scaled so that clustered sums of squares give its
        variance.
    event : callable
        Event study on the universal base, or None where the design has no single event time.
    treated, control : ndarray of bool, shape (R,)
        Rows that are ever treated, and rows that never are.
    clusters : (int, int)
        Treated and control clusters behind the headline.
    treated_cells : int
        Unit-periods under treatment in the data used.
    series : dict of str to callable
        Further tables: "cohort", "period", "cells", "stack".
    """

    estimates: Estimates
    influence: Callable[[], FloatArray]
    event: Callable[[], Series | None]
    treated: NDArray[np.bool_]
    control: NDArray[np.bool_]
    clusters: tuple[int, int]
    treated_cells: int
    effects: FromMoments | FromUnits | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def _count(cluster: IntArray, rows: NDArray[np.bool_]) -> int:
    # Counting marks is many times faster than a hash or a sort when every unit is a cluster.
    seen = np.zeros(int(cluster.max()) + 1, dtype=bool)
    seen[cluster[rows]] = True
    return int(np.count_nonzero(seen))


def _headline(
    terms: list[tuple[str, str]],
    unit: str,
    estimate: FloatArray,
    cov: FloatArray,
    n: int,
    df: float,
    clusters: tuple[int, int],
) -> Estimates:
    """Estimates with the interval withheld where either side has too few clusters."""
    few = min(clusters) < MIN_CLUSTERS
    withheld = ""
    if few:
        cov = np.full_like(cov, np.nan)
        withheld = (
            f"{clusters[0]} treated and {clusters[1]} control clusters: with fewer than {MIN_CLUSTERS} on a side "
            "the usual "
            "standard errors are far too small, so no interval is given"
        )
    k = len(terms)
    return Estimates(
        tuple(t[0] for t in terms), tuple(t[1] for t in terms), (unit,) * k, estimate, cov, (n,) * k, df, withheld
    )


# --- Callaway and Sant'Anna -----------------------------------------------------------------------------------------
def callaway_santanna(panel: Panel, options: Options) -> Fitted:
    """Group-time effects aggregated with the uncertainty of the cohort shares (Callaway and Sant'Anna 2021)."""
    _no_stack(panel)
    check_variation(panel.start, "first_treated")
    control, position = options.control, panel.grid.position
    if control == "never_treated" and not (panel.start == UNTREATED).any():
        control = "not_yet_treated"
        note = "no unit is never treated, so the not-yet-treated serve as controls"
        if note not in panel.notes:
            panel.notes.append(note)
    y, start, cluster, weight = panel.y, panel.start, panel.cluster, panel.weight
    effects = group_time(y, start, cluster, weight, position, control, options.base_period, options.anticipation)
    if not (effects.cells.event >= 0).any():
        raise DesignError(
            "no treated period has both a period before and a control unit, so no effect is identified",
            remedy="supply earlier periods, later periods or untreated units",
        )
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
    terms = [
        ("overall", "ATT, post group-time effects weighted by cohort size"),
        ("event-time average", "ATT, plain mean over event times from 0 on"),
        ("cohort average", "ATT, mean per cohort weighted by cohort size"),
        ("period average", "ATT, plain mean over calendar periods"),
    ]
    cov = effects.covariance(np.vstack([p.rows for p in parts]))
    group = effects.group
    treated, untreated = (group >= 0) & (group < len(effects.n) - 1), group == len(effects.n) - 1
    # Counted are the groups that the headline compares: a last cohort without controls of its own is a control only.
    sides = (parts[0].cohorts, parts[0].controls)
    clusters = (
        int(aggregate.cluster_counts(sides[0], group, cluster)[0]),
        int(aggregate.cluster_counts(sides[1], group, cluster)[0]),
    )
    estimate = np.concatenate([p.estimate for p in parts])
    used = int((group >= 0).sum())
    cells = int(effects.cell_units[effects.cells.event >= 0].sum())

    def event() -> Series:
        universal = rebase(effects, position, control, "universal", options.anticipation)
        return _series(universal, aggregate.by_event(universal), cluster, -1 - options.anticipation)

    detail: dict[str, Any] = {
        "control": control,
        "cohort": lambda: _series(effects, by_cohort, cluster),
        "period": lambda: _series(effects, by_period, cluster),
        "cells": lambda: _cell_series(effects, cluster),
        "not_yet": not untreated.any(),
    }
    estimates = _headline(terms, options.outcome_unit, estimate, cov, used, math.inf, clusters)
    headline_row = parts[0].rows[0]
    controls = untreated if untreated.any() else treated
    return Fitted(
        estimates, lambda: effects.influence(headline_row), event, treated, controls, clusters, cells, effects, detail
    )


def _series(
    effects: FromMoments | FromUnits, parts: aggregate.Aggregates, cluster: IntArray, reference: int | None = None
) -> Series:
    """Aggregates with their covariance and the clusters behind each."""
    return Series(
        parts.at, parts.estimate, effects.covariance(parts.rows), (parts.cohorts @ effects.n[:-1]).astype(np.int64),
        _smaller_side(effects, parts.cohorts, parts.controls, cluster), reference,
    )  # fmt: skip


def _cell_series(effects: FromMoments | FromUnits, cluster: IntArray) -> Series:
    """Every group-time effect on its own."""
    k = len(effects.att)
    cov = cell_variances(effects) if k > MAX_JOINT else effects.covariance(np.eye(k, k + len(effects.shares)))
    return Series(
        effects.cells.event, effects.att, cov, effects.n[effects.cells.cohort].astype(np.int64),
        _smaller_side(effects, aggregate.cohorts_of_cells(effects), effects.cells.controls, cluster),
    )  # fmt: skip


def _smaller_side(
    effects: FromMoments | FromUnits, cohorts: NDArray[np.bool_], controls: NDArray[np.bool_], cluster: IntArray
) -> IntArray:
    sides = [aggregate.cluster_counts(groups, effects.group, cluster) for groups in (cohorts, controls)]
    return np.minimum(*sides)


def _no_anticipation(options: Options) -> None:
    if options.anticipation:
        raise InputError(
            f"anticipation= has no meaning for estimator={options.estimator!r}",
            remedy="use estimator='callaway_santanna', or leave out the rows of the anticipation periods",
        )


def _no_stack(panel: Panel) -> None:
    if panel.stack is not None:
        raise InputError("stack= is for estimator='stacked'", remedy="leave it out, or pass estimator='stacked'")


# --- naive ----------------------------------------------------------------------------------------------------------
def naive(panel: Panel, options: Options) -> Fitted:
    """Mean outcome of unit-periods under treatment less mean of all others: not an effect, shown for what it is."""
    _no_anticipation(options)
    on = _treatment(panel)
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
    clusters = (_count(panel.cluster, treated), _count(panel.cluster, without))
    scores = np.bincount(panel.cluster, influence)
    estimates = _headline(
        [("with less without", "difference of means with and without the tactic (not an effect)")],
        options.outcome_unit,
        np.array([means[0] - means[1]]), np.array([[float(scores @ scores)]]), len(np.unique(panel.unit_code)),
        len(np.unique(panel.cluster)) - 1, clusters,
    )  # fmt: skip
    return Fitted(
        estimates, lambda: influence, lambda: None, treated, control, clusters, int(sides[0].sum()), None, {"on": on}
    )


# --- two by two -----------------------------------------------------------------------------------------------------
def two_by_two_did(panel: Panel, options: Options) -> Fitted:
    """Four means: treated and control, before and after one common start."""
    _no_stack(panel)
    check_variation(panel.start, "first_treated")
    used = panel.start >= UNTREATED
    starts = np.unique(panel.start[panel.start >= 0])
    if len(starts) > 1:
        raise DesignError(
            f"the treated units start in {len(starts)} different periods, so there is no common before and after",
            remedy="use the default estimator='callaway_santanna', which compares each cohort with its own controls",
        )
    treated, control = panel.start >= 0, panel.start == UNTREATED
    _no_anticipation(options)
    after = np.arange(panel.y.shape[1]) >= starts[0]
    weight = None if panel.weight is None else panel.weight[used]
    table = two_by_two.four_means(panel.y[used], treated[used], after, panel.cluster[used], weight, options.ssc)
    clusters = (_count(panel.cluster, treated), _count(panel.cluster, control))
    estimates = _headline(
        [("treated x after", "ATT, difference in differences of four means")], options.outcome_unit,
        np.array([table.estimate]), np.array([[table.variance]]), int(used.sum()), table.n_clusters - 1, clusters,
    )  # fmt: skip
    raw = float(np.bincount(panel.cluster[used], table.influence) @ np.bincount(panel.cluster[used], table.influence))
    scale = math.sqrt(table.variance / raw) if raw > 0 else 1.0

    def influence() -> FloatArray:
        out = np.zeros(len(used))
        out[used] = table.influence * scale
        return out

    def event() -> Series:
        effects = group_time(
            panel.y, panel.start, panel.cluster, panel.weight, panel.grid.position, "never_treated", "universal", 0
        )
        return _series(effects, aggregate.by_event(effects), panel.cluster, -1)

    cells = int(np.isfinite(panel.y[treated][:, after]).sum())
    return Fitted(estimates, influence, event, treated, control, clusters, cells, None, {"means": table})


# --- two-way fixed effects, plain and stacked -------------------------------------------------------------------------
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
    _no_anticipation(options)
    if not stacked and panel.cohorts is not None:
        check_variation(panel.start, "first_treated")
    block = np.zeros(len(panel.y), dtype=np.int64) if panel.stack is None else panel.stack
    on = _treatment(panel)
    if not (on == 1).any() or not (on == 0).any():
        raise DesignError(
            "the treatment is the same in every row, so there is nothing to compare",
            remedy="supply treated and untreated rows",
        )
    if stacked:
        _check_stacks(on, block, panel)
    regressor = np.where(np.isfinite(on), on, 0.0)
    fit = within.fit(panel.y, [regressor], block, panel.cluster, panel.weight, options.ssc)
    treated = (on == 1).any(axis=1)
    control = ~treated
    # Rows under treatment throughout say nothing about its effect, so they do not count as treated clusters; controls
    # are the rows seen untreated once the treatment has begun somewhere (in their campaign).
    switching = treated & (on == 0).any(axis=1)
    begun = np.array([(on[block == b] == 1).any(axis=0).argmax() for b in range(int(block.max()) + 1)])[block]
    beside = ((on == 0) & (np.arange(on.shape[1]) >= begun[:, None])).any(axis=1)
    clusters = (_count(panel.cluster, switching), _count(panel.cluster, beside))
    what = "campaign" if stacked else "period"
    estimand = (
        "ATT, stacked over campaigns, weighted by regression"
        if stacked
        else "coefficient of the treatment with unit and period effects (a weighted mix, not always an ATT)"
    )
    n_units = len(np.unique(panel.unit_code[np.isfinite(panel.y).any(axis=1)]))
    estimates = _headline(
        [(f"treated ({what} effects)", estimand)],
        options.outcome_unit,
        fit.beta,
        fit.cov,
        n_units,
        fit.n_clusters - 1,
        clusters,
    )
    raw = float((np.bincount(panel.cluster, fit.scores[:, 0]) ** 2).sum())
    scale = math.sqrt(float(fit.cov[0, 0]) / raw) if raw > 0 else 1.0
    detail: dict[str, Any] = {"on": on, "fit": fit, "block": block}
    return Fitted(
        estimates, lambda: fit.scores[:, 0] * scale, lambda: _event_regression(panel, options, on, block,
        clusters[1]), treated, control,
        clusters, int(((on == 1) & np.isfinite(panel.y)).sum()), None, detail,
    )  # fmt: skip


def _treatment(panel: Panel) -> FloatArray:
    """The 0/1 treatment of every cell: as given, or from the date of first treatment."""
    if panel.on is not None:
        return panel.on
    column = np.arange(panel.y.shape[1])
    # Units treated before the data stay on throughout; they carry no variation but belong to the period effects.
    on = ((panel.start[:, None] >= 0) & (column >= panel.start[:, None])) | (panel.start[:, None] == -2)
    return np.where(np.isfinite(panel.y), on.astype(float), np.nan)


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
    panel: Panel, options: Options, on: FloatArray, block: IntArray, control_clusters: int
) -> Series | None:
    """Leads and lags by regression, base -1; None where the treatment switches off, so that event time is undefined."""
    ever, first = panel.start != UNTREATED, np.maximum(panel.start, 0)
    columns = np.arange(on.shape[1])
    if (ever[:, None] & (on == 0) & (columns > first[:, None])).any():
        return None
    position = panel.grid.position if panel.stack is None else columns
    event = np.where(ever[:, None], position[columns][None, :] - position[first][:, None], -1)
    present = np.isfinite(panel.y)
    usable = ever & (first > 0)
    times = np.unique(event[usable][present[usable]])
    times = times[times != -1]
    # Nearest to the event first: where two leads are collinear with the effects, the farther one goes.
    times = times[np.argsort(np.abs(times + 0.5), kind="stable")]
    dummies = [(usable[:, None] & (event == e)).astype(float) for e in times]
    fit = within.fit(panel.y, dummies, block, panel.cluster, panel.weight, options.ssc)
    kept = times[fit.kept]
    order = np.argsort(kept)
    behind = [((event == e) & present).any(axis=1) & usable for e in kept]
    n = np.array([_count(panel.unit_code, rows) for rows in behind])
    clusters = np.array([min(_count(panel.cluster, rows), control_clusters) for rows in behind])
    return Series(
        kept[order], fit.beta[order], fit.cov[np.ix_(order, order)], n[order], clusters[order], -1, fit.n_clusters - 1
    )


ESTIMATORS: dict[str, Callable[[Panel, Options], Fitted]] = {
    "callaway_santanna": callaway_santanna,
    "two_by_two": two_by_two_did,
    "twfe": twoway,
    "stacked": twoway,
    "naive": naive,
}
