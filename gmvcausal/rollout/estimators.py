"""The estimators of this room by name: each takes the same `Panel` and returns the same `Fitted`."""

from __future__ import annotations

from collections.abc import Callable

from gmvcausal.rollout.chance.inference import with_inference
from gmvcausal.rollout.fitted import Fitted, Options
from gmvcausal.rollout.group_time.callaway import callaway_santanna
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.ratios.poisson import poisson
from gmvcausal.rollout.regression.family import etwfe, imputation, sun_abraham, two_stage
from gmvcausal.rollout.regression.simple import naive, two_by_two_did
from gmvcausal.rollout.regression.twoway import twoway
from gmvcausal.rollout.synthetic.fit import synthetic

ESTIMATORS: dict[str, Callable[[Panel, Options], Fitted]] = {
    "callaway_santanna": callaway_santanna,
    "two_by_two": two_by_two_did,
    "twfe": twoway,
    "stacked": twoway,
    "synthetic_control": synthetic,
    "augmented_synthetic_control": synthetic,
    "synthetic_did": synthetic,
    "sun_abraham": sun_abraham,
    "imputation": imputation,
    "two_stage": two_stage,
    "etwfe": etwfe,
    "poisson": poisson,
    "naive": naive,
}


def estimate(panel: Panel, options: Options) -> Fitted:
    """The estimator that the options name, with the intervals that they ask for."""
    return with_inference(panel, options, ESTIMATORS[options.estimator](panel, options))
