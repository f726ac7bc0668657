"""Users in the order of a score, added up: what every ranking metric, its influence and its replicates are made from.

Tied users enter together. Whoever treats a share of the users must pick among tied ones by lot, so each of them counts
with the chance of being picked: sums grow linearly through a group of ties, and no order within it matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_CELLS = 1_000
BLOCK = 1 << 18


@dataclass(frozen=True, eq=False)
class Side:
    """One mean that is followed down the ranking; the gain is the sum of sides, each with its sign.

    Attributes
    ----------
    sign : int
        1 for the treated, -1 for the control.
    weight : ndarray, shape (n,)
        Inverse propensity for users of the arm, 0 for others.
    value : ndarray, shape (n,)
        What is averaged.
    """

    sign: int
    weight: FloatArray
    value: FloatArray

    def taken(self, at: slice) -> Side:
        """The same of some of the rows."""
        return Side(self.sign, self.weight[at], self.value[at])


@dataclass(frozen=True, eq=False)
class Ranked:
    """Users sorted by score, highest first.

    Attributes
    ----------
    order : ndarray, shape (n,), or None
        Row positions; None where rows are in this order already, and nothing was copied.
    start : ndarray, shape (c,)
        Where each group of ties begins in `order`.
    sides : tuple of Side
        In this order.
    """

    order: IntArray | None
    start: IntArray
    sides: tuple[Side, ...]

    @property
    def n(self) -> int:
        """Users."""
        return len(self.sides[0].weight)

    def at(self, first: int = 0, stop: int | None = None) -> IntArray | slice:
        """Where the rows from `first` to `stop` of the ranking stand in the table; default all of them."""
        here = slice(first, self.n if stop is None else stop)
        return here if self.order is None else self.order[here]

    def blocks(self) -> Iterator[tuple[int, int]]:
        """First and last places, beyond it, of stretches of the ranking that are looked at one after the other."""
        for first in range(0, self.n, BLOCK):
            yield first, min(first + BLOCK, self.n)

    def steps(self, start: IntArray | None = None, first: int = 0, stop: int | None = None) -> FloatArray:
        """What each group adds: users, then weight and weighted value of every side; shape (1 + 2 sides, groups).

        Parameters
        ----------
        start : ndarray, optional
            Where groups begin; default the groups of ties.
        first, stop : int
            The groups wanted; default all.
        """
        begins = self.start if start is None else start
        at = begins[first:stop]
        end = self.n if stop is None or stop >= len(begins) else int(begins[stop])
        here = slice(int(at[0]), end)
        rows = [np.diff(np.append(at, end)).astype(float)]
        for side in self.sides:
            weight = side.weight[here]
            for column in (weight, weight * side.value[here]):
                rows.append(column if len(at) == len(column) else np.add.reduceat(column, at - at[0]))
        return np.stack(rows)

    def coarse(self) -> IntArray:
        """Where to begin at most about a thousand groups: at groups of ties, the first ones small.

        Replicates and influences are made on these. The top is kept finer, because means over few users weigh most in
        the area under the TOC.
        """
        if len(self.start) <= _CELLS:
            return self.start
        even = np.arange(0, self.n, self.n / _CELLS)
        top = self.n / _CELLS * 0.75 ** np.arange(40)
        wanted = np.unique(np.concatenate([even, top[top >= 1]]).astype(np.int64))
        return np.unique(self.start[np.searchsorted(self.start, wanted, side="right") - 1])


def rank(score: FloatArray, sides: Sequence[Side], canonical: bool = False) -> Ranked:
    """Sort by score, highest first.

    Parameters
    ----------
    score : ndarray, shape (n,)
    sides : sequence of Side
        In the order of the rows.
    canonical : bool
        Whether tied users are put in an order of their own numbers, so that draws do not depend on the order of rows.

    Examples
    --------
    >>> one = np.ones(3)
    >>> r = rank(np.array([0.1, 0.5, 0.5]), [Side(1, one, np.array([5.0, 1.0, 2.0]))])
    >>> r.start.tolist(), r.steps().tolist()
    ([0, 2], [[2.0, 1.0], [2.0, 1.0], [3.0, 5.0]])
    """
    order: IntArray | None = None
    by = score
    if not (score[1:] <= score[:-1]).all():
        order = np.argsort(-score)
        by = score[order]
    new = np.ones(len(by), dtype=bool)
    np.not_equal(by[1:], by[:-1], out=new[1:])
    start = np.flatnonzero(new)
    if canonical and len(start) < len(by):
        keys = [column for side in sides for column in (side.value, side.weight)]
        order = np.lexsort((*keys, -score))
    if order is None:
        return Ranked(None, start, tuple(sides))
    taken: dict[int, FloatArray] = {}  # sides may share their values: each column is put in order once
    for side in sides:
        for column in (side.weight, side.value):
            if id(column) not in taken:
                taken[id(column)] = column[order]
    return Ranked(order, start, tuple(Side(s.sign, taken[id(s.weight)], taken[id(s.value)]) for s in sides))
