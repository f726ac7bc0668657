"""When each unit was first treated, read from a column of dates or of 0/1 flags; every code for "never" is explicit."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.columns import IntArray
from gmvcausal.frames.facts import holds_people
from gmvcausal.frames.times import Times
from gmvcausal.rollout.intake.grid import Grid, distinct_times

UNTREATED = -1
ALWAYS = -2


@dataclass(frozen=True)
class Cohorts:
    """First treatment of every unit.

    Attributes
    ----------
    start : ndarray of int64, shape (N,)
        Column of the grid in which the unit is first treated; `UNTREATED` (-1) for never or later than the data,
        `ALWAYS` (-2) for units without an untreated period before.
    late : int
        Units first treated after the last period: untreated in the data.
    always : int
        Units left out because no untreated period precedes their treatment.
    excluded : int
        Units left out because they are treated after the data but within the anticipation window.
    zero_is_never : bool
        Whether 0 was read as "never".
    undated : int
        Units whose date of first treatment is missing or infinite: never treated.
    coded : int
        Units whose date is the code given as `never=`.
    zeros : int
        Units whose date is 0 where 0 is the first period.
    hurried : int
        Units among `always` that anticipation alone leaves without an earlier period.
    behind : ndarray of int, or None
        Units behind every element of `start`, where these are groups.
    """

    start: IntArray
    late: int
    always: int
    excluded: int
    zero_is_never: bool
    undated: int = 0
    coded: int = 0
    zeros: int = 0
    hurried: int = 0
    behind: IntArray | None = None


def from_first_treated(
    value: IntArray, missing: NDArray[np.bool_], grid: Grid, anticipation: int, never: Any, column: str, rows: Any,
    role: str = "first_treated", behind: IntArray | None = None,
) -> Cohorts:  # fmt: skip
    """Cohorts from each unit's date of first treatment.

    Parameters
    ----------
    value, missing : ndarray, shape (N,)
        Time values on the scale of `grid`, and where they are missing (never treated).
    never : int or None
        Further code for "never", on the same scale.
    rows : callable
        From a mask over units to table row positions, for messages.
    role : str
        What messages call the column.
    behind : ndarray of int, shape (N,), optional
        Units behind every element, where these are groups of units.

    Raises
    ------
    InputError
        A date inside the range of periods but not one of them; a code that looks like "never" but was not declared.
    """
    first, last = int(grid.values[0]), int(grid.values[-1])
    # Dates are few: whatever is asked of them is asked of each date once.
    value, missing, of_unit = _dates(value, missing)
    units = np.bincount(of_unit, behind, len(value)).astype(np.int64)
    gone = missing.copy()
    zero_is_never = False
    coded = ~missing & (value == never) if never is not None else np.zeros(len(value), dtype=bool)
    gone |= coded
    if coded.any() and gone.all():
        raise DesignError(
            f"never={_written(grid, value[coded][0])} reads the {int(units[coded].sum()):,} units that hold it as "
            "never treated, and then no unit is treated",
            column=column,
            rows=rows(coded[of_unit]),
            remedy="leave never= out if it is a period of treatment",
        )
    before = ~gone & (value < first)
    zero = before & (value == 0)
    if not grid.is_date and zero.any() and 0 not in grid.values and not (before & ~zero).any():
        gone |= zero
        zero_is_never = True
    _refuse_codes(value, gone, grid, column, of_unit, units, rows, role)
    inside = ~gone & (value >= first) & (value <= last)
    place = np.clip(np.searchsorted(grid.values, value), 0, len(grid.values) - 1)
    off = inside & (grid.values[place] != value)
    if off.any():
        example = grid.label(value[of_unit[np.flatnonzero(off[of_unit])[0]]])
        raise InputError(
            f"{role} lies between two periods for {int(units[off].sum()):,} units, for example {example}, so it "
            "matches none",
            column=column,
            rows=rows(off[of_unit]),
            remedy="move it to the start of the period that holds it, on the same grid as the time column",
        )
    start = np.full(len(value), UNTREATED, dtype=np.int64)
    start[inside] = place[inside]
    # A unit needs an untreated, unanticipated period before its treatment.
    has_base = np.zeros(len(grid.values), dtype=bool)
    for k in range(len(grid.values)):
        has_base[k] = bool((grid.position < grid.position[k] - anticipation).any())
    always = ~gone & ((value < first) | (inside & ~has_base[place]))
    start[always] = ALWAYS
    late = ~gone & (value > last)
    # Treated soon after the data: its anticipation may lie inside them, so such a unit is no clean control.
    excluded = np.zeros(len(value), dtype=bool)
    excluded[late] = grid.steps_after(value[late]) <= anticipation
    start[excluded] = ALWAYS
    zeros = always & (value == 0) & (first == 0)
    hurried = always & (value > first)
    marked = (late & ~excluded, always, excluded, missing, coded, zeros, hurried)
    later, before_all, shadowed, *rest = (int(units[where].sum()) for where in marked)
    undated, held, zero_dates, early = rest
    return Cohorts(start[of_unit], later, before_all, shadowed, zero_is_never, undated, held, zero_dates, early, behind)


def _written(grid: Grid, value: int) -> str:
    """A time value as one writes it in Python."""
    return repr(grid.text(value)) if grid.is_date else str(int(value))


def _dates(value: IntArray, missing: NDArray[np.bool_]) -> tuple[IntArray, NDArray[np.bool_], IntArray]:
    """Every date that occurs, whether it is that of the missing, and the position of each unit's."""
    some = bool(missing.any())
    distinct, code = distinct_times(value[~missing] if some else value)
    if not some:
        return distinct, np.zeros(len(distinct), dtype=bool), code
    of_unit = np.full(len(value), len(distinct), dtype=np.int64)
    of_unit[~missing] = code
    return np.append(distinct, 0), np.arange(len(distinct) + 1) == len(distinct), of_unit


