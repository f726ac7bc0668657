"""What a block of users leaves in the logs: one table each, its rows in the order of days or of users."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gmvcausal.simulate.behave import Day, State
from gmvcausal.simulate.block import Block
from gmvcausal.simulate.draws import stream
from gmvcausal.simulate.engine import Opening, live
from gmvcausal.simulate.stage import CITIES, NEVER, IntArray, Stage
from gmvcausal.simulate.times import (
    DAY_MS,
    DAYS_PER_ID,
    LIFE,
    PRODUCTS,
    SESSION_HOURS,
    Columns,
    as_times,
    days_as_times,
    end_of,
    origin_ms,
)


class _Recorder:
    """Takes down what is seen of a block, day by day."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.rows: dict[str, list[Columns]] = {name: [] for name in ("visits", "orders", "pushes")}

    def __call__(self, block: Block, day: int, made: Day, morning: State) -> None:
        stage, plan = self.stage, self.stage.plan
        clock = stream(plan.seed, "clock", block.number, day).random((len(block.owner), 4))
        at = np.flatnonzero(made.visited)
        users, rooms = block.first + block.owner[at], block.room[at]
        begin = origin_ms(plan.start) + day * DAY_MS + stage.opens[rooms] * 3_600_000
        arrival = begin + (clock[at, 0] * (SESSION_HOURS * 3_600_000 - 1_800_000)).astype(np.int64)
        # nobody watches longer than the session lasts
        left = begin + SESSION_HOURS * 3_600_000 - arrival
        watch = np.minimum((np.exp(made.log_watch[at]) * 60_000.0), left).astype(np.int64)
        ids = (users * 3 + block.nth[at]) * DAYS_PER_ID + day
        self.rows["visits"].append(
            {
                "visit": ids,
                "user": users,
                "room": rooms,
                "time": arrival,
                "watch_seconds": np.round(watch / 1000.0, 1),
                "interacted": made.interacted[at].astype(np.int8),
                "ordered": made.ordered[at].astype(np.int8),
            }
        )
        bought = made.ordered[at]
        to = at[bought]
        paid_at = arrival[bought] + (clock[to, 1] * watch[bought]).astype(np.int64)
        delay = 1 + np.floor(np.log1p(-clock[to, 2]) / np.log1p(-min(plan.dials.refund_daily, 1.0 - 1e-12)))
        back_at = paid_at + np.minimum(delay, plan.dials.refund_days).astype(np.int64) * DAY_MS
        listed, paid = np.round(made.list_price[to], 2), np.round(made.paid[to], 2)
        # what is sent back after the log's end is not in the log
        known = back_at < origin_ms(plan.start) + plan.days * DAY_MS
        refund = np.round(paid * made.back[to], 2)
        self.rows["orders"].append(
            {
                "order": ids[bought],
                "user": users[bought],
                "room": rooms[bought],
                "product": rooms[bought] * PRODUCTS + (clock[to, 3] * PRODUCTS).astype(np.int64),
                "time": paid_at,
                "items": made.items[to].astype(np.int64),
                "list_price": listed,
                "discount": np.round(listed - paid, 2),
                "gmv": paid,
                "refund": np.where(known, refund, 0.0),
                "back_at": np.where(known & (refund > 0), back_at, 0),
                "coupon": made.coupon[to].astype(np.int8),
            }
        )
        if "push" in plan.tactics and day >= plan.start_day:
            began = self.treated_from
            sent = (began <= day) & (day < stage.ends(began)) & ((day - began) % plan.dials.push_every == 0)
            who = np.flatnonzero(sent)
            noon = origin_ms(plan.start) + day * DAY_MS + 12 * 3_600_000
            self.rows["pushes"].append(
                {
                    "user": block.first + who,
                    "time": np.full(len(who), noon),
                    "delivered": made.delivered[who].astype(np.int8),
                    "opened": made.opened[who].astype(np.int8),
                }
            )

    treated_from: IntArray = np.zeros(0, dtype=np.int64)

    def frame(self, name: str) -> pd.DataFrame:
        """One table with all its days."""
        parts = self.rows[name]
        columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        return pd.DataFrame({key: as_times(v) if key == "time" else v for key, v in columns.items()})


