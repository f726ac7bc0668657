"""Checks of the outcome: its tail, single rows that decide, features that repeat it, its precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.results import Check
from gmvcausal.stats.humps import two_humps
from gmvcausal.targeting import skewed
from gmvcausal.targeting.audit.case import Case
from gmvcausal.targeting.audit.rules import bound, judge

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_RANKED = 20_000  # rows that are enough to see whether two orders are the same


def skewness(case: Case, a: int) -> float:
    """What the rule of the tail looks at for arm `a`."""
    sums, group = case.sums()
    return skewed.skewness(sums[:, a - 1], group, a)


def tail(case: Case) -> Check:
    """Is an average effect too skewed for its interval?"""
    value, a = max((skewness(case, a), a) for a in range(1, case.trial.arms))
    status = judge("tail", value)
    message = f"the average effect of {case.label(a)} has a skewness of {value:.2g}"
    if status == "passed":
        return Check("tail", status, message, value, bound("tail"))
    return Check(
        "tail", status, f"{message}: a few large values decide its interval", value, bound("tail"),
        "collect more rows in the smaller arm, or read the test of a capped outcome beside it (gc.ab_test, cap=)",
    )  # fmt: skip


def leverage(case: Case) -> Check:
    """Does one row carry an average effect?"""
    sums, _ = case.sums()
    squares = sums**2
    total = squares.sum(axis=0)
    share = np.where(total > 0, squares.max(axis=0) / np.where(total > 0, total, 1), 0.0)
    a = int(np.argmax(share)) + 1
    worst = float(share[a - 1])
    what = f"{case.trial.cluster_name} cluster" if case.trial.cluster is not None else "row"
    limit = max(float(bound("leverage") or 0), 10 / len(sums) if case.trial.cluster is not None else 0.0)
    status = "passed" if worst <= limit else judge("leverage", worst)
    message = f"the largest {what} carries {worst:.1%} of the variance of the effect of {case.label(a)}"
    if status != "passed":
        own = sums[:, a - 1]
        at = int(np.argmax(np.abs(own)))
        message += f"; without it the effect is {case.found.estimate[a - 1] - own[at]:+.4g}"
    remedy = "" if status == "passed" else f"look at this {what}; read the effect of a capped outcome beside it"
    return Check("leverage", status, message, worst, bound("leverage"), remedy)


def leakage(case: Case) -> Check | None:
    """Is a feature the outcome under another name, or something that came of it?"""
    from scipy.stats import rankdata

    t = case.trial
    if not np.ptp(t.y) > 0 or not t.x.shape[1]:
        return None
    some = slice(None, None, max(1, t.n // _RANKED))
    best, name, how = 0.0, t.features.names[0], ""
    for j, column in enumerate(t.x.T):
        if t.features.levels[j]:
            continue
        live = ~np.isnan(column)
        straight = _share(column[live].astype(float), t.y[live])
        part, of = column[some][live[some]], t.y[some][live[some]]
        ranked = _share(rankdata(part), rankdata(of)) if len(part) else 0.0
        for share, words in ((straight, "the variance of the outcome"), (ranked, "the ranks of the outcome")):
            if share > best:
                best, name, how = share, t.features.names[j], words
    status = judge("leakage", best)
    remedy = {
        "passed": "",
        "warned": "leave it out of features unless it was known before assignment: what came after swallows the effect",
        "failed": "it is the outcome itself under another name: leave it out of features",
    }[status]
    message = f"{name!r} alone explains {best:.2%} of {how or 'the variance of the outcome'}"
    return Check("leakage", status, message, best, bound("leakage"), remedy)


def _share(x: FloatArray, z: FloatArray) -> float:
    if len(x) < 3:
        return 0.0
    x, z = x - x.mean(), z - z.mean()
    size = float(x @ x) * float(z @ z)
    return float(x @ z) ** 2 / size if size > 0 else 0.0


def zero_variance(case: Case) -> Check | None:
    """Does the outcome vary in every arm?"""
    t = case.trial
    flat = [a for a in range(t.arms) if np.ptp(t.y[t.arm == a]) == 0]
    if not flat or not t.y.any():
        return None
    return Check(
        "zero_variance", "warned", f"the outcome does not vary in {', '.join(case.label(a) for a in flat)}",
        float(len(flat)), bound("zero_variance"), "check the outcome of this arm: is it logged there?",
    )  # fmt: skip


def all_zero(case: Case) -> Check | None:
    """Is there any outcome at all?"""
    if case.trial.y.any():
        return None
    return Check("all_zero", "warned", "the outcome is zero in every row", remedy="check the window and the join")


def negative_amounts(case: Case) -> Check | None:
    """Are refunds booked as negative amounts, in a table that does not say so?"""
    y = case.trial.y
    below = int((y < 0).sum())
    # A change, or a margin, is negative as often as not: nothing is odd there.
    if case.trial.facts.get("gmv") == "net" or not 0 < below < 0.25 * float((y != 0).sum()):
        return None
    share = below / len(y)
    return Check(
        "negative_amounts", judge("negative_amounts", share),
        f"{below:,} rows have a negative outcome: refunds, which may come after the window?", share,
        bound("negative_amounts"),
        "say whether amounts are gross or net; take refunds by the order they belong to (gc.Logs does, with gmv='net')",
    )  # fmt: skip


def scale_mix(case: Case) -> Check | None:
    """Are some rows recorded in another unit of money (cents, another currency)?"""
    y = case.trial.y
    level = np.sort(np.log10(y[y > 0]))
    if len(level) < 20 or not level[-1] > 0:
        return None  # too few, or shares and flags, which have no unit of money
    share, apart = two_humps(level)
    if not apart or judge("scale_mix", share) == "passed":
        return Check("scale_mix", "passed", "positive outcomes form one hump", 0.0, bound("scale_mix"))
    return Check(
        "scale_mix", "warned",
        f"positive outcomes form two humps a factor of about {10**apart:,.0f} apart, {share:.1%} on the smaller one",
        share, bound("scale_mix"), "check whether these rows are recorded in cents or in another currency",
    )  # fmt: skip


def quantisation(case: Case) -> Check | None:
    """Are the numbers as fine as they are precise?"""
    spread = float(case.trial.y.std())
    if not case.trial.spacing or not spread > 0:
        return None
    value = case.trial.spacing / spread
    status = judge("quantisation", value)
    remedy = "" if status == "passed" else "read the amounts in double precision from the source on"
    message = f"numbers lie {value:.1e} standard deviations apart in their source type"
    return Check("quantisation", status, message, value, bound("quantisation"), remedy)
