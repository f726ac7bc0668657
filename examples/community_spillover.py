"""Friends of community members buy more too: what would it bring if everyone were a member?

Run ``python examples/community_spillover.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "community-spillover")
out.mkdir(parents=True, exist_ok=True)

# 1. Half of 20,000 users became members by lot; who is whose friend was known before. The truth is known too.
world = gc.simulate.world("D18", n=20_000, seed=7, degree=4, spill=20.0)
users, links = world.table(), world.design.call["edges"]

# 2. What everybody computes: the difference of means. With users drawn one by one it is one's own effect, and no more.
naive = gc.ab_test(users, arm="treated", metrics=[gc.Mean("gmv", pre="gmv_pre")])
print(
    f"Members less others: {naive.estimate:+.1f} yuan a user; everyone against nobody is {world.truth['total']:+.1f}\n"
)

# 3. One's own effect, that of friends, and both, each with the truth beside it.
lot = {"treatment": "treated", "unit": "user", "edges": links, "probability": 0.5}
result = gc.spillover(users, "gmv", **lot, covariates=["gmv_pre"])
print(result.summary(), end="\n\n")
table = result.to_frame().set_index("term").loc[["direct", "spillover", "total"]]
table["truth"] = [world.truth[term] for term in table.index]
print(table[["estimate", "conf_low", "conf_high", "truth"]].round(1).to_string(), end="\n\n")

# 4. Without the line: users with and without a treated friend. It answers another question, and says which.
conditions = gc.spillover(users, "gmv", **lot, exposure="any")
print(conditions.to_frame()[["term", "estimate", "std_error"]].head(3).round(1).to_string(index=False))
print(conditions.conditions().round(3).to_string(index=False), end="\n\n")

# 5. In money: a projection, for nobody has seen everyone a member.
money = result.incremental_gmv(cost=40_000, cost_is="other", margin=0.3, gmv_is="paid")
print(money.summary())

page = gc.report({"Along the line": result, "Any friend": conditions}, out / "report.html", title="Members and friends")
result.plot().savefig(out / "exposure.png", dpi=150, bbox_inches="tight")
print(f"Report: {page}")
