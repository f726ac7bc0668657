"""Refunds given as rows of their own: when they come, seen from their order."""

from __future__ import annotations

from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.relation import Relation
from gmvcausal.logs.calendar import DAY, Freq
from gmvcausal.logs.facts import entry


def _lags(orders: Relation) -> str:
    """SELECT of each refund row: order, time, and the time of its order's first line as `ordered`."""
    refunded = f'SELECT "order" FROM {orders.sql} WHERE "gmv" < 0'
    return (
        f'SELECT r."order", r."time", o.ordered FROM (SELECT "order", "time" FROM {orders.sql} WHERE "gmv" < 0) r '
        f'JOIN (SELECT "order", min("time") AS ordered FROM {orders.sql} '
        f'WHERE "gmv" > 0 AND "order" IN ({refunded}) GROUP BY "order") o ON o."order" = r."order"'
    )


def check_dates(orders: Relation) -> None:
    """Refuse refund rows dated before their order; a refund that has a date only may share the day of its order.

    Raises
    ------
    InputError
    """
    day = "CAST(CAST(ordered AS DATE) AS TIMESTAMP)"
    early = f'SELECT "order", "time" FROM ({_lags(orders)}) WHERE "time" < ordered AND "time" <> {day}'
    condition = f'"gmv" < 0 AND ("order", "time") IN ({early})'
    count = int(orders.space.row(f"SELECT count(*) FROM {orders.sql} WHERE {condition}", "orders")[0])
    if count:
        raise InputError(
            "a refund is dated before its order",
            column=orders.roles["time"],
            count=count,
            rows=orders.first_rows(condition),
            remedy="correct the times of these rows, or their order ids, at their source",
        )


def late_refunds(orders: Relation, window: Freq) -> list[dict[str, Any]]:
    """The check `refund_window`: whether refunds came later after their order than the declared window."""
    late = f'epoch_us("time") - epoch_us(ordered) > {window.micros}'
    total, over, longest = orders.space.row(
        f'SELECT count(*), count(*) FILTER (WHERE {late}), max(epoch_us("time") - epoch_us(ordered)) '
        f"FROM ({_lags(orders)})",
        "orders",
    )
    if not total:
        return []
    days, limit = int(longest) / DAY, window.micros / DAY
    if not over:
        message = f"the longest of {total:,} refunds came {days:.1f} days after its order"
        return [entry("refund_window", "passed", days, limit, message)]
    return [
        entry(
            "refund_window",
            "warned",
            days,
            limit,
            f"{over:,} of {total:,} refunds ({over / total:.1%}) came later than refund_window={window.text!r} after "
            f"their order, the last of them {days:.1f} days after it",
            "declare a longer refund_window: orders of the last weeks lack refunds that are still to come",
        )
    ]
