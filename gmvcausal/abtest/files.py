"""The rows of a test in a parquet file or a DuckDB relation: sums are made where the rows lie, only numbers come out.

Whatever is wrong with a file, or needs its rows one by one, is left to the reader in memory: its messages name rows.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gmvcausal.abtest.ask import Columns
from gmvcausal.abtest.designs import Facts
from gmvcausal.abtest.metrics import Gmv, Proportion, covariates, model_of, parts
from gmvcausal.abtest.read import (
    UNIT_NAMES,
    chance_assigned_there,
    find_control,
    found_there,
    said_of_units,
    small_arms,
)
from gmvcausal.abtest.rows import Ask, Col, FloatArray, IntArray, Look, Mass, Shape
from gmvcausal.errors import GmvCausalWarning
from gmvcausal.frames import rules
from gmvcausal.frames.facts import COARSER, frame_facts
from gmvcausal.frames.table import check_path, duck_errors, is_path, quote, quote_text
from gmvcausal.moments import Moments
from gmvcausal.moments.duck import from_relation

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_FRACTIONS = ("FLOAT", "DOUBLE")
_ALL_LEVELS, _GRID = 200_000, 2_001
# Beyond so many rows, units that nobody named are counted approximately: an exact count would have to hold them all.
_COUNTED = 5_000_000
_MOST_ARMS = 100


@dataclass(eq=False)
class Files:
    """A test whose rows stay where they are; members as in `Rows`."""

    relation: Any
    labels: tuple[Any, ...]
    control: int
    cluster_name: str
    rows: int
    columns: int
    notes: list[str]
    spacing: dict[str, float]
    meta: dict[str, Any]
    expanded: dict[str, tuple[Col, ...]]
    expressions: dict[str, str]
    rows_of: IntArray
    dropped: dict[str, int] = field(default_factory=dict)
    unit_checked: str = ""
    strata: int = 1
    facts: Facts = field(default_factory=Facts)
    of_strata: tuple[Col, ...] = ()
    _shapes: dict[Col, Shape] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)

    def expression(self, col: Col) -> str:
        """A column of the matrix in SQL."""
        plain = self.expressions[col.name]
        if col.below is not None:
            return f"CAST({plain} <= {_literal(col.below)} AS DOUBLE)"
        if col.any:
            return f"CAST({plain} <> 0 AS DOUBLE)"
        return plain if col.cap is None else f"least({plain}, {_literal(col.cap)})"

    def _row(self, wanted: list[str]) -> tuple[Any, ...]:
        import duckdb

        try:
            return tuple(self.relation.aggregate(", ".join(wanted)).fetchall()[0])
        except duckdb.Error as error:
            raise duck_errors(error, "data") from None

    def _table(self, wanted: str, group: str) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            return list(self.relation.aggregate(wanted, group).fetchall())
        except duckdb.Error as error:
            raise duck_errors(error, "data") from None

    @cached_property
    def _pairs(self) -> list[tuple[Any, int]]:
        """Every cluster and arm that occur together."""
        return [(c, int(a)) for c, a, _ in self._table("c, a, count(*)", "c, a")]

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
            x = self.expression(col)
            mean, zeros, largest, total = self._row(
                [f"avg({x})", f"count(*) FILTER ({x} = 0)", f"max({x})", f"sum({x})"]
            )
            moved = f"({x} - {_literal(mean)})"
            square, cube = self._row([f"sum({moved} * {moved})", f"sum({moved} * {moved} * {moved})"])
            spread = float(square) / self.rows
            dust = (1e-13 * max(abs(mean), 1e-300)) ** 2
            skewness = float(cube) / self.rows / spread**1.5 if spread > dust else 0.0
            self._shapes[col] = Shape(zeros / self.rows, skewness, float(largest), float(total))
        return self._shapes[col]

    def quantile(self, col: Col, share: float) -> float:
        """Quantile of the non-zero values over all arms; NaN where there are none."""
        x = self.expression(col)
        (found,) = self._row([f"quantile_cont({x}, {_literal(share)}) FILTER ({x} <> 0)"])
        return math.nan if found is None else float(found)

    def quantiles(self, col: Col, shares: FloatArray) -> FloatArray:
        """Quantiles of each arm at its own shares, shape (arms, k)."""
        x = self.expression(col)
        wanted = ", ".join(_literal(s) for s in shares.ravel())
        found = dict(self._table(f"a, quantile_cont({x}, [{wanted}])", "a"))
        every = np.array([found[a] for a in range(len(shares))]).reshape(len(shares), *shares.shape)
        return np.array([every[a, a] for a in range(len(shares))])

    def live_quantiles(self, col: Col, share: float) -> FloatArray:
        """A quantile of the non-zero values of each arm, shape (arms,); NaN where there are none."""
        x = self.expression(col)
        found = dict(self._table(f"a, quantile_cont({x}, {_literal(share)}) FILTER ({x} <> 0)", "a"))
        return np.array([math.nan if found[a] is None else found[a] for a in range(len(self.labels))])

    def mass(self, col: Col, at: FloatArray) -> list[list[Mass]]:
        """For each arm and each of its places `at`, shape (arms, k): the commoner of the two values around it."""
        x = self.expression(col)
        places = list(dict.fromkeys(float(p) for p in at.ravel()))
        sides = [
            s
            for p in places
            for s in (f"max({x}) FILTER ({x} <= {_literal(p)})", f"min({x}) FILTER ({x} >= {_literal(p)})")
        ]
        around = {row[0]: row[1:] for row in self._table(", ".join(["a", *sides]), "a")}
        values = list(dict.fromkeys(float(v) for row in around.values() for v in row if v is not None))
        counts = {
            row[0]: dict(zip(values, row[1:], strict=True))
            for row in self._table(", ".join(["a", *(f"count(*) FILTER ({x} = {_literal(v)})" for v in values)]), "a")
        }
        found = []
        for a, own in enumerate(at):
            first = [2 * places.index(float(p)) for p in own]
            pairs = [[v for v in around[a][i : i + 2] if v is not None] for i in first]
            best = [max((int(counts[a][v]), -float(v)) for v in pair) for pair in pairs]
            found.append([Mass(-v, k) for k, v in best])
        return found

    def moments(self, cols: list[Col]) -> Moments:
        """Moments by arm, with cluster cells where there are clusters."""
        listed = [f"{self.expression(c)} AS x{i}" for i, c in enumerate(cols)]
        with_cluster = ["c"] if self.cluster_name else []
        projected = self.relation.project(", ".join(["a", *with_cluster, *listed]))
        values = [f"x{i}" for i in range(len(cols))]
        found = from_relation(projected, "a", values, "c" if self.cluster_name else None)
        self._kept = [np.array([str(label) for label in self.labels], dtype=object), found.n, found.mean, found.cross]
        return found

    def look(self, cols: list[Col], asks: list[Ask]) -> list[Look]:
        """The second pass, in one statement."""
        import duckdb

        made: dict[str, str] = {}  # an expression -> its name, so that each is computed once a row
        sums: dict[str, int] = {}  # a sum -> its place; by arm, for filters of each sum would cost more than they save

        def name(expression: str) -> str:
            return made.setdefault(expression, f"e{len(made)}")

        def place(total: str) -> int:
            return sums.setdefault(total, len(sums))

        wanted: list[tuple[int, list[int | None]]] = []
        for ask in asks:
            moved = {j: f"({self.expression(c)} - {_literal(ask.mean[j])})" for j, c in enumerate(cols)}
            used = np.flatnonzero(ask.gradient).tolist()
            e = name(" + ".join(f"{_literal(ask.gradient[j])} * {moved[j]}" for j in used) or "0.0e0")
            own: list[int | None] = [place(f"max(abs({e}))"), place(f"sum({e} * {e})"), place(f"sum({e} * {e} * {e})")]
            wanted.append((ask.arm, own))
            if ask.hc2 is None:
                own.append(None)
                continue
            h = ask.hc2
            z = [moved[j] for j in h.covariates]
            pairs = [(i, k) for i in range(len(z)) for k in range(len(z))]
            leverage = " + ".join(f"{_literal(h.inverse[i, k])} * {z[i]} * {z[k]}" for i, k in pairs)
            weight = name(" - ".join([_literal(1 / h.n), *(f"{_literal(h.lean[i])} * {z[i]}" for i in range(len(z)))]))
            left = name(f"greatest(1.0e0 - {_literal(1 / h.n)} - ({leverage}), 1e-9)")
            own.append(place(f"sum({e} * {e} * {weight} * {weight} / {left})"))
        try:
            staged = self.relation.project(", ".join(["a", *(f"{text} AS {alias}" for text, alias in made.items())]))
            found = {row[0]: row[1:] for row in staged.aggregate(", ".join(["a", *sums]), "a").fetchall()}
        except duckdb.Error as error:
            raise duck_errors(error, "data") from None
        looks = []
        for arm, own in wanted:
            largest, *rest = (math.nan if k is None else float(found[arm][k]) for k in own)
            looks.append(Look(largest * largest, *rest))
        return looks

    def levels(self, col: Col) -> FloatArray:
        """Decimal logarithms of the non-zero values, sorted; beyond 200,000 of them a grid of their quantiles."""
        x = f"abs({self.expression(col)})"
        (live,) = self._row([f"count(*) FILTER ({x} > 0)"])
        if not live:
            return np.zeros(0)
        if live <= _ALL_LEVELS:
            (found,) = self._row([f"list({x}) FILTER ({x} > 0)"])
        else:
            grid = ", ".join(_literal(s) for s in np.linspace(0, 1, _GRID))
            (found,) = self._row([f"quantile_cont({x}, [{grid}]) FILTER ({x} > 0)"])
        return np.sort(np.log10(np.array(found, dtype=float)))

    def above(self, col: Col, cut: float) -> IntArray:
        """How many values of each arm lie above `cut`."""
        x = self.expression(col)
        found = dict(self._table(f"a, count(*) FILTER ({x} > {_literal(cut)})", "a"))
        return np.array([int(found.get(a, 0)) for a in range(len(self.labels))])

    def analysed(self) -> list[Any]:
        """The sufficient statistics, for the hash: the rows themselves are never gathered."""
        return self._kept


def _literal(x: Any) -> str:
    """A number as a DOUBLE of SQL, with all its digits."""
    text = repr(float(x))
    return f"({text})" if "e" in text else f"({text}e0)"


def open_files(data: Any, ask: Columns) -> Files | None:
    """The rows of a file or relation where they lie; None where they must be read one by one."""
    import duckdb

    by_row = ask.strata or ask.rule != "raise" or ask.of_design
    if by_row or any(model_of(m) is not None for m in ask.metrics):
        return None
    try:
        base = duckdb.connect().read_parquet(check_path(data, "data")) if is_path(data) else data
        available = list(base.columns)
        types = dict(zip(available, [str(t) for t in base.types], strict=True))
        for column in ask.needed:
            if column not in available:
                raise rules.no_such_column(column, available, "this verb", "data")
        return _open(base, types, data, ask)
    except duckdb.Error as error:
        raise duck_errors(error, "data") from None


def _open(base: Any, types: dict[str, str], data: Any, ask: Columns) -> Files | None:
    outcomes = list(dict.fromkeys(p for m in ask.metrics for p in parts(m)))
    held = list(dict.fromkeys(c for m in ask.metrics for c in covariates(m)))
    numbers = list(dict.fromkeys([*outcomes, *held]))
    ids = [c for c in (ask.arm, ask.cluster, ask.unit) if c is not None]
    if not all(_is_number(types[c]) for c in numbers) or not all(_is_id(types[c]) for c in ids):
        return None
    found = base.project(f"{quote(ask.arm)} AS a").distinct().order("a").limit(_MOST_ARMS + 1).fetchall()
    labels = tuple(int(v) if isinstance(v, bool) else v for (v,) in found)
    if len(labels) < 2 or len(labels) > _MOST_ARMS or None in labels:
        return None
    control = find_control(ask.arm, labels, ask.control)
    code = " ".join(f"WHEN {quote(ask.arm)} = {_label(v)} THEN {i}" for i, (v,) in enumerate(found))
    plain = {c: _number(c, types[c]) for c in numbers}
    listed = [f"CASE {code} END AS a", *(f"{plain[c]} AS n{i}" for i, c in enumerate(numbers))]
    unit = ask.unit
    listed_unit = next((c for c in UNIT_NAMES if c in types and _is_id(types[c]) and c != ask.arm), None)
    if unit is None and ask.cluster is None:
        unit = listed_unit
    elif unit is None and listed_unit is not None and ask.cluster not in UNIT_NAMES:
        return None  # whether a unit is in two arms is looked up row by row
    listed += [f"{quote(c)} AS {alias}" for c, alias in ((ask.cluster, "c"), (unit, "u")) if c is not None]
    relation = base.project(", ".join(listed))
    names = {c: f"n{i}" for i, c in enumerate(numbers)}
    flags = {m.column for m in ask.metrics if isinstance(m, Proportion)}
    facts = ["count(*)"]
    for c in numbers:
        x = names[c]
        facts += [f"count(*) FILTER ({x} IS NULL)", f"count(*) FILTER (NOT isfinite({x}) OR abs({x}) > 1e100)"]
        facts += [f"count(*) FILTER ({x} <> 0 AND {x} <> 1)" if c in flags else "0", f"max(abs({x}))"]
    facts += [f"count(*) - count({alias})" for c, alias in ((ask.cluster, "c"), (unit, "u")) if c is not None]
    row = relation.aggregate(", ".join(facts)).fetchall()[0]
    notes, spacing = [], {}
    expressions = dict(names)
    for i, c in enumerate(numbers):
        gone, wild, strange, largest = row[1 + 4 * i : 5 + 4 * i]
        if wild or strange or (gone and (ask.missing == "raise" or c in held)):
            return None
        if gone:
            if any(len(parts(m)) > 1 and c in parts(m) for m in ask.metrics):
                return None  # whether both parts are missing together is told row by row
            expressions[c] = f"coalesce({names[c]}, 0)"
            notes.append(f"{gone:,} missing values of {c!r} count as zero (missing='zero')")
        if largest is not None and largest > 2.0**53:
            return None  # beyond what a double holds to the unit: told with its rows
        if types[c] == "FLOAT" and largest is not None:
            spacing[c] = float(np.spacing(np.float32(largest)))
    if any(row[1 + 4 * len(numbers) :]):
        return None
    for m in ask.metrics:
        if isinstance(m, Gmv) and m.visits is not None:
            bought = f"{expressions[m.visits]} = 0 AND {expressions[m.orders]} <> 0"
            if relation.filter(bought).limit(1).fetchall():
                return None  # orders without a visit: told with their rows
    said = ""
    if unit is not None and ask.cluster is None:
        exact = ask.unit is not None or row[0] <= _COUNTED
        distinct = relation.aggregate("count(DISTINCT u)" if exact else "approx_count_distinct(u)").fetchall()[0][0]
        if distinct < (row[0] if exact else 0.8 * row[0]):
            return None
        said = said_of_units(unit)
        said += "" if exact else f" (counted approximately; pass unit={unit!r} to have it counted exactly)"
    sizes = dict(relation.aggregate("a, count(*)", "a").fetchall())
    counts = np.array([int(sizes[a]) for a in range(len(labels))])
    small_arms(labels, counts)
    name = ask.cluster or ""
    if ask.cluster is not None:
        few = relation.aggregate("count(DISTINCT c)").fetchall()[0][0]
        if few < 2 or (ask.unit is not None and ask.unit != ask.cluster):
            return None
    else:
        name, relation = _coarser(base, types, relation, listed, counts, code, ask)
    return Files(
        relation, labels, control, name, int(row[0]), len(types), notes, spacing, frame_facts(data),
        {c: (Col(c),) for c in held}, expressions, counts, unit_checked=said,
    )  # fmt: skip


def _coarser(
    base: Any, types: dict[str, str], relation: Any, listed: list[str], counts: IntArray, code: str, ask: Columns
) -> tuple[str, Any]:
    """A column of places within which the arm does not vary, and the relation with it as the cluster."""
    for column in COARSER:
        if column not in types or column in ask.needed or not _is_id(types[column]):
            continue
        places = base.project(f"{quote(column)} AS c, CASE {code} END AS a")
        if places.filter("c IS NULL").limit(1).fetchall():
            continue
        rooms = places.aggregate("c, count(*) AS k, min(a) AS low, max(a) AS high", "c")
        if rooms.filter("low <> high").limit(1).fetchall():
            continue
        sizes = rooms.aggregate("k, count(*)", "k").fetchall()
        if chance_assigned_there({int(k): int(n) for k, n in sizes}, counts / counts.sum()) < math.log(1e-6):
            warnings.warn(found_there(column), GmvCausalWarning, stacklevel=6)
            return column, base.project(", ".join([*listed, f"{quote(column)} AS c"]))
    return "", relation


def _is_number(kind: str) -> bool:
    return kind in (*_WHOLE, *_FRACTIONS, "BOOLEAN", "UBIGINT", "HUGEINT") or kind.startswith("DECIMAL")


def _is_id(kind: str) -> bool:
    return kind in (*_WHOLE, "BOOLEAN", "VARCHAR")


def _number(column: str, kind: str) -> str:
    """A column as DOUBLE, NaN as missing."""
    x = f"CAST({quote(column)} AS DOUBLE)"
    return f"CASE WHEN isnan({x}) THEN NULL ELSE {x} END" if kind in _FRACTIONS else x


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return str(value) if isinstance(value, int) else quote_text(value)
