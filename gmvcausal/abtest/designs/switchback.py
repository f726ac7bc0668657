"""Switchback tests: the arm alternates over time within a room (or everywhere), and blocks of time are what was drawn.

What a tactic left behind when it was switched off still works for a while, so the first rows after each switch are
left out (Bojinov, Simchi-Levi and Zhao 2023). What remains of a block, the stretch of time whose arm was drawn, is one
cluster; where blocks are not named, a maximal run of one arm stands for them.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.metrics import Quantile, parts
from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.columns import Codes, FloatArray, IntArray, first_rows, identifiers
from gmvcausal.frames.params import said
from gmvcausal.frames.table import Table
from gmvcausal.frames.times import times

BoolArray = NDArray[np.bool_]
WASHED = "rows within the washout"
THIN = "rows of places with fewer than two blocks of some arm"
MICROS = {"s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "D": 86400 * 10**6, "W": 7 * 86400 * 10**6}
_LENGTH = re.compile(r"^\s*([0-9]{1,7}(?:\.[0-9]{1,6})?)\s*(s|min|h|D|d|W)\s*$")


@dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks of a switchback.

    Attributes
    ----------
    place : str
        What the rooms are called; empty where the whole market switches at once.
    places, never : int
        Rooms, and those of them that keep one arm throughout.
    number, lost, washed : int
        Blocks, those that end within the washout, and rows within the washout.
    thin : int
        Rooms left out because they have fewer than two blocks of some arm.
    why : str
        Why rooms are not compared with themselves; empty where they are, or where there is one.
    length : ndarray, shape (arms,)
        Time spent in each arm, washout included.
    spread : ndarray, shape (arms,)
        Standard error of each arm's share of the time, blocks being independent.
    repeated : float
        Share of rows with an outcome that repeat an earlier row in room, time and every outcome.
    time : ndarray of int, shape (n kept,)
        Microseconds since 1970, or the whole numbers of the column.
    is_date : bool
    late : ndarray of bool, shape (n kept,)
        Whether a row lies in the second half of what is left of its block.
    halved : ndarray of bool, shape (n kept,)
        Whether its block has both halves.
    named : bool
        Whether the blocks that were drawn are known.
    run : ndarray of int, shape (n kept,)
        Maximal run of one arm, numbered by room and time.
    """

    place: str
    places: int
    never: int
    number: int
    lost: int
    washed: int
    thin: int
    why: str
    length: FloatArray
    spread: FloatArray
    repeated: float
    time: IntArray
    is_date: bool
    late: BoolArray
    halved: BoolArray
    named: bool
    run: IntArray

    @property
    def within(self) -> bool:
        """Whether rooms are compared with themselves."""
        return self.places > 1 and not self.why

    @property
    def name(self) -> str:
        """What a block is called."""
        return f"block of {self.place}" if self.place else "block"


def said_of_blocks(blocks: Blocks, washout: Any) -> list[str]:
    """The notes on what was cut and washed out."""
    per = f" in {blocks.places:,} places ({blocks.place})" if blocks.place else ""
    taken = "" if blocks.named else ", taken to be the runs of one arm"
    notes = [
        f"{blocks.number:,} blocks{per}{taken}; {blocks.washed:,} rows within the washout ({said(washout)}) from the "
        "start of a run of one arm were left out, in the first run too, since what was before it is not known"
    ]
    if blocks.lost:
        notes.append(f"{blocks.lost:,} blocks are not longer than the washout and were left out whole")
    if blocks.thin:
        notes.append(
            f"{blocks.thin:,} places ({blocks.place}) with fewer than two blocks of some arm were left out: each place "
            "is compared with itself"
        )
    if blocks.why:
        notes.append(f"blocks are compared over all places ({blocks.place}), not within them: {blocks.why}")
    return notes


def duration(name: str, value: Any, dates: bool) -> int:
    """A length of time on the clock of the time column: microseconds for dates, else in its own numbers.

    Examples
    --------
    >>> duration("washout", "30min", True), duration("washout", 2, False)
    (1800000000, 2)
    """
    import pandas as pd

    if isinstance(value, int | np.integer) and not isinstance(value, bool) and (value == 0 or not dates):
        if value >= 0:
            return int(value)
    elif dates and isinstance(value, dt.timedelta | np.timedelta64) and not pd.isna(value):
        micros = pd.Timedelta(value) // pd.Timedelta(1, "us")
        if micros >= 0:
            return int(micros)
    elif dates and isinstance(value, str) and (found := _LENGTH.match(value)):
        return round(float(found[1]) * MICROS[found[2].replace("d", "D")])
    wanted = "a length of time such as '30min', '2h' or '1D'" if dates else "a whole number on the clock of the times"
    raise InputError(f"{name} must be {wanted}, but is {said(value)}")


