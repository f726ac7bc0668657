"""The rows of a test in a parquet file or a DuckDB relation: read in blocks, only what their sums need is kept.

Whatever is wrong with a file, or needs its rows one by one, is left to the reader in memory: its messages name rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gmvcausal.abtest.designs.designs import Facts
from gmvcausal.abtest.intake import order, passes, single
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.blocks import Col, FloatArray, IntArray
from gmvcausal.abtest.intake.passes import Ask, Look
from gmvcausal.abtest.intake.read import said_of_units
from gmvcausal.abtest.intake.rows import Mass, Shape
from gmvcausal.abtest.intake.single import Stats
from gmvcausal.abtest.intake.stream import FRACTIONS, WHOLE, Stream, native, open_stream
from gmvcausal.abtest.intake.units import coarser, counted, unit_column
from gmvcausal.abtest.metrics import Gmv, Proportion, covariates, model_of, parts
from gmvcausal.frames.arms import find_control, small_arms
from gmvcausal.frames.facts import frame_facts
from gmvcausal.frames.table import duck_errors, literal, open_relation, quote
from gmvcausal.moments import Moments
from gmvcausal.moments.duck import from_relation


@dataclass(eq=False)
class Files:
    """A test whose rows stay where they are; members as in `Rows`."""

    stream: Stream
    labels: tuple[Any, ...]
    control: int
    cluster_name: str
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

    @cached_property
    def _pairs(self) -> list[tuple[Any, int]]:
        """Every cluster and arm that occur together."""
        listed = self.stream.base.project(f"{quote(self.cluster_name)} AS c, {self.stream.code()} AS a")
        return [(c, int(a)) for c, a, _ in order.table(listed, "c, a, count(*)", "c, a")]

    def sizes(self) -> IntArray:
        """Rows of each arm."""
        return self.rows_of

    def counts(self) -> IntArray:
        """Independent units of each arm."""
        if not self.cluster_name or len({c for c, _ in self._pairs}) < len(self._pairs):
            return self.rows_of
        return np.bincount([a for _, a in self._pairs], minlength=len(self.labels))

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

    def quantile(self, col: Col, share: float) -> float:
        """Quantile of the non-zero values over all arms; NaN where there are none."""
        if (col, share) not in self._quantiles:
            self._quantiles[col, share] = self._quantile(col, share)
        return self._quantiles[col, share]

    def _quantile(self, col: Col, share: float) -> float:
        if self.stream.held is not None:
            return single.quantile(self.stream.blocks(), col, share)
        x = self._sql(col)
        found = order.table(self.stream.base, f"quantile_cont({x}, {literal(share)}) FILTER (({x}) <> 0)", "")[0][0]
        return np.nan if found is None else float(found)

    def _of_arms(self, col: Col) -> Any:
        return self.stream.base.project(f"{self.stream.code()} AS a, {self._sql(col)} AS x")

    def quantiles(self, col: Col, shares: FloatArray) -> FloatArray:
        """Quantiles of each arm at its own shares, shape (arms, k)."""
        return order.quantiles(self._of_arms(col), shares)

    def live_quantiles(self, col: Col, share: float) -> FloatArray:
        """A quantile of the non-zero values of each arm, shape (arms,); NaN where there are none."""
        return order.live_quantiles(self._of_arms(col), share, len(self.labels))

    def mass(self, col: Col, at: FloatArray) -> list[list[Mass]]:
        """For each arm and each of its places `at`, shape (arms, k): the commoner of the two values around it."""
        return order.mass(self._of_arms(col), at)

    def moments(self, cols: list[Col]) -> Moments:
        """Moments by arm, with cluster cells where there are clusters."""
        if self.cluster_name:
            values = [f"x{i}" for i in range(len(cols))]
            listed = [f"{self._sql(c)} AS {x}" for c, x in zip(cols, values, strict=True)]
            with_cluster = [f"{self.stream.code()} AS a", f"{quote(self.cluster_name)} AS c"]
            found = from_relation(self.stream.base.project(", ".join([*with_cluster, *listed])), "a", values, "c")
        else:
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


def open_files(data: Any, ask: Columns) -> Files | None:
    """The rows of a file or relation where they lie; None where they must be read one by one."""
    import duckdb

    by_row = ask.strata or ask.rule != "raise" or ask.of_design or ask.received
    if by_row or any(model_of(m) is not None for m in ask.metrics):
        return None
    try:
        base = open_relation(data, "data", ask.needed)
        types = dict(zip(base.columns, [str(t) for t in base.types], strict=True))
        return _open(base, types, data, ask)
    except duckdb.Error as error:
        raise duck_errors(error, "data") from None


def _open(base: Any, types: dict[str, str], data: Any, ask: Columns) -> Files | None:
    outcomes = list(dict.fromkeys(p for m in ask.metrics for p in parts(m)))
    held = list(dict.fromkeys(c for m in ask.metrics for c in covariates(m)))
    numbers = {c: types[c] for c in (*outcomes, *held)}
    ids = [c for c in (ask.arm, ask.cluster, ask.unit) if c is not None]
    if not all(map(is_number, numbers.values())) or not all(is_id(types[c]) for c in ids):
        return None
    unit, unclear = unit_column({c: k for c, k in types.items() if is_id(k)}, ask)
    if unclear or any(base.filter(f"{quote(c)} IS NULL").limit(1).fetchall() for c in (ask.cluster, unit) if c):
        return None
    flags = {m.column for m in ask.metrics if isinstance(m, Proportion)}
    arm = quote(ask.arm) if types[ask.arm] == "VARCHAR" else native(ask.arm, types[ask.arm])
    stream = open_stream(base, arm, numbers, flags)
    if stream is None:
        return None
    control = find_control(ask.arm, stream.labels, ask.control)
    notes, spacing = [], {}
    for c, found in stream.stats.items():
        largest = max(found.largest, -found.least)
        # Infinite, beyond what a double holds to the unit, or no flags: told with their rows.
        if not largest <= 2.0**53 or found.strange:
            return None
        gone = stream.gone[c]
        if gone and (ask.missing == "raise" or c in held):
            return None
        if gone:
            if any(len(parts(m)) > 1 and c in parts(m) for m in ask.metrics):
                return None  # whether both parts are missing together is told row by row
            notes.append(f"{gone:,} missing values of {c!r} count as zero (missing='zero')")
        if types[c] == "FLOAT":
            spacing[c] = float(np.spacing(np.float32(largest)))
    for m in ask.metrics:
        if isinstance(m, Gmv) and single.apart(stream.blocks(), Col(m.gmv), Col(m.orders)):
            return None  # GMV without an order: told with their rows
        if isinstance(m, Gmv) and m.visits is not None and single.apart(stream.blocks(), Col(m.orders), Col(m.visits)):
            return None  # orders without a visit: told with their rows
    rows = int(stream.sizes.sum())
    said = ""
    if unit is not None and ask.cluster is None:
        exact = counted(base, unit, rows, ask.unit is not None)
        if exact is None:
            return None
        said = said_of_units(unit)
        said += "" if exact else f" (counted approximately; pass unit={unit!r} to have it counted exactly)"
    small_arms(stream.labels, stream.sizes)
    name = ask.cluster or ""
    if ask.cluster is not None:
        few = base.aggregate(f"count(DISTINCT {quote(ask.cluster)})").fetchall()[0][0]
        if few < 2 or (ask.unit is not None and ask.unit != ask.cluster):
            return None
    else:
        name = coarser(base, {c: k for c, k in types.items() if is_id(k)}, stream, ask)
    if name and held:
        return None  # the slopes' part in the variance of clusters needs their rows
    return Files(
        stream, stream.labels, control, name, rows, len(types), notes, spacing, frame_facts(data),
        {c: (Col(c),) for c in held}, stream.sizes, unit_checked=said,
    )  # fmt: skip


def is_number(kind: str) -> bool:
    """Whether a type of DuckDB holds numbers."""
    return kind in (*WHOLE, *FRACTIONS, "BOOLEAN", "UBIGINT", "HUGEINT") or kind.startswith("DECIMAL")


def is_id(kind: str) -> bool:
    """Whether a type of DuckDB holds labels or ids that are compared as they are."""
    return kind in (*WHOLE, "BOOLEAN", "VARCHAR")
