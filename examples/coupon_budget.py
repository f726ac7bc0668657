"""From a test of two coupons to a plan under a budget: who gets which, and what it earns on users kept apart.

Run ``python examples/coupon_budget.py [FOLDER]``. Takes a few seconds. The users are simulated, so the truth is known.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "coupon-budget")
out.mkdir(parents=True, exist_ok=True)
FACE = {"none": 0.0, "5 yuan": 5.0, "10 yuan": 10.0}


def draw(n: int, seed: int) -> pd.DataFrame:
    """Users who bought lately buy anyway and redeem; those who lapsed come back for a coupon, the large ones for 10."""
    rng = np.random.default_rng(seed)
    users = pd.DataFrame({"recency": rng.integers(1, 61, n), "orders": rng.poisson(2, n)})
    users["coupon"] = rng.choice(list(FACE), n)
    face, lapsed = users["coupon"].map(FACE), users["recency"] > 20
    moved = np.where(lapsed & (users["orders"] > 2), 0.018 * face, np.where(lapsed, 0.08, 0.02) * (face > 0))
    buys = (rng.random(n) < np.where(lapsed, 0.05, 0.3)) | (rng.random(n) < moved)
    users["used"] = (buys & (face > 0)).astype(int)
    users["gmv"] = np.where(buys, rng.gamma(4, 20, n), 0.0).round(2)
    return users


# 1. Learn from one half of the test. A coupon costs its face value when it is redeemed, and nothing else.
train, test, campaign = draw(12_000, 1), draw(12_000, 2), draw(8_000, 3)[["recency", "orders"]]
shares = dict.fromkeys(FACE, 1 / 3)
cost = {"5 yuan": 5.0, "10 yuan": 10.0}
m = gc.uplift(
    train, treatment="coupon", control="none", features=["recency", "orders"], propensity=shares, cost=cost,
    redeemed="used", margin=0.3,
)  # fmt: skip
print(m.summary(), end="\n\n")

# 2. A plan for the next campaign, within 2,000 yuan of coupons that are expected to be redeemed.
plan = m.policy(campaign, budget=2_000)
print(plan.summary(), end="\n\n")

# 3. What its rule is worth, on the half of the test that trained nothing; and a rule of two questions beside it.
value = plan.evaluate(test)
print(value.summary(), end="\n\n")
tree = m.policy(campaign, budget=2_000, depth=2)
print(tree.rule.tree, end="\n\n")
print(plan.evaluate(test, against=tree).summary(), end="\n\n")

# 4. A page to hand on.
page = gc.report({"Coupons": m, "Plan": plan, "Value": value}, out / "report.html", currency="¥")
print(f"Report: {page}")