def cut(table: Table, ask: Columns, arms: Codes) -> tuple[BoolArray, IntArray, IntArray | None, Blocks]:
    """Cut the rows of a switchback into blocks and wash their beginnings out.

    Rooms are compared with themselves: each is a stratum. Rooms with fewer than two blocks of some arm cannot be, and
    are left out; where these are most of the rows (every room switches once), blocks are compared over all rooms.

    Parameters
    ----------
    table : Table
    ask : Columns
        Names the time, the rooms (its cluster) and the washout.
    arms : Codes

    Returns
    -------
    keep, block, stratum, blocks : ndarray of bool, ndarray of int, ndarray of int or None, Blocks
        Rows that are left, the block of every row, and its room where rooms are strata.
    """
    assert ask.time is not None
    clock = times(table, ask.time, "time")
    washout = duration("washout", ask.washout, clock.is_date)
    everywhere = np.zeros(table.n, dtype=np.int64)
    room = everywhere if ask.cluster is None else identifiers(table, ask.cluster, "cluster").codes
    order = np.lexsort((arms.codes, clock.values, room))
    r, t, a = room[order], clock.values[order], arms.codes[order]
    _one_arm_at_a_time(r, t, a, order, ask)
    new = np.concatenate([[True], (r[1:] != r[:-1]) | (a[1:] != a[:-1])])
    of = np.cumsum(new) - 1
    start = t[new]
    runs = np.bincount(r[new])
    if (runs == 1).all():
        raise DesignError(
            "the arm never changes over time" + (f" within any {ask.cluster!r}" if ask.cluster else ""),
            column=ask.arm,
            remedy="this is no switchback: leave washout= out"
            + (f" and pass cluster={ask.cluster!r}" if ask.cluster else ""),
        )
    run = np.empty(table.n, dtype=np.int64)
    run[order] = of
    block = run if ask.block is None else _drawn(table, ask, room, arms)
    keep = np.empty(table.n, dtype=bool)
    keep[order] = t - start[of] >= washout
    left = np.bincount(arms.codes[keep], minlength=len(arms.labels))
    if (left == 0).any():
        gone = str(arms.labels[int(np.flatnonzero(left == 0)[0])])
        raise DesignError(
            f"the washout of {said(ask.washout)} leaves no row of arm {gone!r}: its blocks are not longer",
            column=ask.time,
            remedy="switch less often, or shorten the washout if the effect fades sooner",
        )
    length, spread = _time_shares(start, r[new], a[new], r, t, len(arms.labels))
    number = int(block.max()) + 1
    lost, washed = number - len(np.unique(block[keep])), int((~keep).sum())
    stratum, thin, why = None, None, ""
    if len(runs) > 1 and any(isinstance(m, Quantile) for m in ask.metrics):
        why = "a quantile has no mean over places"
    elif len(runs) > 1:
        stratum, thin = _rooms_as_strata(keep, block, room, arms.codes, len(arms.labels))
        why = "" if thin is not None else "most have fewer than two blocks of some arm"
    if thin is not None:
        keep = keep & ~thin[room]
    late, halved = _halves(run[keep], clock.values[keep])
    facts = Blocks(
        ask.cluster or "", len(runs), int((runs == 1).sum()), number, lost, washed,
        0 if thin is None else int(thin.sum()), why, length, spread,
        _repeated(table, ask, room, clock.values), clock.values[keep], clock.is_date, late, halved,
        ask.block is not None, run[keep],
    )  # fmt: skip
    return keep, block, stratum, facts


def _drawn(table: Table, ask: Columns, room: IntArray, arms: Codes) -> IntArray:
    """The blocks that were drawn, as dense codes: a value of the column within a room."""
    assert ask.block is not None
    own = identifiers(table, ask.block, "block")
    _, code = np.unique(room * len(own.labels) + own.codes, return_inverse=True)
    first = np.empty(int(code.max()) + 1, dtype=np.int64)
    first[code[::-1]] = arms.codes[::-1]
    bad = arms.codes != first[code]
    if bad.any():
        count = len(np.unique(code[bad]))
        raise InputError(
            f"{count:,} blocks hold more than one arm, so they are not what was drawn",
            column=ask.block,
            count=count,
            rows=first_rows(bad),
            remedy="name the column of the stretch of time whose arm was drawn, or leave block= out",
            counted=True,
        )
    return np.asarray(code)


