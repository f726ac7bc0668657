"""Checks on the outcome: does it allow the usual interval?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gmvcausal.abtest.audit.case import Case
from gmvcausal.abtest.audit.rules import USUAL_SHARE, bound, judge
from gmvcausal.abtest.intake.rows import Col
from gmvcausal.abtest.metrics import Proportion, Ratio, name_of, parts
from gmvcausal.abtest.terms.caps import AUTO
from gmvcausal.abtest.terms.estimate import Term
from gmvcausal.results import Check
from gmvcausal.results.usual_checks import held_as, p_words
from gmvcausal.stats.humps import two_humps
from gmvcausal.stats.inference import chi_square
from gmvcausal.stats.small_cells import MIN_CELL, in_words, small


class Skewness(NamedTuple):
    """Skewness of a difference, if both arms have the tail that they have together.

    Attributes
    ----------
    whole : float
        Of all units.
    rest : float
        Without the largest unit. The third power makes the largest unit most of `whole`, and so of its chance: without
        it, tests that fail and tests that hold are told apart.
    """

    whole: float
    rest: float

    @property
    def judged(self) -> float:
        """What the rule looks at: one unit alone may not hide, so that a third of `whole` counts too."""
        return max(self.rest, self.whole / 3)


def tail(case: Case) -> Check | None:
    """Is the uncapped difference too skewed for its interval?"""
    found = [(skewness(case, term), term) for term in case.plain_terms()]
    if not found:
        return None
    worst, where = max(found, key=lambda f: f[0].judged)
    message = f"the estimate of {case.label(where)} has a skewness of {worst.whole:.2g}"
    message += f", {worst.rest:.2g} without its largest {_unit(case)}"
    value, threshold = worst.judged, bound("tail")
    if judge("tail", value) == "passed":
        return Check("tail", "passed", message, value, threshold)
    capped = any(t.cap is not None and t.metric == where.metric for t in case.fit.terms)
    remedy = (
        "read the capped row beside it, whose estimand is the mean of the capped values"
        if capped
        else f"cap it (cap={AUTO}), or collect more units in the smaller arm"
    )
    message += ", so its uncapped interval is not to be relied on: a few large values decide it"
    return Check("tail", "warned", message, value, threshold, remedy)


def unreliable(case: Case, term: Term) -> bool:
    """Whether the interval of this uncapped row is not to be relied on.

    The rule of `tail` alone decides: a single unit that carries a large share of the variance (`leverage`) makes the
    interval of arms of like size wide, not wrong.
    """
    return judge("tail", skewness(case, term).judged) != "passed"


def _unit(case: Case) -> str:
    name = case.source.cluster_name
    return name if case.source.facts.blocks is not None else f"{name} cluster" if name else "unit"


def told_of(case: Case, beside: Sequence[Term]) -> Term:
    """Of the rows of one metric in one arm: the first, or the capped one where the uncapped is not to be relied on."""
    first = beside[0]
    return next((t for t in beside if t.cap and first.cap is None and unreliable(case, first)), first)


def spokesmen(case: Case) -> tuple[int, ...]:
    """For each row the place of the one that speaks for its metric and arm (and factor of GMV)."""
    terms = case.fit.terms
    beside: dict[tuple[int, int, str], list[int]] = {}
    for i, t in enumerate(terms):
        beside.setdefault((t.metric, t.arm, t.recipe.factor), []).append(i)
    told: dict[int, int] = {}
    for own in beside.values():
        one = told_of(case, [terms[i] for i in own])
        told |= dict.fromkeys(own, next(i for i in own if terms[i] is one))
    return tuple(told[i] for i in range(len(terms)))


def skewness(case: Case, term: Term) -> Skewness:
    """Skewness of the difference, if both arms have the tail that they have together.

    The arms' own skewness would do, were it not that in the smaller arm a heavy tail is mostly yet unseen. Where both
    arms are of one size, the skewness of one takes away that of the other. Under clusters the units are clusters,
    each with the sum of its rows' deviations.
    """
    treated, control = (a.units for a in (case.fit.sample.arms[term.arm], case.fit.sample.arms[case.source.control]))
    squares, cubes = sum(look.squares for look in term.looks), abs(sum(look.cubes for look in term.looks))
    largest = max(look.largest for look in term.looks)
    lopsided = abs(1 / treated**2 - 1 / control**2) / (1 / treated + 1 / control) ** 1.5

    def of(square: float, cube: float) -> float:
        n = treated + control
        # What rounding leaves where one unit is all there is has no shape.
        return float(cube / n / (square / n) ** 1.5 * lopsided) if square > 1e-9 * squares else 0.0

    return Skewness(of(squares, cubes), of(squares - largest, max(cubes - largest**1.5, 0.0)))


def largest_share(case: Case, term: Term) -> float:
    """Share of the variance of the difference that comes from one row (one cluster)."""
    arms = (case.fit.sample.arms[term.arm], case.fit.sample.arms[case.source.control])
    variance = sum(look.squares / arm.n**2 for look, arm in zip(term.looks, arms, strict=True))
    largest = max(look.largest / arm.n**2 for look, arm in zip(term.looks, arms, strict=True))
    return largest / variance if variance > 0 else 0.0


def leverage(case: Case) -> Check | None:
    """Does one unit carry the result?"""
    # One covariate far from all others decides its own slope, and the slope the answer.
    if not case.plain_terms():
        return None
    ruined = min(case.plain_terms(), key=lambda t: np.nan_to_num(t.variance_reduction))
    if ruined.variance_reduction < -0.5:
        return Check(
            "leverage",
            "failed",
            f"adjusting makes the variance of {case.label(ruined)} {1 - ruined.variance_reduction:,.3g} times as large",
            float(ruined.variance_reduction),
            bound("leverage"),
            "look at the largest values of the covariates; leave pre= out, or give a capped covariate",
        )
    shares = [(largest_share(case, t), t) for t in case.plain_terms()]
    worst, where = max(shares, key=lambda s: s[0])
    threshold = bound("leverage")
    message = f"the largest {_unit(case)} carries {worst:.1%} of the variance of {case.label(where)}"
    few = case.source.cluster_name and worst <= USUAL_SHARE / sum(a.units for a in case.fit.sample.arms)
    if few or judge("leverage", worst) == "passed":
        return Check("leverage", "passed", message, worst, threshold)
    beside = next((t for t in case.fit.terms if t.cap and (t.metric, t.arm) == (where.metric, where.arm)), None)
    if beside is not None:
        error = math.sqrt(beside.contrast.variance)
        message += f"; capped, the difference is {beside.contrast.difference:+.4g} ({error:.4g})"
    return Check(
        "leverage",
        "warned",
        message,
        worst,
        threshold,
        f"look at this {_unit(case)}; read the capped row beside the plain one",
    )


def tail_balance(case: Case) -> Check | None:
    """Do large values fall into the arms by their sizes?"""
    sizes = np.array([a.n for a in case.fit.sample.arms])
    found: list[tuple[float, str]] = []
    capped = {
        (parts(case.metrics[t.metric])[0], t.cap.at[0])
        for t in case.fit.terms
        if t.cap is not None and t.cap.at[0] is not None
    }
    for column, cut in sorted(capped, key=str):
        assert cut is not None
        above = case.source.above(Col(column), cut)
        if above.sum() >= 5:
            p = chi_square(above, sizes / sizes.sum() * above.sum())
            few = small(above)  # users above the cap stand out, and are not counted where they are few
            held = zip(case.source.labels, above, few, strict=True)
            told = ", ".join(f"{label} {f'<{MIN_CELL}' if hide else f'{k:,}'}" for label, k, hide in held)
            found.append((p, f"values of {column!r} above the cap: {told} ({p_words(p)})"))
    if not found:
        return None
    p, message = min(found)
    status = judge("tail_balance", p)
    remedy = ""
    if status != "passed":
        remedy = (
            "large values went mostly to one arm: an effect on the largest, or chance; the uncapped row shows it in "
            "full, the capped one hardly"
        )
    return Check("tail_balance", status, message, p, bound("tail_balance"), remedy)


def small_arm(case: Case) -> Check:
    """Are there enough units with a value for a normal mean? Where few buy, zeros do not help."""
    least = min(a.n for a in case.fit.sample.arms)
    live = {c: least * (1 - s.zeros) for c, s in case.fit.shapes.items() if s.zeros < 1}
    column = min(live, key=lambda c: live[c], default="")
    value = live.get(column, least)
    status = judge("small_arm", value)
    remedy = "collect more; until then read every interval as approximate, the capped ones too"
    held = in_words(value, "about ")
    message = f"{held} of the {least:,.0f} rows of the smallest arm have {column!r} other than zero"
    first = spokesmen(case)[0]
    thin = sorted((t for t in case.fit.terms if t.contrast.thin), key=lambda t: t is not case.fit.terms[first])
    if thin:
        status = "failed" if thin[0] is case.fit.terms[first] else "warned"
        message = f"{case.label(thin[0])} has no interval and no p-value: {thin[0].contrast.thin}"
        remedy = "collect more, or count the units with a value: gc.Proportion has a test that holds for rare events"
    seen = None if small(np.array(round(value, 9))) else value  # so few people are not counted exactly
    return Check("small_arm", status, message, seen, bound("small_arm"), "" if status == "passed" else remedy)


def relative(case: Case) -> Check:
    """Are there relative effects that cannot be given?"""
    reasons = [(case.label(t), why) for t in case.fit.terms if (why := t.contrast.why_no_relative(case.level))]
    if not reasons:
        return Check("relative", "passed", "every control value is distinguishable from zero", 0.0, 0.0)
    label, why = reasons[0]
    return Check(
        "relative",
        "warned",
        f"{len(reasons)} rows have no relative effect; {label}: {why}",
        float(len(reasons)),
        bound("relative"),
        "read the absolute effect",
    )


def denominator(case: Case) -> Check | None:
    """Are there units without a denominator?"""
    ratios = [m for m in case.metrics if isinstance(m, Ratio)]
    if not ratios:
        return None
    worst, metric = max(((case.fit.shapes[m.denominator].zeros, m) for m in ratios), key=lambda s: s[0])
    message = f"{worst:.1%} of the units have {metric.denominator!r} = 0"
    if judge("denominator", worst) == "passed":
        return Check("denominator", "passed", message, worst, bound("denominator"))
    return Check(
        "denominator",
        "warned",
        f"{message}; {name_of(metric)!r} is a ratio of totals, which they enter with zero",
        worst,
        bound("denominator"),
        "who has a denominator may itself be an effect: read the mean of the numerator per unit beside it",
    )


def zero_variance(case: Case) -> Check | None:
    """Is there a metric that does not vary in an arm?"""
    flat = [t for t in case.plain_terms() if t.contrast.var_treated == 0 or t.contrast.var_control == 0]
    if not flat:
        return Check("zero_variance", "passed", "every metric varies in every arm", 0.0, 0.0)
    factor = f" ({flat[0].recipe.factor})" if flat[0].recipe.factor else ""
    message = (
        f"{case.label(flat[0])}{factor} does not vary in {'an arm' if flat[0].contrast.variance > 0 else 'either arm'}"
    )
    remedy = "check the column"
    gaps = [(case.source.spacing.get(c, 0.0), c) for c in parts(case.metrics[flat[0].metric])]
    if (found := max(gaps, default=(0.0, "")))[0]:
        kind, remedy = held_as(found[0], _size(case, found[1]))
        message += (
            f" as far as {kind} tells: any spread is below what it holds at this size, where values of {found[1]!r} "
            f"are {found[0]:.2g} apart"
        )
    return Check("zero_variance", "warned", message, float(len(flat)), bound("zero_variance"), remedy)


def all_zero(case: Case) -> Check | None:
    """Is there any outcome at all?"""
    empty = [column for column, shape in case.fit.shapes.items() if shape.zeros == 1.0]
    if not empty:
        return None
    message = f"{empty[0]!r} is zero for every unit, so the difference is zero by construction"
    return Check("all_zero", "warned", message, float(len(empty)), bound("all_zero"), "check the column")


def negative_amounts(case: Case) -> Check | None:
    """Are refunds booked as negative amounts, in a table that does not say so?"""
    if case.source.meta.get("gmv") == "net":
        return None  # `Logs` took the refunds off and says so
    columns = dict.fromkeys(p for m in case.metrics if not isinstance(m, Proportion) for p in parts(m))
    used = round(sum(arm.n for arm in case.fit.sample.arms))
    found: list[tuple[float, int, str]] = []
    for column in columns:
        below = used - int(case.source.above(Col(column), -1e-300).sum())
        # A change, or a margin, is negative as often as not: nothing is odd there.
        if 0 < below < 0.25 * used * (1 - case.fit.shapes[column].zeros):
            found.append((below / used, below, column))
    if not found:
        return None
    share, count, column = max(found)
    return Check(
        "negative_amounts",
        judge("negative_amounts", share),
        f"{count:,} units have a negative {column!r}: refunds, which may come after the window?",
        share,
        bound("negative_amounts"),
        "say whether amounts are gross or net; take refunds by the order they belong to (gc.Logs does, with gmv='net')",
    )


def scale_mix(case: Case) -> Check | None:
    """Are some units recorded in another unit of money (cents, another currency)?"""
    amounts = [p for m in case.metrics for p in parts(m)[:1] if case.fit.shapes[p].largest > 1]
    found: list[tuple[float, float, str]] = []
    for column in dict.fromkeys(amounts):
        level = case.source.levels(Col(column))
        if len(level) >= 20:
            found.append((*two_humps(level), column))
    if not found:
        return None
    share, apart, column = max(found)
    threshold = bound("scale_mix")
    if not apart or judge("scale_mix", share) == "passed":
        return Check("scale_mix", "passed", "amounts form one hump", 0.0, threshold)
    return Check(
        "scale_mix",
        "warned",
        f"the amounts of {column!r} form two humps a factor of about {10**apart:,.0f} apart, {share:.1%} on the "
        "smaller one",
        share,
        threshold,
        "check whether these units are recorded in cents or in another currency",
    )


def quantisation(case: Case) -> Check | None:
    """Does the source type hold the numbers finely enough?"""
    worst, where = 0.0, ""
    for column, gap in case.source.spacing.items():
        at = case.fit.cols.index(Col(column))
        deviation = math.sqrt(max(sum(a.cross[at, at] for a in case.fit.sample.arms), 1e-300) / case.source.rows)
        if gap / deviation > worst:
            worst, where = gap / deviation, column
    if not where:
        return None
    status = judge("quantisation", worst)
    gap = case.source.spacing[where]
    kind, remedy = held_as(gap, _size(case, where))
    message = f"{kind} values of {where!r} are {gap:.2g} apart at the top"
    return Check("quantisation", status, message, worst, bound("quantisation"), remedy if status == "warned" else "")


def _size(case: Case, column: str) -> float:
    """At most the largest value in size, and at least that over the root of how many there are."""
    at, shape = case.fit.cols.index(Col(column)), case.fit.shapes[column]
    mean, within = shape.total / case.source.rows, sum(a.cross[at, at] for a in case.fit.sample.arms)
    return max(abs(shape.largest), abs(mean), math.sqrt(max(within, 0.0) / case.source.rows))
