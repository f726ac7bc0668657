"""A treatment that everybody has in the same periods: its effect and theirs are one, and nothing is compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.arms import assigned_there
from gmvcausal.frames.columns import identifiers
from gmvcausal.frames.facts import TIME_NAMES
from gmvcausal.frames.params import counted
from gmvcausal.frames.table import Table

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_FOLLOWS = (
    "compare the days with it with the days before and after (gc.before_after), or units that get it with units that "
    "do not in the same {period}s (gc.did)"
)


def refuse_calendar(time: IntArray, treated: BoolArray, name: str) -> None:
    """Where everybody has the same arm in every period, the effect and the period are one.

    Raises
    ------
    DesignError
    """
    size = np.bincount(time)
    on = np.bincount(time, treated)
    if (((on == 0) | (on == size))[size > 0]).all():
        raise DesignError(
            f"in every {name} all rows have the same arm ({counted(int((on > 0).sum()), 'period')} with it, "
            f"{int(((on == 0) & (size > 0)).sum()):,} without): what it does and what these periods do anyway are one",
            remedy=_FOLLOWS.format(period=name),
        )


def refuse_found_calendar(table: Table, arm: IntArray, taken: tuple[str | None, ...]) -> None:
    """The same in a table whose periods nobody named: a column called month, date, ... that decides the arm.

    Raises
    ------
    DesignError
    """
    for column in TIME_NAMES:
        if column not in table.columns or column in taken or table.series(column, "time").is_null().any():
            continue
        try:
            codes = identifiers(table, column, "time").codes
        except InputError:  # a column that nobody named may hold anything
            continue
        if assigned_there(codes, arm):
            refuse_calendar(codes, arm == 1, column)
