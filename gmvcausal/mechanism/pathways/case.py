"""What a check of a mediation may look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.pathways.rho import Path
from gmvcausal.mechanism.pathways.rows import Rows
from gmvcausal.mechanism.pathways.system import System

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Case:
    """A mediation as its checks see it.

    Attributes
    ----------
    rows : Rows
    system : System
    paths : tuple of Path
    total, error : float
        Of the sum of all ways.
    influence : ndarray, shape (units,)
        What each row (cluster) adds to the total.
    planned : ndarray or None
        Shares of the arms, where chance drew them.
    critical : float
        Standard errors on either side of an interval.
    """

    rows: Rows
    system: System
    paths: tuple[Path, ...]
    total: float
    error: float
    influence: FloatArray
    planned: FloatArray | None
    critical: float
