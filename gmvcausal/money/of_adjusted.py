"""An adjusted effect as money needs it: per unit, times the units that got it."""

from __future__ import annotations

from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.money.effect import Effect


def adjusted_effect(result: Any, cost: Any) -> Effect:
    """The effect of an `Adjusted` on the treated; `cost` is a number.

    Raises
    ------
    InputError
        The effect is not that on those who got it, so that it does not add up over them; a cost that is no number.
    """
    if not isinstance(cost, int | float):
        raise InputError("cost= of an adjusted comparison must be a number", remedy="pass the total spent")
    if result.about != "att":
        whose = "everyone" if result.about == "ate" else "everyone weighted by overlap"
        raise InputError(
            f"the effect is an average over {whose}, and what the tactic brought is that on those who got it",
            remedy="call gc.adjust with estimand='att', then ask",
        )
    n = int(result.sample.sizes[1])
    return Effect(
        result.row(0), float(n), result.asked.outcome, f"the {n:,} units that got {result.sample.labels[1]!s}",
        result.sample.facts, "run gc.adjust with a column of GMV as outcome",
    )  # fmt: skip
