"""Hand on an analysis without handing on people: pseudonyms, a scan, tables without small groups.

Run ``python examples/share_without_ids.py [FOLDER]``. Takes a few seconds. The users are simulated.
"""

import os
import secrets
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "share-without-ids")
out.mkdir(parents=True, exist_ok=True)
os.environ["SHOP_KEY"] = secrets.token_hex(32)  # for this run; yours is set once, outside of any script

# 1. A log whose user ids are phone numbers, as many are; who got the coupon was drawn by lot.
rng, n = np.random.default_rng(4), 4_000
user, coupon = 13_800_000_000 + rng.choice(10**7, n, replace=False), rng.random(n) < 0.5
city = rng.choice(["Hefei", "Wuhu", "Anqing", "Huangshan"], n, p=[0.5, 0.3, 0.18, 0.02])
times = rng.poisson(np.where(coupon, 0.8, 0.6))
orders = pd.DataFrame({"user": np.repeat(user, times), "gmv": rng.lognormal(4, 0.8, times.sum()).round(2)})
log = {"orders": orders, "users": pd.DataFrame({"user": user, "coupon": coupon, "city": city})}
print("As it came:", gc.privacy.scan(log["orders"]).summary(), sep="\n", end="\n\n")

# 2. One key for all tables, so that they still join. Without the key nobody can go back.
safe = {
    name: gc.privacy.pseudonyms(table, "user", environment="SHOP_KEY", purpose="report") for name, table in log.items()
}
print("With pseudonyms:", gc.privacy.scan(safe["orders"]).summary(), sep="\n", end="\n\n")

# 3. The analysis runs on pseudonyms, and its numbers are the same.
bought = safe["orders"].groupby("user").agg(gmv=("gmv", "sum"), orders=("gmv", "size")).reset_index()
table = safe["users"].merge(bought, how="left").fillna({"gmv": 0.0, "orders": 0})
test = gc.ab_test(table, arm="coupon", metrics="gmv")
print(test.summary(), end="\n\n")

# 4. A table of groups: those of fewer than ten people go, and with one that stands alone in its total another.
table["bought"] = table["orders"].clip(upper=3).map({0: "never", 1: "once", 2: "twice", 3: "more often"})
groups = table.groupby(["city", "bought"], as_index=False).agg(users=("user", "size"), gmv=("gmv", "mean"))
shown = gc.privacy.suppress(groups, "users", within="city")
print(f"{shown.attrs['hidden']} of {len(shown)} groups are hidden:")
print(shown.round(2).to_string(index=False))

gc.report(test, out / "report.html", extra=[("GMV by city and orders", shown)])
