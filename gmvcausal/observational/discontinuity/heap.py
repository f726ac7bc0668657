"""Do more rows stand exactly at a threshold than at the scores next to it?"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.observational.discontinuity.local import FloatArray

_EACH_SIDE = 5  # near enough that a curved density is as good as a line, and enough for a median


class Heap(NamedTuple):
    """Rows at the threshold, and at its neighbours.

    Attributes
    ----------
    here : int
    usual, most : float, int
        Median and largest number of rows at a neighbour; 1 where there is none.
    p : float
        That so many rows or more stand there, were as many expected as at the median neighbour (Poisson); 1 where a
        neighbour has as many: then heaps are how the scores come.
    """

    here: int
    usual: float
    most: int
    p: float


def heap(x: FloatArray, cutoff: float, h: float) -> Heap:
    """Rows at the threshold against those at the five scores next to it on either side.

    Amounts heap at round numbers by themselves (of 10, of 50), and a threshold is one. So it is held against the next
    scores of all, against the next multiples of ten, and so on for each roundness that it has; the largest p counts.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Scores less the threshold.
    cutoff : float
        The threshold.
    h : float
        The bandwidth; neighbours lie within it.

    Returns
    -------
    Heap

    Examples
    --------
    >>> x = np.repeat(np.arange(-20.0, 21), 10)
    >>> heap(np.append(x, np.zeros(15)), 300.0, 20.0)[:3]
    (25, 10.0, 10)
    """
    here = int((x == 0).sum())
    at, rows = np.unique(x[(np.abs(x) <= h) & (x != 0)], return_counts=True)
    found = [_held_against(here, at, rows)]
    top = math.floor(math.log10(h))
    for step in (digit * 10.0**power for power in range(top, top - 8, -1) for digit in (5, 2, 1)):
        if not _whole(np.array([cutoff]), step).all():
            continue
        like = _whole(at, step)
        if (at[like] < 0).any() and (at[like] > 0).any():
            found.append(_held_against(here, at[like], rows[like]))
    return max(found, key=lambda one: one.p)


def _held_against(here: int, at: FloatArray, rows: NDArray[np.int64]) -> Heap:
    from scipy import stats

    near = np.concatenate([rows[at < 0][-_EACH_SIDE:], rows[at > 0][:_EACH_SIDE]])
    usual, most = (float(np.median(near)), int(near.max())) if len(near) else (1.0, 1)
    return Heap(here, usual, most, float(stats.poisson.sf(here - 1, usual)) if here > most else 1.0)


def _whole(values: FloatArray, step: float) -> NDArray[np.bool_]:
    ratio = values / step
    return np.asarray(np.abs(ratio - np.rint(ratio)) < 1e-6)
