"""What money needs of an effect, whatever its design: a row, how many it stands for, and the cost that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.results import Check, Row

# Columns of tables from Logs that are counts: their total is no GMV.
COUNTS = ("orders", "buyers", "converted", "visits")


@dataclass(frozen=True)
class Cost:
    """A cost that was estimated with the same design as the gain.

    Attributes
    ----------
    outcome : str
        Column of the cost.
    estimate, variance, covariance : float
        Effect on the cost, its variance, and its covariance with the gain; all per unit of the effect.
    """

    outcome: str
    estimate: float
    variance: float
    covariance: float


@dataclass(frozen=True)
class Effect:
    """An effect on GMV, and what it adds up over.

    Attributes
    ----------
    row : Row
        The row of the result.
    size : float
        The total is the effect times this.
    outcome : str
        Column of GMV.
    over : str
        What the total is over, in words.
    meta : mapping
        What `Logs` wrote beside the table: gmv (gross or net), gmv_is (paid or list), discount.
    again : str
        How to analyse another column, for remedies.
    checks : tuple of Check
        What the total assumes beyond the effect.
    advice : tuple of str
        How the total is to be read.
    cost : Cost or None
    """

    row: Row
    size: float
    outcome: str
    over: str
    meta: Mapping[str, Any]
    again: str
    checks: tuple[Check, ...] = ()
    advice: tuple[str, ...] = ()
    cost: Cost | None = field(default=None)


def known_cost(cost: Any) -> None:
    """Refuse a cost that was estimated: it would need the covariance with a sum over other cells."""
    if hasattr(cost, "to_frame") or isinstance(cost, str):
        raise InputError(
            "cost= must be a number here: an estimated cost has no joint covariance with this total",
            remedy="give the cost as a number, or estimate gain and cost with gc.did (gc.ab_test) on the same rows",
        )
