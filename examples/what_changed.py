"""GMV per user fell from one campaign to the next: by which factor, and what had the coupon to do with it?

Run ``python examples/what_changed.py [FOLDER]``. Takes a few seconds. The users are simulated, so the truth is known.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import gmvcausal as gc

out = Path(sys.argv[1] if len(sys.argv) > 1 else "what-changed")
out.mkdir(parents=True, exist_ok=True)
rng, n = np.random.default_rng(618), 40_000


def users(campaign: str, reach: float, coupon: np.ndarray) -> pd.DataFrame:
    """One row per user: the stages of the funnel. The coupon brings orders, and smaller baskets."""
    reached = rng.random(n) < reach
    watched = reached & (rng.random(n) < 0.4)
    orders = watched * rng.poisson(np.where(coupon, 0.30, 0.24))
    gmv = orders * rng.lognormal(np.where(coupon, 3.9, 4.1), 0.8)
    net = gmv * (rng.random(n) > 0.12)
    stages = {"reached": reached, "watched": watched, "buyers": orders > 0, "orders": orders, "gmv": gmv, "net": net}
    return pd.DataFrame({"campaign": campaign, "coupon": coupon, **stages})


may = users("May", 0.60, np.zeros(n, dtype=bool))
june = users("June", 0.52, rng.random(n) < 0.5)
funnel = {
    "reach": "reached",
    "watch-through": "watched",
    "conversion": "buyers",
    "orders per buyer": "orders",
    "basket": "gmv",
    "kept after refunds": "net",
}

# 1. From May to June: a change. Fewer were reached.
change = gc.decompose(pd.concat([may, june]), funnel, by="campaign", control="May")
print(change.summary(), end="\n\n")

# 2. Within June chance drew who got the coupon: an effect. More orders, smaller baskets.
effect = gc.decompose(june, funnel, by="coupon", assignment="random")
print(effect.summary(), end="\n\n")
change.plot("waterfall").savefig(out / "change.png", dpi=150, bbox_inches="tight")
page = gc.report({"The coupon": effect, "May to June": change}, out / "report.html", title="What changed?")
print(f"Report: {page}")
