"""A panel that the engine makes and writes to a file: no cell of it passes through this process.

The second road to the table of `logs.panel`. That one scatters sums into a matrix in memory; this one joins units,
periods, sums and exposures where the sums lie, and holds a few numbers for each unit. What is known of the logs and of
their units is found by the same functions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.outputs import refuse_output
from gmvcausal.frames.params import one_of
from gmvcausal.frames.table import literal, quote
from gmvcausal.frames.written import need_folder, told
from gmvcausal.logs import attributes, cells, describe, signs
from gmvcausal.logs import exposed as exposures
from gmvcausal.logs.calendar import IntArray, parse_freq, shorter_periods
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.panel import COLUMNS, ended, kept
from gmvcausal.logs.span import Span, make_span


@dataclass(frozen=True)
class _Spans:
    """Exposures in periods of the panel: unit, first and last period, each set of them once.

    Attributes
    ----------
    unit, low, high : ndarray of int64, shape (spans,)
    first : ndarray of int64, shape (units,)
        Period of the first exposure, which may lie outside the panel; the largest number where there is none.
    """

    unit: IntArray
    low: IntArray
    high: IntArray
    first: IntArray


def write_panel(
    logs: Logs, path: Any, unit: str, freq: str, origin: Any, outcome: str, tactic: Any, keep: Any, per: str | None
) -> str:
    """See `Logs.write_panel`."""
    there = _new_path(path)
    if logs._space.positions:  # Spark makes the folders that it writes to, and may see storage that we do not
        with told(there):
            need_folder(there)
    for files, _ in logs._space.files:
        refuse_output(there, "path", files)
    length = parse_freq("freq", freq)
    one_of("outcome", outcome, ("gmv", "orders", "buyers"))
    parts = 1 if per is None else shorter_periods(length, per)
    units = cells.find_units(logs, unit)
    keep, amounts = kept(logs, keep)
    span = make_span(logs, length, origin)
    space, measures = logs._space, cells.of_panel(logs, unit, amounts)
    listed = ", ".join(f"{m.total} AS {quote(name)}" for name, m in measures.items())
    sums = space.keep(
        "sums",
        f"SELECT {quote(unit)} AS unit, {span.grid.sql(quote('time'))} AS k, {listed} FROM {logs._lines.view} "
        f"WHERE {span.where()} GROUP BY ALL",
        "orders",
    )
    exposed, spans = None, None
    if logs.table("exposures") is not None:
        exposed = exposures.read_exposures(logs, units, exposures.choose(logs, tactic))
        spans = _spans(units, span, exposed)
    elif tactic is not None:
        logs.need("exposures", f"tactic={tactic!r}")
    notes, checks = list(logs._notes), list(logs._checks)
    periods = _ordered(logs, span, sums)
    checks += signs.of_panel(logs, units, span, periods, exposed, tactic, notes)
    low, high, life_known = _life(logs, units, span)
    rows, outside = _cells(low, high, span)
    table: dict[str, Any] = {"unit": _arrow(units.ids), "low": low, "high": high}
    if spans is not None:
        notes += ended(*_active(spans, span))
        ever = spans.first < np.iinfo(np.int64).max
        table["first"] = pa.array(span.grid.starts(np.where(ever, spans.first, 0)), mask=~ever)
    dropped = {**logs._dropped, **describe.outside(logs, span, notes)}
    describe.note_units(units, notes)
    for i, name in enumerate(keep):
        if name in (*COLUMNS, *measures):
            raise InputError(f"keep names {name!r}, which is a column of every panel", remedy="rename the attribute")
        values, constant = attributes.of_units(logs, units, name)
        checks += [constant] if constant else []
        table[f"a{i}"] = pa.Array.from_pandas(values)
    listing = quote(space.new_name("units"))
    space.register(listing.strip('"'), pa.table(table))
    inside = _inside(logs, sums, listing, list(measures), unit == "user")
    if outside:
        lost = int(space.row(f'SELECT coalesce(sum("orders"), 0) FROM {sums}')[0]) - int(inside["orders"])
        dropped |= describe.outside_life(unit, outside, lost, int((high < low).sum()), notes)
    checks += describe.last_day(logs, span)
    about = describe.about(
        logs, table="panel", unit=unit, freq=length, per=per, outcome=outcome, keep=list(keep), life_known=life_known,
        notes=notes, dropped=dropped, checks=checks,
    )  # fmt: skip
    about |= {"rows": rows, "sums": {name: value / parts for name, value in inside.items()}}
    joined = _joined(logs, span, sums, listing, spans, units)
    columns = [*_columns(measures, parts, per is not None, spans is not None)]
    columns += [f"u.a{i} AS {quote(name)}" for i, name in enumerate(keep)]
    space.write(f"SELECT {', '.join(columns)} FROM {joined}", there, json.dumps(about), "the panel")
    return there


def _cells(low: IntArray, high: IntArray, span: Span) -> tuple[int, int]:
    """Cells inside and outside the lives of the units."""
    inside = int(np.maximum(high - low + 1, 0).sum())
    return inside, len(low) * span.periods - inside


def _joined(logs: Logs, span: Span, sums: str, listing: str, spans: _Spans | None, units: cells.Units) -> str:
    """Units (u) and periods (c), with their sums (s) and, where one is active, their exposure (t)."""
    space = logs._space
    calendar = quote(space.new_name("calendar"))
    k = np.arange(span.periods)
    space.register(calendar.strip('"'), pa.table({"k": k, "start": span.grid.starts(k)}))
    text = (
        f"{listing} u JOIN {calendar} c ON c.k >= u.low AND c.k <= u.high "
        f"LEFT JOIN {sums} s ON s.unit = u.unit AND s.k = c.k"
    )
    if spans is None:
        return text
    active = quote(space.new_name("active"))
    table = {"unit": _arrow(units.ids[spans.unit]), "low": spans.low, "high": spans.high}
    space.register(active.strip('"'), pa.table(table))
    return (
        f"{text} LEFT JOIN (SELECT e.unit AS unit, d.k AS k FROM {active} e JOIN {calendar} d "
        "ON d.k >= e.low AND d.k <= e.high) t ON t.unit = u.unit AND t.k = c.k"
    )


def _columns(measures: dict[str, cells.Measure], parts: int, with_parts: bool, exposed: bool) -> list[str]:
    """The columns of the panel, in SQL."""

    def amount(name: str, expression: str, whole: bool) -> str:
        if parts > 1:
            return f"{expression} / {literal(parts)} AS {quote(name)}"
        return f"CAST({expression} AS {'INTEGER' if whole else 'DOUBLE'}) AS {quote(name)}"

    found = {name: f"coalesce(s.{quote(name)}, 0)" for name in measures}
    found.setdefault("buyers", """CASE WHEN s."orders" > 0 THEN 1 ELSE 0 END""")
    order = ["gmv", "orders", "buyers", *(name for name in measures if name not in ("gmv", "orders", "buyers"))]
    whole = {"orders", "buyers"}
    return [
        "u.unit AS unit",
        "c.start AS period",
        *(amount(name, found[name], name in whole) for name in order),
        "u.first AS first_treated" if exposed else "CAST(NULL AS TIMESTAMP) AS first_treated",
        f"CAST({'CASE WHEN t.k IS NULL THEN 0 ELSE 1 END' if exposed else '0'} AS TINYINT) AS treated",
        *([f"CAST({parts} AS SMALLINT) AS parts"] if with_parts else []),
    ]


def _new_path(path: Any) -> str:
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"path must name a parquet file, but is a {type(path).__name__}", remedy="write a path")
    there = os.fspath(path)
    if not there.endswith(".parquet"):
        raise InputError(f"path is {there!r}, which does not end in .parquet", remedy="name it panel.parquet")
    if os.path.exists(there):
        raise InputError(f"{there!r} exists already", remedy="remove it, or write the panel to another path")
    return there


def _arrow(ids: NDArray[Any]) -> pa.Array:
    return pa.array(ids) if ids.dtype.kind == "i" else pa.array(ids, type=pa.string())


def _spans(units: cells.Units, span: Span, exposed: exposures.Exposed) -> _Spans:
    """The exposures of each unit as runs of periods of the panel that do not overlap."""
    start, end = exposures.periods_of(span, exposed)
    first = np.full(units.n, np.iinfo(np.int64).max)
    np.minimum.at(first, exposed.unit, start)
    inside = (end >= 0) & (start < span.periods)
    unit = exposed.unit[inside]
    low, high = np.maximum(start[inside], 0), np.minimum(end[inside], span.periods - 1)
    order = np.lexsort((high, low, unit))
    unit, low, high = unit[order], low[order], high[order]
    # The last period that earlier runs of the same unit reach: units ascend, so that theirs outweigh all before.
    reached = np.maximum.accumulate(unit * (span.periods + 1) + high + 1) - unit * (span.periods + 1) - 1
    before = np.where(np.diff(unit, prepend=-1) == 0, np.roll(reached, 1), -1)
    low = np.maximum(low, before + 1)
    new = low <= high
    return _Spans(unit[new], low[new], high[new], first)


def _active(spans: _Spans, span: Span) -> tuple[int, int]:
    """Cells in which the tactic is active, and cells from each unit's first of them on."""
    begin = np.concatenate([[True], np.diff(spans.unit) > 0])[: len(spans.unit)]
    return int((spans.high - spans.low + 1).sum()), int((span.periods - spans.low[begin]).sum())


