"""One reading of the data of a test: columns in, validated `Rows` out."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.designs.designs import Facts, check_exposure, read_split, read_trigger
from gmvcausal.abtest.designs.switchback import THIN, WASHED, cut, said_of_blocks
from gmvcausal.abtest.intake import sentences
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.read_values import covariate, outcomes
from gmvcausal.abtest.intake.rows import Col, Rows
from gmvcausal.abtest.intake.units import said_of_units
from gmvcausal.abtest.metrics import covariates, model_of
from gmvcausal.abtest.terms.received import outcome_of
from gmvcausal.abtest.terms.strata import as_covariates, beside_covariates, read_strata
from gmvcausal.errors import GmvCausalWarning
from gmvcausal.frames.arms import find_control, found_there, in_one_arm, place_of_assignment, small_arms
from gmvcausal.frames.columns import Codes, first_rows, flags, identifiers
from gmvcausal.frames.facts import COARSER, UNIT_NAMES, frame_facts, named_unit, says_unit
from gmvcausal.frames.table import Table, open_table

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def read_rows(data: Any, ask: Columns) -> Rows:
    """Read and check the rows of a test.

    Raises
    ------
    InputError
        Every way of being wrong that a table has; the message names column, count, rows and remedy.
    """
    table = open_table(data, needed=ask.needed, optional=(*COARSER, *UNIT_NAMES))
    arms = identifiers(table, ask.arm, "arm")
    labels = tuple(v.item() if isinstance(v, np.generic) else v for v in arms.labels)
    control = find_control(ask.arm, labels, ask.control)
    notes: list[str] = []
    dropped: dict[str, int] = {}
    unit = _unit_column(table, ask)
    check_exposure(table, ask, notes)
    switches = ask.washout is not None
    # Whose rows they are does not matter where blocks of time were drawn: users come back under another arm.
    keep = None if switches else _one_arm_each(table, unit, ask, arms, notes, dropped)
    values: dict[Col, FloatArray] = {}
    spacing: dict[str, float] = {}
    expanded: dict[str, tuple[Col, ...]] = {}
    outcomes(table, ask, values, spacing, notes)
    if ask.received is not None:
        got = flags(table, ask.received, "received")
        values[Col(ask.received)] = got.astype(float)
        for column in filter(None, (outcome_of(m, ask.received) for m in ask.metrics)):
            values[Col(column, without=ask.received)] = np.where(got, 0.0, values[Col(column)])
    gaps: dict[Col, NDArray[np.bool_]] = {}
    linear = {c for m in ask.metrics if model_of(m) is None for c in covariates(m)}
    for column in dict.fromkeys(c for m in ask.metrics for c in covariates(m)):
        expanded[column] = covariate(table, column, values, notes, None if column in linear else gaps)
    everybody = np.ones(table.n, dtype=bool) if keep is None else keep
    split = None
    if ask.budget is not None:
        split = read_split(table, ask.budget, arms.codes, labels, everybody)
    blocks = trigger = stratum = None
    cluster: IntArray | None
    if switches:
        keep, cluster, stratum, blocks = cut(table, ask, arms)
        name = blocks.name
        dropped |= {k: n for k, n in ((WASHED, blocks.washed), (THIN, int((~keep).sum()) - blocks.washed)) if n}
        notes += said_of_blocks(blocks, ask.washout)
    else:
        name, cluster = _clusters(table, ask, arms, keep)
    if ask.triggered is not None:
        everybody = np.ones(table.n, dtype=bool) if keep is None else keep
        keep, trigger = read_trigger(table, ask.triggered, arms.codes, cluster, labels, everybody)
        dropped[f"rows without {ask.triggered}"] = int((everybody & ~keep).sum())
    if blocks is None:
        stratum = read_strata(table, ask, arms.codes, labels, keep, (name, cluster))
    if keep is not None:
        arms = Codes(arms.codes[keep], arms.labels)
        values = {c: v[keep] for c, v in values.items()}
        gaps = {c: v[keep] for c, v in gaps.items()}
        stratum = None if stratum is None else stratum[keep]
        cluster = None if cluster is None else np.unique(cluster[keep], return_inverse=True)[1]
    of_strata: tuple[Col, ...] = ()
    if stratum is not None and cluster is None and beside_covariates(ask):
        cells = as_covariates(stratum, ask, notes)
        of_strata = tuple(Col(" x ".join(ask.strata), None, f"cell {k}") for k in cells)
        values |= dict(zip(of_strata, cells.values(), strict=True))
        stratum = None
    small_arms(labels, np.bincount(arms.codes, minlength=len(labels)))
    segment, levels = _segment(table, ask, keep)
    return Rows(
        labels, control, arms.codes, values, stratum, cluster, name, table.n, len(table.columns), notes, dropped,
        spacing, expanded, frame_facts(data), said_of_units(unit) if unit and not switches else "", gaps,
        Facts(blocks, trigger, split), of_strata, segment, levels,
    )  # fmt: skip


def _segment(table: Table, ask: Columns, keep: NDArray[np.bool_] | None) -> tuple[IntArray | None, tuple[Any, ...]]:
    """Codes and labels of the levels that are left in the analysed rows."""
    if ask.segment is None:
        return None, ()
    own = identifiers(table, ask.segment, "segment")
    live, codes = np.unique(own.codes if keep is None else own.codes[keep], return_inverse=True)
    return codes, tuple(own.labels[live])


def _unit_column(table: Table, ask: Columns) -> str | None:
    """The column of the units: as named, or by its very name."""
    if ask.unit is not None:
        return ask.unit
    if says_unit(ask.cluster):
        return ask.cluster
    return named_unit(table.columns, (ask.arm, ask.cluster, *ask.strata))


# --- units ------------------------------------------------------------------------------------------------------------
def _one_arm_each(
    table: Table, unit: str | None, ask: Columns, arms: Codes, notes: list[str], dropped: dict[str, int]
) -> NDArray[np.bool_] | None:
    """Which rows stay so that every unit is in one arm, once; None for all."""
    if unit is None:
        return None
    ids = identifiers(table, unit, "unit").codes
    keep = in_one_arm(ids, arms.codes, unit, ask.rule, notes, dropped)
    if ask.cluster is None:
        inside = np.ones(len(ids), dtype=bool) if keep is None else keep
        _, at = np.unique(ids[inside], return_index=True)
        again = np.ones(int(inside.sum()), dtype=bool)
        again[at] = False
        if again.any():
            count = len(np.unique(ids[inside][again]))
            raise sentences.unit_again(unit, count, np.flatnonzero(inside)[again])
    return keep


def _clusters(table: Table, ask: Columns, arms: Codes, keep: NDArray[np.bool_] | None) -> tuple[str, IntArray | None]:
    """Name and codes of the clusters: as named, or where the arm does not vary within a column of places."""
    if ask.cluster is not None:
        codes = identifiers(table, ask.cluster, "cluster").codes
        if ask.unit is not None and ask.unit != ask.cluster:
            _constant_within(identifiers(table, ask.unit, "unit").codes, codes, ask.cluster)
        if int(codes.max()) < 1:
            raise sentences.one_cluster(ask.cluster)
        return ask.cluster, codes
    found = place_of_assignment(table, arms.codes if keep is None else arms.codes[keep], ask.needed, keep)
    if found is not None:
        warnings.warn(found_there(found[0]), GmvCausalWarning, stacklevel=6)
        return found
    return "", None


def _constant_within(unit: IntArray, cluster: IntArray, column: str) -> None:
    first = np.empty(int(unit.max()) + 1, dtype=np.int64)
    first[unit[::-1]] = cluster[::-1]
    bad = cluster != first[unit]
    if bad.any():
        count = len(np.unique(unit[bad]))
        raise sentences.moving_units(column, count, first_rows(bad))
