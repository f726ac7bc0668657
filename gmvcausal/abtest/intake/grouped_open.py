"""A test on an engine, opened: units, clusters and strata are found out and checked by grouped counts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gmvcausal.abtest.intake import sentences
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.blocks import Col
from gmvcausal.abtest.intake.grouped import Grouped
from gmvcausal.abtest.intake.grouped_columns import MOST_LABELS, Scan, Sheet, arms_of, read_columns, refuse, scan
from gmvcausal.abtest.intake.units import approximately, enough, said_of_units
from gmvcausal.abtest.metrics import covariates, parts
from gmvcausal.abtest.terms.strata import beside_covariates, check_beside
from gmvcausal.errors import GmvCausalWarning, InputError
from gmvcausal.frames import sql
from gmvcausal.frames.arms import chance_assigned_there, found_there, in_two_arms, moved_out, small_arms, told_of_first
from gmvcausal.frames.engines.engine import Engine, reading
from gmvcausal.frames.facts import COARSER, UNIT_NAMES, frame_facts, named_unit, says_unit, with_optional
from gmvcausal.frames.table import check_columns, quote
from gmvcausal.frames.texts import quote_text


def open_grouped(space: Engine, data: Any, ask: Columns) -> Grouped:
    """The rows of a test where an engine reads them.

    Raises
    ------
    InputError
        Every way of being wrong that a table has, in the words of `read_rows`.
    """
    names = space.names(data, "data")
    assert names is not None
    check_columns(data, names, "data", ask.roles)
    wanted = with_optional(ask.needed, names, (*COARSER, *UNIT_NAMES))
    source = space.source(data, "data", wanted)
    assert source is not None
    with reading(space):
        return _Opening(space, source, space.schema(source, "data"), ask, len(names), frame_facts(data)).opened()


@dataclass(eq=False)
class _Opening:
    """What is found step by step."""

    space: Engine
    source: str
    types: dict[str, str]
    ask: Columns
    columns: int
    meta: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)

    def opened(self) -> Grouped:
        """All steps, in the order of `read_rows`."""
        ask = self.ask
        self.notes += self.space.files.remarks()
        self.sheet = sheet = read_columns(self.space, self.source, self.types, ask)
        unit = self._unit()
        if unit is not None and unit not in sheet.ids:
            sheet.label(unit, "unit", "unit")
        listed = [rule for own in sheet.rules.values() for rule in own]
        found = scan(self.space, self.source, sheet.ids[ask.arm], sheet.numbers, listed)
        self.n = int(found.sizes.sum())
        if len(found.labels) < MOST_LABELS:
            self.space.files.whole("data", self.n)
        refuse(sheet, "arm", found)
        self.labels, control = arms_of(sheet, ask, found)
        self._write_view(unit)
        self.rows = quote(self.view)
        checked = ""
        if unit is not None:
            refuse(sheet, "unit" if unit != ask.cluster else "cluster", found)
            checked = self._units(unit)
        refuse(sheet, "values", found)
        spacing = self._spacing(found)
        if ask.missing == "zero":
            outcomes = dict.fromkeys(p for m in ask.metrics for p in parts(m))
            self.notes += [sentences.filled(c, found.gone[c]) for c in outcomes if found.gone[c]]
        expanded, plain = self._expanded()
        name = self._clusters(unit, found)
        refuse(sheet, "strata", found)
        cells = self._strata(name)
        if self.dropped:
            again = {c: f"x{i}" for i, c in enumerate(sheet.numbers)}
            found = scan(self.space, self.rows, "l", again)
            self.labels = tuple(found.labels)
        of_strata: tuple[Col, ...] = ()
        if cells and not name and beside_covariates(ask):
            self.notes.append(check_beside(len(cells), ask))
            of_strata = tuple(Col(" x ".join(ask.strata), None, f"cell {k}") for k in range(1, len(cells)))
            plain |= {col: _indicator(cell) for col, cell in zip(of_strata, cells[1:], strict=True)}
            cells = []
        small_arms(self.labels, found.sizes)
        return Grouped(
            self.space, self._analysed(), plain, self.labels, control, name, self.n, self.columns, found.sizes,
            found.totals, cells, of_strata, self.notes, self.dropped, spacing, expanded, self.meta, checked,
        )  # fmt: skip

    # --- views --------------------------------------------------------------------------------------------------------
    def _write_view(self, unit: str | None) -> None:
        """All rows under short names: l, u, c, s0, ..., x0, ..., t0, ... and g0, ... (columns of places)."""
        ask, ids = self.ask, self.sheet.ids
        self.places = [c for c in COARSER if c in self.types and c not in ask.needed and ask.cluster is None]
        listed = [f"{ids[ask.arm]} AS l", *(f"{ids[c]} AS s{i}" for i, c in enumerate(ask.strata))]
        listed += [] if unit is None else [f"{ids[unit]} AS u"]
        listed += [] if ask.cluster is None else [f"{ids[ask.cluster]} AS c"]
        listed += [f"{x} AS x{i}" for i, x in enumerate(self.sheet.numbers.values())]
        self.texts = [c for m in ask.metrics for c in covariates(m) if c in ids]
        self.texts = list(dict.fromkeys(self.texts))
        listed += [f"{ids[c]} AS t{i}" for i, c in enumerate(self.texts)]
        sheet = Sheet(self.space, self.source, self.types)
        for c in list(self.places):
            try:
                sheet.label(c, "cluster", "cluster")
            except InputError:  # a column that nobody named may hold anything
                self.places.remove(c)
        listed += [f"{sheet.ids[c]} AS g{i}" for i, c in enumerate(self.places)]
        self.view = self.space.new_name("rows")
        self.space.view(self.view, f"SELECT {', '.join(listed)} FROM {self.source}", "data")

    def _analysed(self) -> str:
        """The analysed rows: arms as positions, missing outcomes as zeros."""
        whens = " ".join(f"WHEN l = {_literal(v)} THEN {i}" for i, v in enumerate(self.labels))
        listed = [f"CASE {whens} END AS a", *(f"s{i}" for i in range(len(self.ask.strata)))]
        listed += [f"coalesce(x{i}, 0e0) AS x{i}" for i in range(len(self.sheet.numbers))]
        listed += [f"t{i}" for i in range(len(self.texts))]
        listed += [f"{self.cluster} AS c"] if self.cluster else []
        view = self.space.new_name("test")
        self.space.view(view, f"SELECT {', '.join(listed)} FROM {self.rows}", "data")
        return view

    # --- units --------------------------------------------------------------------------------------------------------
    def _unit(self) -> str | None:
        ask = self.ask
        if ask.unit is not None:
            return ask.unit
        if says_unit(ask.cluster):
            return ask.cluster
        return named_unit(self.types, (ask.arm, ask.cluster, *ask.strata))

    def _units(self, unit: str) -> str:
        """Every unit in one arm, once; the sentence that says so."""
        ask = self.ask
        if ask.cluster is None and ask.unit is None and approximately(self.n):
            (about,) = self.space.row(f"SELECT approx_count_distinct(u) FROM {self.rows}", "data")
            if enough(about, self.n):
                return said_of_units(unit, exact=False)
        both, again = self._count_units()
        if both:
            self._two_arms(unit, both)
            again = self._count_units()[1]
        if again and ask.cluster is None:
            raise sentences.unit_again(unit, again, self._after_first("u", "r.place <> own.place"))
        return said_of_units(unit)

    def _count_units(self) -> tuple[int, int]:
        """Units in two arms, and units with several rows."""
        each = f"SELECT count(*) AS k, min(l) AS low, max(l) AS high FROM {self.rows} GROUP BY u"
        counts = "count(CASE WHEN low <> high THEN 1 END), count(CASE WHEN k > 1 THEN 1 END)"
        both, again = self.space.row(f"SELECT {counts} FROM ({each}) AS t", "data")
        return int(both), int(again)

    def _two_arms(self, unit: str, both: int) -> None:
        """Refuse units in two arms, or leave rows of them out, as the rule says."""
        there = f"SELECT u FROM {self.rows} GROUP BY u HAVING min(l) <> max(l)"
        first = f"WITH {self._placed('u')} SELECT r.* FROM r JOIN own ON r.u = own.u AND r.l = own.l"
        rule = self.ask.rule
        if rule == "raise" and not self.space.positions:
            told = f"is not offered on {self.space.title}, whose rows have no order"
            raise in_two_arms(unit, both, [], told)
        if rule == "raise":
            several = f"SELECT u FROM ({first}) AS t WHERE u IN ({there}) GROUP BY u HAVING count(*) > 1"
            (more,) = self.space.row(f"SELECT count(*) FROM ({several}) AS t", "data")
            rows = self._positions(f"u IN ({there})")
            raise in_two_arms(unit, both, rows, told_of_first(int(more)))
        if rule == "first" and not self.space.positions:
            raise InputError(
                f"rule='first' takes the first row of a unit, and rows on {self.space.title} have no order",
                remedy="pass rule='drop', or leave the later rows out yourself",
            )
        alone = f"SELECT u FROM {self.rows} GROUP BY u HAVING min(l) = max(l)"
        kept = f"SELECT t.* FROM {self.rows} AS t JOIN ({alone}) AS k ON t.u = k.u"
        view = self.space.new_name("kept")
        self.space.view(view, first if rule == "first" else kept, "data")
        self.rows = quote(view)
        (left,) = self.space.row(f"SELECT count(*) FROM {self.rows}", "data")
        moved_out(both, self.n - int(left), rule, self.notes, self.dropped)

    def _positions(self, condition: str) -> list[int]:
        """Positions of the first rows that fulfil a condition, where rows have any."""
        if self.dropped or not self.space.positions:
            return []
        return sql.first_rows(self.space, self.rows, condition, "data")

    def _after_first(self, key: str, differ: str) -> list[int]:
        """Positions of the first rows (r) that differ from the first row of the same key (own)."""
        if self.dropped or not self.space.positions:
            return []
        text = (
            f"WITH {self._placed(key)} SELECT r.place FROM r JOIN own ON r.{key} = own.{key} WHERE {differ} "
            "ORDER BY r.place LIMIT 5"
        )
        return [int(place) for (place,) in self.space.rows(text, "data")]

    def _placed(self, key: str) -> str:
        """The rows with their positions (r), and the first row of every key (own)."""
        return (
            f"r AS (SELECT *, row_number() OVER () - 1 AS place FROM {self.rows}), "
            f"f AS (SELECT min(place) AS place FROM r GROUP BY {key}), "
            "own AS (SELECT r.* FROM r JOIN f ON r.place = f.place)"
        )

    # --- columns ------------------------------------------------------------------------------------------------------
    def _spacing(self, found: Scan) -> dict[str, float]:
        spacing = {}
        for c in dict.fromkeys(p for m in self.ask.metrics for p in parts(m)):
            largest, narrow = found.largest[c], self.types[c] == "FLOAT"
            if narrow or largest > 2**53:
                spacing[c] = float(np.spacing(np.float32(largest) if narrow else largest))
        return spacing

    def _expanded(self) -> tuple[dict[str, tuple[Col, ...]], dict[Col, str]]:
        """Covariates as columns, and all columns as expressions over the rows of the test."""
        plain = {Col(c): f"x{i}" for i, c in enumerate(self.sheet.numbers)}
        if (got := self.ask.received) is not None:
            for m in self.ask.metrics:
                for c in parts(m):
                    plain[Col(c, without=got)] = f"CASE WHEN {plain[Col(got)]} <> 0 THEN 0e0 ELSE {plain[Col(c)]} END"
        expanded: dict[str, tuple[Col, ...]] = {}
        for column in dict.fromkeys(c for m in self.ask.metrics for c in covariates(m)):
            expanded[column] = (Col(column),)
            if column not in self.texts:
                continue
            t, source = f"t{self.texts.index(column)}", quote(self.view)
            (levels,) = self.space.row(f"SELECT count(DISTINCT {t}) FROM {source}", "data")
            if levels > sentences.MOST_LEVELS:
                raise sentences.too_many_levels(column, int(levels))
            labels = sorted(v for (v,) in self.space.rows(f"SELECT {t} FROM {source} GROUP BY {t}", "data"))
            expanded[column] = tuple(Col(column, None, str(label)) for label in labels[1:])
            plain |= {
                col: f"CASE WHEN {t} = {_literal(label)} THEN 1e0 ELSE 0e0 END"
                for col, label in zip(expanded[column], labels[1:], strict=True)
            }
            self.notes.append(sentences.entered(column, labels))
        return expanded, plain

    # --- clusters and strata ------------------------------------------------------------------------------------------
    def _clusters(self, unit: str | None, found: Scan) -> str:
        """The clusters: as named, or where the arm does not vary within a column of places."""
        ask, self.cluster = self.ask, ""
        if ask.cluster is not None:
            self.cluster = "c"
            refuse(self.sheet, "cluster", found)
            if ask.unit is not None and ask.unit != ask.cluster:
                each = f"SELECT u FROM {quote(self.view)} GROUP BY u HAVING min(c) <> max(c)"
                (moving,) = self.space.row(f"SELECT count(*) FROM ({each}) AS t", "data")
                if moving:
                    raise sentences.moving_units(ask.cluster, int(moving), self._after_first("u", "r.c <> own.c"))
            low, high = self.space.row(f"SELECT min(c), max(c) FROM {quote(self.view)}", "data")
            if low == high:
                raise sentences.one_cluster(ask.cluster)
            return ask.cluster
        for i, place in enumerate(self.places):
            each = f"SELECT g{i} AS g, count(*) AS k, min(l) AS low, max(l) AS high FROM {self.rows} GROUP BY g{i}"
            split = "max(CASE WHEN g IS NULL OR low <> high THEN 1 ELSE 0 END)"
            sizes = self.space.rows(f"SELECT k, count(*), {split} FROM ({each}) AS t GROUP BY k", "data")
            share = found.sizes / found.sizes.sum()
            if any(bad for *_, bad in sizes):
                continue
            if chance_assigned_there({int(k): int(n) for k, n, _ in sizes}, share) < math.log(1e-6):
                warnings.warn(found_there(place), GmvCausalWarning, stacklevel=6)
                self.cluster = f"g{i}"
                return place
        return ""

    def _strata(self, name: str) -> list[tuple[Any, ...]]:
        """The strata by their labels, sorted."""
        ask = self.ask
        if not ask.strata:
            return []
        keys = [f"s{i}" for i in range(len(ask.strata))]
        listed, only = ", ".join(keys), ask.strata[0] if len(ask.strata) == 1 else None
        c = self.cluster
        if c:
            for what, own in (("strata vary", keys), ("the arm varies", ["l"])):
                vary = " OR ".join(f"min({k}) <> max({k})" for k in own)
                other = " OR ".join(f"r.{k} <> own.{k}" for k in own)
                each = f"SELECT {c} FROM {self.rows} GROUP BY {c} HAVING {vary}"
                (bad,) = self.space.row(f"SELECT count(*) FROM ({each}) AS t", "data")
                if bad:
                    raise sentences.not_nested(what, name, only, int(bad), self._after_first(c, other))
        size = f"count(DISTINCT {c})" if c else "count(*)"
        rows = self.space.rows(f"SELECT {listed}, count(DISTINCT l), min(k) FROM (SELECT {listed}, l, {size} AS k FROM "
                               f"{self.rows} GROUP BY {listed}, l) AS t GROUP BY {listed}", "data")  # fmt: skip
        arms = len(self.labels)
        thin = [row[:-2] for row in rows if row[-2] < arms or row[-1] < 2]
        if thin:
            raise sentences.thin_strata(only, name, len(thin), self._in_cells(thin))
        return sorted(tuple(row[:-2]) for row in rows)

    def _in_cells(self, thin: Sequence[tuple[Any, ...]]) -> list[int]:
        import pyarrow as pa

        if self.dropped or not self.space.positions:
            return []
        view = self.space.new_name("thin")
        columns = {f"k{i}": pa.array(list(own)) for i, own in enumerate(zip(*thin, strict=True))}
        self.space.register(view, pa.table(columns))
        same = " AND ".join(f"k{i} = s{i}" for i in range(len(columns)))
        return self._positions(f"EXISTS (SELECT 1 FROM {quote(view)} WHERE {same})")


def _literal(value: Any) -> str:
    return str(value) if isinstance(value, int) else quote_text(str(value))


def _indicator(cell: Sequence[Any]) -> str:
    return f"CASE WHEN {' AND '.join(f's{i} = {_literal(v)}' for i, v in enumerate(cell))} THEN 1e0 ELSE 0e0 END"
