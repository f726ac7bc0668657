"""Exposure comes after assignment: checked by every verb that is told both times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.columns import first_rows
from gmvcausal.frames.table import Table
from gmvcausal.frames.times import Times, times

_DAY = 86_400_000_000


def refuse_early(table: Table, given: str, seen: str, notes: list[str]) -> None:
    """Refuse exposures before assignment: what they did is in the outcome, and no lot decided it.

    Parameters
    ----------
    table : Table
    given, seen : str
        Columns of the time of assignment and of the first exposure (missing where there was none).
    notes : list of str
        Is told where days are compared in place of moments.
    """
    assigned = times(table, given, "assigned_at")
    exposed = times(table, seen, "exposed_at", allow_missing=True)
    live = ~exposed.missing
    if not live.any():
        return
    if assigned.is_date != exposed.is_date:
        raise InputError(
            f"{given!r} and {seen!r} are not on one clock: one holds dates, the other whole numbers",
            column=seen,
            remedy="give both as dates, or both as numbers of one clock",
        )
    if assigned.zone != exposed.zone:
        raise InputError(
            f"{given!r} is in {assigned.zone or 'no time zone'} and {seen!r} in {exposed.zone or 'no time zone'}",
            column=seen,
            remedy="convert both to one zone",
        )
    start = assigned.values
    if assigned.is_date and _whole_days(exposed, live) and not _whole_days(assigned, np.ones(table.n, dtype=bool)):
        start = start // _DAY * _DAY
        notes.append(f"{seen!r} holds days, so exposure is compared with the day of {given!r}")
    early = live & (exposed.values < start)
    if early.any():
        raise InputError(
            f"{int(early.sum()):,} rows were exposed before they were assigned, so the lot did not decide it",
            column=seen,
            count=int(early.sum()),
            rows=first_rows(early),
            remedy="find out why (an old exposure, a clock in another zone); take the first exposure after "
            "assignment, or leave out in every arm those who had the tactic before",
            counted=True,
        )


def _whole_days(found: Times, use: NDArray[np.bool_]) -> bool:
    return bool((found.values[use] % _DAY == 0).all())
