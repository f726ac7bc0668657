"""One reading of the data of a decomposition: stages of a funnel, groups, clusters."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmvcausal.errors import DesignError, GmvCausalWarning, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.arms import found_there, in_two_arms, place_of_assignment, small_arms
from gmvcausal.frames.columns import IntArray, first_rows, identifiers, numeric
from gmvcausal.frames.facts import COARSER, UNIT_NAMES, frame_facts
from gmvcausal.frames.params import check, column_name
from gmvcausal.frames.rows import unit_column
from gmvcausal.frames.table import Table, open_table
from gmvcausal.mechanism.factors.numbers import FloatArray

_BOUGHT_NOTHING = "pass missing='zero' if a missing value means that nothing happened, else remove these rows"


@dataclass(frozen=True, eq=False)
class Funnel:
    """Stages of the funnel, row by row.

    Attributes
    ----------
    names : tuple of str, length K
        Of the factors.
    columns : tuple of str, length K
        Of the stages.
    labels : tuple
        Of the groups.
    group : ndarray of int, shape (n,)
    x : ndarray, shape (n, K + 1)
        Users of the row (1 where a row is a user), then the stages.
    cluster : ndarray of int, shape (n,), or None
    cluster_name : str
    aggregated : bool
        Whether a group is one row of sums, which tell nothing of chance.
    named_units : bool
        Whether a column says whom a row belongs to.
    rows, width : int
        Shape of the data.
    notes : tuple of str
    facts : mapping
        What `Logs` wrote about the frame.
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]
    labels: tuple[Any, ...]
    group: IntArray
    x: FloatArray
    cluster: IntArray | None
    cluster_name: str
    aggregated: bool
    named_units: bool
    rows: int
    width: int
    notes: tuple[str, ...]
    facts: Mapping[str, Any]

    @property
    def mean(self) -> FloatArray:
        """Means of the stages, shape (groups, K + 1)."""
        return np.array([self.x[self.group == g].mean(axis=0) for g in range(len(self.labels))])

    def arrays(self) -> list[Any]:
        """What was analysed, in an order that that of the rows does not change."""
        order = np.lexsort((*self.x.T, self.group))
        return [np.array([str(label) for label in self.labels], dtype=object), self.group[order], self.x[order]]


