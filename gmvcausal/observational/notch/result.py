"""The result of `gmvcausal.bunching`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.observational.notch.grid import BoolArray, FloatArray, Grid
from gmvcausal.results import Audit, Result
from gmvcausal.results.curves import Curves, Line

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False, eq=False)
class Bunching(Result):
    """What topping up to a threshold brought, with its audit.

    Rows of `to_frame()`: ``extra_gmv`` per order (the headline) and ``extra_gmv_total``; ``excess_orders`` and
    ``excess_share`` (orders that topping up brought above the threshold; their share of all there); ``response`` (what
    one of them added) and ``reach`` (how far below the threshold topping up begins), where the data say; with a
    comparison ``new_orders``; with a discount ``discount_paid``, ``windfall_share`` and ``net_of_discount``.

    Attributes
    ----------
    checks : Audit
    grid : Grid
        Bins and window.
    seen, expected : ndarray, shape (bins,)
        Orders by bin: those with the promotion, and those expected without it.
    orders : int
        Orders with the promotion.
    away : ndarray of bool, shape (2, bins)
        Bins of which the orders seen, and those expected, are not shown: of fewer than ten, and what tells of them.
    advice : tuple of str
    """

    checks: Audit
    grid: Grid
    seen: FloatArray = field(repr=False)
    expected: FloatArray = field(repr=False)
    orders: int = 0
    basket: str = ""
    advice: tuple[str, ...] = ()
    away: BoolArray | None = field(default=None, repr=False)

    @property
    def audit(self) -> Audit:
        """The checks on the pile and on what it is compared with."""
        return self.checks

    @property
    def everybody(self) -> str:
        """Whom the finding rests on."""
        inside = int(self.seen[self.grid.low : self.grid.high].sum())
        return f"{inside:,} orders in the window, of {self.orders:,} with the promotion"

    def counterfactual(self) -> pd.DataFrame:
        """Orders by bin, seen and expected.

        Returns
        -------
        DataFrame
            basket_from, basket_to, orders, expected (without the promotion), in_window. Bins of 1 to 9 orders, which
            say who bought for how much, are left empty, and one more with them where their sum is known; so are bins
            expected from so few orders of a comparison.
        """
        import pandas as pd

        edges, at = self.grid.edges, np.arange(self.grid.bins)
        seen, expected = self._shown
        orders = pd.Series(seen, dtype="Int64") if np.isnan(seen).any() else seen.astype(int)
        return pd.DataFrame({
            "basket_from": edges[:-1], "basket_to": edges[1:], "orders": orders, "expected": expected,
            "in_window": (at >= self.grid.low) & (at < self.grid.high),
        })  # fmt: skip

    @property
    def _shown(self) -> tuple[FloatArray, FloatArray]:
        """Orders seen and expected, NaN where they are not shown."""
        if self.away is None:
            return self.seen, self.expected
        return np.where(self.away[0], np.nan, self.seen), np.where(self.away[1], np.nan, self.expected)

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """``"bunching"``: orders by basket, seen and expected."""
        return ("bunching",)

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        if kind != "bunching":
            raise KeyError(kind)
        g, ends = self.grid, self.grid.edges
        seen, expected = self._shown
        top = float(np.nanmax(np.concatenate([[0.0], seen, expected])))
        marks = [
            ("threshold", ends[g.below], "dashed"),
            ("window", ends[g.low], "dotted"),
            ("", ends[g.high], "dotted"),
        ]
        lines = [
            Line("orders with the promotion", g.middles, seen, "points"),
            Line("expected without it", g.middles, expected),
            *(Line(name, np.array([at, at]), np.array([0.0, top]), style) for name, at, style in marks),
        ]
        return Curves(f"Baskets at {g.cutoff:g}", self.basket, f"orders per {g.width:g}", tuple(lines))
