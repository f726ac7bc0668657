"""What the data say against a pile."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmvcausal.observational.notch.grid import Counts, FloatArray, Grid
from gmvcausal.observational.notch.read import Orders
from gmvcausal.observational.notch.rules import RULES
from gmvcausal.results import Check
from gmvcausal.stats.inference import p_value
from gmvcausal.stats.multiplicity import holm

Add = Callable[..., None]

NEW_ORDERS = "whether the promotion brought orders that would not have come at all cannot be seen without compare="


@dataclass(frozen=True, eq=False)
class Found:
    """What the checks look at: entry 0 of each array is the estimate, the others are draws of it.

    Attributes
    ----------
    counts : Counts
    curve : ndarray, shape (1 + draws, bins)
        Expected counts, the window being that of the estimate.
    extra, excess, gap : ndarray, shape (1 + draws,)
    new : ndarray, shape (1 + draws,), or None
        Orders from the window on upwards, less those expected; with a comparison.
    orders : extra GMV by order of the polynomial; without a comparison.
    parameters : int
        Of the fit.
    converged : bool
        Whether some window balances.
    asked : bool
        Whether that window is the one used.
    """

    counts: Counts
    curve: FloatArray
    extra: FloatArray
    excess: FloatArray
    gap: FloatArray
    new: FloatArray | None
    orders: dict[int, float]
    parameters: int
    converged: bool
    asked: bool


_SHOWN = 0.05


def each_time(orders: Orders, cutoff: float) -> Check | None:
    """Do orders pile up at twice the threshold, as they do where the discount is given for every so much?"""
    from scipy import stats

    if not math.isfinite(cutoff):
        return None
    width, ours = 0.05 * cutoff, orders.group == 1
    at = 2 * cutoff - 1e-9
    sides = [
        [int(((b >= at - width) & (b < at)).sum()), int(((b >= at) & (b < at + width)).sum())]
        for b in (orders.basket[ours], orders.basket[~ours])
    ]
    (below, above), other = sides
    if below + above < 20:
        return Check("each_time", "not_run", f"too few orders lie about {2 * cutoff:g}, twice the threshold")
    if orders.compared and sum(other) >= 20:
        table = np.array([[above, below], other[::-1]])
        p = float(stats.fisher_exact(table, alternative="greater")[1])
    else:
        p = float(stats.binom.sf(above - 1, above + below, 0.5))
    return RULES.check(
        "each_time", p,
        f"{above:,} orders lie just above {2 * cutoff:g}, {below:,} just below: p = {p:.2g}",
        f"an offer for every {cutoff:g} gives its discount twice from {2 * cutoff:g} on, and is counted once an order "
        "here: leave discount= out, and add up what was given from the orders themselves",
    )  # fmt: skip


def p_of(values: FloatArray) -> tuple[float, float]:
    """Standard error of the first value by the spread of the others, and its p-value against 0."""
    error = float(np.std(values[1:], ddof=1))
    return error, float(p_value(np.array([values[0]]), np.array([error]))[0]) if error > 0 else math.nan


def checks_of(found: Found, grid: Grid, low: int, clustered: bool) -> list[Check]:
    """All checks of one call."""
    out: list[Check] = []

    def add(name: str, value: float, message: str, remedy: str, *, status: str | None = None) -> None:
        if math.isnan(value):
            out.append(Check(name, "not_run", message))
        else:
            out.append(RULES.check(name, value, message, remedy, status=status))

    compared = found.counts.other is not None
    error, p = p_of(found.excess)
    add(
        "excess", p,
        f"{found.excess[0]:,.1f} orders (standard error {error:,.1f}) above {grid.cutoff:g} would have been below: "
        f"p = {p:.2g}",
        "the pile cannot be told from chance, so nobody was shown to have topped up: what one order of the pile added "
        "is not said",
        status="warned" if found.excess[0] <= 0 else None,
    )  # fmt: skip
    _, p = p_of(found.gap)
    more = "more" if found.gap[0] > 0 else "fewer"
    status = "warned" if found.asked and not found.converged and not p < 0.01 else None
    add(
        "missing_mass", p,
        f"in the window lie {abs(found.gap[0]):,.1f} orders {more} than without the promotion: p = {p:.2g}"
        + ("" if found.converged else "; no window reaches as many missing orders as there are in excess"),
        "topping up moves orders and makes none. More in the window: new orders came, or shoppers came up from further "
        "below (a wider window=); fewer: the pile goes on above it" + ("" if compared else ", or the curve is wrong "
        "(compare= needs none)"),
        status=status,
    )  # fmt: skip
    if found.excess[0] > 0 and p_of(found.excess)[1] < _SHOWN:
        near = float(_gaps(found)[0, grid.below : grid.below + _next_to(grid)].sum())
        upto = f"{grid.cutoff:g} and {grid.cutoff + _next_to(grid) * grid.width:g}"
        add(
            "pile_in_place", near / float(found.excess[0]),
            f"between {upto} lie {near:+,.1f} orders against those expected, of {found.excess[0]:,.1f} in excess",
            f"those who top up stop just above the threshold, and here they do not: is {grid.cutoff:g} the threshold, "
            "in the same money, before the discount?",
        )  # fmt: skip
    _ends(add, found, grid, low)
    _others(add, found, grid, low)
    if compared:
        assert found.new is not None
        error, p = p_of(found.new)
        add(
            "new_orders", p,
            f"from the window on upwards came {found.new[0]:+,.1f} orders (standard error {error:,.1f}) against what "
            f"those below lead to expect: p = {p:.2g}",
            "orders came, or stayed away, that topping up does not explain, and some may lie in the pile: compare all "
            "GMV of those with and without the promotion (gc.ab_test where it was drawn by lot, gc.did over time)",
        )  # fmt: skip
    else:
        out.append(Check("new_orders", "not_run", NEW_ORDERS))
        _of_curve(add, found, grid, low, clustered)
    _sizes(add, found, grid, low)
    return out


def _next_to(grid: Grid) -> int:
    return max(1, math.ceil(0.05 * grid.cutoff / grid.width))


def _gaps(found: Found) -> FloatArray:
    return np.asarray(found.counts.inside - found.curve)


def _ends(add: Add, found: Found, grid: Grid, low: int) -> None:
    gaps, k = _gaps(found), _next_to(grid)
    sides = {
        "below": gaps[:, max(low - k, 0) : low].sum(axis=1),
        "above": gaps[:, grid.high : grid.high + k].sum(axis=1),
    }
    p = {name: p_of(values)[1] for name, values in sides.items()}
    # Where nobody lies, neither seen nor expected, there is nothing to be surprised at.
    adjusted = holm(np.nan_to_num(np.array(list(p.values())), nan=1.0))
    j = int(np.argmin(adjusted))
    name = list(p)[j]
    add(
        "window_ends", float(adjusted[j]),
        f"the {k * grid.width:g} next {name} the window hold {sides[name][0]:+,.1f} orders against those expected "
        f"(p = {adjusted[j]:.2g} of two)",
        f"the window may be too narrow {name}: pass a wider window=",
    )  # fmt: skip


def _others(add: Add, found: Found, grid: Grid, low: int) -> None:
    gaps, k = _gaps(found), _next_to(grid)
    total = np.concatenate([np.zeros((len(gaps), 1)), np.cumsum(gaps, axis=1)], axis=1)
    outside = [e for e in range(k, grid.bins - k + 1) if e + k <= low or e - k >= grid.high]
    # Above the threshold orders thin out; a step upwards inside the window is another offer's.
    inside = list(range(grid.below + k, grid.high - k + 1))
    at = np.array([*outside, *inside])
    if not len(at):
        return
    steps = (total[:, at + k] - total[:, at]) - (total[:, at] - total[:, at - k])
    error = np.std(steps[1:], axis=0, ddof=1)
    p = np.minimum(1.0, np.nan_to_num(np.asarray(p_value(steps[0], error)), nan=1.0) * len(at))
    p[len(outside) :][steps[0, len(outside) :] <= 0] = 1.0
    j = int(np.argmin(p))
    add(
        "other_thresholds", float(p[j]),
        f"the largest step elsewhere is near {grid.edges[at[j]]:g} ({steps[0, j]:+,.1f} orders, p = {p[j]:.2g} among "
        f"{len(at)})",
        f"another offer (a ladder of thresholds), or a heap of prices, is near {grid.edges[at[j]]:g}: pass fit_range= "
        "that leaves it out, or compare= with orders that knew the same prices",
    )  # fmt: skip


def _of_curve(add: Add, found: Found, grid: Grid, low: int, clustered: bool) -> None:
    error, _ = p_of(found.extra)
    away = {k: abs(v - found.extra[0]) / error for k, v in found.orders.items() if error > 0}
    if away:
        worst = max(away, key=lambda k: away[k])
        add(
            "polynomial", away[worst],
            f"with order {worst} the extra GMV is {found.orders[worst]:,.4g} in place of {found.extra[0]:,.4g}: "
            f"{away[worst]:.2g} standard errors away",
            "the curve decides the number: pass compare= (orders of a time or a group without the promotion), or a "
            "narrower fit_range=",
        )  # fmt: skip
    else:
        out_of_bins = "there are too few bins for a polynomial of another order"
        add("polynomial", math.nan, out_of_bins, "")
    outside = np.ones(grid.bins, dtype=bool)
    outside[low : grid.high] = False
    if not clustered:
        from scipy import stats

        seen, mean = found.counts.inside[0][outside], found.curve[0][outside]
        with np.errstate(divide="ignore", invalid="ignore"):
            pearson = float(np.nansum((seen - mean) ** 2 / mean))
        df = int(outside.sum()) - found.parameters
        p = float(stats.chi2.sf(pearson, df))
        add(
            "fit", p, f"the curve misses the bins outside of the window by {pearson:.4g} on {df} degrees of freedom",
            "the counts do not run along the curve: heaps at prices (round_numbers=), too wide a fit_range=, or too "
            "low an order=; compare= needs no curve",
        )  # fmt: skip
    round_ = math.isclose(grid.cutoff / 10, round(grid.cutoff / 10))
    add(
        "round_cutoff", float(round_),
        f"{grid.cutoff:g} is {'a' if round_ else 'no'} round number"
        + (", where baskets may heap without any promotion" if round_ else ""),
        "a heap at round numbers elsewhere is taken off (round_numbers=); one that is this number's own is not: pass "
        "compare= with orders without the promotion",
        status="warned" if round_ else "passed",
    )  # fmt: skip


def _sizes(add: Add, found: Found, grid: Grid, low: int) -> None:
    groups = [found.counts.seen[0]] + ([] if found.counts.other is None else [found.counts.other[0]])
    sizes = [(g[low + 1 : grid.below + 1].sum(), g[grid.below + 1 : grid.high + 1].sum()) for g in groups]
    said = f"{int(sizes[0][0]):,} orders lie in the window below {grid.cutoff:g} and {int(sizes[0][1]):,} from there on"
    if len(sizes) == 2:
        said += f"; in the comparison {int(sizes[1][0]):,} and {int(sizes[1][1]):,}"
    add("few_orders", float(min(min(s) for s in sizes)), said, "collect more orders: so few say little about a pile")
