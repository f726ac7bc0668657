"""The passes of `Logs` and its tables, in the order of the statements in `logs/`.

A test runs studies and counts what is read of every column; it fails where this list and the statements part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gmvcausal.logs.duplicates import SPARSE
from gmvcausal.study.explain.plan import Pass, Source, Step

LOGS, TABLE = "logs", "table"  # routes
HASH_BYTES = 9  # a row while repeated rows are looked for: its hash, and whether it is the one before
AT_ONCE = 2**25  # rows whose hashes are sorted in one piece; those of more go by way of files

Roles = Mapping[str, str]


@dataclass(frozen=True)
class Opened:
    """Logs as the study describes them.

    Attributes
    ----------
    tables : mapping of str to Source
    roles : mapping of str to mapping
        Table -> role -> column.
    options : mapping
        Of `[logs]`.
    holds : int or None
        Bytes that a table may take, see `Engine`.
    buffers : int
        Bytes of the engine's own.
    known : set of str
        What the steps before have found.
    """

    tables: Mapping[str, Source]
    roles: Mapping[str, Roles]
    options: Mapping[str, Any]
    holds: int | None
    buffers: int
    known: set[str] = field(default_factory=set)

    def once(self, what: str) -> bool:
        """Whether something is asked for the first time: what is found stays known."""
        new = what not in self.known
        self.known.add(what)
        return new

    @property
    def net(self) -> bool:
        """Whether refunds are taken off."""
        return bool(self.options.get("gmv", "gross") == "net")

    @property
    def row_is_order(self) -> bool:
        """Whether rows can be counted in the place of orders."""
        own = self.roles["orders"]
        return "order" not in own or ("product" not in own and self.options.get("dedupe") != "keep")

    def over(self, table: str, why: str, roles: Sequence[str], route: str = TABLE) -> Pass:
        """A pass over the columns of some roles (those that the table has)."""
        own = self.roles[table]
        return Pass(table, why, tuple(dict.fromkeys(own[r] for r in roles if r in own)), route)

    @property
    def lines(self) -> tuple[str, ...]:
        """Roles that a sum of order lines reads."""
        refund = ("refund",) if self.net else ()
        return ("time", "gmv", *refund, *(() if self.row_is_order else ("order",)))


def open_step(logs: Opened) -> Step:
    """Open the logs: every rule on every column and what is measured besides; repeated rows; refunds."""
    own = logs.roles["orders"]
    passes = [_checked(logs, name) for name in logs.tables]
    listing = [n for n in ("users", "rooms") if n in logs.tables and {"entry", "exit"} <= set(logs.roles[n])]
    passes += [logs.over(name, "exit after entry", ("entry", "exit"), LOGS) for name in listing]
    passes += [_repeated(logs, name) for name in logs.tables if name != "coverage"]
    maybe = []
    if logs.net:
        passes.append(logs.over("orders", "refunds", ("gmv", "refund"), LOGS))
        passes.append(logs.over("orders", "orders too young to count", ("time",), LOGS))
        if "refund" not in own:
            maybe.append(logs.over("orders", "8 more where refunds are rows", ("user", "time", "gmv", "order"), LOGS))
    maybe.append(logs.over("orders", "2 to 5 more where rows repeat", ("order", "product", "gmv", "time"), LOGS))
    hashed = [
        s.rows for name, s in logs.tables.items() if name != "coverage" and not (name == "orders" and _dense(logs))
    ]
    rows = max(hashed, default=0)
    spill = 8 * rows if rows > AT_ONCE else 0
    if logs.options.get("dedupe") == "exact":
        spill += sum(logs.tables["orders"].stored.values())
    memory = min(rows, AT_ONCE) * HASH_BYTES
    notes = () if _dense(logs) else ("repeated rows are found by a hash of each row, sorted",)
    return Step("Open the logs, check every rule", tuple(passes), tuple(maybe), (), memory, spill=spill, notes=notes)


def _dense(logs: Opened) -> bool:
    """Whether order ids are whole numbers that lie so densely that bits tell them apart; see `duplicates`."""
    own, source = logs.roles["orders"], logs.tables["orders"]
    ends = source.ranges.get(own.get("order", ""))
    plain = "product" not in own and source.types.get(own.get("order", "")) == "whole"
    return bool(plain and ends and ends[1] - ends[0] < SPARSE * source.rows)


def _checked(logs: Opened, name: str) -> Pass:
    """Columns without a rule are not read: whole numbers that may be missing."""
    types = logs.tables[name].types
    free = {"room", "product"} if name == "orders" else set()
    roles = [r for r, c in logs.roles[name].items() if not (r in free and types.get(c) in ("whole", "text", "flag"))]
    return logs.over(name, "check columns, measure" if name == "orders" else "check columns", roles, LOGS)


def _repeated(logs: Opened, name: str) -> Pass:
    own = logs.roles[name]
    if name in ("users", "rooms"):
        return logs.over(name, "repeated rows", (name[:-1],), LOGS)
    if name == "exposures":
        return logs.over(name, "repeated rows", ("user", "room", "tactic", "start"), LOGS)
    if "order" in own:
        return logs.over(name, "repeated rows", ("order", "product"), LOGS)
    return logs.over(name, "repeated rows (no order id: all columns with a role)", tuple(own), LOGS)


def distinct(source: Source, column: str) -> int:
    """At most so many values of a column differ."""
    ends = source.ranges.get(column)
    if ends and isinstance(ends[0], int) and not isinstance(ends[0], bool):
        return min(source.rows, int(ends[1]) - int(ends[0]) + 1)
    return source.rows


def columns_used(passes: Sequence[Pass], source: str) -> list[str]:
    """Columns of one table that any of the passes reads."""
    return list(dict.fromkeys(c for one in passes if one.source == source for c in one.columns))
