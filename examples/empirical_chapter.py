"""From raw logs to the tables of an empirical chapter: descriptives, baseline, placebo, matching, groups, moderation.

Run ``python examples/empirical_chapter.py [FOLDER]``. The market is simulated; the coupon went to active users.
"""

import sys
from pathlib import Path

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "empirical-chapter")
out.mkdir(parents=True, exist_ok=True)

# 1. Logs to one row per user, and one row per user and week.
market = gc.simulate.livestream(users=3_000, rooms=24, days=70, tactics=["coupon"], seed=1, conversion=0.08)
logs = gc.Logs(**market.logs)
users = logs.users("coupon", anchor="2026-04-06", pre="28D", post="28D", features="rfm")
weeks = logs.panel(unit="user", freq="W", tactic="coupon")
about = weeks.attrs  # what Logs knows of the log; a join drops it
weeks = weeks.join(users.set_index("user")[["gmv_pre", "segment"]], on="unit")
weeks.attrs = about

# 2. What the columns are, how they go together, how unlike the arms were.
meanings = {"gmv": ("GMV of the four weeks after", "yuan"), "gmv_pre": ("GMV of the four weeks before", "yuan")}
d = gc.describe(users, ["gmv", "gmv_pre", "orders_pre", "frequency"], definitions=meanings, by="arm", control="none")
for one in (d.definitions(), d, d.correlations(), d.vif(), d.balance()):
    print(one.printed(), end="\n\n")

# 3. The effect, twice; false users and false dates; the matched; groups with their test; along what was spent before.
effect = gc.did(weeks)
print(gc.table(effect, gc.did(weeks, estimator="twfe")), end="\n\n")
placebo = effect.placebo("unit", reps=199, progress=False)
matched = gc.match(weeks, "first_treated", ["gmv"], unit="unit", time="period")
by_class, along = effect.by("segment"), effect.moderation("gmv_pre")
print(placebo.advice[0], matched.printed(), *by_class.advice, *along.sentences(), sep="\n")

# 4. All of it: a page, and a Word chapter in Chinese.
parts = {"did": effect, "matched": gc.did(matched.frame, weights="weight"), "placebo": placebo, "along": along}
parts |= {"variables": d.definitions(), "described": d, "correlations": d.correlations(), "twins": matched}
gc.report(parts, out / "report.html", title="What the coupon did")
gc.report(list(parts.values()), out / "chapter.docx", language="zh")