def named_factors(factors: Any, users: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and columns of the factors."""
    columns = check("factors", list(factors.values()) if isinstance(factors, Mapping) else factors)
    given = len(factors) if not isinstance(factors, str) else 1
    if len(columns) < given:
        raise InputError("factors= names a column twice", remedy="name each stage of the funnel once, in its order")
    if len(columns) < 2:
        raise InputError(
            f"factors= names {len(columns)} column{'' if len(columns) == 1 else 's'}, and a product has at least two "
            "factors",
            remedy="list the stages in order, for example factors=['orders', 'gmv'], from which follow orders per user "
            "and gmv per order",
        )
    if users in columns:
        raise InputError(f"users= and factors= both name {users!r}", column=users, remedy="leave it out of factors=")
    if not isinstance(factors, Mapping):
        return tuple(f"{c} per {b}" for b, c in zip(["user", *columns], columns, strict=False)), tuple(columns)
    names = tuple(str(name) for name in factors)
    if "total" in names:
        raise InputError("factors= calls a factor 'total', as the sum of all is called", remedy="rename it")
    return names, tuple(columns)


def read_funnel(
    data: Any, factors: Any, by: str, users: str | None, unit: str | None, cluster: str | None, missing: str, lot: bool
) -> Funnel:
    """Read and check the rows.

    Raises
    ------
    InputError, DesignError
        Every way of being wrong that a table has; the message names column, count, rows and remedy.
    """
    names, columns = named_factors(factors, users)
    for role, column in (("by", by), ("users", users), ("unit", unit), ("cluster", cluster)):
        column_name(role, column, optional=role != "by")
        if role != "users" and column in columns:
            raise InputError(f"{role}= and factors= both name {column!r}", column=column)
    given = {by: "by", **dict.fromkeys(columns, "factors"), **{c: r for r, c in
             (("users", users), ("unit", unit), ("cluster", cluster)) if c is not None}}  # fmt: skip
    table = open_table(data, needed=given, optional=(*COARSER, *UNIT_NAMES))
    groups = identifiers(table, by, "arm")
    labels = tuple(v.item() if isinstance(v, np.generic) else v for v in groups.labels)
    notes: list[str] = []
    stages = [_stage(table, c, missing, notes) for c in columns]
    base = np.ones(table.n)
    if users is not None:
        base = _stage(table, users, "raise", notes)
        if (base <= 0).any():
            raise InputError(
                "users= must be above 0", column=users, count=int((base <= 0).sum()), rows=first_rows(base <= 0),
                remedy="leave out groups of nobody",
            )  # fmt: skip
    sizes = np.bincount(groups.codes, minlength=len(labels))
    if users is None:
        if (sizes == 1).all():
            raise InputError(
                f"every level of {by!r} has one row, so the table holds sums, not users",
                column=by,
                remedy="name the column that counts the users: users='users'",
            )
        small_arms(labels, sizes)
    x = np.column_stack([base, *stages])
    _refuse_zeros(x, groups.codes, labels, ("user", *columns), names, by)
    facts = frame_facts(data)
    name, codes = _clusters(table, given, groups.codes, unit, cluster, lot, notes)
    return Funnel(
        names, columns, labels, groups.codes, x, codes, name, bool((sizes == 1).any()),
        unit_column(table, unit, tuple(given)) is not None, table.n, len(table.columns),
        (*notes, *map(str, facts.get("notes", []))),
        facts,
    )  # fmt: skip


def _stage(table: Table, column: str, missing: str, notes: list[str]) -> FloatArray:
    values = numeric(table, column, "factors", missing=_BOUGHT_NOTHING if missing == "raise" else None).values
    gone = np.isnan(values)
    if gone.any():
        values = np.where(gone, 0.0, values)
        notes.append(f"{int(gone.sum()):,} missing values of {column!r} count as zero (missing='zero')")
    bad = values < 0
    if bad.any():
        raise InputError(
            "a stage of the funnel is below 0, and a product of factors has no negative ones",
            column=column,
            count=int(bad.sum()),
            rows=first_rows(bad),
            remedy="book a refund with the order that it belongs to: GMV net of refunds is then at least 0",
        )
    return values


def _refuse_zeros(
    x: FloatArray, group: IntArray, labels: tuple[Any, ...], stages: tuple[str, ...], names: tuple[str, ...], by: str
) -> None:
    """A factor of 0 leaves the factors after it without a value, and none has a share of its own."""
    for g, label in enumerate(labels):
        for j in range(1, len(stages)):
            if x[group == g, j].sum() > 0:
                continue
            after = f"{names[j]!r} has no value there" if j < len(names) else "the product is 0 whatever the others are"
            raise DesignError(
                f"{stages[j]!r} adds up to 0 where {by!r} is {str(label)!r}: {names[j - 1]!r} is 0 and {after}, so "
                "the change cannot be shared out",
                column=stages[j],
                remedy="take a longer window or more users, or leave out the stages that nobody reached",
            )


def _clusters(
    table: Table, given: Mapping[str, str], group: IntArray, unit: str | None, cluster: str | None, lot: bool,
    notes: list[str],
) -> tuple[str, IntArray | None]:  # fmt: skip
    """Name and codes of the clusters: as named; users that come back; places within which the group does not vary."""
    codes = None if cluster is None else identifiers(table, cluster, "cluster").codes
    if codes is not None and int(codes.max()) < 1:
        raise InputError("there is only one cluster, so chance cannot be told from effect", column=cluster)
    who = unit_column(table, unit, tuple(given))
    if who is not None and who != cluster:
        ids = identifiers(table, who, "unit").codes
        first = np.empty(int(ids.max()) + 1, dtype=np.int64)
        first[ids[::-1]] = group[::-1]
        other = group != first[ids]
        if lot and other.any():
            count = len(np.unique(ids[other]))
            raise in_two_arms(who, count, first_rows(other), "is an option of gc.ab_test; remove these units here")
        cells = ids * (int(group.max()) + 1) + group
        again = np.ones(len(ids), dtype=bool)
        again[np.unique(cells, return_index=True)[1]] = False
        if again.any() and cluster is None:
            raise rules.duplicated(
                "units", who, len(np.unique(ids[again])), np.flatnonzero(again),
                f"add each unit's rows up to one per level first, or pass cluster={who!r}: rows of one unit are not "
                "independent",
            )  # fmt: skip
        if other.any() and cluster is None:
            notes.append(
                f"{len(np.unique(ids[other])):,} units are in more than one group, so standard errors are clustered "
                f"by {who!r}"
            )
            return who, ids
    if cluster is not None:
        return cluster, codes
    found = place_of_assignment(table, group, given)
    if found is not None:
        warnings.warn(found_there(found[0]), GmvCausalWarning, stacklevel=4)
        return found
    return "", None
