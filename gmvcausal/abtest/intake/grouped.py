"""The rows of a test on an engine: every number that the verb needs is an aggregate that the engine makes.

What comes out are counts, sums about means, quantiles and extremes of arms (of strata, of clusters); never rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gmvcausal.abtest.designs.designs import Facts
from gmvcausal.abtest.intake import order, single
from gmvcausal.abtest.intake.blocks import Col, FloatArray, IntArray
from gmvcausal.abtest.intake.passes import Ask, Look
from gmvcausal.abtest.intake.rows import Mass, Shape
from gmvcausal.abtest.intake.second import second_pass
from gmvcausal.frames.engines.engine import Engine
from gmvcausal.frames.table import literal, quote
from gmvcausal.moments import Moments
from gmvcausal.moments.sql import Grouping, grouped


class Totals(NamedTuple):
    """A column over all arms."""

    zeros: float
    least: float
    largest: float
    total: float
    mean: float


@dataclass(eq=False)
class Grouped:
    """A test whose rows stay on an engine; members as in `Rows`.

    Attributes
    ----------
    space : Engine
    view : str
        Of the analysed rows: a (position of the arm), c (cluster), s0, s1, ... (strata), and the columns of `plain`.
    plain : dict of Col to str
        Columns without cap -> their expressions over the view.
    cells : list of tuple
        The strata, by their labels, sorted; empty without.
    totals : dict of Col to Totals
        Of the columns that were looked at while reading.
    """

    space: Engine
    view: str
    plain: dict[Col, str]
    labels: tuple[Any, ...]
    control: int
    cluster_name: str
    rows: int
    columns: int
    rows_of: IntArray
    totals: dict[Col, Totals]
    cells: list[tuple[Any, ...]] = field(default_factory=list)
    of_strata: tuple[Col, ...] = ()
    notes: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    spacing: dict[str, float] = field(default_factory=dict)
    expanded: dict[str, tuple[Col, ...]] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    unit_checked: str = ""
    facts: Facts = field(default_factory=Facts)
    _skewed: dict[Col, float] = field(default_factory=dict)
    _counts: IntArray | None = None
    _above: dict[tuple[Col, float], IntArray] = field(default_factory=dict)
    _made: tuple[list[Col], Moments] | None = None

    @property
    def strata(self) -> int:
        """Number of strata."""
        return max(len(self.cells), 1)

    @property
    def _from(self) -> str:
        return quote(self.view)

    def _sql(self, col: Col) -> str:
        """A column of the matrix in SQL."""
        x = self.plain[col.plain]
        if col.below is not None:
            return f"CASE WHEN {x} <= {literal(col.below)} THEN 1e0 ELSE 0e0 END"
        if col.any:
            return f"CASE WHEN {x} <> 0 THEN 1e0 ELSE 0e0 END"
        return x if col.cap is None else f"least({x}, {literal(col.cap)})"

    def _ask(self, col: Col, wanted: str, by_arm: bool) -> list[tuple[Any, ...]]:
        text = f"SELECT {wanted} FROM (SELECT a, {self._sql(col)} AS x FROM {self._from}) AS t"
        return self.space.rows(text + (" GROUP BY a" if by_arm else ""), "data")

    # --- sizes --------------------------------------------------------------------------------------------------------
    def sizes(self) -> IntArray:
        """Rows of each arm."""
        return self.rows_of

    def counts(self) -> IntArray:
        """Independent units of each arm: rows, or clusters where each lies in one arm."""
        if not self.cluster_name:
            return self.rows_of
        if self._counts is None:
            each = f"SELECT min(a) AS a, max(a) AS b FROM {self._from} GROUP BY c"
            found = self.space.rows(f"SELECT a, b, count(*) FROM ({each}) AS t GROUP BY a, b", "data")
            self._counts = self.rows_of
            if all(a == b for a, b, _ in found):
                self._counts = np.bincount([a for a, _, _ in found], [n for *_, n in found], len(self.labels)).astype(
                    np.int64
                )
        return self._counts

    # --- single columns -----------------------------------------------------------------------------------------------
    def shape(self, col: Col) -> Shape:
        """Zeros, skewness and size of a column over all arms; of a capped column the total alone, once it is summed."""
        if col.cap is not None and self._made is not None and col in self._made[0]:
            cols, moments = self._made
            j = cols.index(col)
            total = float(moments.n @ moments.mean[:, j] + moments.n @ moments.rest[:, j])
            return Shape(math.nan, math.nan, math.nan, total)
        if col not in self.totals:
            wanted = "count(CASE WHEN x = 0 THEN 1 END), min(x), max(x), sum(x), avg(x)"
            zeros, *others = self._ask(col, wanted, False)[0]
            self.totals[col] = Totals(zeros / int(self.rows_of.sum()), *map(float, others))
        found = self.totals[col]
        return Shape(found.zeros, self._skewness(col), found.largest, found.total)

    def _skewness(self, col: Col) -> float:
        """Third standardised moment, of all columns in one scan; more zeros say enough of a tail."""
        if self.totals[col].zeros > 0.5:
            return math.nan
        if col not in self._skewed:
            wanted = [c for c, t in self.totals.items() if t.zeros <= 0.5 and c not in self._skewed]
            moved = ", ".join(f"{self._sql(c)} - {literal(self.totals[c].mean)} AS d{i}" for i, c in enumerate(wanted))
            sums = ", ".join(f"avg(d{i} * d{i}), avg(d{i} * d{i} * d{i})" for i in range(len(wanted)))
            found = self.space.row(f"SELECT {sums} FROM (SELECT {moved} FROM {self._from}) AS t", "data")
            for i, c in enumerate(wanted):
                square, cube = float(found[2 * i]), float(found[2 * i + 1])
                dust = (1e-13 * max(abs(self.totals[c].mean), 1e-300)) ** 2
                self._skewed[c] = cube / square**1.5 if square > dust else 0.0
        return self._skewed[col]

    def pooled(self, wanted: list[tuple[Col, float]]) -> list[float]:
        """Quantiles of the non-zero values of columns over all arms; NaN where there are none."""
        if not wanted:
            return []
        listed = ", ".join(order.live(share, self._sql(col)) for col, share in wanted)
        found = self.space.row(f"SELECT {listed} FROM {self._from}", "data")
        return [math.nan if x is None else float(x) for x in found]

    def quantiles(self, col: Col, shares: FloatArray) -> FloatArray:
        """Quantiles of each arm at its own shares, shape (arms, k)."""
        return order.quantiles(partial(self._ask, col), shares)

    def live_quantiles(self, col: Col, share: float) -> FloatArray:
        """A quantile of the non-zero values of each arm, shape (arms,); NaN where there are none."""
        return order.live_quantiles(partial(self._ask, col), share, len(self.labels))

    def mass(self, col: Col, at: FloatArray) -> list[list[Mass]]:
        """For each arm and each of its places `at`, shape (arms, k): the commoner of the two values around it."""
        return order.mass(partial(self._ask, col), at)

    def levels(self, col: Col) -> FloatArray:
        """Decimal logarithms of the non-zero values, sorted; beyond 200,000 of them a grid of their quantiles."""
        rows = f"SELECT {self._sql(col)} AS x FROM {self._from}"
        live = int(self.rows_of.sum()) * (1 - self.shape(col).zeros)
        if live <= single.ALL_LEVELS:
            found = self.space.numpy(f"SELECT x FROM ({rows}) AS t WHERE x <> 0", "data")["x"]
            return np.sort(np.log10(np.abs(np.asarray(found, dtype=float))))
        # Engines make the logarithm of a round amount a hair too small, which would put it one step too low.
        bins = f"CAST(floor(log10(abs(x)) * {single.BINS} + 1e-9) AS BIGINT)"
        counted = f"SELECT {bins} AS b FROM ({rows}) AS t WHERE x <> 0"
        table = self.space.rows(f"SELECT b, count(*) FROM ({counted}) AS t GROUP BY b ORDER BY b", "data")
        return single.grid(*(np.array(own, dtype=np.int64) for own in zip(*table, strict=True)))

    def above(self, col: Col, cut: float) -> IntArray:
        """How many values of each arm lie above `cut`."""
        if col in self.totals and cut < self.totals[col].least:
            return self.rows_of
        if (col, cut) not in self._above:
            # One scan counts what lies above every cap, which will be asked for next.
            caps = [(c.plain, c.cap) for c in (self._made[0] if self._made else []) if c.cap is not None]
            wanted = list(dict.fromkeys([(col, cut), *caps]))
            counts = [f"count(CASE WHEN {self._sql(c)} > {literal(at)} THEN 1 END)" for c, at in wanted]
            rows = self.space.rows(f"SELECT a, {', '.join(counts)} FROM {self._from} GROUP BY a ORDER BY a", "data")
            for pair, own in zip(wanted, zip(*(row[1:] for row in rows), strict=True), strict=True):
                self._above[pair] = np.array(own, dtype=np.int64)
        return self._above[col, cut]

    # --- sums of products ---------------------------------------------------------------------------------------------
    def moments(self, cols: list[Col], held: tuple[int, ...] = ()) -> Moments:
        """Moments by arm (by arm and stratum, strata varying fastest), with cluster cells where there are clusters."""
        within = tuple(f"s{i}" for i in range(len(self.cells[0]))) if self.cells else ()
        cluster = "c" if self.cluster_name else None
        values = tuple(self._sql(c) for c in cols)
        what = Grouping(self._from, ("a", *within), values, cluster, held, tuple(self._near(c) for c in cols))
        found = grouped(self.space, what)
        arms = range(len(self.labels))
        keys: Sequence[Any] = [(a, *cell) for a in arms for cell in self.cells] if self.cells else list(arms)
        found = replace(found.select(tuple(keys)), keys=tuple(range(len(keys))))
        self._made = (list(cols), found)
        return found

    def _near(self, col: Col) -> float:
        """A number among the values of a column."""
        plain = self.totals.get(Col(col.name))
        if plain is None or col.any or col.below is not None or col.level is not None:
            return 0.0
        return plain.mean if col.cap is None else min(plain.mean, col.cap)

    def look(self, cols: list[Col], asks: list[Ask]) -> list[Look]:
        """The second pass."""
        return second_pass(self.space, self._from, [self._sql(c) for c in cols], asks)

    def analysed(self) -> list[Any]:
        """The sufficient statistics, for the hash: the rows themselves are never gathered."""
        text = np.array([str(label) for label in self.labels], dtype=object)
        return [text, *([] if self._made is None else [getattr(self._made[1], k) for k in ("n", "mean", "cross")])]
