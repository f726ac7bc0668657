"""A panel too large for memory: its rows are added up where they lie, and only sums come out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalError, InputError
from gmvcausal.frames import rules, sql
from gmvcausal.frames.columns import no_label
from gmvcausal.frames.engines.engine import Engine
from gmvcausal.frames.table import quote
from gmvcausal.frames.texts import quote_text
from gmvcausal.rollout.intake.added_up import Plan, Sums, add_up
from gmvcausal.rollout.intake.cohorts import Cohorts, from_first_treated, parse_never
from gmvcausal.rollout.intake.gathered import NEVER, NO_OUTCOME, Ask
from gmvcausal.rollout.intake.opened import (
    Located,
    Opened,
    dictionary,
    locate,
    open_rows,
    refuse_larger,
    room,
    size_text,
)
from gmvcausal.rollout.intake.summed import AGGREGATE, Largest, Summed

if TYPE_CHECKING:
    from gmvcausal.rollout.chance.moment_scores import Loads

IntArray = NDArray[np.int64]

_GONE = "call did on the data as they are now"
_HOLES = (
    "sums by cohort need every unit in every period: give the missing rows outcome 0 if nothing was sold "
    "(gc.Logs(...).panel does), or give memory_limit= more, so that the panel is held as a matrix"
)


def refuse_large(located: Located, what: list[str]) -> None:
    """Refuse options that take the units one by one, of a panel whose matrix does not fit.

    Raises
    ------
    InputError
    """
    if what:
        raise InputError(
            f"{located.n:,} unit-periods take {size_text(16 * located.n)} in memory, more than the "
            f"{size_text(room(located.space))} there are for them, and {' and '.join(what)} takes the units one by one",
            remedy=AGGREGATE,
        )


@dataclass(frozen=True)
class Pass:
    """One pass over the rows: who they are of, in whole numbers.

    Attributes
    ----------
    unit : str
        The unit in SQL, over the columns of the source.
    start : ndarray of int, shape (dates,)
        Column of first treatment for the code of every date.
    """

    opened: Opened
    ask: Ask
    unit: str
    start: IntArray

    def rows(self, further: str = "", joined: str = "") -> str:
        """A SELECT of u (unit), t (column of the grid), f (code of the date), y, and further columns."""
        opened, ask = self.opened, self.ask
        assert opened.first is not None and opened.date is not None  # flags are refused
        time = opened.time.joined("t", opened.column, "s.t")
        first = opened.first.joined("f", opened.date, "s.f")
        cluster = f", {quote(ask.cluster)} AS c" if ask.cluster is not None else ""
        source = (
            f"SELECT {self.unit} AS u, {quote(ask.time)} AS t, {quote(ask.first_treated)} AS f, "
            f"{quote(ask.outcome)} AS y{cluster} FROM {opened.located.source}"
        )
        listed = f"s.u AS u, t.c AS t, f.c AS f, s.y AS y{further}"
        return f"SELECT {listed} FROM ({source}) AS s {time} {first} {joined}"


def id_in_sql(located: Located, column: str, role: str) -> str:
    """A column of ids in SQL, by the rules and in the words of one in memory.

    Raises
    ------
    InputError
    """
    try:
        return sql.check_columns(
            located.space, located.source, "data", {role: (column, "id")}, located.types, None
        ).select[role]
    except InputError as error:
        label = f"{role} (data)"
        if error.rule == f"{label} is missing":
            raise rules.missing(column, role, error.count or 0, list(map(int, error.rows)), no_label(role)) from None
        raise InputError(
            error.rule.replace(label, role), column=error.column, count=error.count, rows=error.rows,
            remedy=error.remedy,
        ) from None  # fmt: skip


def begin(opened: Opened, ask: Ask) -> tuple[Pass, Callable[[IntArray], Cohorts]]:
    """The pass, and what makes cohorts of the number of units with every date.

    Raises
    ------
    InputError, DesignError
        Something is wrong with the units or the dates.
    """
    located, dates = opened.located, opened.dates
    assert dates is not None and ask.unit is not None
    unit = id_in_sql(located, ask.unit, "unit")
    never = parse_never(None if opened.word is not None else ask.never, opened.calendar)

    def cohorts(behind: IntArray) -> Cohorts:
        return from_first_treated(
            dates, dates == NEVER, opened.grid, ask.anticipation, never, ask.first_treated, lambda _: [], behind=behind
        )

    alone = Pass(opened, replace(ask, cluster=None), unit, np.zeros(len(dates), dtype=np.int64))
    try:
        start = cohorts(np.ones(len(dates), dtype=np.int64)).start
    except GmvCausalError:
        # Said again with the units that are behind it.
        text = f"SELECT f, count(DISTINCT u) FROM ({alone.rows()}) AS r GROUP BY f"
        behind = np.zeros(len(dates), dtype=np.int64)
        for code, units in located.space.rows(text):
            behind[int(code)] = int(units)
        cohorts(behind)
        raise
    return replace(alone, ask=ask, start=start), cohorts


def added_up(path: Pass, labels: int) -> Sums:
    """Sums over all units, by the codes of their clusters where there are `labels` of these above the unit.

    Raises
    ------
    InputError
        Missing outcomes, repeated or absent unit-periods, dates or clusters that vary within units.
    """
    opened, ask = path.opened, path.ask
    space, width = opened.located.space, len(opened.grid.values)
    kinds = 2 * len(np.unique(path.start))
    # Four copies: what is held, what is added, and both put in order.
    squares = 32 * kinds * width**2
    remedy = (
        "take longer periods (weeks for days), for example with gc.Logs(...).panel(freq='W'), or give memory_limit="
    )
    refuse_larger(space, f"the sums by {kinds // 2:,} cohorts over {width:,} periods", squares, remedy)
    further, joined = "", ""
    if ask.cluster is not None:
        remedy = f"aggregate by {ask.cluster!r} first, with the number of units as weights=, or cluster by unit"
        refuse_larger(space, f"the sums by {labels:,} clusters", 32 * labels * width, remedy, ask.cluster)
        found = dictionary(opened.located, ask.cluster)
        assert found is not None  # there is no limit to the number of values
        further, joined = ", c.c AS c", found.joined("c", np.arange(len(found.arrow)), "s.c")
    plan = Plan(ask.outcome, NO_OUTCOME if ask.missing == "raise" else None, width, path.start, bool(further))
    text = path.rows(further=further, joined=joined)
    sums = reduce(add, space.reduced(text, "u", "t", partial(add_up, plan), "data"))
    _refuse(path, sums)
    return sums


def summed(path: Pass, sums: Sums, look: Look) -> tuple[Summed, IntArray, IntArray]:
    """What stands in the place of the matrix, the start of every group of units, and its cluster."""
    moments = sums.moments
    assert moments is not None and sums.tally is not None  # there are rows, and nothing is wrong with them
    keys = np.array(moments.keys, dtype=np.int64).reshape(-1, 2)
    if moments.cells is None:
        there = np.flatnonzero(moments.n > 0)
        group, cluster, behind = there, np.arange(len(there)), moments.n[there]
    else:
        cells = moments.cells
        group, cluster, behind = cells.group, np.unique(cells.cluster, return_inverse=True)[1], cells.n
    start, early = keys[group, 0], keys[group, 1] == 1
    width = len(path.opened.grid.values)
    y = Summed(width, start, early, behind.astype(np.int64), moments, sums.tally, look)
    return y, start, cluster.astype(np.int64)


@dataclass(frozen=True)
class Look:
    """Another look at the rows, for what only they can tell once there is an estimate.

    Attributes
    ----------
    engine : callable
        Opens the engine again.
    """

    engine: Callable[[], Engine]
    data: Any
    ask: Ask
    n: int

    def __call__(self, loads: Loads) -> Largest:
        """The largest influences, by start.

        Raises
        ------
        InputError
            The data have changed.
        """
        with closing(self.engine()) as space:
            located = locate(space, self.data, self.ask)
            opened = open_rows(located, self.ask)
            if located.n != self.n or opened is None:
                raise InputError(
                    f"the data had {self.n:,} rows when the effect was estimated, and have {located.n:,} now",
                    remedy=_GONE,
                )
            path, _ = begin(opened, replace(self.ask, cluster=None))
            return _largest(path, loads)


def _largest(path: Pass, loads: Loads) -> Largest:
    space, moments = path.opened.located.space, loads.moments
    live = np.flatnonzero(loads.load.any(axis=1) | (loads.shift != 0))
    starts = np.array([int(str(moments.keys[h])) for h in live], dtype=np.int64)
    code, date = np.nonzero(starts[:, None] == path.start)
    width = loads.load.shape[1]
    group = np.repeat(live[code], width)
    column = np.tile(np.arange(width), len(code))
    view = space.new_name("loads")
    made = {
        "f": np.repeat(date, width),
        "t": column,
        "k": np.repeat(code, width),
        "a": loads.load[group, column],
        "m": moments.mean[group, column],
        "d": loads.shift[group],
    }
    space.register(view, pa.table(made))
    value = "CAST(r.y AS DOUBLE)"
    if path.ask.missing == "zero":
        value = f"CASE WHEN {value} IS NULL OR isnan({value}) THEN 0 ELSE {value} END"
    of_unit = (
        f"SELECT r.u AS u, min(l.k) AS k, sum(({value} - l.m) * l.a) + min(l.d) AS q FROM ({path.rows()}) AS r "
        f"JOIN {view} AS l ON r.f = l.f AND r.t = l.t GROUP BY r.u"
    )
    numbers_of = "k, max(q * q), sum(q * q), count(*) FILTER (WHERE q <> 0)"
    rows = space.rows(f"SELECT {numbers_of} FROM ({of_unit}) AS g GROUP BY k ORDER BY k")
    numbers = np.array([row[1:] for row in rows], dtype=float).reshape(len(rows), 3)
    return Largest(starts[[int(row[0]) for row in rows]], numbers[:, 0], numbers[:, 1], numbers[:, 2])


# --- what is wrong ------------------------------------------------------------------------------------------------
def _refuse(path: Pass, sums: Sums) -> None:
    opened, ask = path.opened, path.ask
    located = opened.located
    space, source = located.space, located.source
    if sums.error is not None:
        # Counted was a piece of the rows; all of them are counted here.
        named = {"outcome": (ask.outcome, "number?")}
        value = sql.check_columns(space, source, "data", named, located.types, None).select["outcome"]
        gap = f"({value}) IS NULL"
        gaps = int(space.row(f"SELECT count(*) FROM {source} WHERE {gap}")[0])
        if gaps and ask.missing == "raise":
            rows = sql.first_bad(space, source, gap, "data")[0]
            raise rules.missing(ask.outcome, "outcome", gaps, rows, NO_OUTCOME)
        raise sums.error
    inside = f"{path.unit} IN ({', '.join(_literal(unit) for unit in sums.bad)})"
    if sums.repeated:
        what = "unit-periods" if sums.repeated != 1 else "unit-period"
        remedy = "the repeats disagree: find out which row is right, or sum them if they are parts of one period"
        if sums.alike == sums.repeated:
            remedy = "the repeats are identical: read an appended file once, or keep one row of each"
        if not space.positions:
            key = f"{space.quoted(str(ask.unit))}, {space.quoted(ask.time)}"
            remedy += f"; GROUP BY {key} HAVING count(*) > 1 lists them"
        raise rules.duplicated(what, None, sums.repeated, _repeats(path, inside), remedy)
    if sums.moved or sums.torn:
        rows = sql.first_bad(space, source, inside, "data")[0]
        if sums.moved:
            remedy = "a unit has one date of first treatment: correct it, or give each unit its own id"
            raise rules.not_constant(ask.first_treated, "first_treated", "units", sums.moved, rows, remedy)
        remedy = "clusters must hold whole units: is a unit id used in several clusters?"
        raise rules.not_constant(str(ask.cluster), "cluster", "units", sums.torn, rows, remedy)
    if sums.absent:
        theirs = ", ".join(map(str, sql.first_bad(space, source, inside, "data")[0]))
        raise InputError(
            f"{sums.absent:,} unit-periods are absent of a panel too large for memory"
            + (f"; some of the units concerned have rows at positions {theirs}" if theirs else ""),
            remedy=_HOLES,
        )


def _repeats(path: Pass, inside: str) -> list[int]:
    """Positions of rows whose unit and period were there before, of the units looked for."""
    located = path.opened.located
    if not located.space.positions:
        return []
    # Keys are computed beside the position, so that columns of the user's called place or u stay their own.
    placed = (
        f"SELECT row_number() OVER () - 1 AS place, {path.unit} AS u, {quote(path.ask.time)} AS t, {inside} AS looked "
        f"FROM {located.source}"
    )
    again = f"SELECT place, row_number() OVER (PARTITION BY u, t ORDER BY place) AS k FROM ({placed}) WHERE looked"
    return [int(p) for (p,) in located.space.rows(f"SELECT place FROM ({again}) WHERE k > 1 ORDER BY place LIMIT 5")]


def _literal(value: Any) -> str:
    return str(value) if isinstance(value, int) else quote_text(str(value))
