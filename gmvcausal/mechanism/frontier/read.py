"""Rows of a table as units with inputs and outputs, in an order that does not depend on that of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, identifiers, numeric
from gmvcausal.frames.covariates import encode
from gmvcausal.frames.table import Table
from gmvcausal.frames.times import times

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SPAN = 1e12  # largest over smallest amount of a column


@dataclass(frozen=True, eq=False)
class Amounts:
    """Inputs and outputs, sorted by period and unit.

    Attributes
    ----------
    unit : ndarray of int, shape (n,)
        Position in `labels`.
    labels : tuple of str
    x, y : ndarray, shapes (n, m) and (n, s)
    period : ndarray of int, shape (n,)
        Position in `periods`; 0 without a time column.
    periods : tuple of str
    z : ndarray, shape (n, p)
        Covariates.
    names : tuple of str
        Of the covariates.
    notes : tuple of str
    """

    unit: IntArray
    labels: tuple[str, ...]
    x: FloatArray
    y: FloatArray
    period: IntArray
    periods: tuple[str, ...]
    z: FloatArray
    names: tuple[str, ...]
    notes: tuple[str, ...]


def read(
    table: Table, unit: str, inputs: Sequence[str], outputs: Sequence[str], covariates: Sequence[str], time: str | None
) -> Amounts:
    """Read the columns; each unit once, or once a period."""
    codes = identifiers(table, unit, "unit")
    x = np.column_stack([_amounts(table, c, "inputs") for c in inputs])
    y = np.column_stack([_amounts(table, c, "outputs") for c in outputs])
    period = np.zeros(table.n, dtype=np.int64)
    periods: tuple[str, ...] = ("",)
    if time is not None:
        clock = times(table, time, "time")
        values, period = np.unique(clock.values, return_inverse=True)
        periods = tuple(_label(int(v), clock.is_date) for v in values)
    again = pd.DataFrame({"u": codes.codes, "t": period}).duplicated().to_numpy()
    if again.any():
        raise rules.duplicated(
            "units" if time is None else "unit-periods", unit, int(again.sum()), first_rows(again),
            "add the rows of a unit up, or pass time= for units seen in several periods" if time is None
            else "keep one row for each unit and period",
        )  # fmt: skip
    encoded = encode(table, covariates, "supply the values, or leave the column out: a covariate is never guessed")
    order = np.lexsort((codes.codes, period))
    z = encoded.values if covariates else np.empty((table.n, 0))
    return Amounts(
        codes.codes[order], tuple(str(v) for v in codes.labels), x[order], y[order], period[order], periods,
        z[order], encoded.names, encoded.notes,
    )  # fmt: skip


def _amounts(table: Table, column: str, role: str) -> FloatArray:
    values = numeric(
        table, column, role, missing="supply the amounts, or remove these units: an amount is never guessed"
    ).values
    bad = values <= 0
    if bad.any():
        thing = "input" if role == "inputs" else "output"
        raise InputError(
            f"{role} must be above 0, for scores are ratios of amounts, but the {thing} holds {values[bad][0]:g}",
            column=column,
            count=int(bad.sum()),
            rows=first_rows(bad),
            remedy="remove units that did not operate; measure losses and refunds as an input of their own, not as a "
            "negative output",
        )
    if values.max() > _SPAN * values.min():
        raise InputError(
            f"{role} reach from {values.min():g} to {values.max():g}, further than programmes can be solved exactly",
            column=column,
            rows=[int(values.argmin()), int(values.argmax())],
            remedy="correct the record that is wrong, or score small and large units apart",
        )
    return values


def _label(value: int, is_date: bool) -> str:
    return str(np.datetime64(value, "us").astype("datetime64[D]")) if is_date else str(value)
