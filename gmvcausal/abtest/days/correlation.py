"""How the looks at running totals hang together: the covariance of the effect up to one day and up to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.abtest.intake.rows import FloatArray, IntArray

if TYPE_CHECKING:
    from gmvcausal.abtest.days.days import Days

_CELLS_AT_ONCE = 4_000_000


def look_covariance(relation: Any, days: Days, outcome: int, arms: list[int]) -> FloatArray:
    """Covariance of the difference between two arms up to each day, shape (days, days); NaN where it has none.

    Units that have entered by day j are among those of a later day k, so the means up to the two days covary by
    C_jk / n_k, with C_jk the covariance of the two totals over the units of day j.

    Parameters
    ----------
    relation : DuckDB relation
        Rows of u, a, d, y0, y1, ...
    days : Days
    outcome : int
        Position among the outcomes.
    arms : list of int
        The two arms.
    """
    k = len(days.calendar.at)
    flag, everybody = days.flags[outcome], days.shape == "zero"
    parts = max(1, -(-int(days.sizes.sum()) * k // _CELLS_AT_ONCE))
    columns = relation.project(f"u, a, d, CAST(y{outcome} AS DOUBLE) AS y")
    products, sums, units = (np.zeros((len(days.labels), k, k)) for _ in range(3))
    shift: FloatArray | None = None
    for part in range(parts):
        # A unit's rows must come together; which part it falls into does not matter.
        here = columns if parts == 1 else columns.filter(f"hash(u) % {parts} = {part}")
        total, there, arm = _totals(here.fetchnumpy(), days, flag, everybody)
        if not len(arm):
            continue
        if shift is None:  # near the mean, so that a large common amount costs no digits
            shift = np.asarray((total * there).sum(axis=0) / np.maximum(there.sum(axis=0), 1.0))
        moved = (total - shift) * there
        for a in arms:
            own = arm == a
            x, e = moved[own], there[own]
            products[a] += x.T @ x
            sums[a] += e.T @ x
            units[a] += e.T @ e
    out = np.zeros((k, k))
    for a in arms:
        n = np.diag(units[a])
        with np.errstate(divide="ignore", invalid="ignore"):
            early = (products[a] - np.diag(sums[a])[:, None] * sums[a] / n[:, None]) / (n[:, None] - 1) / n[None, :]
        upper = np.triu(early)
        out += upper + np.triu(early, 1).T
    return out


def _totals(rows: dict[str, Any], days: Days, flag: bool, everybody: bool) -> tuple[FloatArray, FloatArray, IntArray]:
    """Running totals (units, days), whether the unit has entered, and its arm."""
    import pandas as pd

    unit = pd.factorize(np.ma.getdata(rows["u"]))[0]
    place = np.searchsorted(days.calendar.at, np.ma.getdata(rows["d"]))
    count, k = int(unit.max(initial=-1)) + 1, len(days.calendar.at)
    matrix = np.zeros((count, k))
    matrix[unit, place] = np.ma.getdata(rows["y"])
    total = np.cumsum(matrix, axis=1)
    first = np.full(count, k)
    np.minimum.at(first, unit, place)
    arm = np.zeros(count, dtype=np.int64)
    arm[unit] = np.ma.getdata(rows["a"])
    entered = np.ones((count, k)) if everybody else np.asarray(np.arange(k) >= first[:, None], dtype=float)
    so_far: FloatArray = np.asarray(np.minimum(total, 1.0) if flag else total, dtype=float)
    return so_far, entered, arm
