"""What a two-way estimate with several starts is made of (Goodman-Bacon 2021): two-by-two comparisons and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.rollout.intake.cohorts import UNTREATED
from gmvcausal.rollout.regression.normal import units_of

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.rollout.intake.panel import Panel

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NEVER, ALWAYS = "never treated", "always treated"
KINDS = (
    "treated vs never treated",
    "earlier vs later treated",
    "later vs earlier treated",
    "treated vs always treated",
)
FORBIDDEN = KINDS[2:]  # their controls are under treatment themselves


@dataclass(frozen=True)
class Pair:
    """One two-by-two comparison: groups by position, the estimate, its weight before scaling."""

    kind: int
    treated: int
    control: int
    estimate: float
    weight: float


def pairs(mean: FloatArray, size: FloatArray, first: IntArray) -> list[Pair]:
    """All comparisons of a complete panel.

    Parameters
    ----------
    mean : ndarray, shape (H, T)
        Mean outcome of every group.
    size : ndarray, shape (H,)
        Units, or weight, of every group.
    first : ndarray of int, shape (H,)
        Column of first treatment, ascending; 0 for always, T for never.

    Returns
    -------
    list of Pair
        Weights are the variances of the treatment within each pair, not yet scaled to sum to 1.
    """
    width, column = mean.shape[1], np.arange(mean.shape[1])
    share = 1.0 - first / width
    out = []
    for early in range(len(first)):
        for late in range(early + 1, len(first)):
            both = size[early] * size[late] * (share[early] - share[late])
            gap = (mean[early] - mean[early, :1]) - (mean[late] - mean[late, :1])
            if first[early] > 0:  # while the late group is untreated
                on = (column >= first[early]) & (column < first[late])
                estimate = float(gap[on].mean() - gap[column < first[early]].mean())
                kind = 0 if first[late] == width else 1
                out.append(Pair(kind, early, late, estimate, float(both * (1.0 - share[early]))))
            if first[late] < width:  # while the early group stays treated
                after, before = column >= first[late], (column >= first[early]) & (column < first[late])
                estimate = float(gap[before].mean() - gap[after].mean())
                kind = 3 if first[early] == 0 else 2
                out.append(Pair(kind, late, early, estimate, float(both * share[late])))
    return out


def decompose(panel: Panel) -> pd.DataFrame:
    """The comparisons of a two-way estimate; see `DidResult.bacon`."""
    import pandas as pd

    if panel.moments is None:
        absent = int((~np.isfinite(panel.y)).sum())
        raise DesignError(
            f"{absent:,} unit-periods are absent, and the decomposition holds for complete panels only",
            remedy="keep the units that are seen in every period, or read att_gt() of the default estimator",
        )
    width = panel.y.shape[1]
    start = panel.start
    if panel.on is not None:
        stays = (np.arange(width) >= start[:, None]) & (start[:, None] != UNTREATED)
        if (stays != (panel.on == 1)).any():
            raise DesignError(
                "the treatment switches off again, and the decomposition is of treatment that stays on",
                remedy="give first_treated= in place of treated=",
            )
    units = units_of(panel, always=True)
    live = units.n > 0
    first = np.append(units.starts, width)[live]
    found = pairs(units.means()[live], units.size[live], first)
    labels = panel.grid.labels()
    names = [ALWAYS if f == 0 else NEVER if f == width else labels[f] for f in first]
    total = sum(p.weight for p in found)
    frame = pd.DataFrame(
        {
            "type": [KINDS[p.kind] for p in found],
            "treated": pd.Series([names[p.treated] for p in found], dtype=object),
            "control": pd.Series([names[p.control] for p in found], dtype=object),
            "estimate": [p.estimate for p in found],
            "weight": [p.weight / total for p in found],
        }
    )
    return frame.assign(forbidden=frame["type"].isin(FORBIDDEN))


def refuse_other(estimator: str) -> None:
    """Only the two-way estimate is taken apart."""
    if estimator != "twfe":
        raise InputError(
            f"bacon() takes a two-way estimate apart, and this is estimator={estimator!r}",
            remedy="use estimator='twfe'",
        )
