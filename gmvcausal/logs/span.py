"""The whole periods of a table: where they begin and end, what of the log lies outside, how many cells they make."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.logs.calendar import Freq, Grid, parse_date, text
from gmvcausal.logs.logs import Logs

# A cell takes about this many bytes while the table is made: sums, counts, life, treatment and the columns themselves.
CELL_BYTES = 56
MOST_CELLS = 500_000_000


@dataclass(frozen=True)
class Span:
    """The whole periods of a panel.

    Attributes
    ----------
    grid : Grid
    periods : int
        Number of whole periods.
    first_cut : bool
        Whether the grid began before the log, so that the period in which the log begins was left out.
    """

    grid: Grid
    periods: int
    first_cut: bool = False

    @property
    def end(self) -> np.datetime64:
        """End of the last whole period."""
        return np.datetime64(self.grid.starts(np.array([self.periods]))[0], "us")

    def where(self, time: str = '"time"') -> str:
        """SQL condition for times inside the whole periods."""
        return f"{time} >= TIMESTAMP '{self.grid.origin}' AND {time} < TIMESTAMP '{self.end}'"


def first_midnight(logs: Logs) -> np.datetime64:
    """Midnight of the first local day of the log: nothing before it was observed."""
    return np.datetime64(logs._facts.first.astype("datetime64[D]").astype("datetime64[us]"), "us")


def make_span(logs: Logs, freq: Freq, origin: Any) -> Span:
    """Cut the log into whole periods.

    An origin before the log only says where periods begin: the first of them is the first that begins inside the log,
    because zeros of a time that was not observed would be made up.

    Raises
    ------
    InputError
        The origin lies after the log, or the log holds no whole period.
    """
    lines, facts = logs._lines, logs._facts
    known = first_midnight(logs)
    start = known if origin is None else parse_date("origin", origin)
    grid = Grid(freq, start)
    if start >= lines.end:
        raise InputError(
            f"origin {text(start)} lies after the end of the log, which is known from {text(known)} to "
            f"{text(lines.end)}",
            remedy="name an origin inside the log, or leave it out to begin with the first day",
        )
    before = start < known
    if before:
        k = grid.index(np.array([known]))
        k += grid.starts(k) < known
        grid = Grid(freq, np.datetime64(grid.starts(k)[0], "us"))
    periods = grid.complete(lines.end)
    if periods < 1:
        raise InputError(
            f"the log from {text(facts.first)} to {text(lines.last)} holds no whole period of freq={freq.text!r} "
            f"from origin {text(start)}",
            remedy="take a shorter freq, an earlier origin or a longer log",
        )
    return Span(grid, periods, bool(before and grid.origin > known))


def outside_lines(logs: Logs, span: Span, inside: int | None = None) -> tuple[int, int]:
    """Order lines before the first and after the last whole period.

    Parameters
    ----------
    logs : Logs
    span : Span
    inside : int, optional
        Lines inside the whole periods, where a sum has counted them already: it spares a scan of the log.

    Returns
    -------
    before, after : int
    """
    first, source = logs._facts.first, logs._lines.view
    early = f"SELECT count(*) FROM {source} WHERE \"time\" < TIMESTAMP '{span.grid.origin}'"
    before = int(logs._space.row(early, "orders")[0]) if first < span.grid.origin else 0
    if inside is not None:
        return before, logs._facts.lines - before - inside
    late = f"SELECT count(*) FROM {source} WHERE \"time\" >= TIMESTAMP '{span.end}'"
    return before, int(logs._space.row(late, "orders")[0])


def check_size(holds: int | None, what: str, cells: int, freq: Freq) -> None:
    """Refuse a table that the machine, or `memory_limit`, could not hold, before any of it is made.

    Parameters
    ----------
    holds : int or None
        Bytes that tables may take, see `Engine`.
    what : str
        How the cells come about: "1,000,000 users × 365 periods".
    cells : int
    freq : Freq
    """
    memory = machine()
    room = holds if holds is not None else memory / 2 if memory is not None else math.inf
    if cells <= MOST_CELLS and cells * CELL_BYTES <= room:
        return
    has = "" if memory is None else f", on a machine with {memory / 1e9:,.0f} GB"
    has = has if holds is None else f", of which memory_limit leaves room for {holds / 1e9:,.1f} GB"
    shorter = freq.letter == "D" and freq.count < 7
    raise InputError(
        f"the table would have {cells:,} rows ({what} of freq={freq.text!r}) and take about "
        f"{cells * CELL_BYTES / 1e9:,.0f} GB{has}",
        remedy=f"take longer periods, for example freq={'W' if shorter else '4W'!r}, or a shorter log",
    )


def machine() -> int | None:
    """Bytes of memory of this machine, None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
