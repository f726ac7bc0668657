"""Columns of a table in, a checked `Trial` of an instrument out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.columns import identifiers, numeric
from gmvcausal.frames.covariates import encode, is_text
from gmvcausal.frames.facts import COARSER, UNIT_NAMES, frame_facts, rows_are_people
from gmvcausal.frames.rows import read_arms, read_clusters, read_outcome, refuse_repeated, unit_column
from gmvcausal.frames.table import Table, open_table
from gmvcausal.stats.standardise import standardised

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NO_TREATMENT = "receipt is never guessed: 0 where the tactic did not arrive; remove rows of which it is not known"
_NO_INSTRUMENT = "assignment is never guessed: find out how these rows were assigned, or remove them"
_NO_COVARIATE = "covariates are never guessed: fill the gaps by a rule of your own, or leave the column out"


@dataclass(frozen=True)
class Asked:
    """Which column is what."""

    outcome: str
    treatment: str
    instruments: tuple[str, ...]
    covariates: tuple[str, ...]
    cluster: str | None
    unit: str | None
    control: Any
    missing: str


@dataclass(frozen=True, eq=False)
class Trial:
    """The rows that are analysed.

    Attributes
    ----------
    y, d : ndarray, shape (n,)
    z : ndarray, shape (n, k)
        Instruments, with their `names`.
    arm : ndarray of int, shape (n,), or None
        Arms of the one instrument that has arms, the control first; `labels` are theirs.
    x : ndarray, shape (n, p)
        Covariates, standardised, those that say nothing left out; `covariates` are their names, `level` and `spread`
        their mean and standard deviation in the data.
    cluster : ndarray of int, shape (n,), or None
    raw : ndarray, shape (n, q)
        Covariates as they are in the data.
    binary : bool
        Whether the treatment is 0/1.
    spacing : float
        Distance of neighbouring numbers in the source type of the outcome (0 for exact sources).
    named_units : bool
        Whether a column says whom a row belongs to.
    people : bool
        Whether rows are people, of whom no share of fewer than ten is shown.
    """

    y: FloatArray
    d: FloatArray
    z: FloatArray
    names: tuple[str, ...]
    arm: IntArray | None
    labels: tuple[Any, ...]
    x: FloatArray
    covariates: tuple[str, ...]
    level: FloatArray
    spread: FloatArray
    cluster: IntArray | None
    raw: FloatArray = field(repr=False)
    cluster_name: str
    found_cluster: bool
    binary: bool
    spacing: float
    named_units: bool
    rows: int
    columns: int
    notes: list[str]
    dropped: dict[str, int]
    facts: dict[str, Any] = field(repr=False)
    people: bool = False

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.y)

    @property
    def two_arms(self) -> bool:
        """Whether there is one instrument of two arms."""
        return self.arm is not None and len(self.labels) == 2


def read(data: Any, asked: Asked) -> Trial:
    """Read and check a table.

    Raises
    ------
    InputError, DesignError
    """
    _refuse_roles(asked)
    wanted = [asked.outcome, asked.treatment, *asked.instruments, *asked.covariates]
    wanted += [c for c in (asked.cluster, asked.unit) if c]
    table = open_table(data, needed=list(dict.fromkeys(wanted)), optional=(*COARSER, *UNIT_NAMES))
    facts = frame_facts(data)
    notes = list(map(str, facts.get("notes", [])))
    y, spacing = read_outcome(table, asked.outcome, asked.missing, notes)
    d, binary = _treatment(table, asked.treatment)
    z, names, arm, labels = _instruments(table, asked)
    if asked.covariates:
        encoded = encode(table, asked.covariates, _NO_COVARIATE)
        notes += encoded.notes
        raw = encoded.values
        x, keep, dropped = standardised(raw, encoded.names)
        notes += dropped
        kept, level = tuple(np.array(encoded.names)[keep].tolist()), raw[:, keep].mean(axis=0)
        spread = np.sqrt(((raw[:, keep] - level) ** 2).mean(axis=0))
    else:
        raw = x = np.zeros((table.n, 0))
        kept, level, spread = (), np.zeros(0), np.zeros(0)
    if table.n <= x.shape[1] + z.shape[1] + 2:
        raise DesignError(
            f"{table.n:,} rows are too few for {x.shape[1]} covariates and {z.shape[1]} instruments",
            remedy="use fewer covariates, or more rows",
        )
    taken = (asked.outcome, asked.treatment, *asked.instruments, *asked.covariates)
    clusters = read_clusters(table, asked.cluster, arm, taken)
    unit = unit_column(table, asked.unit, (asked.cluster, *taken))
    if unit is not None and asked.cluster is None:
        refuse_repeated(unit, identifiers(table, unit, "unit").codes)
    cluster = None if clusters.codes is None else clusters.codes.codes
    return Trial(
        y, d, z, names, arm, labels, x, kept, level, spread, cluster, raw, clusters.name, clusters.found, binary,
        spacing, unit is not None, table.n, len(table.columns), notes, dict(facts.get("dropped", {})), facts,
        rows_are_people(unit, facts),
    )  # fmt: skip


def _refuse_roles(asked: Asked) -> None:
    if not asked.instruments:
        raise InputError(
            "instrument= names no column", remedy="name what moved the treatment and nothing else: who was assigned"
        )
    roles = {asked.outcome: "outcome", asked.treatment: "treatment"}
    if asked.outcome == asked.treatment:
        raise InputError(f"outcome and treatment are both {asked.outcome!r}", remedy="name two columns")
    for column in asked.instruments:
        if column in roles:
            raise InputError(
                f"instrument= names {column!r}, which is the {roles[column]} too",
                column=column,
                remedy="the instrument is what was assigned, the treatment what arrived; if they are one, there is "
                "nothing to repair: gc.ab_test compares the arms",
            )
    roles |= dict.fromkeys(asked.instruments, "instrument")
    for column in asked.covariates:
        if column in roles:
            raise InputError(
                f"covariates= names {column!r}, which is the {roles[column]}", column=column, remedy="leave it out"
            )
    for role, taken in (("cluster", asked.cluster), ("unit", asked.unit)):
        if taken in (asked.outcome, asked.treatment):
            raise InputError(f"{role}= names {taken!r}, which is the {roles[taken]}", column=taken,
                             remedy="name another column")  # fmt: skip


def _treatment(table: Table, column: str) -> tuple[FloatArray, bool]:
    if is_text(table.series(column, "treatment")):
        raise InputError(
            "treatment holds text, and which of its values means that the tactic arrived is not said",
            column=column,
            remedy="make a 0/1 column of it",
        )
    values = numeric(table, column, "treatment", missing=_NO_TREATMENT).values
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise DesignError(
            f"treatment is {low:g} in every row, so there is nothing to compare", column=column,
            remedy="supply rows with and without the tactic",
        )  # fmt: skip
    two = bool(((values == low) | (values == high)).all())
    if two and (low, high) != (0.0, 1.0):
        raise InputError(
            f"treatment has the two values {low:g} and {high:g}, and the effect would be per unit of their difference",
            column=column,
            remedy="code it 0 and 1",
        )
    return values, two


def _instruments(table: Table, asked: Asked) -> tuple[FloatArray, tuple[str, ...], IntArray | None, tuple[Any, ...]]:
    """Columns of instruments with their names; arms and their labels where there is one instrument that has arms."""
    several = len(asked.instruments) > 1
    if several and asked.control is not None:
        raise InputError("control= names an arm, and there are several instruments", remedy="make 0/1 columns of them")
    parts: list[FloatArray] = []
    for column in asked.instruments:
        series = table.series(column, "instrument")
        text = is_text(series) or series.dtype in (nw.Date, nw.Datetime)
        if text and several:
            raise InputError(
                "instrument holds text, which one of several instruments cannot", column=column,
                remedy="make 0/1 columns of its levels",
            )  # fmt: skip
        if text or asked.control is not None:
            return _of_arms(table, column, asked.control)
        values = numeric(table, column, "instrument", missing=_NO_INSTRUMENT).values
        low, high = float(values.min()), float(values.max())
        if low == high:
            raise DesignError(
                f"instrument is {low:g} in every row, so it moves nobody", column=column,
                remedy="supply rows that were assigned and rows that were not",
            )  # fmt: skip
        if not several and ((values == low) | (values == high)).all():
            return _of_arms(table, column, None)
        parts.append(values)
    return np.column_stack(parts), asked.instruments, None, ()


def _of_arms(
    table: Table, column: str, control: Any
) -> tuple[FloatArray, tuple[str, ...], IntArray | None, tuple[Any, ...]]:
    arm, found = read_arms(table, column, control)
    z = (arm[:, None] == np.arange(1, len(found))).astype(float)
    plain = found == (0, 1)
    return z, tuple(column if plain else f"{column} = {label}" for label in found[1:]), arm, found
