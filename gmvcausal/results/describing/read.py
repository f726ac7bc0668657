"""The columns that are to be described: what each holds, found out and not guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalError, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import numeric
from gmvcausal.frames.covariates import is_category, is_text
from gmvcausal.frames.facts import holds_people, says_unit
from gmvcausal.frames.table import Table
from gmvcausal.frames.times import times

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_MOST_PEOPLE = 20  # values of a column called "member" or "buyer" that may be a flag after all
MOST_LEVELS = 50  # beyond these a category is a text or an id, and is not listed


@dataclass(frozen=True, eq=False)
class Column:
    """One column.

    Attributes
    ----------
    name : str
    kind : {"number", "0/1", "category", "date"}
    values : ndarray, shape (n,)
        Numbers, NaN where missing; for a category the place of its level, NaN where missing; for dates all NaN.
    levels : tuple of str
        Of a category, sorted.
    span : (str, str)
        First and last date.
    missing : int
    """

    name: str
    kind: str
    values: FloatArray = field(repr=False)
    levels: tuple[str, ...] = ()
    span: tuple[str, str] = ("", "")
    missing: int = 0

    @property
    def is_number(self) -> bool:
        """Whether it has a mean."""
        return self.kind in ("number", "0/1")

    @property
    def kind_words(self) -> str:
        """Its type as a table of definitions prints it."""
        if self.kind == "category":
            return f"category, {len(self.levels)} level{'' if len(self.levels) == 1 else 's'}"
        if self.kind == "date" and self.span[0]:
            first, last = self.span
            return f"date, {first}" if first == last else f"date, {first} to {last}"
        return self.kind

    def dummies(self) -> list[FloatArray]:
        """0/1 columns of all levels but the first, NaN where missing; a number as it is."""
        if self.is_number:
            return [self.values]
        gone = np.isnan(self.values)
        return [np.where(gone, np.nan, self.values == k) for k in range(1, len(self.levels))]


def read_columns(table: Table, named: Sequence[str] | None, taken: Sequence[str]) -> tuple[list[Column], list[str]]:
    """The columns, and what is said of those left out.

    Parameters
    ----------
    table : Table
    named : sequence of str or None
        Columns asked for; None for all that can be described.
    taken : sequence of str
        Columns that have another part to play.

    Raises
    ------
    InputError
        No such column; one that was asked for and cannot be described (text of many values, numbers as text, ...).
    """
    found: list[Column] = []
    left: list[str] = []
    for name in table.columns if named is None else named:
        if name in taken:
            if named is not None:
                raise InputError(
                    f"{name!r} is the column that tells the groups apart, and cannot be described by itself",
                    column=name,
                    remedy="leave it out of columns=",
                )
            continue
        if named is None and (says_unit(name) or _is_ids(table, name)):
            left.append(f"{name!r} (ids)")
            continue
        if _is_ids(table, name):
            raise InputError(
                f"{name!r} holds ids of people, whose smallest and largest are two of them",
                column=name,
                remedy="leave it out of columns=",
            )
        try:
            found.append(_column(table, name))
        except GmvCausalError as error:
            if named is not None:
                raise
            left.append(f"{name!r} ({error.rule})")
    if not found:
        raise InputError(
            f"no column can be described: {', '.join(left) or 'there is none'}", remedy="name columns= to describe"
        )
    return found, left


def _is_ids(table: Table, name: str) -> bool:
    """Whether a column called as ids of people are has more values than a flag or a group."""
    return holds_people(name) and name in table.columns and table.series(name, "columns").n_unique() > _MOST_PEOPLE


def _column(table: Table, name: str) -> Column:
    series = table.series(name, "columns")
    if is_text(series) and not series.is_null().all():
        return _category(table, series, name)
    if series.dtype in (nw.Date, nw.Datetime) or _holds_dates(series):
        when = times(table, name, "columns", allow_missing=True)
        live = when.values[~when.missing].astype("datetime64[us]")
        ends = tuple(str(np.datetime_as_string(v, unit="D")) for v in (live.min(), live.max())) if len(live) else ()
        span = (ends[0], ends[1]) if ends else ("", "")
        return Column(name, "date", np.full(table.n, np.nan), span=span, missing=int(when.missing.sum()))
    values = numeric(table, name, "columns").values
    live = values[~np.isnan(values)]
    flag = bool(len(live)) and bool(((live == 0) | (live == 1)).all())
    return Column(name, "0/1" if flag else "number", values, missing=table.n - len(live))


def _holds_dates(series: nw.Series[Any]) -> bool:
    import datetime as dt

    if series.dtype not in (nw.Object, nw.Unknown):
        return False
    return any(isinstance(v, dt.date) for v in series.head(1000).to_list())


def _category(table: Table, series: nw.Series[Any], name: str) -> Column:
    import pandas as pd

    items = np.array(series.to_list(), dtype=object)
    gone = np.asarray(pd.isna(items), dtype=bool)
    kinds = {type(v).__name__ for v in items[~gone]}
    if len(kinds) > 1:
        raise InputError(
            f"columns mixes kinds of values ({', '.join(sorted(kinds))}), so 1 and '1' could be the same or not",
            column=name,
            remedy="convert the column to text or to numbers",
        )
    texts = np.array([str(v) for v in items[~gone]], dtype=object)
    levels, codes = np.unique(texts.astype(str), return_inverse=True)
    if not is_category(series):
        rules.refuse_written([str(v) for v in levels], name, "columns")
    if len(levels) > MOST_LEVELS:
        raise InputError(
            f"text of {len(levels):,} different values, and at most {MOST_LEVELS} are counted",
            column=name,
            remedy="group the levels, or leave the column out if it holds ids or free text",
        )
    values = np.full(table.n, np.nan)
    values[~gone] = codes
    return Column(name, "category", values, tuple(str(v) for v in levels), missing=int(gone.sum()))
