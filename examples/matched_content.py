"""Content matched to the user: the slot sells twice as much. Does the shop? And for whom does it work?

Run ``python examples/matched_content.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "matched-content")
out.mkdir(parents=True, exist_ok=True)

# 1. A shop for pets. The lot gives half of the users matched content. It sells more in the slot, most of it taken from
#    elsewhere in the shop; only new owners buy more altogether, 6 yuan a month.
rng = np.random.default_rng(5)
n = 20_000
segment = rng.choice(["new", "ordinary", "professional"], n, p=[0.4, 0.45, 0.15])
need = pd.Series(segment).map({"new": 20.0, "ordinary": 60.0, "professional": 120.0}) * rng.gamma(3, 1 / 3, n)
match = rng.random(n) < 0.5
moved = 0.12 * need * match
gain = np.where(segment == "new", 6.0, 0.0) * match
users = pd.DataFrame({"user": np.arange(n), "segment": segment, "arm": np.where(match, "matched", "same for all")})
users["in_slot"] = (0.1 * need + moved) * rng.gamma(2, 0.5, n)
users["elsewhere"] = (0.9 * need - moved + gain) * rng.gamma(2, 0.5, n)
users["gmv"] = users["in_slot"] + users["elsewhere"]
users["gmv_pre"] = need * rng.gamma(2, 0.5, n)

# 2. All that a user buys, and where. The slot's gain is not the shop's.
metrics = [gc.Mean(name, pre="gmv_pre") for name in ("gmv", "in_slot", "elsewhere")]
test = gc.ab_test(users, control="same for all", metrics=metrics)
print(test.summary(), end="\n\n")
print(f"The truth: {gain[match].mean():+.2f} a user\n")

# 3. Segments named before the test, and one test of whether they differ.
by = gc.ab_test(users, control="same for all", metrics=metrics[:1]).by("segment")
print(by.to_frame()[["term", "estimate", "conf_low", "conf_high"]].round(1).to_string(index=False))
print(f"Effects differ between segments: p = {by.interaction()['p_value'][0]:.1g}\n")

page = gc.report({"Matched content": test, "By segment": by}, out / "report.html", title="Does matched content pay?")
print(f"Report: {page}")
