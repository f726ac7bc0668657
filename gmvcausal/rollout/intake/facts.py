"""What the audit reads from the outcomes besides their moments: of a matrix in memory, or added up where rows pass by.

Both roads add up the same numbers in the same bins, so that they come to the same verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.humps import humps_of_bins

FloatArray = NDArray[np.float64]

MOST_LOG = 25.0  # exp(25) is 72 billion: no logarithm of an amount lies above
_ROWS = 16_384
_SAMPLE = 20_000
_BINS = 16  # a power of ten
_LOWEST = 330  # powers of ten below 1 that a double reaches


def early_periods(width: int) -> int:
    """The last column in which a unit is active early, of a panel of so many periods."""
    return max(1, round(width / 13))


@dataclass(frozen=True)
class Levels:
    """Decimal logarithms of the units' levels, in bins.

    A unit's level is the mean of what is not zero, without its sign; a unit without any has none.

    Attributes
    ----------
    count, total, square : ndarray, shape (bins,)
        Units in every bin, and the sums of their logarithms and of the squares of these.
    """

    count: FloatArray
    total: FloatArray
    square: FloatArray

    @property
    def units(self) -> int:
        """Units that have a level."""
        return int(self.count.sum())

    def humps(self) -> tuple[float, float]:
        """See `stats.humps.two_humps`."""
        return humps_of_bins(self.count, self.total, self.square)

    def __add__(self, other: Levels) -> Levels:
        return Levels(self.count + other.count, self.total + other.total, self.square + other.square)


class Facts(Protocol):
    """Facts of the outcomes."""

    @property
    def zeros(self) -> float:
        """Share of the unit-periods whose outcome is 0."""

    @property
    def nothing(self) -> bool:
        """Whether every outcome is 0."""

    @property
    def levels(self) -> Levels:
        """See `Levels`."""

    @property
    def of_cents(self) -> bool:
        """Whether the values are log(1 + x) of amounts in whole cents, with zeros."""

    @property
    def may_be_logs(self) -> bool:
        """Whether all values are at least 0 and below what a logarithm of an amount reaches."""


@dataclass(frozen=True)
class Tally:
    """Facts as sums of disjoint rows.

    Attributes
    ----------
    cells, zero : int
        Values, and those that are 0.
    off : int
        Values that are no whole cents themselves.
    cents : bool
        Whether each value that is not 0 is log(1 + x) of whole cents, as far as was looked.
    low, high : float
        Smallest and largest value.
    levels : Levels
    """

    cells: int
    zero: int
    off: int
    cents: bool
    low: float
    high: float
    levels: Levels

    @property
    def zeros(self) -> float:
        """See `Facts`."""
        return self.zero / max(self.cells, 1)

    @property
    def nothing(self) -> bool:
        """See `Facts`."""
        return self.zero == self.cells

    @property
    def of_cents(self) -> bool:
        """See `Facts`."""
        some = self.cells - self.zero
        return self.cents and self.may_be_logs and 0 < some < self.cells and self.off > 0.5 * some

    @property
    def may_be_logs(self) -> bool:
        """See `Facts`."""
        return self.low >= 0 and self.high < MOST_LOG

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.cells + other.cells,
            self.zero + other.zero,
            self.off + other.off,
            self.cents and other.cents,
            min(self.low, other.low),
            max(self.high, other.high),
            self.levels + other.levels,
        )


def tally(y: FloatArray, cents: bool = True) -> Tally:
    """Facts of complete rows, shape (r, T); with `cents` false nobody asks any more whether they are logs of cents."""
    flat = y.reshape(-1)
    some = flat[flat != 0]
    cents, off = _cents(some) if cents else (False, 0)
    low, high = (float(flat.min()), float(flat.max())) if len(flat) else (np.inf, -np.inf)
    return Tally(len(flat), len(flat) - len(some), off, cents, low, high, levels_of(y))


def _cents(some: FloatArray) -> tuple[bool, int]:
    """Whether values that are not 0 are logs of whole cents, and how many are no whole cents themselves."""
    if not len(some) or some.min() < 0 or some.max() >= MOST_LOG:
        return not len(some), 0
    cents = 100 * np.expm1(some)
    near = np.abs(cents - np.round(cents)) < 1e-6 * np.maximum(1.0, cents / 1e6)
    plain = 100 * some
    return bool(near.all()), int((np.abs(plain - np.round(plain)) > 1e-6).sum())


def levels_of(y: FloatArray) -> Levels:
    """Levels of the units of a matrix, shape (R, T); NaN where absent."""
    sums, count, ones = np.zeros(len(y)), np.zeros(len(y)), np.ones(y.shape[1])
    for low in range(0, len(y), _ROWS):
        size = np.abs(y[low : low + _ROWS])
        size[~np.isfinite(size)] = 0.0
        sums[low : low + _ROWS] = size @ ones
        count[low : low + _ROWS] = np.greater(size, 0.0).astype(float) @ ones
    any_sold = count > 0
    level = np.log10(sums[any_sold] / count[any_sold])
    code = np.floor((level + _LOWEST) * _BINS).astype(np.int64)
    made = [np.bincount(code, w, 2 * _LOWEST * _BINS).astype(float) for w in (None, level, level * level)]
    return Levels(*made)


@dataclass(frozen=True)
class MatrixFacts:
    """Facts of a matrix in memory, each made when it is asked for.

    Attributes
    ----------
    y : ndarray, shape (R, T)
        NaN where absent.
    """

    y: FloatArray

    def _pieces(self) -> Iterator[FloatArray]:
        for low in range(0, len(self.y), _ROWS):
            rows = self.y[low : low + _ROWS]
            yield rows[np.isfinite(rows)]

    @cached_property
    def zeros(self) -> float:
        """See `Facts`."""
        counts = np.array([(len(piece), int((piece == 0).sum())) for piece in self._pieces()])
        return float(counts[:, 1].sum() / max(counts[:, 0].sum(), 1))

    @cached_property
    def nothing(self) -> bool:
        """See `Facts`."""
        return not any(piece.any() for piece in self._pieces())  # the first rows nearly always settle it

    @cached_property
    def levels(self) -> Levels:
        """See `Facts`."""
        return levels_of(self.y)

    @cached_property
    def of_cents(self) -> bool:
        """See `Facts`."""
        flat = self.y.reshape(-1)
        some = flat[:: max(1, len(flat) // _SAMPLE)]
        if not _cents(some[np.isfinite(some) & (some != 0)])[0]:  # which settles it nearly always
            return False
        off, sold = 0, 0
        for piece in self._pieces():
            values = piece[piece != 0]
            whole, fine = _cents(values)
            if not whole:
                return False
            off, sold = off + fine, sold + len(values)
        return sold > 0 and off > 0.5 * sold and self.zeros > 0

    @cached_property
    def may_be_logs(self) -> bool:
        """See `Facts`."""
        return all(not len(p) or (p.min() >= 0 and p.max() < MOST_LOG) for p in self._pieces())
