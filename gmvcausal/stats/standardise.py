"""Columns of any unit on one scale, those that say nothing left out by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.logit import independent

FloatArray = NDArray[np.float64]


def standardised(values: FloatArray, names: Sequence[str]) -> tuple[FloatArray, NDArray[np.bool_], list[str]]:
    """Columns less their mean, over their standard deviation; those constant or collinear are dropped and told.

    Parameters
    ----------
    values : ndarray, shape (n, p)
    names : sequence of str

    Returns
    -------
    values : ndarray, shape (n, kept)
    keep : ndarray of bool, shape (p,)
    notes : list of str
        Which columns were dropped, and why.

    Examples
    --------
    >>> x = np.array([[1.0, 2, 5], [2, 4, 5], [4, 8, 5]])
    >>> _, keep, notes = standardised(x, ["a", "b", "c"])
    >>> keep.tolist(), notes
    ([True, False, False], ["covariate 'c' is constant and was dropped", "covariate 'b' was dropped: it is a \
combination of those before it"])
    """
    middle = values.mean(axis=0)
    centred = values - middle
    spread = np.sqrt((centred * centred).mean(axis=0))
    size = np.abs(values).max(axis=0, initial=0.0)
    constant = spread <= 1e-13 * size
    scaled = centred / np.where(constant, 1.0, spread)
    scaled[:, constant] = 0.0
    keep = independent(scaled)
    notes = [f"covariate {names[int(j)]!r} is constant and was dropped" for j in np.flatnonzero(constant)]
    for j in np.flatnonzero(~keep & ~constant):
        notes.append(f"covariate {names[int(j)]!r} was dropped: it is a combination of those before it")
    return np.ascontiguousarray(scaled[:, keep]), keep, notes
