"""One reading of a table whose treatment is an amount."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.columns import numeric
from gmvcausal.frames.exposed import refuse_early
from gmvcausal.frames.facts import COARSER, UNIT_NAMES, frame_facts
from gmvcausal.frames.features import Features, learn_features, said_of_levels, tell_constant
from gmvcausal.frames.params import said
from gmvcausal.frames.prints import canonical_order
from gmvcausal.frames.rows import read_outcome
from gmvcausal.frames.table import Table, open_table
from gmvcausal.targeting.intake.read import (
    constant_within,
    one_row_each,
    read_clusters,
    refuse_roles,
    refuse_window,
)
from gmvcausal.targeting.intake.trial import Asked, Trial

FloatArray = NDArray[np.float64]

_NO_DOSE = "find out what these users were given: 0 where they got nothing; remove them only if they were never in it"


@dataclass(frozen=True, eq=False)
class Doses:
    """Rows that got different amounts, in an order of their own.

    Attributes
    ----------
    trial : Trial
        The rows as those of one arm, so that whatever does not look at arms holds for them.
    dose : ndarray, shape (n,)
    expected : ndarray, shape (n,), or None
        The mean dose of rows like each, as given; None where it is to be estimated.
    """

    trial: Trial
    dose: FloatArray
    expected: FloatArray | None


def read_doses(data: Any, asked: Asked, features: Features | None = None) -> Doses:
    """Read and check a table.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
    asked : Asked
        `treatment` names the amounts, `propensity` is the expected dose.
    features : Features, optional
        As training found them, where the table is another one.

    Raises
    ------
    InputError
        The dose is text, missing, infinite or the same for all; whatever `uplift` refuses of the other columns.
    """
    refuse_roles(asked)
    expected = _check_expected(asked.propensity)
    named = [asked.cluster, asked.unit, asked.assigned_at, asked.exposed_at]
    needed = [asked.outcome, asked.treatment, *asked.features, *([expected] if isinstance(expected, str) else [])]
    needed += [c for c in named if c]
    table = open_table(data, needed=list(dict.fromkeys(needed)), optional=(*COARSER, *UNIT_NAMES))
    facts = frame_facts(data)
    refuse_window(asked, facts)
    notes: list[str] = list(map(str, facts.get("notes", [])))
    if asked.assigned_at is not None and asked.exposed_at is not None:
        refuse_early(table, asked.assigned_at, asked.exposed_at, notes)
    dose = numeric(table, asked.treatment, "dose", missing=_NO_DOSE).values
    kinds, rank = np.unique(dose, return_inverse=True)
    if len(kinds) < 2 and features is None:
        raise InputError(
            f"dose is {dose[0]:g} in every row, so that no effect of more of it can be seen"
            if len(dose)
            else "no rows",
            column=asked.treatment,
            remedy="name the column of the amounts; users who got nothing belong to the data, with 0",
        )
    dropped = dict(facts.get("dropped", {}))
    unit, _ = one_row_each(table, asked, np.zeros(table.n, dtype=np.int64), notes, dropped)
    y, spacing = read_outcome(table, asked.outcome, asked.missing, notes)
    own = learn_features(table, asked.features, asked.impute, asked.assigned_at) if features is None else features
    if features is None:
        notes += said_of_levels(own)
    x = own.transform(table, notes)
    mean = _expected(table, expected)
    name, cluster, was_found = read_clusters(table, asked, rank, 6)
    if cluster is not None:
        constant_within(unit, cluster, name, None)
    if own.names:
        tell_constant(own, x, notes)
    # By dose first: neighbours are dealt to different folds, which so have like doses.
    order = canonical_order(x, y, rank, unit if cluster is None else cluster)
    trial = Trial(
        y[order], np.zeros(table.n, dtype=np.int64), (asked.treatment,), np.asfortranarray(x[order]), own, None,
        mean is not None, None if cluster is None else cluster[order], np.empty((table.n, 0)), asked.margin, name,
        order, table.n, len(table.columns), tuple(notes), dropped, was_found, spacing, facts,
    )  # fmt: skip
    return Doses(trial, dose[order], None if mean is None else mean[order])


def _check_expected(value: Any) -> float | str | None:
    """None, a number or a column."""
    if value is None or isinstance(value, str):
        return value
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if isinstance(value, Mapping) or not number or not np.isfinite(float(value)):
        raise InputError(
            f"propensity is {said(value)}, and with dose=True it is the expected dose",
            remedy="pass the mean dose of the lot as a number, or a column of it; None estimates it from the features",
        )
    return float(value)


def _expected(table: Table, spec: float | str | None) -> FloatArray | None:
    if spec is None:
        return None
    if isinstance(spec, str):
        return numeric(table, spec, "propensity", missing="write the expected dose of these rows").values
    return np.full(table.n, spec)
