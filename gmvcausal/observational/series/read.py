"""A table in, one series with its controls on an even grid of days or weeks out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, id_values, numeric
from gmvcausal.frames.facts import frame_facts
from gmvcausal.frames.params import counted, said
from gmvcausal.frames.table import Table, open_table
from gmvcausal.frames.times import times
from gmvcausal.logs.calendar import DAY, parse_date

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_NO_OUTCOME = "say what a missing outcome means: missing='zero' where nothing was bought, or remove these rows"
_NO_CONTROL = "a control series is never guessed: fill the gaps by a rule of your own, or leave the column out"
FEWEST_BEFORE = 14
_WORDS = {1: "day", 7: "week", 0: "period"}


@dataclass(frozen=True)
class Asked:
    """Which column is what, and when it began."""

    outcome: str
    time: str
    start: Any
    end: Any
    controls: tuple[Any, ...]
    unit: str | None
    timezone: str | None
    missing: str


@dataclass(frozen=True, eq=False)
class Series:
    """One value per period; periods of which nothing is known are NaN.

    Attributes
    ----------
    y : ndarray, shape (T,)
    controls : ndarray, shape (T, c)
        With their `names`.
    first : datetime64[D] or None
        First day of the first period; None where periods are numbers, counted from `number`.
    step : int
        Days in a period; 0 where periods are numbers.
    start, stop : int
        The window is ``[start, stop)``.
    partial : bool
        Whether the tactic began within the period before `start`, which then counts on neither side.
    clock : str
        Time of day at which periods begin, where that is not midnight.
    """

    y: FloatArray
    controls: FloatArray
    names: tuple[str, ...]
    first: np.datetime64 | None
    number: int
    step: int
    start: int
    stop: int
    partial: bool
    clock: str
    zone: str
    rows: int
    columns: int
    notes: list[str]
    facts: dict[str, Any] = field(repr=False)

    @property
    def word(self) -> str:
        """What a period is called."""
        return _WORDS[self.step]

    def label(self, place: int) -> str:
        """A period in words: its first day, or its number."""
        if self.first is None:
            return str(self.number + place)
        return str(self.first + self.step * place)


def read(data: Any, asked: Asked) -> Series:
    """Read and check a table.

    Raises
    ------
    InputError, DesignError
    """
    columns = [asked.outcome, asked.time, *([asked.unit] if asked.unit else asked.controls)]
    table = open_table(data, needed=list(dict.fromkeys(map(str, columns))))
    _refuse_roles(asked)
    facts = frame_facts(data)
    notes = list(map(str, facts.get("notes", [])))
    y = _outcome(table, asked, notes)
    place, first, number, step, clock, zone = _periods(table, asked, notes)
    size = int(place.max()) + 1
    if asked.unit:
        y, controls, names = _of_units(table, asked, y, place, size, notes)
    else:
        raw = [numeric(table, str(c), "control series", missing=_NO_CONTROL).values for c in asked.controls]
        _refuse_repeats(asked, place)
        y, names = _spread(y, place, size), tuple(map(str, asked.controls))
        controls = np.column_stack([_spread(c, place, size) for c in raw]) if raw else np.zeros((size, 0))
    for j, name in enumerate(names):
        known = controls[np.isfinite(controls[:, j]), j]
        if known.min() == known.max():
            raise InputError(f"the control series {name!r} is {known[0]:g} throughout, so it controls for nothing",
                             column=name, remedy="leave it out")  # fmt: skip
        if len(known) == int(np.isfinite(y).sum()) and np.array_equal(known, y[np.isfinite(y)]):
            raise InputError(f"the control series {name!r} is the outcome itself", column=name, remedy="leave it out")
    start, stop, partial = _window(asked, first, number, step, size)
    made = Series(
        y, controls, names, first, number, step, start, stop, partial, clock, zone, table.n, len(table.columns), notes,
        facts,
    )  # fmt: skip
    _refuse_short(made, asked)
    return made


def _refuse_roles(asked: Asked) -> None:
    if asked.outcome == asked.time:
        raise InputError(f"outcome and time are both {asked.outcome!r}", remedy="name two columns")
    if asked.unit is not None:
        if asked.unit in (asked.outcome, asked.time):
            raise InputError(f"unit= names {asked.unit!r}, which has another role", column=asked.unit,
                             remedy="name another column")  # fmt: skip
        return
    for column in asked.controls:
        if column in (asked.outcome, asked.time):
            role = "outcome" if column == asked.outcome else "time"
            raise InputError(f"controls= names {column!r}, which is the {role}", column=column, remedy="leave it out")


def _outcome(table: Table, asked: Asked, notes: list[str]) -> FloatArray:
    values = numeric(table, asked.outcome, "outcome", missing=_NO_OUTCOME if asked.missing == "raise" else None).values
    gone = np.isnan(values)
    if gone.any():
        notes.append(f"{asked.outcome!r} is missing in {int(gone.sum()):,} rows and counts as 0 there (missing='zero')")
        values = np.where(gone, 0.0, values)
    return values


def _periods(table: Table, asked: Asked, notes: list[str]) -> tuple[IntArray, np.datetime64 | None, int, int, str, str]:
    """Position of each row on the grid; the first day or number, days in a period, time of day, zone."""
    found = times(table, asked.time, "time", timezone=asked.timezone)
    values = found.values
    if not found.is_date:
        distinct = np.unique(values)
        apart = int(np.gcd.reduce(np.diff(distinct))) if len(distinct) > 1 else 1
        if apart != 1:
            raise InputError(f"the periods are numbers that lie {apart} apart", column=asked.time,
                             remedy="number them 0, 1, 2, ..., or use dates")  # fmt: skip
        if int(distinct[-1] - distinct[0]) > 36_600:
            raise InputError("the periods are numbers that span more than 36,600", column=asked.time,
                             remedy="number them 0, 1, 2, ..., or use dates: 20261101 is read as a number")  # fmt: skip
        return np.asarray(values - values.min()), None, int(values.min()), 0, "", ""
    day = values // DAY
    into = values - day * DAY
    clock = ""
    if into.any():
        usual = int(np.bincount((into // 60_000_000).astype(int)).argmax())
        clock = f"{usual // 60:02d}:{usual % 60:02d}"
        notes.append(f"times carry a time of day (most often {clock}); the day they name is the one that counts")
    distinct = np.unique(day)
    if len(distinct) < 2:
        raise DesignError("all rows lie in one period", column=asked.time, remedy="supply periods before the start")
    step = int(np.gcd.reduce(np.diff(distinct)))
    usual = int(np.median(np.diff(distinct)))
    if step not in (1, 7) or usual != step:
        every = f"they lie {usual} days apart as a rule"
        raise InputError(f"periods must be days or weeks, but {every}", column=asked.time,
                         remedy="add orders up to days or weeks (Logs.panel does)")  # fmt: skip
    if step == 7 and len(distinct) < 6:
        raise DesignError("five weeks or fewer are too few", column=asked.time, remedy="supply days, or more weeks")
    first = np.datetime64(int(distinct[0]), "D")
    return np.asarray((day - distinct[0]) // step), first, 0, step, clock, found.zone or ""


def _refuse_repeats(asked: Asked, place: IntArray) -> None:
    count = np.bincount(place)
    if count.max() < 2:
        return
    again = np.ones(len(place), dtype=bool)
    again[np.unique(place, return_index=True)[1]] = False
    raise InputError(
        f"{counted(int((count > 1).sum()), 'period')} of {asked.time!r} occur more than once",
        column=asked.time,
        count=int(again.sum()),
        rows=first_rows(again),
        remedy="add the rows of each period up first; where they belong to rooms or cities, name that column with "
        "unit=, and the units that the tactic did not reach with controls=",
    )


def _spread(values: FloatArray, place: IntArray, size: int) -> FloatArray:
    out = np.full(size, np.nan)
    out[place] = values
    return out


def _of_units(
    table: Table, asked: Asked, y: FloatArray, place: IntArray, size: int, notes: list[str]
) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
    """Units named as controls as columns of their own; all others added up."""
    labels = id_values(table, str(asked.unit), "unit")
    known, codes = np.unique(labels.astype(str), return_inverse=True)
    wanted = [str(c) for c in asked.controls]
    for name in wanted:
        if name not in known:
            raise InputError(f"controls= names {name!r}, which is no unit of {asked.unit!r}",
                             remedy=rules.nearest(name, known.tolist()))  # fmt: skip
    cell = place * len(known) + codes
    count = np.bincount(cell, minlength=size * len(known)).reshape(size, -1)
    if count.max() > 1:
        again = np.ones(len(cell), dtype=bool)
        again[np.unique(cell, return_index=True)[1]] = False
        raise rules.duplicated("unit-periods", str(asked.unit), int((count > 1).sum()), first_rows(again),
                               "keep one row per unit and period")  # fmt: skip
    here = count.any(axis=1)
    gaps = int((count[here] == 0).sum())
    if gaps:
        raise InputError(
            f"{counted(gaps, 'unit-period')} {'is' if gaps == 1 else 'are'} missing, and a sum over fewer units is no "
            "smaller GMV",
            column=asked.unit, count=gaps,
            remedy="write 0 where a unit sold nothing (Logs.panel does), or leave units out that were not there",
        )  # fmt: skip
    total = np.zeros((size, len(known)))
    total[place, codes] = y
    total[~here] = np.nan
    chosen = np.array([list(known).index(name) for name in wanted], dtype=int)
    rest = np.setdiff1d(np.arange(len(known)), chosen)
    if not len(rest):
        raise InputError("controls= names every unit, so none is left that the tactic reached", column=asked.unit,
                         remedy="name only those that it did not reach")  # fmt: skip
    notes.append(f"GMV of {counted(len(rest), 'unit')} of {asked.unit!r} is added up"
                 + (f"; {counted(len(wanted), 'unit')} stand beside as controls" if wanted else ""))  # fmt: skip
    return total[:, rest].sum(axis=1), total[:, chosen], tuple(wanted)


def _window(asked: Asked, first: np.datetime64 | None, number: int, step: int, size: int) -> tuple[int, int, bool]:
    """First position of the window, the one after its last, and whether the period before holds the start."""
    partial = False
    if first is None:
        at = [_whole("start", asked.start), size + number - 1 if asked.end is None else _whole("end", asked.end)]
        start, stop = at[0] - number, at[1] - number + 1
    else:
        begun = (parse_date("start", asked.start) - first.astype("datetime64[us]")).astype(np.int64) / DAY / step
        start = math.ceil(begun)
        partial = begun != start
        last = None if asked.end is None else parse_date("end", asked.end).astype("datetime64[D]")
        stop = size if last is None else int((last - first).astype(int)) // step + 1
    names = (f"the series runs from {_name(first, number, step, 0)} to {_name(first, number, step, size - 1)}",)
    if start >= size or start + partial < 1:
        what = "after its last period" if start >= size else "at or before its first period"
        raise DesignError(f"start={said(asked.start)} lies {what}; {names[0]}", column=asked.time,
                          remedy="supply periods on both sides of the start")  # fmt: skip
    if stop <= start:
        raise InputError(f"end={said(asked.end)} leaves no whole period after start={said(asked.start)}",
                         remedy="name a later end=; it is the last period of the tactic")  # fmt: skip
    if stop > size:
        raise InputError(f"end={said(asked.end)} lies after the last period; {names[0]}",
                         remedy="leave end= out, or wait for the data")  # fmt: skip
    return start, stop, partial


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(f"{name} must be a whole number, as the periods are, but is {said(value)}",
                         remedy="use the numbers of the periods, or dates for both")  # fmt: skip
    return int(value)


def _name(first: np.datetime64 | None, number: int, step: int, place: int) -> str:
    return str(number + place) if first is None else str(first + step * place)


def _refuse_short(s: Series, asked: Asked) -> None:
    before = int(np.isfinite(s.y[: s.start - s.partial]).sum())
    if before < FEWEST_BEFORE:
        raise DesignError(
            f"{counted(before, s.word)} before the start are too few to say what would have been: "
            f"{FEWEST_BEFORE} are the least", column=asked.time, remedy="supply a longer history",
        )  # fmt: skip
    if not np.isfinite(s.y[s.start : s.stop]).any():
        raise DesignError("no period of the window has data", column=asked.time, remedy="check start= and end=")
    known = s.y[: s.start][np.isfinite(s.y[: s.start])]
    if known.min() == known.max():
        raise DesignError(f"outcome is {known[0]:g} in every period before the start, so chance cannot be told from "
                          "effect", column=asked.outcome, remedy="check the column and the filter")  # fmt: skip
