"""Three coupon values given by lot: who should get which one under a budget, and what is that plan worth?

Run ``python examples/who_should_get_the_coupon.py [FOLDER]``. Takes about twenty seconds. The market is simulated, so
the truth is known.
"""

import sys
from pathlib import Path

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "who-should-get-the-coupon")
out.mkdir(parents=True, exist_ok=True)

# 1. One row per user: the coupon drawn, what was known before the draw, and the GMV of the four weeks after it.
market = gc.simulate.world("D12", n=20_000, seed=618)
users = market.table()
train, test, members = users[:9_000], users[9_000:17_000], users[17_000:].drop(columns=["arm", "gmv", "orders"])
print(users.head(3).to_string(index=False), end="\n\n")

# 2. What each coupon adds on average, and a model of who gains by how much.
model = gc.uplift(
    train,
    treatment="arm",
    control="none",
    features=["tier", "recency", "price", "gmv_pre", "orders_pre"],
    propensity={"none": 0.4, "coupon_5": 0.2, "coupon_10": 0.2, "coupon_20": 0.2},
    cost={"coupon_5": 1.0, "coupon_10": 2.0, "coupon_20": 4.0},  # face value x the chance that it is redeemed
    margin=0.3,
)
print(model.summary(), end="\n\n")
print(f"True for coupon_10: {market.truth.value:.2f}", end="\n\n")

# 3. Does the ranking tell users apart? On users who trained nothing.
ranking = model.evaluate(test)
low, high = ranking.of("coupon_20").qini.conf_int()
print(f"Qini of coupon_20: {ranking.of('coupon_20').qini.estimate:.2f}, interval {low:.2f} to {high:.2f}", end="\n\n")

# 4. A plan for the members, and what its rule is worth on users who neither trained the model nor chose the plan.
plan = model.policy(members, budget=4_000)
value = plan.evaluate(test)
print(plan, end="\n\n")
print(value, end="\n\n")
members.assign(coupon=plan.assign).to_csv(out / "plan.csv", index=False)

# 5. A page to hand on.
page = gc.report([model, ranking, plan, value], out / "report.html", title="Who should get which coupon?", currency="¥")
print(f"Report: {page}")
