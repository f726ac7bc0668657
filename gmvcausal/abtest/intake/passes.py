"""Passes over the rows of a test, block by block and arm by arm: the same numbers from memory and from a file.

A block holds columns of one arm as they are stored. It is worked on in strips that stay in the processor's cache, a
row of the strip's matrix being a column of the data, so that every sum runs along memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.terms.values import Hc2
from gmvcausal.moments.core import Moments, add

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_STRIP = 8_192
# Levels beyond so many are told by their quantiles, each to a thousandth of a power of ten.
_ALL_LEVELS, _GRID, _BINS, _MOST_BINS = 200_000, 2_001, 1_000, 324_000


class Col(NamedTuple):
    """A column of the matrix: of the data, capped, the indicator of a level of a text column, of not being zero, of
    lying at or below a value, what the model of a metric (by its position) predicts, or the data with zero where a
    column of flags is not zero (`without`)."""

    name: str
    cap: float | None = None
    level: str | None = None
    any: bool = False
    below: float | None = None
    model: int | None = None
    without: str | None = None

    @property
    def plain(self) -> Col:
        """The column as it is stored."""
        return self._replace(cap=None, any=False, below=None)


class Look(NamedTuple):
    """What a second pass finds in one arm for one value.

    Attributes
    ----------
    largest : float
        The largest squared residual.
    squares, cubes : float
        Sums over the rows of the arm.
    hc2 : float
        HC2 variance of an adjusted value; NaN where none was asked for.
    """

    largest: float
    squares: float
    cubes: float
    hc2: float


class Ask(NamedTuple):
    """One question for the second pass: residuals ``gradient . (row - mean)`` of the rows of an arm."""

    arm: int
    mean: FloatArray
    gradient: FloatArray
    hc2: Hc2 | None


@dataclass(frozen=True, eq=False)
class Block:
    """Rows of one arm.

    Attributes
    ----------
    arm : int
    columns : mapping of Col to ndarray, shape (n,)
        Plain columns, of any type of number.
    weight : ndarray of float64, shape (n,), or None
        How many equal rows each stands for; None for one.
    """

    arm: int
    columns: Mapping[Col, NDArray[Any]]
    weight: FloatArray | None = None


def column(plain: NDArray[Any], col: Col) -> FloatArray:
    """A column of the matrix as float64, from the plain one."""
    if col.below is not None:
        return np.asarray(plain <= col.below, dtype=float)
    if col.any:
        return np.asarray(plain != 0, dtype=float)
    found = np.asarray(plain, dtype=float)
    return found if col.cap is None else np.minimum(found, col.cap)


def values(block: Block, col: Col) -> FloatArray:
    """A column of the block."""
    return column(block.columns[col.plain], col)


def _strips(block: Block, cols: list[Col], shift: FloatArray) -> Iterator[tuple[FloatArray, FloatArray | None]]:
    """Matrices of shape (p, m) of the columns less `shift`, each with the rows' weights."""
    plain = [block.columns[c.plain] for c in cols]
    n = len(plain[0])
    room = np.empty((len(cols), min(n, _STRIP)))
    for low in range(0, n, _STRIP):
        high = min(low + _STRIP, n)
        strip = room[:, : high - low]
        for row, col, x, s in zip(strip, cols, plain, shift, strict=True):
            if col == col.plain:
                np.subtract(x[low:high], s, out=row, dtype=np.float64)
            else:
                np.subtract(column(x[low:high], col), s, out=row)
        yield strip, None if block.weight is None else block.weight[low:high]


def _mean(block: Block, col: Col) -> float:
    head = Block(block.arm, {col.plain: block.columns[col.plain][:_STRIP]})
    weight = None if block.weight is None else block.weight[:_STRIP]
    return float(np.average(values(head, col), weights=weight))


# --- moments ----------------------------------------------------------------------------------------------------------
def moments(blocks: Iterable[Block], cols: list[Col], arms: int) -> Moments:
    """Moments by arm."""
    p = len(cols)
    n, shift = np.zeros(arms), np.full((arms, p), np.nan)
    total, cross = np.zeros((arms, p)), np.zeros((arms, p, p))
    for block in blocks:
        a = block.arm
        if np.isnan(shift[a, 0]):
            # Close enough to every row of the arm for sums of products to keep their digits.
            shift[a] = [_mean(block, c) for c in cols]
        for strip, weight in _strips(block, cols, shift[a]):
            weighted = strip if weight is None else strip * weight
            n[a] += strip.shape[1] if weight is None else weight.sum()
            total[a] += weighted.sum(axis=1)
            cross[a] += weighted @ strip.T
    shift = np.where(np.isnan(shift), 0.0, shift)
    part = total / np.where(n > 0, n, 1.0)[:, None]
    cross -= total[:, :, None] * part[:, None, :]
    mean, rest = add(shift, part)
    return Moments(tuple(range(arms)), n, mean, (cross + cross.transpose(0, 2, 1)) / 2, rest)


