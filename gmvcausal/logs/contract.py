"""Roles of columns: declared once, found in each table, checked once.

One mapping serves all tables, because the same role usually has the same column name in each; where a table lacks the
named column but has one with the role's own name, that one is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.engines.engine import Engine
from gmvcausal.frames.params import said
from gmvcausal.frames.relation import Measure, Relation, Spec, column_names, open_relation

# Role to kind, by table; "?" allows missing values. The order is the order in which rules are reported.
ROLES: dict[str, dict[str, str]] = {
    "orders": {
        "user": "id",
        "time": "time",
        "gmv": "number",
        "order": "id",
        "room": "id?",
        "product": "id?",
        "refund": "number",
        "discount": "number?",
    },
    "exposures": {"user": "id", "room": "id", "tactic": "id", "start": "time", "end": "time?"},
    "users": {"user": "id", "entry": "time?", "exit": "time?"},
    "rooms": {"room": "id", "entry": "time?", "exit": "time?"},
    "coverage": {"tactic": "id", "product": "id"},
}

NEEDED: dict[str, tuple[str, ...]] = {
    "orders": ("user", "time", "gmv"),
    "exposures": ("tactic", "start"),
    "users": ("user",),
    "rooms": ("room",),
    "coverage": ("tactic", "product"),
}

_ALL = tuple(dict.fromkeys(role for roles in ROLES.values() for role in roles))


def check_mapping(columns: Any) -> dict[str, str]:
    """Check the user's ``columns=``: a mapping of known roles to column names."""
    if columns is None:
        return {}
    if not isinstance(columns, Mapping):
        raise InputError(
            f"columns must be a mapping of roles to column names, but is a {type(columns).__name__}",
            remedy="write columns={'user': 'uid', 'time': 'paid_at', 'gmv': 'amount'}",
        )
    for role, column in columns.items():
        if not isinstance(role, str) or role not in _ALL:
            raise InputError(
                f"columns names the role {said(role)}, which does not exist", remedy=f"the roles are {', '.join(_ALL)}"
            )
        if not isinstance(column, str):
            raise InputError(f"columns[{role!r}] must be a column name, but is {said(column)}")
    return dict(columns)


