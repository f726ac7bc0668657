"""Day x arm cells of a test: sums and products of each day's outcomes, and of the outcomes of each unit so far.

Sums are taken about a constant near most of the values, and a column of ones goes with them, so that variances keep
their digits when outcomes are far from zero and are exact where units have different numbers of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.abtest.intake.rows import FloatArray

if TYPE_CHECKING:
    from gmvcausal.abtest.days.days import Days


@dataclass(frozen=True, eq=False)
class Cells:
    """Moments over the units of each arm on each day.

    Attributes
    ----------
    n : ndarray, shape (days, arms)
        Units that are counted.
    mean : ndarray, shape (days, arms, p)
        NaN where no unit is counted.
    cov : ndarray, shape (days, arms, p, p)
        Covariance matrix, n - 1 in its denominator; NaN below two units.
    sure : bool
        Whether these are cells of running totals, whose last day must be the totals of the test.
    """

    n: FloatArray
    mean: FloatArray
    cov: FloatArray
    sure: bool

    def agrees(self, days: Days) -> bool:
        """Whether the cells are those of the data that the test was computed from."""
        for i, column in enumerate(days.outcomes):
            total, square = days.total[column], days.square[column]
            near = 1e-9 * np.maximum(np.abs(total), np.sqrt(square)) + 1e-300
            if self.sure:
                same = np.abs(self.mean[-1, :, i] - total) <= near
                same &= np.abs(self.cov[-1, :, i, i] - square) <= 1e-9 * square + 1e-12 * total**2
                same &= self.n[-1] == days.sizes
            elif days.flags[i]:
                continue  # the days of a share do not add up to it
            else:
                added = np.nansum(self.n * self.mean[:, :, i], axis=0) / days.sizes
                same = np.abs(added - total) <= near
            if not same.all():
                return False
        return True


def day_cells(relation: Any, days: Days) -> Cells:
    """Each day's own outcomes, over the units of that day."""
    p = len(days.outcomes)
    about = _about(relation, days)
    e = [f"(y{i} - ({about[i]!r}))" for i in range(p)] + ["1.0"]
    pairs = [(i, j) for i in range(p + 1) for j in range(i, p + 1)]
    wanted = [*(f"sum({x})" for x in e), *(f"sum({e[i]} * {e[j]})" for i, j in pairs)]
    found = relation.aggregate(", ".join(["d", "a", "count(*)", *wanted]), "d, a").fetchall()
    count, sums, products = _gather(found, days, p, pairs)
    n = np.broadcast_to(days.sizes.astype(float), count.shape) if days.shape == "zero" else count
    return _moments(n, sums, products, about, False)


def cumulative_cells(relation: Any, days: Days) -> Cells:
    """Each unit's outcomes up to and including the day, over the units that had entered by then.

    A unit's running total T changes by e on a day with a row, so the sum of T T' over units changes by
    T e' + e T' - e e': sums over rows, added up over the days, are exact also where units lack days.
    """
    p = len(days.outcomes)
    about = _about(relation, days)
    over = "OVER (PARTITION BY u ORDER BY d ROWS UNBOUNDED PRECEDING)"
    moved = relation.project(", ".join(["u", "a", "d", *(f"y{i} - ({about[i]!r}) AS y{i}" for i in range(p))]))
    running = [f"sum(y{i}) {over} AS t{i}" for i in range(p)]
    rows = moved.project(", ".join(["a", "d", *(f"y{i}" for i in range(p)), *running, f"row_number() {over} AS k"]))
    # Of a share the running total is whether it happened yet: it changes on the first day only.
    e = [f"CASE WHEN y{i} = 1 AND t{i} = 1 THEN 1.0 ELSE 0.0 END" if f else f"y{i}" for i, f in enumerate(days.flags)]
    t = [f"least(t{i}, 1.0)" if f else f"t{i}" for i, f in enumerate(days.flags)]
    named = [(f"e{i}", x) for i, x in enumerate([*e, "1.0"])] + [(f"t{i}", x) for i, x in enumerate([*t, "k"])]
    steps = rows.project(", ".join(["a", "d", *(f"CAST({x} AS DOUBLE) AS {name}" for name, x in named)]))
    pairs = [(i, j) for i in range(p + 1) for j in range(i, p + 1)]
    wanted = [f"sum(e{i})" for i in range(p + 1)]
    wanted += [f"sum(t{i} * e{j} + e{i} * t{j} - e{i} * e{j})" for i, j in pairs]
    found = steps.aggregate(", ".join(["d", "a", f"count(*) FILTER (t{p} = 1)", *wanted]), "d, a").fetchall()
    count, sums, products = _gather(found, days, p, pairs)
    count, sums, products = (np.cumsum(x, axis=0) for x in (count, sums, products))
    n = np.broadcast_to(days.sizes.astype(float), count.shape) if days.shape == "zero" else count
    return _moments(n, sums, products, about, True)


def _about(relation: Any, days: Days) -> list[float]:
    """A constant near most values of each outcome; zero for shares.

    The median, as one unit of a thousand million would draw the mean far away from everybody else's values, whose
    squares about it would lose the digits that the variances of arms and days without that unit need.
    """
    row = relation.aggregate(
        ", ".join(f"approx_quantile(CAST(y{i} AS DOUBLE), 0.5)" for i in range(len(days.outcomes)))
    ).fetchall()[0]
    return [0.0 if flag else float(x) for x, flag in zip(row, days.flags, strict=True)]


def _gather(
    found: list[tuple[Any, ...]], days: Days, p: int, pairs: list[tuple[int, int]]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rows of sums as arrays: count (days, arms), sums (days, arms, p + 1), products (days, arms, p + 1, p + 1)."""
    shape = (len(days.calendar.at), len(days.labels))
    count, sums, products = np.zeros(shape), np.zeros((*shape, p + 1)), np.zeros((*shape, p + 1, p + 1))
    place = {int(d): i for i, d in enumerate(days.calendar.at)}
    for d, a, k, *rest in found:
        at = (place[int(d)], int(a))
        count[at] = k
        sums[at] = rest[: p + 1]
        for (i, j), x in zip(pairs, rest[p + 1 :], strict=True):
            products[(*at, i, j)] = products[(*at, j, i)] = x
    return count, sums, products


def _moments(n: FloatArray, sums: FloatArray, products: FloatArray, about: list[float], sure: bool) -> Cells:
    """Means and covariances over n units of the outcomes themselves; units without a row add zero to every sum."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums / n[..., None]
        cross = products - sums[..., :, None] * mean[..., None, :]
        cov = cross / (n - 1)[..., None, None]
    p = len(about)
    back = np.hstack([np.eye(p), np.array(about)[:, None]])
    mean, cov = mean @ back.T, back @ cov @ back.T
    mean[n < 1] = np.nan
    cov[n < 2] = np.nan
    return Cells(n, mean, cov, sure)
