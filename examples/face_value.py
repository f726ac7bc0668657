"""Coupons of 5, 10 and 20 yuan: what each of them did, and what one more yuan of face value does.

Run ``python examples/face_value.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "face-value")
out.mkdir(parents=True, exist_ok=True)

# 1. A market whose truth is known: coupons dealt out by lot, and each yuan does less than the one before.
world = gc.simulate.world("D12", n=60_000, seed=5)
print(world, end="\n\n")

# 2. From its raw logs one row per user and two weeks, in yuan per week, with the face value of the coupon that the user
#    was sent (0 for none): what was sent, not what was redeemed, for users choose whether to redeem.
panel = world.to_logs().panel(unit="user", freq="2W", per="W")
sent = world.logs["exposures"].set_index("user")["tactic"].str.removeprefix("coupon_").astype(float)
panel = panel.assign(face_value=panel["unit"].map(sent).fillna(0.0))

# 3. The effect of each value, and the slope from each to the next. Comparing values needs more than parallel trends:
#    units must not have been given what they answer to. Here a lot decided, so it holds.
result = gc.did(panel, estimator="dose", dose="face_value", cluster="unit")
print(result.summary(), end="\n\n")
table = result.by_dose()
truth = world.truth.to_frame().set_index("term")["value"] / 4  # of the four weeks after the coupon, per week
table["truth"] = [truth[f"ate:coupon_{value:.0f}"] for value in table["dose"]]
print(table[["dose", "truth", "estimate", "band_low", "band_high", "slope", "n"]].round(2).to_string(index=False))
inside = ((table["band_low"] < table["truth"]) & (table["truth"] < table["band_high"])).all()
print(f"The band over all values holds the truth: {inside}", end="\n\n")

# 4. The same data read as one tactic: right on average, and silent about which coupon to print.
mean = gc.did(panel, cluster="unit")
print(f"Mean effect by the default estimator: {mean.estimate:.2f}, over the doses: {result.estimate:.2f}", end="\n\n")

# 5. A page to hand on, and the figure.
page = gc.report(
    {"By face value": result, "Any coupon": mean},
    out / "report.html",
    title="Which coupon?",
    question="How much GMV did coupons of 5, 10 and 20 yuan cause, per user and week?",
    currency="¥",
)
result.plot("dose").savefig(out / "dose.png", dpi=150, bbox_inches="tight")
print(f"Report: {page}")
