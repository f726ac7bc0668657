"""The level at which treatment was assigned, found where the rows lie; the rules are those of `levels`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from gmvcausal.errors import InputError
from gmvcausal.frames.facts import COARSER
from gmvcausal.frames.table import quote
from gmvcausal.rollout.intake.cohorts import ALWAYS
from gmvcausal.rollout.intake.gathered import SAMPLE
from gmvcausal.rollout.intake.large import Pass, id_in_sql
from gmvcausal.rollout.intake.levels import OWN, say_coarser
from gmvcausal.rollout.intake.opened import IDS


@dataclass(frozen=True)
class Level:
    """A column that may be coarser than the unit.

    Attributes
    ----------
    labels : int
    several : int
        Units that have several values.
    decides : bool
        Whether the units of each value start together, and the values are fewer than units and more than cohorts.
    """

    labels: int
    several: int
    decides: bool


def found_cluster(path: Pass, meta: dict[str, Any], moving: dict[str, int]) -> tuple[Pass, str, int]:
    """The pass by the clusters that were named or found (None for the unit), their name and number."""
    ask, types = path.ask, path.opened.located.types
    if ask.cluster is not None and ask.cluster != ask.unit:
        return path, ask.cluster, _level(path, ask.cluster, "cluster").labels
    for column in [] if ask.cluster is not None else [*meta.get("keep", []), *COARSER]:
        if column == ask.unit or column not in types:
            continue
        try:
            found = _level(path, column, "cluster")
        except InputError:
            continue  # nobody asked for this column: one that holds no ids is simply no cluster
        if found.several:
            moving[column] = found.several
        elif found.decides:
            say_coarser(column, ask.unit)
            return replace(path, ask=replace(ask, cluster=column)), column, found.labels
    return replace(path, ask=replace(ask, cluster=None)), str(ask.unit), 0


def unused(path: Pass, used: set[str]) -> tuple[str, ...]:
    """Columns that nobody named, coarser than the unit, within which treatment does not vary."""
    located = path.opened.located
    columns = [
        c for c in located.types if c not in used and c not in OWN and c not in COARSER and located.types[c] in IDS
    ]
    if not columns:
        return ()
    units = max(located.n // len(path.opened.grid.values), 1)
    listed = ", ".join(f"{quote(c)} AS c{i}" for i, c in enumerate(columns))
    text = (
        f"SELECT {path.unit} AS u, {listed} FROM {located.source} "
        f"WHERE {quote(str(path.ask.unit))} IS NOT NULL AND hash({path.unit}) % {max(units // SAMPLE, 1)} = 0"
    )
    some = located.space.arrow(text)
    unit = np.asarray(some["u"].combine_chunks().dictionary_encode().indices if some.num_rows else [], dtype=np.int64)
    order = np.argsort(unit, kind="stable")
    same = unit[order][1:] == unit[order][:-1]
    found = []
    for i, column in enumerate(columns):
        values = some[f"c{i}"].combine_chunks()
        if values.null_count or not some.num_rows:
            continue
        codes = np.asarray(values.dictionary_encode().indices, dtype=np.int64)
        if (codes[order][1:] != codes[order][:-1])[same].any() or codes.max() == 0:
            continue
        level = _level(path, column, "cluster")
        if level.decides and not level.several:
            found.append(column)
    return tuple(found)


def _level(path: Pass, column: str, role: str) -> Level:
    opened = path.opened
    located = opened.located
    assert opened.first is not None and opened.date is not None  # flags are refused
    space = located.space
    value = id_in_sql(located, column, role)
    view = space.new_name("starts")
    space.register(view, pa.table({"f": np.arange(len(path.start)), "b": path.start}))
    first = opened.first.joined("f", opened.date, "s.f")
    source = f"SELECT {value} AS c, {quote(path.ask.first_treated)} AS f FROM {located.source}"
    by_value = (
        f"SELECT s.c AS c, min(b.b) AS low, max(b.b) AS high FROM ({source}) AS s {first} JOIN {view} AS b "
        "ON f.c = b.f GROUP BY s.c"
    )
    labels, mixed = space.row(f"SELECT count(*), count(*) FILTER (WHERE low <> high) FROM ({by_value}) AS g")
    by_unit = (
        f"SELECT u FROM (SELECT {path.unit} AS u, {value} AS c FROM {located.source}) AS s GROUP BY u "
        "HAVING min(c) <> max(c)"
    )
    (several,) = space.row(f"SELECT count(*) FROM ({by_unit}) AS g")
    units = located.n // len(opened.grid.values)
    cohorts = len(np.unique(path.start[path.start != ALWAYS]))
    return Level(int(labels), int(several), not mixed and cohorts < int(labels) < units)
