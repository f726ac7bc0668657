"""A test whose table has one row for each unit and day: opened as one row for each unit, its days kept in mind."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gmvcausal.abtest.days.calendar import Calendar
from gmvcausal.abtest.days.cells import Cells, cumulative_cells, day_cells
from gmvcausal.abtest.days.correlation import look_covariance
from gmvcausal.abtest.days.files import collapse_there, project
from gmvcausal.abtest.days.read import Collapsed, collapse, outcome_columns, read_panel
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.read import read_rows
from gmvcausal.abtest.intake.rows import FloatArray, IntArray, Rows
from gmvcausal.abtest.metrics import Proportion
from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.arms import find_control, small_arms
from gmvcausal.frames.facts import frame_facts, named_unit
from gmvcausal.frames.parquet import is_path, parquet_source
from gmvcausal.frames.table import duck_errors, is_relation, open_table


@dataclass(eq=False)
class Days:
    """What is known of a test's days.

    Attributes
    ----------
    data : object
        The table as it was given; a pickled result keeps it only where it is a path.
    ask : Columns
    unit, time : str
    labels : tuple
    control : int
    calendar : Calendar
    shape : {"all", "entered", "arrived", "zero"}
        Every unit has every day; every day from its first on; one day only; or days without a row count as zero.
    sizes : ndarray of int, shape (arms,)
    total, square : dict of str to ndarray, shape (arms,)
        Mean and variance over units of each outcome, to know the data again.
    slope : ndarray, shape (units,)
        Each unit's slope of the first outcome over its days; NaN where it has fewer than four.
    arm : ndarray of int, shape (units,)
    silent : float
        Share of units whose first outcome is zero in total.
    absent : int
        Unit-days without a row.
    rows, columns : int
        Shape of the data as they came in.
    """

    data: Any
    ask: Columns
    unit: str
    time: str
    labels: tuple[Any, ...]
    control: int
    calendar: Calendar
    shape: str
    sizes: IntArray
    total: dict[str, FloatArray]
    square: dict[str, FloatArray]
    slope: FloatArray
    arm: IntArray
    silent: float
    absent: int
    rows: int
    columns: int
    _by_day: Cells | None = field(default=None, repr=False)
    _so_far: Cells | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state["data"] = self.data if is_path(self.data) else None
        return state

    @property
    def outcomes(self) -> list[str]:
        """Outcome columns, the headline's first."""
        return outcome_columns(self.ask)

    @property
    def flags(self) -> list[bool]:
        """Which of them are shares."""
        return [any(isinstance(m, Proportion) and m.column == c for m in self.ask.metrics) for c in self.outcomes]

    @property
    def span(self) -> str:
        """The days, in words."""
        c, k = self.calendar, len(self.calendar.at)
        return f"{k} {c.word}s, {c.text(0)} to {c.text(k - 1)}" if k > 1 else f"one {c.word}, {c.text(0)}"

    def estimands(self, texts: Sequence[str], metrics: Sequence[int]) -> tuple[str, ...]:
        """What each row estimates, with the days that it is about."""
        how = ["on any of" if isinstance(m, Proportion) else "over" for m in self.ask.metrics]
        return tuple(f"{text}, {how[k]} {self.span}" for text, k in zip(texts, metrics, strict=True))

    def by_day(self) -> Cells:
        """Day x arm: each day's own outcomes."""
        if self._by_day is None:
            self._by_day = self._checked(day_cells)
        return self._by_day

    def so_far(self) -> Cells:
        """Day x arm: each unit's outcomes up to and including the day."""
        if self._so_far is None:
            self._so_far = self._checked(cumulative_cells)
        return self._so_far

    def look_covariance(self, outcome: int, arms: list[int]) -> FloatArray:
        """Covariance of the difference between two arms up to each day; `so_far` has checked the data before."""
        import duckdb

        try:
            return look_covariance(_relation(self.data, self.ask, self.unit, self.time), self, outcome, arms)
        except duckdb.Error as error:
            raise duck_errors(error, "data") from None

    def _checked(self, make: Any) -> Cells:
        import duckdb

        try:
            found: Cells = make(_relation(self.data, self.ask, self.unit, self.time), self)
        except duckdb.Error as error:
            raise duck_errors(error, "data") from None
        if not found.agrees(self):
            raise InputError(
                "the data have changed since ab_test read them: their totals by arm are no longer the same",
                remedy="call ab_test again",
            )
        return found


def open_days(data: Any, ask: Columns) -> tuple[Rows, Days]:
    """The units of a test, and its days.

    Raises
    ------
    InputError
        The unit is not known; a unit has two rows on one day, no row on some day, or more than one value of what it
        should have once.
    """
    import duckdb

    assert ask.time is not None
    time, ask = ask.time, dataclasses.replace(ask, time=None)
    unit = _unit(data, ask)
    if ask.cluster == unit:
        raise InputError(
            f"with time= the rows of each {unit!r} are added up to one, so they need no cluster",
            column=unit,
            remedy="leave cluster= out, or name what several units were assigned by together",
        )
    if time in ask.needed or time == unit:
        raise InputError("the time column is named a second time, for something else", column=time)
    found: Collapsed | None = None
    if is_path(data) or is_relation(data):
        try:
            found = collapse_there(data, ask, unit, time)
        except duckdb.Error as error:
            raise duck_errors(error, "data") from None
    if found is None:
        found = collapse(read_panel(data, ask, unit, time), ask, unit, time)
    small_arms(found.labels, np.bincount(found.arm, minlength=len(found.labels)))
    control = find_control(ask.arm, found.labels, ask.control)
    once = dataclasses.replace(ask, unit=None, rule="raise", control=control)
    rows = read_rows(found.table, once)
    days = _days(data, ask, unit, time, found, control)
    facts = frame_facts(data)
    if "outcome_unit" in facts:
        facts["outcome_unit"] = f"{str(facts['outcome_unit']).rpartition(' per ')[0]} per {facts.get('unit', unit)}"
    notes = [*found.notes, *rows.notes, said_of_days(days)]
    rows = dataclasses.replace(
        rows, labels=found.labels, notes=notes, dropped=found.dropped, spacing=found.spacing, meta=facts,
        unit_checked=f"the days of each {unit!r} are added up: no {unit!r} is in two arms, or twice on one "
        f"{days.calendar.word}",
    )  # fmt: skip
    return rows, days


