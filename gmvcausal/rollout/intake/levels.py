"""The level at which treatment was assigned: clusters as named, or found where the data show it."""

from __future__ import annotations

import warnings
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalWarning, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import identifiers
from gmvcausal.frames.facts import COARSER
from gmvcausal.rollout.intake.cohorts import ALWAYS
from gmvcausal.rollout.intake.gathered import Further
from gmvcausal.rollout.intake.layout import Layout

IntArray = NDArray[np.int64]

OWN = {"gmv", "orders", "buyers", "treated", "first_treated", "parts", "event_time"}
ROW = "row"  # what a cluster is called where rows are people


def clusters(
    further: Further,
    layout: Layout,
    cluster: str | None,
    unit: str | None,
    start: IntArray,
    meta: dict[str, Any],
    moving: dict[str, int],
) -> tuple[str, IntArray]:
    """Dense cluster code of every matrix row; a coarser level is found where treatment is assigned there."""
    if cluster is None:
        for column in [*meta.get("keep", []), *COARSER]:
            if column == unit or column not in further.columns:
                continue
            codes = _coarser(further, layout, column, start, moving)
            if codes is not None:
                say_coarser(column, unit)
                return column, codes
    if cluster is None or cluster == unit:
        return unit or ROW, layout.unit_code.astype(np.int64, copy=False)
    found = further.codes(cluster, "cluster")
    several = max(found.several, _between_campaigns(layout, found.codes))
    if several:
        raise rules.not_constant(
            cluster,
            "cluster",
            "units",
            several,
            found.rows,
            "clusters must hold whole units: is a unit id used in several clusters?",
        )
    return cluster, np.unique(found.codes, return_inverse=True)[1].astype(np.int64, copy=False)


def say_coarser(column: str, unit: str | None) -> None:
    """Warn that a level was found that nobody named."""
    fine = f"; pass cluster={unit!r} to cluster by unit" if unit is not None else ""
    warnings.warn(
        f"treatment does not vary within {column!r}, so standard errors are clustered there{fine}",
        GmvCausalWarning,
        stacklevel=6,
    )


def started_apart(start: IntArray, cluster: IntArray, column: str, name: str) -> list[str]:
    """Where rows are people: warn, and note, that dates differ within the place by which they are clustered.

    A date written only on those who took the tactic up makes them their own neighbours' treated: who takes it up then
    passes for an effect.
    """
    used = start != ALWAYS
    low = np.full(int(cluster.max()) + 1, np.iinfo(np.int64).max)
    high = np.full(len(low), ALWAYS)
    np.minimum.at(low, cluster[used], start[used])
    np.maximum.at(high, cluster[used], start[used])
    several = int((low < high).sum())
    if not several:
        return []
    said = (
        f"{column!r} varies within {several:,} of {len(low):,} values of {name!r}: it must be the start of the place, "
        "for all of its rows, not of those alone who took the tactic up. Only where parts of a place started at "
        "different dates is this right"
    )
    warnings.warn(said, GmvCausalWarning, stacklevel=5)
    return [said]


def _coarser(further: Further, layout: Layout, column: str, start: IntArray, moving: dict[str, int]) -> IntArray | None:
    """Codes of `column` if it is coarser than the unit and decides who is treated when; else None."""
    try:
        found = further.codes(column, "cluster")
    except InputError:
        return None  # nobody asked for this column: one that holds no ids is simply no cluster
    several = max(found.several, _between_campaigns(layout, found.codes))
    if several:
        moving[column] = several
        return None
    codes = np.unique(found.codes, return_inverse=True)[1].astype(np.int64, copy=False)
    levels = int(codes.max()) + 1
    # Of a stack, treatment is assigned campaign by campaign.
    campaigns = 1 if layout.stack is None else int(layout.stack.max()) + 1
    place = codes if layout.stack is None else codes * campaigns + layout.stack
    first = np.empty(levels * campaigns, dtype=np.int64)
    first[place] = start
    used = start != ALWAYS
    stack = np.zeros(len(start), dtype=np.int64) if layout.stack is None else layout.stack
    n_cohorts = max(len(np.unique(start[used & (stack == c)])) for c in range(campaigns))
    units = int(layout.unit_code.max()) + 1
    if levels >= units or levels <= n_cohorts or not (first[place] == start).all():
        return None
    return codes


def _between_campaigns(layout: Layout, codes: IntArray) -> int:
    """How many units of a stack have several codes, from one campaign to another."""
    if layout.stack is None:
        return 0
    by_unit = np.full(int(layout.unit_code.max()) + 1, -1, dtype=np.int64)
    by_unit[layout.unit_code] = codes
    return len(np.unique(layout.unit_code[by_unit[layout.unit_code] != codes]))


def unused_coarser(further: Further, layout: Layout, used: set[str], start: IntArray) -> tuple[str, ...]:
    """Columns that nobody named, coarser than the unit, within which treatment does not vary.

    Units treated one by one almost never agree within every level of a column, so such a column is where the tactic was
    assigned. Looked for on a sample of units first, which settles nearly every column.
    """
    columns = [c for c in further.columns if c not in used and c not in OWN and c not in COARSER]
    made = further.sample(columns) if columns else None
    if made is None:
        return ()
    sample, of_row = made
    order = np.argsort(of_row, kind="stable")
    same_unit = of_row[order][1:] == of_row[order][:-1]
    found = []
    for column in columns:
        dtype = sample.frame[column].dtype if column in sample.columns else None
        if dtype is None or not (dtype.is_integer() or dtype in (nw.String, nw.Categorical, nw.Enum)):
            continue
        try:
            codes = identifiers(sample, column, "cluster").codes
        except InputError:
            continue
        if (codes[order][1:] != codes[order][:-1])[same_unit].any() or codes.max() == 0:
            continue
        if _coarser(further, layout, column, start, {}) is not None:
            found.append(column)
    return tuple(found)
