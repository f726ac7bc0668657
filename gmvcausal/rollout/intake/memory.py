"""The rows of a table in memory: columns in, one matrix and one value for each unit out; errors name the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, flags, identifiers, numeric
from gmvcausal.frames.parquet import is_path
from gmvcausal.frames.table import Table, is_relation, open_relation, open_table
from gmvcausal.frames.times import Times, times
from gmvcausal.rollout.intake.cohorts import word_of_never
from gmvcausal.rollout.intake.covariates import read_covariates
from gmvcausal.rollout.intake.eligible import read_dose, read_eligible
from gmvcausal.rollout.intake.gathered import NEVER, NO_OUTCOME, NO_PARTS, OPTIONAL, SAMPLE, Ask, Codes, Rows
from gmvcausal.rollout.intake.layout import FloatArray, IntArray, Layout, lay_out, units_touched
from gmvcausal.rollout.intake.rows import lay_out_rows


@dataclass(frozen=True)
class TableColumns:
    """The further columns of a table in memory."""

    table: Table
    layout: Layout

    @property
    def columns(self) -> Sequence[str]:
        """Names of all columns."""
        return self.table.columns

    def codes(self, column: str, role: str) -> Codes:
        """One column by units."""
        codes, varies = self.layout.per_row(identifiers(self.table, column, role).codes)
        return Codes(codes, units_touched(self.layout, varies) if varies.any() else 0, first_rows(varies))

    def sample(self, columns: Sequence[str]) -> tuple[Table, IntArray] | None:
        """The rows of the first units."""
        layout, width = self.layout, self.layout.shape[1]
        rows = np.arange(min(self.table.n, SAMPLE * width))
        of_row = rows // width
        if layout.cell is not None:
            inside = np.flatnonzero(layout.cell < SAMPLE * width)
            rows = inside if layout.keep is None else layout.keep[inside]
            of_row = layout.cell[inside] // width
        return Table(self.table.frame[rows.tolist()], self.table.name, len(rows)), of_row


def from_table(data: Any, ask: Ask) -> Rows:
    """Read the rows in memory.

    Raises
    ------
    InputError
        See `gmvcausal.did`; the messages name the rows.
    """
    table = open_table(data, needed=ask.needed, optional=OPTIONAL)
    if table.n == 1:
        raise InputError("data has a single row", remedy="supply one row per unit and period")
    if len({ask.outcome, ask.unit, ask.time}) < 3:
        raise InputError(
            f"outcome={ask.outcome!r}, unit={ask.unit!r} and time={ask.time!r} must be three different columns"
        )
    if ask.unit is not None:
        table.series(ask.unit, "unit")
    read = numeric(table, ask.outcome, "outcome", missing=NO_OUTCOME if ask.missing == "raise" else None)
    y, total, filled = read.values, float(np.nansum(read.values)), 0
    if ask.missing == "zero":
        gaps = np.isnan(y)
        filled = int(gaps.sum())
        y = np.where(gaps, 0.0, y) if filled else y
    if ask.ratios and (y < 0).any():
        below = y < 0
        raise InputError(
            "ratios of means need outcomes of at least 0",
            column=ask.outcome,
            count=int(below.sum()),
            rows=first_rows(below),
            remedy="give gross GMV (refunds apart), or use an estimator that compares differences",
        )
    on = flags(table, ask.treated, "treated").astype(float) if ask.treated is not None else None
    when, word = None, None
    if on is None:
        word = word_of_never(ask.never, table.series(ask.first_treated, "first_treated"))
        when = times(table, ask.first_treated, "first_treated", allow_missing=True, word=word)
    weight = None if ask.weights is None else weights_of(table, ask.weights)
    others = [v for v in (y, on, when.values if when else None, weight) if v is not None]
    if ask.dedupe not in (None, "exact"):
        raise InputError(f"dedupe must be None or 'exact', but is {ask.dedupe!r}")
    calendar = times(table, ask.time, "time")
    if when is not None:
        same_clock(calendar, when, ask.time, ask.first_treated)
    if ask.dedupe is not None and ask.cluster is not None:
        others.append(identifiers(table, ask.cluster, "cluster").codes)
    if ask.unit is None:
        assert when is not None  # flags are refused where nobody is seen twice
        keys = [y, np.where(when.missing, 0, when.values), when.missing]
        keys += [] if weight is None else [weight]
        keys += [] if ask.cluster is None else [identifiers(table, ask.cluster, "cluster").codes]
        layout = lay_out_rows(ask.time, calendar, keys)
    else:
        layout = lay_out(table, ask.unit, ask.time, calendar, ask.stack, ask.dedupe, others)
    first = None if when is None else _first(layout, when, ask)
    notes: list[str] = []
    taken = {
        "outcome": ask.outcome, "unit": ask.unit, "time": ask.time, "treatment": ask.treated or ask.first_treated,
        "weights": ask.weights, "stack": ask.stack,
    }  # fmt: skip
    given = read_covariates(table, layout, ask.covariates, taken, y, notes)
    other = None
    if ask.stack is not None and "other_tactic" in table.columns:
        other = layout.matrix(flags(table, "other_tactic", "other_tactic").astype(float))
    return Rows(
        n=table.n,
        columns=_names(data, table),
        layout=layout,
        calendar=calendar,
        when=when,
        y=layout.matrix(y),
        total=total,
        filled=filled,
        spacing=read.spacing,
        on=None if on is None else layout.matrix(on),
        first=first,
        weight=None if weight is None else _one_weight(layout, weight, str(ask.weights)),
        parts=_parts(table),
        further=TableColumns(table, layout),
        other=other,
        covariates=given,
        dose=None if ask.dose is None else partial(read_dose, table, layout, ask.dose),
        eligible=None if ask.eligible is None else read_eligible(table, layout, ask.eligible),
        never=None if word is not None else ask.never,
        word=word,
        notes=tuple(notes),
    )


def check_column(data: Any, ask: Ask, column: str) -> None:
    """Read one column by the rules of its role, and no other.

    Raises
    ------
    InputError
        What is wrong with it, with its rows.
    """
    role = ask.needed[column]
    table = open_table(data, needed={column: role})
    if role == "outcome":
        numeric(table, column, role, missing=NO_OUTCOME if ask.missing == "raise" else None)
    elif role == "treated":
        flags(table, column, role)
    elif role == "weights":
        weights_of(table, column)
    elif role in ("time", "first_treated"):
        word = word_of_never(ask.never, table.series(column, role)) if role == "first_treated" else None
        times(table, column, role, allow_missing=role == "first_treated", word=word)
    else:
        identifiers(table, column, role)


def weights_of(table: Table, column: str) -> FloatArray:
    """Positive weights of the rows."""
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


def same_clock(calendar: Times, when: Times, time: str, first_treated: str) -> None:
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


def _first(layout: Layout, when: Times, ask: Ask) -> IntArray:
    if ask.stack is not None:
        raise InputError(
            "stack= needs treated=, the 0/1 column of who is treated when", remedy="pass treated='treated'"
        )
    some = bool(when.missing.any())
    value, varies = layout.per_row(np.where(when.missing, NEVER, when.values) if some else when.values)
    if varies.any():
        raise rules.not_constant(
            ask.first_treated,
            "first_treated",
            "units",
            units_touched(layout, varies),
            first_rows(varies),
            "a unit has one date of first treatment: correct it, or give each unit its own id (is an id used twice?)",
        )
    return np.asarray(value)


def _one_weight(layout: Layout, weight: FloatArray, column: str) -> FloatArray:
    value, varies = layout.per_row(weight)
    if varies.any():
        raise rules.not_constant(
            column, "weights", "units", units_touched(layout, varies), first_rows(varies), "give each unit one weight"
        )
    return np.asarray(value)


def _names(data: Any, table: Table) -> tuple[str, ...]:
    """All columns of the data: of files only those that are used were fetched."""
    there = is_path(data) or is_relation(data)
    return tuple(open_relation(data, "data", ()).columns if there else table.columns)


def _parts(table: Table) -> float:
    """Shorter periods averaged in each row; NaN where rows differ, so that no total can be formed."""
    if "parts" not in table.columns:
        return 1.0
    values = numeric(table, "parts", "parts", missing=NO_PARTS).values
    return float(values[0]) if (values == values[0]).all() else np.nan