def _rooms_as_strata(
    keep: BoolArray, block: IntArray, room: IntArray, arm: IntArray, arms: int
) -> tuple[IntArray, BoolArray] | tuple[None, None]:
    """Rooms as dense strata, and which rooms have too few blocks to be one; None where these hold most of the rows."""
    rooms = int(room.max()) + 1
    at = np.flatnonzero(keep)
    first = at[np.unique(block[at], return_index=True)[1]]
    size = np.bincount(room[first] * arms + arm[first], minlength=rooms * arms).reshape(rooms, arms)
    thin: BoolArray = np.asarray((size < 2).any(axis=1))
    if thin[room[at]].mean() > 0.5:
        return None, None
    return np.asarray((np.cumsum(~thin) - 1)[room]), thin


def _one_arm_at_a_time(r: IntArray, t: IntArray, a: IntArray, order: IntArray, ask: Columns) -> None:
    same = (r[1:] == r[:-1]) & (t[1:] == t[:-1])
    clash = same & (a[1:] != a[:-1])
    if not clash.any():
        return
    moment = np.concatenate([[0], np.cumsum(~same)])
    both = np.unique(moment[1:][clash])
    bad = np.zeros(len(r), dtype=bool)
    bad[order[np.isin(moment, both)]] = True
    where = f"{ask.cluster!r} and moments" if ask.cluster else "moments"
    raise InputError(
        f"{len(both):,} {where} hold more than one arm, so it did not alternate over time",
        column=ask.time,
        count=len(both),
        rows=first_rows(bad),
        remedy="name the room that switches (cluster=); where users were assigned one by one leave washout= out",
        counted=True,
    )


def _time_shares(
    start: IntArray, place: IntArray, arm: IntArray, r: IntArray, t: IntArray, arms: int
) -> tuple[FloatArray, FloatArray]:
    """Time in each arm from the starts of its blocks, and the standard error of its share."""
    apart = np.diff(t)[(np.diff(r) == 0) & (np.diff(t) > 0)]
    step = float(np.median(apart)) if len(apart) else 1.0
    last = np.concatenate([np.flatnonzero(np.diff(r)), [len(r) - 1]])
    end_of = np.zeros(int(place.max()) + 1)
    end_of[r[last]] = t[last] + step
    ends = np.concatenate([start[1:], [0]]).astype(float)
    final = np.concatenate([place[1:] != place[:-1], [True]])
    ends[final] = end_of[place[final]]
    own = ends - start
    length = np.bincount(arm, own, minlength=arms).astype(float)
    share, count = length / length.sum(), len(own)
    residual = own[:, None] * ((arm[:, None] == np.arange(arms)) - share)
    spread: FloatArray = np.sqrt(count / max(count - 1, 1) * (residual**2).sum(axis=0)) / length.sum()
    return length, spread


def _halves(block: IntArray, t: IntArray) -> tuple[BoolArray, BoolArray]:
    low = np.full(int(block.max()) + 1, np.iinfo(np.int64).max)
    high = np.full(len(low), np.iinfo(np.int64).min)
    np.minimum.at(low, block, t)
    np.maximum.at(high, block, t)
    late = t - low[block] > high[block] - t
    return late, np.asarray(high[block] > low[block])


def _repeated(table: Table, ask: Columns, room: IntArray, t: IntArray) -> float:
    """Share of the rows with an outcome that repeat an earlier one: a file appended to itself, if rows are bins."""
    import pandas as pd

    columns = list(dict.fromkeys(p for m in ask.metrics for p in parts(m)))
    frame = pd.DataFrame({f"x{i}": table.series(c, "outcome").to_numpy() for i, c in enumerate(columns)})
    live = (frame.fillna(0) != 0).any(axis=1).to_numpy()
    if not live.any():
        return math.nan
    keys = frame.assign(room=room, time=t)
    if ask.unit is not None:
        keys["unit"] = identifiers(table, ask.unit, "unit").codes
    return float(keys[live].duplicated().mean())