def _ordered(logs: Logs, span: Span, sums: str) -> NDArray[np.bool_]:
    """Whether anybody ordered in each period."""
    periods = np.zeros(span.periods, dtype=bool)
    found = logs._space.rows(f'SELECT DISTINCT k FROM {sums} WHERE "orders" > 0', "orders")
    periods[[int(k) for (k,) in found]] = True
    return periods


def _life(logs: Logs, units: cells.Units, span: Span) -> tuple[IntArray, IntArray, bool]:
    """First and last period of each unit, and whether entry is known."""
    low, high = np.zeros(units.n, dtype=np.int64), np.full(units.n, span.periods - 1, dtype=np.int64)
    known = cells.bounds(logs, units)
    for role, stamps in known.items():
        there = ~np.isnat(stamps)
        bound = span.grid.index(stamps[there])
        if role == "entry":
            low[there] = np.maximum(bound, 0)
        else:
            high[there] = np.minimum(bound, span.periods - 1)
    return low, high, "entry" in known


def _inside(logs: Logs, sums: str, listing: str, names: Sequence[str], by_user: bool) -> dict[str, float]:
    """Sums over the cells inside the lives of the units."""
    listed = [f"coalesce(sum(s.{quote(name)}), 0)" for name in names]
    if by_user:
        listed.append('count(*) FILTER (WHERE s."orders" > 0)')
    row = logs._space.row(
        f"SELECT {', '.join(listed)} FROM {sums} s JOIN {listing} u ON s.unit = u.unit "
        "WHERE s.k >= u.low AND s.k <= u.high",
        "orders",
    )
    return dict(zip([*names, *(["buyers"] if by_user else [])], map(float, row), strict=True))
