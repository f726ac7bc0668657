"""A coupon that went to high tiers and recent visitors, by no lot: what did it bring among those who got it?

The world is simulated, so the truth is known. Those who got it buy more in any case; all that decided who did is in the
table (tier and recency), so users alike in it are compared.
"""

from __future__ import annotations

import gmvcausal as gc

market = gc.simulate.world("D11", n=8_000, seed=3)
users = market.table()  # one row per user: arm, gmv, gmv_pre, tier, recency, price, ...

call = {"treatment": "arm", "control": "none", "covariates": ["tier", "recency", "price", "gmv_pre"], "estimand": "att"}
result = gc.adjust(users, **call)
print(result.summary())
print()

print(result.balance()[["covariate", "smd_before", "smd_after"]].round(3).to_string(index=False))
print()
print(result.sensitivity(benchmark=["tier"]).summary())
print()
print(result.incremental_gmv().summary())

lines = gc.adjust(users, **call, estimator="regression")
print(gc.combine({"AIPW": result, "regression": lines}, how="triangulate").summary())
gc.report([result, lines], "report.html", title="A coupon by tier and recency")
truth = float(market.truth["att"])
low, high = result.conf_int()
print(f"true {truth:.1f} per user with a coupon, found {result.estimate:.1f} ({low:.1f} to {high:.1f})")
