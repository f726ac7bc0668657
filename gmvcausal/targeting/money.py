"""What giving each arm to everyone earns, and who redeems it, in words for the summary."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.inference import critical_values
from gmvcausal.stats.nuisance.aipw import Averages, averages
from gmvcausal.targeting.fit import Fit
from gmvcausal.targeting.intake.trial import Trial
from gmvcausal.targeting.redemption import expected_cost

FloatArray = NDArray[np.float64]

_WHOM = {
    "ate": "Given to everyone",
    "att": "Given to those who got it",
    "overlap": "Given to everyone, weighted by overlap",
}


def net_values(t: Trial, fit: Fit, estimand: str) -> Averages:
    """Net value of every arm, margin x effect - cost, as an average effect on margin x outcome - what was spent."""
    expected = expected_cost(t.cost, fit.redeems)
    mu = t.margin * fit.mu
    mu[:, 1:] -= expected
    z = t.margin * t.y - t.spent
    return averages(z, t.arm, fit.e, mu, estimand=estimand, cluster=t.cluster, known=fit.settled)


def said_of_money(
    t: Trial, fit: Fit, estimand: str, level: float, withheld: bool, per: str,
    redeemed: dict[str, list[Any]] | None, net_of: tuple[Averages, FloatArray] | None = None,
) -> list[str]:  # fmt: skip
    """What giving each arm to everyone earns, where a cost or a margin was given; how many redeem it.

    `net_of` are net values and mean costs of all rows, where `t` is a sample of them.
    """
    if t.margin == 1 and not t.cost.any():
        return [] if redeemed is None else ["cost= was not given, so that redeemed= tells shares alone: m.redemption()"]
    found, paid = (net_values(t, fit, estimand), t.cost.mean(axis=0)) if net_of is None else net_of
    half = critical_values(level, found.spread.df) * found.spread.factor * np.sqrt(np.diag(found.cov))
    out = []
    for a, label in enumerate(t.labels[1:]):
        net = float(found.estimate[a])
        low, high = net - float(half[a]), net + float(half[a])
        span = "" if withheld or np.isnan(low) else f" ({level:.0%} interval {low:+,.3g} to {high:+,.3g})"
        line = f"{_WHOM[estimand]}, {label} earns {net:+,.3g} per {per}{span}: {t.margin:g} of the effect, less "
        if redeemed is None:
            line += f"a cost of {float(paid[a]):,.3g}"
        else:
            line += (
                f"{redeemed['cost_per_user'][a]:,.3g} of cost ({redeemed['share'][a]:.1%} redeem it, at "
                f"{redeemed['cost_per_coupon'][a]:,.3g} each)"
            )
        out.append(line)
    if redeemed is None and t.cost.any():
        out.append("Every treated user costs, whether the coupon is used or not: redeemed= counts those who use it")
    return out
