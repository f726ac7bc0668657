"""What a threshold shows of its rows: bins of a figure, and numbers of rows, none of fewer than ten people."""

from __future__ import annotations

import numpy as np

from gmvcausal.observational.discontinuity.local import FloatArray, IntArray
from gmvcausal.stats.small_cells import MIN_CELL, small

_BINS = 20
MERGED = f"neighbouring bins of the figure are merged until each holds {MIN_CELL} rows, and fewer rows are not counted"


def binned(distance: FloatArray, far: float, people: bool) -> tuple[FloatArray, IntArray]:
    """Edges of the bins of one side, from the threshold outwards, and the bin of each row.

    Parameters
    ----------
    distance : ndarray, shape (n,)
        From the threshold, at most `far`.
    far : float
    people : bool
        Whether bins of fewer than ten rows are merged.
    """
    place = np.minimum((distance / far * _BINS).astype(np.int64), _BINS - 1)
    edges = np.arange(_BINS + 1.0)
    if people:
        edges = filled_bins(np.bincount(place, minlength=_BINS))
        place = np.searchsorted(edges, place, side="right") - 1
    return edges * far / _BINS, place


def merges(x: FloatArray, h: float) -> bool:
    """Whether bins of people are merged on either side, by scores less the threshold."""
    sides = (np.abs(x[own & (np.abs(x) <= 2 * h)]) for own in (x < 0, x >= 0))
    return any(len(binned(one, 2 * h, True)[0]) <= _BINS for one in sides)


def filled_bins(size: IntArray) -> FloatArray:
    """Edges of bins, in old ones, of which each holds ten rows at least where there are as many: neighbours are merged.

    Examples
    --------
    >>> filled_bins(np.array([12, 4, 3, 20, 6])).tolist()
    [0.0, 1.0, 5.0]
    """
    edges, held = [0], 0
    for k, here in enumerate(size):
        held += int(here)
        if held >= MIN_CELL:
            edges.append(k + 1)
            held = 0
    if held or edges[-1] < len(size):  # what is left goes to the last bin
        edges = [*edges[:-1], len(size)] if len(edges) > 1 else [0, len(size)]
    return np.array(edges, dtype=float)


def apart(count: FloatArray, first: int) -> FloatArray:
    """Numbers of rows within wider and wider bandwidths, NaN where one, or what it is apart from another, is below ten.

    Parameters
    ----------
    count : ndarray, shape (k,)
    first : int
        Which of them is shown in any case.

    Examples
    --------
    >>> apart(np.array([11.0, 14, 30, 34, 90]), 2).tolist()
    [11.0, nan, 30.0, nan, 90.0]
    """
    out = np.full(len(count), np.nan)
    out[first] = count[first]
    for k, here in enumerate(count):
        known = out[~np.isnan(out)]
        if not small(np.array([here])).any() and not small(np.abs(known - here)).any():
            out[k] = here
    return out