def find_roles(table: str, available: list[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Role to column for one table, or an error naming the role that is needed and not there."""
    found: dict[str, str] = {}
    for role in ROLES[table]:
        named = mapping.get(role)
        if named is not None and named in available:
            found[role] = named
        elif role in available:
            found[role] = role
        elif role in NEEDED[table]:
            raise _lacking(table, role, named, available)
    if table == "exposures" and not {"user", "room"} & set(found):
        raise _lacking(table, "user", mapping.get("user"), available)
    twice = [c for c in found.values() if list(found.values()).count(c) > 1]
    if twice:
        roles = [r for r, c in found.items() if c == twice[0]]
        raise InputError(
            f"one column of {table} serves as {' and as '.join(roles)}",
            column=twice[0],
            remedy="name a column of its own for each role in columns=",
        )
    return found


def read_roles(names: Mapping[str, list[str]], mapping: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Table -> role -> column, from the columns of each table; a column that no table has is refused."""
    for role, column in mapping.items():
        where = [t for t in names if role in ROLES[t]]
        if where and not any(column in names[t] for t in where):
            raise _no_such(where[0], role, column, names[where[0]])
    return {table: find_roles(table, list(available), mapping) for table, available in names.items()}


def _lacking(table: str, role: str, named: str | None, available: list[str]) -> InputError:
    if named is not None:
        return _no_such(table, role, named, available)
    shown = ", ".join(repr(a) for a in available[:20])
    return InputError(
        f"{table} has no column for the role {role!r}",
        remedy=f"name it with columns={{{role!r}: ...}}; the columns of {table} are {shown}",
    )


def _no_such(table: str, role: str, named: str, available: list[str]) -> InputError:
    return InputError(
        f"{table} has no column {named!r}, which columns= names for the role {role!r}",
        remedy=rules.nearest(named, available, f"the columns of {table} are"),
    )


def open_tables(
    space: Engine, tables: Mapping[str, Any], columns: Any, timezone: str | None, measure: Measure
) -> dict[str, Relation]:
    """Open every table that was given, with its roles checked.

    Parameters
    ----------
    space : Engine
    tables : mapping
        Table name to the user's data, None where it was not given.
    columns : mapping or None
        The user's ``columns=``.
    timezone : str, optional
    measure : callable
        What is found out about the orders in the scan that checks them; see `frames.relation.open_relation`.

    Returns
    -------
    dict of str to Relation

    Raises
    ------
    InputError
        A role that is needed and not there, a named column that no table has, any rule on columns broken, ids of
        different kinds in different tables.
    """
    mapping = check_mapping(columns)
    given = {name: data for name, data in tables.items() if data is not None}
    if "orders" not in given:
        raise InputError("orders is None, but every table is made from orders", remedy="pass Logs(orders=...)")
    names = {name: column_names(space, data, name) for name, data in given.items()}
    found = read_roles(names, mapping)
    opened: dict[str, Relation] = {}
    for name, data in given.items():
        roles = found[name]
        spec: Spec = {role: (column, ROLES[name][role]) for role, column in roles.items()}
        # Without an order id a repeated row can only be known by all its columns, so all are kept at hand; but keys of
        # folders say when a line was delivered, and a line that came twice differs in them.
        whole = name == "orders" and "order" not in roles
        beside = {*roles.values(), *space.files.keys(name)}
        extra = [c for c in names[name] if c not in beside] if whole else []
        asked = measure if name == "orders" else None
        opened[name] = open_relation(space, data, name, spec, timezone=timezone, extra=extra, measure=asked)
    _same_kinds(opened)
    _check_lives(opened)
    return opened


def _same_kinds(opened: Mapping[str, Relation]) -> None:
    """Refuse ids that are text in one table and whole numbers in another: no row of theirs would ever meet."""
    for role in ("user", "room", "product", "tactic"):
        kinds = {name: relation.kinds[role] for name, relation in opened.items() if role in relation.kinds}
        if len(set(kinds.values())) > 1:
            words = {"int": "whole numbers", "text": "text"}
            detail = ", ".join(f"{words[kind]} in {name}" for name, kind in kinds.items())
            raise InputError(f"the ids of {role} are of different kinds: {detail}", remedy="convert them to one kind")


def _check_lives(opened: Mapping[str, Relation]) -> None:
    """Refuse units that leave before the day on which they enter."""
    for name in ("users", "rooms"):
        listing = opened.get(name)
        if listing is None or not {"entry", "exit"} <= set(listing.kinds):
            continue
        wrong = 'CAST("exit" AS DATE) < CAST("entry" AS DATE)'
        count = int(listing.space.row(f"SELECT count(*) FILTER (WHERE {wrong}) FROM {listing.sql}", name)[0])
        if count:
            raise InputError(
                f"exit lies before entry in {name}",
                column=listing.roles["exit"],
                count=count,
                rows=listing.first_rows(wrong),
                remedy="correct these rows, or leave exit empty where it is not known",
            )


def check_zones(opened: Mapping[str, Relation], timezone: str | None) -> list[str]:
    """Refuse zoned times where nobody said whose days are meant; return notes on zoneless ones.

    Raises
    ------
    InputError
        A column carries a zone and ``timezone=`` was not given.
    """
    notes: list[str] = []
    for name, relation in opened.items():
        for role, kind in relation.kinds.items():
            if kind != "time":
                continue
            zone = relation.zones.get(role)
            if zone is not None and timezone is None:
                remedy = "name the zone of the customers, for example timezone='Asia/Shanghai'"
                has = f"carries the time zone {zone}"
                if not relation.space.positions:  # rows of Spark
                    has = "is a moment in time (Spark's TIMESTAMP)"
                    remedy += "; times on a clock that Spark parsed as TIMESTAMP need the zone of that session"
                raise InputError(
                    f"{role} ({name}) {has}, but whose midnights cut the days is not said",
                    column=relation.roles[role],
                    remedy=remedy,
                )
            if zone is None and timezone is not None:
                notes.append(f"{role} ({name}) carries no time zone and was taken as local time of {timezone}")
    return notes
