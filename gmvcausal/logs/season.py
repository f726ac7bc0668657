"""Whether the arms of a comparison start at the same time of the year."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.logs.calendar import DAY, StampArray, text
from gmvcausal.logs.facts import entry
from gmvcausal.results.rule import Rule

RULE = Rule(
    "how far the arms' starts lie apart, in days: the distance between their quantiles, on average (arms are compared)",
    7,
    28,
    more_warn=", or half the window where that is shorter",
    more_fail=", or the whole window where that is shorter",
)
_QUANTILES = (np.arange(200) + 0.5) / 200


def same_season(start: StampArray, group: NDArray[np.int64], labels: Sequence[str], window: float) -> dict[str, Any]:
    """The check `same_season` as a plain dict.

    Parameters
    ----------
    start : ndarray of datetime64[us], shape (users,)
    group : ndarray of int, shape (users,)
        Index into `labels`; arms without users are left out.
    window : float
        Days that a user is watched for. Arms further apart than that have not one day in common.

    Notes
    -----
    Quantiles tell starts that are spread over months from one anchor in their middle, which medians do not.
    """
    name = "same_season"
    there = [g for g in range(len(labels)) if (group == g).any()]
    if len(there) < 2:
        return entry(name, "not_run", None, RULE.fail, "all users are in one arm, so no two starts are compared")
    days = start.astype("datetime64[us]").astype(np.int64) / DAY
    spread = {g: np.quantile(days[group == g], _QUANTILES) for g in there}
    apart = {(a, b): float(np.abs(spread[a] - spread[b]).mean()) for a, b in combinations(there, 2)}
    pair = max(apart, key=lambda p: apart[p])
    value = apart[pair]
    warn, fail = min(float(RULE.warn or 0), window / 2), min(float(RULE.fail or 0), window)
    # Times are whole microseconds, of which doubles of days keep the order but not every digit.
    status = "failed" if value > fail + 1e-6 else "warned" if value > warn + 1e-6 else "passed"
    if value < 1e-6:
        return entry(name, status, 0.0, fail, "the arms start at the same times")
    told = " and ".join(f"{labels[g]} {_when(start[group == g])}" for g in pair)
    message = f"{told} start {value:.3g} days apart (their quantiles, on average), with windows of {window:g} days"
    why = (
        "the arms are watched at different times, and a season is no effect: choose anchor= within the time at which "
        "the others were assigned; where that is spread over weeks, compare by period (Logs.panel and gc.did)"
    )
    return entry(name, status, value, fail, message, "" if status == "passed" else why)


def _when(start: StampArray) -> str:
    """The days from which to which users start: "(2025-03-01 to 2025-04-11)"."""
    days = np.array([start.min(), start.max()]).astype("datetime64[D]")
    first, last = (text(d.astype("datetime64[us]")) for d in days)
    return f"({first})" if first == last else f"({first} to {last})"
