"""Times and ids of the tables: days of the market as times, local as they stand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from gmvcausal.simulate.stage import NEVER, IntArray, Stage

Columns = dict[str, Any]
DAY_MS = 86_400_000
SESSION_HOURS = 3
DAYS_PER_ID = 4096
PRODUCTS = 10  # per room
LIFE = 365  # days before the log on which everybody had joined


def origin_ms(start: dt.date) -> int:
    """Milliseconds since 1970 at midnight of the first day, local time as it stands."""
    return (start - dt.date(1970, 1, 1)).days * DAY_MS


def as_times(ms: IntArray) -> Any:
    """Milliseconds since 1970 as times."""
    return np.asarray(ms, dtype=np.int64).astype("datetime64[ms]")


def days_as_times(stage: Stage, days: IntArray) -> Any:
    """Days of the market as times; `NEVER` becomes NaT."""
    days = np.asarray(days, dtype=np.int64)
    times = as_times(origin_ms(stage.plan.start) + days * DAY_MS)
    times[days >= NEVER] = np.datetime64("NaT")
    return times


def end_of(stage: Stage, began: int) -> int:
    """The day on which a tactic ended, `NEVER` where it outlasts the log."""
    ends = int(stage.ends(np.array([began]))[0])
    return ends if ends < stage.plan.days else NEVER
