"""Arms: which label is the control, whether each arm is large enough, where it was assigned, and planned shares.

Every verb that compares arms asks here, so that the control is guessed nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, identifiers
from gmvcausal.frames.facts import COARSER
from gmvcausal.frames.params import said
from gmvcausal.frames.table import Table

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MOST_ARMS = 100


def find_control(column: str, labels: tuple[Any, ...], control: Any) -> int:
    """Position of the control among the labels; it is never guessed from their order."""
    if len(labels) < 2:
        raise InputError(
            f"arm has only one label, {str(labels[0])!r}, so there is nothing to compare",
            column=column,
            remedy="pass all arms of the test in one table",
        )
    if len(labels) > _MOST_ARMS:
        raise InputError(
            f"arm has {len(labels):,} labels, which are too many to be arms",
            column=column,
            remedy="name the column that says which arm a unit is in",
        )
    listed = ", ".join(repr(label) for label in labels)
    if control is None:
        if labels == (0, 1):
            return 0
        raise InputError(
            f"the control arm is not named, and the labels {listed} do not say which it is",
            column=column,
            remedy=f"pass control=, for example control={labels[0]!r}",
        )
    if isinstance(control, str | int | float | np.generic):
        wanted = control.item() if isinstance(control, np.generic) else control
        for at, label in enumerate(labels):
            if label == wanted or (not isinstance(wanted, str) and str(label) == str(wanted)):
                return at
    raise InputError(
        f"control is {said(control)}, which is no label of the arms",
        column=column,
        remedy=_as_number(control, labels) or rules.nearest(control, labels, "the labels are"),
    )


def _as_number(control: Any, labels: tuple[Any, ...]) -> str:
    """How to name a control that was given as text where the arms are whole numbers; empty where that is not it."""
    same = [label for label in labels if isinstance(control, str) and str(label) == control.strip()]
    return f"the arms are whole numbers: pass control={same[0]}, without quotes" if same else ""


def small_arms(labels: tuple[Any, ...], sizes: IntArray) -> None:
    """Refuse an arm that has no variance of its own."""
    for label, size in zip(labels, sizes, strict=True):
        if size < 2:
            raise InputError(
                f"arm {str(label)!r} has {int(size)} row{'' if size == 1 else 's'}, and a comparison needs at least 2",
                remedy="check the assignment, or leave this arm out",
            )


def assigned_there(group: IntArray, arm: IntArray) -> bool:
    """Is the arm constant within groups, and could that not be chance if rows had been assigned one by one?"""
    first = np.empty(int(group.max()) + 1, dtype=np.int64)
    first[group[::-1]] = arm[::-1]
    if (first[group] != arm).any():
        return False
    size = np.bincount(np.bincount(group))
    share = np.bincount(arm) / len(arm)
    return chance_assigned_there({int(k): int(size[k]) for k in np.flatnonzero(size)}, share) < math.log(1e-6)


def place_of_assignment(
    table: Table, arm: IntArray, taken: Collection[str], keep: NDArray[np.bool_] | None = None
) -> tuple[str, IntArray] | None:
    """Name and codes of a column of places (room, city) within which the arm does not vary, if there is one.

    Parameters
    ----------
    table : Table
    arm : ndarray of int, shape (rows that are kept,)
    taken : collection of str
        Columns that have another role.
    keep : ndarray of bool, shape (n,), optional
        The rows that are looked at; the codes are those of all.
    """
    for column in COARSER:
        if column not in table.columns or column in taken or table.series(column, "cluster").is_null().any():
            continue
        try:
            codes = identifiers(table, column, "cluster").codes
        except InputError:  # a column that nobody named may hold anything
            continue
        if assigned_there(codes if keep is None else codes[keep], arm):
            return column, codes
    return None


def chance_assigned_there(sizes: Mapping[int, int], share: FloatArray) -> float:
    """Logarithm of the chance that no group holds two arms, had rows been assigned one by one.

    Parameters
    ----------
    sizes : mapping of int to int
        Rows of a group -> how many such groups there are.
    share : ndarray, shape (arms,)
    """
    logs = np.log(share[share > 0])  # the chance itself leaves the range of a double where a group has 2,000 rows
    top = float(logs.max())
    return sum(n * (k * top + math.log(float(np.exp(k * (logs - top)).sum()))) for k, n in sizes.items() if k > 1)


def found_there(column: str) -> str:
    """The warning that clusters were found."""
    return (
        f"the arm does not vary within {column!r}, so standard errors are clustered there; give each row a cluster of "
        "its own (cluster=) if rows were assigned one by one"
    )


def read_shares(name: str, expected: Any, labels: tuple[Any, ...]) -> FloatArray:
    """Shares of the arms as the option `name` plans them, shape (arms,); equal by default."""
    if expected is None:
        return np.full(len(labels), 1 / len(labels))
    if not isinstance(expected, Mapping):
        raise InputError(
            f"{name} must map arms to shares, but is {said(expected)}",
            remedy=f"write {name}={{'A': 0.9, 'B': 0.1}}",
        )
    found = np.full(len(labels), np.nan)
    for key, share in expected.items():
        at = next((i for i, label in enumerate(labels) if label == key or str(label) == str(key)), None)
        if at is None:
            raise InputError(
                f"{name} names {said(key)}, which is no arm of the data",
                remedy=rules.nearest(key, labels, "the arms are"),
            )
        ok = isinstance(share, int | float | np.number) and not isinstance(share, bool) and 0 < float(share) < math.inf
        if not ok:
            raise InputError(f"{name} must hold positive shares, but holds {said(share)}")
        found[at] = float(share)
    if np.isnan(found).any():
        left = str(labels[int(np.flatnonzero(np.isnan(found))[0])])
        raise InputError(f"{name} has no share for arm {left!r}", remedy="name every arm")
    return np.asarray(found / found.sum())


def in_one_arm(
    ids: IntArray, arm: IntArray, unit: str, rule: str, notes: list[str], dropped: dict[str, int]
) -> NDArray[np.bool_] | None:
    """Which rows stay so that every unit is in one arm, shape (n,); None for all.

    Parameters
    ----------
    ids, arm : ndarray of int, shape (n,)
    unit : str
        Column of the units.
    rule : {"raise", "first", "drop"}
        Refuse units in two arms, keep the arm of their first row, or leave them out.
    notes, dropped
        What was done is added to them.
    """
    first = np.empty(int(ids.max()) + 1, dtype=np.int64)
    first[ids[::-1]] = arm[::-1]
    other = arm != first[ids]
    if not other.any():
        return None
    both = np.zeros(len(first), dtype=bool)
    both[ids[other]] = True
    count = int(both.sum())
    if rule == "raise":
        own = np.bincount(ids[~other], minlength=len(first))
        more = int((own[both] > 1).sum())
        raise in_two_arms(unit, count, first_rows(both[ids]), told_of_first(more))
    keep = ~other if rule == "first" else ~both[ids]
    moved_out(count, int((~keep).sum()), rule, notes, dropped)
    return np.asarray(keep)


def told_of_first(more: int) -> str:
    """What rule='first' does with units in two arms, of which `more` have several rows in their first."""
    told = "keeps the arm that comes first in the table"
    if more:
        told += f" ({more:,} of them have several rows there: add these up, or name the units in cluster=)"
    return told


def moved_out(count: int, rows: int, rule: str, notes: list[str], dropped: dict[str, int]) -> None:
    """Note that rows of units in two arms were left out."""
    dropped["rows of units in more than one arm" + (", beyond their first" if rule == "first" else "")] = rows
    notes.append(f"{count:,} units were in more than one arm (rule={rule!r})")


def in_two_arms(unit: str, count: int, rows: list[int], first: str) -> InputError:
    """Units in more than one arm; `first` says what rule='first' would do."""
    return InputError(
        f"{count:,} units are in more than one arm",
        column=unit,
        count=count,
        rows=rows,
        remedy=f"find out why; then rule='first' {first}, rule='drop' leaves these units out",
        counted=True,
    )
