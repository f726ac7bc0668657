"""What topping up to a threshold brought, as money needs it: per order with the promotion, at list price."""

from __future__ import annotations

from typing import Any

from gmvcausal.money.effect import Effect, known_cost
from gmvcausal.observational.notch.result import Bunching


def pile_effect(result: Bunching, cost: Any) -> Effect:
    """The effect of a `Bunching`: the total is over its orders; its cost is a number."""
    known_cost(cost)
    meta: dict[str, Any] = {"gmv_is": "list"}  # baskets are counted before the discount
    return Effect(
        result.row(0),
        result.orders,
        result.basket,
        f"{result.orders:,} orders with the promotion, added by topping up",
        meta,
        "run gc.bunching on the column of baskets before the discount",
        (),
        ("New orders, and what topping up borrows from later baskets, are not in it.",),
    )
