"""The rows of the result, with their joint spread over the draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gmvcausal.observational.notch.ask import Options
from gmvcausal.observational.notch.grid import FloatArray
from gmvcausal.observational.notch.numbers import Pile
from gmvcausal.observational.notch.read import Orders
from gmvcausal.results import Estimates
from gmvcausal.results.usual_rules import MIN_CLUSTERS
from gmvcausal.stats.resampling import percentile, percentile_p


@dataclass(frozen=True, eq=False)
class Draws:
    """The estimate (entry 0) and its draws.

    Attributes
    ----------
    pile : Pile
    reach : ndarray
        Money below the threshold at which missing and excess orders balance.
    new : ndarray or None
        Orders that topping up does not explain; with a comparison.
    """

    pile: Pile
    reach: FloatArray
    new: FloatArray | None

    def take(self, rows: NDArray[np.bool_]) -> Draws:
        """Some of the draws."""
        p = self.pile
        some = Pile(p.extra[rows], p.excess[rows], p.gap[rows], p.above[rows], p.total[rows])
        return Draws(some, self.reach[rows], None if self.new is None else self.new[rows])


def estimates_of(
    draws: Draws, asked: Options, orders: Orders, basket: str, *, responds: bool, reaches: bool
) -> Estimates:
    """All rows.

    Parameters
    ----------
    draws, asked, orders : Draws, Options, Orders
    basket : str
    responds : bool
        Whether the excess can be told from chance: what one order of it added is a ratio to it.
    reaches : bool
        Whether some window balances.
    """
    p, size = draws.pile, float(draws.pile.total[0])
    at = f"{asked.cutoff:g}"
    per, money = f"{basket} per order", basket
    over = f"over {int(size):,} orders"
    # Draws of clusters have other numbers of orders: all rows are of as many orders as were seen.
    scale = size / p.total
    share = np.divide(p.excess, p.above, out=np.full(len(p.above), np.nan), where=p.above > 0)
    rows: list[tuple[str, str, str, FloatArray]] = [
        ("extra_gmv", f"{basket} added by topping up to {at}, per order", per, p.extra / p.total),
        ("extra_gmv_total", f"{basket} added by topping up to {at}, {over}", money, p.extra * scale),
        ("excess_orders", f"orders topped up to {at} or more", "orders", p.excess * scale),
        ("excess_share", f"share topped up, of the orders at or above {at}", "share", share),
    ]
    special: dict[int, Callable[[float], tuple[float, float]]] = {}
    special_p: dict[int, float] = {}

    def by_percentiles(name: str, what: str, values: FloatArray, p_value: float | None = None) -> None:
        known = values[1:][np.isfinite(values[1:])]
        special[len(rows)] = partial(percentile, known, alternative="two-sided")
        special_p[len(rows)] = percentile_p(known, "two-sided") if p_value is None else p_value
        rows.append((name, what, money, values))

    if responds:
        with np.errstate(divide="ignore", invalid="ignore"):
            by_percentiles("response", f"{basket} added by an order that is topped up", p.extra / p.excess)
    if reaches:
        what = f"how far below {at} topping up begins: there as many orders are missing as are in excess"
        by_percentiles("reach", what, draws.reach, np.nan)
    if draws.new is not None:
        what = "orders from the window on upwards that topping up does not explain"
        rows.append(("new_orders", what, "orders", draws.new * scale))
    if asked.discount is not None:
        paid = asked.discount * p.above
        rows += [
            ("discount_paid", f"{asked.discount:g} off every order at or above {at}, {over}", money, paid * scale),
            ("windfall_share", f"share of the orders at or above {at} that would be there anyway", "share", 1 - share),
            ("net_of_discount", f"{basket} added less discount paid, {over}", money, (p.extra - paid) * scale),
        ]
    values = np.column_stack([row[3] for row in rows])
    spread = values[1:][np.isfinite(values[1:]).all(axis=1)]
    cov = np.atleast_2d(np.cov(spread, rowvar=False))
    withheld = ""
    if orders.worth is not None and orders.worth.fewest < MIN_CLUSTERS:
        cov, special, special_p = np.full_like(cov, np.nan), {}, {}
        withheld = f"there are fewer than {MIN_CLUSTERS} clusters"
    return Estimates(
        tuple(r[0] for r in rows), tuple(r[1] for r in rows), tuple(r[2] for r in rows), values[0],
        cov, (int(size),) * len(rows), withheld=withheld, special=special, special_p=special_p,
        method=f"bootstrap of {'clusters' if orders.cluster is not None else 'orders'}",
    )  # fmt: skip
