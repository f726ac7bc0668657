"""From sums to the truth: each term with its estimand in words, its unit and its Monte Carlo standard error."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gmvcausal.simulate.accounting import Account, by_event_time
from gmvcausal.simulate.market import Term, Truth
from gmvcausal.simulate.stage import LONG, Plan, set_stage
from gmvcausal.simulate.tactics import CHANNELS

_PARTS = {
    "direct": "acting on the order, the basket and the price at once",
    "mediated": "acting through watch time and interaction",
    "spillover": "on users through their treated friends",
    "taken": "taken from (negative) the users' other rooms",
    "borrowed": "borrowed from later (negative): items still in stock, and the calm after a flash sale",
    "long_term": "through loyalty and the habit of coming",
}
# By the periods of the panel of rooms: the term whose cells are its treated cells, and what one is called.
_CELLS = {"W": ("att_weeks", "whole week"), "D": ("att_days", "day")}


def as_truth(plan: Plan, accounts: dict[str, Account]) -> Truth:
    """The truth of a plan from the accounts of its tactics."""
    terms: list[Term] = []
    for k, (tactic, account) in enumerate(accounts.items()):
        terms += _terms(plan, tactic, account, "" if k == 0 else f"{tactic}.")
    first = plan.tactics[0]
    # without cells there is no panel to compare in, and the days as they are remain
    cells = plan.units[first] == "room" and accounts[first].units["cells"] > 0
    target = _CELLS[plan.freq][0] if cells else "att"
    return Truth(tuple(terms), target, _events(plan, first, accounts[first]), _users(accounts[first]))


def _terms(plan: Plan, tactic: str, account: Account, prefix: str) -> list[Term]:
    user = plan.units[tactic] == "user"
    span = plan.days - plan.first_of(tactic)
    one = f"user over the {span} days from the start" if user else "room and week from adoption to the log's end"
    per = {
        "treated": f"yuan per treated {one}",
        "own": f"yuan per {'user' if user else 'room'} {'the tactic is for, ' if user else ''}{one.partition(' ')[2]}",
        "everyone": f"yuan per {one}",
    }
    if not user:
        per["own"] = per["everyone"] = f"yuan per {one}"
    switch = f"{tactic}: GMV paid, one's own switch on against off, the others as they were assigned"
    against = f"{tactic}: as it was assigned, against nobody"
    said = [
        ("att", "att", "treated", f"{switch}; mean over the treated"),
        ("ate", "own", "own", f"{switch}; mean over all {'users whom it is for' if user else 'rooms'}"),
        ("realised", "gross", "treated", f"GMV paid, {against}; all users' change"),
        ("everyone", "everyone", "everyone", f"{tactic}: GMV paid, everyone from the first day, against nobody"),
        *((c, c, "treated", f"{against}; the part {_PARTS[c]}") for c in CHANNELS),
        ("refunded", "refunded", "treated", f"{against}; refunds of it, as a loss"),
        ("total", "total", "treated", f"{against}; GMV net of refunds: the sum of the parts"),
        ("gmv_90", "gmv_90", "treated", f"GMV paid within {LONG} days of the first start, {against}"),
        ("profit", "profit", "treated", f"{against}; margin on list prices less discounts, refunds and unit cost"),
    ]  # fmt: skip
    if not user:
        name, period = _CELLS[plan.freq]
        per["cells"] = f"yuan per treated room and {period} since adoption"
        said.insert(1, (name, "att_cells", "cells", f"{switch}; mean over the treated cells of the panel of rooms"))
    terms = []
    for name, key, by, estimand in said:
        units = account.units[by]
        value, error = (
            (np.nan, np.nan) if not units else (account.total[key] / units, account.variance[key] ** 0.5 / units)
        )
        if name == "profit" and units:
            value -= plan.dials.unit_cost * account.units["assigned"] / units
        unit = per[by]
        if name == "gmv_90":
            unit = unit.replace(f"{span} days", f"{LONG} days") if user else "yuan per treated room and week in the log"
        terms.append(Term(prefix + name, estimand, unit, float(value), float(error)))
    return terms


def _events(plan: Plan, tactic: str, account: Account) -> pd.DataFrame:
    if plan.units[tactic] == "room":
        stage = set_stage(plan)
        weeks, att, n = by_event_time(stage, account.events, stage.adopted[tactic])
        return pd.DataFrame({"event_time": weeks, "att": att, "n": n})
    first, n_treated = plan.first_of(tactic), account.units["treated"]
    att = account.events[first:] / max(n_treated, 1.0)
    return pd.DataFrame({"event_time": np.arange(len(att)), "att": att, "n": int(n_treated)})


def _users(account: Account) -> pd.DataFrame:
    frame = pd.DataFrame({name: np.concatenate(parts) for name, parts in account.users.items()})
    return frame.astype({"user": "int64", "treated": "int8", "tier": "int64"})
