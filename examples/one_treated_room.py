"""One livestream room got a new host; fifty did not. What did the host bring, and can one room answer that at all?

Run ``python examples/one_treated_room.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "one-treated-room")
out.mkdir(parents=True, exist_ok=True)

# 1. Weekly GMV of 51 rooms, in thousand yuan. Two currents move them, each room in its own measure, so trends are not
#    parallel. Room 0 gets the host in week 27; it brings 6 a week.
rng = np.random.default_rng(11)
rooms, weeks, start, truth = 51, np.arange(1, 37), 27, 6.0
currents = np.cumsum(rng.normal(0.3, 1.0, size=(2, len(weeks))), axis=1)
share = rng.uniform(0.2, 1.5, size=(rooms, 2))
share[0] = [1.2, 0.4]
gmv = 60 + 3 * share @ currents + rng.normal(0, 1.5, (rooms, len(weeks)))
gmv[0] += truth * (weeks >= start)
panel = pd.DataFrame(
    {
        "unit": np.repeat([f"room {i}" for i in range(rooms)], len(weeks)),
        "period": np.tile(weeks, rooms),
        "gmv": gmv.ravel(),
        "first_treated": np.repeat(np.where(np.arange(rooms) == 0, float(start), np.nan), len(weeks)),
    }
)

# 2. Plain difference-in-differences trusts parallel trends; a synthetic control builds a room that moved like room 0.
plain = gc.did(panel)
control = gc.did(panel, estimator="synthetic_control")
both = gc.did(panel, estimator="synthetic_did")
print(control.summary(), end="\n\n")
print(control.weights().head(5).round(2).to_string(index=False), end="\n\n")
for name, result in {"plain": plain, "synthetic control": control, "synthetic did": both}.items():
    low, high = result.conf_int()
    print(f"{name:18} {result.estimate:5.1f}  [{low:5.1f}, {high:5.1f}]   truth {truth:g}")

# 3. Where does room 0 stand among rooms that nobody treated? And a page to hand on.
print(control.placebos().sort_values("rank").head(3).round(2).to_string(index=False))
for kind in ("synthetic", "placebo"):
    control.plot(kind).savefig(out / f"{kind}.png", dpi=150, bbox_inches="tight")
page = gc.report({"Synthetic control": control, "Synthetic DiD": both, "Plain": plain}, out / "report.html")
print(f"\nReport: {page}")
