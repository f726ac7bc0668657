"""A tool went live for everybody on 2 November, and 11.11 came beside it: what may be said of before and after?

Run ``python examples/before_and_after.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import gmvcausal as gc

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "before_and_after")
folder.mkdir(exist_ok=True)

market = gc.simulate.world("D17", seed=0)
days = market.table().pivot(index="period", columns="unit", values="gmv").reset_index()

# What the texts do: the platform alone, before and after.
alone = gc.before_after(days, "platform", "period", "2026-11-02")
print(alone.summary())

# With a second platform that the tool did not reach. That 11.11 came to both alike is said, not seen: without it the
# audit refuses this headline too.
beside = gc.before_after(days, "platform", "period", "2026-11-02", controls=["control"], promotions_shared=True)
print(beside.summary())
print(beside.placebo().tail(3).round(2).to_string(index=False))
print(f"The market was made with {market.truth.value:,.0f} a day.")
print(f"The platform alone says {alone.estimate:,.0f}, beside the other {beside.estimate:,.0f}.\n")

money = beside.incremental_gmv(cost=15_000, cost_is="other", gmv_is="paid", margin=0.4)
answers = {"beside a second platform": beside, "the platform alone": alone, "profit": money}
gc.report(answers, folder / "report.html", title="A tool for everybody", benchmarks=["the platform alone"])
print(f"report: {folder / 'report.html'}")
