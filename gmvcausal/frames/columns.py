"""Typed columns: one narwhals series in, plain numpy out, or an error that names the rows.

Rules kept here (and, for files, in `frames.relation`):

- numbers become float64; text never becomes a number; infinity is refused; missing is refused unless asked for;
- ids may be text, whole numbers, booleans, dates or categories of these, one kind per column; missing is refused;
- times are whole numbers or dates (also ISO text, Python dates, pandas periods), one kind per column.
"""

from __future__ import annotations

import datetime as dt
import decimal
import numbers
import uuid
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.table import Table

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MICRO = "datetime64[us]"
_WHOLE = 2**53


def dot(x: FloatArray, y: FloatArray) -> float:
    """Sum of products on one thread: those of BLAS wait for each other longer than a sum along memory takes."""
    return float(np.einsum("i,i->", x, y))


@dataclass(frozen=True)
class Numbers:
    """A numeric column.

    Attributes
    ----------
    values : ndarray of float64, shape (n,)
        NaN where missing (only where the caller allowed it).
    spacing : float
        Largest distance between neighbouring representable numbers in the source dtype (0 for exact sources).
    """

    values: FloatArray
    spacing: float = 0.0


@dataclass(frozen=True)
class Codes:
    """An id column as dense codes in canonical (sorted) order of its labels.

    Attributes
    ----------
    codes : ndarray of int64, shape (n,)
    labels : ndarray, shape (number of distinct ids,)
    """

    codes: IntArray
    labels: NDArray[Any]


def first_rows(mask: NDArray[np.bool_]) -> list[int]:
    """First few positions where `mask` holds."""
    return [int(i) for i in np.flatnonzero(mask)[:5]]


# --- numbers --------------------------------------------------------------------------------------------------------
def numeric(table: Table, column: str, role: str, *, missing: str | None = None) -> Numbers:
    """Read a numeric column.

    Parameters
    ----------
    table : Table
    column, role : str
        The column and what it is for ("outcome", "weights"), for the messages.
    missing : str, optional
        None allows missing values (NaN in the result); otherwise they are refused with this remedy.

    Returns
    -------
    Numbers

    Raises
    ------
    InputError
        Text, mixed or non-numeric dtype; infinite values; missing values unless allowed.
    """
    series = table.series(column, role)
    dtype = series.dtype
    spacing, narrow = 0.0, dtype == nw.Float32
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        text = [v for v in series.head(1000).to_list() if v is not None]
        if not text and series.is_null().all():  # a column without any value has no kind of its own
            nothing = nw.from_dict({column: np.full(table.n, np.nan)}, backend="pandas")
            return numeric(Table(nothing, table.name, table.n), column, role, missing=missing)
        raise rules.text_number(column, role, str(text[0]) if text else "", range(min(5, table.n)), table.n, text)
    if dtype == nw.Object or dtype == nw.Unknown:
        values = _object_numbers(series.to_list(), column, role)
    elif dtype.is_numeric() or dtype == nw.Boolean:
        if dtype.is_integer():
            _refuse_whole(series, column, role)
        values = series.cast(nw.Float64).to_numpy()
        values = np.asarray(values, dtype=np.float64)
    else:
        raise rules.not_a_kind(column, role, str(dtype), "numbers")
    # One reduction finds NaN, infinity and numbers whose squares overflow; the masks are built only when it does. No
    # value is larger than its root.
    with np.errstate(over="ignore", invalid="ignore"):
        squares = dot(values, values)
    if narrow or not squares <= float(_WHOLE) ** 2:
        largest = float(np.nanmax(np.abs(values), initial=0.0)) if values.size else 0.0
        if np.isfinite(largest) and (narrow or largest > _WHOLE):
            spacing = float(np.spacing(np.float32(largest) if narrow else largest))
    if not np.isfinite(squares):
        _refuse_numbers(values, column, role, missing)
    return Numbers(values, spacing)


def _refuse_whole(series: nw.Series[Any], column: str, role: str) -> None:
    """Whole numbers that a double cannot hold would lose their differences without a word."""
    import pandas as pd

    ends = [series.min(), series.max()]
    if all(pd.isna(end) or abs(int(end)) <= _WHOLE for end in ends):
        return
    large = [i for i, v in enumerate(series.to_list()) if not pd.isna(v) and abs(v) > _WHOLE]
    raise rules.beyond_whole(column, role, len(large), large[:5])


def _refuse_numbers(values: FloatArray, column: str, role: str, missing: str | None) -> None:
    infinite, nan = np.isinf(values), np.isnan(values)
    if infinite.any():
        raise rules.infinite(column, role, int(infinite.sum()), first_rows(infinite))
    if nan.any() and missing is not None:
        raise rules.missing(column, role, int(nan.sum()), first_rows(nan), missing)
    large = np.abs(values) > rules.LARGEST
    if large.any():
        raise rules.beyond_squares(column, role, int(large.sum()), first_rows(large))


_LEVEL = "give them a level of their own, for example 'unknown'"
_NO_LABEL = {
    "arm": "find out which arm these units were drawn into; remove them only if they were never in the test",
    "strata": _LEVEL,
    "stratum": _LEVEL,
    "segment": _LEVEL,
    "covariate": _LEVEL,
    "covariates": _LEVEL,
}


