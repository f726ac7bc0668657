"""The effect of a before/after comparison as money needs it: per period, times the periods of its window."""

from __future__ import annotations

from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.money.effect import Effect


def series_effect(result: Any, cost: Any) -> Effect:
    """The effect of a `BeforeAfterResult`; `cost` is a number.

    Raises
    ------
    InputError
        For a cost that is a column or a result: one series has no design in which both could be estimated.
    """
    if not isinstance(cost, int | float):
        raise InputError("cost= of a before/after comparison must be a number", remedy="pass the total spent")
    return Effect(
        result.row(0), float(result.periods), str(result.manifest.options["outcome"]),
        f"{result.periods:,} {result.word}s from {result.labels[result.start]} to {result.labels[result.stop - 1]}",
        result.facts, "run gc.before_after with a column of GMV as outcome",
    )  # fmt: skip
