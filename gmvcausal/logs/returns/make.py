"""`Logs.retention`: options, estimates, words."""

from __future__ import annotations

import math
import numbers
from functools import partial
from typing import Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.arms import read_shares
from gmvcausal.frames.params import check, said
from gmvcausal.logs.calendar import DAY, Freq, parse_freq
from gmvcausal.logs.gaps import empty_days
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.returns.checks import checks_of
from gmvcausal.logs.returns.read import FloatArray, IntArray, Watched, read_arms, read_first
from gmvcausal.logs.returns.result import Group, LogLog, RetentionResult
from gmvcausal.logs.returns.small_groups import reach, without_small
from gmvcausal.results import Estimates, Manifest
from gmvcausal.results.audit import audit_with
from gmvcausal.stats.small_cells import MIN_CELL
from gmvcausal.stats.small_sample import normal
from gmvcausal.stats.survival import at, kaplan_meier, mean_counts, restricted_mean

_MOST_PERIODS = 1_000


def make_retention(
    logs: Logs, tactic: Any, freq: str, horizon: int, anchor: Any, cohorts: Any, control: Any, assignment: Any,
    expected_ratio: Any, alpha: float, seed: int,
) -> RetentionResult:  # fmt: skip
    """See `Logs.retention`."""
    length = parse_freq("freq", freq, months=False)
    asked: Any = horizon
    if isinstance(asked, bool) or not isinstance(asked, numbers.Integral) or not 1 <= int(asked) <= _MOST_PERIODS:
        raise InputError(f"horizon must be a whole number from 1 to {_MOST_PERIODS:,}, but is {said(horizon)}")
    horizon = int(horizon)
    assignment, alpha, seed = check("assignment", assignment), check("alpha", alpha), check("seed", seed)
    arms = tactic is not None
    if not arms:
        for name, value in (("anchor", anchor), ("control", control), ("assignment", assignment),
                            ("expected_ratio", expected_ratio)):  # fmt: skip
            if value is not None:
                raise InputError(f"{name}= is of arms, and none are named", remedy="name tactic=, or leave it out")
        w = read_first(logs, None if cohorts is None else parse_freq("cohorts", cohorts), length, horizon)
        if cohorts is not None:
            w = without_small(w)
    else:
        if cohorts is not None:
            raise InputError("cohorts= is of first orders, and tactic= names arms", remedy="leave one of them out")
        if expected_ratio is not None and assignment is None:
            raise InputError("expected_ratio= is of arms that chance drew", remedy="pass assignment='random' with it")
        w = read_arms(logs, tactic, anchor, control, length, horizon)
    effect = assignment == "random"
    shares = read_shares("expected_ratio", expected_ratio, w.labels) if effect else None
    groups = _groups(w, horizon, arms, cohorts is not None)
    ends = {g.label: g.periods for g in groups}
    until = np.array([float(ends.get(label, 0)) for label in w.labels])
    checks = checks_of(w, logs._facts, until, horizon * length.micros / DAY, shares, arms=arms)
    lost = empty_days(logs, w.start.min(), logs._lines.end)
    options = {
        "tactic": None if tactic is None else list(w.labels[1:]), "freq": freq, "horizon": horizon,
        "anchor": None if anchor is None else str(anchor), "cohorts": cohorts, "control": w.labels[0] if arms else None,
        "assignment": assignment, "alpha": alpha,
    }  # fmt: skip
    estimates = _effects(w, groups, length, horizon) if effect else _levels(groups, length, arms)
    what = "first order after assignment" if arms else "next order after the first"
    manifest = Manifest(
        "retention", options, seed, logs._facts.lines, len(logs.orders.select), w.dropped, tuple(w.notes),
        partial(_arrays, w), (f"time to the {what} by Kaplan and Meier, Greenwood's variance",),
    )  # fmt: skip
    return RetentionResult(
        _title(w, arms), _assumed(effect, arms), estimates, manifest, alpha,
        audit_with(checks, {"checks": [*logs._checks, lost]}), groups, length.word, horizon, not arms, effect,
        _advice(groups, effect),
    )  # fmt: skip


def _title(w: Watched, arms: bool) -> str:
    if not arms:
        return "Who orders again"
    against = w.labels[1] if len(w.labels) == 2 else f"{len(w.labels) - 1} arms"
    return f"Who orders after assignment: {against} against {w.labels[0]}"


def _assumed(effect: bool, arms: bool) -> str:
    watching = "those whose watching has ended would have gone on like those who are still watched"
    if effect:
        return f"the arms were drawn by lot; {watching}"
    return f"{watching}; nothing is said of why groups differ" if arms else watching


