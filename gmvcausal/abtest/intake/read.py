"""One reading of the data of a test: columns in, validated `Rows` out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.designs.designs import Facts, check_exposure, read_split, read_trigger
from gmvcausal.abtest.designs.switchback import THIN, WASHED, cut, said_of_blocks
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.read_values import covariate, outcomes
from gmvcausal.abtest.intake.rows import Col, Rows
from gmvcausal.abtest.metrics import covariates, model_of
from gmvcausal.abtest.terms.received import outcome_of
from gmvcausal.abtest.terms.strata import as_covariates, beside_covariates, read_strata
from gmvcausal.errors import GmvCausalWarning, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import Codes, first_rows, flags, identifiers
from gmvcausal.frames.facts import COARSER, frame_facts
from gmvcausal.frames.params import said
from gmvcausal.frames.table import Table, open_table

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A column of one of these names holds who a row belongs to; Logs.users calls it "user".
UNIT_NAMES = ("unit", "user", "user_id", "uid", "customer_id")
_MOST_ARMS = 100


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


def said_of_units(unit: str) -> str:
    """What is known of the units once they were looked through."""
    return f"no {unit!r} is in two arms, or in two rows outside a cluster"


def small_arms(labels: tuple[Any, ...], sizes: IntArray) -> None:
    """Refuse an arm that has no variance of its own."""
    for label, size in zip(labels, sizes, strict=True):
        if size < 2:
            raise InputError(
                f"arm {str(label)!r} has {int(size)} row{'' if size == 1 else 's'}, and a comparison needs at least 2",
                remedy="check the assignment, or leave this arm out",
            )


def find_control(column: str, labels: tuple[Any, ...], control: Any) -> int:
    """Position of the control among the labels; it is never guessed from their order."""
    if len(labels) < 2:
        raise InputError(
            f"arm has only one label, {str(labels[0])!r}, so there is nothing to compare",
            column=column,
            remedy="pass all arms of the test in one table",
        )
    if len(labels) > _MOST_ARMS:
        raise InputError(
            f"arm has {len(labels):,} labels, which are too many to be arms",
            column=column,
            remedy="name the column that says which arm a unit is in",
        )
    listed = ", ".join(repr(label) for label in labels)
    if control is None:
        if labels == (0, 1):
            return 0
        raise InputError(
            f"the control arm is not named, and the labels {listed} do not say which it is",
            column=column,
            remedy=f"pass control=, for example control={labels[0]!r}",
        )
    if isinstance(control, str | int | float | np.generic):
        wanted = control.item() if isinstance(control, np.generic) else control
        for at, label in enumerate(labels):
            if label == wanted or (not isinstance(wanted, str) and str(label) == str(wanted)):
                return at
    raise InputError(
        f"control is {said(control)}, which is no label of the arms",
        column=column,
        remedy=_as_number(control, labels) or rules.nearest(control, labels, "the labels are"),
    )


def _as_number(control: Any, labels: tuple[Any, ...]) -> str:
    """How to name a control that was given as text where the arms are whole numbers; empty where that is not it."""
    same = [label for label in labels if isinstance(control, str) and str(label) == control.strip()]
    return f"the arms are whole numbers: pass control={same[0]}, without quotes" if same else ""


def _unit_column(table: Table, ask: Columns) -> str | None:
    """The column of the units: as named, or by its very name."""
    if ask.unit is not None:
        return ask.unit
    if ask.cluster in UNIT_NAMES:
        return ask.cluster
    return next((c for c in UNIT_NAMES if c in table.columns and c not in (ask.arm, ask.cluster, *ask.strata)), None)


# --- units ------------------------------------------------------------------------------------------------------------
def _one_arm_each(
    table: Table, unit: str | None, ask: Columns, arms: Codes, notes: list[str], dropped: dict[str, int]
) -> NDArray[np.bool_] | None:
    """Which rows stay so that every unit is in one arm, once; None for all."""
    if unit is None:
        return None
    ids = identifiers(table, unit, "unit").codes
    first = np.empty(int(ids.max()) + 1, dtype=np.int64)
    first[ids[::-1]] = arms.codes[::-1]
    other = arms.codes != first[ids]
    keep: NDArray[np.bool_] | None = None
    if other.any():
        both = np.zeros(len(first), dtype=bool)
        both[ids[other]] = True
        count = int(both.sum())
        if ask.rule == "raise":
            raise in_two_arms(unit, count, first_rows(both[ids]), "keeps the arm that comes first in the table")
        keep = ~other if ask.rule == "first" else ~both[ids]
        what = "rows of units in more than one arm, beyond their first" if ask.rule == "first" else (
            "rows of units in more than one arm"
        )  # fmt: skip
        dropped[what] = int((~keep).sum())
        notes.append(f"{count:,} units were in more than one arm (rule={ask.rule!r})")
    if ask.cluster is None:
        inside = np.ones(len(ids), dtype=bool) if keep is None else keep
        _, at = np.unique(ids[inside], return_index=True)
        again = np.ones(int(inside.sum()), dtype=bool)
        again[at] = False
        if again.any():
            raise rules.duplicated(
                "units",
                unit,
                len(np.unique(ids[inside][again])),
                np.flatnonzero(inside)[again],
                f"add each unit's rows up to one first, or pass cluster={unit!r}: rows of one unit are not independent",
            )
    return keep


def in_two_arms(unit: str, count: int, rows: list[int], first: str) -> InputError:
    """Units in more than one arm; `first` says what rule='first' would do."""
    return InputError(
        f"{count:,} units are in more than one arm",
        column=unit,
        count=count,
        rows=rows,
        remedy=f"find out why; then rule='first' {first}, rule='drop' leaves these units out",
        counted=True,
    )


def _clusters(table: Table, ask: Columns, arms: Codes, keep: NDArray[np.bool_] | None) -> tuple[str, IntArray | None]:
    """Name and codes of the clusters: as named, or where the arm does not vary within a column of places."""
    if ask.cluster is not None:
        codes = identifiers(table, ask.cluster, "cluster").codes
        if ask.unit is not None and ask.unit != ask.cluster:
            _constant_within(identifiers(table, ask.unit, "unit").codes, codes, ask.cluster)
        if int(codes.max()) < 1:
            raise InputError("there is only one cluster, so chance cannot be told from effect", column=ask.cluster)
        return ask.cluster, codes
    for column in COARSER:
        if column not in table.columns or column in ask.needed:
            continue
        if table.series(column, "cluster").is_null().any():
            continue
        try:
            codes = identifiers(table, column, "cluster").codes
        except InputError:  # a column that nobody named may hold anything
            continue
        if _assigned_there(codes if keep is None else codes[keep], arms.codes if keep is None else arms.codes[keep]):
            warnings.warn(found_there(column), GmvCausalWarning, stacklevel=5)
            return column, codes
    return "", None


def _assigned_there(group: IntArray, arm: IntArray) -> bool:
    """Is the arm constant within groups, and could that not be chance if rows had been assigned one by one?"""
    first = np.empty(int(group.max()) + 1, dtype=np.int64)
    first[group[::-1]] = arm[::-1]
    if (first[group] != arm).any():
        return False
    size = np.bincount(np.bincount(group))
    share = np.bincount(arm) / len(arm)
    return chance_assigned_there({int(k): int(size[k]) for k in np.flatnonzero(size)}, share) < math.log(1e-6)


def chance_assigned_there(sizes: Mapping[int, int], share: FloatArray) -> float:
    """Logarithm of the chance that no group holds two arms, had rows been assigned one by one.

    Parameters
    ----------
    sizes : mapping of int to int
        Rows of a group -> how many such groups there are.
    share : ndarray, shape (arms,)
    """
    logs = np.log(share[share > 0])  # the chance itself leaves the range of a double where a group has 2,000 rows
    top = float(logs.max())
    return sum(n * (k * top + math.log(float(np.exp(k * (logs - top)).sum()))) for k, n in sizes.items() if k > 1)


def found_there(column: str) -> str:
    """The warning that clusters were found."""
    return (
        f"the arm does not vary within {column!r}, so standard errors are clustered there; give each row a cluster of "
        "its own (cluster=) if rows were assigned one by one"
    )


def _constant_within(unit: IntArray, cluster: IntArray, column: str) -> None:
    first = np.empty(int(unit.max()) + 1, dtype=np.int64)
    first[unit[::-1]] = cluster[::-1]
    bad = cluster != first[unit]
    if bad.any():
        count = len(np.unique(unit[bad]))
        raise rules.not_constant(
            column, "cluster", "units", count, first_rows(bad), "give each unit the cluster in which it was assigned"
        )


def read_expected(expected: Any, labels: tuple[Any, ...]) -> FloatArray:
    """Shares of the arms as they were planned, shape (arms,); equal by default."""
    if expected is None:
        return np.full(len(labels), 1 / len(labels))
    if not isinstance(expected, Mapping):
        raise InputError(
            f"expected_ratio must map arms to shares, but is {said(expected)}",
            remedy="write expected_ratio={'A': 0.9, 'B': 0.1}",
        )
    found = np.full(len(labels), np.nan)
    for key, share in expected.items():
        at = next((i for i, label in enumerate(labels) if label == key or str(label) == str(key)), None)
        if at is None:
            raise InputError(
                f"expected_ratio names {said(key)}, which is no arm of the data",
                remedy=rules.nearest(key, labels, "the arms are"),
            )
        ok = isinstance(share, int | float | np.number) and not isinstance(share, bool) and 0 < float(share) < math.inf
        if not ok:
            raise InputError(f"expected_ratio must hold positive shares, but holds {said(share)}")
        found[at] = float(share)
    if np.isnan(found).any():
        left = str(labels[int(np.flatnonzero(np.isnan(found))[0])])
        raise InputError(f"expected_ratio has no share for arm {left!r}", remedy="name every arm")
    return np.asarray(found / found.sum())
