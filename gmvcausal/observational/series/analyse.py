"""One analysis of one window, and the same at dates when nothing began."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.observational.series.filter import Fit, fit, forecast
from gmvcausal.observational.series.model import Model
from gmvcausal.observational.series.paths import Paths
from gmvcausal.observational.series.segmented import segmented
from gmvcausal.observational.series.structural import structural

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

METHODS = ("regression", "structural")
ERRORS = ("memory", "hac")
LEAST = 28  # periods that an earlier date must have before it
_MOST_DATES = {"regression": 60, "structural": 12}
_ENOUGH = 10


@dataclass(frozen=True)
class How:
    """The method, and how its errors are found."""

    method: str
    errors: str


PLAIN = How("regression", "memory")


def fitted(model: Model, start: int) -> Fit:
    """The regression on the periods before `start`.

    Raises
    ------
    DesignError
        Where they are too few for its columns.
    """
    x, shrunk = model.usable(start)
    known = int(np.isfinite(model.z[:start]).sum())
    if known < x.shape[1] - shrunk + 5:
        raise DesignError(
            f"{known} periods before the start are too few for {x.shape[1] - shrunk} terms of season and promotion",
            remedy="supply a longer history",
        )
    return fit(model.z[:start], x[:start], shrunk)


def analyse(model: Model, start: int, stop: int, how: How) -> Paths:
    """Periods ``[start, stop)`` beside what the periods before say that they would have been."""
    x, _ = model.usable(start)
    if how.method == "structural":
        ahead = structural(model.z, x, start, stop)
    elif how.errors == "hac":
        ahead = segmented(model.z, model.x, start, stop)
    else:
        ahead = forecast(fitted(model, start), x[start:stop])
    part = slice(start, stop)
    return Paths(model.y[part], model.y_work[part] - model.offset[part], model.offset[part], ahead, model.log)


@dataclass(frozen=True, eq=False)
class Placebos:
    """The mean effect found at dates when nothing began.

    Attributes
    ----------
    place : ndarray of int, shape (d,)
        First period of each window.
    length : int
        Periods in each window.
    estimate, std_error, p_value : ndarray, shape (d,)
    """

    place: IntArray
    length: int
    estimate: FloatArray
    std_error: FloatArray
    p_value: FloatArray

    @property
    def share(self) -> float:
        """Share of the dates with p below .05."""
        return float((self.p_value < 0.05).mean()) if len(self.place) else float("nan")

    @property
    def windows(self) -> int:
        """How many windows lie side by side: those of neighbouring dates overlap and say the same."""
        return 0 if not len(self.place) else 1 + int((self.place[-1] - self.place[0]) // self.length)

    def rank(self, p: float) -> float:
        """P-value of a finding with p-value `p` by its rank among the earlier dates."""
        return float((1 + (self.p_value <= p).sum()) / (1 + len(self.place)))


def placebos(model: Model, start: int, length: int, how: How) -> Placebos:
    """The same analysis at earlier dates, with windows that end before `start`."""
    if start - length - LEAST + 1 < _ENOUGH:
        length = max(min(length, 7), min(length, (start - LEAST) // 2))
    dates = np.arange(LEAST, start - length + 1)
    most = _MOST_DATES[how.method]
    if len(dates) > most:
        dates = np.unique(np.linspace(dates[0], dates[-1], most).astype(int))
    rows = []
    for at in dates.tolist():
        if not np.isfinite(model.z[at : at + length]).any():
            continue
        try:
            found = analyse(model, at, at + length, how)
        except DesignError:  # too few periods before this date
            continue
        # Periods that the fit leaves out hold the tactic or a promotion that goes on after the start.
        mean = found.mean_over(np.isfinite(model.z[at : at + length]))
        rows.append((at, mean.effect[0], mean.std_error[0], mean.p_value[0]))
    table = np.array(rows).reshape(-1, 4)
    return Placebos(table[:, 0].astype(int), length, table[:, 1], table[:, 2], table[:, 3])
