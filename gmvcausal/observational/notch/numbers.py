"""From counts to what would have been, the pile, and what topping up brought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmvcausal.observational.notch.grid import Counts, FloatArray, Grid, IntArray
from gmvcausal.observational.notch.smooth import Design, poisson

# Missing and excess orders balance where they differ by less than this share of the excess: beyond the true reach their
# difference wanders about zero by chance, and to wait for it to cross would pass the reach by far, or never end.
NEARLY = 0.05

# Counts, first bin of the window, start -> expected counts by bin (draws, bins), and where to start next time.
Expect = Callable[[Counts, int, FloatArray | None], tuple[FloatArray, FloatArray | None]]


def by_comparison(grid: Grid) -> Expect:
    """Expected counts: those of the comparison, on the scale of what lies outside of the window."""

    def expected(counts: Counts, low: int, start: FloatArray | None) -> tuple[FloatArray, FloatArray | None]:
        assert counts.other is not None
        inside = slice(low + 1, grid.high + 1)
        ours = counts.seen.sum(axis=1) - counts.seen[:, inside].sum(axis=1)
        theirs = counts.other.sum(axis=1) - counts.other[:, inside].sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return counts.other[:, 1:-1] * (ours / theirs)[:, None], None

    return expected


def by_polynomial(grid: Grid, how: Design) -> Expect:
    """Expected counts: a smooth curve through the bins outside of the window."""

    def expected(counts: Counts, low: int, start: FloatArray | None) -> tuple[FloatArray, FloatArray | None]:
        keep = np.ones(grid.bins, dtype=bool)
        keep[low : grid.high] = False
        beta = poisson(counts.inside, how.columns, keep, start)
        return np.exp(np.clip(beta @ how.columns.T, -40, 40)), beta

    return expected


def converge(counts: Counts, grid: Grid, expected: Expect, farthest: int) -> tuple[IntArray, FloatArray, FloatArray]:
    """Widen the window downwards until as many orders are missing below as are in excess above, but for 5 %.

    Parameters
    ----------
    counts : Counts
    grid : Grid
    expected : callable
    farthest : int
        The lowest first bin that is tried.

    Returns
    -------
    low : ndarray of int, shape (draws,)
        First bin of the window; -1 where nothing down to `farthest` balances.
    curve : ndarray, shape (draws, bins)
        Expected counts given that window (given `farthest` where nothing balances).
    start : ndarray
        Orders that are expected and missing in the last window tried, less the excess.
    """
    size = len(counts.seen)
    low = np.full(size, -1, dtype=np.int64)
    curve, left = np.full((size, grid.bins), np.nan), np.full(size, np.nan)
    going, start = np.arange(size), None
    for first in range(grid.below - 1, farthest - 1, -1):
        some = counts.take(going)
        found, start = expected(some, first, start)
        gap = (found - some.inside)[:, first : grid.high].sum(axis=1)
        excess = (some.inside - found)[:, grid.below : grid.high].sum(axis=1)
        balanced = gap >= -NEARLY * np.maximum(excess, 0.0)
        stop = balanced | (first == farthest)
        low[going[balanced]] = first
        curve[going[stop]], left[going[stop]] = found[stop], gap[stop]
        going = going[~stop]
        start = None if start is None else start[~stop]
        if not len(going):
            break
    return low, curve, left


@dataclass(frozen=True, eq=False)
class Pile:
    """What the counts say, one entry for each draw.

    Attributes
    ----------
    extra : ndarray
        GMV that topping up added, in money, over all orders with the promotion.
    excess : ndarray
        Orders above the threshold that would have been below: as many are missing there.
    gap : ndarray
        Orders in the window less those expected there, before both are made equal.
    above, total : ndarray
        Orders at or above the threshold, and all of them.
    """

    extra: FloatArray
    excess: FloatArray
    gap: FloatArray
    above: FloatArray
    total: FloatArray


def pile(counts: Counts, curve: FloatArray, low: IntArray, grid: Grid, means: FloatArray, usual: FloatArray) -> Pile:
    """Excess and extra GMV in the window, in which topping up moves orders and makes none.

    As many orders are expected in the window as are seen there, spread as `curve` says. So the extra GMV is the number
    of orders in the window times the difference between the mean basket seen and the mean basket expected.

    Parameters
    ----------
    counts : Counts
    curve : ndarray, shape (draws, bins)
    low : ndarray of int, shape (draws,)
        First bin of the window.
    grid : Grid
    means, usual : ndarray, shape (bins,)
        Mean basket by bin of the orders seen, and of those expected.
    """
    at = np.arange(grid.bins)
    window = (at >= low[:, None]) & (at < grid.high)
    seen, expected = np.where(window, counts.inside, 0.0), np.where(window, curve, 0.0)
    orders, likely = seen.sum(axis=1), expected.sum(axis=1)
    expected = expected * (orders / likely)[:, None]
    # Money is counted from the threshold, so that a constant does not swamp small differences.
    away = np.nan_to_num(means - grid.cutoff), np.nan_to_num(usual - grid.cutoff)
    return Pile(
        seen @ away[0] - expected @ away[1],
        (seen - expected)[:, grid.below :].sum(axis=1),
        orders - likely,
        counts.seen[:, grid.below + 1 :].sum(axis=1),
        counts.seen.sum(axis=1),
    )
