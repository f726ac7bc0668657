"""Bins of basket values, with an edge at the threshold, and the orders counted in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.small_cells import hidden

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_NICE = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Grid:
    """Equal bins, closed on the left.

    Attributes
    ----------
    cutoff, width : float
    below, above : int
        Bins below the cutoff, and from there on.
    low, high : int
        The window in bins: the first one in it, and the first one beyond it.
    """

    cutoff: float
    width: float
    below: int
    above: int
    low: int
    high: int

    @property
    def bins(self) -> int:
        """Bins in all."""
        return self.below + self.above

    @property
    def edges(self) -> FloatArray:
        """Left edges, and the right one of the last bin."""
        return self.cutoff + self.width * np.arange(-self.below, self.above + 1.0)

    @property
    def middles(self) -> FloatArray:
        """Middles of the bins."""
        return self.edges[:-1] + self.width / 2

    def place(self, basket: FloatArray) -> IntArray:
        """Cell of each basket: 0 below all bins, 1 to `bins`, and one more above them all."""
        # A basket of 299.99999999997 that was written as 300 belongs above.
        bin_of = np.floor((basket - self.cutoff) / self.width + 1e-9) + self.below
        return np.asarray(np.clip(bin_of + 1, 0, self.bins + 1).astype(np.int64))


def usual_width(cutoff: float) -> float:
    """About a sixtieth of the threshold: 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> usual_width(300), usual_width(99), usual_width(2000)
    (5.0, 2.0, 50.0)
    """
    wish = cutoff / 60
    power = 10.0 ** math.floor(math.log10(wish))
    return min((nice * power for nice in _NICE), key=lambda w: abs(math.log(w / wish)))


@dataclass(frozen=True, eq=False)
class Counts:
    """Orders by cell (`Grid.place`), one row for each draw.

    Attributes
    ----------
    seen : ndarray, shape (draws, bins + 2)
        Orders with the promotion.
    other : ndarray, shape (draws, bins + 2), or None
        Orders to compare with.
    """

    seen: FloatArray
    other: FloatArray | None

    @property
    def inside(self) -> FloatArray:
        """Orders with the promotion in the bins alone."""
        return self.seen[:, 1:-1]

    def take(self, rows: NDArray[np.bool_] | IntArray) -> Counts:
        """Some of the draws."""
        return Counts(self.seen[rows], None if self.other is None else self.other[rows])


def unshown(count: FloatArray, grid: Grid) -> BoolArray:
    """Which bins are not shown, shape (bins,): of 1 to 9 orders, and more where the sum of the window tells of them.

    Parameters
    ----------
    count : ndarray, shape (bins,)
    grid : Grid
    """
    at = np.arange(grid.bins)
    window = (at >= grid.low) & (at < grid.high)
    out = np.zeros(grid.bins, dtype=bool)
    for part in (window, ~window):
        out[part] = hidden(count[part])
    return out


def means_by_bin(basket: FloatArray, cell: IntArray, grid: Grid) -> FloatArray:
    """Mean basket of each bin; NaN where there is none."""
    count = np.bincount(cell, minlength=grid.bins + 2)[1:-1]
    # Sums of what lies beyond the left edge keep their digits where baskets are large.
    beyond = np.bincount(cell, basket - grid.cutoff, minlength=grid.bins + 2)[1:-1]
    with np.errstate(invalid="ignore"):
        return np.asarray(grid.cutoff + beyond / count)
