"""Mean paths of the outcomes, from one pass over them: a panel of any size needs no second matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_NUMBERS = 1_000_000  # of one piece


def pieces(y: FloatArray) -> Iterator[slice]:
    """Rows of a matrix in pieces, so that what is made of them stays small."""
    step = max(1, _NUMBERS // y.shape[1])
    return (slice(low, low + step) for low in range(0, len(y), step))


def mean_path(
    y: FloatArray, inside: NDArray[np.bool_], origin: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Mean outcome of some rows by period counted from each row's origin.

    Parameters
    ----------
    y : ndarray, shape (R, T)
        NaN where absent.
    inside : ndarray of bool, shape (R,)
    origin : ndarray of int, shape (R,)
        Column that is period 0.

    Returns
    -------
    period, count, mean : ndarray
    """
    last, width = int(origin[inside].max()), y.shape[1]
    count, total = np.zeros((2, width + last - int(origin[inside].min())))
    for rows in pieces(y):
        own = inside[rows]
        part, at = y[rows][own], np.arange(width) + (last - origin[rows][own, None])
        seen = np.isfinite(part)
        count += np.bincount(at[seen], minlength=len(count))
        total += np.bincount(at[seen], part[seen], minlength=len(count))
    whole = int(np.flatnonzero(count)[-1]) + 1  # periods after the last in which anybody is present are none
    period = np.arange(whole) - last
    return period, count[:whole].astype(np.int64), total[:whole] / np.maximum(count[:whole], 1)
