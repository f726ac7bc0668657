"""Checks of the outcome: its tail, single rows that decide, features that repeat it, its precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.results import Check, usual_checks
from gmvcausal.stats import skewed
from gmvcausal.targeting.audit.case import Case
from gmvcausal.targeting.audit.rules import RULES, bound
from gmvcausal.targeting.intake.trial import Trial

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def skewness(case: Case, a: int) -> float:
    """What the rule of the tail looks at for arm `a`."""
    sums, group = case.sums()
    return skewed.skewness(sums[:, a - 1], group, a)


def zero_variance(case: Case) -> Check | None:
    """Does the outcome vary in every arm?"""
    t = case.trial
    flat = [a for a in range(t.arms) if np.ptp(t.y[t.arm == a]) == 0]
    if not flat or not t.y.any():
        return None
    return Check(
        "zero_variance", "warned", f"the outcome does not vary in {', '.join(case.label(a) for a in flat)}",
        float(len(flat)), bound("zero_variance"), "check the outcome of this arm: is it logged there?",
    )  # fmt: skip


def tail(case: Case) -> Check:
    """Is an average effect too skewed for its interval?"""
    value, a = max((skewness(case, a), a) for a in range(1, case.trial.arms))
    return usual_checks.tail(
        RULES["tail"], value, f"the average effect of {case.label(a)}",
        "collect more rows in the smaller arm, or read the test of a capped outcome beside it (gc.ab_test, cap=)",
    )  # fmt: skip


def leverage(case: Case) -> Check:
    """Does one row carry an average effect?"""
    sums, _ = case.sums()
    squares = sums**2
    total = squares.sum(axis=0)
    a = int(np.argmax(squares.max(axis=0) / np.where(total > 0, total, 1)))
    name = case.trial.cluster_name if case.trial.cluster is not None else ""
    estimate, what = float(case.found.estimate[a]), f"the effect of {case.label(a + 1)}"
    return usual_checks.leverage(RULES["leverage"], sums[:, a], estimate, what, name)


# What looks at the outcome and the features alone, whoever was treated.
def leakage(trial: Trial) -> Check | None:
    """Is a feature the outcome under another name, or something that came of it?"""
    numbers = [j for j, levels in enumerate(trial.features.levels) if not levels]
    names = [trial.features.names[j] for j in numbers]
    return usual_checks.leakage(RULES["leakage"], trial.y, trial.x[:, numbers], names, "features")


def all_zero(trial: Trial) -> Check | None:
    """Is there any outcome at all?"""
    return usual_checks.all_zero(trial.y)


def negative_amounts(trial: Trial) -> Check | None:
    """Are refunds booked as negative amounts, in a table that does not say so?"""
    return usual_checks.negative_amounts(RULES["negative_amounts"], trial.y, trial.facts.get("gmv"))


def scale_mix(trial: Trial) -> Check | None:
    """Are some rows recorded in another unit of money (cents, another currency)?"""
    return usual_checks.scale_mix(RULES["scale_mix"], trial.y)


def quantisation(trial: Trial) -> Check | None:
    """Are the numbers as fine as they are precise?"""
    return usual_checks.quantisation(RULES["quantisation"], trial.y, trial.spacing)
