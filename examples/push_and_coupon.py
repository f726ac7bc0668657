"""A push, a coupon, or both: which one gets the credit? Attribution answers; only the four arms know.

Run ``python examples/push_and_coupon.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "push-and-coupon")
out.mkdir(parents=True, exist_ok=True)

# 1. Two lots, one for each channel. An order is worth 50; the truth is 5 for the push, 10 for the coupon, 11 for both.
rng = np.random.default_rng(3)
n = 40_000
habit = rng.gamma(1.0, 1.0, n)
push, coupon = rng.random(n) < 0.5, rng.random(n) < 0.5
orders = rng.poisson(habit + 0.10 * push + 0.20 * coupon - 0.08 * (push & coupon))
users = pd.DataFrame({"user": np.arange(n), "push": push.astype(int), "coupon": coupon.astype(int)})
users["gmv"] = orders * rng.gamma(4.0, 12.5, n)
users["gmv_pre"] = 50.0 * rng.poisson(habit)

# 2. Last touch: every order is credited to a channel that was there. Most of them would have come anyway.
last = np.select([users["gmv"] == 0, coupon, push], ["", "coupon", "push"], "none")
credit = users["gmv"].groupby(last).sum() / users["gmv"].sum()
print(f"Credited to the coupon {credit['coupon']:.0%}, to the push {credit['push']:.0%} of GMV\n")

# 3. Four arms, each against nothing.
users["arm"] = np.select([push & coupon, push, coupon], ["both", "push", "coupon"], "none")
test = gc.ab_test(users, control="none", metrics=[gc.Mean("gmv", pre="gmv_pre")])
print(test.summary(), end="\n\n")

# 4. What the push adds depends on the coupon: there is no share of the push.
adds = gc.ab_test(users, arm="push", control=0, metrics=[gc.Mean("gmv", pre="gmv_pre")]).by("coupon")
print(adds.to_frame()[["term", "estimate", "conf_low", "conf_high"]].round(1).to_string(index=False))
print(f"The same with and without a coupon? p = {adds.interaction()['p_value'][0]:.1g}\n")

page = gc.report({"Four arms": test, "What the push adds": adds}, out / "report.html", title="Push and coupon")
print(f"Report: {page}")