def _refuse_codes(
    value: IntArray, gone: NDArray[np.bool_], grid: Grid, column: str, of_unit: IntArray, units: IntArray, rows: Any,
    role: str,
) -> None:  # fmt: skip
    """-1 and 9999 are codes, not dates; which one means what is for the user to say."""
    first, last = int(grid.values[0]), int(grid.values[-1])
    before = np.unique(value[~gone & (value < first)])
    # A lone value before the periods, negative or farther off than the periods are long, is a code (-1, 1900-01-01).
    negative = not grid.is_date and first >= 0
    ends = grid.scale(grid.values[[0, -1]])
    span = int(ends[1] - ends[0])
    lone = len(before) == 1 and ((negative and before[0] < 0) or int(ends[0] - grid.scale(before)[0]) > span)
    far = ~gone & (grid.scale(value) > int(ends[1]) + span)
    suspect = far | (~gone & (value == before[0]) if lone else False)
    if suspect.any():
        code = value[of_unit[np.flatnonzero(suspect[of_unit])[0]]]
        hidden = holds_people(column)
        held = "ids of people" if hidden else grid.text(code)
        raise InputError(
            f"{role} holds {held}, far outside the periods {grid.label(first)} to {grid.label(last)}, "
            f"which looks like a code for 'never {'treated' if role == 'first_treated' else role}'",
            column=column,
            count=int(units[suspect & (value == code)].sum()),
            rows=rows(suspect[of_unit]),
            remedy="name the column of starts"
            if hidden
            else f"pass never={_written(grid, code)} if it means never, or correct the date",
        )


def from_flags(treated: NDArray[np.float64], grid: Grid, anticipation: int, column: str, rows: Any) -> Cohorts:
    """Cohorts from a matrix of 0/1 flags (NaN where a cell is absent); the flag must stay on once it is on.

    Raises
    ------
    InputError
        Where the treatment switches off for some units.
    """
    on = treated == 1.0
    ever = on.any(axis=1)
    first = np.where(ever, on.argmax(axis=1), 0)
    off_again = ever & (((treated == 0.0) & (np.arange(on.shape[1]) > first[:, None])).any(axis=1))
    if off_again.any():
        raise InputError(
            f"treatment switches off again for {int(off_again.sum()):,} units, which this estimator does not allow",
            column=column,
            rows=rows(off_again),
            remedy="use estimator='switching' (or 'stacked', campaign by campaign) with treated=, or define "
            "first_treated as the first start",
        )
    missing = ~ever
    return replace(from_first_treated(grid.values[first], missing, grid, anticipation, None, column, rows), undated=0)


def check_variation(start: IntArray, column: str, found: Cohorts | None = None) -> None:
    """Refuse data in which nothing can be compared; `found` knows how the dates were read, for the reason."""
    treated, always = start >= 0, int((start == ALWAYS).sum())
    if found is not None and found.behind is not None:
        always = int(found.behind[found.start == ALWAYS].sum())
    if not treated.any():
        if found is not None and found.hurried:
            raise DesignError(
                f"anticipation= reaches back beyond the first period for {found.hurried:,} of the {always:,} treated "
                "units, and none is left with a period before",
                column=column,
                remedy="lower anticipation=, or supply earlier periods",
            )
        if always:
            raise DesignError(
                f"all {always:,} treated units are treated from the first period on, so no period before is observed",
                column=column,
                remedy="supply earlier periods",
            )
        raise DesignError(
            "no unit is treated within the periods observed", column=column, remedy="check the treatment column"
        )
    if not (start == UNTREATED).any() and len(np.unique(start[treated])) == 1:
        if found is not None and found.zeros:
            raise DesignError(
                f"there is no control unit: {found.zeros:,} units hold 0, which is a period here, so that they count "
                "as treated from it on, and all others start in one period",
                column=column,
                remedy="pass never=0 if 0 means never treated, else supply untreated units",
            )
        raise DesignError(
            "every unit is treated in the same period, so there is no control unit",
            column=column,
            remedy="supply untreated units; a before-after comparison alone does not identify the effect",
        )


def word_of_never(never: Any, column: nw.Series[Any]) -> str | None:
    """The user's code for "never" where it is a word that the column holds, beside dates or numbers."""
    if not isinstance(never, str) or column.dtype not in (nw.String, nw.Categorical, nw.Enum, nw.Object):
        return None
    return never if never in set(column.unique().to_list()) else None


def parse_never(never: Any, when: Times) -> int | None:
    """The user's code for "never" on the scale of the time column."""
    import pandas as pd

    if (
        never is None
        or never is pd.NaT
        or never is pd.NA
        or (isinstance(never, float) and (math.isnan(never) or never == math.inf))
    ):
        return None  # missing and infinite mean never anyway
    try:
        if when.is_date:
            if isinstance(never, numbers.Number):
                raise ValueError
            stamp = pd.Timestamp(never)
            return int(stamp.tz_localize(None).to_datetime64().astype("datetime64[us]").astype(np.int64))
        if isinstance(never, bool) or float(never) != int(float(never)):
            raise ValueError
        return int(float(never))
    except (ValueError, TypeError, OverflowError):
        kind = "a date" if when.is_date else "a whole number"
        raise InputError(f"never must be {kind}, as the column of first treatment holds, but is {never!r}") from None
