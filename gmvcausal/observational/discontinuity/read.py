"""Columns of a table in, the rows on both sides of a threshold out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.columns import first_rows, flags, identifiers, numeric
from gmvcausal.frames.covariates import encode
from gmvcausal.frames.facts import UNIT_NAMES, frame_facts, rows_are_people
from gmvcausal.frames.params import counted
from gmvcausal.frames.rows import read_outcome, refuse_repeated, unit_column
from gmvcausal.frames.table import Table, open_table
from gmvcausal.observational.discontinuity.local import FloatArray, IntArray, Side
from gmvcausal.stats.standardise import standardised

FEWEST = 10  # distinct scores that each side needs

_NO_SCORE = "the score decides who is treated and is never guessed: remove rows that had none"
_NO_COVARIATE = "covariates are never guessed: fill the gaps by a rule of your own, or leave the column out"


@dataclass(frozen=True)
class Asked:
    """Which column is what, and how the rule reads."""

    outcome: str
    score: str
    cutoff: float
    treated: str
    treatment: str | None
    covariates: tuple[str, ...]
    cluster: str | None
    missing: str


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows in ascending order of the score.

    Attributes
    ----------
    y, x : ndarray, shape (n,)
        Outcome; score less cutoff.
    t : ndarray, shape (n,), or None
        Treatment, where it does not follow the rule without exception.
    z : ndarray, shape (n, p)
        Covariates, standardised; `covariates` are their names.
    cluster : ndarray of int, shape (n,), or None
    people : bool
        Whether rows are people: fewer than ten of them are not counted.
    """

    y: FloatArray
    x: FloatArray
    t: FloatArray | None
    z: FloatArray
    covariates: tuple[str, ...]
    cluster: IntArray | None
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

    def sides(self, inner: float = 0.0) -> tuple[Side, Side]:
        """Both sides, without rows closer to the cutoff than `inner`."""
        d = np.column_stack([self.y, *([] if self.t is None else [self.t]), self.z])
        return split(Side(self.x, d, self.t is not None, self.cluster), 0.0, inner)

    def outcome_only(self, y: FloatArray) -> Side:
        """All rows with one outcome and nothing beside it."""
        return Side(self.x, y[:, None], False, self.cluster)


def split(side: Side, at: float, inner: float = 0.0) -> tuple[Side, Side]:
    """Rows below `at`, and from there on; scores counted from it."""
    moved = Side(side.x - at, side.d, side.fuzzy, side.cluster)
    far = np.abs(moved.x) >= inner
    return moved.where((moved.x < 0) & far), moved.where((moved.x >= 0) & far)


def read(data: Any, asked: Asked) -> Rows:
    """Read and check a table.

    Raises
    ------
    InputError, DesignError
    """
    _refuse_roles(asked)
    wanted = [asked.outcome, asked.score, *asked.covariates, *(c for c in (asked.treatment, asked.cluster) if c)]
    table = open_table(data, needed=list(dict.fromkeys(wanted)), optional=UNIT_NAMES)
    facts = frame_facts(data)
    notes = list(map(str, facts.get("notes", [])))
    y = read_outcome(table, asked.outcome, asked.missing, notes).values
    if y.min() == y.max():
        raise DesignError(
            f"outcome is {y[0]:g} in every row, so there is nothing to compare", column=asked.outcome,
            remedy="check the column, or the filter that made the table",
        )  # fmt: skip
    score = numeric(table, asked.score, "score", missing=_NO_SCORE).values
    _refuse_sides(score, asked)
    t = _treatment(table, asked, score, notes)
    encoded = encode(table, asked.covariates, _NO_COVARIATE) if asked.covariates else None
    raw = np.zeros((table.n, 0)) if encoded is None else encoded.values
    cluster = None
    if asked.cluster is not None:
        cluster = identifiers(table, asked.cluster, "cluster").codes
        for name, side in (("below", score < asked.cutoff), ("above", score >= asked.cutoff)):
            count = len(np.unique(cluster[side]))
            if count < 2:
                raise DesignError(
                    f"there is only {counted(count, 'cluster')} {name} the cutoff, so chance cannot be told from "
                    "effect",
                    column=asked.cluster,
                    remedy="use more clusters, or a finer level",
                )
    unit = unit_column(table, None, (asked.outcome, asked.score, asked.treatment, *asked.covariates))
    if unit is not None and asked.cluster is None:
        refuse_repeated(unit, identifiers(table, unit, "unit").codes)
    order = _canonical(score, y, t, raw, cluster)
    z, kept = np.zeros((table.n, 0)), ()
    if encoded is not None:
        raw = raw[order]
        z, keep, left_out = standardised(raw, encoded.names)
        notes += [*encoded.notes, *left_out]
        kept = tuple(np.array(encoded.names)[keep].tolist())
        below = score[order] < asked.cutoff
        for name, one in zip(kept, z.T, strict=True):
            if np.ptp(one[below]) == 0 and np.ptp(one[~below]) == 0:
                raise InputError(
                    f"covariate {name!r} has one value below the cutoff and another above it, so it says what the "
                    "rule says",
                    column=name,
                    remedy="leave it out",
                )
        if t is not None:  # the bandwidth of a ratio depends on where their zeros are, so they stay there
            z = z + raw[:, keep].mean(axis=0) / raw[:, keep].std(axis=0)
    return Rows(
        y[order], score[order] - asked.cutoff, None if t is None else t[order], z, kept,
        None if cluster is None else cluster[order], table.n, len(table.columns), notes,
        dict(facts.get("dropped", {})), facts, rows_are_people(unit, facts),
    )  # fmt: skip


