"""Order statistics of the arms where the rows lie."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.intake.rows import Mass
from gmvcausal.frames.table import duck_errors, literal

FloatArray = NDArray[np.float64]


def table(relation: Any, wanted: str, group: str) -> list[tuple[Any, ...]]:
    """Grouped sums of a relation."""
    import duckdb

    try:
        return list(relation.aggregate(wanted, group).fetchall())
    except duckdb.Error as error:
        raise duck_errors(error, "data") from None


def quantiles(relation: Any, shares: FloatArray) -> FloatArray:
    """Quantiles of the column x of each arm a at its own shares, shape (arms, k)."""
    wanted = ", ".join(literal(s) for s in shares.ravel())
    found = dict(table(relation, f"a, quantile_cont(x, [{wanted}])", "a"))
    every = np.array([found[a] for a in range(len(shares))]).reshape(len(shares), *shares.shape)
    return np.array([every[a, a] for a in range(len(shares))])


def live_quantiles(relation: Any, share: float, arms: int) -> FloatArray:
    """A quantile of the non-zero values of each arm, shape (arms,); NaN where there are none."""
    found = dict(table(relation, f"a, quantile_cont(x, {literal(share)}) FILTER (x <> 0)", "a"))
    return np.array([math.nan if found[a] is None else found[a] for a in range(arms)])


def mass(relation: Any, at: FloatArray) -> list[list[Mass]]:
    """For each arm and each of its places `at`, shape (arms, k): the commoner of the two values around it."""
    places = list(dict.fromkeys(float(p) for p in at.ravel()))
    sides = [s for p in places for s in (f"max(x) FILTER (x <= {literal(p)})", f"min(x) FILTER (x >= {literal(p)})")]
    around = {row[0]: row[1:] for row in table(relation, ", ".join(["a", *sides]), "a")}
    values = list(dict.fromkeys(float(v) for row in around.values() for v in row if v is not None))
    counts = {
        row[0]: dict(zip(values, row[1:], strict=True))
        for row in table(relation, ", ".join(["a", *(f"count(*) FILTER (x = {literal(v)})" for v in values)]), "a")
    }
    found = []
    for a, own in enumerate(at):
        first = [2 * places.index(float(p)) for p in own]
        pairs = [[v for v in around[a][i : i + 2] if v is not None] for i in first]
        best = [max((int(counts[a][v]), -float(v)) for v in pair) for pair in pairs]
        found.append([Mass(-v, k) for k, v in best])
    return found
