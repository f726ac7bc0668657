"""A raffle by lot brought GMV: because users interacted, watched longer, shared it, or otherwise?

Run ``python examples/why_it_worked.py [FOLDER]``. Takes a few seconds. The users are simulated, so the truth is known.
"""

import sys
from pathlib import Path

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "why-it-worked")
out.mkdir(parents=True, exist_ok=True)
market = gc.simulate.world("D16", n=40_000, seed=618, mediators=3)
users = market.table()

# 1. By which way the effect came. Activity moves the mediators and GMV, so it is a covariate.
r = gc.mediate(
    users, "gmv", "arm", ["interacted", "watched", "shared"], ["activity"], control="control", assignment="random"
)
print(r.summary(), end="\n\n")
print("Truth:", market.truth.to_frame().set_index("term")["value"].to_dict(), end="\n\n")

# 2. How little would undo it: something unseen that moves a mediator and GMV.
print("\n".join(r.sensitivity().sentences()), end="\n\n")
r.plot("rho").savefig(out / "rho.png", dpi=150, bbox_inches="tight")

# 3. The three steps that theses print, with what is wrong with them beneath.
steps = r.three_steps(style="cn", language="zh")
steps.to_docx(out / "three-steps.docx")
print(steps, end="\n\n")

# 4. And where a sign that nobody recorded moves interaction and GMV alike, the total stays right and the parts do not.
hidden = gc.simulate.world("D16", n=40_000, seed=618, hidden=1.0)
wrong = gc.mediate(hidden.table(), **hidden.design.call)
print(wrong.to_frame()[["term", "estimate", "conf_low", "conf_high"]].round(2).to_string(index=False))
page = gc.report({"The raffle": r}, out / "report.html", title="Why did the raffle work?")
print(f"Report: {page}")
