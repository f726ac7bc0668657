"""What single columns of the blocks hold: their size and zeros, skewness, quantiles, levels and large values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.intake.blocks import Block, Col, FloatArray, IntArray, column, values
from gmvcausal.frames.columns import dot

# Levels beyond so many are told by their quantiles, each to a thousandth of a power of ten.
ALL_LEVELS, _GRID, BINS, _MOST_BINS = 200_000, 2_001, 1_000, 324_000


@dataclass
class Stats:
    """Size, zeros and sum of a column over all arms."""

    rows: float = 0.0
    zeros: float = 0.0
    least: float = math.inf
    largest: float = -math.inf
    total: float = 0.0
    strange: float = 0.0  # values other than 0 and 1

    def take(self, block: Block, col: Col, flag: bool = False) -> None:
        """Add the rows of a block."""
        plain, weight = block.columns[col.plain], block.weight
        x = plain if col == col.plain else column(plain, col)  # whole numbers are quicker as they are
        self.least, self.largest = min(self.least, float(x.min())), max(self.largest, float(x.max()))
        if weight is None:
            self.rows += len(x)
            self.zeros += len(x) - np.count_nonzero(x)
            self.total += float(x.sum(dtype=np.float64))
        else:
            self.rows += float(weight.sum())
            self.zeros += float(weight[x == 0].sum())
            self.total += float(weight @ x)
        if flag:
            self.strange += float(np.count_nonzero((x != 0) & (x != 1)))


def skewness(blocks: Iterable[Block], col: Col, mean: float) -> float:
    """Third standardised moment over all arms; 0 without variance."""
    n = square = cube = 0.0
    for block in blocks:
        moved = values(block, col) - mean
        squares = moved * moved
        weighted = squares if block.weight is None else squares * block.weight
        n += len(moved) if block.weight is None else float(block.weight.sum())
        square += float(weighted.sum())
        cube += dot(weighted, moved)
    dust = (1e-13 * max(abs(mean), 1e-300)) ** 2
    return cube / n / (square / n) ** 1.5 if square / n > dust else 0.0


def _live(block: Block, col: Col) -> tuple[FloatArray, FloatArray | None]:
    """The non-zero values of a column, with their weights; short whole numbers are counted."""
    x, weight = block.columns[col.plain], block.weight
    if col.cap is not None or col.any or col.below is not None:
        x = column(x, col)
    elif x.dtype == np.int8:
        counted = np.bincount(x.view(np.uint8), weight, minlength=256)
        counted[0] = 0
        (keep,) = (counted != 0).nonzero()
        return keep.astype(np.uint8).view(np.int8).astype(float), counted[keep].astype(float)
    (keep,) = (x != 0).nonzero()
    return np.asarray(x[keep], dtype=float), None if weight is None else weight[keep]


def _most(plain: NDArray[Any], col: Col) -> int:
    """At most so many values of a column are not zero."""
    return int(np.count_nonzero(plain)) if col is col.plain else len(plain)


def quantile(blocks: Iterable[Block], col: Col, share: float) -> float:
    """Quantile of the non-zero values over all arms (linear between neighbours); NaN where there are none."""
    blocks = list(blocks)
    # Filled in place: this is the largest array that a test from a file needs at once.
    value = np.empty(sum(_most(block.columns[col.plain], col) for block in blocks))
    weights: list[tuple[slice, FloatArray]] = []
    size = 0
    for block in blocks:
        x, w = _live(block, col)
        at = slice(size, size + len(x))
        value[at] = x
        size += len(x)
        if w is not None and len(w):
            weights.append((at, w))
    value = value[:size]
    if not size:
        return math.nan
    if not weights:
        return float(np.quantile(value, share, overwrite_input=True))
    weight = np.ones(size)
    for at, w in weights:
        weight[at] = w
    order = np.argsort(value)
    value, upto = value[order], np.cumsum(weight[order])
    place = share * (upto[-1] - 1)
    low, high = (value[np.searchsorted(upto, rank, side="right")] for rank in (math.floor(place), math.ceil(place)))
    part = place - math.floor(place)
    return float(low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part))


def levels(blocks: Iterable[Block], col: Col, live: float) -> FloatArray:
    """Decimal logarithms of the `live` non-zero values, sorted; beyond 200,000 of them a grid of their quantiles."""
    exact: list[FloatArray] = []
    bins = np.zeros(2 * _MOST_BINS, dtype=np.int64)
    for block in blocks:
        x, weight = _live(block, col)
        level = np.log10(np.abs(x))
        if live <= ALL_LEVELS:
            exact.append(level if weight is None else np.repeat(level, weight.astype(np.int64)))
        elif len(level):
            at = np.floor(level * BINS).astype(np.int64) + _MOST_BINS
            low = int(at.min())
            counted = np.bincount(at - low, weight)
            bins[low : low + len(counted)] += counted.astype(np.int64)
    if live <= ALL_LEVELS:
        return np.sort(np.concatenate([*exact, np.zeros(0)]))
    (held,) = bins.nonzero()
    return grid(held - _MOST_BINS, bins[held])


def grid(bins: IntArray, counts: IntArray) -> FloatArray:
    """Levels at even steps of their distribution, from counts of each thousandth of a power of ten (sorted)."""
    upto = np.cumsum(counts)
    at = np.searchsorted(upto, np.linspace(0, 1, _GRID) * (upto[-1] - 1), side="right")
    return np.asarray(bins[at] / BINS, dtype=float)


def above(blocks: Iterable[Block], col: Col, cut: float, arms: int) -> IntArray:
    """How many values of each arm lie above `cut`."""
    found = np.zeros(arms)
    for block in blocks:
        over = values(block, col) > cut
        found[block.arm] += np.count_nonzero(over) if block.weight is None else block.weight[over].sum()
    return found.astype(np.int64)


def apart(blocks: Iterable[Block], first: Col, second: Col) -> bool:
    """Whether the first column is not zero somewhere where the second is."""
    return any(bool(np.any((values(b, second) == 0) & (values(b, first) != 0))) for b in blocks)