def no_label(role: str) -> str:
    """What to do about a missing id in this role."""
    return _NO_LABEL.get(role, "remove these rows or give them an id")


def _object_numbers(items: list[Any], column: str, role: str) -> FloatArray:
    """Python objects (Decimal, int, None, ...) as float64; text and anything else is refused with its rows."""
    import pandas as pd

    out = np.empty(len(items), dtype=np.float64)
    bad: list[int] = []
    for i, item in enumerate(items):
        if item is None or item is pd.NA or item is pd.NaT:
            out[i] = np.nan
        elif isinstance(item, numbers.Real | decimal.Decimal):
            out[i] = float(item)
        else:
            bad.append(i)
    if bad:
        raise rules.text_number(column, role, str(items[bad[0]]), bad[:5], len(bad), [items[i] for i in bad])
    return out


def flags(table: Table, column: str, role: str) -> NDArray[np.bool_]:
    """Read a 0/1 or boolean column; any other value is refused with its rows."""
    values = numeric(table, column, role, missing=rules.missing_flags(role)).values
    bad = (values != 0.0) & (values != 1.0)
    if bad.any():
        raise rules.not_flags(column, role, values[bad][0], int(bad.sum()), first_rows(bad))
    return np.asarray(values == 1.0)


# --- ids ------------------------------------------------------------------------------------------------------------
def identifiers(table: Table, column: str, role: str) -> Codes:
    """Read an id column as dense codes in sorted order of the labels (so the order of rows does not matter).

    Raises
    ------
    InputError
        Missing ids, fractional numbers, or more than one kind of id in one column.
    """
    import pandas as pd

    values = id_values(table, column, role)
    if values.dtype.kind in "iu":
        return _dense_whole(values)
    codes, labels = pd.factorize(values, sort=False)
    order = np.argsort(labels, kind="stable")
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels))
    return Codes(rank[codes], np.asarray(labels)[order])


def id_values(table: Table, column: str, role: str) -> NDArray[Any]:
    """Read an id column as whole numbers (int64/uint64) or an object array of text; rules as in `identifiers`."""
    series = table.series(column, role)
    missing = series.is_null().to_numpy()
    if series.dtype.is_float():
        missing = missing | np.isnan(series.to_numpy())
    missing = np.asarray(missing, dtype=bool)
    if missing.any():
        remedy = no_label(role)
        raise rules.missing(column, role, int(missing.sum()), first_rows(missing), remedy)
    dtype = series.dtype
    if dtype.is_integer():
        return np.asarray(series.to_numpy(), dtype=np.uint64 if dtype == nw.UInt64 else np.int64)
    if dtype == nw.Boolean:
        return np.asarray(series.to_numpy(), dtype=np.int64)
    if dtype.is_float() or dtype.is_decimal():
        values = np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
        bad = (values != np.floor(values)) | (np.abs(values) > 2.0**53)
        if bad.any():
            raise rules.not_whole(column, role, values[bad][0], int(bad.sum()), first_rows(bad))
        return values.astype(np.int64)
    if dtype in (nw.Datetime, nw.Date):
        return np.array([str(v) for v in series.to_list()], dtype=object)
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        return np.array([str(v) for v in series.to_list()], dtype=object)
    if dtype == nw.Object or dtype == nw.Unknown:
        import pandas as pd

        items = series.to_list()
        # Python objects that serve as ids by their text.
        served = (str, dt.date, pd.Period, decimal.Decimal, uuid.UUID, numbers.Integral)
        kinds = {("number" if isinstance(v, numbers.Integral) else type(v).__name__) for v in items}
        if kinds != {"number"} and not all(isinstance(v, served) for v in items):
            strange = next(type(v).__name__ for v in items if not isinstance(v, served))
            raise rules.not_a_kind(column, role, strange, "ids (text or whole numbers)")
        if len(kinds) > 1:
            raise InputError(
                f"{role} mixes kinds of ids ({', '.join(sorted(kinds))}), so 1 and '1' could be the same or not",
                column=column,
                remedy="convert the column to text or to whole numbers",
            )
        if kinds == {"number"} and all(abs(int(v)) < 2**63 for v in items):
            return np.array(items, dtype=np.int64)
        return np.array([str(v) for v in items], dtype=object)
    raise rules.not_a_kind(column, role, str(dtype), "ids (text or whole numbers)")


def _dense_whole(values: NDArray[Any]) -> Codes:
    """Dense sorted codes of whole numbers; by counting where the range is small, which is several times faster."""
    low, high = values.min(), values.max()
    span = int(high) - int(low) + 1
    if span <= 4 * len(values) + 1024:
        offset = (values - low).astype(np.int64, copy=False)
        seen = np.zeros(span, dtype=bool)
        seen[offset] = True
        labels = np.flatnonzero(seen)
        if len(labels) == span:
            return Codes(offset, labels.astype(values.dtype) + low)
        return Codes((np.cumsum(seen) - 1)[offset], labels.astype(values.dtype) + low)
    labels_u, codes = np.unique(values, return_inverse=True)
    return Codes(codes.astype(np.int64), labels_u)
