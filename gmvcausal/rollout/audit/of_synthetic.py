"""Checks on a synthetic comparison: did the weighted controls resemble the treated, and on what does that rest?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmvcausal.results import Check
from gmvcausal.rollout.audit.case import Case, p_text
from gmvcausal.rollout.audit.rules import bound, judge
from gmvcausal.rollout.synthetic.design import compare
from gmvcausal.rollout.synthetic.fit import Synthetic
from gmvcausal.rollout.synthetic.inference import placebos, rounding
from gmvcausal.rollout.synthetic.paths import METHODS
from gmvcausal.stats.few_treated import MIN_PLACEBOS, MOST_TREATED

_BACKDATING_DRAWS = 199
_LEAST_BEFORE = 6  # periods before the start that can be split into some to fit on and some to look at


def _found(case: Case) -> Synthetic:
    assert case.fitted.synthetic is not None  # these checks run for synthetic comparisons alone
    return case.fitted.synthetic


def pre_fit(case: Case) -> Check:
    """How far are the weighted controls from the treated before the start?"""
    found = _found(case)
    worst, spread = max(w.rmspe_before for w in found.answer.cohorts), found.spread
    if not spread > 0:
        return Check("pre_fit", "not_run", "the controls do not differ before the start")
    value = worst / spread
    message = f"before the start the gap is {worst:.4g} (root mean square), {value:.2g} of the spread of the controls"
    message += " (in the cohort matched worst)" if len(found.answer.cohorts) > 1 else ""
    remedy = (
        "the weighted controls are not like the treated: find closer controls, use estimator='synthetic_did', which "
        "matches changes in place of levels, or do not read the gap as an effect"
    )
    status = judge("pre_fit", value)
    return Check("pre_fit", status, message, value, bound("pre_fit"), "" if status == "passed" else remedy)


def backdating(case: Case) -> Check:
    """Does the method find an effect where there can be none, before the start? (Abadie and others 2015.)"""
    design, method = _found(case).design, METHODS[case.options.estimator]
    least = int(design.before.sum(axis=1).min())
    k, n = len(design.treated), len(design.controls)
    if least < _LEAST_BEFORE:
        return Check("backdating", "not_run", f"fewer than {_LEAST_BEFORE} periods lie before a start")
    if n < MIN_PLACEBOS or k > MOST_TREATED * n:
        return Check("backdating", "not_run", "too few controls to learn from how far chance reaches")
    # Fitted on the first two thirds of the periods before, looked at in the last third.
    cut = np.cumsum(design.before, axis=1) <= np.ceil(design.before.sum(axis=1, keepdims=True) * 2 / 3)
    early = replace(design, before=design.before & cut, after=design.before & ~cut)
    answer = compare(early, method)
    if answer.scale <= rounding(design):
        return Check("backdating", "not_run", "the fit is perfect, so there is no gap to measure chance by")
    p = placebos(early, method, case.options.seed, _BACKDATING_DRAWS).scaled(answer).p_value
    status = judge("backdating", p)
    message = (
        f"fitted on the first two thirds of the periods before the start, the method finds {answer.estimate:+.4g} in "
        f"the last third, where there can be no effect (p = {p_text(p)} by placebo runs)"
    )
    remedy = "the treated had left the weighted controls before the tactic: find other controls, or say anticipation="
    return Check("backdating", status, message, p, bound("backdating"), "" if status == "passed" else remedy)


def convex_hull(case: Case) -> Check | None:
    """Do the treated lie within what the controls can be weighted to?"""
    if case.options.estimator == "synthetic_did":
        return None
    design = _found(case).design
    low, high = design.controls.min(axis=0), design.controls.max(axis=0)
    out = (design.paths < low) | (design.paths > high)
    value = max(float(o[b].mean()) for o, b in zip(out, design.before, strict=True))
    status = judge("convex_hull", value)
    if status == "failed" and case.options.estimator == "augmented_synthetic_control":
        status = "warned"
    message = f"in {value:.0%} of the periods before the start the treated lie above or below every control"
    remedy = (
        "no weights that are not negative can reach them: use estimator='synthetic_did', or divide the outcome by its "
        "level before the start"
    )
    return Check("convex_hull", status, message, value, bound("convex_hull"), "" if status == "passed" else remedy)


def pre_periods(case: Case) -> Check:
    """Are there enough periods to tell a likeness from chance?"""
    least = int(_found(case).design.before.sum(axis=1).min())
    status = judge("pre_periods", least)
    message = f"{least} period{'s lie' if least != 1 else ' lies'} before the start"
    remedy = "supply earlier periods: a match over so few may be chance"
    return Check(
        "pre_periods", status, message, float(least), bound("pre_periods"), "" if status == "passed" else remedy
    )


def donors_per_period(case: Case) -> Check | None:
    """Are there so many controls that something fits by chance? (With a penalty on the weights, that is no matter.)"""
    if case.options.estimator == "synthetic_did":
        return None
    found = _found(case)
    design = found.design
    value = len(design.controls) / int(design.before.sum(axis=1).min())
    status = judge("donors_per_period", value)
    message = f"{len(design.controls):,} controls for {int(design.before.sum(axis=1).min())} periods before the start"
    if min(w.rmspe_before for w in found.answer.cohorts) <= rounding(design):
        status = "warned"
        message += "; the fit is perfect, so other weights fit as well and give other estimates"
    remedy = "leave out controls that are unlike the treated for known reasons, or use estimator='synthetic_did'"
    return Check(
        "donors_per_period",
        status,
        message,
        value,
        bound("donors_per_period"),
        "" if status == "passed" else remedy,
    )


def donor_concentration(case: Case) -> Check:
    """Does the answer rest on one control?"""
    found = _found(case)
    share = np.array([np.abs(w.unit) / np.abs(w.unit).sum() for w in found.answer.cohorts])
    cohort, heaviest = (int(i) for i in np.unravel_index(share.argmax(), share.shape))
    value = float(share[cohort, heaviest])
    status = judge("donor_concentration", value)
    label = case.panel.names(found.donors)[heaviest]
    effective = 1.0 / float((share[cohort] ** 2).sum())
    control = label if case.panel.people else repr(str(label))
    message = f"control {control} has {value:.0%} of the weights (as if {effective:.1f} controls had equal ones)"
    remedy = "look at what else happened to this control, and estimate again without it"
    return Check(
        "donor_concentration",
        status,
        message,
        value,
        bound("donor_concentration"),
        "" if status == "passed" else remedy,
    )
