"""A coupon that rooms switch on and off: what is a week of it worth, with what the pauses lose?

Run ``python examples/coupon_on_and_off.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "coupon-on-and-off")
out.mkdir(parents=True, exist_ok=True)

# 1. Weekly GMV of 160 rooms, in thousand yuan. A week with the coupon brings 6; buyers stock up, so the week after it
#    loses 3.
rng = np.random.default_rng(6)
rooms, weeks = 160, 10
on = np.zeros((rooms, weeks))
for week in range(1, weeks):
    on[:, week] = np.where(rng.random(rooms) < 0.3, 1 - on[:, week - 1], on[:, week - 1])
on[rng.random(rooms) < 0.35] = 0
week_after = np.column_stack([np.zeros(rooms), on[:, :-1] * (on[:, 1:] == 0)])
gmv = 80 + rng.normal(0, 8, (rooms, 1)) + np.arange(weeks) + rng.normal(0, 3, (rooms, weeks)) + 6 * on - 3 * week_after
panel = pd.DataFrame(
    {
        "unit": np.repeat([f"room {i}" for i in range(rooms)], weeks),
        "period": np.tile(np.arange(weeks), rooms),
        "gmv": gmv.ravel(),
        "treated": on.astype(int).ravel(),
    }
)

# 2. The effect per week on counts what the pauses lose; the effect at the switch does not.
result = gc.did(panel, estimator="switching", treated="treated")
print(result.summary(), end="\n\n")
truth = (6 * on - 3 * week_after).sum() / on.sum()
print(f"All that the coupon did, over all its weeks: {truth:.2f} a week.", end="\n\n")

# 3. Since the first switch, with placebos before it; and two-way fixed effects, whose audit says why not.
print(result.event_study()[["event_time", "estimate", "band_low", "band_high", "n"]].round(2).to_string(index=False))
usual = gc.did(panel, estimator="twfe", treated="treated")
print(f"\nTwo-way fixed effects: {usual.estimate:.2f}, credible: {usual.audit.credible}")

gc.report([result], out / "report.html")
print(f"Written to {out}/report.html")
