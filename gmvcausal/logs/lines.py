"""Order lines as the tables count them: gross, or net of refunds dated at their order's time.

The result is a view with the columns user, time, gmv, is_order and, where declared, order, room, product. A refund
given as a negative row becomes a line of its order: same user, same time; it lowers GMV and is no order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.relation import Relation
from gmvcausal.frames.table import quote
from gmvcausal.logs import refunds
from gmvcausal.logs.calendar import DAY, Freq, text


@dataclass(frozen=True)
class Lines:
    """Order lines ready to be summed.

    Attributes
    ----------
    view : str
        Quoted name of the view.
    end : datetime64[us]
        Whole days are known before this midnight.
    last : datetime64[us]
        Last time that is counted.
    immature : int
        Lines left out because their refund window has not passed.
    refunded : float
        Share of gross GMV that was refunded (0 where gross).
    """

    view: str
    end: np.datetime64
    last: np.datetime64
    immature: int
    refunded: float


def check_signs(orders: Relation, gmv: str) -> None:
    """Refuse negative amounts that nobody declared to be refunds."""
    if "refund" in orders.kinds:
        for name, condition, rule, remedy in (
            (
                "negative",
                '"gmv" < 0',
                "gmv (orders) is negative although refunds have a column of their own",
                "give refunds in one way only",
            ),
            ("refund_negative", '"refund" < 0', "refund (orders) is negative", "write refunds as positive amounts"),
            (
                "refund_alone",
                '"gmv" = 0 AND "refund" > 0',
                "a refund without an order: the row was refunded but its gmv is zero",
                "put each refund on the row of its order",
            ),
            (
                "refund_larger",
                '"refund" > "gmv"',
                "refund (orders) is larger than the order's gmv",
                "correct these rows at their source",
            ),
        ):
            role = "gmv" if name == "negative" else "refund"
            _refuse(orders, int(orders.measured[name]), condition, rule, role, remedy)
        return
    if gmv == "gross":
        _refuse(
            orders,
            int(orders.measured["negative"]),
            '"gmv" < 0',
            "gmv (orders) is negative, which looks like refunds, but gmv='gross' was declared",
            "gmv",
            "declare gmv='net' with refund_window= and order ids (columns={'order': ...}), or give refunds in a column "
            "of their own (columns={'refund': ...})",
        )


def _refuse(orders: Relation, count: int, condition: str, rule: str, role: str, remedy: str) -> None:
    if count:
        raise InputError(rule, column=orders.roles[role], count=count, rows=orders.first_rows(condition), remedy=remedy)


def _refuse_any(orders: Relation, condition: str, rule: str, role: str, remedy: str) -> None:
    count = int(orders.space.row(f"SELECT count(*) FROM {orders.sql} WHERE {condition}", "orders")[0])
    _refuse(orders, count, condition, rule, role, remedy)


def check_refund_rows(orders: Relation) -> None:
    """Every negative row must refund an order that is in the log, of the same user, and no more than was paid."""
    if "order" not in orders.kinds:
        raise InputError(
            "gmv (orders) has negative rows, but without an order id no refund can be matched to its order",
            column=orders.roles["gmv"],
            rows=orders.first_rows('"gmv" < 0'),
            remedy="name the id with columns={'order': ...}",
        )
    positive = f'SELECT DISTINCT "order" FROM {orders.sql} WHERE "gmv" > 0'
    alone = f'"gmv" < 0 AND "order" NOT IN ({positive})'
    _refuse_any(
        orders,
        alone,
        "a refund without an order: no row with a positive gmv has its order id",
        "order",
        "correct the order ids, or take the log from earlier on",
    )
    refunds.check_dates(orders)
    refunded = f'SELECT "order" FROM {orders.sql} WHERE "gmv" < 0'
    summary = (
        f'SELECT "order" FROM {orders.sql} WHERE "order" IN ({refunded}) GROUP BY "order" '
        'HAVING sum("gmv") < -1e-9 * sum(abs("gmv"))'
    )
    _refuse_any(
        orders,
        f'"gmv" < 0 AND "order" IN ({summary})',
        "refunds of one order are larger than what was paid for it",
        "gmv",
        "correct these rows at their source",
    )
    users = (
        f'SELECT "order" FROM {orders.sql} WHERE "order" IN ({refunded}) '
        'GROUP BY "order" HAVING min("user") <> max("user")'
    )
    _refuse_any(
        orders,
        f'"gmv" < 0 AND "order" IN ({users})',
        "a refund names another user than its order",
        "user",
        "correct these rows at their source",
    )


def make_lines(
    orders: Relation, gmv: str, refund_window: Freq | None, first: np.datetime64, last: np.datetime64, whole_days: bool
) -> Lines:
    """Create the view of countable lines.

    Parameters
    ----------
    orders : Relation
    gmv : {"gross", "net"}
    refund_window : Freq, optional
        Required for net.
    first, last : datetime64[us]
        First and last time in the log.
    whole_days : bool
        Whether the log holds dates without times of day.
    """
    space = orders.space
    keep = [quote(r) for r in orders.select if r not in ("time", "gmv", "refund")]
    view = space.new_name("lines")
    rows = f'SELECT {", ".join(keep)}, "time", "gmv", true AS is_order FROM {orders.sql}'
    refunded = 0.0
    if gmv == "net" and "refund" in orders.kinds:
        rows = f'SELECT {", ".join(keep)}, "time", "gmv" - "refund" AS "gmv", true AS is_order FROM {orders.sql}'
        paid, back = space.row(f'SELECT sum("gmv"), sum("refund") FROM {orders.sql}', "orders")
        refunded = float(back) / float(paid) if paid else 0.0
    elif gmv == "net":
        paid, back, count = space.row(
            'SELECT coalesce(sum("gmv") FILTER (WHERE "gmv" > 0), 0), '
            'coalesce(-sum("gmv") FILTER (WHERE "gmv" < 0), 0), '
            f'count(*) FILTER (WHERE "gmv" < 0) FROM {orders.sql}',
            "orders",
        )
        refunded = float(back) / float(paid) if paid else 0.0
        if count:
            rows = _dated_at_order(orders, keep)
    end = last.astype("datetime64[D]").astype("datetime64[us]") + np.timedelta64(DAY, "us")
    immature = 0
    limit = last
    if gmv == "net" and refund_window is not None:
        limit = last - np.timedelta64(refund_window.micros, "us")
        if limit < first:
            raise InputError(
                f"refund_window={refund_window.text!r} is as long as the whole log ({text(first)} to {text(last)}), "
                "so no order is old enough to be counted",
                remedy="take a longer log or a shorter refund_window",
            )
        day = limit.astype("datetime64[D]").astype("datetime64[us]")
        # Orders later on that day are too young, so the day is whole only where the log knows no times of day.
        end = day + np.timedelta64(DAY, "us") if whole_days else day
        young = f"\"time\" > TIMESTAMP '{limit}'"
        immature = int(space.row(f"SELECT count(*) FROM ({rows}) WHERE {young} AND is_order", "orders")[0])
        rows = f"SELECT * FROM ({rows}) WHERE NOT ({young})"
    space.view(view, rows, "orders")
    return Lines(quote(view), end, limit, immature, refunded)


def _dated_at_order(orders: Relation, keep: list[str]) -> str:
    """Lines where each negative row takes the time, room and attributes of its order's first line.

    A discount is an amount: that of the order stands on the order's own line, and is not given to its refund again.
    """
    own = ('"user"', '"order"', '"product"', '"discount"')
    moved = ", ".join(f"r.{c}" if c in own else f"coalesce(r.{c}, o.{c}) AS {c}" for c in keep)
    others = [c for c in keep if c not in own]
    firsts = "".join(f', arg_min({c}, "time") AS {c}' for c in others)
    return (
        f'SELECT {", ".join(keep)}, "time", "gmv", true AS is_order FROM {orders.sql} WHERE "gmv" >= 0 '
        f'UNION ALL SELECT {moved}, o."time", r."gmv", false AS is_order '
        f'FROM (SELECT * FROM {orders.sql} WHERE "gmv" < 0) r JOIN '
        f'(SELECT "order", min("time") AS "time"{firsts} FROM {orders.sql} WHERE "gmv" > 0 '
        f'AND "order" IN (SELECT "order" FROM {orders.sql} WHERE "gmv" < 0) GROUP BY "order") o USING ("order")'
    )
