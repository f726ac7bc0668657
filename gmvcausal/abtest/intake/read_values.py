"""Outcomes and covariates of a test: columns in, complete numbers out."""

from __future__ import annotations

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.rows import Col, FloatArray
from gmvcausal.abtest.metrics import Gmv, Proportion, Ratio, parts
from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, identifiers, numeric
from gmvcausal.frames.table import Table

_MOST_LEVELS = 50
_NO_PAST = "fill it deliberately (with 0 for those who had no past, say), or leave it out"
_BOUGHT_NOTHING = "pass missing='zero' if a missing value means that nothing was bought, else remove these rows"


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
                raise InputError(
                    f"{metric.numerator!r} and {metric.denominator!r} are not missing in the same rows, so their "
                    "ratio mixes different units",
                    column=metric.numerator,
                    count=int(apart.sum()),
                    rows=first_rows(apart),
                    remedy="fill both parts deliberately: zero where nothing was bought",
                )
    for col, x in list(values.items()):
        gone = np.isnan(x)
        if not gone.any():
            continue
        if ask.missing == "raise":
            raise rules.missing(col.name, "outcome", int(gone.sum()), first_rows(gone), _BOUGHT_NOTHING)
        values[col] = np.where(gone, 0.0, x)
        notes.append(f"{int(gone.sum()):,} missing values of {col.name!r} count as zero (missing='zero')")
    for metric in ask.metrics:
        if isinstance(metric, Gmv):
            paid = (values[Col(metric.gmv)] > 0) & (values[Col(metric.orders)] == 0)
            if paid.any():
                raise InputError(
                    f"{int(paid.sum()):,} units have {metric.gmv!r} but no {metric.orders!r}, so their GMV belongs to "
                    "no order",
                    column=metric.orders,
                    count=int(paid.sum()),
                    rows=first_rows(paid),
                    remedy="count orders and GMV from the same rows of the log, or use gc.Mean of each",
                    counted=True,
                )
        if isinstance(metric, Gmv) and metric.visits is not None:
            bought = (values[Col(metric.orders)] != 0) & (values[Col(metric.visits)] == 0)
            if bought.any():
                raise InputError(
                    f"{int(bought.sum()):,} units have {metric.orders!r} but no {metric.visits!r}, so buyers are no "
                    "share of visitors and there is no conversion among these",
                    column=metric.visits,
                    count=int(bought.sum()),
                    rows=first_rows(bought),
                    remedy="count visits over all channels that take orders, or leave visits= out",
                    counted=True,
                )
        if isinstance(metric, Proportion):
            x = values[Col(metric.column)]
            bad = (x != 0) & (x != 1)
            if bad.any():
                error = rules.not_flags(metric.column, "Proportion", x[bad][0], int(bad.sum()), first_rows(bad))
                raise InputError(
                    error.rule, column=error.column, count=error.count, rows=error.rows,
                    remedy=f"use gc.Mean({metric.column!r}) for its mean",
                )  # fmt: skip


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
            read = numeric(table, column, "covariate", missing=_NO_PAST if gaps is None else None).values
            gone = np.isnan(read)
            if gaps is not None and gone.any():
                gaps[Col(column)] = gone
                notes.append(f"{int(gone.sum()):,} missing values of {column!r}: the model takes them as they are")
                read = np.where(gone, 0.0 if gone.all() else read[~gone].mean(), read)
            values[Col(column)] = read
        return (Col(column),)
    levels = identifiers(table, column, "covariate")
    if len(levels.labels) > _MOST_LEVELS:
        raise InputError(
            f"covariate has {len(levels.labels):,} levels, too many to adjust for",
            column=column,
            remedy="merge its levels",
        )
    cols = tuple(Col(column, None, str(label)) for label in levels.labels[1:])
    for k, col in enumerate(cols, 1):
        values[col] = (levels.codes == k).astype(float)
    listed = ", ".join(str(label) for label in levels.labels)
    notes.append(f"covariate {column!r} entered as indicators of its levels ({listed})")
    return cols
