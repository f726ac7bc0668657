"""Promotions in the window that the time before never saw: what their days rest on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.params import counted
from gmvcausal.observational.series.case import NEXT, SEASON, Case, earlier
from gmvcausal.observational.series.paths import Paths
from gmvcausal.observational.series.promotions import phases, told
from gmvcausal.observational.series.rules import RULES
from gmvcausal.results import Check

BoolArray = NDArray[np.bool_]


def promotion(case: Case) -> Check:
    """Does the window hold a promotion that the series never had before?"""
    s, m = case.s, case.model
    rule = RULES["promotion"]
    if s.first is None:
        return Check("promotion", "warned", "periods are numbers, so promotions among them cannot be found",
                     None, rule.bound, "use dates")  # fmt: skip
    names = m.touching(s.start, s.stop, unseen=True)
    if not names:
        known = m.touching(s.start, s.stop)
        what = f"the window holds {told(known)}, which the series had before" if known else "the window holds none"
        return _unnamed(case, what)
    what = f"the window holds {told(names)}, of which no earlier year lies in the data"
    if any(name in m.mixed for name in names):
        what += f" ({told(n for n in names if n in m.mixed)}: none apart from another promotion)"
    more = "supply a year more of data, so that the promotion gets a term"
    first = s.start + int(np.argmax(m.unseen[s.start : s.stop]))
    if first > s.start:
        more = f"end the window before it (end='{s.label(first - 1)}'), or {more}"
    if not s.names:
        return Check("promotion", "failed", f"{SEASON}: {what}", None, rule.bound, more)
    outside = ~m.unseen[s.start : s.stop] & case.window.known
    if not outside.any():
        return Check("promotion", "failed", f"{what}, and no {s.word} of it lies outside{earlier(case.placebo)}", None,
                     rule.bound, "nothing shows that the control series had the promotion to the same degree: "
                     f"{more}, or a longer window; or {NEXT}")  # fmt: skip
    p = 1.0
    for phase in m.found:
        inside = (phase.share[s.start : s.stop] > 0) & case.window.known
        if phase.name in names and inside.any():
            p = min(p, _apart(case.window, inside, outside))
    p = min(1.0, p * len(names))
    differ = f"effects in and outside it differ with p = {p:.2g}"
    quote = f"quote the row outside_promotions, {counted(int(outside.sum()), s.word)} of the window without it"
    if rule.status(p) == "failed":
        return Check("promotion", "failed", f"{what}; {differ}{earlier(case.placebo)}", p, rule.bound,
                     "the control series did not have the promotion to the same degree, or the tactic worked otherwise "
                     f"in it: {quote}; {more}; or {NEXT}")  # fmt: skip
    if not case.shared:
        return Check(
            "promotion", "failed", f"{SEASON} in it: {what}, and that the control series have it to the same degree "
            f"is not said; {differ}{earlier(case.placebo)}", p, rule.bound,
            f"{quote}; {more}; or, where you know that the control series have the promotion to the same degree, say "
            "so with promotions_shared=True",
        )  # fmt: skip
    return Check("promotion", "warned", f"{what}; the control series are said to have it to the same degree "
                 f"(promotions_shared=True), and {differ}", p, rule.bound,
                 f"name the assumption beside the number; {quote}, too")  # fmt: skip


def _unnamed(case: Case, what: str) -> Check:
    """No promotion without a term: passed, unless the calendar holds one that was not to be looked for."""
    s, rule = case.s, RULES["promotion"]
    if not case.china and s.first is not None:
        found = [p.name for p in phases(s.first, s.step, len(s.y), {}, True) if (p.share[s.start : s.stop] > 0).any()]
        if found:
            what = f"by the calendar the window holds {told(found)}, said to be none here (promotions=False)"
            return Check("promotion", "warned", what, None, rule.bound,
                         "leave promotions= out, unless this market has no such promotions")  # fmt: skip
    return Check("promotion", "passed", what, None, rule.bound)


def _apart(window: Paths, inside: BoolArray, outside: BoolArray) -> float:
    """P-value that effects in both are the same amount, or the same share: the larger of the two."""
    weights = inside / inside.sum() - outside / outside.sum()
    share = window.line(weights[None]).p_value(np.zeros(1))[0]
    actual, expected = window.contrast(weights)
    return float(max(share, expected.p_value(np.array([actual]))[0]))
