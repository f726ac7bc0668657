"""Strata: cells known before assignment, within which the arms are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.intake import sentences
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.metrics import Gmv, covariates
from gmvcausal.errors import InputError
from gmvcausal.frames.columns import FloatArray, IntArray, first_rows, identifiers
from gmvcausal.frames.table import Table

_MOST_CELLS = 200


def read_strata(
    table: Table,
    ask: Columns,
    arm: IntArray,
    labels: tuple[Any, ...],
    keep: NDArray[np.bool_] | None,
    clusters: tuple[str, IntArray | None],
) -> IntArray | None:
    """The cell of every row, dense over the kept rows; None without strata.

    Raises
    ------
    InputError
        Cells with fewer than two rows (clusters, where there are any) in an arm; strata that vary within clusters.
    """
    strata = ask.strata
    if not strata:
        return None
    codes = np.zeros(table.n, dtype=np.int64)
    for column in strata:
        own = identifiers(table, column, "strata")
        codes = np.unique(codes * len(own.labels) + own.codes, return_inverse=True)[1].astype(np.int64)
    inside = np.ones(table.n, dtype=bool) if keep is None else keep
    name, cluster = clusters
    only = strata[0] if len(strata) == 1 else None
    counted = inside
    if cluster is not None:
        _nested(codes, arm, cluster, inside, name, only)
        counted = np.zeros(table.n, dtype=bool)
        at = np.flatnonzero(inside)
        counted[at[np.unique(cluster[at], return_index=True)[1]]] = True
    cells = int(codes.max()) + 1
    size = np.bincount((codes * len(labels) + arm)[counted], minlength=cells * len(labels)).reshape(cells, -1)
    thin = (size < 2).any(axis=1) & (size.sum(axis=1) > 0)
    if thin.any():
        rows = first_rows(thin[codes] & inside)
        raise sentences.thin_strata(only, name if cluster is not None else "", int(thin.sum()), rows)
    live = size.sum(axis=1) > 0
    return np.asarray((np.cumsum(live) - 1)[codes])


def _nested(
    codes: IntArray, arm: IntArray, cluster: IntArray, inside: NDArray[np.bool_], name: str, column: str | None
) -> None:
    for values, what in ((codes, "strata vary"), (arm, "the arm varies")):
        first = np.empty(int(cluster.max()) + 1, dtype=np.int64)
        at = np.flatnonzero(inside)
        first[cluster[at][::-1]] = values[at][::-1]
        bad = inside & (values != first[cluster])
        if bad.any():
            count = len(np.unique(cluster[bad]))
            raise sentences.not_nested(what, name, column, count, first_rows(bad))


def as_covariates(stratum: IntArray, ask: Columns, notes: list[str]) -> dict[str, FloatArray]:
    """Strata beside covariates: one indicator for every cell but the first, by name.

    A regression in each arm on these and the covariates is post-stratification and Lin's adjustment in one.
    """
    cells = int(stratum.max()) + 1
    notes.append(check_beside(cells, ask))
    return {str(k): (stratum == k).astype(float) for k in range(1, cells)}


def check_beside(cells: int, ask: Columns) -> str:
    """Whether so many strata can enter the adjustment; returns the note that they do.

    Raises
    ------
    InputError
        GMV that is taken apart; too many strata.
    """
    if any(isinstance(m, Gmv) for m in ask.metrics):  # quantiles are refused beside strata altogether
        raise InputError(
            "strata= and pre= cannot be used together with gc.Gmv", remedy="take GMV apart in a call of its own"
        )
    if cells > _MOST_CELLS:
        raise InputError(
            f"strata have {cells:,} cells, too many to adjust for beside pre=",
            remedy=f"merge them into {_MOST_CELLS} or fewer, or leave strata= or pre= out",
        )
    return (
        f"the {cells} strata of {', '.join(map(repr, ask.strata))} entered the adjustment as indicators, also of "
        "metrics without pre="
    )


def beside_covariates(ask: Columns) -> bool:
    """Whether both strata and covariates are asked for."""
    return bool(ask.strata) and any(covariates(m) for m in ask.metrics)
