"""Moments of a DuckDB relation or parquet file: the sums are made where the rows lie, only p x p numbers come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.parquet import is_path, parquet_source
from gmvcausal.frames.table import duck_errors, quote
from gmvcausal.moments.core import ClusterCells, Moments, add


def from_relation(data: Any, group: str, values: Sequence[str], cluster: str | None = None) -> Moments:
    """Moments of the numeric columns `values` by `group`, computed inside DuckDB in two scans.

    Parameters
    ----------
    data : DuckDB relation or parquet path
        One row per unit; the columns `values` must hold no missing values.
    group : str
        Column of the group key.
    values : sequence of str
        Numeric columns, in the order of the result's axes.
    cluster : str, optional
        Column of the cluster; asks for the cluster level.

    Returns
    -------
    Moments
        Keys in sorted order.

    Raises
    ------
    InputError
        A missing column, missing or infinite values, or a file that DuckDB cannot read.
    """
    import duckdb

    try:
        named = {group: "group", **dict.fromkeys(values, "values"), **({} if cluster is None else {cluster: "cluster"})}
        relation = duckdb.connect().sql(f"FROM {parquet_source(data, 'data', list(named))}") if is_path(data) else data
        for column, role in named.items():
            if column not in relation.columns:
                raise rules.no_such_column(column, list(relation.columns), role, "data")
        return _scan(relation, group, list(values), cluster)
    except duckdb.Error as error:
        raise duck_errors(error, "data") from None


def _scan(relation: Any, group: str, values: list[str], cluster: str | None) -> Moments:
    p = len(values)
    columns = [f"{quote(group)} AS g", *(f"CAST({quote(v)} AS DOUBLE) AS x{j}" for j, v in enumerate(values))]
    if cluster is not None:
        columns.append(f"{quote(cluster)} AS c")
    source = relation.project(", ".join(columns))
    _refuse_gaps(source, [*values, group] + ([cluster] if cluster is not None else []), p)
    # First scan: each group's own mean, to floating error. Second: sums about it, which therefore keep their digits
    # under any offset; what the first scan's rounding left is corrected exactly.
    means = ", ".join(f"avg(x{j}) AS a{j}" for j in range(p))
    centred = [f"(x{j} - a{j})" for j in range(p)]
    sums = [f"sum({c})" for c in centred]
    pairs = [(i, j) for i in range(p) for j in range(i, p)]
    products = [f"sum({centred[i]} * {centred[j]})" for i, j in pairs]
    shifts = [f"any_value(a{j})" for j in range(p)]
    # Relations are joined without a name: any name could be that of a table of the user's own.
    joined = source.set_alias("rows").join(source.aggregate(f"g, {means}", "g").set_alias("means"), "g")
    wanted = ", ".join(["g", "count(*)", *shifts, *sums, *products])
    rows = joined.aggregate(wanted, "g").order("g").fetchall()
    n = np.array([r[1] for r in rows], dtype=float)
    numbers = np.array([r[2:] for r in rows], dtype=float).reshape(len(rows), 2 * p + len(pairs))
    shift, total = numbers[:, :p], numbers[:, p : 2 * p]
    cross = np.empty((len(rows), p, p))
    for k, (i, j) in enumerate(pairs):
        cross[:, i, j] = cross[:, j, i] = numbers[:, 2 * p + k] - total[:, i] * total[:, j] / n
    keys = tuple(r[0] for r in rows)
    cells = None
    if cluster is not None:
        wanted = ", ".join(["g", "c", "count(*)", *shifts, *sums])
        found = joined.aggregate(wanted, "g, c").order("g, c").fetchall()
        place = {key: i for i, key in enumerate(keys)}
        size = np.array([r[2] for r in found], dtype=float)
        body = np.array([r[3:] for r in found], dtype=float).reshape(len(found), 2 * p)
        cells = ClusterCells(
            np.array([place[r[0]] for r in found], dtype=np.int64),
            np.array([r[1] for r in found]),
            size,
            body[:, :p] + body[:, p:] / size[:, None],
        )
    mean, rest = add(shift, total / n[:, None])
    return Moments(keys, n, mean, cross, rest, cells)


def _refuse_gaps(source: Any, columns: list[str], numbers: int) -> None:
    """Missing or infinite values would silently change which rows are counted, so they are refused.

    The first `numbers` of `columns` are the values; then follow the group and, where there is one, the cluster.
    """
    tests = [f"x{j} IS NULL OR NOT isfinite(x{j})" for j in range(numbers)]
    tests += ["g IS NULL", "c IS NULL"][: len(columns) - numbers]
    counts = source.aggregate(", ".join(f"count(*) FILTER (WHERE {t})" for t in tests)).fetchall()[0]
    for column, count in zip(columns, counts, strict=True):
        if count:
            raise InputError(
                "moments need complete, finite columns",
                column=column,
                count=count,
                remedy="leave these rows out or fill them deliberately first",
            )
