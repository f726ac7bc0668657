"""Verbs as the trust room asks them where one call of `did` is not the whole question.

Each takes a table and the arguments of `did`, and returns what a replicate is read from.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any


def _did(data: Any, call: dict[str, Any]) -> Any:
    import gmvcausal as gc

    return gc.did(data, **call)


class OneLevel:
    """An interval at 95 % alone, with the estimate beside it.

    Parameters
    ----------
    result : Result
        Gives the audit.
    estimate : float
    limits : (float, float)
    """

    def __init__(self, result: Any, estimate: float, limits: tuple[float, float]) -> None:
        self.estimate, self.std_error, self.p_value = estimate, math.nan, math.nan
        self.audit, self.detectable = result.audit, math.nan
        self.estimates = SimpleNamespace(withheld="")
        self._limits = limits

    def conf_int(self, level: float) -> tuple[float, float]:
        """The interval at 95 %; NaN at other levels."""
        return self._limits if level == 0.95 else (math.nan, math.nan)


class OnlyP:
    """A p-value, as the normal statistic that has it: for tests that give no interval.

    Parameters
    ----------
    result : Result
        Gives the audit.
    p : float
    why : str
        The reason where there is none.
    """

    def __init__(self, result: Any, p: float, why: str = "") -> None:
        from scipy.special import ndtri

        self.p_value, self.std_error, self.detectable = p, math.nan, math.nan
        self.estimate = float(-ndtri(p / 2)) if p > 0 else math.nan
        self.audit = result.audit
        self.estimates = SimpleNamespace(withheld=why)

    def conf_int(self, level: float) -> tuple[float, float]:
        """What the statistic excludes at a level."""
        from scipy.special import ndtri

        half = float(ndtri(0.5 + level / 2))
        return self.estimate - half, self.estimate + half


def sensitivity(data: Any, *, bound: float, method: str = "relative_magnitude", **call: Any) -> OneLevel:
    """The interval of `DidResult.sensitivity` under one bound."""
    result = _did(data, call)
    row = result.sensitivity(method=method, grid=[bound]).to_frame().iloc[1]
    return OneLevel(result, float(row["estimate"]), (float(row["conf_low"]), float(row["conf_high"])))


def matched(data: Any, *, on: list[str], **call: Any) -> Any:
    """PSM-DID: `gmvcausal.match`, then `did` with its weights."""
    import gmvcausal as gc

    found = gc.match(data, "first_treated", on, unit="unit", time="period")
    return gc.did(found.frame, weights="weight", **call)


def placebo(data: Any, *, kind: str = "unit", reps: int = 199, **call: Any) -> OnlyP:
    """The p-value of `DidResult.placebo`."""
    result = _did(data, call)
    return OnlyP(result, float(result.placebo(kind, reps=reps, progress=False).placebo_p))


def segments(data: Any, *, levels: int = 2, **call: Any) -> OnlyP:
    """The test of equal effects of `DidResult.by`, the segment being the remainder of the unit's number.

    Units are dealt out to cohorts by lot, so that their numbers say nothing.
    """
    result = _did(data.assign(segment=data["unit"].to_numpy() % levels), call)
    found = result.by("segment")
    return OnlyP(result, float(found.interaction()["p_value"].iloc[0]), found.no_test)


def check(data: Any, *, name: str, **call: Any) -> OnlyP:
    """The p-value that a check of the audit holds against its threshold."""
    result = _did(data, call)
    (found,) = [one for one in result.audit if one.name == name]
    value = math.nan if found.value is None else float(found.value)
    return OnlyP(result, value, "" if found.value is not None else found.message or "the check has no value")


def among(data: Any, *, column: str, **call: Any) -> Any:
    """`did` among the units of which a 0/1 column holds."""
    return _did(data[data[column] == 1], call)


def pull_forward(data: Any, *, window: int, **call: Any) -> Any:
    """What is left of the gain over a window: `DidResult.pull_forward`."""
    return _did(data, call).pull_forward(window)


def cannibalisation(data: Any, *, other: str, **call: Any) -> Any:
    """Gain and loss in another outcome: `DidResult.cannibalisation`."""
    return _did(data, call).cannibalisation(other)
