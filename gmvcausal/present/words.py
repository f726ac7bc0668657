"""Plain sentences, generated from numbers alone, and the one place where a verdict is passed.

A verdict is one of ``gain``, ``loss``, ``no_effect``, ``no_interval``, ``described`` and ``refused``. Every summary,
table, figure and report asks here, so that the same numbers never read differently in two places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmvcausal.present.digits import MINUS, inline, number, percent
from gmvcausal.present.names import written
from gmvcausal.present.phrases import (
    baseline_of,
    check_words,
    estimate_words,
    interval_words,
    join,
    level_words,
    named,
    p_words,
    row_estimate,
    row_interval,
    sentence,
    symbol,
    unit_words,
)
from gmvcausal.present.selection import is_naive, naive_first, selection
from gmvcausal.results import Result, Row

VERDICTS = {
    "gain": "gain",
    "loss": "loss",
    "no_effect": "no effect found",
    "no_interval": "no interval",
    "described": "describes, no effect",
    "refused": "audit failed",
}
REFUSAL = "No design here supports a number, so none is given."


@dataclass(frozen=True)
class Headline:
    """What a study says first.

    Attributes
    ----------
    name : str or None
        The result that gives the number; None where no design supports one.
    verdict : str
    answer : str
        One sentence, to be set large.
    details : tuple of str
        The sentences that belong right under it.
    others : tuple of (str, str)
        Every other result: its name, and why it is not the headline or whether it agrees.
    selection : str
        What the naive comparison says and why it says so; empty where nothing is known of it.
    """

    name: str | None
    verdict: str
    answer: str
    details: tuple[str, ...]
    others: tuple[tuple[str, str], ...]
    selection: str


def verdict(result: Result) -> str:
    """Pass the verdict on one result.

    Parameters
    ----------
    result : Result

    Returns
    -------
    {"gain", "loss", "no_effect", "no_interval", "described", "refused"}
        ``refused`` where a check of the audit failed, whatever the numbers are; ``described`` for what is no effect.
    """
    if not result.audit.credible:
        return "refused"
    return "described" if result.described else _of_row(result.told)


def _of_row(row: Row) -> str:
    """The verdict on a row whose audit did not fail."""
    # An interval of no length knows nothing of chance: the outcome did not vary.
    if math.isnan(row.low) or math.isnan(row.high) or row.low == row.high:
        return "no_interval"
    return {1: "gain", -1: "loss", 0: "no_effect"}[row.direction]


def _sought(row: Row) -> str:
    """What is not found where nothing is: a loss where the test looked for nothing else."""
    return "loss" if row.alternative == "less" else "gain"


# --- one result -------------------------------------------------------------------------------------------------------
def answer(result: Result, currency: str = "") -> str:
    """The finding of one result in one sentence; no number where the audit refuses it."""
    found, row = verdict(result), result.told
    if found == "refused":
        names = [c.name for c in result.audit.failed]
        return f"No headline is given: the audit failed on {join(names)}."
    if found == "described":
        return sentence(inline(result.described[0]), written(result))
    p = f"; {p_words(row.p_value)}" if getattr(result, "alike", ()) and not math.isnan(row.p_value) else ""
    return sentence(_said(row, found, f"{interval_words(result, currency)}{p}", currency))


def _said(row: Row, found: str, span: str, currency: str) -> str:
    """What is found of one row, as a sentence's words."""
    size = row_estimate(row, currency)
    # What sets the quantity apart follows the unit, so that a capped mean is never read as the plain one.
    unit = f" {unit_words(row.unit, currency)}".rstrip() + (f", {inline(row.qualifier)}" if row.qualifier else "")
    if found == "no_interval":
        return f"the estimate is {size}{unit}, but no interval can be given, so it is no answer"
    if found == "no_effect":
        return f"no {_sought(row)} found: {size}{unit} ({span})"
    size = size.lstrip(f"+{MINUS}")  # the word says the direction
    return f"a {found} of {size}{unit} ({span})"


def _beside(result: Result, currency: str) -> tuple[str, ...]:
    """The same row in the other arms of a test, the profit beside GMV: a sentence each."""
    lines = []
    for place in (*getattr(result, "alike", ()), *getattr(result, "also", ())):
        row = result.row(place)
        p = "" if math.isnan(row.p_value) else f"; {p_words(row.p_value)}"
        span = f"{level_words(result)} {row_interval(row, currency)}"
        lines.append(sentence(_said(row, _of_row(row), f"{span}{p}", currency)))
    return tuple(lines)


