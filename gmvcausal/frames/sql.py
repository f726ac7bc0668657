"""The rules on columns as SQL aggregates: one scan checks them all, a second query finds rows only where one is broken.

The sentences are those of `frames.rules`, so a parquet file and a frame in memory fail in the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.table import quote
from gmvcausal.frames.texts import quote_text

if TYPE_CHECKING:
    from gmvcausal.frames.engines.engine import Engine
    from gmvcausal.frames.relation import Spec

# Given the SQL of each role and what it holds, aggregates by name: what else one scan is to find.
Measure = Callable[[Mapping[str, str], Mapping[str, str]], dict[str, str]]

_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "BOOLEAN"}
_WIDE = {"UBIGINT", "HUGEINT", "UHUGEINT"}
_LONG = {"BIGINT", *_WIDE}
_FLOAT = {"FLOAT", "DOUBLE"}
_PLAIN_TIME = {"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_ZONED = "TIMESTAMP WITH TIME ZONE"
_EMPTY = {
    "id": ("CAST(NULL AS VARCHAR)", "text"),
    "text": ("CAST(NULL AS VARCHAR)", "text"),
    "number": ("CAST(NULL AS DOUBLE)", "number"),
    "flag": ("CAST(NULL AS BOOLEAN)", "flag"),
    "time": ("CAST(NULL AS TIMESTAMP)", "time"),
}
_OFFSET = r"([+-][0-9]{2}(:?[0-9]{2})?|[Zz])$"
# The whole text: engines read "10:00 PM" or "10:00 Asia/Shanghai" as 10:00.
_CLOCK = r"[T ][0-9]{2}(:?[0-9]{2}(:?[0-9]{2}([.,][0-9]+)?)?)?\s*([+-][0-9]{2}(:?[0-9]{2})?|[Zz])?"
_ISO = rf"^\s*[0-9]{{4}}-?[0-9]{{2}}-?[0-9]{{2}}({_CLOCK})?\s*$"


@dataclass(frozen=True)
class Checked:
    """What one scan found: rows, per role the SQL expression, the kind, the zone and the spacing; what was measured."""

    n: int
    select: dict[str, str]
    kinds: dict[str, str]
    zones: dict[str, str]
    spacing: dict[str, float]
    measured: dict[str, Any]


@dataclass
class Plan:
    """One column: its typed expression, conditions that must never hold with the error each builds, aggregates."""

    expression: str
    kind: str
    refuse: list[tuple[str, Callable[[int, list[int], str], InputError]]] = field(default_factory=list)
    largest: str | None = None
    zone: str | None = None
    zone_counts: tuple[str, str] | None = None


def remedy_missing(role: str) -> str:
    """What to do about missing values in a role."""
    if role in ("gmv", "refund", "discount"):
        return "write 0 where it is known that nothing was paid, and remove or correct the rows where it is not known"
    return "remove these rows or fill them at their source"


def not_a_date(column: str, label: str) -> InputError:
    """Whole numbers where dates are needed."""
    return InputError(
        f"{label} holds numbers where dates are needed",
        column=column,
        remedy="convert them first, for example pd.to_datetime(df[col], unit='s')",
    )


def too_large(column: str, label: str) -> InputError:
    """Ids beyond the range of int64."""
    return InputError(f"{label} holds ids larger than 2^63 − 1", column=column, remedy="convert the ids to text")


def first_rows(space: Engine, source: str, condition: str, name: str) -> list[int]:
    """Positions (0-based, in file order) of the first rows where `condition` holds."""
    return first_bad(space, source, condition, name)[0]


def first_bad(
    space: Engine, source: str, condition: str, name: str, value: str = "NULL"
) -> tuple[list[int], str | None]:
    """Positions of the first rows where `condition` holds, and `value` (SQL) of the very first of them as text.

    Where rows have no positions, none are returned, and the least such value stands for the first.
    """
    if not space.positions:
        (least,) = space.row(f"SELECT min(CAST({value} AS VARCHAR)) FROM {source} WHERE {condition}", name)
        return [], least
    # The condition is computed beside the position, so that a column of the user's called position stays its own.
    found = space.rows(
        f"SELECT place, example FROM (SELECT row_number() OVER () - 1 AS place, ({condition}) AS bad, "
        f"CAST({value} AS VARCHAR) AS example FROM {source}) WHERE bad ORDER BY place LIMIT 5",
        name,
    )
    return [int(place) for place, _ in found], found[0][1] if found else None


def check_columns(
    space: Engine,
    source: str,
    name: str,
    spec: Spec,
    types: dict[str, str],
    timezone: str | None,
    measure: Measure | None = None,
) -> Checked:
    """Check every column of `spec` in one scan of `source`, which also takes the `measure`; the typed expressions.

    Raises
    ------
    InputError
        The first broken rule, in the order of `spec`.
    """
    plans: dict[str, Plan] = {}
    for role, (column, kind) in spec.items():
        if column not in types:
            raise rules.no_such_column(column, list(types), role, name)
        plans[role] = _plan(column, kind, role, name, types[column], timezone)
    aggregates = ["count(*)"]
    for plan in plans.values():
        aggregates += [f"count(*) FILTER (WHERE {condition})" for condition, _ in plan.refuse]
        aggregates += [f"max(abs({plan.largest}))"] if plan.largest else []
        aggregates += [f"count(*) FILTER (WHERE {c})" for c in plan.zone_counts or ()]
    select, kinds = {r: p.expression for r, p in plans.items()}, {r: p.kind for r, p in plans.items()}
    asked = {} if measure is None else measure(select, kinds)
    found = iter(_scan(space, source, name, aggregates, list(asked.values())))
    n = int(next(found))
    if n == 0:
        raise InputError(f"{name} has no rows", remedy="check the filter that made it")
    zones: dict[str, str] = {}
    spacing: dict[str, float] = {}
    for role, plan in plans.items():
        column = spec[role][0]
        for condition, build in plan.refuse:
            count = int(next(found))
            if count:
                rows, example = first_bad(space, source, condition, name, quote(column))
                raise build(count, rows, str(example))
        if plan.largest:
            largest = next(found)
            spacing[role] = float(np.spacing(np.float32(largest))) if largest is not None else 0.0
        if plan.zone_counts:
            zoned, plain = int(next(found)), int(next(found))
            if zoned and plain:
                raise rules.mixed_zones(column, f"{role} ({name})", f"{zoned:,} rows with an offset, {plain:,} without")
            if zoned:
                zones[role] = "an offset"
        if plan.zone:
            zones[role] = plan.zone
    rest = tuple(found)
    if len(rest) < len(asked):
        rest = space.row(f"SELECT {', '.join(asked.values())} FROM {source}", name)
    return Checked(n, select, kinds, zones, spacing, dict(zip(asked, rest, strict=True)))


def _scan(space: Engine, source: str, name: str, checks: list[str], more: list[str]) -> tuple[Any, ...]:
    """The aggregates of `source`; the checks alone where the engine refuses the others.

    A row that breaks a rule may break a sum too (of infinite numbers, say), and the rule has the better words.
    """
    try:
        return space.row(f"SELECT {', '.join([*checks, *more])} FROM {source}", name)
    except InputError:
        if not more:
            raise
        return space.row(f"SELECT {', '.join(checks)} FROM {source}", name)


def _plan(column: str, kind: str, role: str, name: str, dtype: str, timezone: str | None) -> Plan:
    label = f"{role} ({name})"
    optional = kind.endswith("?")
    kind = kind.rstrip("?")
    base = dtype.split("(")[0].strip('"')
    q = quote(column)
    if base == "NULL":  # a column without any value has no kind of its own
        plan = Plan(*_EMPTY[kind])
    elif kind in ("id", "text"):
        plan = id_plan(q, column, label, base, dtype)
    elif kind in ("number", "flag"):
        plan = number_plan(q, column, label, base, dtype)
        if kind == "flag":
            plan.kind = "flag"
            plan.expression = f"({plan.expression} = 1)"
            plan.refuse.append(
                (
                    f"CAST({q} AS DOUBLE) NOT IN (0, 1)",
                    lambda count, rows, example: rules.not_flags(column, label, float(example), count, rows),
                )
            )
    else:
        plan = _time(q, column, label, base, dtype, timezone)
    if not optional:
        empty = f"{q} IS NULL" + (f" OR isnan({q})" if base in _FLOAT else "")
        plan.refuse.insert(
            0, (empty, lambda count, rows, _: rules.missing(column, label, count, rows, remedy_missing(role)))
        )
    return plan


def id_plan(q: str, column: str, label: str, base: str, dtype: str) -> Plan:
    if base in _WHOLE:
        return Plan(f"CAST({q} AS BIGINT)", "int")
    if base in _WIDE:
        over = (f"{q} > 9223372036854775807", lambda *_: too_large(column, label))
        return Plan(f"TRY_CAST({q} AS BIGINT)", "int", [over])
    if base in _FLOAT or base == "DECIMAL":
        plain = f"CAST({q} AS DOUBLE)"
        fraction = (
            f"NOT isnan({plain}) AND ({plain} <> floor({plain}) OR abs({plain}) > 9007199254740992)",
            lambda count, rows, example: rules.not_whole(column, label, float(example), count, rows),
        )
        return Plan(f"TRY_CAST({plain} AS BIGINT)", "int", [fraction])
    if base in ("VARCHAR", "UUID", "ENUM", "DATE", *_PLAIN_TIME):
        return Plan(f"CAST({q} AS VARCHAR)", "text")
    raise rules.not_a_kind(column, label, dtype, "ids (text or whole numbers)")


def number_plan(q: str, column: str, label: str, base: str, dtype: str) -> Plan:
    if base in ("VARCHAR", "ENUM"):
        text = (
            f"{q} IS NOT NULL",
            lambda count, rows, example: rules.text_number(column, label, example, rows, count=count),
        )
        return Plan("CAST(NULL AS DOUBLE)", "number", [text])
    if base not in _WHOLE | _WIDE | _FLOAT | {"DECIMAL"}:
        raise rules.not_a_kind(column, label, dtype, "numbers")
    plan = Plan(f"CAST({q} AS DOUBLE)", "number")
    if base in _LONG:
        beyond = f"{q} > {2**53} OR {q} < -{2**53}"
        plan.refuse.append((beyond, lambda count, rows, _: rules.beyond_whole(column, label, count, rows)))
    if base in _FLOAT:
        plan.refuse.append((f"isinf({q})", lambda count, rows, _: rules.infinite(column, label, count, rows)))
        plan.expression = f"nullif({plan.expression}, 'nan'::DOUBLE)"
        large = f"abs({plan.expression}) > {rules.LARGEST!r}"
        plan.refuse.append((large, lambda count, rows, _: rules.beyond_squares(column, label, count, rows)))
    if base == "FLOAT":
        plan.largest = f"nullif({q}, 'nan'::FLOAT)"
    return plan


def _time(q: str, column: str, label: str, base: str, dtype: str, timezone: str | None) -> Plan:
    if base in _PLAIN_TIME:
        plan = Plan(f"CAST({q} AS TIMESTAMP)", "time")
        plan.refuse.append((f"NOT isfinite({plan.expression})", _bad_time(column, label)))
        return plan
    if base == _ZONED:
        return Plan(f"timezone({quote_text(timezone or 'UTC')}, {q})", "time", zone="UTC")
    if base in ("VARCHAR", "ENUM"):
        text = f"CAST({q} AS VARCHAR)"
        zoned = f"regexp_matches({text}, '[0-9]{_OFFSET}') AND length({text}) > 10"
        local = f"timezone({quote_text(timezone or 'UTC')}, TRY_CAST({text} AS TIMESTAMPTZ))"
        value = f"CASE WHEN {zoned} THEN {local} ELSE TRY_CAST({text} AS TIMESTAMP) END"
        bad = f"{q} IS NOT NULL AND (({value}) IS NULL OR NOT regexp_matches({text}, '{_ISO}'))"
        return Plan(
            value,
            "time",
            [(bad, _bad_time(column, label))],
            zone_counts=(f"{q} IS NOT NULL AND {zoned}", f"{q} IS NOT NULL AND NOT ({zoned})"),
        )
    if base in _WHOLE | _WIDE | _FLOAT | {"DECIMAL"}:
        number = f"{q} IS NOT NULL" + (f" AND NOT isnan({q})" if base in _FLOAT else "")
        return Plan("CAST(NULL AS TIMESTAMP)", "time", [(number, lambda *_: not_a_date(column, label))])
    raise rules.not_a_kind(column, label, dtype, "dates")


def _bad_time(column: str, label: str) -> Callable[[int, list[int], str], InputError]:
    return lambda count, rows, example: rules.bad_time(column, label, example, count, rows)
