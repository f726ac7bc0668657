"""Checks on the days of a test: does the effect last, and is everybody there?"""

from __future__ import annotations

import math

import numpy as np

from gmvcausal.abtest.audit.case import Case
from gmvcausal.abtest.audit.rules import RULES, bound, judge
from gmvcausal.abtest.days.days import Days
from gmvcausal.results import Check
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.small_sample import welch_df


def novelty(case: Case) -> Check | None:
    """Does the effect fade or grow? Weekends and sale days are shared by the arms, so they do not count as either."""
    days = case.days
    if days is None:
        return None
    word = days.calendar.word
    if case.source.cluster_name:
        return Check("novelty", "not_run", "units come in clusters, whose slopes are not those of independent units")

    from scipy import stats

    tests = []
    control = _mean_slope(days, days.control)
    for arm in range(len(days.labels)):
        mean, variance, n = _mean_slope(days, arm)
        spread = variance + control[1]
        if arm == days.control or not spread > 0:
            continue
        df = welch_df([(variance, n - 1), (control[1], control[2] - 1)])
        gap = mean - control[0]
        tests.append((2 * float(stats.t.sf(abs(gap) / math.sqrt(spread), df)), gap, arm))
    if not tests:
        why = f"fewer than four {word}s" if len(days.calendar.at) < 4 else f"no unit has four {word}s that differ"
        return Check("novelty", "not_run", f"{why}, so whether the effect fades is not to be seen")
    p, gap, arm = min(tests)
    p = min(1.0, p * len(tests))
    to = f" of {days.labels[arm]}" if len(days.labels) > 2 else ""
    message = f"the effect{to} on {days.outcomes[0]!r} changes by {gap:+.3g} a {word} ({p_words(p)})"
    if judge("novelty", p) == "passed":
        return Check("novelty", "passed", message, p, bound("novelty"))
    third = len(days.calendar.at) // 3
    effect = days.by_day().mean[:, arm, 0] - days.by_day().mean[:, days.control, 0]
    first, last = float(np.nanmean(effect[:third])), float(np.nanmean(effect[-third:]))
    spans = (
        f"first {third} {word}s, {last:+.3g} on the last {third}"
        if third > 1
        else f"first {word}, {last:+.3g} on the last"
    )
    return Check(
        "novelty",
        "warned",
        f"{message}: {first:+.3g} on the {spans}",
        p,
        bound("novelty"),
        "the sum over the days mixes an early effect with a late one: read daily(), and do not carry the sum forward",
    )


def _mean_slope(days: Days, arm: int) -> tuple[float, float, int]:
    """Mean slope of an arm, its variance, and the units behind it."""
    slope = days.slope[days.arm == arm]
    slope = slope[np.isfinite(slope)]
    if len(slope) < 2:
        return 0.0, 0.0, 2
    return float(slope.mean()), float(slope.var(ddof=1)) / len(slope), len(slope)


def period_gaps(case: Case) -> Check | None:
    """A day on which nobody has a row is a lost file far more often than a day off."""
    days = case.days
    if days is None or days.shape == "arrived":  # nobody has to come in on every day
        return None
    calendar, k = days.calendar, len(days.calendar.empty)
    if not k:
        return RULES.check("period_gaps", 0.0, f"there are rows on every {calendar.word} of the test")
    word = f"these {calendar.word}s" if k > 1 else f"this {calendar.word}"
    return RULES.check(
        "period_gaps", k, f"no unit has a row on {calendar.gaps()}, within {days.span}",
        f"look for a lost file: the sums lack {word}; where nothing was for sale, give every unit a row of zeros",
    )  # fmt: skip


def silent_units(case: Case) -> Check | None:
    """Where a day without a row is zero, a table without anybody who never bought is a table of buyers."""
    days = case.days
    if days is None or days.shape != "zero":
        return None
    name = days.outcomes[0]
    message = f"{days.silent:.1%} of the units have {name!r} = 0 on all {days.calendar.word}s"
    if days.silent > 0:
        return Check("silent_units", "passed", message, days.silent)
    return Check(
        "silent_units",
        "failed",
        f"every unit has some {name!r} although {days.absent:,} unit-{days.calendar.word}s have no row: those who "
        "never bought seem to be missing, and who buys may depend on the arm",
        days.silent,
        remedy="give every unit that was assigned a row, with zeros (Logs.panel does); if all of them did buy, fill "
        "the table with zeros",
    )
