"""A coupon given by lot: is there an effect on GMV, on orders, on the basket, and did the lot keep its promise?

Run ``python examples/coupon_ab_test.py [FOLDER]``. Takes a few seconds. The market is simulated, so the truth is known.
"""

import sys
from pathlib import Path

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "coupon-ab-test")
out.mkdir(parents=True, exist_ok=True)

# 1. One row per user: the arm drawn, GMV and orders in the four weeks after the draw and in the four weeks before it.
market = gc.simulate.world("D1", n=20_000, seed=618)
users = market.table()
users["bought"] = users["orders"] > 0
print(users.head(3).to_string(index=False), end="\n\n")

# 2. All metrics in one pass. `pre=` adjusts for what users spent before; the capped row stands beside the plain one.
metrics = [
    gc.Mean("gmv", pre=["gmv_pre", "orders_pre"]),
    gc.Proportion("bought"),
    gc.Mean("orders", pre="orders_pre"),
    gc.Ratio("gmv", "orders", pre=["gmv_pre", "orders_pre"]),
]
test = gc.ab_test(users, control="control", metrics=metrics)
print(test.summary(), end="\n\n")
columns = ["term", "relative", "relative_low", "relative_high", "variance_reduction"]
print(test.to_frame()[columns].round(3).to_string(index=False), end="\n\n")

# 3. What is true, and what the plain comparison of means would have said with a wider interval.
low, high = test.conf_int()
print(f"True: {market.truth.value:.2f} yuan per user. Found: {test.estimate:.2f}, interval {low:.2f} to {high:.2f}")
plain = gc.ab_test(users, control="control", metrics=[gc.Mean("gmv")])
low, high = plain.conf_int()
print(f"Without adjustment: {plain.estimate:.2f}, interval {low:.2f} to {high:.2f}", end="\n\n")

# 4. Had every tenth user of the coupon arm been lost on the way, the audit would refuse.
coupon = users.index[users["arm"] == "coupon"]
lost = gc.ab_test(users.drop(coupon[::10]), control="control", metrics=["gmv"])
print(lost.audit["sample_ratio"].message, end="\n\n")

# 5. A page to hand on.
page = gc.report(
    {"Coupon": test}, out / "report.html", title="What did the coupon do?", question="More GMV per user?", currency="¥"
)
test.plot("metrics").savefig(out / "metrics.png", dpi=150, bbox_inches="tight")
print(f"Report: {page}")
