"""Small groups of people are not shown, nor anything from which their size could be worked out.

A count of 1 to 9 may tell who is in it, and a mean over them what each has. To blank such a cell is not enough where
totals are shown: what is missing from a total is the hidden cell. So further cells are hidden with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.cell_network import BoolArray, fill, path, shelter

MIN_CELL = 10
HIDDEN = "hidden"  # one word for small cells and for those hidden with them: which is which must not be told


class Masks(NamedTuple):
    """What of a two-way table of counts is hidden.

    Attributes
    ----------
    cells : ndarray of bool, shape (rows, columns)
    rows, columns : ndarray of bool, shape (rows,) and (columns,)
        Of the totals.
    total : bool
        Of the grand total.
    """

    cells: BoolArray
    rows: BoolArray
    columns: BoolArray
    total: bool


def small(counts: NDArray[np.number], min_cell: int = MIN_CELL) -> BoolArray:
    """Whether a count is of 1 to ``min_cell - 1``; none is not small."""
    return np.asarray((counts > 0) & (counts < min_cell))


def in_words(count: float, exactly: str = "") -> str:
    """A count of people in a sentence; `exactly` stands before one that is not small.

    Examples
    --------
    >>> in_words(1204, "only "), in_words(3, "only "), in_words(0)
    ('only 1,204', 'fewer than 10', '0')
    """
    return f"fewer than {MIN_CELL}" if small(np.array(round(count, 9))) else f"{exactly}{count:,.0f}"


def hidden(counts: NDArray[np.number], min_cell: int = MIN_CELL, *, total: bool = True) -> BoolArray:
    """Which groups of a list are hidden.

    Small ones; where their total is shown, also the next smallest, until at least two are hidden and those hidden hold
    `min_cell` together: else the total less what is shown would be a small count again. Zeros are shown, so that a
    hidden group is known to hold one at least; those hidden hold more together than their number, so that none follows.
    Where no group is left to hide, the total must not be shown (`enough` tells).

    Parameters
    ----------
    counts : ndarray, shape (k,)
        Not negative.
    min_cell : int
    total : bool
        Whether the sum, or anything it can be worked out from, is known to the reader.

    Returns
    -------
    ndarray of bool, shape (k,)

    Examples
    --------
    >>> hidden(np.array([400, 35, 4, 120])).tolist()
    [False, True, True, False]
    >>> hidden(np.array([400, 35, 4, 120]), total=False).tolist()
    [False, False, True, False]
    """
    out = small(counts, min_cell)
    return filled(counts, out, min_cell) if total else out


def enough(gone: NDArray[np.number], min_cell: int = MIN_CELL) -> bool:
    """Whether groups `gone`, none of them zero, may be known by their sum.

    Examples
    --------
    >>> enough(np.array([4, 35])), enough(np.array([1] * 10)), enough(np.array([40]))
    (True, False, False)
    """
    whole = float(np.sum(gone))
    return len(gone) >= 2 and whole >= min_cell and whole > len(gone)


def filled(counts: NDArray[np.number], gone: BoolArray, min_cell: int = MIN_CELL) -> BoolArray:
    """Those `gone`, and as many of the next smallest as it takes that their sum may be known; none where none is gone.

    Examples
    --------
    >>> filled(np.array([1, 1, 500, 0]), np.array([True, True, False, False])).tolist()
    [True, True, True, False]
    """
    out = gone.copy()
    if not out.any():
        return out
    # Zeros hide nothing: they are known to be no small cell.
    for k in np.argsort(counts, kind="stable"):
        if enough(counts[out & (counts > 0)], min_cell):
            break
        out[k] |= counts[k] > 0
    return out


def hidden_two_way(counts: NDArray[np.number], min_cell: int = MIN_CELL) -> Masks:
    """Which cells and totals of a table of two ways are hidden, where the totals of rows, of columns and of all show.

    Hidden cells are the arcs of a network of rows and columns. One of them can be worked out from what is shown exactly
    where it lies on no cycle around which one person could be moved; so each hidden cell is put on such a cycle, the
    one that hides the fewest people more (shortest paths; Kelly, Golden and Assad 1992). Zeros are shown, so that a
    hidden cell is known to hold one at least: from a cell of one nobody can be moved away. In each line what is hidden
    holds `min_cell` together. Where no other cells serve, totals are hidden.

    Parameters
    ----------
    counts : ndarray, shape (rows, columns)
        Without the totals; they are made here, and hidden where they are small themselves.
    min_cell : int

    Returns
    -------
    Masks

    Examples
    --------
    >>> hidden_two_way(np.array([[4, 60, 90], [65, 50, 80], [90, 30, 85]])).cells.astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    """
    cells = np.asarray(counts, dtype=np.int64)
    whole = np.zeros((cells.shape[0] + 1, cells.shape[1] + 1), dtype=np.int64)
    whole[:-1, :-1] = cells
    whole[:-1, -1], whole[-1, :-1], whole[-1, -1] = cells.sum(axis=1), cells.sum(axis=0), cells.sum()
    mask = small(whole, min_cell)
    primary = [(int(i), int(j)) for i, j in zip(*np.nonzero(mask), strict=True)]
    # The smallest first: what they take with them may shelter the others.
    for i, j in sorted(primary, key=lambda at: int(whole[at])):
        shelter(whole, mask, i, j)
    while fill(whole, mask, min_cell):
        for i, j in zip(*np.nonzero(mask), strict=True):
            shelter(whole, mask, int(i), int(j))
    return Masks(mask[:-1, :-1], mask[:-1, -1], mask[-1, :-1], bool(mask[-1, -1]))


def hidden_beside_totals(counts: NDArray[np.number], min_cell: int = MIN_CELL) -> tuple[BoolArray, int]:
    """Which cells of a table of two ways are hidden where all of its totals are known from elsewhere.

    As `hidden_two_way`, but no total can be hidden in a cell's place: a cell that is alone with its totals follows.

    Parameters
    ----------
    counts : ndarray, shape (rows, columns)
    min_cell : int

    Returns
    -------
    ndarray of bool, shape (rows, columns)
    int
        Lines in which hidden cells follow from the totals, or hold fewer than `min_cell` together.

    Examples
    --------
    >>> hidden_beside_totals(np.array([[4, 60, 90], [65, 50, 80], [90, 30, 85]]))[0].astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    >>> hidden_beside_totals(np.array([[12, 0], [40, 5]]))[1]
    2
    """
    # Totals of nobody are no way around.
    whole = np.pad(np.asarray(counts, dtype=np.int64), ((0, 1), (0, 1)))
    mask = small(whole, min_cell)
    alone: dict[tuple[int, int], bool] = {}

    def follows(i: int, j: int) -> bool:
        if (i, j) not in alone:
            ways = [path(whole, mask, i, j, step) for step in ((1, -1) if whole[i, j] > 1 else (1,))]
            alone[i, j] = all(way is None for way in ways)
        return alone[i, j]

    for i, j in sorted(zip(*np.nonzero(mask), strict=True), key=lambda at: int(whole[at])):
        shelter(whole, mask, int(i), int(j))
    changed = True
    while changed:
        changed, short = False, 0
        for at in _lines(whole.shape):
            own = [k for k in at if mask[k]]
            kept = [k for k in own if not follows(*k)]
            short += len(kept) < len(own)
            if not kept or sum(int(whole[k]) for k in kept) >= min_cell:
                continue
            # A cell that follows hides nothing.
            more = next(
                (k for k in sorted(at, key=lambda k: int(whole[k])) if whole[k] and not mask[k] and not follows(*k)),
                None,
            )
            short += more is None
            if more is not None:
                mask[more] = changed = True
                shelter(whole, mask, *more)
    cells = mask[:-1, :-1]
    # Those who know some of the totals alone are still told nothing.
    return (cells | hidden_two_way(counts, min_cell).cells if short else cells), short


def _lines(shape: tuple[int, ...]) -> list[list[tuple[int, int]]]:
    """Places of the cells of every row and every column, without the totals."""
    r, c = shape[0] - 1, shape[1] - 1
    return [*([(i, j) for j in range(c)] for i in range(r)), *([(i, j) for i in range(r)] for j in range(c))]


def hidden_flags(names: Sequence[str], ones: NDArray[np.float64], known: NDArray[np.float64]) -> BoolArray:
    """Which 0/1 columns are not shown beside each other, from how many people of every group have a 1 in each.

    Levels of a category, ``"tier = gold"`` and ``"tier missing"``, are looked at together, with those who have none of
    them: they make up a whole.

    Parameters
    ----------
    names : sequence of str
    ones : ndarray, shape (columns, groups)
        NaN for columns that are no flags. Parts of people count as one.
    known : ndarray, shape (columns, groups)
        People of whom a column is known.

    Returns
    -------
    ndarray of bool, shape (columns,)

    Examples
    --------
    >>> hidden_flags(["tier = gold", "tier = new", "age"], np.array([[4.0, 30], [96, 70], [np.nan, np.nan]]),
    ...     np.full((3, 2), 100.0)).tolist()
    [True, True, False]
    """
    out = np.zeros(len(names), dtype=bool)
    whole: dict[str, list[int]] = {}
    for k, name in enumerate(names):
        if np.isfinite(ones[k]).all():
            whole.setdefault(name.split(" = ")[0].removesuffix(" missing"), []).append(k)
    for at in whole.values():
        rest = known[at].max(axis=0) - ones[at].sum(axis=0)
        cells = np.ceil(np.vstack([ones[at], np.maximum(rest, 0)]) - 1e-9).astype(np.int64)
        out[at] = np.asarray(hidden_two_way(cells).cells.any(axis=1))[:-1]
    return out
