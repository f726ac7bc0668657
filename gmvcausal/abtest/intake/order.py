"""Order statistics of the arms where the rows lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.intake.rows import Mass
from gmvcausal.frames.table import duck_errors, literal

FloatArray = NDArray[np.float64]
# Aggregates (with commas) of the columns a (the arm) and x, by a where the flag says so -> rows.
Asked = Callable[[str, bool], list[tuple[Any, ...]]]


def table(relation: Any, wanted: str, group: str) -> list[tuple[Any, ...]]:
    """Grouped sums of a relation."""
    import duckdb

    try:
        return list(relation.aggregate(wanted, group).fetchall())
    except duckdb.Error as error:
        raise duck_errors(error, "data") from None


def live(share: float, x: str = "x") -> str:
    """The quantile of the non-zero values (linear between neighbours) in SQL; missing where there are none."""
    return f"quantile_cont(CASE WHEN {x} <> 0 THEN {x} END, {literal(share)})"


def quantiles(ask: Asked, shares: FloatArray) -> FloatArray:
    """Quantiles of the column x of each arm a at its own shares, shape (arms, k)."""
    wanted = [f"quantile_cont(CASE WHEN a = {a} THEN x END, {literal(s)})" for a, own in enumerate(shares) for s in own]
    return np.array(ask(", ".join(wanted), False)[0], dtype=float).reshape(shares.shape)


def live_quantiles(ask: Asked, share: float, arms: int) -> FloatArray:
    """A quantile of the non-zero values of each arm, shape (arms,); NaN where there are none."""
    found: dict[int, Any] = dict(ask(f"a, {live(share)}", True))
    return np.array([math.nan if found[a] is None else found[a] for a in range(arms)])


def mass(ask: Asked, at: FloatArray) -> list[list[Mass]]:
    """For each arm and each of its places `at`, shape (arms, k): the commoner of the two values around it."""
    places = list(dict.fromkeys(float(p) for p in at.ravel()))
    sides = [
        s
        for p in places
        for s in (f"max(x) FILTER (WHERE x <= {literal(p)})", f"min(x) FILTER (WHERE x >= {literal(p)})")
    ]
    around = {row[0]: row[1:] for row in ask(", ".join(["a", *sides]), True)}
    values = list(dict.fromkeys(float(v) for row in around.values() for v in row if v is not None))
    counts = {
        row[0]: dict(zip(values, row[1:], strict=True))
        for row in ask(", ".join(["a", *(f"count(*) FILTER (WHERE x = {literal(v)})" for v in values)]), True)
    }
    found: list[list[Mass]] = []
    for a, own in enumerate(at):
        first = [2 * places.index(float(p)) for p in own]
        pairs = [[v for v in around[a][i : i + 2] if v is not None] for i in first]
        best = [max((int(counts[a][v]), -float(v)) for v in pair) for pair in pairs]
        found.append([Mass(-v, k) for k, v in best])
    return found
