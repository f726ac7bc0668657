"""A roll-out along a number known before it: long differences of the units, a straight line for each side."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import column_name
from gmvcausal.results.audit import Check
from gmvcausal.results.moderated import RULES, Moderated, moderated, overlap_check, too_thin
from gmvcausal.results.usual_checks import p_words
from gmvcausal.rollout.fitted import FloatArray, IntArray
from gmvcausal.rollout.intake.cohorts import UNTREATED
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.intake.per_unit import numbers_of
from gmvcausal.rollout.referee.reassigned import BoolArray, refuse
from gmvcausal.stats.inference import p_value
from gmvcausal.stats.moderated import Along, Piece, interacted

if TYPE_CHECKING:
    from gmvcausal.rollout.result import DidResult

_ASKED = "the effect along a moderator cannot be told"
_LEAST = 4  # treated units of a cohort, below which it has no line of its own
_DESIGN = ("outcome", "unit", "time", "first_treated", "treated", "stack", "dose", "eligible", "exposed")
_CHANCE = (
    "Nobody drew {0} by lot: this says for whom the effect is larger, and whatever goes with {0} may be the reason"
)
_PLAIN = {"exposed": "exposed=", "eligible": "eligible=", "dose": "dose="}


class Cohort(NamedTuple):
    """One cohort: its units and their controls, how each changed from the base to after the start, and before it."""

    start: int
    weight: float
    rows: BoolArray
    treated: BoolArray
    change: FloatArray
    before: FloatArray | None


def moderation(result: DidResult, by: Any) -> Moderated:
    """`DidResult.moderation`."""
    column = column_name("by", by)
    assert column is not None
    panel, options = result.panel, result.options
    _refuse(result, column)
    origin = result.known_origin()
    w = numbers_of(origin.data, panel, origin.unit, column, "moderator", options.outcome)
    control, last, notes = _controls(panel, options.anticipation)
    cohorts, lost = _cohorts(panel, control, last, options.anticipation)
    varied = [c for c in cohorts if c.treated.sum() >= _LEAST and len(np.unique(w[c.rows][c.treated])) > 1]
    thin = [too_thin(w[c.rows], c.treated) if len(np.unique(w[c.rows][~c.treated])) > 1 else "" for c in varied]
    if varied and all(thin):
        raise DesignError(
            f"{column!r} has too few units for a line on each side, in every cohort: {thin[0]}",
            column=column,
            remedy="take ranks, logarithms or wider levels of it, fixed before the start",
        )
    kept = [c for c, why in zip(varied, thin, strict=True) if not why]
    if not kept:
        raise DesignError(
            f"no cohort has {_LEAST} units with different values of {column!r}, seen from before the start to the end",
            column=column,
            remedy="name a number that differs between the treated units",
        )
    behind = np.concatenate([w[c.rows][c.treated] for c in kept])
    middle = float(behind.mean())
    line = _line(panel, kept, w, middle, before=False)
    if line is None:
        raise DesignError(
            f"{column!r} does not vary among the controls, so what it does without the tactic cannot be told",
            column=column,
            remedy="name a number that varies on both sides",
        )
    few = sum(int(c.treated.sum()) for c in cohorts) - len(behind)
    if few:
        notes.append(
            f"{few:,} treated units are in cohorts of fewer than {_LEAST}, of one value, or "
            "with too few units at its values for a line, and are left out"
        )
    if lost:
        notes.append(f"{lost:,} units are not seen from the base to the end and are left out of the line")
    if options.estimator != "callaway_santanna" or panel.covariates is not None:
        notes.append(
            "the line compares each unit's mean after the start with the last period before it, whatever the estimator "
            "and its covariates"
        )
    if len(kept) > 1:
        notes.append(
            "every cohort has a line of its own and counts by its treated unit-periods: what sets cohorts apart is no "
            "moderation"
        )
    n = len(np.unique(np.concatenate([np.flatnonzero(c.rows) for c in kept])))
    checks = [_overlap(kept, w, column), _trend(panel, kept, w, middle, column)]
    return moderated(
        result, column, "effect", f"mean effect on the treated, {result.estimates.estimand[0]}", result.unit, line,
        behind, n, checks, _CHANCE.format(column), notes, {"by": column},
    )  # fmt: skip


def _refuse(result: DidResult, column: str) -> None:
    panel, options = result.panel, result.options
    if column in {result.manifest.options.get(k) for k in _DESIGN} - {None}:
        raise InputError(
            f"{column!r} is a column of the design itself, so it is no moderator",
            column=column,
            remedy="name a number that was fixed before the start",
        )
    refuse(panel, options, _ASKED)
    why = next((told for name, told in _PLAIN.items() if getattr(panel, name) is not None), "")
    why = why or ("weights=" if panel.weight is not None else "")
    why = why or (f"estimator={options.estimator!r}" if options.estimator in ("poisson", "switching") else "")
    why = why or ("rows of which nobody is seen twice" if panel.crossed else "")
    if why:
        raise DesignError(
            f"{_ASKED}: it compares changes of units, and the call was made with {why}",
            remedy="call did without it, then moderation(); or by() on levels of the moderator",
        )


def _controls(panel: Panel, anticipation: int) -> tuple[BoolArray, int, list[str]]:
    """Units that are untreated throughout, the column where they cease to be, and what is to be said of it."""
    width = panel.y.shape[1]
    never = panel.start == UNTREATED
    if never.any():
        return never, width, []
    latest = int(panel.start.max())
    note = "nobody is never treated: the cohort that starts last is the control, up to its start"
    return panel.start == latest, latest - anticipation, [note]


def _cohorts(panel: Panel, control: BoolArray, last: int, anticipation: int) -> tuple[list[Cohort], int]:
    """Cohorts with a period before their start and one after it, and how many units are not seen throughout."""
    found, lost = [], np.zeros(len(panel.start), dtype=bool)
    for start in np.unique(panel.start[panel.start >= 0]).tolist():
        base = start - 1 - anticipation
        own = (panel.start == start) & ~control
        if base < 0 or start >= last or not own.any():
            continue
        both = own | control
        after = panel.y[:, start:last]
        change = after.mean(axis=1) - panel.y[:, base]
        seen = both & np.isfinite(change)
        lost |= both & ~seen
        before = None
        if base > 0:
            before = panel.y[seen, base] - panel.y[seen, :base].mean(axis=1)
        weight = float((own & seen).sum()) * (last - start)
        found.append(Cohort(start, weight, seen, own[seen], change[seen], before))
    if not found:
        raise DesignError(
            "no cohort has a period before its start and controls after it",
            remedy="supply earlier periods, or units that are never treated",
        )
    return found, int(lost.sum())


def _line(panel: Panel, cohorts: list[Cohort], w: FloatArray, middle: float, *, before: bool) -> Along | None:
    """The cohorts' lines, weighted; what each cluster adds is summed over cohorts, for controls serve several."""
    used = [e for c in cohorts if (e := _earlier(c)) is not None] if before else cohorts
    total = sum(c.weight for c in used)
    value, influence = np.zeros(2), np.zeros((panel.n_clusters, 2))
    bends: list[float] = []
    pieces: list[Piece] = []
    for c in used:
        code, own = np.unique(panel.cluster[c.rows], return_inverse=True)
        alone = None if len(code) == int(c.rows.sum()) else own
        one = interacted(c.change, c.treated, w[c.rows], middle, alone)
        if one is None:
            return None
        share = c.weight / total
        value += share * one.value
        influence[code if alone is not None else panel.cluster[c.rows]] += share * one.influence
        bends.append(one.bend)
        pieces += [p.scaled(share) for p in one.pieces]
    if not used:
        return None
    return Along(value, influence[_reached(panel, used)], _sides(panel, used), middle, _smallest(bends), tuple(pieces))


