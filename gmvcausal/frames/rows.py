"""One row per unit: the columns that every comparison of units reads, each by one rule.

The outcome and its gaps, arms with the control first, what was assigned together, and units that stand there twice.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalWarning, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.arms import find_control, found_there, place_of_assignment, small_arms
from gmvcausal.frames.columns import Codes, first_rows, identifiers, numeric
from gmvcausal.frames.covariates import is_text
from gmvcausal.frames.facts import UNIT_OR_NOT, folded, named_unit
from gmvcausal.frames.table import Table

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_IDS = 50  # values from which a column that may hold ids does
_ADD_UP = "add each unit's rows up to one first, or "
_NO_OUTCOME = "say what a missing outcome means: missing='zero' where nothing was bought, or remove these rows"


class Outcome(NamedTuple):
    """An outcome without gaps.

    Attributes
    ----------
    values : ndarray, shape (n,)
    spacing : float
        Distance of neighbouring numbers in the source type (0 for exact sources).
    """

    values: FloatArray
    spacing: float


class Arms(NamedTuple):
    """Who is in which arm.

    Attributes
    ----------
    codes : ndarray of int, shape (n,)
        0 is the control.
    labels : tuple
        The control first.
    """

    codes: IntArray
    labels: tuple[Any, ...]


class Clusters(NamedTuple):
    """What was assigned, or depends, together.

    Attributes
    ----------
    name : str
        Column; empty without clusters.
    codes : Codes or None
    found : bool
        Whether nobody named them: the arm does not vary within them.
    """

    name: str = ""
    codes: Codes | None = None
    found: bool = False


def read_outcome(table: Table, column: str, missing: str, notes: list[str]) -> Outcome:
    """Numbers; gaps are refused, or count as zero where `missing` is "zero", which is noted.

    Raises
    ------
    InputError
        Missing values (with missing="raise"), infinite ones, text.
    """
    found = numeric(table, column, "outcome", missing=_NO_OUTCOME if missing == "raise" else None)
    gone = np.isnan(found.values)
    if not gone.any():
        return Outcome(found.values, found.spacing)
    notes.append(f"{column!r} is missing in {int(gone.sum()):,} rows and counts as 0 there (missing='zero')")
    return Outcome(np.where(gone, 0.0, found.values), found.spacing)


def read_arms(table: Table, column: str, control: Any) -> Arms:
    """Arms, the control first; it is guessed nowhere.

    Raises
    ------
    InputError
        Missing arms, one arm only, more than 100, a control that is not named, an arm of fewer than two rows.
    """
    codes = identifiers(table, column, "arm")
    labels = tuple(v.item() if isinstance(v, np.generic) else v for v in codes.labels)
    base = find_control(column, labels, control)
    small_arms(labels, np.bincount(codes.codes, minlength=len(labels)))
    order = [base, *(k for k in range(len(labels)) if k != base)]
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels))
    return Arms(rank[codes.codes], tuple(labels[k] for k in order))


def read_clusters(
    table: Table, named: str | None, arm: IntArray | None, taken: Collection[str], *, frames_up: int = 4
) -> Clusters:
    """Clusters as named, or a place (room, city) within which the arm does not vary, with a warning.

    Parameters
    ----------
    table : Table
    named : str or None
        The option cluster=.
    arm : ndarray of int, shape (n,), or None
        None: nothing is looked for.
    taken : collection of str
        Columns that have another role.
    frames_up : int
        Where the caller of the verb stands, seen from here, for the warning.

    Raises
    ------
    InputError
        There is only one cluster, or some rows have none.
    """
    if named is not None:
        codes = identifiers(table, named, "cluster")
        if len(codes.labels) < 2:
            raise InputError("there is only one cluster, so chance cannot be told from effect", column=named)
        return Clusters(named, codes)
    place = None if arm is None else place_of_assignment(table, arm, taken)
    if place is None:
        return Clusters()
    warnings.warn(found_there(place[0]), GmvCausalWarning, stacklevel=frames_up)
    return Clusters(place[0], identifiers(table, place[0], "cluster"), True)


def unit_column(table: Table, named: str | None, taken: Collection[str | None]) -> str | None:
    """The column that says whom a row belongs to: as named, or called unit, user, user_id, ...; None without one.

    A column called customer, member, ... is one where it holds ids: whole numbers or text without gaps, of at least 50
    values.
    """
    found = named or named_unit(table.columns, taken)
    if found is not None:
        return found
    perhaps = {folded(name) for name in UNIT_OR_NOT}
    return next((c for c in table.columns if c not in taken and folded(c) in perhaps and _holds_ids(table, c)), None)


def _holds_ids(table: Table, column: str) -> bool:
    series = table.series(column, "unit")
    kind = series.dtype.is_integer() or is_text(series)
    return kind and not series.is_null().any() and series.n_unique() >= _IDS


def seen_before(codes: IntArray, keep: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Rows whose unit has an earlier one; `codes` and `keep` as in `refuse_repeated`."""
    rows = np.arange(len(codes)) if keep is None else np.flatnonzero(keep)
    first = np.empty(int(codes.max()) + 1, dtype=np.int64)
    first[codes[rows[::-1]]] = rows[::-1]
    again = np.zeros(len(codes), dtype=bool)
    again[rows] = first[codes[rows]] != rows
    return again


def refuse_repeated(
    unit: str, codes: IntArray, keep: NDArray[np.bool_] | None = None, *, first_way: str = _ADD_UP
) -> None:
    """Rows of one unit are not independent.

    Parameters
    ----------
    unit : str
        Column.
    codes : ndarray of int, shape (n,)
    keep : ndarray of bool, shape (n,), optional
        The rows that are looked at.
    first_way : str
        The remedy before ``cluster=``; empty where rows are what they should be (orders).

    Raises
    ------
    InputError
        A unit has more than one row.
    """
    again = seen_before(codes, keep)
    if again.any():
        raise rules.duplicated(
            "units", unit, len(np.unique(codes[again])), first_rows(again),
            f"{first_way}pass cluster={unit!r}: rows of one unit are not independent",
        )  # fmt: skip
