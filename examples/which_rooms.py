"""Which rooms get least out of their hours and their advertising, and how far can a ranking be believed?

Run ``python examples/which_rooms.py [FOLDER]``. Takes a few seconds.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "which-rooms")
out.mkdir(parents=True, exist_ok=True)

# 1. Rooms whose true score is known: GMV is what hours and advertising can make, divided by how far behind the room is.
rng = np.random.default_rng(11)
n = 50
rooms = pd.DataFrame({
    "room": [f"room {i + 1}" for i in range(n)],
    "hours": np.exp(rng.normal(4, 0.4, n)),
    "spend": np.exp(rng.normal(7, 0.5, n)),
    "tenure": rng.uniform(0, 5, n),
})  # fmt: skip
behind = np.maximum(1, 1.6 - 0.15 * rooms["tenure"] + 0.15 * rng.normal(size=n))
rooms["gmv"] = 40 * rooms["hours"] ** 0.5 * rooms["spend"] ** 0.4 / behind

# 2. Every room against the best mixture of the others, with intervals.
result = gc.efficiency(rooms, "room", ["hours", "spend"], ["gmv"], covariates=["tenure"], progress=False)
print(result.summary(), end="\n\n")
table = result.to_frame().iloc[1:].assign(truth=1 / behind.to_numpy()[np.argsort(rooms["room"])])
inside = (table["conf_low"] <= table["truth"]) & (table["truth"] <= table["conf_high"])
print(table[["score", "estimate", "truth"]].mean().round(3).to_string())
print(f"intervals that hold the truth: {inside.mean():.0%}", end="\n\n")

# 3. What the weakest room would show on the frontier, and whom to learn from.
weakest = table.sort_values("estimate")["term"].iloc[0]
print(result.targets().query("unit == @weakest").round(1).to_string(index=False))
print(result.peers().query("unit == @weakest").round(2).to_string(index=False), end="\n\n")

# 4. What goes with being behind: no effect of tenure, for nobody dealt it out by lot.
print(result.second_stage.summary(), end="\n\n")

page = gc.report({"Scores": result, "Second stage": result.second_stage}, out / "report.html", title="Which rooms?")
result.plot().savefig(out / "scores.png", dpi=150, bbox_inches="tight")
print(f"Report: {page}")
