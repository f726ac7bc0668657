"""A table of units by day in memory: every rule on its columns, then one row for each unit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np

from gmvcausal.abtest.days.calendar import Calendar, calendar_of
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.read_values import outcomes
from gmvcausal.abtest.intake.rows import Col, FloatArray, IntArray
from gmvcausal.abtest.metrics import Proportion, covariates, parts
from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.arms import find_control, in_two_arms
from gmvcausal.frames.columns import first_rows, identifiers, numeric
from gmvcausal.frames.facts import COARSER, UNIT_NAMES
from gmvcausal.frames.table import Table, open_table
from gmvcausal.frames.times import times


@dataclass(frozen=True, eq=False)
class Panel:
    """The rows of a table of units by day, checked.

    Attributes
    ----------
    table : Table
    labels : tuple
        Arms, sorted.
    unit, arm, place : ndarray of int, shape (n,)
        Codes of units and arms, and places on the calendar.
    values : dict of str to ndarray, shape (n,)
    calendar : Calendar
    keep : ndarray of bool, shape (n,)
        Rows that are analysed (rule='drop' leaves some out).
    """

    table: Table
    labels: tuple[Any, ...]
    unit: IntArray
    arm: IntArray
    place: IntArray
    values: dict[str, FloatArray]
    calendar: Calendar
    keep: np.ndarray[Any, np.dtype[np.bool_]]
    spacing: dict[str, float]
    notes: tuple[str, ...]
    dropped: dict[str, int]


@dataclass(frozen=True, eq=False)
class Collapsed:
    """One row for each unit, and what its days looked like.

    Attributes
    ----------
    table : frame or Arrow table
        Columns as the verb reads them, the arm as codes.
    labels : tuple
    arm, days, first : ndarray of int, shape (n,)
        Code of the arm, number of rows, position of the first of them among the days that occur.
    totals : dict of str to ndarray, shape (n,)
        The outcomes of the table.
    slope : ndarray, shape (n,)
        Sum over days of (place - the calendar's middle) times the first outcome; and its plain sum beside it.
    plain : ndarray, shape (n,)
    calendar : Calendar
    rows, columns : int
        Shape of the data as they came in.
    """

    table: Any
    labels: tuple[Any, ...]
    arm: IntArray
    days: IntArray
    first: IntArray
    totals: dict[str, FloatArray]
    slope: FloatArray
    plain: FloatArray
    calendar: Calendar
    rows: int
    columns: int
    spacing: dict[str, float]
    notes: tuple[str, ...]
    dropped: dict[str, int]


def outcome_columns(ask: Columns) -> list[str]:
    """The outcomes, once each; the first metric's first."""
    return list(dict.fromkeys(p for m in ask.metrics for p in parts(m)))


def flag_columns(ask: Columns) -> set[str]:
    """Outcomes of which a unit has the largest, not the sum.

    Raises
    ------
    InputError
        A column that is a share and a mean at once.
    """
    flags = {m.column for m in ask.metrics if isinstance(m, Proportion)}
    both = flags & {p for m in ask.metrics if not isinstance(m, Proportion) for p in parts(m)}
    if both:
        column = min(both)
        raise InputError(
            f"{column!r} is a Proportion, where a unit counts that did it on any day, and in another metric its days "
            "are added up",
            column=column,
            remedy="copy the column under a second name for one of them",
        )
    return flags


def constant_columns(ask: Columns, unit: str) -> list[str]:
    """Columns that a unit has once: covariates, cluster, strata and whatever else the call names."""
    moving = {ask.arm, unit, *outcome_columns(ask)}
    return [c for c in ask.needed if c not in moving]


def read_panel(data: Any, ask: Columns, unit: str, time: str) -> Panel:
    """Read and check the rows.

    Raises
    ------
    InputError
        Every way of being wrong that such a table has; the message names column, count, rows and remedy.
    """
    table = open_table(data, needed=list(dict.fromkeys([*ask.needed, unit, time])), optional=(*COARSER, *UNIT_NAMES))
    arms = identifiers(table, ask.arm, "arm")
    labels = tuple(v.item() if isinstance(v, np.generic) else v for v in arms.labels)
    find_control(ask.arm, labels, ask.control)
    ids = identifiers(table, unit, "unit").codes
    read = times(table, time, "time")
    calendar = calendar_of(read.values, read.is_date, time)
    place = (read.values - calendar.origin) // calendar.step
    values: dict[Col, FloatArray] = {}
    spacing: dict[str, float] = {}
    notes: list[str] = []
    dropped: dict[str, int] = {}
    outcomes(table, ask, values, spacing, notes)
    keep, arm = _one_arm(ids, arms.codes, place, unit, ask, notes, dropped)
    _once_a_day(ids, place, keep, unit, time, calendar)
    plain = {c.name: x for c, x in values.items()}
    return Panel(table, labels, ids, arm, place, plain, calendar, keep, spacing, tuple(notes), dropped)


def _one_arm(
    ids: IntArray, arm: IntArray, place: IntArray, unit: str, ask: Columns, notes: list[str], dropped: dict[str, int]
) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], IntArray]:
    """Rows that stay, and the arm of each row's unit."""
    first = np.zeros(int(ids.max()) + 1, dtype=np.int64)
    earliest = np.lexsort((place, ids))[::-1]
    first[ids[earliest]] = arm[earliest]
    other = arm != first[ids]
    keep = np.ones(len(ids), dtype=bool)
    if other.any():
        both = np.zeros(len(first), dtype=bool)
        both[ids[other]] = True
        count = int(both.sum())
        if ask.rule == "raise":
            raise in_two_arms(
                unit, count, first_rows(both[ids]), "keeps the arm of the first day and counts all days in it"
            )
        notes.append(f"{count:,} units were in more than one arm (rule={ask.rule!r})")
        if ask.rule == "drop":
            keep = ~both[ids]
            dropped["rows of units in more than one arm"] = int((~keep).sum())
    return keep, first[ids]


