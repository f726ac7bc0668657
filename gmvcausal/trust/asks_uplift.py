"""`uplift` as the trust room asks it: averages by name, and all that is said of a learned ranking and plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.trust.coupons import Samples

FloatArray = NDArray[np.float64]
Limits = Callable[[float], tuple[float, float]]


class Row(NamedTuple):
    """One number of an answer, with its interval at any level."""

    estimate: float
    std_error: float
    p_value: float
    limits: Limits


class Answer:
    """Rows by name, as a replicate reads them.

    Attributes
    ----------
    truths : mapping of str to float
        What rows are to be held against that say how good is what was learned.
    withheld : str
        Why a row may have no interval.
    """

    withheld = "the result gives no interval"

    def __init__(self, audit: Any, rows: Mapping[str, Row], truths: Mapping[str, float]) -> None:
        self.audit, self.rows, self.truths = audit, rows, truths
        self.estimates = self

    def to_frame(self) -> Any:
        """term, estimate, std_error, p_value."""
        import pandas as pd

        return pd.DataFrame([(name, *row[:3]) for name, row in self.rows.items()],
                            columns=["term", "estimate", "std_error", "p_value"])  # fmt: skip

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Limits of all rows."""
        found = np.array([row.limits(level) for row in self.rows.values()], dtype=float)
        return found[:, 0], found[:, 1]


def averages(data: Any, **call: Any) -> Answer:
    """Average effects: of the first arm by the name of the estimand, and of every arm as ``"ate:<arm>"``."""
    import gmvcausal as gc

    result = gc.uplift(data, **call)
    return Answer(result.audit, _averages(result, call.get("estimand", "ate")), {})


def _averages(result: Any, estimand: str) -> dict[str, Row]:
    frame = result.to_frame()

    def row(at: int) -> Row:
        def limits(level: float) -> tuple[float, float]:
            low, high = result.estimates.interval(level)
            return float(low[at]), float(high[at])

        one = frame.iloc[at]
        return Row(float(one["estimate"]), float(one["std_error"]), float(one["p_value"]), limits)

    found = {estimand: row(0)}
    return found | {f"{estimand}:{label}": row(at) for at, label in enumerate(result.arms)}


def learned(data: Samples, *, budget: float = 0.3, **call: Any) -> Answer:
    """All that is said of a model, its ranking and its plan, with the truth about that very ranking and plan.

    The plan may cost the share `budget` of what treating everyone would. Users kept apart are read once and handed to
    the evaluation of the ranking and of the plan, as ``m.evaluate(test)`` and ``plan.evaluate(test)`` do one by one.
    """
    import gmvcausal as gc
    from gmvcausal.targeting.evaluate import evaluate
    from gmvcausal.targeting.policy import Held, Offer

    m = gc.uplift(data.train, **call)
    plan = m.policy(data.plan, budget=budget * float(data.plan["cost"].sum()))
    h = m.held_out(data.test)
    t = h.trial
    e = evaluate(h.effects, t.y, t.arm, h.e, mu=h.mu, cluster=t.cluster, cost=t.cost, margin=t.margin)
    held = Held(t.y, t.arm, h.e, t.cost, t.margin, h.mu, t.cluster)
    v = plan.evaluate(Offer(h.effects, t.cost, None, {}, held))
    score = h.effects[:, 0]
    rows = _averages(m, "ate") | {
        "qini": _metric(e.qini), "auuc": _metric(e.auuc), "autoc": _metric(e.toc),
        "qini_robust": _metric(e.doubly_robust.qini), "autoc_robust": _metric(e.doubly_robust.toc),
        "slope": _metric(e.calibration().slope), "top": _top(e),
        "value": _metric(v), "value_weighted": _metric(v.ipw), "gain": _metric(v.gain),
        "roi": Row(v.roi, math.nan, math.nan, v.roi_conf_int),
    }  # fmt: skip
    people = m.predict(data.people)
    cost = data.people["cost"].to_numpy()
    given = plan.rule.assigned(Offer(people, cost[:, None], None, {})) == 1
    truths = of_ranking(people[:, 0], data.effect, float(np.quantile(score, 0.9)))
    return Answer(m.audit, rows, truths | of_plan(given, data.effect, cost, float(call["margin"])))


def _metric(found: Any) -> Row:
    value = found.value if hasattr(found, "value") else found.estimate
    return Row(float(value), float(found.std_error), float(found.p_value), found.conf_int)


def _top(e: Any) -> Row:
    """The effect in the highest tenth of the scores."""
    from gmvcausal.stats.inference import critical_value

    one = e.deciles().iloc[0]
    estimate, error = float(one["estimate"]), float(one["std_error"])

    def limits(level: float) -> tuple[float, float]:
        if abs(level - (1 - e.alpha)) < 1e-12:  # as told: few users in a group have wider limits than normal ones
            return float(one["conf_low"]), float(one["conf_high"])
        half = critical_value(level) * error
        return estimate - half, estimate + half

    return Row(estimate, error, math.nan, limits)


def of_ranking(score: FloatArray, effect: FloatArray, border: float) -> dict[str, float]:
    """What a score is truly worth, by the true effects of the population, highest scores first.

    Users of one score count with their mean effect, whichever of them is treated.

    Parameters
    ----------
    score, effect : ndarray, shape (n,)
    border : float
        Lowest score of the top group of the users kept apart, whose border is taken as it fell.

    Examples
    --------
    >>> found = of_ranking(np.array([2.0, 1.0]), np.array([4.0, 0.0]), 1.5)
    >>> found["qini"], found["auuc"], found["slope"], found["top"]
    (0.5, 1.5, 4.0, 4.0)
    """
    n = len(score)
    _, group = np.unique(-score, return_inverse=True)
    size = np.bincount(group)
    steps = np.repeat(np.bincount(group, effect) / size, size)
    gain = np.concatenate([[0.0], steps.cumsum()]) / n
    auuc = float((gain[1:] + gain[:-1]).sum() / (2 * n))
    # The mean effect among the top, halfway through every user.
    level = (gain[1:] + gain[:-1]) / 2 * n / (np.arange(n) + 0.5)
    ate = float(effect.mean())
    qini, autoc = auuc - ate / 2, float(level.mean()) - ate
    apart = score - score.mean()
    spread = float(apart @ apart)
    top = score >= border
    return {
        "qini": qini, "qini_robust": qini, "auuc": auuc, "autoc": autoc, "autoc_robust": autoc,
        "slope": float(apart @ effect) / spread if spread > 0 else math.nan,
        "top": float(effect[top].mean()) if top.any() else math.nan,
    }  # fmt: skip


def of_plan(given: NDArray[np.bool_], effect: FloatArray, cost: FloatArray, margin: float) -> dict[str, float]:
    """What a plan is truly worth per user: net value, gain, and net value / cost.

    Examples
    --------
    >>> of_plan(np.array([True, False]), np.array([8.0, 8.0]), np.ones(2), 0.5)
    {'value': 1.5, 'value_weighted': 1.5, 'gain': 2.0, 'roi': 3.0}
    """
    gain, spent = margin * float((effect * given).mean()), float((cost * given).mean())
    value = gain - spent
    return {"value": value, "value_weighted": value, "gain": gain, "roi": value / spent if spent > 0 else math.nan}
