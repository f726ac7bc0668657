"""The result of `gmvcausal.bunching`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.observational.notch.grid import FloatArray, Grid
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
    advice : tuple of str
    """

    checks: Audit
    grid: Grid
    seen: FloatArray = field(repr=False)
    expected: FloatArray = field(repr=False)
    orders: int = 0
    basket: str = ""
    advice: tuple[str, ...] = ()

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
            basket_from, basket_to, orders, expected (without the promotion), in_window.
        """
        import pandas as pd

        edges, at = self.grid.edges, np.arange(self.grid.bins)
        return pd.DataFrame({
            "basket_from": edges[:-1], "basket_to": edges[1:], "orders": self.seen.astype(int),
            "expected": self.expected, "in_window": (at >= self.grid.low) & (at < self.grid.high),
        })  # fmt: skip

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """``"bunching"``: orders by basket, seen and expected."""
        return ("bunching",)

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        if kind != "bunching":
            raise KeyError(kind)
        g, ends = self.grid, self.grid.edges
        top = float(max(self.seen.max(), self.expected.max()))
        marks = [
            ("threshold", ends[g.below], "dashed"),
            ("window", ends[g.low], "dotted"),
            ("", ends[g.high], "dotted"),
        ]
        lines = [
            Line("orders with the promotion", g.middles, self.seen, "points"),
            Line("expected without it", g.middles, self.expected),
            *(Line(name, np.array([at, at]), np.array([0.0, top]), style) for name, at, style in marks),
        ]
        return Curves(f"Baskets at {g.cutoff:g}", self.basket, f"orders per {g.width:g}", tuple(lines))