def _once_a_day(
    ids: IntArray,
    place: IntArray,
    keep: np.ndarray[Any, np.dtype[np.bool_]],
    unit: str,
    time: str,
    calendar: Calendar,
) -> None:
    key = ids * calendar.size + place
    key = np.where(keep, key, -1 - np.arange(len(key)))
    _, at = np.unique(key, return_index=True)
    again = np.ones(len(key), dtype=bool)
    again[at] = False
    if again.any():
        raise rules.duplicated(
            f"rows of one {unit!r} and {time!r}",
            time,
            int(again.sum()),
            first_rows(again),
            "find out whether a log was read twice; rows that belong together are added up by unit and day first",
        )


def collapse(panel: Panel, ask: Columns, unit: str, time: str) -> Collapsed:
    """One row for each unit."""
    keep = np.flatnonzero(panel.keep)
    ids = np.unique(panel.unit[keep], return_inverse=True)[1]
    n = int(ids.max()) + 1 if len(ids) else 0
    first_row = np.empty(n, dtype=np.int64)
    first_row[ids[::-1]] = keep[::-1]
    flags = flag_columns(ask)
    totals: dict[str, FloatArray] = {}
    for column in outcome_columns(ask):
        x = panel.values[column][keep]
        totals[column] = _added(ids, x, n)
        if column in flags:
            totals[column] = np.minimum(totals[column], 1.0)
    head = panel.values[outcome_columns(ask)[0]][keep]
    place = panel.place[keep]
    held = constant_columns(ask, unit)
    for column in held:
        _constant(panel.table, column, panel.unit, panel.keep, column in _pre(ask))
    held += _places(panel, {*held, ask.arm, unit, time, *totals})
    base = panel.table.frame.select([ask.arm, *held])[first_row]
    frame = nw.maybe_reset_index(base)
    new = {ask.arm: panel.arm[first_row], **totals}
    space = nw.get_native_namespace(frame)
    frame = frame.with_columns(*(nw.new_series(c, x, backend=space) for c, x in new.items()))
    at = np.searchsorted(panel.calendar.at, place)
    earliest = np.full(n, len(panel.calendar.at), dtype=np.int64)
    np.minimum.at(earliest, ids, at)
    return Collapsed(
        nw.to_native(frame), panel.labels, panel.arm[first_row], np.bincount(ids, minlength=n), earliest, totals,
        _added(ids, (place - panel.calendar.middle) * head, n), _added(ids, head, n),
        panel.calendar, panel.table.n, len(panel.table.columns), panel.spacing, panel.notes, panel.dropped,
    )  # fmt: skip


def _added(ids: IntArray, x: FloatArray, n: int) -> FloatArray:
    return np.asarray(np.bincount(ids, x, minlength=n), dtype=np.float64)


def _pre(ask: Columns) -> set[str]:
    return {c for m in ask.metrics for c in covariates(m)}


def _constant(
    table: Table, column: str, ids: IntArray, keep: np.ndarray[Any, np.dtype[np.bool_]], is_covariate: bool
) -> None:
    """Refuse a column that varies within a unit."""
    series = table.series(column, "covariate" if is_covariate else "column")
    if series.dtype.is_numeric() or series.dtype == nw.Boolean:
        codes: Any = numeric(table, column, "covariate" if is_covariate else column).values
        codes = np.where(np.isnan(codes), -1e300, codes)  # a missing value is told of by the reader of the column
    else:
        codes = identifiers(table, column, "covariate" if is_covariate else column).codes
    first = np.zeros(int(ids.max()) + 1, dtype=codes.dtype)
    first[ids[::-1]] = codes[::-1]
    bad = (codes != first[ids]) & keep
    if bad.any():
        raise rules.not_constant(
            column,
            "covariate" if is_covariate else "a column that a unit has once",
            "units",
            len(np.unique(ids[bad])),
            first_rows(bad),
            "give each unit one value on all its days"
            + (", measured before the test; for example merge gmv_pre by unit" if is_covariate else ""),
        )


def _places(panel: Panel, named: set[str]) -> list[str]:
    """Columns of places that nobody named and that a unit has once: the arm may have been drawn by them."""
    found = []
    for column in COARSER:
        if column in panel.table.columns and column not in named:
            try:
                _constant(panel.table, column, panel.unit, panel.keep, False)
            except InputError:  # it varies, or holds what is no id: then nobody was assigned by it
                continue
            found.append(column)
    return found


def without_unit(ask: Columns) -> Columns:
    """The call on the collapsed table: arms are codes, and each unit has one row."""
    return replace(ask, unit=None, rule="raise")