# --- the second pass --------------------------------------------------------------------------------------------------
class _Plan:
    """The questions about one arm, equal ones asked once."""

    def __init__(self, asks: list[tuple[int, Ask]]) -> None:
        self.mean = asks[0][1].mean
        self.used = np.flatnonzero(np.any([ask.gradient != 0 for _, ask in asks], axis=0))
        held = {j for _, ask in asks if ask.hc2 is not None for j in ask.hc2.covariates}
        self.used = np.array(sorted(held.union(self.used.tolist())), dtype=np.int64)
        place = {int(j): i for i, j in enumerate(self.used)}
        distinct: dict[bytes, int] = {}
        factors: dict[tuple[Any, ...], int] = {}
        self.at: list[tuple[int, int, int | None]] = []
        gradients: list[FloatArray] = []
        self.hc2: list[tuple[list[int], Hc2]] = []
        for i, ask in asks:
            k = distinct.setdefault(ask.gradient.tobytes(), len(distinct))
            if k == len(gradients):
                gradients.append(ask.gradient[self.used])
            w = None
            if ask.hc2 is not None:
                h = ask.hc2
                w = factors.setdefault((tuple(h.covariates), h.lean.tobytes(), h.inverse.tobytes()), len(factors))
                if w == len(self.hc2):
                    self.hc2.append(([place[j] for j in h.covariates], h))
            self.at.append((i, k, w))
        self.gradients = np.array(gradients).reshape(len(gradients), len(self.used))
        self.largest, self.squares, self.cubes = (np.zeros(len(gradients)) for _ in range(3))
        self.weighted = np.zeros((len(gradients), len(self.hc2)))

    def take(self, strip: FloatArray, weight: FloatArray | None) -> None:
        """Add a strip of rows."""
        residual = self.gradients @ strip
        square = residual * residual
        np.maximum(self.largest, square.max(axis=1), out=self.largest)
        if weight is None:
            self.squares += square.sum(axis=1)
        else:
            self.squares += square @ weight
        for w, (held, h) in enumerate(self.hc2):
            z = strip[held]
            leverage = 1 / h.n + (z * (h.inverse @ z)).sum(axis=0)
            lean = 1 / h.n - h.lean @ z
            # A row that alone decides a slope is fitted exactly: leverage 1 and residual 0.
            factor = lean * lean / np.maximum(1 - leverage, 1e-9)
            self.weighted[:, w] += square @ (factor if weight is None else factor * weight)
        if weight is not None:
            residual *= weight
        self.cubes += np.einsum("ij,ij->i", square, residual)

    def looks(self) -> Iterator[tuple[int, Look]]:
        """Each question's place and answer."""
        for i, k, w in self.at:
            hc2 = math.nan if w is None else float(self.weighted[k, w])
            yield i, Look(float(self.largest[k]), float(self.squares[k]), float(self.cubes[k]), hc2)


def looks(blocks: Iterable[Block], cols: list[Col], asks: list[Ask]) -> list[Look]:
    """The second pass: one over the rows, whatever the number of questions."""
    plans = {a: _Plan([(i, ask) for i, ask in enumerate(asks) if ask.arm == a]) for a in {ask.arm for ask in asks}}
    for block in blocks:
        plan = plans.get(block.arm)
        if plan is not None:
            for strip, weight in _strips(block, [cols[j] for j in plan.used], plan.mean[plan.used]):
                plan.take(strip, weight)
    found = dict(pair for plan in plans.values() for pair in plan.looks())
    return [found[i] for i in range(len(asks))]


# --- single columns ---------------------------------------------------------------------------------------------------
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
        cube += float(weighted @ moved)
    dust = (1e-13 * max(abs(mean), 1e-300)) ** 2
    return cube / n / (square / n) ** 1.5 if square / n > dust else 0.0


def _live(block: Block, col: Col) -> tuple[FloatArray, FloatArray | None]:
    """The non-zero values of a column, with their weights."""
    plain = block.columns[col.plain]
    keep = np.flatnonzero(plain if col == col.plain else column(plain, col))
    return column(plain[keep], col), None if block.weight is None else block.weight[keep]


def quantile(blocks: Iterable[Block], col: Col, share: float) -> float:
    """Quantile of the non-zero values over all arms (linear between neighbours); NaN where there are none."""
    live, weights = [], []
    for block in blocks:
        x, weight = _live(block, col)
        live.append(x)
        weights.append(weight)
    if not sum(map(len, live)):
        return math.nan
    if not any(w is not None and len(w) for w in weights):
        return float(np.quantile(np.concatenate(live), share, overwrite_input=True))
    value = np.concatenate(live)
    weight = np.concatenate([np.ones(len(x)) if w is None else w for x, w in zip(live, weights, strict=True)])
    order = np.argsort(value)
    value, upto = value[order], np.cumsum(weight[order])
    at = share * (upto[-1] - 1)
    low, high = (value[np.searchsorted(upto, rank, side="right")] for rank in (math.floor(at), math.ceil(at)))
    part = at - math.floor(at)
    return float(low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part))


def levels(blocks: Iterable[Block], col: Col, live: float) -> FloatArray:
    """Decimal logarithms of the `live` non-zero values, sorted; beyond 200,000 of them a grid of their quantiles."""
    exact: list[FloatArray] = []
    bins = np.zeros(2 * _MOST_BINS, dtype=np.int64)
    for block in blocks:
        x, weight = _live(block, col)
        level = np.log10(np.abs(x))
        if live <= _ALL_LEVELS:
            exact.append(level if weight is None else np.repeat(level, weight.astype(np.int64)))
        elif len(level):
            at = np.floor(level * _BINS).astype(np.int64) + _MOST_BINS
            low = int(at.min())
            counted = np.bincount(at - low, weight)
            bins[low : low + len(counted)] += counted.astype(np.int64)
    if live <= _ALL_LEVELS:
        return np.sort(np.concatenate([*exact, np.zeros(0)]))
    rank = np.linspace(0, 1, _GRID) * (bins.sum() - 1)
    return np.asarray((np.searchsorted(np.cumsum(bins), rank, side="right") - _MOST_BINS) / _BINS, dtype=float)


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
