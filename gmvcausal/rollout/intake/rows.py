"""Repeated cross-sections: every row is a person seen once, so rows are put in an order of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.times import Times
from gmvcausal.rollout.intake.grid import distinct_times, make_grid
from gmvcausal.rollout.intake.layout import Layout

_CELLS = 250_000_000  # rows x periods: 2 GB
_LEAST = 2  # rows a period, on average
FOLLOWS = "follows units over time, and unit=None says that nobody is seen twice"
_NEEDS_UNITS = ("treated", "stack", "dedupe", "size", "coordinates", "dose", "eligible", "exposed", "edges")


def refuse(options: Mapping[str, Any], estimators: Sequence[str]) -> None:
    """Refuse what has no meaning where nobody is seen twice.

    Parameters
    ----------
    options : mapping
        Of the call.
    estimators : sequence of str
        Those that take rows without units.
    """
    if options["estimator"] not in estimators:
        raise InputError(
            f"estimator={options['estimator']!r} {FOLLOWS}",
            remedy=f"use estimator={estimators[0]!r}" + "".join(f" or {name!r}" for name in estimators[1:3]),
        )
    if options["treated"] is not None:
        raise InputError(
            "treated= does not say when a person's place starts, and with unit=None nothing else does",
            column=options["treated"],
            remedy="pass first_treated=, the start of the city or room of each row",
        )
    if options["dedupe"] is not None:
        raise InputError(
            "dedupe= has no meaning with unit=None: two people may have the same values",
            remedy="leave it out; where an order may occur twice, drop its repeats by its own id first",
        )
    for name in _NEEDS_UNITS:
        if options.get(name) is not None:
            raise InputError(f"{name}= has no meaning with unit=None", remedy=f"leave {name}= out, or name the unit")


def lay_out_rows(time: str, when: Times, keys: Sequence[NDArray[Any]]) -> Layout:
    """A matrix of one row for each row of the table, with one cell filled.

    Parameters
    ----------
    time : str
        Column.
    when : Times
        The time column, read.
    keys : sequence of ndarray, shape (n,)
        Other columns used. Rows are sorted by time and these, so that their order in the table changes nothing.

    Raises
    ------
    InputError
        Fewer than two periods, a time column that holds moments, or more rows and periods than memory holds.
    """
    distinct, column = distinct_times(when.values)
    n = len(column)
    if n < _LEAST * len(distinct):
        raise InputError(
            f"time has {len(distinct):,} distinct values for {n:,} rows, so it looks like moments, not periods",
            column=time,
            remedy="round to days or weeks first",
        )
    grid = make_grid(distinct, when.is_date, time)
    if n * len(distinct) > _CELLS:
        raise InputError(
            f"{n:,} rows in {len(distinct):,} periods are more than unit=None holds in memory",
            column=time,
            remedy="use longer periods, or average by place and period and pass the place as unit=",
        )
    row = np.empty(n, dtype=np.int64)
    row[np.lexsort((*keys, column))] = np.arange(n)
    every = np.arange(n)
    return Layout(row * len(distinct) + column, (n, len(distinct)), every, every, None, None, grid, None)
