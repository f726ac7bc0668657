"""Rooms took on expert hosts in three waves: what did the hosts bring, and what if they went to rooms that rose anyway?

Run ``python examples/expert_host.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "expert-host")
out.mkdir(parents=True, exist_ok=True)

# 1. 200 rooms by week; three in four get a host, in week 6, 10 or 14. A host brings 200 a week: the truth is known.
market = gc.simulate.world("D6", seed=3)
rooms = market.table()
before, after = rooms[rooms["first_treated"].notna()].groupby("treated")["gmv"].mean()
print(f"After less before: {after - before:+.0f} a room and week. The truth: {market.truth.value:+.0f}\n")

# 2. Rooms without a host say what the season did.
result = gc.did(rooms)
print(result.summary(), end="\n\n")
result.plot("event_study").savefig(out / "weeks.png", dpi=150, bbox_inches="tight")

# 3. What is left after the hosts are paid.
money = result.incremental_gmv(cost=60_000, cost_is="other", gmv_is="paid", margin=0.3)
print(money.to_frame()[["term", "estimate", "conf_low", "conf_high"]].round(1).to_string(index=False), end="\n\n")

# 4. The same hosts, sent to rooms that were gaining 40 a week already: the audit refuses the headline.
rising = gc.did(gc.simulate.world("D6", seed=3, pretrend=40.0).table())
assert result.audit.credible and not rising.audit.credible
print(f"Rising rooms: {rising.estimate:+.0f}, refused. {rising.audit['pre_trend'].message}", end="\n\n")

pages = {"Hosts": result, "Hosts sent to rising rooms": rising}
page = gc.report(pages, out / "report.html", title="What did the hosts bring?", currency="¥")
print(f"Report: {page}")
