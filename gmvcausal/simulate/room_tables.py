"""The tables of rooms: rooms, their sessions, which of them were assigned and exposed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gmvcausal.simulate.stage import CATEGORIES, CITIES, NEVER, Stage
from gmvcausal.simulate.times import (
    DAY_MS,
    DAYS_PER_ID,
    LIFE,
    SESSION_HOURS,
    Columns,
    as_times,
    days_as_times,
    end_of,
    origin_ms,
)


def room_tables(stage: Stage) -> dict[str, pd.DataFrame]:
    """Rooms and their sessions: one row per room, and one per room and day."""
    plan = stage.plan
    rooms = np.arange(plan.rooms)
    entry = days_as_times(stage, np.full(plan.rooms, -LIFE))
    names = np.array(["apparel", *CATEGORIES], dtype=object)
    table = pd.DataFrame(
        {
            "room": rooms,
            "host": rooms,
            "city": np.array(CITIES, dtype=object)[stage.city],
            "category": names[stage.category],
            "opens": stage.opens,
            "entry": entry,
        }
    )
    room, day = np.repeat(rooms, plan.days), np.tile(np.arange(plan.days), plan.rooms)
    begin = origin_ms(plan.start) + day * DAY_MS + stage.opens[room] * 3_600_000
    sessions: Columns = {
        "session": room * DAYS_PER_ID + day,
        "room": room,
        "start": as_times(begin),
        "end": as_times(begin + SESSION_HOURS * 3_600_000),
        "price": np.round(stage.price[room, day], 4),
    }
    for tactic, adopted in stage.adopted.items():
        began = adopted[room]
        on = (began <= day) & (day < stage.ends(began))
        if tactic == "flash_sale":
            on &= (day - stage.phase[room]) % plan.dials.flash_every == 0
        sessions[tactic] = on.astype(np.int8)
    return {"rooms": table, "sessions": pd.DataFrame(sessions)}


def room_assignments(stage: Stage) -> dict[str, pd.DataFrame]:
    """The same of tactics of rooms."""
    plan = stage.plan
    assigned, exposed = [], []
    for tactic, adopted in stage.adopted.items():
        adopting = adopted < NEVER
        assigned.append(
            pd.DataFrame(
                {
                    "room": np.arange(plan.rooms),
                    "tactic": tactic,
                    "treated": adopting.astype(np.int8),
                    "probability": adopting.mean(),
                    "start": days_as_times(stage, adopted),
                }
            )
        )
        who = np.flatnonzero(adopting)
        ends = np.array([end_of(stage, int(day)) for day in adopted[who]], dtype=np.int64)
        exposed.append(
            pd.DataFrame(
                {
                    "room": who,
                    "tactic": tactic,
                    "start": days_as_times(stage, adopted[who]),
                    "end": days_as_times(stage, ends),
                }
            )
        )
    if not assigned:
        return {}
    return {
        "room_assignments": pd.concat(assigned, ignore_index=True),
        "room_exposures": pd.concat(exposed, ignore_index=True),
    }
