"""Spend 300, get 50 off (满减): how many baskets were topped up, what did that bring, and what did the discount cost?

Run ``python examples/spend_300_get_50_off.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import gmvcausal as gc

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "spend_300_get_50_off")
folder.mkdir(exist_ok=True)

# Every user is offered 40 off orders of 300 or more from the thirteenth day on.
market = gc.simulate.livestream(
    users=8000, days=24, tactics="threshold_coupon", conversion=0.4, targeting="lot", treated_share=1, seed=2
)
orders = market.logs.orders
orders["when"] = orders["time"].ge("2026-03-14").map({True: "during", False: "before"})

# Shoppers choose their side of 300: those just above are not like those just below, and the pile says how many moved.
topped = gc.bunching(orders, "list_price", 300, compare="when", control="before", cluster="user", discount=40)
print(topped.summary())

# Without the weeks before: a smooth curve through the baskets away from 300.
during = orders[orders["when"] == "during"]
curve = gc.bunching(during, "list_price", 300, cluster="user", discount=40)
print(f"\nalong a curve: {curve.estimate:.2f} ({curve.std_error:.2f}) per order")
print("warned:", ", ".join(c.name for c in curve.audit.warned))

told = topped.to_frame().set_index("term")["estimate"]
money = topped.incremental_gmv(cost=told["discount_paid"], cost_is="discount", margin=0.4)
gc.report([topped, curve, money], folder / "report.html", title="Spend 300, get 40 off")
print(f"\nreport: {folder / 'report.html'}")
