"""Time columns: whole numbers or dates in, int64 on one clock out, or an error that names the rows."""

from __future__ import annotations

import decimal
import numbers
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import FloatArray, IntArray, first_rows
from gmvcausal.frames.table import Table

if TYPE_CHECKING:
    import pandas as pd

_MICRO = "datetime64[us]"
_WHOLE_TEXT = re.compile(r"\s*-?\d+\s*")
_NUMBER = re.compile(r"\s*-?\d+(\.\d*)?\s*")
_LARGEST = 1e100


# From a mask over the values that were read, to how many rows hold them and the first positions of these.
Seen = Callable[[NDArray[np.bool_]], tuple[int, list[int]]]


def each_its_row(mask: NDArray[np.bool_]) -> tuple[int, list[int]]:
    """How many values, and where: every value is that of one row."""
    return int(mask.sum()), first_rows(mask)


@dataclass(frozen=True)
class Times:
    """A time column as int64: the whole numbers themselves, or microseconds since 1970 (wall clock).

    Attributes
    ----------
    values : ndarray of int64, shape (n,); undefined where `missing`
    missing : ndarray of bool, shape (n,)
    is_date : bool
    zone : str or None
        The time zone (or offset) the column carried, None where it carried none.
    """

    values: IntArray
    missing: NDArray[np.bool_]
    is_date: bool
    zone: str | None = None


def times(
    table: Table,
    column: str,
    role: str,
    *,
    timezone: str | None = None,
    allow_missing: bool = False,
    word: str | None = None,
    seen: Seen = each_its_row,
) -> Times:
    """Read a time column: whole numbers or dates.

    Parameters
    ----------
    timezone : str, optional
        Convert zoned values to this zone's wall clock. Without it a single zone keeps its own wall clock.
    allow_missing : bool
        Whether missing values are allowed (a date of first treatment, where missing means never).
    word : str, optional
        Text that counts as missing.
    seen : callable
        See `Seen`; otherwise than by default where `table` holds distinct values, and messages speak of rows.

    Raises
    ------
    InputError
        Missing values where not allowed, text that is no ISO date, several zones without `timezone`, fractions.
    """
    import pandas as pd

    series = _plain(table.series(column, role), word)
    dtype = series.dtype
    native = getattr(series.to_native(), "dtype", None)
    if isinstance(native, pd.DatetimeTZDtype):
        # Not every zone of a pandas column is known to narwhals by its name (America/New_York was not).
        out = _zoned_pandas(series.to_native(), timezone or str(native.tz))
    elif dtype.is_integer() or dtype == nw.Boolean:
        missing = np.asarray(series.is_null().to_numpy(), dtype=bool)
        filled = series.fill_null(0) if missing.any() else series
        if dtype == nw.UInt64:
            far = np.asarray(filled.to_numpy(), dtype=np.uint64) > 2**53
            if far.any():
                raise _too_far(column, role, far, seen)
        out = Times(np.asarray(filled.to_numpy(), dtype=np.int64), missing, False)
    elif dtype.is_float() or dtype.is_decimal():
        out = _whole_times(np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64), column, role, seen)
    elif dtype == nw.Datetime or dtype == nw.Date:
        out = _date_times(series, timezone)
    else:
        out = _object_times(series, column, role, timezone, seen)
    if not allow_missing and out.missing.any():
        raise rules.missing(column, role, *seen(out.missing), "remove these rows or give them a time")
    return out


def _plain(series: nw.Series[Any], word: str | None) -> nw.Series[Any]:
    """Categories as what they are categories of, and without `word`, where there are any."""
    import pandas as pd

    native = series.to_native()
    if isinstance(getattr(native, "dtype", None), pd.CategoricalDtype):
        kept = native.dtype.categories.dtype
        if kept.kind in "iufM" if hasattr(kept, "kind") else False:
            whole = kept.kind in "iu" and not native.isna().any()
            series = nw.from_native(native.astype(kept if whole or kept.kind == "M" else "float64"), series_only=True)
    if word is not None and series.dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object):
        items = [None if isinstance(v, str) and v == word else v for v in series.to_list()]
        series = nw.from_native(_of_one_kind(items), series_only=True)
    return series


def _of_one_kind(items: list[Any]) -> pd.Series[Any]:
    """Objects, and whole numbers written as text beside a word as the numbers they are."""
    import pandas as pd

    whole = all(v is None or (isinstance(v, str) and _WHOLE_TEXT.fullmatch(v)) for v in items)
    short = whole and all(v is None or len(v) < 8 for v in items)  # 20250505 as text is a date
    return pd.Series([None if v is None else int(v) for v in items] if short else items, dtype=object)