def block_tables(stage: Stage, number: int) -> dict[str, pd.DataFrame]:
    """Everything that a block of users leaves in the logs."""
    plan = stage.plan
    recorder = _Recorder(stage)

    def ready(opening: Opening) -> None:
        if "push" in plan.tactics:
            recorder.treated_from = np.where(opening.assigned.treated["push"], plan.start_day, NEVER)

    opening = live(stage, number, recorder, ready)
    block = opening.block
    raw = recorder.frame("orders")
    orders = raw.drop(columns=["back_at", "coupon"])
    sent_back = raw[raw["back_at"] > 0]
    refunds = pd.DataFrame(
        {"order": sent_back["order"], "user": sent_back["user"], "time": as_times(sent_back["back_at"].to_numpy()),
         "amount": sent_back["refund"]}
    ).reset_index(drop=True)  # fmt: skip
    tables = {
        "users": _users(stage, opening),
        "visits": recorder.frame("visits"),
        "orders": orders,
        "refunds": refunds,
    }
    if plan.units.get("coupon") == "user":
        tables["coupons"] = _coupons(stage, opening, raw)
    if "push" in plan.tactics:
        tables["pushes"] = recorder.frame("pushes")
    if "community" in plan.tactics:
        members = np.flatnonzero(opening.assigned.treated["community"])
        joined = days_as_times(stage, np.full(len(members), plan.start_day))
        tables["memberships"] = pd.DataFrame(
            {"user": block.first + members, "circle": block.first + block.circle[members], "joined": joined}
        )
        one, other = block.friends
        tables["edges"] = pd.DataFrame({"user": block.first + one, "friend": block.first + other})
    return tables | _assignments(stage, opening)


def _users(stage: Stage, opening: Opening) -> pd.DataFrame:
    block = opening.block
    home = block.room[block.nth == 0]
    return pd.DataFrame(
        {
            "user": block.first + np.arange(block.n),
            "city": np.array(CITIES, dtype=object)[stage.city[home]],
            "platform": np.where(block.android, "Android", "iOS").astype(object),
            "tier": block.tier,
            "home": home,
            "last_seen": days_as_times(stage, np.maximum(opening.known, -LIFE).astype(np.int64)),
            "entry": days_as_times(stage, np.full(block.n, -LIFE)),
        }
    )


def _coupons(stage: Stage, opening: Opening, raw: pd.DataFrame) -> pd.DataFrame:
    """One row per coupon: issued, good until, redeemed by which order."""
    plan, d, block = stage.plan, stage.plan.dials, opening.block
    users = np.flatnonzero(opening.assigned.treated["coupon"])
    last = int(stage.ends(np.array([plan.start_day]))[0])
    issues = np.arange(plan.start_day, last, d.coupon_every)
    user, issue = np.repeat(users, len(issues)), np.tile(np.arange(len(issues)), len(users))
    ids = (block.first + user) * DAYS_PER_ID + issue
    using = raw[raw["coupon"] > 0]
    midnight = np.datetime64(plan.start, "ms") + np.timedelta64(plan.start_day, "D")
    turn = (using["time"].to_numpy() - midnight) // np.timedelta64(d.coupon_every, "D")
    # two orders on one day can both use the coupon; it is redeemed by the earlier
    using = using.assign(coupon=using["user"].to_numpy() * DAYS_PER_ID + turn.astype(np.int64))
    first = using.sort_values(["time", "order"], kind="stable").drop_duplicates("coupon").set_index("coupon")
    table = pd.DataFrame(
        {
            "coupon": ids,
            "user": block.first + user,
            "issued": days_as_times(stage, issues[issue]),
            "expires": days_as_times(stage, np.minimum(issues[issue] + d.coupon_valid, last)),
        }
    )
    table["redeemed"] = first["time"].reindex(ids).to_numpy()
    table["order"] = first["order"].reindex(ids, fill_value=-1).to_numpy()
    return table


def _assignments(stage: Stage, opening: Opening) -> dict[str, pd.DataFrame]:
    """Who was assigned with which recorded chance, and who was exposed from when, of tactics of users."""
    plan, block = stage.plan, opening.block
    assigned, exposed = [], []
    ends = end_of(stage, plan.start_day)
    for tactic, treated in opening.assigned.treated.items():
        asked = np.flatnonzero(opening.assigned.chance[tactic] > 0)
        assigned.append(
            pd.DataFrame(
                {
                    "user": block.first + asked,
                    "tactic": tactic,
                    "treated": treated[asked].astype(np.int8),
                    "probability": opening.assigned.recorded[tactic][asked],
                }
            )
        )
        who = block.first + np.flatnonzero(treated)
        exposed.append(
            pd.DataFrame(
                {
                    "user": who,
                    "tactic": tactic,
                    "start": days_as_times(stage, np.full(len(who), plan.start_day)),
                    "end": days_as_times(stage, np.full(len(who), ends)),
                }
            )
        )
    if not assigned:
        return {}
    return {
        "assignments": pd.concat(assigned, ignore_index=True),
        "exposures": pd.concat(exposed, ignore_index=True),
    }
