"""Units, periods and the matrix between them: orders summed in DuckDB, scattered to units × periods in numpy.

Cell arrays have shape (units, periods). Units are numbered in the sorted order of their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import one_of
from gmvcausal.frames.relation import Relation
from gmvcausal.frames.table import quote
from gmvcausal.logs.calendar import IntArray, StampArray
from gmvcausal.logs.logs import Logs
from gmvcausal.logs.span import Span

_BATCH = 500_000
_MOST_GROUPS = 2_000_000


@dataclass(frozen=True)
class Units:
    """The units of a table, numbered in sorted order.

    Attributes
    ----------
    role : str
        "user", "room" or "product".
    ids : ndarray, shape (units,)
    table : str or None
        The table that lists them ("users", "rooms"), None where they were gathered from orders and exposures.
    ordered : ndarray of bool, shape (units,)
        Whether the unit has an order line anywhere in the log.
    """

    role: str
    ids: NDArray[Any]
    table: str | None
    ordered: NDArray[np.bool_]

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.ids)

    @property
    def without_orders(self) -> int:
        """Number of units that never ordered."""
        return self.n - int(self.ordered.sum())

    def codes(self, ids: NDArray[Any]) -> IntArray:
        """Number of each id; every id must be one of the units."""
        if self.ids.dtype.kind == "i" and self.n and int(self.ids[-1]) - int(self.ids[0]) < 8 * self.n + 1024:
            low = int(self.ids[0])
            lookup = np.zeros(int(self.ids[-1]) - low + 1, dtype=np.int64)
            lookup[self.ids - low] = np.arange(self.n)
            return np.asarray(lookup[ids - low])
        return np.asarray(np.searchsorted(self.ids, ids), dtype=np.int64)


def find_units(logs: Logs, role: str) -> Units:
    """All units: those of the users (rooms) table, else those seen in orders or exposures.

    Raises
    ------
    InputError
        The role is not declared in orders, or orders name units that the table lacks.
    """
    orders = logs.orders
    one_of("unit", role, ("user", "room", "product"))
    if role not in orders.kinds:
        raise InputError(
            f"unit={role!r} needs the role {role!r}, which orders do not have",
            remedy=f"name its column with columns={{{role!r}: ...}}",
        )
    q = quote(role)
    # A refund given as a row takes the room of its order.
    own = ' AND "gmv" >= 0' if logs._gmv == "net" else ""
    empty = f"{q} IS NULL{own}"
    missing = f"SELECT count(*) FILTER (WHERE {empty}) FROM {orders.sql}"
    # A user is never missing: that was checked when the orders were opened.
    lacking = 0 if role == "user" else int(logs._space.row(missing, "orders")[0])
    if lacking:
        raise InputError(
            f"{role} (orders) is missing",
            column=orders.roles[role],
            count=lacking,
            rows=orders.first_rows(empty),
            remedy=f"remove these rows or give them a {role}",
        )
    key = f"units: {role}"
    if key not in logs._cache:
        logs._cache[key] = _read_units(logs, role)
    found: Units = logs._cache[key]
    return found


def _read_units(logs: Logs, role: str) -> Units:
    """Ids of orders, exposures and the listing in one statement, which scans the orders once."""
    q = quote(role)
    listing, exposures = logs.table(f"{role}s"), logs.table("exposures")
    exposed = exposures if exposures is not None and role in exposures.kinds else None
    sources = [f"SELECT {q} AS id, true AS ordered, false AS listed FROM {logs.orders.sql} WHERE {q} IS NOT NULL"]
    if exposed is not None:
        sources.append(f"SELECT {q}, false, false FROM {exposed.sql}")
    if listing is not None:
        sources.append(f"SELECT {q}, false, true FROM {listing.sql}")
    found = logs._space.numpy(
        f"SELECT id, bool_or(ordered) AS ordered, bool_or(listed) AS listed FROM ({' UNION ALL '.join(sources)}) "
        "GROUP BY id",
        "orders",
    )
    if listing is not None and not found["listed"].all():
        _refuse_strangers(logs, listing, role, [logs.orders, *([] if exposed is None else [exposed])])
    ids = np.asarray(found["id"])
    order = np.argsort(ids, kind="stable")
    return Units(role, ids[order], None if listing is None else listing.name, np.asarray(found["ordered"])[order])


def _refuse_strangers(logs: Logs, listing: Relation, role: str, tables: list[Relation]) -> None:
    """Say which table holds units that the listing lacks."""
    alone = f"{quote(role)} NOT IN (SELECT {quote(role)} FROM {listing.sql})"
    for table in tables:
        counted = f"SELECT count(*), count(DISTINCT {quote(role)}) FROM {table.sql} WHERE {alone}"
        row = logs._space.row(counted, table.name)
        if row[0]:
            raise InputError(
                f"{row[1]:,} {role}s of {table.name} are not in {listing.name}",
                column=table.roles[role],
                count=int(row[0]),
                rows=table.first_rows(alone),
                remedy=f"add them to {listing.name}, or leave {listing.name} out to take all that are seen",
            )


def bounds(logs: Logs, units: Units) -> dict[str, StampArray]:
    """Entry and exit of each unit where its table has them: NaT where a unit has none."""
    listing = logs.table(units.table) if units.table else None
    out: dict[str, StampArray] = {}
    for role in ("entry", "exit"):
        if listing is None or role not in listing.kinds:
            continue
        found = logs._space.numpy(
            f'SELECT {quote(units.role)} AS id, epoch_us("{role}") AS t FROM {listing.sql} WHERE "{role}" IS NOT NULL',
            listing.name,
        )
        out[role] = np.full(units.n, np.datetime64("NaT", "us"), dtype="datetime64[us]")
        out[role][units.codes(found["id"])] = np.asarray(found["t"]).astype("datetime64[us]")
    return out


def life(logs: Logs, units: Units, span: Span) -> tuple[NDArray[np.bool_], bool]:
    """Which cells lie inside each unit's life, from the period of its entry to that of its exit; and whether entry is
    known."""
    alive = np.ones((units.n, span.periods), dtype=bool)
    period = np.arange(span.periods)
    known = bounds(logs, units)
    for role, stamps in known.items():
        open_ended = np.isnat(stamps)
        bound = np.where(open_ended, -1 if role == "entry" else span.periods, span.grid.index(stamps))
        alive &= period >= bound[:, None] if role == "entry" else period <= bound[:, None]
    return alive, "entry" in known


def unit_key(logs: Logs, units: Units, view: str) -> tuple[str, str]:
    """SQL for a FROM clause over `view` and for the whole number that identifies a unit there.

    Text ids are joined to their numbers inside DuckDB, so that millions of repeated texts never cross the border.
    """
    q = quote(units.role)
    if units.ids.dtype.kind == "i":
        return view, q
    name = logs._space.new_name(f"units_{units.role}")
    numbered = pa.table({"id": pa.array(units.ids, type=pa.string()), "code": np.arange(units.n)})
    logs._space.register(name, numbered)
    return f"(SELECT l.*, u.code AS unit_code FROM {view} l JOIN {name} u ON l.{q} = u.id)", "unit_code"


@dataclass(frozen=True)
class Measure:
    """What is summed in a cell.

    Attributes
    ----------
    total : str
        Aggregate of the lines, in SQL.
    line : str or None
        What one line adds, a whole number in SQL; None where lines do not simply add up.
    scale : int
        Whole numbers to one unit of the total: 100 for cents, 1 for counts.
    """

    total: str
    line: str | None = None
    scale: int = 1


def gmv(logs: Logs) -> Measure:
    """GMV of the lines."""
    return Measure(logs._facts.total(), logs._facts.amounts.line('"gmv"'), 100)


def discount(logs: Logs) -> Measure:
    """The discounts that are known."""
    line = logs._facts.discounts.line('"discount"')
    return Measure(logs._facts.total_discount(), None if line is None else f"coalesce({line}, 0)", 100)


def orders(logs: Logs) -> Measure:
    """Number of orders."""
    if not logs._row_is_order:
        return Measure(count_orders(logs))
    return Measure(count_orders(logs), "CAST(is_order AS INTEGER)" if _has_refund_rows(logs) else "1")


def count_orders(logs: Logs, condition: str = "") -> str:
    """SQL for the number of orders in a group of lines, or among those of its lines on which the condition holds."""
    # A FILTER costs a pass of its own; where no line is a refund it would always hold.
    always = logs._row_is_order and not _has_refund_rows(logs)
    wanted = ([] if always else ["is_order"]) + ([f"({condition})"] if condition else [])
    counted = "count(*)" if logs._row_is_order else 'count(DISTINCT "order")'
    return counted + (f" FILTER (WHERE {' AND '.join(wanted)})" if wanted else "")


def of_panel(logs: Logs, unit: str, amounts: Sequence[str]) -> dict[str, Measure]:
    """What a panel sums; `amounts` are those of orders beside GMV."""
    found = {"gmv": gmv(logs), "orders": orders(logs)}
    if unit != "user":
        found["buyers"] = Measure('count(DISTINCT "user") FILTER (WHERE is_order)')
    return found | {name: discount(logs) for name in amounts}


def _has_refund_rows(logs: Logs) -> bool:
    return logs._gmv == "net" and logs._facts.negative > 0


def sum_cells(logs: Logs, units: Units, span: Span, measures: dict[str, Measure]) -> dict[str, NDArray[Any]]:
    """Sum order lines into cells.

    Parameters
    ----------
    measures : dict
        Whole numbers for "orders" and "buyers", else amounts.

    Returns
    -------
    dict of str to ndarray, shape (units, periods)
        Zero where a unit has no line in a period.
    """
    source, key = unit_key(logs, units, logs._lines.view)
    period = span.grid.sql('"time"')
    n = units.n * span.periods
    cells = {name: np.zeros(n, dtype=np.int32 if m.scale == 1 else np.float64) for name, m in measures.items()}
    # So many groups would not fit into the engine's buffers; whole numbers can be added where the cells lie.
    line_by_line = logs._space.streams and n > _MOST_GROUPS and all(m.line is not None for m in measures.values())
    if line_by_line:
        cells |= {name: np.zeros(n, dtype=np.int64) for name, m in measures.items() if m.scale > 1}
    listed = ", ".join(f"{m.line if line_by_line else m.total} AS {quote(name)}" for name, m in measures.items())
    query = f"SELECT {key} AS unit, {period} AS period, {listed} FROM {source} WHERE {span.where()}"
    for batch in logs._space.batches(query if line_by_line else f"{query} GROUP BY ALL", _BATCH, "orders"):
        ids = batch.column("unit").to_numpy(zero_copy_only=False)
        codes = ids if key == "unit_code" else units.codes(ids)
        where = codes * span.periods + batch.column("period").to_numpy(zero_copy_only=False)
        for name in measures:
            values = batch.column(name).to_numpy(zero_copy_only=False)
            if line_by_line:
                np.add.at(cells[name], where, values)
            else:
                cells[name][where] = values
    if line_by_line:
        for name, m in measures.items():
            if m.scale > 1:
                cells[name] = _scaled(np.asarray(cells[name], dtype=np.int64), m.scale)
    return {name: values.reshape(units.n, span.periods) for name, values in cells.items()}


def _scaled(whole: IntArray, scale: int) -> NDArray[np.float64]:
    """Whole numbers divided by `scale`, in the memory that they lie in."""
    out = whole.view(np.float64)
    for low in range(0, len(whole), _BATCH):
        out[low : low + _BATCH] = whole[low : low + _BATCH] / scale
    return out
