"""A market whose truth is known: what a before-after comparison says, what is true, and what the right design finds.

Run ``python examples/simulate_market.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "simulated-market")
out.mkdir(parents=True, exist_ok=True)

# 1. Rooms take on expert hosts in three waves, in the weeks before and after 618. Nobody's visitors are lured from
#    other rooms (taken=0), so that rooms can be compared with each other.
market = gc.simulate.livestream(
    users=10_000, rooms=50, days=60, start="2026-04-27", tactics="expert_host", seed=7, expert_host=0.6, taken=0.0
)
print(market, end="\n\n")

# 2. The raw logs, read as a shop's own would be: one row per room and week. Before and after, 618 looks like success.
panel = market.table()
adopting = panel[panel["first_treated"].notna()]
before, after = adopting.groupby("treated")["gmv"].mean()
naive = gc.did(panel, estimator="naive")
rollout = gc.did(panel)
print(rollout.summary(), end="\n\n")

# 3. What is true, and what each of them said, in yuan per room and week.
truth = market.truth
print(truth.to_frame()[["term", "value", "std_error", "unit"]].round(2).to_string(index=False), end="\n\n")
low, high = rollout.conf_int()
print(f"True: {truth.value:.0f}. Before and after: {after - before:.0f}. Roll-out: {rollout.estimate:.0f}")
print(f"The roll-out's interval {low:.0f} to {high:.0f} holds the truth: {low < truth.value < high}", end="\n\n")

# 4. A page to hand on.
page = gc.report(
    {"Naive": naive, "Roll-out": rollout},
    out / "report.html",
    title="What did expert hosts do?",
    question="How much GMV did an expert host cause, per room and week?",
    benchmarks=["Naive"],
    currency="¥",
)
print(f"Report: {page}")
