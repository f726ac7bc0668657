"""Independent rows of a test in a parquet file or a DuckDB relation, where most are zero in most columns.

SQL (`intake.grouped`) gives the same numbers, and is faster where rows are not mostly zero. Most users of a market are:
counting these once and reading the others takes a seventh of SQL's time, which passes over all rows for every question
(10 million users of whom one in twenty buys: 1.6 scans of the file against 12). Clusters, strata and rules are left to
SQL, and so is whatever is wrong with a file, for its sentences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gmvcausal.abtest.designs.designs import Facts
from gmvcausal.abtest.intake import order, passes, single
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.blocks import Col, FloatArray, IntArray
from gmvcausal.abtest.intake.passes import Ask, Look
from gmvcausal.abtest.intake.rows import Mass, Shape
from gmvcausal.abtest.intake.sentences import filled
from gmvcausal.abtest.intake.single import Stats
from gmvcausal.abtest.intake.stream import FRACTIONS, WHOLE, Stream, native, open_stream
from gmvcausal.abtest.intake.units import counted, perhaps_clustered, said_of_units
from gmvcausal.abtest.metrics import Gmv, Proportion, Ratio, covariates, model_of, parts
from gmvcausal.frames.arms import find_control, small_arms
from gmvcausal.frames.facts import frame_facts, named_unit
from gmvcausal.frames.table import duck_errors, literal, open_relation, quote
from gmvcausal.moments import Moments


@dataclass(eq=False)
class Files:
    """A test whose rows stay where they are; members as in `Rows`."""

    stream: Stream
    labels: tuple[Any, ...]
    control: int
    rows: int
    columns: int
    notes: list[str]
    spacing: dict[str, float]
    meta: dict[str, Any]
    expanded: dict[str, tuple[Col, ...]]
    rows_of: IntArray
    dropped: dict[str, int] = field(default_factory=dict)
    unit_checked: str = ""
    strata: int = 1
    cluster_name: str = ""
    facts: Facts = field(default_factory=Facts)
    of_strata: tuple[Col, ...] = ()
    _shapes: dict[Col, Shape] = field(default_factory=dict)
    _quantiles: dict[tuple[Col, float], float] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)

    def _sql(self, col: Col) -> str:
        """A column of the matrix in SQL; a missing value counts as zero."""
        x = f"CAST({native(col.name, self.stream.columns[col.name])} AS DOUBLE)"
        x = f"CASE WHEN {x} IS NULL OR isnan({x}) THEN 0e0 ELSE {x} END"
        if col.below is not None:
            return f"CAST(({x}) <= {literal(col.below)} AS DOUBLE)"
        if col.any:
            return f"CAST(({x}) <> 0 AS DOUBLE)"
        return x if col.cap is None else f"least({x}, {literal(col.cap)})"

    def sizes(self) -> IntArray:
        """Rows of each arm."""
        return self.rows_of

    def counts(self) -> IntArray:
        """Independent units of each arm."""
        return self.rows_of

    def shape(self, col: Col) -> Shape:
        """Zeros, skewness and size of a column over all arms."""
        if col not in self._shapes:
            found = self.stream.stats[col.name] if col == Col(col.name) else Stats()
            if not found.rows:
                for block in self.stream.blocks():
                    found.take(block, col)
            zeros, skewness = found.zeros / found.rows, math.nan
            if zeros <= 0.5:  # more zeros say enough of a tail
                skewness = single.skewness(self.stream.blocks(), col, found.total / found.rows)
            self._shapes[col] = Shape(zeros, skewness, found.largest, found.total)
        return self._shapes[col]

    def pooled(self, wanted: list[tuple[Col, float]]) -> list[float]:
        """Quantiles of the non-zero values of columns over all arms; NaN where there are none."""
        return [self.quantile(col, share) for col, share in wanted]

    def quantile(self, col: Col, share: float) -> float:
        """Quantile of the non-zero values over all arms; NaN where there are none."""
        if (col, share) not in self._quantiles:
            self._quantiles[col, share] = self._quantile(col, share)
        return self._quantiles[col, share]

    def _quantile(self, col: Col, share: float) -> float:
        if self.stream.held is not None:
            return single.quantile(self.stream.blocks(), col, share)
        found = self._ask(col)(order.live(share), False)[0][0]
        return math.nan if found is None else float(found)

    def _ask(self, col: Col) -> order.Asked:
        there = self.stream.base.project(f"{self.stream.code()} AS a, {self._sql(col)} AS x")
        return lambda wanted, by_arm: order.table(there, wanted, "a" if by_arm else "")

    def quantiles(self, col: Col, shares: FloatArray) -> FloatArray:
        """Quantiles of each arm at its own shares, shape (arms, k)."""
        return order.quantiles(self._ask(col), shares)

    def live_quantiles(self, col: Col, share: float) -> FloatArray:
        """A quantile of the non-zero values of each arm, shape (arms,); NaN where there are none."""
        return order.live_quantiles(self._ask(col), share, len(self.labels))

    def mass(self, col: Col, at: FloatArray) -> list[list[Mass]]:
        """For each arm and each of its places `at`, shape (arms, k): the commoner of the two values around it."""
        return order.mass(self._ask(col), at)

    def moments(self, cols: list[Col], held: tuple[int, ...] = ()) -> Moments:
        """Moments by arm."""
        found = passes.moments(self.stream.blocks(), cols, len(self.labels))
        self._kept = [np.array([str(label) for label in self.labels], dtype=object), found.n, found.mean, found.cross]
        return found

    def look(self, cols: list[Col], asks: list[Ask]) -> list[Look]:
        """The second pass."""
        return passes.looks(self.stream.blocks(), cols, asks)

    def levels(self, col: Col) -> FloatArray:
        """Decimal logarithms of the non-zero values, sorted; beyond 200,000 of them a grid of their quantiles."""
        return single.levels(self.stream.blocks(), col, self.rows * (1 - self.shape(col).zeros))

    def above(self, col: Col, cut: float) -> IntArray:
        """How many values of each arm lie above `cut`."""
        return single.above(self.stream.blocks(), col, cut, len(self.labels))

    def analysed(self) -> list[Any]:
        """The sufficient statistics, for the hash: the rows themselves are never gathered."""
        return self._kept


def open_files(data: Any, ask: Columns, limit: int | None = None) -> Files | None:
    """The rows of a file or relation where they lie, within `limit` bytes; None where blocks do not serve."""
    import duckdb

    other = ask.strata or ask.cluster or ask.rule != "raise" or ask.of_design or ask.received
    if other or any(model_of(m) is not None for m in ask.metrics):
        return None
    try:
        base = open_relation(data, "data", ask.roles)
        types = dict(zip(base.columns, [str(t) for t in base.types], strict=True))
        return _open(base, types, data, ask, limit)
    except duckdb.Error as error:
        raise duck_errors(error, "data") from None


def _open(base: Any, types: dict[str, str], data: Any, ask: Columns, limit: int | None) -> Files | None:
    outcomes = list(dict.fromkeys(p for m in ask.metrics for p in parts(m)))
    held = list(dict.fromkeys(c for m in ask.metrics for c in covariates(m)))
    numbers = {c: types[c] for c in (*outcomes, *held)}
    ids = [c for c in (ask.arm, ask.unit) if c is not None]
    if not all(map(is_number, numbers.values())) or not all(is_id(types[c]) for c in ids):
        return None
    unit = ask.unit or named_unit([c for c, k in types.items() if is_id(k)], (ask.arm,))
    if unit and base.filter(f"{quote(unit)} IS NULL").limit(1).fetchall():
        return None
    arm = quote(ask.arm) if types[ask.arm] == "VARCHAR" else native(ask.arm, types[ask.arm])
    if perhaps_clustered(base, [c for c, k in types.items() if is_id(k)], arm, ask):
        return None
    flags = {m.column for m in ask.metrics if isinstance(m, Proportion)}
    stream = open_stream(base, arm, numbers, flags, limit)
    if stream is None:
        return None
    control = find_control(ask.arm, stream.labels, ask.control)
    notes, spacing = [], {}
    for c, found in stream.stats.items():
        largest = max(found.largest, -found.least)
        # Infinite, beyond what a double holds to the unit, or no flags.
        if not largest <= 2.0**53 or found.strange:
            return None
        gone = stream.gone[c]
        if gone and (ask.missing == "raise" or c in held):
            return None
        if gone:
            if any(isinstance(m, Ratio) and c in parts(m) for m in ask.metrics):
                return None  # whether both parts are missing together is told row by row
            notes.append(filled(c, gone))
        if types[c] == "FLOAT":
            spacing[c] = float(np.spacing(np.float32(largest)))
    for m in ask.metrics:
        if isinstance(m, Gmv) and single.apart(stream.blocks(), Col(m.gmv), Col(m.orders)):
            return None  # GMV without an order
        if isinstance(m, Gmv) and m.visits is not None and single.apart(stream.blocks(), Col(m.orders), Col(m.visits)):
            return None  # orders without a visit
    rows = int(stream.sizes.sum())
    said = ""
    if unit is not None:
        exact = counted(base, unit, rows, ask.unit is not None)
        if exact is None:
            return None
        said = said_of_units(unit, exact)
    small_arms(stream.labels, stream.sizes)
    return Files(
        stream, stream.labels, control, rows, len(types), notes, spacing, frame_facts(data),
        {c: (Col(c),) for c in held}, stream.sizes, unit_checked=said,
    )  # fmt: skip


def is_number(kind: str) -> bool:
    """Whether a type of DuckDB holds numbers."""
    return kind in (*WHOLE, *FRACTIONS, "BOOLEAN", "UBIGINT", "HUGEINT") or kind.startswith("DECIMAL")


def is_id(kind: str) -> bool:
    """Whether a type of DuckDB holds labels or ids that are compared as they are."""
    return kind in (*WHOLE, "BOOLEAN", "VARCHAR")
