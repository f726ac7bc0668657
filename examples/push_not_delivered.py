"""A push assigned by lot that many phones never showed: what did it do to those who got it?

The world is simulated, so the truth is known: 15 of GMV per user who can be reached. Those who can be reached buy more
in any case, so comparing delivered with not delivered is no answer; the lot that assigned the push is.
"""

from __future__ import annotations

import gmvcausal as gc

market = gc.simulate.world("D14", n=20_000, seed=4)
users = market.table()  # one row per user: sent, delivered, gmv, gmv_pre, platform, ...

result = gc.iv(users, "gmv", "delivered", "sent", ["gmv_pre", "platform"], expected_ratio={0: 0.5, 1: 0.5})
print(result.summary())
print()

print("Who the compliers are:")
print(result.compliers().round(3).to_string(index=False))
print()

truth = market.truth.to_frame().set_index("term")["value"]
rows = result.to_frame().set_index("term")
for name, term in (("late", "delivered"), ("itt", "intent to treat: sent")):
    row = rows.loc[term]
    print(
        f"{name}: true {truth[name]:.1f}, found {row['estimate']:.1f} ({row['conf_low']:.1f} to {row['conf_high']:.1f})"
    )
gc.report([result], "report.html", title="A push that many phones never showed")
print(f"as treated it would have been {rows.loc['as treated (least squares)', 'estimate']:.1f}")
