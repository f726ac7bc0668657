"""Guardrails: metrics that may not get worse by more than a margin fixed beforehand, tested by non-inferiority.

The test of arm t against control c at a margin m is that of the contrast t - (1 + m) c, from the same variances as the
difference; its limit inverts it, so that limit and p-value never disagree (for m = 0 both are those of Fieller).
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmvcausal.abtest.audit.case import Case
from gmvcausal.abtest.audit.of_outcome import spokesmen
from gmvcausal.abtest.metrics import Metric, name_of
from gmvcausal.errors import InputError
from gmvcausal.frames import rules
from gmvcausal.frames.params import said

HOLDS, NOT_SHOWN, HARMED = "holds", "not shown", "harmed"


@dataclass(frozen=True)
class Guardrail:
    """One guardrail in one arm.

    Attributes
    ----------
    metric, estimand : str
    arm : label
    margin : float
        The relative change that is still tolerated; its sign says which direction harms.
    relative : float
        The relative effect that was estimated; NaN where the control's value is not above zero.
    bound : float
        One-sided limit of the relative effect at alpha, towards the margin; NaN where there is none.
    p_value : float
        Of the hypothesis that the harm reaches the margin.
    status : {"holds", "not shown", "harmed"}
        Harmed: the opposite test, at the same alpha, shows that the harm exceeds the margin.
    decides : bool
        Whether the guardrail is decided by this row: the first of its metric and arm, or the capped one beside it where
        the uncapped interval is not to be relied on.
    capped : bool
    """

    metric: str
    estimand: str
    arm: Any
    margin: float
    relative: float
    bound: float
    p_value: float
    status: str
    decides: bool
    capped: bool


def read_guardrails(guardrails: Any, metrics: Sequence[Metric]) -> dict[str, float]:
    """Names and margins as they were passed, checked.

    Raises
    ------
    InputError
        No mapping, a name that is no metric of the test, a margin that tolerates nothing or everything.
    """
    if guardrails is None:
        return {}
    if not isinstance(guardrails, Mapping):
        raise InputError(
            f"guardrails must map metrics to margins, but is {said(guardrails)}",
            remedy="write guardrails={'orders': -0.02}: orders may fall by at most 2 %",
        )
    known = list(dict.fromkeys(name_of(m) for m in metrics))
    found: dict[str, float] = {}
    for name, margin in guardrails.items():
        if name not in known:
            raise InputError(
                f"guardrails names {said(name)}, which is no metric of this test",
                remedy=rules.nearest(name, known, "list it in metrics= too, or name one of"),
            )
        real = isinstance(margin, numbers.Real) and not isinstance(margin, bool)
        if not real or not math.isfinite(float(margin)) or float(margin) == 0 or float(margin) <= -1:
            raise InputError(
                f"the margin of guardrail {name!r} must be a number above -1 other than 0, but is {said(margin)}",
                remedy="-0.02 lets the metric fall by at most 2 %, 0.05 lets it rise by at most 5 %",
            )
        found[str(name)] = float(margin)
    return found


def run_guardrails(
    case: Case, estimands: Sequence[str], margins: Mapping[str, float], alpha: float
) -> tuple[Guardrail, ...]:
    """Every row of a guardrail metric, tested one-sided at alpha."""
    found: list[Guardrail] = []
    terms, told = case.fit.terms, spokesmen(case)
    for i, term in enumerate(terms):
        name = name_of(case.metrics[term.metric])
        if name not in margins or term.recipe.factor not in ("", "total"):
            continue
        p, bound = (math.nan, math.nan) if case.fit.withheld else term.contrast.non_inferiority(margins[name], alpha)
        status = HOLDS if p < alpha else HARMED if p > 1 - alpha else NOT_SHOWN
        arm = case.source.labels[term.arm]
        # As in `to_frame()`: none where its interval does not exist.
        relative = math.nan if term.contrast.why_no_relative(case.level) else term.contrast.relative
        found.append(
            Guardrail(name, estimands[i], arm, margins[name], relative, bound, p, status, told[i] == i, bool(term.cap))
        )
    return tuple(found)


def _percent(share: float) -> str:
    size = abs(100 * share)
    return f"{100 * share:+,.{0 if size >= 9.95 else 1 if size >= 0.995 else 2}f} %"


def advice(found: Sequence[Guardrail], alpha: float) -> tuple[str, ...]:
    """One line per guardrail, then what they mean for the conclusion."""
    lines = []
    for g in found:
        fall = g.margin < 0
        allowed = f"may {'fall' if fall else 'rise'} by at most {100 * abs(g.margin):g} %"
        limit = "" if math.isnan(g.bound) else f"; {100 * (1 - alpha):g}% limit {_percent(g.bound)}"
        p = "" if math.isnan(g.p_value) else f" (p {g.p_value:.2g})" if g.p_value >= 0.001 else " (p < 0.001)"
        beside = ", capped" if g.capped else ""
        why = ""
        if math.isnan(g.p_value):
            why = ", as the control's value is not above zero or does not vary, or too few units have a value"
        lines.append(f"Guardrail {g.metric}, {g.arm}{beside}: {allowed}{limit}: {g.status}{p}{why}.")
    if not found:
        return ()
    open_ = [g for g in found if g.decides and g.status != HOLDS]
    if open_:
        named = ", ".join(dict.fromkeys(f"{g.metric} ({g.arm})" for g in open_))
        lines.append(f"A gain counts only if every guardrail of its arm holds; it is not so for {named}.")
    else:
        lines.append("A gain counts only if every guardrail of its arm holds; all do.")
    return tuple(lines)
