"""The estimators of this room by name: each takes the same `Panel` and returns the same `Fitted`."""

from __future__ import annotations

from collections.abc import Callable

from gmvcausal.rollout.callaway import callaway_santanna
from gmvcausal.rollout.fitted import Fitted, Options
from gmvcausal.rollout.panel import Panel
from gmvcausal.rollout.simple import naive, two_by_two_did
from gmvcausal.rollout.synthetic_fit import synthetic
from gmvcausal.rollout.twoway import twoway

ESTIMATORS: dict[str, Callable[[Panel, Options], Fitted]] = {
    "callaway_santanna": callaway_santanna,
    "two_by_two": two_by_two_did,
    "twfe": twoway,
    "stacked": twoway,
    "synthetic_control": synthetic,
    "augmented_synthetic_control": synthetic,
    "synthetic_did": synthetic,
    "naive": naive,
}
