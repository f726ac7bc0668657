"""Whom to win back: a message drawn by lot among lapsed users, RFM classes of the time before, a plan and its value.

Run ``python examples/win_back.py [FOLDER]``. Takes a few seconds. The shop is simulated, so the truth is known.
"""

import sys
from pathlib import Path

import numpy as np

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "win-back")
out.mkdir(parents=True, exist_ok=True)

# Users who have not come for a week are lapsed; a lot decides which half of them gets the message on 27 April.
market = gc.simulate.livestream(
    users=12_000, rooms=20, days=84, tactics=["win_back"], seed=3, targeting="lot", start_day=56, win_back=1.0,
    lapsed_days=7, conversion=0.3, satisfied=0.0, tail_share=0.0,
)  # fmt: skip
START, COST, MARGIN = "2026-04-27", 15.0, 0.3  # a message with a gift of 15 yuan; 30 % of GMV is earned
lapsed = market.logs.assignments["user"]  # the message is for these only
users = gc.Logs(**market.logs).users("win_back", pre="28D", post="14D", anchor=START, features="rfm")
users = users[users["user"].isin(lapsed)]

# A third to learn from, a third to be planned for, a third kept apart to see what the plan is worth.
part = np.random.default_rng(0).permutation(len(users)) % 3
train, campaign, test = (users[part == k] for k in range(3))
rfm = ["recency", "frequency", "monetary", "r", "f", "m"]
m = gc.uplift(
    train, outcome="gmv", treatment="arm", control="none", features=rfm, learner="dr", propensity=0.5, cost=COST,
    margin=MARGIN,
)  # fmt: skip
by = m.by("segment")
plan = m.policy(campaign)
value = plan.evaluate(test)
print(m.summary(), by.summary(), plan.summary(), value.summary(), sep="\n\n")

# Do they come back, and when?
orders = market.logs["orders"]
logs = gc.Logs(orders=orders[orders["user"].isin(lapsed)], exposures=market.logs["exposures"], users=users[["user"]])
back = logs.retention("win_back", freq="D", horizon=28, anchor=START, assignment="random")
print(back.summary())
gc.report([m, by, plan, value, back], out / "report.html", title="Whom to win back")
