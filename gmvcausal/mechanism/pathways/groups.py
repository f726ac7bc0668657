"""Clusters of a mediation: named, found, or the finest groups of its fixed effects."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.columns import identifiers
from gmvcausal.frames.rows import (
    Clusters,
    read_clusters,
    refuse_repeated,
    unit_column,
)
from gmvcausal.frames.table import Table
from gmvcausal.mechanism.pathways.asked import Asked
from gmvcausal.mechanism.pathways.within import lies_within

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MIN_GROUPS, SMALL_GROUP = 30, 20  # fewer groups than the first, each of the second or more rows, are no clusters


def clusters_of(
    table: Table, asked: Asked, arm: IntArray, taken: Mapping[str | None, str], notes: list[str]
) -> Clusters:
    """What chance drew as one; users of several rows each are clusters, unless fixed effects are theirs."""
    who = unit_column(table, asked.unit, set(taken) - {asked.unit})
    given = {c for c in taken if c}
    if asked.cluster is not None:
        return read_clusters(table, asked.cluster, None, given)
    if who is None or who in asked.fixed:
        if who is None:
            return read_clusters(table, None, arm, given, frames_up=5)
        notes.append(f"rows repeat {who!r}, so standard errors are clustered there")
        return read_clusters(table, who, None, given)
    refuse_repeated(who, identifiers(table, who, "unit").codes)
    return read_clusters(table, None, arm, given, frames_up=5)


def with_fixed(
    table: Table, asked: Asked, fixed: tuple[IntArray, ...], clusters: Clusters, notes: list[str]
) -> Clusters:
    """Under fixed effects: the finest groups as clusters where nothing else is one, and what is approximate said."""
    code = clusters.codes
    if code is None:
        finest = max(range(len(fixed)), key=lambda i: int(fixed[i].max()))
        name, groups = asked.fixed[finest], int(fixed[finest].max()) + 1
        if groups < MIN_GROUPS and table.n >= SMALL_GROUP * groups:
            notes.append(
                f"errors are those of rows within {groups} large groups of {name!r}, whose means count among the "
                f"slopes; cluster={name!r} takes groups as what chance drew"
            )
            return clusters
        notes.append(
            f"standard errors are clustered at {name!r}, the finest of fixed=, and its groups are drawn whole: rows of "
            "one group share the mean that is taken out"
        )
        clusters = Clusters(name, identifiers(table, name, "fixed"))
        code = clusters.codes
    assert code is not None  # named, found, or just taken
    across = [name for name, g in zip(asked.fixed, fixed, strict=True) if not lies_within(g, code.codes)]
    if across:
        notes.append(
            f"groups of {', '.join(map(repr, across))} lie across clusters ({clusters.name!r}): their means count "
            "among the slopes and are not taken anew in the draws, which are approximate"
        )
    return clusters


def repeated(table: Table, asked: Asked, taken: Mapping[str | None, str]) -> bool:
    """Whether users stand in several rows each, as they may under clusters and fixed effects."""
    who = unit_column(table, asked.unit, {c for c in taken if c not in (asked.unit, asked.cluster, *asked.fixed)})
    return who is not None and len(identifiers(table, who, "unit").labels) < table.n
