"""Passes over the rows of a test, block by block and arm by arm: the same numbers from memory and from a file.

A block is worked on in strips that stay in the processor's cache, a row of the strip's matrix being a column of the
data, so that every sum runs along memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from gmvcausal.abtest.intake.blocks import STRIP, Block, Col, FloatArray, strips, values
from gmvcausal.abtest.terms.values import Hc2
from gmvcausal.moments.core import Moments, add

_ONE_THREAD = 2**18  # products of a matrix multiplication up to which OpenBLAS keeps to one thread


class Look(NamedTuple):
    """What a second pass finds in one arm for one value.

    Attributes
    ----------
    largest : float
        The largest squared residual; NaN, as the sums, where the tail was not asked for.
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
    """One question for the second pass: residuals ``gradient . (row - mean)`` of the rows of an arm.

    Where the tail is not asked, only HC2 is found.
    """

    arm: int
    mean: FloatArray
    gradient: FloatArray
    hc2: Hc2 | None
    tail: bool = True


def _mean(block: Block, col: Col) -> float:
    head = Block(block.arm, {col.plain: block.columns[col.plain][:STRIP]})
    weight = None if block.weight is None else block.weight[:STRIP]
    return float(np.average(values(head, col), weights=weight))


# --- products ---------------------------------------------------------------------------------------------------------
def _parts(n: int, each: int) -> Iterator[slice]:
    """Pieces of `n` columns so short that BLAS multiplies them on one thread, where a column takes `each` products.

    More threads than one wait for each other, spinning, longer than a strip takes: several times the time of one.
    """
    step = max(_ONE_THREAD // max(each, 1), 1)
    return (slice(low, low + step) for low in range(0, n, step))


def _cross(one: FloatArray, other: FloatArray) -> FloatArray:
    """Products of all rows of one matrix with all of the other, shape (k, p)."""
    found = np.zeros((len(one), len(other)))
    for part in _parts(one.shape[1], len(one) * (len(other) + 1)):
        found += one[:, part] @ other[:, part].T
    return found


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
        for strip, weight in strips(block, cols, shift[a]):
            weighted = strip if weight is None else strip * weight
            n[a] += strip.shape[1] if weight is None else weight.sum()
            total[a] += weighted.sum(axis=1)
            cross[a] += _cross(weighted, strip)
    shift = np.where(np.isnan(shift), 0.0, shift)
    part = total / np.where(n > 0, n, 1.0)[:, None]
    cross -= total[:, :, None] * part[:, None, :]
    mean, rest = add(shift, part)
    return Moments(tuple(range(arms)), n, mean, (cross + cross.transpose(0, 2, 1)) / 2, rest)


# --- the second pass --------------------------------------------------------------------------------------------------
class _Hat:
    """The leverages of one set of covariates, and the weights that HC2 gives to squared residuals."""

    def __init__(self, held: list[int], first: Hc2) -> None:
        self.held, self.inverse, self.n = held, first.inverse, first.n
        self.leans: list[FloatArray] = []
        # New arrays for every strip would cost more than the sums.
        self.room = (*(np.empty((len(held), STRIP)) for _ in range(2)), np.empty(STRIP))

    def weights(self, strip: FloatArray, out: FloatArray) -> None:
        """One row of `out` for each lean."""
        z, bent, rest = (room[..., : strip.shape[1]] for room in self.room)
        for row, j in zip(z, self.held, strict=True):
            row[:] = strip[j]
        # One covariate, the usual case, is a product and no matrix's.
        times = np.matmul if len(z) > 1 else np.multiply
        times(np.array(self.leans), z, out=out)
        np.subtract(1 / self.n, out, out=out)
        out *= out
        times(self.inverse, z, out=bent)
        bent *= z
        np.subtract(1 - 1 / self.n, bent.sum(axis=0) if len(z) > 1 else bent[0], out=rest)
        # A row that alone decides a slope is fitted exactly: leverage 1 and residual 0.
        np.maximum(rest, 1e-9, out=rest)
        out /= rest


class _Plan:
    """The questions about one arm, equal ones asked once.

    Gradients of which only the tail is asked come first, those of which only HC2 is asked last.
    """

    def __init__(self, asks: list[tuple[int, Ask]]) -> None:
        self.mean = asks[0][1].mean
        used = np.flatnonzero(np.any([ask.gradient != 0 for _, ask in asks], axis=0))
        held = {j for _, ask in asks if ask.hc2 is not None for j in ask.hc2.covariates}
        self.used = np.array(sorted(held.union(used.tolist())), dtype=np.int64)
        place = {int(j): i for i, j in enumerate(self.used)}
        wants: dict[bytes, tuple[bool, bool]] = {}
        for _, ask in asks:
            tail, weighted = wants.get(ask.gradient.tobytes(), (False, False))
            wants[ask.gradient.tobytes()] = (tail or ask.tail, weighted or ask.hc2 is not None)
        ordered = sorted(wants, key=lambda g: (not wants[g][0], wants[g][1]))
        at = {g: k for k, g in enumerate(ordered)}
        gradients = {ask.gradient.tobytes(): ask.gradient[self.used] for _, ask in asks}
        self.gradients = np.array([gradients[g] for g in ordered]).reshape(len(ordered), len(self.used))
        self.tails = sum(tail for tail, _ in wants.values())
        self.first = len(ordered) - sum(weighted for _, weighted in wants.values())
        self.hats: dict[tuple[Any, ...], _Hat] = {}
        weights: dict[tuple[Any, ...], tuple[_Hat, int]] = {}
        for _, ask in asks:
            if ask.hc2 is not None:
                of, by = _keys(ask.hc2)
                hat = self.hats.setdefault(of, _Hat([place[j] for j in ask.hc2.covariates], ask.hc2))
                if (of, by) not in weights:
                    weights[of, by] = (hat, len(hat.leans))
                    hat.leans.append(ask.hc2.lean)
        starts = dict(zip(self.hats, np.cumsum([0, *(len(h.leans) for h in self.hats.values())]), strict=False))
        self.asked: list[tuple[int, int, int | None]] = []
        for i, ask in asks:
            w = None if ask.hc2 is None else int(starts[_keys(ask.hc2)[0]]) + weights[_keys(ask.hc2)][1]
            self.asked.append((i, at[ask.gradient.tobytes()], w))
        self.largest, self.squares, self.cubes = (np.zeros(self.tails) for _ in range(3))
        self.weighted = np.zeros((len(ordered) - self.first, len(weights)))
        self.room = tuple(np.empty((k, STRIP)) for k in (len(ordered), len(ordered), len(weights)))

    def take(self, strip: FloatArray, weight: FloatArray | None) -> None:
        """Add a strip of rows."""
        residual, square, factor = (room[:, : strip.shape[1]] for room in self.room)
        for part in _parts(strip.shape[1], self.gradients.size):
            np.matmul(self.gradients, strip[:, part], out=residual[:, part])
        np.multiply(residual, residual, out=square)
        if self.hats:
            low = 0
            for hat in self.hats.values():
                hat.weights(strip, factor[low : low + len(hat.leans)])
                low += len(hat.leans)
            if weight is not None:
                factor *= weight
            self.weighted += _cross(square[self.first :], factor)
        residual, square = residual[: self.tails], square[: self.tails]
        np.maximum(self.largest, square.max(axis=1), out=self.largest)
        if weight is None:
            self.squares += square.sum(axis=1)
        else:
            self.squares += square @ weight
            residual *= weight
        self.cubes += np.einsum("ij,ij->i", square, residual)

    def looks(self) -> Iterator[tuple[int, Look]]:
        """Each question's place and answer."""
        for i, k, w in self.asked:
            largest, squares, cubes = (
                float(x[k]) if k < self.tails else math.nan for x in (self.largest, self.squares, self.cubes)
            )
            yield i, Look(largest, squares, cubes, math.nan if w is None else float(self.weighted[k - self.first, w]))


def _keys(asked: Hc2) -> tuple[tuple[Any, ...], bytes]:
    """What tells hats apart, and the weights of one hat."""
    return (tuple(asked.covariates), asked.n, asked.inverse.tobytes()), asked.lean.tobytes()


def looks(blocks: Iterable[Block], cols: list[Col], asks: list[Ask]) -> list[Look]:
    """The second pass: one over the rows, whatever the number of questions."""
    plans = {a: _Plan([(i, ask) for i, ask in enumerate(asks) if ask.arm == a]) for a in {ask.arm for ask in asks}}
    for block in blocks:
        plan = plans.get(block.arm)
        if plan is not None:
            for strip, weight in strips(block, [cols[j] for j in plan.used], plan.mean[plan.used]):
                plan.take(strip, weight)
    found = dict(pair for plan in plans.values() for pair in plan.looks())
    return [found[i] for i in range(len(asks))]