def _earlier(c: Cohort) -> Cohort | None:
    """The cohort with the changes before its start as outcome, of the units that are seen there; None without any."""
    if c.before is None:
        return None
    seen = np.isfinite(c.before)
    own = c.treated[seen]
    if own.sum() < _LEAST or (~own).sum() < _LEAST:
        return None
    rows = c.rows.copy()
    rows[np.flatnonzero(c.rows)[~seen]] = False
    return c._replace(rows=rows, treated=own, change=c.before[seen], before=None)


def _reached(panel: Panel, cohorts: list[Cohort]) -> IntArray:
    inside = np.zeros(panel.n_clusters, dtype=bool)
    for c in cohorts:
        inside[panel.cluster[c.rows]] = True
    return np.flatnonzero(inside)


def _sides(panel: Panel, cohorts: list[Cohort]) -> IntArray:
    """0 for clusters of controls, 1 of treated; 2 for all where some hold both."""
    held = np.zeros((panel.n_clusters, 2), dtype=bool)
    for c in cohorts:
        held[panel.cluster[c.rows][c.treated], 1] = True
        held[panel.cluster[c.rows][~c.treated], 0] = True
    both = held[_reached(panel, cohorts)]
    return np.full(len(both), 2) if both.all(axis=1).any() else both[:, 1].astype(np.int64)


def _smallest(p: list[float]) -> float:
    """The smallest p-value, for as many tests as there are."""
    live = [v for v in p if not math.isnan(v)]
    return min(1.0, len(live) * min(live)) if live else math.nan


def _overlap(cohorts: list[Cohort], w: FloatArray, column: str) -> Check:
    outside = units = 0
    for c in cohorts:
        own, other = w[c.rows][c.treated], w[c.rows][~c.treated]
        outside += int(((own < other.min()) | (own > other.max())).sum())
        units += len(own)
    return overlap_check(outside / units, column)


def _trend(panel: Panel, cohorts: list[Cohort], w: FloatArray, middle: float, column: str) -> Check:
    """The same line through the changes before the start, where there is nothing to moderate."""
    line = _line(panel, cohorts, w, middle, before=True)
    df = math.nan if line is None else line.df(np.array([0.0, 1.0]))
    if line is None or math.isnan(df):
        return Check(
            "moderator_trend", "warned", "no earlier period shows whether units of different "
            f"{column!r} moved alike before the start", None, RULES.bound("moderator_trend"),
            "supply two periods or more before the start",
        )  # fmt: skip
    p = float(p_value(line.value[1:], np.sqrt([line.cov[1, 1]]), df)[0])
    told = "do not differ along" if RULES.judge("moderator_trend", p) == "passed" else "differ along"
    return RULES.check(
        "moderator_trend", p, f"changes of treated and controls before the start {told} {column!r}: {p_words(p)}",
        "the slope after the start may be a trend that was there before: control for what goes with the moderator",
    )  # fmt: skip