def _whole_times(values: FloatArray, column: str, role: str, seen: Seen) -> Times:
    missing = ~np.isfinite(values)
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    whole[missing] = 0
    # What goes to a whole number and back unchanged is fit to be a period; the rest is for saying what is not.
    largest = max(-int(whole.min(initial=0)), int(whole.max(initial=0)))
    if largest <= 2**53 and ((whole == values) | missing).all() and np.fmin.reduce(values, initial=0.0) != -np.inf:
        return Times(whole, missing, False)
    # Infinity is a common code for "never"; it is missing here and refused where missing is. Minus infinity is a date
    # before all others, if anything: read as missing it would make treated units controls.
    before = np.isneginf(values)
    if before.any():
        count, rows = seen(before)
        raise InputError(
            f"{role} holds minus infinity",
            column=column,
            count=count,
            rows=rows,
            remedy="give the period itself; where there is none (never treated), leave the cell empty or write inf",
        )
    fraction = ~missing & (values != np.floor(values))
    if fraction.any():
        count, rows = seen(fraction)
        raise InputError(
            f"{role} holds fractions, for example {values[fraction][0]:g}",
            column=column,
            count=count,
            rows=rows,
            remedy="number the periods 0, 1, 2, ... or use dates",
        )
    far = ~missing & (np.abs(values) > 2.0**53)
    if far.any():
        raise _too_far(column, role, far, seen)
    return Times(whole, missing, False)


def _too_far(column: str, role: str, far: NDArray[np.bool_], seen: Seen) -> InputError:
    count, rows = seen(far)
    return InputError(
        f"{role} holds whole numbers too large to be periods",
        column=column,
        count=count,
        rows=rows,
        remedy="number the periods 0, 1, 2, ... or use dates",
    )


def _zoned_pandas(stamps: pd.Series[Any], zone: str) -> Times:
    local = stamps.dt.tz_convert(zone).dt.tz_localize(None).to_numpy().astype(_MICRO)
    return Times(local.view(np.int64), np.isnat(local), True, str(stamps.dt.tz))


def _date_times(series: nw.Series[Any], timezone: str | None) -> Times:
    dtype = series.dtype
    seen: str | None = getattr(dtype, "time_zone", None) if dtype == nw.Datetime else None
    if seen is not None:
        zone = timezone or seen
        series = series.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    missing = np.asarray(series.is_null().to_numpy(), dtype=bool)
    stamps = np.asarray(series.to_numpy()).astype(_MICRO)
    return Times(stamps.view(np.int64), missing, True, seen)


def _object_times(series: nw.Series[Any], column: str, role: str, timezone: str | None, seen: Seen) -> Times:
    """Text, Python dates, pandas periods: every distinct value is parsed once."""
    import pandas as pd

    dtype = series.dtype
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        items = np.array([v if v is None or isinstance(v, float) else str(v) for v in series.to_list()], dtype=object)
    elif dtype == nw.Object or dtype == nw.Unknown:
        items = np.empty(len(series), dtype=object)  # filled below: lists must not become a second axis
        items[:] = series.to_list()
    else:
        raise rules.not_a_kind(column, role, str(dtype), "dates or whole numbers")
    missing = np.asarray(pd.isna(items), dtype=bool)
    present = items[~missing]
    if len(present) and all(isinstance(v, numbers.Real | decimal.Decimal) for v in present):
        floats = np.full(len(items), np.nan)
        floats[~missing] = [float(v) for v in present]
        return _whole_times(floats, column, role, seen)
    try:
        codes, distinct = pd.factorize(present)
    except TypeError:  # lists and the like cannot be compared
        raise rules.not_a_kind(column, role, "object", "dates or whole numbers") from None
    stamps = np.empty(len(distinct), dtype=_MICRO)
    zones = set()
    zone: str | None = None
    bad: list[int] = []
    for i, item in enumerate(distinct):
        stamp = _one_stamp(item)
        if stamp is None:
            bad.append(i)
            continue
        zones.add(None if stamp.tzinfo is None else str(stamp.utcoffset()) if timezone is None else "zoned")
        if stamp.tzinfo is not None:
            zone = str(stamp.tzinfo)
            stamp = stamp.tz_convert(timezone) if timezone else stamp
            stamp = stamp.tz_localize(None)
        stamps[i] = stamp.to_datetime64()
    if bad:
        wrong = np.zeros(len(items), dtype=bool)
        wrong[~missing] = np.isin(codes, bad)
        # A word beside numbers written as text is what may mean never; the numbers are periods.
        word = next((i for i in bad if not _NUMBER.fullmatch(str(distinct[i]))), None)
        code = role == "first_treated" and (word is not None or len(bad) < len(distinct))
        raise rules.bad_time(column, role, str(distinct[bad[0] if word is None else word]), *seen(wrong), code=code)
    if len(zones) > 1:
        detail = ", ".join(sorted("none" if z is None else f"offset {z}" for z in zones))
        raise rules.mixed_zones(column, role, detail)
    values = np.zeros(len(items), dtype=np.int64)
    values[~missing] = stamps[codes].view(np.int64) if len(present) else 0
    return Times(values, missing, True, zone)


def _one_stamp(item: Any) -> pd.Timestamp | None:
    """One ISO text, Python date or pandas period as a timestamp, or None where it is neither."""
    import pandas as pd

    try:
        if isinstance(item, str):
            stamp = pd.to_datetime(item, format="ISO8601")
        elif isinstance(item, pd.Period):
            stamp = item.to_timestamp()
        elif isinstance(item, numbers.Number):
            return None  # a number among dates has no single meaning
        else:
            stamp = pd.Timestamp(item)
    except (ValueError, TypeError, OverflowError):
        return None
    return stamp if stamp == stamp else None  # NaT differs from itself
