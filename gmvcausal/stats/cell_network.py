"""Cells of a table of two ways as the arcs of a network, around whose cycles a person could be moved."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def shelter(whole: IntArray, mask: BoolArray, i: int, j: int) -> None:
    """Hide, in place, the cheapest cells with which (i, j) could be one more or one less, the totals as they are."""
    more = path(whole, mask, i, j, 1)
    less = path(whole, mask, i, j, -1) if whole[i, j] > 1 else None
    # There is a way for one more: its own totals and that of all.
    for at in min((way for way in (more, less) if way is not None), key=lambda way: way[0], default=(0.0, []))[1]:
        mask[at] = True


def path(whole: IntArray, mask: BoolArray, i: int, j: int, step: int) -> tuple[float, list[tuple[int, int]]] | None:
    """Price and cells of the cheapest way to make up for a `step` of cell (i, j) (Dijkstra); hidden cells are free.

    Nodes are rows 0 .. r-1 and columns r .. r+c-1. One more in a cell is an arc from its row to its column, in a total
    of a line the other way; one less is the arc turned round, and there is none in a cell of one. Zeros are no way.
    """
    r, c = whole.shape

    def outward(a: int, b: int) -> bool:
        return bool((a == r - 1) == (b == c - 1))

    start, end = (r + j, i) if outward(i, j) == (step > 0) else (i, r + j)
    best = {start: 0.0}
    before: dict[int, int] = {}
    queue = [(0.0, start)]
    while queue:
        cost, node = heapq.heappop(queue)
        if node == end:
            break
        if cost > best[node]:
            continue
        for other in range(c) if node < r else range(r):
            at = (node, other) if node < r else (other, node - r)
            less = outward(*at) != (node < r)
            if at == (i, j) or whole[at] <= less:
                continue
            # A total hides more than a cell of its size: it is taken last.
            price = 0.0 if mask[at] else float(whole[at]) * (10.0 if at[0] == r - 1 or at[1] == c - 1 else 1.0)
            to = r + other if node < r else other
            if cost + price < best.get(to, np.inf):
                best[to], before[to] = cost + price, node
                heapq.heappush(queue, (cost + price, to))
    if end not in best:
        return None
    out, node = [], end
    while node != start:
        last = before[node]
        out.append((last, node - r) if last < r else (node, last - r))
        node = last
    return best[end], out


def fill(whole: IntArray, mask: BoolArray, min_cell: int) -> bool:
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