def _canonical(
    score: FloatArray, y: FloatArray, t: FloatArray | None, z: FloatArray, cluster: IntArray | None
) -> IntArray:
    """By score, and among equal scores by what else decides, so that the order of rows changes no digit."""
    keys = [*z.T, *([] if cluster is None else [cluster]), *([] if t is None else [t]), y, score]
    return np.asarray(np.lexsort(keys))


def _refuse_roles(asked: Asked) -> None:
    roles: dict[str, str] = {}
    for role, column in (
        ("outcome", asked.outcome), ("score", asked.score), ("treatment", asked.treatment),
        *(("covariates", c) for c in asked.covariates),
    ):  # fmt: skip
        if column is None:
            continue
        if column in roles:
            raise InputError(
                f"{role}= names {column!r}, which is the {roles[column]} too", column=column,
                remedy="name another column",
            )  # fmt: skip
        roles[column] = role
    if asked.cluster is not None and asked.cluster in (asked.outcome, asked.treatment):
        raise InputError(
            f"cluster= names {asked.cluster!r}, which is the {roles[str(asked.cluster)]}", column=asked.cluster,
            remedy="name another column",
        )  # fmt: skip


def _refuse_sides(score: FloatArray, asked: Asked) -> None:
    for name, own in (("below", score[score < asked.cutoff]), ("at or above", score[score >= asked.cutoff])):
        count = len(np.unique(own))
        if count < FEWEST:
            raise DesignError(
                f"{counted(len(own), 'row')} with {counted(count, 'distinct score')} {'lie' if count != 1 else 'lies'} "
                f"{name} the cutoff {asked.cutoff:g}, and each side needs {FEWEST} distinct scores (the score runs "
                f"from {score.min():g} to {score.max():g})",
                column=asked.score,
                remedy="check cutoff= and its unit; supply units from both sides; a score of few values has no "
                "neighbourhood of the threshold",
            )


def _treatment(table: Table, asked: Asked, score: FloatArray, notes: list[str]) -> FloatArray | None:
    above = score >= asked.cutoff
    if asked.treatment is None:
        side = "at or above" if asked.treated == "above" else "below"
        notes.append(f"units {side} {asked.cutoff:g} count as treated, all of them (treated={asked.treated!r})")
        return None
    t = flags(table, asked.treatment, "treatment")
    if t.all() or not t.any():
        raise DesignError(
            f"treatment is {int(t[0])} in every row, so there is nothing to compare", column=asked.treatment,
            remedy="supply rows with and without the tactic",
        )  # fmt: skip
    rule: NDArray[np.bool_] = above if asked.treated == "above" else ~above
    off = t != rule
    if off.all():
        raise InputError(
            f"all units on the other side of {asked.cutoff:g} are treated, and none on the side that "
            f"treated={asked.treated!r} names", column=asked.treatment, count=int(off.sum()), rows=first_rows(off),
            remedy=f"pass treated={'below' if asked.treated == 'above' else 'above'!r}",
        )  # fmt: skip
    if not off.any():
        notes.append(f"{asked.treatment!r} follows the rule without exception: the design is sharp")
        return None
    notes.append(f"{asked.treatment!r} departs from the rule in {int(off.sum()):,} rows: the design is fuzzy")
    return t.astype(float)
