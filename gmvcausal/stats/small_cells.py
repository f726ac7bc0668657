"""Small groups of people are not shown, nor anything from which their size could be worked out.

A count of 1 to 9 may tell who is in it, and a mean over them what each has. To blank such a cell is not enough where
totals are shown: what is missing from a total is the hidden cell. So further cells are hidden with it.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_CELL = 10
HIDDEN = "hidden"  # one word for small cells and for those hidden with them: which is which must not be told

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


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


def hidden(counts: NDArray[np.number], min_cell: int = MIN_CELL, *, total: bool = True) -> BoolArray:
    """Which groups of a list are hidden.

    Small ones; where their total is shown, also the next smallest, until at least two are hidden and those hidden hold
    `min_cell` together: else the total less what is shown would be a small count again.

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
    if not total or not out.any():
        return out
    # Zeros hide nothing: they are known to be no small cell.
    for k in np.argsort(counts, kind="stable"):
        if out.sum() >= 2 and counts[out].sum() >= min_cell:
            break
        if counts[k] > 0:
            out[k] = True
    return out


def beside(shown: NDArray[np.number], gone: NDArray[np.number], min_cell: int = MIN_CELL) -> BoolArray:
    """Which of the groups shown are hidden as well, where groups `gone` are not shown and the total of all is known.

    Examples
    --------
    >>> beside(np.array([400, 35]), np.array([4])).tolist(), beside(np.array([400, 35]), np.array([4, 20])).tolist()
    ([False, True], [False, False])
    """
    out = np.zeros(len(shown), dtype=bool)
    if not small(gone, min_cell).any():
        return out
    for k in np.argsort(shown, kind="stable"):
        if len(gone) + out.sum() >= 2 and gone.sum() + shown[out].sum() >= min_cell:
            break
        out[k] = shown[k] > 0
    return out


def hidden_two_way(counts: NDArray[np.number], min_cell: int = MIN_CELL) -> Masks:
    """Which cells and totals of a table of two ways are hidden, where the totals of rows, of columns and of all show.

    Hidden cells are the edges of a graph of rows and columns. One of them can be worked out from what is shown exactly
    where its edge lies on no cycle; so each small cell is put on a cycle of hidden cells, the one that hides the fewest
    people more (shortest paths; Kelly, Golden and Assad 1992). In each line what is hidden holds `min_cell` together.

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
        _shelter(whole, mask, i, j)
    while _fill(whole, mask, min_cell):
        for i, j in zip(*np.nonzero(mask), strict=True):
            _shelter(whole, mask, int(i), int(j))
    return Masks(mask[:-1, :-1], mask[:-1, -1], mask[-1, :-1], bool(mask[-1, -1]))


def _shelter(whole: IntArray, mask: BoolArray, i: int, j: int) -> None:
    """Hide, in place, the cheapest cells with which (i, j) lies on a cycle; its lines where there is no cycle."""
    path = _path(whole, mask, i, j)
    if path is None:
        mask[i, :] |= whole[i, :] > 0
        mask[:, j] |= whole[:, j] > 0
        return
    for at in path:
        mask[at] = True


def _path(whole: IntArray, mask: BoolArray, i: int, j: int) -> list[tuple[int, int]] | None:
    """Cells of the cheapest way from row `i` to column `j` other than their own cell (Dijkstra); hidden ones are free.

    Nodes are rows 0 .. r-1 and columns r .. r+c-1. Zeros are no way: a table of counts cannot give way there.
    """
    r, c = whole.shape
    best = {i: 0.0}
    before: dict[int, int] = {}
    queue = [(0.0, i)]
    while queue:
        cost, node = heapq.heappop(queue)
        if node == r + j:
            break
        if cost > best[node]:
            continue
        for other in range(c) if node < r else range(r):
            at = (node, other) if node < r else (other, node - r)
            if at == (i, j) or whole[at] == 0:
                continue
            # A total hides more than a cell of its size: it is taken last.
            price = 0.0 if mask[at] else float(whole[at]) * (10.0 if at[0] == r - 1 or at[1] == c - 1 else 1.0)
            to = r + other if node < r else other
            if cost + price < best.get(to, np.inf):
                best[to], before[to] = cost + price, node
                heapq.heappush(queue, (cost + price, to))
    if r + j not in best:
        return None
    out, node = [], r + j
    while node != i:
        last = before[node]
        out.append((last, node - r) if last < r else (node, last - r))
        node = last
    return out


def _fill(whole: IntArray, mask: BoolArray, min_cell: int) -> bool:
    """Hide one more cell, in place, where what is hidden of a line holds too few people; False where none does."""
    for line, own in [*zip(whole, mask, strict=True), *zip(whole.T, mask.T, strict=True)]:
        if not own.any():
            continue
        # A total that is hidden stands on the other side of the sum.
        gap = abs(int(line[:-1][own[:-1]].sum()) - (int(line[-1]) if own[-1] else 0))
        if own[-1] and own[:-1].all():
            continue
        left = np.flatnonzero(~own[:-1] & (line[:-1] > 0))
        if own[-1] or gap >= min_cell or not len(left):
            continue
        own[left[np.argmin(line[left])]] = True
        return True
    return False
