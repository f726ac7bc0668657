"""What checks look at, and words that several of them say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.params import counted
from gmvcausal.observational.series.analyse import How, Placebos
from gmvcausal.observational.series.model import Model
from gmvcausal.observational.series.paths import Paths
from gmvcausal.observational.series.read import Series

FloatArray = NDArray[np.float64]

SEASON = "before/after cannot tell the tactic from the season"
NEXT = (
    "compare with what the tactic did not reach: rooms or cities not treated (gc.did, or its "
    "estimator='synthetic_control' for one treated room), a series of the same kind in controls=, or an experiment "
    "(gc.ab_test)"
)


@dataclass(frozen=True, eq=False)
class Case:
    """All that checks look at.

    Attributes
    ----------
    reactions : ndarray, shape (c,)
        P-values of jumps of the control series at the start; NaN where they could not be told.
    after : float or None
        One-sided p-value of a loss after the end.
    shared : bool
        Whether the caller says that the control series have the promotions of the window to the same degree.
    china : bool
        Whether the promotions of the calendar are looked for.
    """

    s: Series
    model: Model
    how: How
    window: Paths
    placebo: Placebos
    controls_as: str
    reactions: FloatArray
    after: float | None
    shared: bool
    china: bool

    @property
    def m(self) -> int:
        """Periods in the window."""
        return self.s.stop - self.s.start


def earlier(p: Placebos) -> str:
    """What a refusal says of the dates when nothing began."""
    return (
        f"; at {(p.p_value < 0.05).sum()} of {counted(len(p.place), 'earlier date')}, when nothing began, the same "
        "analysis finds an effect too (placebo(), plot('placebo'))"
        if len(p.place)
        else "; the time before the start is too short for earlier dates"
    )
