"""A foretold long-term effect as money needs it: over the users who had the tactic."""

from __future__ import annotations

from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.mechanism.longrun.result import SurrogateResult
from gmvcausal.money.effect import Effect


def surrogate_effect(result: SurrogateResult, cost: Any, metric: str | None, arm: Any) -> Effect:
    """The effect of one arm on the long outcome; `cost` is a number.

    Raises
    ------
    InputError
        Several arms and none named, or a cost that is no number.
    """
    if metric is not None:
        raise InputError(f"metric= chooses among outcomes, and there is one, {result.outcome!r}", remedy="leave it out")
    if isinstance(cost, str):
        raise InputError("the cost of a foretold effect must be a number", remedy="give the total spent on the arm")
    place = result.place_of(arm)
    row, units = result.row(place), result.sizes[place]
    return Effect(
        row, units, result.outcome, f"the {units:,} users of {result.arms[place]}, as foretold", result.meta,
        "name a column of GMV as outcome=", (),
        ("It is foretold from surrogates, not seen: read it with the audit of the effect.",),
    )  # fmt: skip
