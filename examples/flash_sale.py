"""A flash sale of one week in 40 of 100 rooms: what is left after the weeks, and the category, that paid for it?

Run ``python examples/flash_sale.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "flash-sale")
out.mkdir(parents=True, exist_ok=True)

# 1. Weekly GMV of cosmetics, in thousand yuan. The sale brings 20 in week 7; 14 is missing in the two weeks after,
#    and 3 came from the fashion of the same rooms.
rng = np.random.default_rng(11)
rooms, weeks, sale = 100, 12, 7
lift = dict(zip(range(sale, sale + 3), (20, -10, -4), strict=True))
on = np.arange(rooms) < 40
gmv = 100 + rng.normal(0, 10, (rooms, 1)) + np.arange(weeks) + rng.normal(0, 5, (rooms, weeks))
fashion = 60 + rng.normal(0, 6, (rooms, 1)) + rng.normal(0, 3, (rooms, weeks))
for week, more in lift.items():
    gmv[on, week] += more
fashion[on, sale] -= 3
panel = pd.DataFrame(
    {
        "unit": np.repeat([f"room {i}" for i in range(rooms)], weeks),
        "period": np.tile(np.arange(weeks), rooms),
        "gmv": gmv.ravel(),
        "fashion": fashion.ravel(),
        "first_treated": np.repeat(np.where(on, float(sale), np.nan), weeks),
    }
)

# 2. What a report of the sale's own week says, and what the audit says to it.
week = gc.did(panel[panel["period"] <= sale], estimator="imputation")
print(f"The week of the sale: {week.estimate:+.1f} a room. {week.audit['pull_forward'].message}.", end="\n\n")

# 3. Four weeks: the gain, what it took from later weeks, and the net.
result = gc.did(panel, estimator="imputation")
net = result.pull_forward(window=4)
print(net.summary(), end="\n\n")
net.plot("cumulative").savefig(out / "cumulative.png")

# 4. And what it took from fashion, in its own week.
both = week.cannibalisation("fashion")
print(both.to_frame()[["term", "estimate", "conf_low", "conf_high"]].round(2).to_string(index=False), end="\n\n")

# 5. Money: the net over the window, less what the sale cost.
money = net.incremental_gmv(cost=60, cost_is="other", gmv_is="paid", margin=0.3)
print(money.to_frame()[["term", "estimate", "conf_low", "conf_high"]].round(1).to_string(index=False))
gc.report([net, both, money], out / "report.html", title="Flash sale")
