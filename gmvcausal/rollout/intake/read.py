"""One reading of the data for every estimator of this room: columns in, a validated `Panel` out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, flags, identifiers, numeric
from gmvcausal.frames.facts import COARSER, frame_facts
from gmvcausal.frames.table import Table, open_table
from gmvcausal.frames.times import Times, times
from gmvcausal.rollout.intake import cohorts as cohort_rules
from gmvcausal.rollout.intake.cohorts import UNTREATED, Cohorts
from gmvcausal.rollout.intake.covariates import read_covariates
from gmvcausal.rollout.intake.eligible import read_dose, read_eligible
from gmvcausal.rollout.intake.layout import Layout, lay_out
from gmvcausal.rollout.intake.levels import ROW, clusters, units_touched, unused_coarser
from gmvcausal.rollout.intake.panel import NOT_LATER, FloatArray, IntArray, Panel
from gmvcausal.rollout.intake.rows import lay_out_rows

CROSSED = "every row is taken as a person seen once, in its own period (unit=None)"
ALONE = "; rows count as independent: where places were given the tactic, name the place with cluster="
_LOGS_PANEL = {"unit", "period", "gmv", "orders", "buyers", "first_treated", "treated"}
_LOGS_STACK = {"stack", "unit", "period", "event_time", "gmv", "sent", "other_tactic"}


def read_panel(
    data: Any,
    *,
    outcome: str,
    unit: str | None,
    time: str,
    first_treated: str,
    treated: str | None,
    stack: str | None,
    never: Any,
    cluster: str | None,
    weights: str | None,
    anticipation: int,
    missing: str,
    dedupe: str | None,
    absorbing: bool,
    covariates: Sequence[str] = (),
    ratios: bool = False,
    dose: str | None = None,
    eligible: str | None = None,
) -> Panel:
    """Read and check the columns that `gmvcausal.did` was given; see there for the rules and the errors raised."""
    named = [outcome, unit, time, treated or first_treated, stack, cluster, weights, dose, eligible, *covariates]
    needed = list(dict.fromkeys(c for c in named if c is not None))
    table = open_table(data, needed=needed, optional=(*COARSER, "other_tactic", "parts"))
    meta = frame_facts(data)
    if table.n == 1:
        raise InputError("data has a single row", remedy="supply one row per unit and period")
    if len({outcome, unit, time}) < 3:
        raise InputError(f"outcome={outcome!r}, unit={unit!r} and time={time!r} must be three different columns")
    if unit is not None:
        table.series(unit, "unit")
    notes: list[str] = list(meta.get("notes", []))
    dropped: dict[str, int] = dict(meta.get("dropped", {}))
    remedy = (
        "a unit that bought nothing has outcome 0: pass missing='zero' if that is what missing means "
        "here, else remove the rows"
    )
    read = numeric(table, outcome, "outcome", missing=remedy if missing == "raise" else None)
    y_rows = read.values
    _forget_unit(meta, outcome, y_rows, notes)
    if missing == "zero":
        gaps = np.isnan(y_rows)
        if gaps.any():
            y_rows = np.where(gaps, 0.0, y_rows)
            notes.append(f"{int(gaps.sum()):,} missing outcomes were set to 0, as missing='zero' asked")
    if ratios and (y_rows < 0).any():
        below = y_rows < 0
        raise InputError(
            "ratios of means need outcomes of at least 0",
            column=outcome,
            count=int(below.sum()),
            rows=first_rows(below),
            remedy="give gross GMV (refunds apart), or use an estimator that compares differences",
        )
    flag_rows = flags(table, treated, "treated").astype(float) if treated is not None else None
    when: Times | None = None
    word: str | None = None
    if flag_rows is None:
        word = cohort_rules.word_of_never(never, table.series(first_treated, "first_treated"))
        when = times(table, first_treated, "first_treated", allow_missing=True, word=word)
        never = None if word is not None else never
    weight_rows = _weights(table, weights)
    others = [v for v in (y_rows, flag_rows, when.values if when else None, weight_rows) if v is not None]
    if dedupe not in (None, "exact"):
        raise InputError(f"dedupe must be None or 'exact', but is {dedupe!r}")
    calendar = times(table, time, "time")
    if when is not None:
        _same_clock(calendar, when, time, first_treated)
    if calendar.zone is not None:
        notes.append(f"times carry the zone {calendar.zone}; periods are days and hours on its clock")
    if dedupe is not None and cluster is not None:
        others.append(identifiers(table, cluster, "cluster").codes)
    if unit is None:
        assert when is not None  # flags are refused where nobody is seen twice
        keys = [y_rows, np.where(when.missing, 0, when.values), when.missing]
        keys += [] if weight_rows is None else [weight_rows]
        keys += [] if cluster is None else [identifiers(table, cluster, "cluster").codes]
        layout = lay_out_rows(time, calendar, keys)
    else:
        layout = lay_out(table, unit, time, calendar, stack, dedupe, others)
    if layout.keep is not None:
        gone = table.n - len(layout.keep)
        others_said = " (compared were the columns used here)" if len(table.columns) > len(needed) else ""
        notes.append(
            f"{gone:,} rows that repeated another row exactly were dropped, as dedupe='exact' asked{others_said}"
        )
        dropped["exact duplicates"] = gone
    y = layout.matrix(y_rows)
    on = layout.matrix(flag_rows) if flag_rows is not None else None
    if flag_rows is None and when is not None:
        found: Cohorts | None = _cohorts(layout, when, calendar, first_treated, never, anticipation, stack)
    elif absorbing and on is not None:
        found = cohort_rules.from_flags(on, layout.grid, anticipation, str(treated), layout.rows_of)
    else:
        found = None
    if found is not None:
        start = found.start
    else:
        assert on is not None  # `treated` was given, or `found` would be there
        start = _start_of_flags(on, layout)
    if on is not None:
        unseen = (start > 0) & np.isnan(on[np.arange(len(on)), np.maximum(start, 1) - 1])
        if unseen.any():
            notes.append(
                f"{int(unseen.sum()):,} units are absent just before they are first seen treated, so their treatment "
                "may have begun earlier than it is read here"
            )
    if found is not None:
        _tell(
            found, notes, dropped, first_treated if treated is None else treated, never, kept=not absorbing, word=word
        )
    moving: dict[str, int] = {}
    name, cluster_code = clusters(table, layout, cluster, unit, start, meta, moving)
    if int(cluster_code.max()) == 0:
        raise InputError(
            "there is a single cluster, so no standard error exists", column=name, remedy="cluster by a finer column"
        )
    finest = name == (unit or ROW)
    coarser = unused_coarser(table, layout, {*needed, name}, start) if finest else ()
    if unit is None:
        notes.append(CROSSED + (ALONE if finest else ""))
    weight = None
    if weight_rows is not None:
        weight, varies = layout.per_row(weight_rows)
        if varies.any():
            raise rules.not_constant(
                str(weights),
                "weights",
                "units",
                units_touched(layout, varies),
                first_rows(varies),
                "give each unit one weight",
            )
    taken = {
        "outcome": outcome, "unit": unit, "time": time, "treatment": treated or first_treated, "weights": weights,
        "stack": stack,
    }  # fmt: skip
    given = read_covariates(table, layout, covariates, taken, y_rows, notes)
    if layout.grid.note:
        notes.append(layout.grid.note)
    if layout.grid.gaps:
        notes.append(
            f"{layout.grid.gaps:,} periods are missing between the first and the last for every unit; event time "
            "counts them"
        )
    later = None if dose is None and eligible is None else _later(layout, when, never, calendar)
    other = None
    if stack is not None and "other_tactic" in table.columns:
        other = layout.matrix(flags(table, "other_tactic", "other_tactic").astype(float))
    return Panel(
        y=y,
        on=on,
        start=start,
        unit=layout.unit,
        unit_code=layout.unit_code,
        cluster=cluster_code,
        cluster_name=name,
        weight=weight,
        grid=layout.grid,
        offset=layout.offset,
        stack=layout.stack,
        stack_labels=layout.stack_labels,
        other=other,
        cohorts=found,
        rows=table.n,
        columns=len(table.columns),
        spacing=read.spacing,
        moving=moving,
        coarser=coarser,
        parts=_parts(table),
        has_parts="parts" in table.columns,
        from_logs=set(table.columns) >= _LOGS_PANEL or set(table.columns) >= _LOGS_STACK,
        notes=notes,
        dropped=dropped,
        meta=meta,
        covariates=given,
        dose=None if dose is None or later is None else read_dose(table, layout, dose, start, later > NOT_LATER),
        eligible=None if eligible is None else read_eligible(table, layout, eligible),
        later=None if eligible is None else later,
        crossed=unit is None,
        row_of=None if unit is not None or layout.cell is None else layout.cell // layout.shape[1],
    )


def _later(layout: Layout, when: Times | None, never: Any, calendar: Times) -> IntArray:
    """The date of units that are first treated after the last period, `NOT_LATER` for all others."""
    if when is None:
        return np.full(layout.shape[0], NOT_LATER)
    last, code = int(layout.grid.values[-1]), cohort_rules.parse_never(never, calendar)
    value, _ = layout.per_row(np.where(when.missing, NOT_LATER, when.values))
    return np.where((value > last) & (value != (NOT_LATER if code is None else code)), value, NOT_LATER)


def _forget_unit(meta: dict[str, Any], outcome: str, values: FloatArray, notes: list[str]) -> None:
    """Where the values have changed since `Logs` made the frame, what it said of their unit no longer holds."""
    sums = meta.get("sums")
    known = sums.get(outcome) if isinstance(sums, dict) else None
    if known is None or meta.get("rows") != len(values):
        return
    total = float(np.nansum(values))
    if abs(total - float(known)) > 1e-9 * max(abs(total), abs(float(known)), 1.0):
        meta.pop("outcome_unit", None)
        meta["changed"] = True
        notes.append(f"{outcome!r} has changed since Logs made the frame, so its unit is not known any more")


def _parts(table: Table) -> float:
    """Shorter periods averaged in each row; NaN where rows differ, so that no total can be formed."""
    if "parts" not in table.columns:
        return 1.0
    values = numeric(table, "parts", "parts", missing="write 1 where a row holds a sum").values
    return float(values[0]) if (values == values[0]).all() else np.nan


def _same_clock(calendar: Times, when: Times, time: str, first_treated: str) -> None:
    """Dates of treatment and periods are compared as dates, which needs one kind and one time zone."""
    if when.missing.all():
        return
    if calendar.is_date != when.is_date:
        kinds = ("dates", "whole numbers")
        raise InputError(
            f"time holds {kinds[not calendar.is_date]} but first_treated holds {kinds[not when.is_date]}",
            column=first_treated,
            remedy=f"write {first_treated!r} in the same way as {time!r}",
        )
    if calendar.zone != when.zone:
        zones = [f"{c!r} {z or 'no zone'}" for c, z in ((time, calendar.zone), (first_treated, when.zone))]
        raise InputError(
            f"the times of one call lie in different time zones ({', '.join(zones)}), so their days may differ",
            column=first_treated,
            remedy="convert both columns to one zone, or drop the zone from both",
        )


def _weights(table: Table, column: str | None) -> FloatArray | None:
    if column is None:
        return None
    values = numeric(table, column, "weights", missing="give every row a weight").values
    bad = values <= 0
    if bad.any():
        raise InputError(
            "weights must be positive",
            column=column,
            count=int(bad.sum()),
            rows=first_rows(bad),
            remedy="leave out units that should not count, instead of weighting them with zero",
        )
    return values


def _cohorts(
    layout: Layout, when: Times, calendar: Times, column: str, never: Any, anticipation: int, stack: str | None
) -> Cohorts:
    if stack is not None:
        raise InputError(
            "stack= needs treated=, the 0/1 column of who is treated when", remedy="pass treated='treated'"
        )
    # Missing becomes a value of its own, so that "known in one row, missing in another" is caught as varying.
    blank = np.iinfo(np.int64).min
    some = bool(when.missing.any())
    value, varies = layout.per_row(np.where(when.missing, blank, when.values) if some else when.values)
    if varies.any():
        raise rules.not_constant(
            column,
            "first_treated",
            "units",
            units_touched(layout, varies),
            first_rows(varies),
            "a unit has one date of first treatment: correct it, or give each unit its own id (is an id used twice?)",
        )
    code = cohort_rules.parse_never(never, calendar)
    return cohort_rules.from_first_treated(
        value, value == blank, layout.grid, anticipation, code, column, layout.rows_of
    )


def first_on(on: FloatArray) -> IntArray:
    """First column in which each row is seen treated; `UNTREATED` where never."""
    hit = on == 1.0
    return np.where(hit.any(axis=1), hit.argmax(axis=1), UNTREATED).astype(np.int64)


def _start_of_flags(on: FloatArray, layout: Layout) -> IntArray:
    """First treated column of each row from flags that may switch off again; in a stack, that of its campaign."""
    start = first_on(on)
    if layout.stack is None:
        return start
    earliest = np.full(int(layout.stack.max()) + 1, on.shape[1], dtype=np.int64)
    treated = start >= 0
    np.minimum.at(earliest, layout.stack[treated], start[treated])
    return np.where(treated, earliest[layout.stack], UNTREATED)


def _tell(
    found: Cohorts, notes: list[str], dropped: dict[str, int], column: str, never: Any, *, kept: bool, word: str | None
) -> None:
    """Notes and counts of what was read; `kept` where the estimator takes units treated from the first period on, and
    `word` the text that was read as missing.
    """
    if found.undated:
        where = "missing or infinite" if word is None else f"missing, infinite or {word!r}"
        notes.append(f"{found.undated:,} units count as never treated: {column!r} is {where} there")
    if never is not None:
        # A code that no unit holds is likely a slip.
        held = f"{found.coded:,} units count as never treated: they hold" if found.coded else "no unit holds"
        notes.append(f"{held} the code never={never!r} in {column!r}")
    if found.zero_is_never:
        notes.append(
            f"0 in {column!r} was read as never treated: no period is 0 and no other date lies before the first period"
        )
    if found.late:
        notes.append(
            f"{found.late:,} units are first treated after the last period and count as untreated in these data"
        )
    if found.always and kept:
        notes.append(f"{found.always:,} units are under the tactic from the first period on and are kept as such")
    elif found.always:
        dropped["already treated at the start"] = found.always
    if found.excluded:
        dropped["treated after the data but within the anticipation window"] = found.excluded
