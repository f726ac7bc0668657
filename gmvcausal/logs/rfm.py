"""Recency, frequency and monetary value, with quintile scores that do not depend on the order of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_GROUPS = 5


def scores(values: NDArray[np.float64], *, high_is_good: bool) -> NDArray[np.int8]:
    """Quintile scores 1 (worst) to 5 (best); equal values always share a score, and missing values get 1.

    Parameters
    ----------
    values : ndarray of float64, shape (users,)
        NaN where the user has no history.
    high_is_good : bool
        True for frequency and monetary value, False for recency in days.

    Returns
    -------
    ndarray of int8, shape (users,)
    """
    out = np.ones(len(values), dtype=np.int8)
    known = ~np.isnan(values)
    if not known.any():
        return out
    signed = values[known] if high_is_good else -values[known]
    # The middle of the ranks that equal values share: ties cannot be split between two scores.
    rank = pd.Series(signed).rank(method="average").to_numpy()
    out[known] = np.clip(np.ceil(_GROUPS * (rank - 0.5) / len(rank)), 1, _GROUPS).astype(np.int8)
    return out
