"""Targeted users (D11, D13) as `adjust` sees them, with the truth by estimator, and how the trust room asks it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from gmvcausal.trust.asks_uplift import Answer, Row
from gmvcausal.trust.trials import Trial, trial

ESTIMATORS = ("aipw", "regression", "ipw", "matching")
WHO = ("ate", "att", "overlap")
COVARIATES = ("tier", "recency", "price", "gmv_pre")


def users(*, n: int | None, seed: int, world: str = "D11", shape: str = "linear", hidden: float = 0.0) -> Trial:
    """Users of D11 or D13, who got a coupon by tier and recency; and, where `hidden`, by what nobody recorded.

    Parameters
    ----------
    n : int
        Users; 1,000 if None.
    seed : int
    world : {"D11", "D13"}
    shape : {"linear", "steps"}
        Of the effect.
    hidden : float
        How strong what was not recorded is (D11).
    """
    from gmvcausal import simulate

    dials: dict[str, Any] = {"shape": shape} | ({"hidden": hidden} if world == "D11" else {})
    market = simulate.world(world, n=n or 1_000, seed=seed, **dials)
    value = {who: float(market.truth[who]) for who in WHO}
    truth = {f"{e}/{who}": value[who] for e in ESTIMATORS for who in WHO if (e, who) != ("matching", "overlap")}
    truth |= {"dml/overlap": value["overlap"], "bound/ate": value["ate"]}
    outcome, treatment = strength(hidden) if hidden else (0.0, 0.0)
    call = {"outcome": "gmv", "treatment": "arm", "control": "none", "covariates": COVARIATES}
    return trial(market.table(), truth, {**call, "strength": (outcome, treatment)})


def strength(hidden: float, nodes: int = 60) -> tuple[float, float]:
    """How strong what nobody recorded in D11 truly is, for the average effect on everyone.

    Returns
    -------
    outcome : float
        Share of what treatment and covariates leave of GMV that it explains.
    treatment : float
        Share that it adds to the mean square of the weights.
    """
    from gmvcausal.simulate.amounts import lognormal_moment
    from gmvcausal.simulate.worlds.people import PLAIN, mean_basket
    from gmvcausal.simulate.worlds.rollout import BASKET
    from gmvcausal.simulate.worlds.targeting_worlds import TIERS, cate, propensity

    buying, effect = 0.8, 10.0
    mid = (np.arange(nodes) + 0.5) / nodes
    tier, recency, price = np.meshgrid(TIERS, mid, mid, indexing="ij")
    basket, square = mean_basket(PLAIN), lognormal_moment(*BASKET, 2.0)
    own = cate(tier, recency, price, effect, 1.0, "linear")
    lean = 0.25 * (tier - 1.5) + 0.5 * (recency - 0.5)
    shift = 0.2 * min(abs(hidden), 1.0) * math.copysign(1.0, hidden)
    e = {u: propensity(tier, recency, u, 1.0, hidden, 0.05) for u in (-1.0, 1.0)}
    short = (e[-1.0] + e[1.0]) / 2
    explained = left = 0.0
    for got in (0.0, 1.0):
        chance = {u: e[u] if got else 1 - e[u] for u in e}
        each = chance[-1.0] + chance[1.0]
        p = chance[1.0] / each
        gap = 2 * buying * shift * basket  # between who hides the cause and who does not
        between = gap**2 * p * (1 - p)
        rate = buying * (1 + lean + shift * (2 * p - 1)) + got * own / basket
        explained += float((each / 2 * between).mean())
        left += float((each / 2 * (rate * square + between)).mean())
    long = float(np.mean([(1 / (v * (1 - v))).mean() for v in e.values()]))
    return explained / left, 1 - float((1 / (short * (1 - short))).mean()) / long


def answers(data: pd.DataFrame, *, strength: tuple[float, float], **call: Any) -> Answer:
    """Every estimator on everyone, on the treated and by overlap: rows "aipw/ate", "ipw/att", ...

    "bound/ate" is the interval around the bounds of a confounder of the given strength. The audit is that of AIPW on
    everyone. Chances and outcomes are learned once for all that share them, as single calls would learn them.
    """
    from gmvcausal.observational.adjustment import checks, intake, learn, numbers

    asked = intake.Asked(**call)
    rows: dict[str, Row] = {}
    audit = None
    learned: Any = None
    for estimator in ("aipw", "dml", *ESTIMATORS[1:]):
        of = asked if estimator in intake.LEARNED else intake.Asked(**call, learned=False)
        if learned is None or learned[0].learned != of.learned:
            sample = intake.read(data, of)
            learned = of, sample, learn.learn(sample, of.learned, 5, 0, 1)
        _, sample, known = learned
        for who in ("overlap",) if estimator == "dml" else WHO[:2] if estimator == "matching" else WHO:
            found = numbers.ESTIMATORS[estimator](sample, known, who)
            rows[f"{estimator}/{who}"] = _row(*_spread(sample, found), found.estimate)
            if estimator == "aipw" and who == "ate":
                audit = checks.run_audit(checks.Case(sample, known, found, estimator, who))
                rows["bound/ate"] = _bound(sample, known, found, strength)
    return Answer(audit, rows, {})


def _spread(sample: Any, found: Any) -> tuple[float, float, float]:
    """Standard error, degrees of freedom, factor."""
    from gmvcausal.observational.adjustment.numbers import spread_of

    variance, spread = spread_of(sample, found.influence, found.used, found.adjusted)
    return math.sqrt(variance), float(spread.df[0]), float(spread.factor[0])


def _row(error: float, df: float, factor: float, estimate: float) -> Row:
    from gmvcausal.stats.inference import critical_value, p_value

    def limits(level: float) -> tuple[float, float]:
        half = critical_value(level, df) * factor * error
        return estimate - half, estimate + half

    p = float(p_value(np.array([estimate]), np.array([error * factor]), np.array([df]))[0])
    return Row(estimate, error, p, limits)


def _bound(sample: Any, known: Any, found: Any, strength: tuple[float, float]) -> Row:
    from gmvcausal.observational.adjustment.sensitivity import omitted_of
    from gmvcausal.stats import hidden
    from gmvcausal.stats.inference import critical_value

    omitted = omitted_of(sample, known, found, "ate")
    error, df, _ = _spread(sample, found)

    def limits(level: float) -> tuple[float, float]:
        return hidden.bounds(omitted, *strength, 1.0, critical_value(level, df))

    return Row(found.estimate, error, math.nan, limits)
