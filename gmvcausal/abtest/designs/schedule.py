"""The schedule of a switchback: which room has which arm in which block of time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gmvcausal.abtest.designs.lot import within_strata
from gmvcausal.abtest.designs.switchback import MICROS, duration
from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.columns import FloatArray, IntArray
from gmvcausal.frames.params import said

_MOST_BLOCKS, _LARGEST_SET = 100_000, 20


def read_schedule(start: Any, blocks: Any, every: Any) -> tuple[Any, int, int]:
    """Check start, number and length of the blocks: a timestamp and microseconds, or whole numbers."""
    import pandas as pd

    for name, value in (("start", start), ("blocks", blocks), ("every", every)):
        if value is None:
            raise InputError(
                f"method='switchback' needs {name}=",
                remedy="write start='2025-11-01', blocks=84, every='2h' for a week of blocks of two hours",
            )
    if isinstance(blocks, bool) or not isinstance(blocks, int | np.integer) or not 2 <= blocks <= _MOST_BLOCKS:
        raise InputError(f"blocks must be a whole number from 2 to {_MOST_BLOCKS:,}, but is {said(blocks)}")
    if isinstance(start, int | np.integer) and not isinstance(start, bool):
        begin: Any = int(start)
    else:
        try:
            begin = pd.Timestamp(start)
        except (ValueError, TypeError, OverflowError):
            begin = pd.NaT
        if pd.isna(begin):
            raise InputError(f"start must be a date such as '2025-11-01' or a whole number, but is {said(start)}")
        if begin.tzinfo is not None:
            raise InputError(
                f"start carries the time zone {begin.tzinfo}, while blocks are cut in local time",
                remedy="write start= as a local time without a zone",
            )
    length = duration("every", every, not isinstance(begin, int))
    if length == 0:
        raise InputError("every must be longer than 0", remedy="write every='2h' for blocks of two hours")
    return begin, int(blocks), length


def set_size(shares: FloatArray) -> int:
    """The fewest blocks over which the shares come out whole; at most 20.

    Examples
    --------
    >>> set_size(np.array([0.5, 0.5])), set_size(np.array([0.9, 0.1])), set_size(np.full(3, 1 / 3))
    (2, 10, 3)
    """
    for size in range(len(shares), _LARGEST_SET + 1):
        if np.abs(size * shares - np.round(size * shares)).max() < 1e-6:
            return size
    return _LARGEST_SET


def sets_of_blocks(blocks: int, per_day: int, size: int) -> IntArray:
    """Which blocks are balanced among themselves, shape (blocks,).

    Blocks at the same time of consecutive days, where a day holds a whole number of blocks and the test is that long:
    GMV differs more between hours than between days. Else consecutive blocks.
    """
    at = np.arange(blocks)
    if per_day > 0 and blocks >= per_day * size:
        return at // per_day // size * per_day + at % per_day
    return at // size


def make_schedule(
    units: Any, begin: Any, blocks: int, length: int, shares: FloatArray, rng: np.random.Generator
) -> Any:
    """Arms of every unit in every block (positions), with the start and the end of the blocks.

    Parameters
    ----------
    units : ndarray, shape (u,)
    begin : Timestamp or int
    blocks, length : int
    shares : ndarray, shape (arms,)
    rng : Generator

    Returns
    -------
    unit, start, end, arm : ndarray, shape (u * blocks,)
    """
    dates = not isinstance(begin, int)
    per_day = MICROS["D"] // length if dates and MICROS["D"] % length == 0 else 0
    sets = sets_of_blocks(blocks, per_day, set_size(shares))
    count = int(sets.max()) + 1
    room = np.repeat(np.arange(len(units)), blocks)
    arm = within_strata(room * count + np.tile(sets, len(units)), shares, rng)
    lonely = np.array([len(np.unique(a)) == 1 for a in arm.reshape(len(units), blocks)])
    if lonely.all():
        raise DesignError(
            f"{blocks} blocks are too few for every arm to come", remedy="take more blocks, or shorter ones"
        )
    at = np.tile(np.arange(blocks), len(units))
    if dates:
        first = np.datetime64(begin.to_pydatetime(warn=False), "us")
        start = first + (at * length).astype("timedelta64[us]")
        end = start + np.timedelta64(length, "us")
    else:
        start = begin + at * length
        end = start + length
    return np.asarray(units)[room], start, end, arm


def split_budget(budget: Any, names: list[Any], shares: FloatArray) -> dict[Any, float]:
    """Each arm's own budget: its share of the whole (Liu and others 2021)."""
    ok = isinstance(budget, int | float | np.number) and not isinstance(budget, bool) and 0 < float(budget) < math.inf
    if not ok:
        raise InputError(f"budget must be a positive amount, but is {said(budget)}", remedy="write budget=100_000")
    return {name: float(budget) * float(share) for name, share in zip(names, shares, strict=True)}
