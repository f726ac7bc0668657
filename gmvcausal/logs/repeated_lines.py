"""Order lines without an order id that repeat: refused where all columns agree, else counted.

A line that was delivered twice differs at most in what the delivery wrote beside it: the key of a folder, a batch. Two
real lines may agree in all that has a role too, by chance or where one order holds two pieces, so these only count.
"""

from __future__ import annotations

from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.relation import Relation
from gmvcausal.frames.table import quote
from gmvcausal.logs import duplicates
from gmvcausal.logs.facts import entry

WARNED = 0.001  # far above what chance makes of times to the minute
FAILED = 0.01
_FINE = 'minute("time") <> 0 OR second("time") <> 0'  # dates and whole hours coincide by chance


def settle(orders: Relation, dedupe: str | None) -> tuple[Relation, int, list[dict[str, Any]]]:
    """Apply the rule on repeated rows to orders without an order id.

    One pass over the columns with a role finds what may repeat; only such rows are compared in full.

    Parameters
    ----------
    orders : Relation
        With all columns of the data except keys of folders.
    dedupe : {None, "exact", "keep"}

    Returns
    -------
    orders : Relation
    dropped : int
        Rows.
    checks : list of dict
        `repeated_lines`, where the data have columns without a role.

    Raises
    ------
    InputError
        Rows that are equal in all columns, without `dedupe`.
    """
    roles = [quote(role) for role in orders.kinds]
    every = [quote(column) for column in orders.select]
    further = len(every) > len(roles)
    if dedupe == "keep":
        said = entry("repeated_lines", "not_run", None, WARNED, "dedupe='keep' says that each line is real")
        return orders, 0, [said] if further else []
    hashes = duplicates.repeated_hashes(orders, roles)
    if hashes is None:
        return orders, 0, [_judged(0, 0, orders.n)] if further else []
    same = duplicates.find_repeats(orders, hashes, every, roles)
    before, settled = orders.n, orders
    if same.count and dedupe is None:
        aside = " but keys of folders" if len(orders.available) > len(every) else ""
        raise InputError(
            f"{same.count:,} rows of {orders.name} repeat an earlier row (all columns{aside} equal, and no order "
            "id was declared)",
            count=same.count,
            rows=same.rows,
            counted=True,
            remedy="pass dedupe='exact' to keep the first of identical rows, or dedupe='keep' if each of them is real",
        )
    if same.count and dedupe == "exact":
        settled = duplicates.drop_repeats(orders, hashes, roles)
    checks = [_judged(*_alike(settled, hashes, roles), settled.n)] if further else []
    return settled, before - settled.n, checks


def _alike(orders: Relation, hashes: str, roles: list[str]) -> tuple[int, int]:
    """Lines beyond the first of those alike in all `roles`: all of them, and those of a time finer than the hour."""
    listed = ", ".join(roles)
    groups = (
        f'SELECT "time", count(*) AS n FROM {orders.sql} WHERE {duplicates.hash_of(roles)} IN (SELECT h FROM {hashes}) '
        f"GROUP BY {listed} HAVING count(*) > 1"
    )
    wanted = f"coalesce(sum(n - 1), 0), coalesce(sum(CASE WHEN {_FINE} THEN n - 1 ELSE 0 END), 0)"
    every, fine = orders.space.row(f"SELECT {wanted} FROM ({groups})", orders.name)
    return int(every), int(fine)


def _judged(every: int, fine: int, lines: int) -> dict[str, Any]:
    name, where = "repeated_lines", "in every column with a role"
    if not every:
        return entry(name, "passed", 0.0, WARNED, f"no order line repeats an earlier one {where}")
    if not fine:
        message = f"{every:,} order lines repeat an earlier one {where}, as lines of one day or hour may by chance"
        return entry(name, "not_run", None, WARNED, message)
    share = fine / lines
    message = f"{fine:,} order lines ({share:.2%}) repeat an earlier one {where}, the minute included"
    if share <= WARNED:
        return entry(name, "passed", share, WARNED, message)
    return entry(
        name,
        "failed" if share > FAILED else "warned",
        share,
        WARNED,
        f"{message}, and differ only in columns without one: lines delivered twice would count double",
        "name the order id with columns={'order': ...}; or, if lines were delivered twice, leave out the columns that "
        "tell the deliveries apart and pass dedupe='exact'; or pass dedupe='keep' if each line is real",
    )
