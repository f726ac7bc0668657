"""Who spent 300 in four weeks was given a coupon. What did it bring, and could the shoppers have chosen their side?

Run ``python examples/coupon_for_big_spenders.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import gmvcausal as gc

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "coupon_for_big_spenders")
folder.mkdir(exist_ok=True)

# Nobody knew of the rule while the score was made: both sides of 300 are alike.
quiet = gc.simulate.world("D15", seed=0)
fixed = gc.threshold(quiet.table(), "gmv", "gmv_pre", 300)
print(fixed.summary())
print(fixed.bandwidths().round(1).to_string(index=False))
print(f"The market was made with {quiet.truth.value:g}.\n")

# The rule was announced: a third of those just below topped up, and they were keener buyers anyway.
announced = gc.simulate.world("D15", bunching=0.35, seed=0)
chosen = gc.threshold(announced.table(), "gmv", "gmv_pre", 300)
print(chosen.summary())

gc.report([fixed, chosen], folder / "report.html", title="A coupon for those who spent 300")
print(f"\nreport: {folder / 'report.html'}")
