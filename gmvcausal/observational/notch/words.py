"""What the result of `gc.bunching` says."""

from __future__ import annotations

from gmvcausal.frames.params import counted
from gmvcausal.observational.notch.ask import Options
from gmvcausal.observational.notch.checks import NEW_ORDERS
from gmvcausal.observational.notch.grid import Grid
from gmvcausal.observational.notch.read import Orders
from gmvcausal.observational.notch.smooth import Design
from gmvcausal.observational.notch.terms import Draws
from gmvcausal.stats.small_cells import MIN_CELL

UNSHOWN = f"bins of fewer than {MIN_CELL} orders, and what would give them away, are not shown"


def title(basket: str, grid: Grid, orders: Orders) -> str:
    """What was done."""
    how = f"compared with {orders.without}" if orders.compared else "against a smooth curve"
    return f"Bunching: {basket} topped up to {grid.cutoff:g}, {how}"


def assumption(how: Design | None, orders: Orders) -> str:
    """What the number rests on."""
    moved = "topping up moves orders within the window alone, and makes none"
    if how is None:
        return (
            f"without the promotion the baskets of {orders.with_it} within the window would be spread as those of "
            f"{orders.without}; {moved}"
        )
    heaps = ", with heaps at round numbers that are alike everywhere," if how.round_terms else ""
    return (
        f"without the promotion the counts of baskets{heaps} would run through the window along the curve fitted "
        f"outside of it (a polynomial of order {how.order}); {moved}; no order came because of the promotion"
    )


def notes(grid: Grid, asked: Options, orders: Orders, how: Design | None, lost: int, found: bool) -> list[str]:
    """What was decided."""
    edges = grid.edges
    where = "as given" if asked.window else "as found by convergence" if asked.converge and found else "by default"
    out = [
        f"bins of {grid.width:g} from {edges[0]:g} to {edges[-1]:g}; window {edges[grid.low]:g} to "
        f"{edges[grid.high]:g} ({where})"
    ]
    if how is not None:
        rounds = f"; terms: {', '.join(how.round_terms)}" if how.round_terms else "; no terms of round numbers"
        out.append(f"polynomial of order {how.order} in the logarithm of the basket{rounds}")
    else:
        out.append(f"orders of {orders.without} had no promotion, those of {orders.with_it} had it")
    if not found:
        out.append("the row 'reach' is left out: no window has as many orders missing below as are in excess above")
    if lost:
        out.append(f"{counted(lost, 'draw')} of the bootstrap left out, in which the curve does not converge")
    return out


def advice(draws: Draws, asked: Options, orders: Orders, *, responds: bool) -> tuple[str, ...]:
    """What the summary adds to the finding."""
    p = draws.pile
    above, excess, extra = float(p.above[0]), float(p.excess[0]), float(p.extra[0])
    lines = []
    if responds and extra > 0:
        lines.append(
            f"Of {above:,.0f} orders at or above {asked.cutoff:g} about {excess:,.0f} ({excess / above:.0%}) were "
            f"topped up, by {extra / excess:,.4g} each; the others would be there anyway."
        )
    if asked.discount is not None:
        paid = asked.discount * above
        lines.append(
            f"GMV is at list price: topping up added {extra:,.0f}, the discount took {paid:,.0f} off the orders at or "
            f"above {asked.cutoff:g}: paid GMV changed by {extra - paid:,.0f}, new orders apart."
        )
    if not orders.compared:
        lines.append(f"{NEW_ORDERS[0].upper()}{NEW_ORDERS[1:]}.")
    return tuple(lines)
