"""Outcomes and covariates of a test: columns in, complete numbers out."""

from __future__ import annotations

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.intake import sentences
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.rows import Col, FloatArray
from gmvcausal.abtest.metrics import Gmv, Proportion, Ratio, parts
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, identifiers, numeric
from gmvcausal.frames.table import Table


def outcomes(
    table: Table, ask: Columns, values: dict[Col, FloatArray], spacing: dict[str, float], notes: list[str]
) -> None:
    for column in dict.fromkeys(p for m in ask.metrics for p in parts(m)):
        read = numeric(table, column, "outcome")
        values[Col(column)] = read.values
        if read.spacing:
            spacing[column] = read.spacing
    for metric in ask.metrics:
        if isinstance(metric, Ratio):
            apart = np.isnan(values[Col(metric.numerator)]) != np.isnan(values[Col(metric.denominator)])
            if apart.any():
                raise sentences.missing_apart(metric, int(apart.sum()), first_rows(apart))
    for col, x in list(values.items()):
        gone = np.isnan(x)
        if not gone.any():
            continue
        if ask.missing == "raise":
            raise rules.missing(col.name, "outcome", int(gone.sum()), first_rows(gone), sentences.BOUGHT_NOTHING)
        values[col] = np.where(gone, 0.0, x)
        notes.append(sentences.filled(col.name, int(gone.sum())))
    for metric in ask.metrics:
        if isinstance(metric, Gmv):
            paid = (values[Col(metric.gmv)] > 0) & (values[Col(metric.orders)] == 0)
            if paid.any():
                raise sentences.without_order(metric, int(paid.sum()), first_rows(paid))
        if isinstance(metric, Gmv) and metric.visits is not None:
            bought = (values[Col(metric.orders)] != 0) & (values[Col(metric.visits)] == 0)
            if bought.any():
                raise sentences.without_visit(metric, int(bought.sum()), first_rows(bought))
        if isinstance(metric, Proportion):
            x = values[Col(metric.column)]
            bad = (x != 0) & (x != 1)
            if bad.any():
                raise sentences.no_share(metric, x[bad][0], int(bad.sum()), first_rows(bad))


def covariate(
    table: Table,
    column: str,
    values: dict[Col, FloatArray],
    notes: list[str],
    gaps: dict[Col, NDArray[np.bool_]] | None = None,
) -> tuple[Col, ...]:
    """A covariate as columns of numbers; text has an indicator for every level but the first.

    With `gaps`, where only models learn from it, missing numbers are marked there and stand at the mean in `values`.
    """
    series = table.series(column, "pre")
    if series.dtype not in (nw.String, nw.Categorical, nw.Enum) and not (
        series.dtype == nw.Object and any(isinstance(v, str) for v in series.head(100).to_list())
    ):
        if Col(column) not in values:
            read = numeric(table, column, "covariate", missing=sentences.NO_PAST if gaps is None else None).values
            gone = np.isnan(read)
            if gaps is not None and gone.any():
                gaps[Col(column)] = gone
                notes.append(f"{int(gone.sum()):,} missing values of {column!r}: the model takes them as they are")
                read = np.where(gone, 0.0 if gone.all() else read[~gone].mean(), read)
            values[Col(column)] = read
        return (Col(column),)
    levels = identifiers(table, column, "covariate")
    if len(levels.labels) > sentences.MOST_LEVELS:
        raise sentences.too_many_levels(column, len(levels.labels))
    cols = tuple(Col(column, None, str(label)) for label in levels.labels[1:])
    for k, col in enumerate(cols, 1):
        values[col] = (levels.codes == k).astype(float)
    notes.append(sentences.entered(column, levels.labels))
    return cols
