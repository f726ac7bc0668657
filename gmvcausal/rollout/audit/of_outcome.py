"""Checks on the outcome: one unit, mixed units of money, zeros, coarse numbers."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalError
from gmvcausal.results import Check
from gmvcausal.rollout.audit.case import Case, retry
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, bound, judge
from gmvcausal.rollout.intake import winsor
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.ratios.poisson import poisson
from gmvcausal.stats.humps import two_humps

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_ROWS = 16_384
_SAMPLE = 20_000
_RARE = 0.025
_COHORT = 10  # units, from which on a cohort has a largest share of its own
_CAP = 0.99
MOST_LOG = 25.0  # exp(25) is 72 billion: no logarithm of an amount lies above


def leverage(case: Case) -> Check | None:
    """Does one unit carry the result?"""
    panel = case.panel
    if 0 in case.fitted.estimates.special and min(case.fitted.clusters) < MIN_CLUSTERS:
        return Check(
            "leverage", "not_run", "with a handful of clusters on a side each of them carries much of the estimate"
        )
    by_unit = np.bincount(panel.unit_code, case.fitted.influence())
    total = float(by_unit @ by_unit)
    if total <= 0:
        return Check("leverage", "not_run", "the estimate has no variance")
    share = by_unit**2 / total
    allowed = np.maximum(_usual(panel, case.fitted.treated, share), bound("leverage") or 0.0)
    largest = int(np.argmax(share / allowed))
    value, threshold = float(share[largest]), float(allowed[largest])
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


def _usual(panel: Panel, treated: BoolArray, share: FloatArray) -> FloatArray:
    """What the largest of as many alike, normal units would carry at most, in 39 of 40 samples; for every unit.

    One's share in the squares of k units is a beta variable with 1/2 and (k - 1)/2; the bound is Bonferroni's. Alike
    are the units of one side. Where cohorts differ in what they carry, those of `_COHORT` units and more are taken by
    themselves; a unit may reach the larger of the two bounds.
    """
    from scipy import special

    side, start = np.zeros(len(share), dtype=np.int64), np.zeros(len(share), dtype=np.int64)
    side[panel.unit_code], start[panel.unit_code] = treated, panel.start
    out = np.zeros(len(share))
    for of, fewest in ((side, 1), (start - start.min(), _COHORT)):
        k = np.bincount(of, share > 0)
        usual = np.where(k > 1, special.betaincinv(0.5, np.maximum(k - 1, 1) / 2, 1 - _RARE / np.maximum(k, 1)), 1.0)
        out = np.maximum(out, np.where(k >= fewest, usual * np.bincount(of, share), 0.0)[of])
    return out


def scale_mix(case: Case) -> Check | None:
    """Are some units recorded in another unit of money (cents, another currency)?"""
    sums, count = _sizes(case.panel.y)
    level = np.sort(np.log10(sums[count > 0] / count[count > 0]))
    if len(level) < 20:
        return Check("scale_mix", "not_run", "fewer than 20 units have any outcome")
    share, apart = two_humps(level)
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


def _sizes(y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum of the absolute outcomes of every unit, and how many of them are not zero."""
    out, ones = np.zeros((2, len(y))), np.ones(y.shape[1])
    for low in range(0, len(y), _ROWS):
        size = np.abs(y[low : low + _ROWS])
        size[~np.isfinite(size)] = 0.0
        out[0, low : low + _ROWS] = size @ ones
        out[1, low : low + _ROWS] = np.greater(size, 0.0).astype(float) @ ones
    return out[0], out[1]


def log_zeros(case: Case) -> Check | None:
    """Is the outcome a logarithm of amounts? Then the effect is one on the mean of logs, not on GMV."""
    named = re.match(r"(log|ln)(1p)?(_|\b|1p)", case.options.outcome.lower()) is not None
    if not (named or _of_cents(case.panel.y.reshape(-1))):
        return None
    y = case.panel.y[np.isfinite(case.panel.y)]
    found = float(case.fitted.estimates.estimate[0])
    message = (
        f"the outcome looks like a logarithm, {float((y == 0).mean()):.0%} of it zeros: {found:+.3g} is the change in "
        "the mean of logs, which the choice of the added 1 and the share of zeros decide, not the change in GMV"
    )
    if (y >= 0).all() and y.max() < MOST_LOG and case.panel.stack is None and (case.panel.start >= 0).any():
        amounts = replace(case.panel, y=np.expm1(case.panel.y), notes=[], dropped={})
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


def _of_cents(y: FloatArray) -> bool:
    """Whether the values are log(1 + x) of amounts in whole cents, with zeros; by some thousands of them."""
    some = y[:: max(1, len(y) // _SAMPLE)]
    some = some[np.isfinite(some) & (some != 0)]
    if len(some) < _SAMPLE // 100:  # zeros nearly everywhere: what is left counts
        some = y[np.isfinite(y) & (y != 0)]
        some = some[:: max(1, len(some) // _SAMPLE)]
    if not len(some) or some.min() < 0 or some.max() >= MOST_LOG:
        return False
    cents, plain = 100 * np.expm1(some), 100 * some
    near = np.abs(cents - np.round(cents)) < 1e-6 * np.maximum(1.0, cents / 1e6)
    return bool(near.all() and (np.abs(plain - np.round(plain)) > 1e-6).mean() > 0.5 and (y == 0).any())


def all_zero(case: Case) -> Check | None:
    """Is there any outcome at all?"""
    y = case.panel.y
    for low in range(0, len(y), _ROWS):  # the first rows nearly always settle it
        rows = y[low : low + _ROWS]
        if (np.isfinite(rows) & (rows != 0)).any():
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
    y = case.panel.y[np.isfinite(case.panel.y)]
    value = case.panel.spacing / max(float(y.std()), 1e-300)
    status = judge("quantisation", value)
    remedy = "keep the outcome in float64 or decimal from the source on" if status == "warned" else ""
    return Check(
        "quantisation",
        status,
        f"float32 outcomes are {case.panel.spacing:.2g} apart at the top",
        value,
        bound("quantisation"),
        remedy,
    )
