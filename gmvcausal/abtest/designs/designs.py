"""What a call says of its design besides arms and clusters: who was triggered, when they were exposed, whose budget.

Reading finds facts; what they are worth is judged by the checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.designs.switchback import Blocks
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import FloatArray, IntArray, first_rows, flags, numeric
from gmvcausal.frames.exposed import refuse_early
from gmvcausal.frames.params import column_name, said
from gmvcausal.frames.table import Table

_DAY = 86_400_000_000


@dataclass(frozen=True, eq=False)
class Trigger:
    """Who of each arm was triggered.

    Attributes
    ----------
    column : str
    units, triggered : ndarray of int, shape (arms,)
        Independent units of each arm: all of them, and those with a triggered row.
    rows, kept : ndarray of int, shape (arms,)
        Rows of each arm: all of them, and the triggered ones.
    """

    column: str
    units: IntArray
    triggered: IntArray
    rows: IntArray
    kept: IntArray

    @property
    def share(self) -> float:
        """Share of the rows of all arms that was triggered."""
        return float(self.kept.sum() / self.rows.sum())


@dataclass(frozen=True, eq=False)
class Split:
    """A budget that was split among the arms.

    Attributes
    ----------
    column : str
        What was spent on each row.
    amount : ndarray, shape (arms,)
        Budget of each arm; NaN for arms without one.
    spent : ndarray, shape (arms,)
    units : ndarray of int, shape (arms,)
        Rows of each arm.
    """

    column: str
    amount: FloatArray
    spent: FloatArray
    units: IntArray


@dataclass(frozen=True, eq=False)
class Facts:
    """What was found of the design; None for what it has not."""

    blocks: Blocks | None = None
    trigger: Trigger | None = None
    split: Split | None = None


def refuse_designs(options: Mapping[str, Any]) -> None:
    """Options of designs that need, or exclude, each other."""
    if options["washout"] is not None and options["time"] is None:
        raise InputError(
            "washout= marks a switchback, which needs the time of every row",
            remedy="name the column of the time, for example time='started_at'",
        )
    if options["time"] is not None and options["washout"] is None:
        other = next((o for o in ("triggered", "assigned_at", "exposed_at", "budget") if options[o] is not None), None)
        if other is not None:
            raise InputError(
                f"{other}= cannot be used beside time= without washout=, where a table of units by day is added up",
                remedy="add each unit's days up to one row first, and leave time= out",
            )
    if options["block"] is not None and options["washout"] is None:
        raise InputError(
            "block= names the blocks of a switchback, which is marked by time= and washout=",
            remedy="pass both (washout=0 where nothing is left behind), or cluster= for clusters of units",
        )
    if options["washout"] is not None and options["strata"]:
        raise InputError(
            "strata= cannot be used in a switchback",
            remedy="name a text column, the hour say, among the covariates: pre=['hour']",
        )
    if options["washout"] is not None and options["triggered"] is not None:
        raise InputError(
            "triggered= cannot be used in a switchback",
            remedy="give one row per room and time, with sums over those who were triggered",
        )
    if (options["assigned_at"] is None) != (options["exposed_at"] is None):
        raise InputError(
            "assigned_at= and exposed_at= are compared with each other, and only one is given", remedy="name both"
        )


def independent(arm: IntArray, cluster: IntArray | None, arms: int) -> IntArray:
    """Independent units of each arm: rows, or clusters where each lies in one arm."""
    by_row = np.bincount(arm, minlength=arms)
    if cluster is None:
        return by_row
    pairs = np.unique(cluster * arms + arm)
    nested = len(np.unique(pairs // arms)) == len(pairs)
    return np.bincount(pairs % arms, minlength=arms) if nested else by_row


def read_trigger(
    table: Table, column: str, arm: IntArray, cluster: IntArray | None, labels: tuple[Any, ...], keep: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Trigger]:
    """Which of the kept rows were triggered, and how many of each arm that were."""
    inside = flags(table, column, "triggered") & keep
    arms = len(labels)
    rows, kept = (np.bincount(arm[use], minlength=arms) for use in (keep, inside))
    for label, count in zip(labels, kept, strict=True):
        if count < 2:
            raise InputError(
                f"{int(count)} rows of arm {str(label)!r} were triggered, and a comparison needs at least 2",
                column=column,
                remedy="the trigger must be known in every arm: log who would have seen the tactic in the control too",
            )
    units = independent(arm[keep], None if cluster is None else cluster[keep], arms)
    found = independent(arm[inside], None if cluster is None else cluster[inside], arms)
    return inside, Trigger(column, units, found, rows, kept)


def check_exposure(table: Table, ask: Columns, notes: list[str]) -> None:
    """Refuse exposures before assignment."""
    if ask.assigned_at is not None and ask.exposed_at is not None:
        refuse_early(table, ask.assigned_at, ask.exposed_at, notes)


def read_budget(value: Any) -> tuple[str, Mapping[Any, Any]] | None:
    """The option `budget=`: column of what was spent -> budget of each arm."""
    if value is None:
        return None
    remedy = (
        "write budget={'coupon_cost': {'A': 50_000, 'B': 50_000}}: the column of what was spent, and each arm's budget"
    )
    if not isinstance(value, Mapping) or len(value) != 1:
        raise InputError(f"budget must map one column to the budgets of the arms, but is {said(value)}", remedy=remedy)
    ((column, amounts),) = value.items()
    if not isinstance(amounts, Mapping) or not amounts:
        raise InputError(f"budget must map arms to amounts, but holds {said(amounts)}", remedy=remedy)
    return str(column_name("budget", column)), amounts


def read_split(
    table: Table,
    spend: tuple[str, Mapping[Any, Any]],
    arm: IntArray,
    labels: tuple[Any, ...],
    keep: NDArray[np.bool_],
) -> Split:
    """Budgets, and what each arm spent."""
    column, amounts = spend
    amount = np.full(len(labels), np.nan)
    for key, value in amounts.items():
        at = next((i for i, label in enumerate(labels) if label == key or str(label) == str(key)), None)
        if at is None:
            raise InputError(
                f"budget names {said(key)}, which is no arm of the data",
                remedy=rules.nearest(key, labels, "the arms are"),
            )
        ok = isinstance(value, int | float | np.number) and not isinstance(value, bool) and 0 < float(value) < np.inf
        if not ok:
            raise InputError(
                f"the budget of an arm must be a positive amount, but is {said(value)}",
                remedy="leave arms without a budget out",
            )
        amount[at] = float(value)
    cost = numeric(table, column, "spend", missing="write 0 where nothing was spent").values
    negative = cost < 0
    if negative.any():
        raise InputError(
            "spend is negative",
            column=column,
            count=int(negative.sum()),
            rows=first_rows(negative),
            remedy="give what was spent as positive amounts",
        )
    spent = np.bincount(arm[keep], cost[keep], minlength=len(labels)).astype(float)
    return Split(column, amount, spent, np.bincount(arm[keep], minlength=len(labels)))
