"""Groups of fewer than ten people are not shown in the tables of a roll-out, nor what their size follows from.

Where units are rooms, shops or cities a cohort of three is a cohort of three: what is known of it is no secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.rollout.intake.cohorts import UNTREATED
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.stats.small_cells import hidden, small

if TYPE_CHECKING:
    import pandas as pd

BoolArray = NDArray[np.bool_]


def hidden_starts(panel: Panel) -> BoolArray:
    """Which columns of first treatment are those of cohorts that are not shown, shape (T + 1,); the last: untreated."""
    sizes = np.append(panel.cohort_sizes(), panel.units(panel.start == UNTREATED))
    if not panel.people or panel.stack is not None:
        return np.zeros(len(sizes), dtype=bool)
    return hidden(sizes)


def without_small(frame: pd.DataFrame, panel: Panel, gone: BoolArray, keep: tuple[str, ...]) -> pd.DataFrame:
    """The table without the numbers of rows that are `gone` or rest on fewer than ten people; counts that would tell.

    Parameters
    ----------
    frame : DataFrame
        With a column ``n`` of treated units.
    panel : Panel
    gone : ndarray of bool, shape (rows,)
    keep : tuple of str
        Labels, which stay.
    """
    if not panel.people:
        return frame
    n = frame["n"].to_numpy(float)
    gone = gone | small(n)
    # Cohorts drop out of later event times: where one is small, the difference of two counts is its size.
    apart = np.zeros(len(n), dtype=bool)
    if "cohort" not in frame and (gone.any() or hidden_starts(panel).any()):
        apart = n < np.nanmax(n)
    if not (gone | apart).any():
        return frame
    out = frame.astype({"n": "Int64"})
    for name in out.columns.difference([*keep, "n"]):
        if out[name].dtype.kind == "f":
            out.loc[gone, name] = np.nan
    out.loc[gone | apart, "n"] = _missing()
    return out


def without_small_stacks(frame: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """The table of campaigns without the numbers of those that treat fewer than ten people, and of what tells theirs.

    Weights add up to one and weigh the estimates to the coefficient: of a lone one all would follow.
    """
    gone = hidden(frame["treated"].to_numpy())
    if not panel.people or not gone.any():
        return frame
    out = frame.astype({"treated": "Int64"})
    out.loc[gone, ["estimate", "weight"]] = np.nan
    out.loc[gone, "treated"] = _missing()
    return out


def _missing() -> Any:
    import pandas as pd

    return pd.NA