def said_of_days(days: Days) -> str:
    """The note on how days became units."""
    c = days.calendar
    how = {
        "all": f"every {days.unit} has a row on every {c.word}",
        "entered": f"every {days.unit} has a row on every {c.word} from its first on",
        "arrived": f"every {days.unit} has one row, on the {c.word} it came in",
        "zero": f"{days.absent:,} unit-{c.word}s without a row count as zero (missing='zero')",
    }[days.shape]
    flags = [repr(x) for x, flag in zip(days.outcomes, days.flags, strict=True) if flag]
    more = f"; {', '.join(flags)}: on any {c.word}" if flags else ""
    gaps = f"; nobody has a row on {c.gaps()} between them" if len(c.empty) else ""
    return f"outcomes are added up over {days.span} by {days.unit!r} ({how}){gaps}{more}"


def _unit(data: Any, ask: Columns) -> str:
    if ask.unit is not None:
        return ask.unit
    names = _names(data)
    found = named_unit(names, ask.needed)
    if found is None:
        raise InputError(
            "time= adds up the days of each unit, but no column says whose row it is",
            remedy="pass unit=, the column of the user; for a switchback pass washout=",
        )
    return found


def _names(data: Any) -> list[str]:
    import duckdb

    if is_path(data):
        return list(duckdb.connect().sql(f"FROM {parquet_source(data, 'data')}").columns)
    return list(data.columns) if is_relation(data) else open_table(data).columns


def _days(data: Any, ask: Columns, unit: str, time: str, found: Collapsed, control: int) -> Days:
    """Judge whose days are there, and give each unit its slope."""
    at, arm, arms = found.calendar.at, found.arm, len(found.labels)
    left = len(at) - found.first  # days from a unit's first on
    gaps = left - found.days
    arrived = len(at) > 1 and bool((found.days == 1).all())
    absent = int(len(at) * len(arm) - found.days.sum())
    if ask.missing == "zero" and absent:
        shape = "zero"
    elif arrived:
        shape = "arrived"
    elif gaps.any():
        late = gaps > 0
        raise InputError(
            f"{int(late.sum()):,} units have no row on some {found.calendar.word} after their first, "
            f"{int(gaps.sum()):,} unit-{found.calendar.word}s in all",
            column=time,
            count=int(late.sum()),
            remedy="pass missing='zero' if a missing row means that nothing was bought (units that never bought must "
            "be in the table all the same), or fill the table with zeros, as Logs.panel does",
            counted=True,
        )
    else:
        shape = "entered" if absent else "all"
    head = outcome_columns(ask)[0]
    total, square = {}, {}
    sizes = np.bincount(arm, minlength=arms)
    for column, x in found.totals.items():
        mean = np.bincount(arm, x, minlength=arms) / sizes
        moved = x - mean[arm]
        total[column] = mean
        square[column] = np.bincount(arm, moved * moved, minlength=arms) / (sizes - 1)
    return Days(
        data, ask, unit, time, found.labels, control, found.calendar, shape, sizes, total, square,
        _slopes(found, shape), arm, float((found.totals[head] == 0).mean()), absent, found.rows, found.columns,
    )  # fmt: skip


def _slopes(found: Collapsed, shape: str) -> FloatArray:
    """Least-squares slope of each unit's outcome over its days, per step of the calendar."""
    at = found.calendar.at - found.calendar.middle
    if shape == "arrived":
        return np.full(len(found.arm), np.nan)
    start = np.zeros(len(found.arm), dtype=np.int64) if shape == "zero" else found.first
    count = len(at) - np.arange(len(at))
    middle = np.cumsum(at[::-1])[::-1] / count
    spread = np.cumsum((at**2)[::-1])[::-1] - count * middle**2
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (found.slope - middle[start] * found.plain) / spread[start]
    return np.where(count[start] >= 4, slope, np.nan)


def _relation(data: Any, ask: Columns, unit: str, time: str) -> Any:
    """The rows once more, as a DuckDB relation of u, a, d, y0, y1, ..."""
    import duckdb
    import pyarrow as pa

    if data is None:
        raise InputError(
            "the days are read from the data, which a stored result does not hold",
            remedy="call daily() and looks() before the result is pickled, or call ab_test again",
        )
    if (is_path(data) or is_relation(data)) and ask.rule == "raise":
        found = project(data, ask, unit, time)
        if found is not None:
            return found.relation
    panel = read_panel(data, ask, unit, time)
    rows: dict[str, Any] = {"u": panel.unit, "a": panel.arm, "d": panel.place}
    rows |= {f"y{i}": panel.values[c] for i, c in enumerate(outcome_columns(ask))}
    table = pa.table({name: pa.array(x[panel.keep]) for name, x in rows.items()})
    return duckdb.connect().from_arrow(table)


def missing_metric(metric: Any, known: list[str]) -> InputError:
    """A metric that `daily` or `looks` does not have."""
    return InputError(
        f"metric is {metric!r}, which has no days of its own", remedy=rules.nearest(metric, known, "there are")
    )
