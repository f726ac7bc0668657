"""From the terms of a test to what is printed: names, estimands, estimates, advice."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from gmvcausal.abtest.audit.case import Case
from gmvcausal.abtest.audit.of_outcome import spokesmen, unreliable
from gmvcausal.abtest.metrics import Gmv, Mean, Metric, Quantile, Ratio, covariates, model_of, name_of, parts
from gmvcausal.abtest.result import Extra
from gmvcausal.abtest.terms.caps import Cap
from gmvcausal.abtest.terms.compare import Limits
from gmvcausal.abtest.terms.estimate import Fit, Term
from gmvcausal.results.estimates import Estimates
from gmvcausal.stats.inference import FloatArray
from gmvcausal.stats.multiplicity import Adjusted, adjust
from gmvcausal.stats.small_sample import Spread

ADJUSTED = "p-values and intervals are adjusted"
_BESIDE = (
    " That is said of one row per metric and arm, the first, or the capped one where the audit (tail) does not rely on "
    "the first; rows beside it are adjusted in its place, and are no findings of their own."
)


def estimates(
    fit: Fit,
    metrics: Sequence[Metric],
    labels: Sequence[Any],
    control: int,
    per: str,
    units: Mapping[str, str],
    how: str | None,
    alpha: float,
    guards: Collection[str] = (),
    told: Sequence[int] = (),
) -> tuple[Estimates, FloatArray, str]:
    """The terms as `Estimates`; beside them the share of alpha of each interval, and what was adjusted.

    Parameters
    ----------
    fit : Fit
    metrics, labels, control
        Of the test.
    per : str
        What a row is.
    units : mapping of str to str
        Units of columns, where they are known.
    how : {None, "holm", "bh", "hierarchical"}
    alpha : float
    guards : collection of str
        Names of the guardrail metrics, which stand outside the family.
    told : sequence of int
        For each term the row that speaks for its metric and arm, as `spokesmen` finds it.
    """
    terms = fit.terms
    p = np.array([t.contrast.p_value() for t in terms])
    shares, said = np.ones(len(terms)), ""
    if fit.withheld:
        p[:] = np.nan
    if how is not None:
        inside = [i for i, t in enumerate(terms) if name_of(metrics[t.metric]) not in guards]
        p, shares, said = _family(terms, p, how, alpha, inside, told)
    one_sided = terms[0].contrast.alternative != "two-sided"
    special, special_p = {}, {}
    drawn = next((t.contrast.by_draws for t in terms if t.contrast.by_draws), "")
    every = how is not None or one_sided or bool(drawn)
    if not fit.withheld:
        apart = [i for i, t in enumerate(terms) if every or t.contrast.by_itself]
        special = {i: Limits(terms[i].contrast, float(shares[i])) for i in apart}
        special_p = {i: float(p[i]) for i in apart}
    found = Estimates(
        names(terms, metrics, labels),
        tuple(estimand(t, metrics[t.metric], labels, control) for t in terms),
        tuple(_unit(metrics[t.metric], per, units) for t in terms),
        np.array([t.contrast.difference for t in terms]),
        fit.cov,
        tuple(round(fit.sample.arms[t.arm].n + fit.sample.arms[control].n) for t in terms),
        Spread(np.array([t.contrast.df for t in terms]), np.ones(len(terms))),
        fit.withheld,
        special,
        special_p,
        said or drawn or terms[0].contrast.by_itself or "Welch's t",
    )
    return found, shares, said


def _family(
    terms: Sequence[Term], p: FloatArray, how: str, alpha: float, inside: Sequence[int], told: Sequence[int]
) -> tuple[FloatArray, FloatArray, str]:
    """Adjust over one row per metric and arm, the one that speaks; a row beside it is adjusted in its place.

    Rows that are not `inside` keep their own p-value and level; a share of NaN stands for an interval that is not
    given, behind a closed gate.
    """
    speaking = [i for i in inside if told[i] == i]
    out, shares = p.copy(), np.ones(len(p))
    if not speaking:
        return out, shares, ""
    gates = how == "hierarchical"
    order = np.array([terms[i].metric for i in speaking])

    def adjusted(rows: Sequence[int]) -> Adjusted:
        return adjust("gatekeeping" if gates else how, p[rows], alpha, order if gates else None)

    family = adjusted(speaking)
    for i in inside:
        place = speaking.index(told[i])
        own = family if told[i] == i else adjusted([*speaking[:place], i, *speaking[place + 1 :]])
        out[i], level = own.p_value[place], float(own.interval_alpha[place]) / alpha
        shares[i] = 1.0 if math.isnan(level) and not (gates and not math.isnan(p[i])) else level
    what = (
        "metrics open in the order listed, the arms of one among themselves by Holm"
        if gates
        else "one test per metric and arm"
    )
    beyond = "" if len(inside) == len(terms) else "; guardrails stand outside"
    beside = _BESIDE if len(speaking) < len(inside) else ""
    return out, shares, f"{ADJUSTED}, {what}{beyond}: {family.said}{beside}"


def names(terms: Sequence[Term], metrics: Sequence[Metric], labels: Sequence[Any]) -> tuple[str, ...]:
    """A distinct name for each row."""
    plain = Counter(name_of(m) for m in metrics)
    found, seen = [], Counter[str]()
    for t in terms:
        metric = metrics[t.metric]
        text = name_of(metric) + (f": {t.recipe.factor}" if t.recipe.factor else "")
        if plain[text] > 1 and covariates(metric):
            text += " adjusted" if model_of(metric) is None else " adjusted by model"
        if len(labels) > 2:
            text += f": {labels[t.arm]}"
        if t.cap is not None:
            text += " capped"
        seen[text] += 1
        found.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return tuple(found)


def _amount(x: float) -> str:
    return f"{x:.6g}"


def _capped(column: str, at: float | None) -> str:
    return column if at is None else f"{column} capped at {_amount(at)}"


def estimand(term: Term, metric: Metric, labels: Sequence[Any], control: int) -> str:
    """What a row estimates, in words."""
    if isinstance(metric, Gmv):
        among = f" among those with {metric.visits}" if metric.visits else ""
        what = {
            "total": f"mean {metric.gmv}",
            "reach": f"share with {metric.visits}",
            "conversion": f"share with {metric.orders}{among}",
            "orders per buyer": f"{metric.orders} per unit with {metric.orders}",
            "order value": f"{metric.gmv} / {metric.orders}",
        }[term.recipe.factor]
        return f"difference in log {what}, {labels[term.arm]} minus {labels[control]}"
    cap = term.cap or Cap((None, None), 0.0, False)
    if isinstance(metric, Ratio):
        what = f"{_capped(metric.numerator, cap.at[0])} / {_capped(metric.denominator, cap.at[1])}"
        what = f"ratio of totals {what}"
    elif isinstance(metric, Quantile):
        what = f"the {metric.q:g} quantile of {metric.column}"
    elif isinstance(metric, Mean):
        what = f"mean {_capped(metric.column, cap.at[0])}"
    else:
        what = f"share with {metric.column}"
    # Lin's standard error takes the covariates' mean as given: it is about the effect among these units.
    among = ", among these units" if term.recipe.covariates else ""
    return f"difference in {what}, {labels[term.arm]} minus {labels[control]}{among}"


def _unit(metric: Metric, per: str, units: Mapping[str, str]) -> str:
    if isinstance(metric, Gmv):
        return "log points"
    if isinstance(metric, Ratio):
        return f"{metric.numerator} per {metric.denominator}"
    return units.get(metric.column, f"{metric.column} per {per}")


def extra(
    case: Case, metrics: Sequence[Metric], labels: Sequence[Any], control: int, shares: FloatArray, alpha: float
) -> Extra:
    """The columns that only tests have."""
    fit = case.fit
    terms = fit.terms
    spans, relative = [], []
    for t, share in zip(terms, shares, strict=True):
        shut = math.isnan(share)  # behind a closed gate: the estimate stands, its interval is not given
        span = t.contrast.relative_interval(1 - (1.0 if shut else share) * alpha)
        gone = math.isnan(span[0]) or math.isnan(span[1])
        relative.append(math.nan if gone else t.contrast.relative)
        spans.append((math.nan, math.nan) if fit.withheld or shut else span)
    return Extra(
        tuple(name_of(metrics[t.metric]) for t in terms),
        tuple(labels[t.arm] for t in terms),
        tuple(labels[control] for _ in terms),
        tuple(relative),
        tuple(low for low, _ in spans),
        tuple(high for _, high in spans),
        tuple(t.capped_share for t in terms),
        tuple(t.variance_reduction for t in terms),
        tuple(t.contrast.treated for t in terms),
        tuple(t.contrast.control for t in terms),
        tuple(t.contrast.df for t in terms),
        tuple(_caps(t, metrics[t.metric]) for t in terms),
        tuple(t.recipe.factor for t in terms),
        tuple(type(metrics[t.metric]).__name__ for t in terms),
        tuple(round(fit.sample.arms[t.arm].n) for t in terms),
        tuple(t.cap is None and unreliable(case, t) for t in terms),
    )


def _caps(term: Term, metric: Metric) -> str:
    """What was capped and where, as it follows a number; empty for an uncapped row."""
    if term.cap is None:
        return ""
    pairs = zip(parts(metric), term.cap.at, strict=True)
    capped = [f"{column} capped at {_amount(at)}" for column, at in pairs if at is not None]
    return f"with {' and '.join(capped)}" if capped else ""


def alike(case: Case, spoken: int) -> tuple[int, ...]:
    """The rows of the other arms that measure what the finding is about."""
    terms = case.fit.terms
    told = terms[spoken]
    same = (told.metric, told.cap, told.recipe.factor)
    rows = enumerate((t.metric, t.cap, t.recipe.factor) for t in terms)
    return tuple(i for i, row in rows if row == same and terms[i].arm != told.arm)


def advice(case: Case, found: Estimates, alpha: float) -> tuple[str, ...]:
    """How to read the rows: capped or uncapped, what adjustment gained, which relative effects are missing and why."""
    lines = []
    terms, level = case.fit.terms, case.level
    spoken = spokesmen(case)[0]
    low, high = found.interval(1 - alpha)
    for k, metric in enumerate(case.metrics):
        name, own = name_of(metric), [t for t in terms if t.metric == k]
        capped = next((t for t in own if t.cap is not None), None)
        share = ""
        if capped is not None and not math.isnan(capped.capped_share):
            share = f"{100 * capped.capped_share:.2g}% of the total lies above the cap"
        if capped is not None and k == 0 and spoken:
            plain = f"{_signed(terms[0].contrast.difference)} ({_span(low[0], high[0])})"
            lines.append(
                f"This is the mean of capped values, another estimand than the plain mean{share and f': {share}'}. "
                f"Uncapped, the effect is {plain}, but a few large values decide that interval: it is not to be relied "
                "on here."
            )
        elif capped is not None:
            unsafe = any(unreliable(case, t) for t in own if t.cap is None)
            read = (
                "read the capped row for whether there is an effect; the uncapped interval is not to be relied on here"
                if unsafe
                else "the capped row has the narrower, safer interval; the uncapped one is about all of it"
            )
            beside = f" ({share})" if share else ""
            lines.append(f"For {name}, capped and uncapped rows estimate different things{beside}: {read}.")
        held = covariates(metric)
        if held:
            lines.append(_gain(metric, own))
        why = next((w for t in own if (w := t.contrast.why_no_relative(level))), "")
        if why:
            lines.append(f"For {name} no relative effect is given: {why}.")
    return tuple(lines)


def _gain(metric: Metric, own: Sequence[Term]) -> str:
    """What adjustment took off the variance, and whether a model was worth it."""
    name, by = name_of(metric), ", ".join(covariates(metric))
    gain = max(float(np.nan_to_num(t.variance_reduction)) for t in own)
    if model_of(metric) is None:
        if gain < 0.01:
            return f"For {name}, adjusting for {by} gains next to nothing: {100 * max(gain, 0):.1g}% of the variance."
        return f"For {name}, adjusting for {by} takes {100 * gain:.2g}% off the variance."
    linear = max(float(np.nan_to_num(t.linear_reduction)) for t in own)
    beside = f"linear adjustment for the same columns would take {100 * max(linear, 0):.2g}%"
    if gain < 0.01:
        return (
            f"For {name}, a model of {by} gains next to nothing, {100 * max(gain, 0):.1g}% of the variance; {beside}."
        )
    told = f"For {name}, a model of {by} takes {100 * gain:.2g}% off the variance; {beside}"
    return f"{told}." if gain > linear else f"{told}, so the model gains nothing over it: leave model= out."


def _span(low: float, high: float) -> str:
    return "no interval" if math.isnan(low) or math.isnan(high) else f"{_signed(low)} to {_signed(high)}"


def _signed(x: float) -> str:
    return f"{x:+.3g}"
