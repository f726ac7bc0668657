"""How many rows may be brought here from an engine, where sums will not do: one rule for all verbs."""

from __future__ import annotations

from gmvcausal.errors import InputError

MOST_ROWS = 50_000_000
_CELL = 16  # bytes of a value, once as it came and once as a number


def refuse_many(rows: int, columns: int, holds: int | None, title: str, why: str, name: str, remedy: str) -> None:
    """Refuse to bring more rows than may come.

    Parameters
    ----------
    rows, columns : int
        What was asked for.
    holds : int or None
        Bytes they may take; None where nobody set a limit.
    title, why, name : str
        The engine, what needs the rows, and what messages call the table.
    remedy : str
        What to do instead.

    Raises
    ------
    InputError
    """
    most = MOST_ROWS if holds is None else min(MOST_ROWS, holds // (_CELL * max(columns, 1)))
    if rows > most:
        limit = "" if most == MOST_ROWS else " within memory_limit"
        raise InputError(
            f"{why} needs the rows themselves, and at most {most:,} of {columns} columns are brought here from "
            f"{title}{limit}, but {name} has {rows:,}",
            remedy=remedy,
        )
