"""The rows among compliers as they are printed: appended to those of the assigned, with their sets and reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from gmvcausal.abtest.audit.case import Case
from gmvcausal.abtest.audit.rules import bound, judge
from gmvcausal.abtest.metrics import name_of
from gmvcausal.abtest.result import Extra
from gmvcausal.abtest.terms.estimate import Fit
from gmvcausal.results.compliers import Accepted, endless_words, estimand, shares_words
from gmvcausal.results.estimates import Estimates
from gmvcausal.stats.fraction import Fraction
from gmvcausal.stats.inference import FloatArray
from gmvcausal.stats.small_sample import Spread


def appended(
    found: Estimates, extra: Extra, fit: Fit, labels: Sequence[Any], received: str, shares: FloatArray, alpha: float
) -> tuple[Estimates, Extra]:
    """The estimates with the rows among compliers after all others, and the columns that only tests have."""
    rows = fit.compliers
    if not rows:
        return found, extra
    of, k = [row.term for row in rows], len(found.term)
    cov = np.full((k + len(rows),) * 2, np.nan)
    if not fit.withheld:
        cov[:] = fit.joint
    cov[:k, :k] = found.cov
    p = found.p_value
    special, special_p = dict(found.special), dict(found.special_p)
    relative, spans = [], []
    strong = {r.arm for r in fit.receipts if judge("first_stage", r.strength) == "passed"}
    for i, row in enumerate(rows):
        share = float(shares[row.term])
        if not fit.withheld:
            # Where t does not hold for those who were assigned, neither does the set that inverts it.
            special[k + i] = Accepted(row.effect, math.nan if fit.terms[row.term].contrast.by_itself else share)
            # One test of no effect, whoever is asked; where it was adjusted, so is its copy.
            special_p[k + i] = float(p[row.term]) if row.effect.bottom > 0 else row.effect.p_value()
        term = fit.terms[row.term]
        shown = math.nan if term.contrast.by_itself or term.arm not in strong else share
        own = _relative(row.effect, row.relative, row.baseline, shown, alpha)
        relative.append(own[0])
        spans.append((math.nan, math.nan) if fit.withheld else own[1:])
    df = np.array([row.effect.spread(0.0)[1] for row in rows])
    estimates = replace(
        found,
        term=(*found.term, *(f"{found.term[i]} among compliers" for i in of)),
        estimand=(*found.estimand, *(estimand(found.estimand[i], received) for i in of)),
        unit=(*found.unit, *(found.unit[i] for i in of)),
        estimate=np.append(found.estimate, [row.effect.estimate for row in rows]),
        cov=cov,
        n=(*found.n, *(found.n[i] for i in of)),
        spread=Spread(np.append(found.t.df, df), np.append(found.t.factor, np.ones(len(rows)))),
        special=special,
        special_p=special_p,
    )
    own_columns: dict[str, tuple[Any, ...]] = {
        "relative": tuple(relative),
        "relative_low": tuple(low for low, _ in spans),
        "relative_high": tuple(high for _, high in spans),
        "value": tuple(row.baseline + row.effect.estimate for row in rows),
        "control_value": tuple(row.baseline for row in rows),
        "df": tuple(float(x) for x in df),
        "kind": ("compliers",) * len(rows),
    }
    columns = {
        f.name: (*old, *own_columns.get(f.name, tuple(old[i] for i in of)))
        for f in fields(extra)
        if isinstance(old := getattr(extra, f.name), tuple)
    }
    return estimates, replace(extra, **columns)


def _relative(
    effect: Fraction, relative: Fraction, baseline: float, share: float, alpha: float
) -> tuple[float, float, float]:
    """The effect as a share of what compliers have in the control arm; NaN where that is not told from zero."""
    nothing = (math.nan, math.nan, math.nan)
    if math.isnan(share) or not baseline > 0 or not effect.bottom > 0:
        return nothing
    span = relative.accepted(1 - share * alpha)
    if math.isinf(span.low) and math.isinf(span.high):
        return nothing
    return relative.estimate, span.low, span.high


def advice(case: Case, received: str, alpha: float) -> tuple[str, ...]:
    """How to read the rows among compliers: who they are, and what no interval can say."""
    lines = []
    labels, control = case.source.labels, case.source.labels[case.source.control]
    for one in case.fit.receipts:
        lines.append(f"{shares_words(received, labels[one.arm], one.treated, control, one.control)}.")
    for one in case.fit.receipts:
        if judge("first_stage", one.strength) != "passed":
            lines.append(
                f"Among compliers of {labels[one.arm]} no relative effect is given: receipt hardly differs from that "
                f"of {control} (F = {one.strength:.3g}; {bound('first_stage'):g} is needed), and intervals shown only "
                "where they are bounded would miss too often."
            )
    for row in case.fit.compliers if not case.fit.withheld else ():
        term = case.fit.terms[row.term]
        name = f"{name_of(case.metrics[term.metric])}{' capped' if term.cap is not None else ''}"
        if term.contrast.by_itself:
            lines.append(
                f"For {name} among compliers of {labels[term.arm]} no interval is given: too few units of an arm have "
                "(or lack) a value."
            )
            continue
        if told := endless_words(row.effect, 1 - alpha):
            lines.append(f"For {name} among compliers of {labels[term.arm]} {told}")
    return tuple(lines)
