"""Checks on the outcome: one unit, mixed units of money, zeros, coarse numbers."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalError
from gmvcausal.results import Check
from gmvcausal.results.usual_checks import held_as
from gmvcausal.rollout.audit.case import Case, retry
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, bound, judge
from gmvcausal.rollout.intake import winsor
from gmvcausal.rollout.ratios.poisson import poisson

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_RARE = 0.025
_COHORT = 10  # units, from which on a cohort has a largest share of its own
_CAP = 0.99


def leverage(case: Case) -> Check | None:
    """Does one unit carry the result?"""
    panel = case.panel
    if 0 in case.fitted.estimates.special and min(case.fitted.clusters) < MIN_CLUSTERS:
        return Check(
            "leverage", "not_run", "with a handful of clusters on a side each of them carries much of the estimate"
        )
    try:
        found = _largest(case)
    except GmvCausalError as error:
        return Check("leverage", "not_run", f"the rows cannot be looked at again: {error.rule}")
    if found is None:
        return Check(
            "leverage",
            "not_run",
            "the result was pickled, and holds sums of its panel only: call did again",
        )
    side, start, most, count, sums = found
    total = float(sums.sum())
    if total <= 0:
        return Check("leverage", "not_run", "the estimate has no variance")
    allowed = np.maximum(_usual(side, start, count, sums / total), bound("leverage") or 0.0)
    largest = int(np.argmax(most / allowed))
    value, threshold = float(most[largest]) / total, float(allowed[largest])
    message = (
        f"one unit carries {value:.1%} of the variance of the estimate; of as many alike, the largest would carry "
        f"up to {threshold:.1%}"
    )
    if value <= threshold:
        return Check("leverage", "passed", message, value, threshold)
    remedy = "look at this unit; report the capped estimate beside the plain one"
    if panel.cut is not None:
        plain = replace(winsor.uncapped(panel), notes=[], dropped={})
        message += f"; the outcomes are capped already, and without the cap the estimate is {retry(case, plain)}"
        return Check("leverage", "warned", message, value, threshold, remedy)
    try:
        other = winsor.capped(panel, _CAP, case.options.anticipation)
    except GmvCausalError as error:
        return Check("leverage", "warned", f"{message} (no cap is tried: {error.rule})", value, threshold, remedy)
    assert other.cut is not None  # it was just capped
    message += (
        f"; with outcomes capped at {other.cut.at:.4g} ({100 * _CAP:g} % of the non-zero ones without the tactic) the "
        f"estimate is {retry(case, replace(other, cut=None, notes=[], dropped={}))}"
    )
    return Check("leverage", "warned", message, value, threshold, remedy)


Kinds = tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray]


def _largest(case: Case) -> Kinds | None:
    """By side and start of the units: side, start, and of their squared influences the largest, how many, and the sum.

    None where it takes another look at rows that are out of reach.
    """
    panel, treated = case.panel, case.fitted.treated
    if panel.summed is not None:
        if panel.summed.look is None or case.fitted.loads is None:
            return None
        found = panel.summed.look(case.fitted.loads())
        of_side = np.isin(found.start, panel.start[treated]).astype(np.int64)
        return of_side, found.start - found.start.min(), found.most, found.count, found.total
    squares = np.bincount(panel.unit_code, case.fitted.influence()) ** 2
    side, start = np.zeros(len(squares), dtype=np.int64), np.zeros(len(squares), dtype=np.int64)
    side[panel.unit_code], start[panel.unit_code] = treated, panel.start
    start -= start.min()
    kind = 2 * start + side
    most, count, sums = np.zeros((3, int(kind.max()) + 1))
    np.maximum.at(most, kind, squares)
    count += np.bincount(kind, squares > 0)
    sums += np.bincount(kind, squares)
    there = np.flatnonzero(np.bincount(kind)).astype(np.int64)
    return there % 2, there // 2, most[there], count[there], sums[there]


def _usual(side: IntArray, start: IntArray, count: FloatArray, share: FloatArray) -> FloatArray:
    """What the largest of as many alike, normal units would carry at most, in 39 of 40 samples; for every kind.

    One's share in the squares of k units is a beta variable with 1/2 and (k - 1)/2; the bound is Bonferroni's. Alike
    are the units of one side. Where cohorts differ in what they carry, those of `_COHORT` units and more are taken by
    themselves; a unit may reach the larger of the two bounds.
    """
    from scipy import special

    out = np.zeros(len(share))
    for of, fewest in ((side, 1), (start, _COHORT)):
        k = np.bincount(of, count)
        usual = np.where(k > 1, special.betaincinv(0.5, np.maximum(k - 1, 1) / 2, 1 - _RARE / np.maximum(k, 1)), 1.0)
        out = np.maximum(out, np.where(k >= fewest, usual * np.bincount(of, share), 0.0)[of])
    return out


def scale_mix(case: Case) -> Check | None:
    """Are some units recorded in another unit of money (cents, another currency)?"""
    levels = case.panel.facts.levels
    if levels.units < 20:
        return Check("scale_mix", "not_run", "fewer than 20 units have any outcome")
    share, apart = levels.humps()
    threshold = bound("scale_mix")
    if apart and judge("scale_mix", share) != "passed":
        return Check(
            "scale_mix",
            "warned",
            f"the levels of the units form two humps a factor of about {10**apart:,.0f} apart, {share:.1%} on the "
            "smaller one",
            share,
            threshold,
            "check whether these units are recorded in cents or in another currency",
        )
    return Check("scale_mix", "passed", "the levels of the units form one hump", 0.0, threshold)


def log_zeros(case: Case) -> Check | None:
    """Is the outcome a logarithm of amounts? Then the effect is one on the mean of logs, not on GMV."""
    named = re.match(r"(log|ln)(1p)?(_|\b|1p)", case.options.outcome.lower()) is not None
    panel, facts = case.panel, case.panel.facts
    if not (named or facts.of_cents):
        return None
    found = float(case.fitted.estimates.estimate[0])
    message = (
        f"the outcome looks like a logarithm, {facts.zeros:.0%} of it zeros: {found:+.3g} is the change in "
        "the mean of logs, which the choice of the added 1 and the share of zeros decide, not the change in GMV"
    )
    if panel.summed is None and facts.may_be_logs and panel.stack is None and (panel.start >= 0).any():
        amounts = replace(panel, y=np.expm1(panel.y), notes=[], dropped={})
        try:
            mean = poisson(amounts, replace(case.options, estimator="poisson"))
            log = float(mean.series["log overall"]().estimate[0])
            message += f"; on the amounts themselves the log of means changes by {log:+.3g}"
        except GmvCausalError:
            pass  # what the amounts say stands beside the warning only where it can be had
    return Check(
        "log_zeros",
        "warned",
        message,
        remedy="give the amounts as they are with estimator='poisson': effects in per cent of GMV, zeros kept",
    )


def all_zero(case: Case) -> Check | None:
    """Is there any outcome at all?"""
    if not case.panel.facts.nothing:
        return None
    return Check(
        "all_zero",
        "warned",
        "every outcome is zero, so the estimate is zero by construction",
        1.0,
        1.0,
        "check the outcome column",
    )


def quantisation(case: Case) -> Check | None:
    """Does the source dtype hold the numbers finely enough?"""
    if not case.panel.spacing:
        return None
    value = case.panel.spacing / max(case.panel.deviation, 1e-300)
    status = judge("quantisation", value)
    kind, remedy = held_as(case.panel.spacing, case.panel.reach)
    return Check(
        "quantisation",
        status,
        f"{kind} outcomes are {case.panel.spacing:.2g} apart at the top",
        value,
        bound("quantisation"),
        remedy if status == "warned" else "",
    )
