"""The total of a spillover result as money needs it: everyone treated against nobody, over the users it speaks of."""

from __future__ import annotations

from typing import Any

from gmvcausal.frames.params import check
from gmvcausal.mechanism.exposure.result import SpilloverResult
from gmvcausal.money.effect import Effect


def spillover_effect(result: SpilloverResult, cost: Any) -> Effect:
    """The row that adds up, and over whom.

    Raises
    ------
    InputError
        A cost that is no number.
    """
    check("cost", cost)
    p = result.projection
    return Effect(
        result.row(p.place), p.users, result.outcome, p.over, result.meta,
        "run gc.spillover with outcome= the column of GMV", (), p.advice,
    )  # fmt: skip