def _groups(w: Watched, horizon: int, arms: bool, cohorts: bool) -> tuple[Group, ...]:
    """A group for each label, as far as it is watched; a cohort, as far as ten of it are."""
    out = []
    k = np.arange(1, horizon + 1)
    for g, label in enumerate(w.labels):
        own = w.group == g
        if not own.any():
            if arms:
                raise DesignError(f"no user of {label!r} is watched", remedy="take a longer log, or an earlier anchor")
            continue
        whole = w.until[own][:, None] >= k - 1e-9
        seen = whole.sum(axis=0)
        periods = reach(seen) if cohorts else int((seen > 0).sum())
        if arms and periods < horizon:
            raise DesignError(
                f"nobody of {label!r} is watched for horizon={horizon} periods, only for {periods}",
                remedy=f"pass horizon={max(periods, 1)}",
            )
        if periods < 1:
            w.notes.append(f"the cohort {label} is not shown: fewer than {MIN_CELL} of it are watched for a period")
            why = f"users of cohorts of which fewer than {MIN_CELL} are watched for a period"
            w.dropped[why] = w.dropped.get(why, 0) + int(own.sum())
            continue
        counts = mean_counts(w.counts[own], whole)
        active = ((w.counts[own] > 0) & whole).sum(axis=0).astype(float)
        risk = (w.time[own][:, None] >= k).sum(axis=0).astype(np.int64)
        out.append(Group(label, kaplan_meier(w.time[own], w.ordered[own]), active, counts, risk, periods))
    if not out:
        raise DesignError(
            f"no cohort can be shown: fewer than {MIN_CELL} of each are watched for a period",
            remedy="take longer cohorts, or a longer log",
        )
    return tuple(out)


def _levels(groups: tuple[Group, ...], length: Freq, arms: bool) -> Estimates:
    """The share of every group who order within the horizon."""
    value, error, special = [], [], {}
    for i, g in enumerate(groups):
        left = g.left()
        value.append(1.0 - float(left.share[-1]))
        error.append(float(left.std_error[-1]))
        special[i] = LogLog(float(left.share[-1]), error[-1])
    again = "" if arms else " again"
    estimand = tuple(f"share of {g.label} who order{again} within {g.periods} x {length.word}" for g in groups)
    k = len(groups)
    return Estimates(
        tuple(g.label for g in groups), estimand, ("share of users",) * k, np.array(value), _apart(error),
        tuple(g.curve.n for g in groups), normal(k), special=special, special_p=dict.fromkeys(range(k), math.nan),
        method="log-log",
    )  # fmt: skip


def _apart(error: list[float]) -> FloatArray:
    """Variances; nothing asks for how the rows covary."""
    cov = np.full((len(error), len(error)), np.nan)
    np.fill_diagonal(cov, np.square(error))
    return cov


def _effects(w: Watched, groups: tuple[Group, ...], length: Freq, horizon: int) -> Estimates:
    """Differences to the control: share, time, orders."""
    control = groups[0]
    term, estimand, unit, value, error, n = [], [], [], [], [], []
    for g in groups[1:]:
        pair = f"{g.label} minus {control.label}"
        left = [at(one.curve, np.array([float(horizon)])) for one in (g, control)]
        means = [restricted_mean(one.curve, float(horizon)) for one in (g, control)]
        within = f"within {horizon} x {length.word}"
        rows = (
            (g.label, f"share of users who order {within}, {pair}", "share of users",
             float(left[1].share[0] - left[0].share[0]), [float(s.std_error[0]) for s in left]),
            (f"{g.label} (time)", f"mean time to the order, counted up to {horizon} x {length.word}, {pair}",
             f"{length.word} per user", means[0][0] - means[1][0], [m[1] for m in means]),
            (f"{g.label} (orders)", f"orders {within}, {pair}", "orders per user",
             float(g.orders.mean[-1] - control.orders.mean[-1]),
             [float(one.orders.std_error[-1]) for one in (g, control)]),
        )  # fmt: skip
        for name, what, of, estimate, errors in rows:
            term.append(name)
            estimand.append(what)
            unit.append(of)
            value.append(estimate)
            error.append(math.hypot(*errors))
            n.append(g.curve.n + control.curve.n)
    return Estimates(
        tuple(term), tuple(estimand), tuple(unit), np.array(value), _apart(error), tuple(n), normal(len(term)),
        method="Greenwood",
    )  # fmt: skip


def _advice(groups: tuple[Group, ...], effect: bool) -> tuple[str, ...]:
    cut = any(min(g.seen_until, g.risk_until) < g.periods for g in groups)
    least = f"what rests on fewer than {MIN_CELL} users still at risk or watched"
    if not effect:
        return (f"Left empty in curve(): {least}",) if cut else ()
    shares = ", ".join(f"{1 - float(g.left().share[-1]):.1%} of {g.label}" for g in groups)
    every = f"Every period is in curve() and differences(), but for {least}"
    return (f"Within the horizon {shares} order", every if cut else "Every period is in curve() and differences()")


def _arrays(w: Watched) -> list[Any]:
    """What was analysed, by user."""
    order: IntArray = np.argsort(w.ids, kind="stable")
    return [w.ids[order], w.group[order], w.time[order], w.ordered[order], w.counts[order]]
