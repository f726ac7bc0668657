"""Columns of people whose means and spreads would count 1 to 9 of them: flags, levels, numbers of few values.

Of a number that takes few values, mean, variance and a distance of distributions are as many equations as there are
counts: children 0, 1 and 2, where three of an arm have 2, give the three back. So what is not shown of a flag is not
shown of such a number either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.cell_network import BoolArray, IntArray
from gmvcausal.stats.small_cells import MIN_CELL, hidden_flags, small

FloatArray = NDArray[np.float64]

TOO_FEW = "(not shown: its numbers would count too few people)"
FEW_VALUES = 4  # values of which counts could be worked out from n, mean, SD and the share of zeros
_DIGITS = 9  # of the span, by which values differ that are not one and the same but for rounding


class Tally(NamedTuple):
    """What a column holds in every group.

    Attributes
    ----------
    ones : ndarray, shape (groups,)
        How many have the larger of two values, 0 of a single one; NaN for a column of more.
    known : ndarray, shape (groups,)
        Of how many the column is known.
    of_few : bool
        Whether a column of more values has so few of one, in some group, that its moments would count them.
    """

    ones: FloatArray
    known: FloatArray
    of_few: bool


def kinds(values: FloatArray) -> tuple[int, IntArray]:
    """How many values there are, and which of them each is, in order of size; rounding makes no value of its own.

    Examples
    --------
    >>> kinds(np.array([1.0, -3e-11, 0.0, 1.0]))[0], kinds(np.array([2.0, 1.0, 2.0]))[1].tolist()
    (2, [1, 0, 1])
    """
    if not len(values):
        return 0, np.zeros(0, dtype=np.int64)
    low = float(values.min())
    span = float(values.max()) - low
    found, code = np.unique(np.round((values - low) / span, _DIGITS) if 0 < span < np.inf else values,
                            return_inverse=True)  # fmt: skip
    return len(found), code


def of_few(values: FloatArray) -> bool:
    """Whether mean and SD of the values are those of 1 to 9 rows.

    Examples
    --------
    >>> of_few(np.array([0.0] * 50 + [1] * 4)), of_few(np.array([0.0] * 50 + [1] * 40)), of_few(np.arange(9.0))
    (True, False, True)
    """
    live = values[~np.isnan(values)]
    counts = np.bincount(kinds(live)[1])
    if len(counts) < 2:
        return bool(small(np.array(len(live))))
    return len(live) < MIN_CELL or bool(len(counts) == 2 and small(counts).any()) or _nearly_alike(counts)


def tally(column: FloatArray, groups: Sequence[NDArray[np.bool_] | FloatArray]) -> Tally:
    """What a column holds in every group.

    Parameters
    ----------
    column : ndarray, shape (n,)
        NaN where missing.
    groups : sequence of ndarray, shape (n,) each
        Whether a row belongs to the group, or which part of it does.

    Examples
    --------
    >>> arms = [np.repeat([True, False], 50), np.repeat([False, True], 50)]
    >>> children = np.tile([0.0, 1], 50)
    >>> tally(children, arms).ones.tolist(), tally(children, arms).of_few
    ([25.0, 25.0], False)
    >>> children[:3] = 2
    >>> tally(children, arms).of_few
    True
    """
    live = ~np.isnan(column)
    many, code = kinds(column[live])
    parts = [np.asarray(own, dtype=float)[live] for own in groups]
    known = np.array([float(part.sum()) for part in parts])
    if many <= 2:
        return Tally(np.array([float(part @ code) for part in parts]), known, False)
    counts = [np.ceil(np.bincount(code, part, many) - 1e-9) for part in parts]
    few = any(_told(c[c > 0], many <= FEW_VALUES) for c in counts)
    return Tally(np.full(len(parts), np.nan), known, few)


def hidden_columns(names: Sequence[str], found: Sequence[Tally]) -> BoolArray:
    """Which columns of people are not shown by group, from what each holds in every group, shape (columns,).

    Examples
    --------
    >>> arms = [np.repeat([True, False], 50), np.repeat([False, True], 50)]
    >>> vip = np.where(np.arange(100) < 4, 1.0, 0.0)
    >>> hidden_columns(["vip", "age"], [tally(vip, arms), tally(np.arange(100.0), arms)]).tolist()
    [True, False]
    """
    if not found:
        return np.zeros(0, dtype=bool)
    ones, known = np.array([t.ones for t in found]), np.array([t.known for t in found])
    return np.asarray(hidden_flags(names, ones, known) | np.array([t.of_few for t in found]))


def _told(counts: FloatArray, few_anywhere: bool) -> bool:
    """Whether moments of a group count some of it.

    A group below ten of a column of many values (those whom matching left out) would hide each number of every table:
    it is not judged.
    """
    if few_anywhere or (len(counts) <= FEW_VALUES and counts.sum() >= MIN_CELL):
        return bool(small(counts).any())
    return bool(counts.sum() >= MIN_CELL) and _nearly_alike(counts)


def _nearly_alike(counts: NDArray[np.number]) -> bool:
    """Whether all but fewer than ten have one value."""
    rest = float(counts.sum() - counts.max())
    return rest < MIN_CELL and 2 * rest <= float(counts.sum())
