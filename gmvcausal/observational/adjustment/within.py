"""A panel: each unit compared with itself, beside the comparison of all, and the test that both say the same."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.columns import first_rows, identifiers
from gmvcausal.frames.covariates import encode
from gmvcausal.frames.params import counted
from gmvcausal.frames.table import Table
from gmvcausal.observational.adjustment.calendar import refuse_calendar
from gmvcausal.observational.adjustment.intake import Asked, Sample
from gmvcausal.observational.adjustment.numbers import Found, without_leverage
from gmvcausal.observational.adjustment.periods import Runs, in_order, runs
from gmvcausal.observational.adjustment.rules import PANEL
from gmvcausal.results.audit import Check
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.inference import p_value
from gmvcausal.stats.logit import independent
from gmvcausal.stats.two_ways import satterthwaite, within_both

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MOST_CELLS = 50_000_000  # rows times periods of the hat matrix; beyond, leverage of the periods is left out


class Panel(NamedTuple):
    """Who and when, in the order of the sample.

    Attributes
    ----------
    unit, time : ndarray of int, shape (n,)
        Dense codes.
    x : ndarray, shape (n, k)
        Covariates that vary within units, as numbers.
    names : tuple of str
        Theirs.
    unread : tuple of str
        Covariates that the within answer does without: gaps, or dates.
    run : Runs
        How the arms run through the periods.
    """

    unit: IntArray
    time: IntArray
    x: FloatArray
    names: tuple[str, ...]
    unread: tuple[str, ...]
    run: Runs


def read_panel(table: Table, asked: Asked, s: Sample) -> Panel:
    """Units and periods of the sample's rows.

    Raises
    ------
    InputError
        A unit stands in one period twice, there is one period only, or `cluster` varies within units.
    DesignError
        In every period all rows have the same arm.
    """
    unit_name, time_name = str(asked.unit), str(asked.time)
    identifiers(table, time_name, "time")  # refuses gaps and mixed kinds
    unit, time = identifiers(table, unit_name, "unit").codes, in_order(table, time_name)
    if int(time.max()) == 0:
        raise InputError(
            "time= holds one period only", column=time_name, remedy="leave time= out: one row per unit is no panel"
        )
    key = unit.astype(np.int64) * (int(time.max()) + 1) + time
    _, first, count = np.unique(key, return_index=True, return_counts=True)
    if (count > 1).any():
        again = np.ones(len(key), dtype=bool)
        again[first] = False
        many = counted(int((count > 1).sum()), "unit-period")
        raise InputError(
            f"{many} {'occurs' if many.startswith('1 ') else 'occur'} more than once", column=unit_name,
            rows=first_rows(again), remedy="add up the rows of a unit in a period first",
        )  # fmt: skip
    refuse_calendar(time[s.row], s.treated, time_name)
    columns, names, unread = [np.zeros((table.n, 0))], list[str](), list[str]()
    for name in asked.covariates:
        try:
            found = encode(table, [name], "")
        except InputError:  # gaps that trees take, or dates: the within answer does without, and says so
            unread.append(name)
            continue
        columns.append(found.values)
        names += found.names
    unit, time, x = unit[s.row], time[s.row], np.hstack(columns)[s.row]
    units = int(unit.max()) + 1
    if s.cluster is not None:
        one = np.full(units, -1, dtype=np.int64)
        one[unit] = s.cluster
        if (one[unit] != s.cluster).any():
            raise InputError(
                f"cluster= varies within {unit_name!r}", column=s.cluster_name,
                remedy="cluster by the unit (the default with time=), or by what holds whole units",
            )  # fmt: skip
    return Panel(unit, time, x, tuple(names), tuple(unread), runs(unit, time, s.treated))


def within(s: Sample, panel: Panel) -> Found | None:
    """Effect within units and periods by least squares, with CR2 scores and their degrees of freedom.

    None where nothing of the treatment is left within units and periods.
    """
    assert s.cluster is not None
    level = float(s.y.mean())
    columns = np.column_stack([s.y - level, s.treated.astype(float), panel.x])
    size = np.abs(columns - columns.mean(axis=0)).max(axis=0)
    left = within_both(columns / np.where(size > 0, size, 1.0), panel.unit, panel.time)
    live = np.sqrt((left**2).mean(axis=0)) > 1e-9
    if not panel.run.switchers or not live[1]:
        return None
    z = left[:, 1:][:, live[1:]]
    z = z[:, independent(z)]
    beta = np.linalg.lstsq(z, left[:, 0], rcond=None)[0]
    target = np.zeros(z.shape[1])
    target[0] = 1.0
    design = np.column_stack([z, _periods(panel)])
    own, df = _scores(z, design[:, independent(design)], left[:, 0] - z @ beta, target, s.cluster)
    unit = float(size[0] / size[1])
    value = float(s.y[~s.treated].mean())
    return Found(
        float(beta[0]) * unit, own * unit, np.ones(s.n), value, used=z.shape[1], adjusted=True, df=df
    )  # fmt: skip


def _periods(panel: Panel) -> FloatArray:
    """What units leave of dummies of the periods but one; none where the matrix would not fit."""
    n, times = len(panel.time), int(panel.time.max()) + 1
    if n * times > _MOST_CELLS:
        return np.zeros((n, 0))
    held = np.bincount(panel.unit)
    share = np.zeros((len(held), times))
    np.add.at(share, (panel.unit, panel.time), 1.0)
    dummies = -(share / held[:, None])[panel.unit]
    dummies[np.arange(n), panel.time] += 1.0
    return dummies[:, 1:]


def _scores(
    z: FloatArray, design: FloatArray, rest: FloatArray, target: FloatArray, cluster: IntArray
) -> tuple[FloatArray, float]:
    """CR2 scores of target'beta, and their degrees of freedom.

    Only what is nested in clusters, units, may be taken out before the hat matrix (Pustejovsky and Tipton 2018):
    `design` holds the periods too.
    """
    pull: FloatArray = z @ np.linalg.solve(z.T @ z, target)
    values, vectors = np.linalg.eigh(design.T @ design)
    u = design @ (vectors / np.sqrt(values))
    return pull * without_leverage(u, rest, cluster), satterthwaite(design, without_leverage(u, pull, cluster), cluster)


def conflict(s: Sample, panel: Panel, across: Found, inside: Found | None, told: str) -> Check:
    """Do the comparison of all and that of each unit with itself say the same?"""
    run = panel.run
    if inside is None and run.switchers:
        return Check(
            "panel_conflict", "failed",
            f"the arm of {counted(run.switchers, 'unit')} changes over time, but in the periods where it does nobody "
            "is there to compare them with: within units the effect is not identified",
            remedy="have units with and units without it in the same periods (gc.did), or compare days before and "
            "after (gc.before_after)",
        )  # fmt: skip
    if inside is None:
        return Check(
            "panel_conflict", "not_run", "nobody's arm changes over time, so that no unit can be compared with itself"
        )
    assert s.cluster is not None
    gap = across.estimate - inside.estimate
    own = np.bincount(s.cluster, across.influence - inside.influence)
    groups = len(own)
    error = math.sqrt(float(own @ own) * groups / (groups - 1)) if groups > 1 else math.nan
    df = min(float(inside.df or 0.0), groups - 1.0)
    p = float(p_value(np.array([gap]), np.array([error]), df)[0])
    if math.isnan(p):
        return Check("panel_conflict", "not_run", "the difference of both answers has no standard error")
    message = (
        f"across units the effect is {across.estimate:+.4g}, within units {inside.estimate:+.4g}: they differ by "
        f"{gap:+.4g} (standard error {error:.3g}, {p_words(p)})"
    )
    remedy = (
        "use gc.did, which compares those who get it with those who do not have it yet: here the arm comes and stays, "
        f"and where effects grow with time the row {told!r} is biased as well"
        if run.stays
        else f"read the row {told!r}: it compares each unit with itself, so that nothing that tells units apart for "
        "good confounds it; across units something that was not measured does, or the effect differs between units"
    )
    return PANEL.check("panel_conflict", p, message, remedy)
