"""Columns of a table in, a checked `Sample` of two arms out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.columns import identifiers
from gmvcausal.frames.covariates import encode
from gmvcausal.frames.deciding import refuse_deciding
from gmvcausal.frames.facts import COARSER, TIME_NAMES, UNIT_NAMES, frame_facts, rows_are_people
from gmvcausal.frames.features import Features, Matrix, learn_features, said_of_levels, tell_constant
from gmvcausal.frames.prints import canonical_order, row_prints, scattered
from gmvcausal.frames.rows import read_arms, read_clusters, read_outcome, refuse_repeated, unit_column
from gmvcausal.frames.table import Table, open_table
from gmvcausal.observational.adjustment.calendar import refuse_found_calendar
from gmvcausal.stats.standardise import standardised

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Estimators whose outcomes and chances are learned by lines and trees; the others rest on regressions.
LEARNED = ("aipw", "dml")
_NO_GAPS = (
    "fill the gaps by a rule of your own, or take estimator='aipw', whose trees take gaps of numbers as they are: a "
    "covariate is never guessed"
)


@dataclass(frozen=True)
class Asked:
    """Which column is what.

    Attributes
    ----------
    outcome, treatment : str
    covariates : tuple of str
    control : label or None
    unit, cluster, assigned_at : str or None
    missing : {"raise", "zero"}
    learned : bool
        Whether lines and trees learn from the covariates; else regressions do.
    time : str or None
        The period, of a panel.
    """

    outcome: str
    treatment: str
    covariates: tuple[str, ...]
    control: Any = None
    unit: str | None = None
    cluster: str | None = None
    assigned_at: str | None = None
    missing: str = "raise"
    learned: bool = True
    time: str | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of two arms, in an order of their own that does not depend on where they stood.

    Attributes
    ----------
    y : ndarray of float64, shape (n,)
    treated : ndarray of bool, shape (n,)
    labels : tuple
        Of the control and of the treatment.
    x : ndarray, shape (n, p)
        Where they are learned from: float32 with gaps as NaN and codes of categories, as `features` says. Else
        standardised columns, those that say nothing left out.
    names : tuple of str
        Of the columns of `x`.
    categorical : tuple of int
        Columns of `x` that hold codes.
    features : Features or None
        Where they are learned from.
    cluster : ndarray of int, shape (n,), or None
        Dense codes.
    row : ndarray of int, shape (n,)
        Where each row stood in the table.
    covariates : tuple of str
        Columns of the table.
    source : tuple of str
        The column of the table behind each of `names`.
    people : bool
        Whether rows are people, of whom no share of fewer than ten is shown.
    held : ndarray of uint64, shape (n,), or None
        A number for what the covariates hold in each row, whatever the estimator makes of them.
    """

    y: FloatArray
    treated: BoolArray
    labels: tuple[Any, Any]
    x: FloatArray | Matrix
    names: tuple[str, ...]
    categorical: tuple[int, ...]
    features: Features | None
    cluster: IntArray | None
    cluster_name: str
    found_cluster: bool
    row: IntArray
    rows: int
    columns: int
    covariates: tuple[str, ...]
    source: tuple[str, ...]
    named_units: bool = False
    spacing: float = 0.0
    notes: tuple[str, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    treatment: str = ""
    people: bool = False
    held: NDArray[np.uint64] | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def arm(self) -> IntArray:
        """0 for the control, 1 for the treated, shape (n,)."""
        return self.treated.astype(np.int64)

    @property
    def design(self) -> FloatArray:
        """A constant and the columns of `x`, shape (n, p + 1), for regressions."""
        return np.column_stack([np.ones(self.n), np.asarray(self.x, dtype=np.float64)])

    @property
    def sizes(self) -> IntArray:
        """Rows of the control and of the treated."""
        return np.bincount(self.arm, minlength=2)


def read(data: Any, asked: Asked, frames_up: int = 5) -> Sample:
    """Read and check a table.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
    asked : Asked
    frames_up : int
        Where the caller of the verb stands, seen from `read_clusters`, for a warning.

    Raises
    ------
    InputError
        Every way of being wrong that a table has; the message names column, count, rows and remedy.
    DesignError
        A column of periods, such as month, decides the arm.
    """
    _refuse_roles(asked)
    named = [c for c in (asked.unit, asked.cluster, asked.assigned_at, asked.time) if c]
    wanted = [asked.outcome, asked.treatment, *asked.covariates, *named]
    table = open_table(data, needed=list(dict.fromkeys(wanted)), optional=(*COARSER, *UNIT_NAMES, *TIME_NAMES))
    facts = frame_facts(data)
    _refuse_window(asked, facts)
    notes = list(map(str, facts.get("notes", [])))
    arms = read_arms(table, asked.treatment, asked.control)
    if len(arms.labels) > 2:
        listed = ", ".join(repr(v) for v in arms.labels[:6]) + (", …" if len(arms.labels) > 6 else "")
        raise InputError(
            f"treatment has {len(arms.labels)} arms ({listed}), and adjust compares two",
            column=asked.treatment,
            remedy="keep the rows of two of them and ask once for each; gc.uplift takes several arms at once",
        )
    taken = (asked.outcome, asked.treatment, *asked.covariates)
    if asked.time is None:
        refuse_found_calendar(table, arms.codes, (asked.outcome, asked.treatment, asked.unit, asked.assigned_at))
    unit = unit_column(table, asked.unit, (*taken, asked.cluster))
    y, spacing = read_outcome(table, asked.outcome, asked.missing, notes)
    x, names, source, features = _covariates(table, asked, notes)
    found = read_clusters(table, asked.cluster, arms.codes, taken, frames_up=frames_up)
    key = None
    if unit is not None:
        codes = identifiers(table, unit, "unit")
        if asked.cluster is None:
            refuse_repeated(unit, codes.codes)
        key = scattered(codes)
    cluster = None if found.codes is None else scattered(found.codes)
    categorical: tuple[int, ...] = ()
    if features is not None:
        categorical = tuple(features.categorical)
        tell_constant(features, np.asarray(x, dtype=np.float32), notes)
        refuse_deciding(features, np.asarray(x, dtype=np.float32), y, arms.codes)
    held = row_prints(table, asked.covariates, "covariates")
    order = canonical_order(x, y, arms.codes, key if cluster is None else cluster)
    for j in range(x.shape[1]):  # in its place, because a second matrix is what would cost most memory of all
        x[:, j] = x[order, j]
    return Sample(
        y[order], arms.codes[order] == 1, (arms.labels[0], arms.labels[1]), x, names, categorical, features,
        None if cluster is None else cluster[order], found.name, found.found, order, table.n, len(table.columns),
        asked.covariates, source, unit is not None, spacing, tuple(notes), dict(facts.get("dropped", {})), facts,
        asked.treatment, rows_are_people(unit, facts), held[order],
    )  # fmt: skip


def arrays(s: Sample) -> list[NDArray[Any]]:
    """What was analysed, for the hash: columns as they came, so that it is one for all estimators."""
    columns: list[NDArray[Any]] = [a for a in (s.treated, s.y, s.held, s.cluster) if a is not None]
    order = np.lexsort(columns[::-1])
    return [column[order] for column in columns]


def _covariates(
    table: Table, asked: Asked, notes: list[str]
) -> tuple[FloatArray | Matrix, tuple[str, ...], tuple[str, ...], Features | None]:
    if asked.learned:
        features = learn_features(table, asked.covariates, None, asked.assigned_at, "covariates")
        notes += said_of_levels(features)
        return features.transform(table, notes), features.names, features.names, features
    encoded = encode(table, asked.covariates, _NO_GAPS)
    notes += encoded.notes
    scaled, keep, told = standardised(encoded.values, encoded.names)
    notes += told
    if not keep.any():
        raise InputError("no covariate is left: all are constant", remedy="name covariates that differ between units")
    names, source = (tuple(np.array(v)[keep].tolist()) for v in (encoded.names, encoded.source))
    return np.asfortranarray(scaled), names, source, None


def _refuse_roles(asked: Asked) -> None:
    if not asked.covariates:
        raise InputError(
            "covariates= names no column, and without any there is nothing to adjust for",
            remedy="name what decided who was treated; where a lot decided, gc.ab_test compares the arms",
        )
    if asked.outcome == asked.treatment:
        raise InputError(f"outcome and treatment are both {asked.outcome!r}", remedy="name two columns")
    roles: dict[str | None, str] = {asked.outcome: "the outcome", asked.treatment: "the treatment"}
    for role, column in (("unit", asked.unit), ("cluster", asked.cluster), ("time", asked.time)):
        if column is not None and column in roles:
            raise InputError(
                f"{role}= names {column!r}, which is {roles[column]}", column=column, remedy="name another column"
            )
    roles |= {asked.unit: "unit=, which names the rows", asked.assigned_at: "assigned_at="}
    for column in asked.covariates:
        if column in roles:
            raise InputError(
                f"covariates names {column!r}, which is {roles[column]}", column=column,
                remedy="leave it out of covariates",
            )  # fmt: skip


def _refuse_window(asked: Asked, facts: dict[str, Any]) -> None:
    """Of a table of `Logs.users`: what is measured after assignment is no covariate."""
    after = [c for c in asked.covariates if c in ("gmv", "orders")] if facts.get("table") == "users" else []
    if after:
        raise InputError(
            f"covariates names {after[0]!r}, which is measured after assignment, in the window of the outcome",
            column=after[0],
            remedy=f"use what was known before, {after[0] + '_pre'!r}",
        )
