"""The level at which treatment was assigned: clusters as named, or found where the data show it."""

from __future__ import annotations

import warnings
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalWarning, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import first_rows, identifiers
from gmvcausal.frames.facts import COARSER
from gmvcausal.frames.table import Table
from gmvcausal.rollout.intake.cohorts import ALWAYS
from gmvcausal.rollout.intake.layout import Layout

IntArray = NDArray[np.int64]

_SAMPLE = 2_000
ROW = "row"  # what a cluster is called where rows are people


def clusters(
    table: Table,
    layout: Layout,
    cluster: str | None,
    unit: str | None,
    start: IntArray,
    meta: dict[str, Any],
    moving: dict[str, int],
) -> tuple[str, IntArray]:
    """Dense cluster code of every matrix row; a coarser level is found where treatment is assigned there."""
    if cluster is None and layout.stack is None:
        for column in [*meta.get("keep", []), *COARSER]:
            if column == unit or column not in table.columns:
                continue
            codes = _coarser(table, layout, column, start, moving)
            if codes is not None:
                fine = f"; pass cluster={unit!r} to cluster by unit" if unit is not None else ""
                warnings.warn(
                    f"treatment does not vary within {column!r}, so standard errors are clustered there{fine}",
                    GmvCausalWarning,
                    stacklevel=4,
                )
                return column, codes
    if cluster is None or cluster == unit:
        return unit or ROW, layout.unit_code.astype(np.int64)
    ids = identifiers(table, cluster, "cluster")
    codes, varies = layout.per_row(ids.codes)
    if layout.stack is not None:
        by_unit = np.full(int(layout.unit_code.max()) + 1, -1, dtype=np.int64)
        by_unit[layout.unit_code] = codes
        varies = varies | (by_unit[layout.unit_code] != codes).any()
    if varies.any():
        raise rules.not_constant(
            cluster,
            "cluster",
            "units",
            units_touched(layout, varies),
            first_rows(varies),
            "clusters must hold whole units: is a unit id used in several clusters?",
        )
    return cluster, np.unique(codes, return_inverse=True)[1].astype(np.int64)


def _coarser(table: Table, layout: Layout, column: str, start: IntArray, moving: dict[str, int]) -> IntArray | None:
    """Codes of `column` if it is coarser than the unit and decides who is treated when; else None."""
    try:
        ids = identifiers(table, column, "cluster")
    except InputError:
        return None  # nobody asked for this column: one that holds no ids is simply no cluster
    codes, varies = layout.per_row(ids.codes)
    if varies.any():
        moving[column] = units_touched(layout, varies)
        return None
    codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    levels = int(codes.max()) + 1
    first = np.empty(levels, dtype=np.int64)
    first[codes] = start
    n_cohorts = len(np.unique(start[start != ALWAYS]))
    if levels >= len(codes) or levels <= n_cohorts or not (first[codes] == start).all():
        return None
    return codes


def unused_coarser(table: Table, layout: Layout, used: set[str | None], start: IntArray) -> tuple[str, ...]:
    """Columns that nobody named, coarser than the unit, within which treatment does not vary.

    Units treated one by one almost never agree within every level of a column, so such a column is where the tactic was
    assigned. Looked for on a sample of units first, which settles nearly every column.
    """
    rows = np.arange(min(table.n, _SAMPLE * layout.shape[1]))
    if layout.cell is not None and layout.keep is None:
        rows = np.flatnonzero(layout.cell < _SAMPLE * layout.shape[1])
    elif layout.cell is not None:
        return ()
    own = {"gmv", "orders", "buyers", "treated", "first_treated", "parts", "event_time"}
    columns = [c for c in table.columns if c not in used and c not in own and c not in COARSER]
    if not columns:
        return ()
    sample = Table(table.frame[rows.tolist()], table.name, len(rows))
    found = []
    for column in columns:
        dtype = table.frame[column].dtype
        if not (dtype.is_integer() or dtype in (nw.String, nw.Categorical, nw.Enum)):
            continue
        try:
            codes = identifiers(sample, column, "cluster").codes
        except InputError:
            continue
        unit = (rows if layout.cell is None else layout.cell[rows]) // layout.shape[1]
        order = np.argsort(unit, kind="stable")
        same_unit = unit[order][1:] == unit[order][:-1]
        if (codes[order][1:] != codes[order][:-1])[same_unit].any() or codes.max() == 0:
            continue
        if _coarser(table, layout, column, start, {}) is not None:
            found.append(column)
    return tuple(found)


def units_touched(layout: Layout, row_mask: NDArray[np.bool_]) -> int:
    """How many units the marked table rows belong to."""
    rows = np.flatnonzero(row_mask)
    if layout.cell is None:
        return len(np.unique(rows // layout.shape[1]))
    if layout.keep is not None:
        rows = np.searchsorted(layout.keep, rows)
    return len(np.unique(layout.cell[rows] // layout.shape[1]))
