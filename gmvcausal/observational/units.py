"""Who is treated, who is not, and what was known of each before: rows of a table become units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.arms import find_control
from gmvcausal.frames.columns import first_rows, id_values, identifiers
from gmvcausal.frames.covariates import Encoded, encode
from gmvcausal.frames.params import said
from gmvcausal.frames.table import Table
from gmvcausal.frames.times import Times, times

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_MISSING = "supply the values, remove these units, or leave the column out: a covariate is never guessed"


@dataclass(frozen=True)
class Units:
    """One line per unit.

    Attributes
    ----------
    code : ndarray, shape (rows,)
        Unit of each row of the table; -1 where the unit cannot be used.
    treated : ndarray of bool, shape (n,)
    x : ndarray, shape (n, p)
        Covariates as they are, in the user's units.
    names : tuple of str
    moving : ndarray of bool, shape (p,)
        Which of them change over time within units.
    key : ndarray of uint64, shape (n,)
        What puts units into an order that does not depend on that of the rows.
    notes : list of str
    dropped : dict
    cohort : ndarray of str, shape (n,), or None
        When each treated unit started, "" for controls; None where that is not known.
    """

    code: IntArray
    treated: BoolArray
    x: FloatArray
    names: tuple[str, ...]
    moving: BoolArray
    key: NDArray[np.uint64]
    notes: list[str]
    dropped: dict[str, int]
    cohort: NDArray[np.str_] | None = None


def from_rows(table: Table, treatment: str, control: Any, covariates: Sequence[str], unit: str | None) -> Units:
    """Every row is a unit."""
    treated = _arms(
        table, treatment, control,
        "if it is the date of first treatment (missing means never), pass time= and unit= and leave control= out; "
        "else say what these rows got",
    )  # fmt: skip
    encoded = encode(table, covariates, _MISSING)
    if unit is None:
        try:
            hashed = pd.util.hash_pandas_object(table.frame.to_pandas(), index=False)
            key: NDArray[np.uint64] = np.asarray(hashed.to_numpy(), dtype=np.uint64)
        except TypeError:
            raise InputError(
                "rows hold lists or other objects, so they cannot be put into an order of their own",
                remedy="pass unit=, the column of their ids",
            ) from None
    else:
        codes = identifiers(table, unit, "unit")
        if len(codes.labels) < table.n:
            again = pd.Series(codes.codes).duplicated().to_numpy()
            count = int((np.bincount(codes.codes) > 1).sum())
            raise rules.duplicated(
                "units", unit, count, first_rows(again), "pass time= for a panel, or keep one row for each unit"
            )
        key = np.asarray(_hashed(codes.labels)[codes.codes], dtype=np.uint64)
    moving = np.zeros(len(encoded.names), dtype=bool)
    code = np.arange(table.n, dtype=np.int64)
    return Units(code, treated, encoded.values, encoded.names, moving, key, list(encoded.notes), {})


def from_panel(
    table: Table, treatment: str, control: Any, covariates: Sequence[str], unit: str, time: str, before: Any
) -> Units:
    """Rows are units by periods; covariates are means over the periods before the first start of anyone."""
    codes = identifiers(table, unit, "unit")
    clock = times(table, time, "time")
    at, n = codes.codes, len(codes.labels)
    _refuse_twice(at, clock, unit)
    encoded = encode(table, covariates, _MISSING)
    notes, dropped = list(encoded.notes), dict[str, int]()
    start = _starts(table, treatment, control, at, n, clock)
    never, first, last = np.iinfo(np.int64).max, int(clock.values.min()), int(clock.values.max())
    if start is None:
        flag = _arms(
            table, treatment, control,
            "if it is the date of first treatment (missing means never), leave control= out; else say what these rows "
            "got",
        )  # fmt: skip
        treated = np.zeros(n, dtype=bool)
        treated[at] = flag
        if (treated[at] != flag).any():
            earliest = np.full(n, never)
            np.minimum.at(earliest, at[flag], clock.values[flag])
            start = earliest
    late = np.zeros(n, dtype=bool)
    if start is not None:
        late = (start > last) & (start < never)
        treated = start <= last
    gone = np.zeros(n, dtype=bool) if start is None else treated & (start <= first)
    if late.any():
        notes.append(f"{int(late.sum()):,} units are first treated after the last period and count as untreated")
    cut = _first_start(start, treated & ~gone, never)
    if before is not None:
        cut = _before(before, clock, cut if cut != never else None)
    if gone.any():
        dropped["treated from the first period on"] = int(gone.sum())
    rows = np.ones(len(at), dtype=bool) if cut is None else clock.values < cut
    varies = _varies(encoded, at, n)
    if cut is None and varies.any():
        raise DesignError(
            f"it is not known which periods lie before the tactic, and {encoded.names[int(np.argmax(varies))]!r} "
            "changes over time",
            column=treatment,
            remedy="pass before=, the first period of the tactic, or a column with the date of first treatment",
        )
    if not rows.any():
        raise DesignError("no period lies before the tactic, so nothing is known of the units then",
                          remedy="supply earlier periods")  # fmt: skip
    count = np.bincount(at[rows], minlength=n)
    absent = (count == 0) & ~gone
    if absent.any():
        dropped["not seen before the tactic"] = int(absent.sum())
    x = np.column_stack([np.bincount(at[rows], v[rows], minlength=n) / np.maximum(count, 1) for v in encoded.values.T])
    same = ~varies
    if same.any():  # the value itself, not a mean of equal values that rounds
        x[np.ix_(np.arange(n), same)] = _first_of(encoded.values[:, same], at, n)
    _refuse_changing_text(encoded, at[rows], n, np.flatnonzero(rows))
    if varies.any():
        told = ", ".join(repr(v) for v in dict.fromkeys(np.array(encoded.source)[varies].tolist()))
        notes.append(f"{told} count{'s' if varies.sum() == 1 else ''} with the mean over the periods before the tactic")
    keep = ~gone & ~absent
    place = np.full(n, -1, dtype=np.int64)
    place[keep] = np.arange(int(keep.sum()))
    key = _hashed(codes.labels)[keep]
    cohort = None if start is None else _when(np.where(treated, start, never), clock, never)[keep]
    return Units(place[at], treated[keep], x[keep], encoded.names, varies, key, notes, dropped, cohort)


def _when(start: IntArray, clock: Times, never: int) -> NDArray[np.str_]:
    """Starts in words, "" for never."""
    found, at = np.unique(start, return_inverse=True)
    words = [
        "" if v == never else str(np.datetime64(v, "us").astype("datetime64[D]")) if clock.is_date else str(v)
        for v in found.tolist()
    ]
    return np.array(words, dtype=np.str_)[at]


def _arms(table: Table, column: str, control: Any, missing: str) -> BoolArray:
    """Treated or not: 0/1 or booleans as they are; of two other values, all but `control`.

    `missing` is the remedy where values are missing.
    """
    gone = table.series(column, "treatment").is_null().to_numpy().astype(bool)
    if table.frame[column].dtype.is_float():
        gone |= np.isnan(table.frame[column].to_numpy())
    if gone.any():
        raise rules.missing(column, "treatment", int(gone.sum()), first_rows(gone), missing)
    values = id_values(table, column, "treatment")
    found = pd.unique(values)
    if len(found) == 1:
        raise DesignError(
            f"treatment is {found.tolist()[0]!r} in every row, so there is nobody to compare with",
            column=column,
            remedy="supply units with and without the tactic",
        )
    if len(found) > 2:
        dose = " of a dose, perhaps," if values.dtype.kind in "iuf" else ""
        raise InputError(
            f"treatment has {len(found):,} values{dose} and matching compares two",
            column=column,
            remedy="keep the rows of two arms, or make a 0/1 column; for a panel with dates of treatment pass time=",
        )
    labels = tuple(sorted(found.tolist()))
    return np.asarray(values != labels[find_control(column, labels, control)], dtype=bool)


def _starts(table: Table, column: str, control: Any, at: IntArray, n: int, clock: Times) -> IntArray | None:
    """Start of each unit (largest integer: never), or None where the column is no date of first treatment."""
    series = table.series(column, "treatment")
    if control is not None:
        return None
    dtype = series.dtype
    if dtype.is_numeric():
        values = _finite(table, column)
        if set(np.unique(values[~np.isnan(values)]).tolist()) <= {0.0, 1.0} and not np.isnan(values).any():
            return None
    elif dtype == nw.Boolean:
        return None
    elif clock.is_date is False:
        return None  # periods are numbers, so text here is the name of an arm
    when = times(table, column, "treatment", allow_missing=True)
    if when.is_date != clock.is_date and not when.missing.all():
        return None
    never = np.iinfo(np.int64).max
    value = np.where(when.missing, never, when.values)
    if not clock.is_date and not (clock.values == 0).any():
        value = np.where(value == 0, never, value)
    start = np.full(n, never)
    start[at] = value
    differ = start[at] != value
    if differ.any():
        raise rules.not_constant(
            column, "treatment", "units", len(np.unique(at[differ])), first_rows(differ),
            "a unit has one date of first treatment",
        )  # fmt: skip
    return start


def _finite(table: Table, column: str) -> FloatArray:
    """Numbers, infinity (never) as missing."""
    values = np.asarray(table.series(column, "treatment").cast(nw.Float64).to_numpy(), dtype=np.float64)
    return np.where(np.isinf(values), np.nan, values)


def _first_start(start: IntArray | None, treated: BoolArray, never: int) -> int | None:
    if start is None:
        return None
    return int(start[treated].min()) if treated.any() else never


def _before(before: Any, clock: Times, start: int | None) -> int:
    """The first period of the tactic as the caller says, which must not lie behind the first start in the data."""
    cut = _cut(before, clock)
    if start is not None and cut > start:
        raise InputError(
            f"before={said(before)} lies behind the first start of the tactic in the data, so that values after it "
            "would count as known before",
            remedy="leave before= out: the first start in the data is taken then",
        )
    if clock.values.min() <= cut <= clock.values.max() and not (clock.values == cut).any():
        raise InputError(
            f"before={said(before)} lies between two periods",
            remedy="name the first period of the tactic, as time has it",
        )
    return cut


def _cut(before: Any, clock: Times) -> int:
    if clock.is_date:
        try:
            return int(pd.Timestamp(before).tz_localize(None).to_datetime64().astype("datetime64[us]").astype(np.int64))
        except (ValueError, TypeError):
            raise InputError(
                f"before must be a date, as time is, but is {said(before)}", remedy="write before='2025-11-01'"
            ) from None
    if isinstance(before, bool) or not isinstance(before, int | np.integer):
        raise InputError(
            f"before must be a period, as time holds, but is {said(before)}",
            remedy="name the first period of the tactic",
        )
    return int(before)


def _first_of(values: FloatArray, at: IntArray, n: int) -> FloatArray:
    out = np.zeros((n, values.shape[1]))
    out[at[::-1]] = values[::-1]
    return out


def _varies(encoded: Encoded, at: IntArray, n: int) -> BoolArray:
    return np.asarray((_first_of(encoded.values, at, n)[at] != encoded.values).any(axis=0))


def _refuse_changing_text(encoded: Encoded, at: IntArray, n: int, rows: IntArray) -> None:
    """A category has no mean."""
    first = _first_of(encoded.values[rows], at, n)[at]
    for j, (name, source) in enumerate(zip(encoded.names, encoded.source, strict=True)):
        differs = encoded.values[rows, j] != first[:, j]
        if name != source and differs.any():
            raise rules.not_constant(
                source, "covariates", "units", len(np.unique(at[differs])), rows[differs][:5].tolist(),
                "a category must not change before the tactic: use its last value in a column of its own",
            )  # fmt: skip


def _refuse_twice(at: IntArray, clock: Times, unit: str) -> None:
    again = pd.DataFrame({"u": at, "t": clock.values}).duplicated().to_numpy()
    if again.any():
        raise rules.duplicated(
            "unit-periods", unit, int(again.sum()), first_rows(again), "keep one row for each unit and period"
        )


def _hashed(labels: NDArray[Any]) -> NDArray[np.uint64]:
    return np.asarray(pd.util.hash_array(np.array([str(v) for v in labels], dtype=object)), dtype=np.uint64)