def _wider(result: Result) -> tuple[str, ...]:
    """Rows whose adjusted p-value finds what their interval does not show, and why the two differ."""
    if not result.told.adjusted:
        return ()
    e, (low, high) = result.estimates, result.estimates.interval(1 - result.alpha)
    p = e.p_value
    terms = [inline(e.term[i]) for i in np.flatnonzero((p < result.alpha) & (low <= 0) & (high >= 0))]
    if not terms:
        return ()
    return (
        f"The adjusted p-value of {join(terms)} is below {result.alpha:g}, and it decides; the interval holds together "
        "with all others and is wider than that, so that it holds zero all the same.",
    )


def details(result: Result, currency: str = "") -> tuple[str, ...]:
    """The sentences under the answer: size against the baseline, what could have been seen, or why it is refused."""
    own = _details(result, currency)
    if verdict(result) in ("refused", "no_interval"):
        return own
    advice = tuple(sentence(inline(text), written(result)) for text in getattr(result, "advice", ()))
    return (*own, *_wider(result), *_beside(result, currency), *advice)


def _details(result: Result, currency: str) -> tuple[str, ...]:
    found, base, row = verdict(result), baseline_of(result), result.told
    currency = symbol(row.unit, currency)
    if found == "refused":
        lines = [check_words(c) for c in result.audit.failed]
        return (*lines, *next_steps([result]))
    if found == "described":
        return tuple(sentence(inline(text), written(result)) for text in result.described[1:])
    if found == "no_interval":
        flat = "the outcome leaves no variation from which to tell an effect from chance"
        why = inline(result.estimates.withheld) or (flat if row.std_error == 0 else "the standard error is not known")
        return (sentence(why, written(result)), *next_steps([result]))
    base_text = number(base, 3, currency=currency) if base == base else ""
    mean = f"the {base_text} {getattr(result, 'baseline_words', 'that treated units had before')}"
    if found == "no_effect":
        below = "" if row.estimate >= 0 else "the estimate is below zero, but "
        if row.alternative != "two-sided":
            lines = [f"The test looks for a {_sought(row)} only."]
        else:
            lines = [sentence(f"{below}a loss is not found either: the interval holds zero")]
        seen = row.detectable
        if 0 < seen < math.inf:
            least = f"{number(seen, 2, currency=currency)} {unit_words(row.unit, currency)}".rstrip()
            share = f", {percent(seen / base)} of {mean}" if base == base else ""
            errors = f" ({number(row.detectable_errors, 2)} standard errors)" if row.std_error > 0 else ""
            lines.append(f"The smallest effect it could have seen is about {least}{errors}{share}.")
        return tuple(lines)
    if row.lift == row.lift:
        return (f"That is {percent(abs(row.lift))} {'more' if row.lift > 0 else 'less'}.",)
    return (f"That is {percent(abs(row.estimate) / base)} of {mean}.",) if base == base else ()


def next_steps(results: Sequence[Result]) -> tuple[str, ...]:
    """What to do where the audit failed: the distinct remedies of the failed checks, one sentence each."""
    remedies = dict.fromkeys(sentence(inline(c.remedy)) for r in results for c in r.audit.failed if c.remedy)
    return tuple(text if i else f"What to do next: {text[:1].lower()}{text[1:]}" for i, text in enumerate(remedies))


# --- several results --------------------------------------------------------------------------------------------------
def chosen(results: Any, *, benchmarks: Sequence[str] = ()) -> str | None:
    """Name of the first result, in order, that its audit and an interval support; None where there is none.

    Parameters
    ----------
    results : mapping of str to Result, list of Result, or Result
        In the order in which the study would believe them.
    benchmarks : sequence of str
        Names shown for comparison only; they never give the headline.
    """
    found, marked = named(results, benchmarks), {inline(b) for b in benchmarks}
    return next((n for n, r in found.items() if n not in marked and verdict(r) in ("gain", "loss", "no_effect")), None)


