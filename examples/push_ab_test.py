"""A daily push, sent by lot: does it bring GMV, by which factor, and does it drive users away?

Run ``python examples/push_ab_test.py [FOLDER]``. Takes a few seconds. The users are simulated, so the truth is known.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "push-ab-test")
out.mkdir(parents=True, exist_ok=True)

# 1. The push arrives only where notifications are on, which keen users have; there it brings a quarter more visits.
rng, n = np.random.default_rng(7), 60_000
keen = rng.gamma(2.0, 0.5, n)
sent, on = rng.random(n) < 0.5, rng.random(n) < 1 - np.exp(-keen)
visits = rng.poisson(keen * np.where(sent & on, 1.25, 1.0))
orders = rng.binomial(visits, 0.08)
users = pd.DataFrame(
    {
        "arm": np.where(sent, "push", "none"),
        "delivered": sent & on,
        "visits": visits,
        "orders": orders,
        "gmv": orders * rng.lognormal(3.5, 0.9, n),
        "visits_pre": rng.poisson(2 * keen),
        "switched_off": on & (rng.random(n) < np.where(sent, 0.021, 0.02)),
    }
)

# 2. By the arm drawn, whether the push arrived or not. At most a fifth more users may switch notifications off.
metrics = [
    gc.Mean("gmv", pre="visits_pre"),
    gc.Proportion("switched_off"),
    gc.Gmv(gmv="gmv", orders="orders", visits="visits"),
]
test = gc.ab_test(users, control="none", metrics=metrics, guardrails={"switched_off": 0.2})
print(test.summary(), end="\n\n")
print(test.guardrails().round(3).to_string(index=False), end="\n\n")

# 3. What delivered users bought more than the others is no effect: they are the keen ones.
naive = users.groupby("delivered")["gmv"].mean()
print(f"Delivered against not: {naive[True] / naive[False] - 1:+.0%}")
print(f"As drawn: {test.to_frame()['relative'][0]:+.0%}", end="\n\n")

# 4. What it brought in, and a page to hand on.
money = test.incremental_gmv(cost=300, cost_is="other", gmv_is="paid", margin=0.3)
print(money.to_frame()[["term", "estimate", "conf_low", "conf_high"]].round(1).to_string(index=False), end="\n\n")
page = gc.report({"Push": test, "Money": money}, out / "report.html", title="What did the push do?", currency="¥")
test.plot("waterfall").savefig(out / "waterfall.png", dpi=150, bbox_inches="tight")
print(f"Report: {page}")
