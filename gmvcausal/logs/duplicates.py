"""Rows that repeat: exact, fast and bounded in memory.

Every key is hashed to 64 bits, and the engine says which hashes occur more than once. Only keys with such a hash are
then compared in full, so two different rows are never taken for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gmvcausal.errors import InputError
from gmvcausal.frames.relation import Relation
from gmvcausal.frames.table import quote

_GROUP = 32  # whole numbers whose bits are collected in one row
SPARSE = 8  # numbers for each row, beyond which such rows would hold too few bits to save anything


@dataclass(frozen=True)
class Repeats:
    """Rows that repeat an earlier row in some columns.

    Attributes
    ----------
    count : int
        Rows beyond the first of each key.
    rows : list of int or str
        Positions of the first few of them, or what some of them hold (`Relation.first_rows`).
    """

    count: int
    rows: list[int] | list[str]


def hash_of(columns: Sequence[str]) -> str:
    """SQL for the hash of several columns."""
    return f"hash({', '.join(columns)})"


def repeated_hashes(relation: Relation, columns: Sequence[str]) -> str | None:
    """A view of the hashes that occur more than once, or None where there are none.

    Parameters
    ----------
    relation : Relation
    columns : sequence of str
        SQL expressions over the view that make the key.
    """
    if _surely_unique(relation, columns):
        return None
    return relation.space.repeated(relation.sql, hash_of(columns), relation.name)


def _surely_unique(relation: Relation, columns: Sequence[str]) -> bool:
    """Whether order ids that are whole numbers lie so densely that a bit for each of them tells them apart.

    A group of 32 neighbouring numbers is one row of the sums, with as many bits as it has lines if none repeats. Where
    files hold orders as they came in, such groups do not leave the file, while hashes would all have to be sent around.
    """
    low, high = relation.measured.get("order_low"), relation.measured.get("order_high")
    if list(columns) != [quote("order")] or low is None or high is None:
        return False
    if int(high) - int(low) >= SPARSE * relation.n:
        return False
    number = f"({columns[0]} - ({int(low)}))"
    bits = f"bit_or(CAST(1 AS BIGINT) << CAST({number} & {_GROUP - 1} AS INTEGER))"
    group = f"{number} >> {_GROUP.bit_length() - 1}"
    unlike = f"SELECT 1 FROM {relation.sql} GROUP BY {group} HAVING bit_count({bits}) <> count(*)"
    return int(relation.space.row(f"SELECT count(*) FROM ({unlike})", relation.name)[0]) == 0


def find_repeats(relation: Relation, hashes: str, key: Sequence[str], within: Sequence[str]) -> Repeats:
    """Rows that repeat an earlier row in `key`, among the rows whose hash of `within` is in `hashes`."""
    listed = ", ".join(key)
    some = f"{relation.sql} WHERE {hash_of(within)} IN (SELECT h FROM {hashes})"
    count = (
        f"SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM {some} GROUP BY {listed} HAVING count(*) > 1)"
    )
    # min() over the window is the position of the first row of the key, so later positions repeat it.
    rows = _positions(
        relation, within, hashes, f"min(position) OVER (PARTITION BY {listed}) AS first", "position > first"
    )
    return Repeats(int(relation.space.row(count, relation.name)[0]), rows)


def _positions(
    relation: Relation, within: Sequence[str], hashes: str, marks: str, wanted: str
) -> list[int] | list[str]:
    """Positions of the first rows that are `wanted`, given the columns `marks` (SQL); examples where rows have none."""
    if not relation.space.positions:
        return relation.first_rows(f"{hash_of(within)} IN (SELECT h FROM {hashes})")
    found = relation.space.rows(
        f"""SELECT position FROM (
            SELECT position, {marks} FROM (SELECT *, row_number() OVER () - 1 AS position FROM {relation.sql})
            WHERE {hash_of(within)} IN (SELECT h FROM {hashes})
        ) WHERE {wanted} ORDER BY position LIMIT 5""",
        relation.name,
    )
    return [int(position) for (position,) in found]


def drop_repeats(relation: Relation, hashes: str, within: Sequence[str]) -> Relation:
    """The relation with one row of each set of rows that are identical in every column of the view.

    The result is written once, outside memory.
    """
    listed = ", ".join(quote(name) for name in relation.select)
    repeated = f"{hash_of(within)} IN (SELECT h FROM {hashes})"
    query = (
        f"SELECT {listed} FROM {relation.sql} WHERE NOT ({repeated}) "
        f"UNION ALL SELECT DISTINCT {listed} FROM {relation.sql} WHERE {repeated}"
    )
    space = relation.space
    source = space.keep("distinct", query, relation.name)
    view = space.new_name(relation.name)
    space.view(view, f"SELECT * FROM {source}", relation.name)
    n = int(space.row(f"SELECT count(*) FROM {source}", relation.name)[0])
    select = {name: quote(name) for name in relation.select}
    return replace(
        relation, view=view, n=n, source=source, select=select, table=None, arrow=None, origin=None, measured={}
    )


def settle(
    relation: Relation,
    key: Sequence[str],
    same: Sequence[str],
    what: str,
    dedupe: str | None,
    *,
    strict: Sequence[str] = (),
) -> tuple[Relation, int]:
    """Apply the rule on repeated rows and return the relation with the number of rows dropped.

    Parameters
    ----------
    relation : Relation
    key : sequence of str
        SQL expressions that must be unique.
    same : sequence of str
        SQL expressions that, beyond the key, make two rows identical.
    what : str
        The key in words, for messages: "order and product".
    dedupe : {None, "exact", "keep"}
    strict : sequence of str
        Expressions that must be constant within the key even where repeated rows are kept.

    Raises
    ------
    InputError
        Repeated rows without `dedupe`; rows of one key that contradict each other.
    """
    hashes = repeated_hashes(relation, key)
    if hashes is None:
        return relation, 0
    repeats = find_repeats(relation, hashes, key, key)
    if not repeats.count:
        return relation, 0
    identical = find_repeats(relation, hashes, [*key, *same], key) if same else repeats
    conflicts = repeats.count - identical.count
    if conflicts and (dedupe != "keep" or (strict and _varies(relation, hashes, key, strict))):
        raise _conflict(relation, hashes, key, same, what, conflicts, dedupe)
    if dedupe is None:
        raise InputError(
            f"{identical.count:,} rows of {relation.name} repeat an earlier row ({what})",
            count=identical.count,
            rows=identical.rows,
            counted=True,
            remedy="pass dedupe='exact' to keep the first of identical rows, or dedupe='keep' if each of them is real",
        )
    if dedupe == "keep":
        return relation, 0
    before = relation.n
    dropped = drop_repeats(relation, hashes, key)
    return dropped, before - dropped.n


def _varies(relation: Relation, hashes: str, key: Sequence[str], strict: Sequence[str]) -> bool:
    varying = " OR ".join(f"min({s}) IS DISTINCT FROM max({s})" for s in strict)
    found = relation.space.row(
        f"SELECT count(*) FROM (SELECT 1 FROM {relation.sql} WHERE {hash_of(key)} IN (SELECT h FROM {hashes}) "
        f"GROUP BY {', '.join(key)} HAVING {varying})",
        relation.name,
    )
    return int(found[0]) > 0


def _conflict(
    relation: Relation, hashes: str, key: Sequence[str], same: Sequence[str], what: str, count: int, dedupe: str | None
) -> InputError:
    """Rows that share a key and differ: no rule can tell which of them is right."""
    listed = ", ".join(key)
    rest = ", ".join(same)
    first, own = (f"min(position) OVER (PARTITION BY {columns})" for columns in (listed, f"{listed}, {rest}"))
    rows = _positions(relation, key, hashes, f"{first} AS first, {own} AS own", "own > first AND position = own")
    if dedupe == "keep":
        remedy = "correct them at their source: one order cannot belong to two users"
    elif "product" in what:
        remedy = "correct them at their source, or pass dedupe='keep' if each row is a line of its own"
    else:
        remedy = (
            "name the product of each line with columns={'product': ...}, pass dedupe='keep' if an order may have "
            "several lines, or correct the rows at their source"
        )
    return InputError(
        f"{count:,} rows of {relation.name} have the {what} of an earlier row but differ from it",
        count=count,
        rows=rows,
        remedy=remedy,
        counted=True,
    )