def lead(results: Any, *, benchmarks: Sequence[str] = (), currency: str = "") -> Headline:
    """What a study says first: its answer, or a refusal that says why and what to do next.

    Parameters
    ----------
    results, benchmarks
        As for `chosen`.
    currency : str
        Symbol before amounts; without one the unit text says it.
    """
    found, marked = named(results, benchmarks), {inline(b) for b in benchmarks}
    name = chosen(found, benchmarks=benchmarks)
    # Held against the estimate that is believed, where there is one.
    ordered = found if name is None else {name: found[name], **found}
    owner, told = next(((r, text) for r in naive_first(ordered) if (text := selection(r, currency))), (None, ""))
    others = {n: _other(n, r, found, name, marked, currency) for n, r in found.items() if n != name}
    # Where the study lists the naive comparison, the selection is why not it: said once, in its place.
    listed = next((n for n in others if is_naive(found[n])), None)
    if listed is not None and told:
        others[listed], told = told, ""
    # Answers of one panel share their comparison; where designs differ it is one answer's own, and is named.
    elif owner is not None and any(_compared(r) != _compared(owner) for r in found.values()):
        told = f"{next(n for n, r in found.items() if r is owner)}: {told}"
    if name is None:
        return Headline(None, "refused", REFUSAL, _refusal(found, marked, currency), tuple(others.items()), told)
    result = found[name]
    verb = {"no_effect": f"finds no {_sought(result.told)}"}.get(verdict(result), f"finds a {verdict(result)}")
    warned = len(result.audit.warned)
    by = f"{name} passes its audit{f' ({warned} warned)' if warned else ''} and {verb}."
    return Headline(
        name,
        verdict(result),
        answer(result, currency),
        (*details(result, currency), by),
        tuple(others.items()),
        told,
    )


def _compared(result: Result) -> float | None:
    return getattr(getattr(result, "naive", None), "difference", None)


def headline(results: Any, *, benchmarks: Sequence[str] = (), currency: str = "") -> str:
    """The answer of a study as plain text: what to believe, then one line for every other result.

    Parameters
    ----------
    results, benchmarks, currency
        As for `lead`.
    """
    first = lead(results, benchmarks=benchmarks, currency=currency)
    lines = [first.answer, *first.details, *(f"{n}: {text}" for n, text in first.others)]
    return "\n".join([*lines, *([first.selection] if first.selection else [])])


def _refusal(found: Mapping[str, Result], marked: set[str], currency: str) -> tuple[str, ...]:
    """Why no number is given, told as what it is: the audit at work."""
    designs = {n: r for n, r in found.items() if n not in marked} or dict(found)
    if marked >= set(found):
        return ("Every answer here is a benchmark, shown for comparison only: add a design that can be believed.",)
    failed = {n: r for n, r in found.items() if verdict(r) == "refused"}
    told = join([f"{estimate_words(r, currency)} ({n})" for n, r in failed.items()])
    lines = [f"The audit did its work: {told} would have been quoted as the effect without it."] if failed else []
    for name, result in designs.items():
        if verdict(result) == "no_interval":
            lines.append(f"{name}: {inline(result.estimates.withheld) or 'no interval can be given'}.")
        if verdict(result) == "described":
            lines.append(f"{name}: it describes, and is no effect of a tactic.")
    return (*lines, *next_steps(list(designs.values())))


def _other(
    name: str, result: Result, found: Mapping[str, Result], head: str | None, marked: set[str], currency: str
) -> str:
    """Why this result is not the headline, or whether it agrees with it."""
    size = f"{estimate_words(result, currency)}, {interval_words(result, currency)}"
    failed = result.audit.failed
    if failed:
        more = f" It fails on {join([c.name for c in failed[1:]])} too." if len(failed) > 1 else ""
        role = "a benchmark; it fails" if name in marked else "no headline is given for it, for it fails"
        return f"{role} its audit on {check_words(failed[0])}{more}"
    if result.described:
        return f"it describes, and is no effect: {answer(result, currency)}"
    if head is None:
        if name in marked:
            return f"shown for comparison only: {size}."
        return f"no interval can be given for {estimate_words(result, currency)}."
    lead = "a benchmark" if name in marked else "its audit found no failure either"
    row, first = result.told, found[head].told
    if (row.unit, row.qualifier) != (first.unit, first.qualifier):
        what = ", ".join(inline(text) for text in (row.unit, row.qualifier) if text)
        return f"{lead}; it measures something else ({what}): {size}."
    if math.isnan(row.low):
        return f"{lead}; {estimate_words(result, currency)} without an interval."
    if row.low <= first.high and first.low <= row.high:
        return f"{lead}; it agrees: {size}, which overlaps the headline's."
    return f"{lead}; it disagrees: {size}, which lies apart from the headline's."
