"""Checks on the lot: was it kept, and did it do what it should?"""

from __future__ import annotations

import math

import numpy as np

from gmvcausal.abtest.audit.case import Case
from gmvcausal.abtest.audit.of_switchback import time_ratio
from gmvcausal.abtest.audit.rules import MIN_CLUSTERS, bound, judge
from gmvcausal.abtest.intake.rows import Col
from gmvcausal.abtest.metrics import model_of, parts
from gmvcausal.abtest.terms.cupac import adjusters, learned_from
from gmvcausal.abtest.terms.sample import Arm, usable
from gmvcausal.abtest.terms.values import Recipe, value
from gmvcausal.frames.facts import rows_are_people
from gmvcausal.results import Check
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.inference import chi_square
from gmvcausal.stats.small_cells import MIN_CELL, small
from gmvcausal.stats.small_columns import TOO_FEW


def sample_ratio(case: Case) -> Check:
    """Do the arms have the shares that the lot was to give them?"""
    facts = case.source.facts
    told, what = "", f" {case.source.cluster_name} clusters" if case.source.cluster_name else ""
    if facts.blocks is not None:
        p, told = time_ratio(case, facts.blocks)
        what = ""
    else:
        # Of all who were drawn, also where only the triggered are analysed.
        counts = case.source.counts() if facts.trigger is None else facts.trigger.units
        p = chi_square(counts, case.expected * counts.sum())
        told = ", ".join(f"{label} {count:,}" for label, count in zip(case.source.labels, counts, strict=True))
    status = "failed" if p < case.srm_alpha else judge("sample_ratio", max(p, 0.01))
    planned = "equal shares" if np.ptp(case.expected) < 1e-12 else "the planned shares"
    remedy = ""
    if status != "passed":
        remedy = (
            "find out who is missing (assignment, logging, filters) before reading any metric; if the split was meant "
            "to be uneven, pass expected_ratio="
        )
    return Check("sample_ratio", status, f"{told}{what} against {planned}: {p_words(p)}", p, case.srm_alpha, remedy)


def repeated_units(case: Case) -> Check | None:
    """Were repeats of a unit looked for?"""
    if case.source.facts.blocks is not None:
        return None  # blocks were drawn: a user comes back under another arm
    if case.source.unit_checked:
        return Check("repeated_units", "passed", case.source.unit_checked)
    return Check(
        "repeated_units",
        "not_run",
        "no column says whose row it is, so rows are taken for different units",
        remedy="pass unit=, the column of the user",
    )


def dose(case: Case) -> Check | None:
    """Are the arms steps of one amount rather than tactics of their own?"""
    labels = case.source.labels
    if not all(isinstance(label, int) for label in labels) or judge("dose", len(labels)) == "passed":
        return None
    return Check(
        "dose",
        judge("dose", len(labels)),
        f"{len(labels)} arms are numbers ({labels[0]} to {labels[-1]}): each is compared with the control by itself",
        float(len(labels)),
        bound("dose"),
        "if they are amounts of one tactic (a face value), model the dose; else adjust= for the number of comparisons",
    )


def few_clusters(case: Case) -> Check | None:
    """Are there enough clusters for the standard errors?"""
    if not case.source.cluster_name:
        return None
    sample = case.fit.sample
    fewest = sample.crossed or min(a.units for a in sample.arms)
    told = f"{fewest:.0f} in all, holding several arms" if sample.crossed else f"{fewest:.0f} in the smallest arm"
    least = sample.effective if sample.crossed else min(a.effective for a in sample.arms)
    if least < 0.95 * fewest:
        told += f"; their sizes differ, they are worth {least:.3g} of one size"
    status = "failed" if case.fit.withheld else judge("few_clusters", max(round(least, 6), float(MIN_CLUSTERS)))
    remedy = {
        "passed": "",
        "warned": "read intervals near zero with care",
        "failed": f"assign more clusters; at least {MIN_CLUSTERS} are needed for an interval",
    }[status]
    message = f"clusters by {case.source.cluster_name}: {told}"
    return Check("few_clusters", status, message, round(least, 6), bound("few_clusters"), remedy)


def cluster_level(case: Case) -> Check | None:
    """Was the level of assignment found, not named?"""
    if not case.found_cluster:
        return None
    name = case.source.cluster_name
    return Check(
        "cluster_level",
        "warned",
        f"the arm does not vary within {name!r}, so standard errors are clustered there",
        remedy=f"name it, cluster={name!r}, or give each row a cluster of its own if rows were assigned one by one",
    )


def balance(case: Case) -> Check | None:
    """Did the lot give both arms the same covariates?"""
    from scipy import special

    found: list[tuple[float, str, bool]] = []
    rare: set[str] = set()  # what is told of columns that count few people: their gap and p-value would give them
    learned = [col for m in case.metrics for col in learned_from(m, case.source)]
    control = case.fit.sample.arms[case.source.control]
    for a, arm in enumerate(case.fit.sample.arms):
        for col in _covariates(case) if a != case.source.control else ():
            at = case.fit.cols.index(col)
            variance = float(arm.cov[at, at] + control.cov[at, at])
            if case.fit.sample.between is not None:
                variance -= 2 * float(case.fit.sample.between[a, case.source.control, at, at])
            gap = (arm.mean[at] - control.mean[at]) + (arm.rest[at] - control.rest[at])
            if variance > 0:
                p = 2 * float(special.ndtr(-abs(gap) / math.sqrt(variance)))
                what = repr(col.name) if col.model is None else f"the model's prediction of {col.name!r}"
                told = f"{what} differs by {gap:+.4g} between {case.source.labels[a]} and the control"
                if _of_few(case, col, a):
                    told = f"{case.source.labels[a]} and the control differ most in {what} {TOO_FEW}"
                    rare.add(told)
                found.append((p, told, col.model is not None or col in learned))
    if not found:
        return None
    # A model finds out from such a column who was treated, and its prediction takes the effect away.
    modelled = [f for f in found if f[2] and judge("balance", f[0]) != "passed"]
    p, message, _ = min(modelled or found)
    status = "failed" if modelled else judge("balance", p)
    remedy = ""
    if status != "passed":
        remedy = (
            "the covariate was moved by the tactic (then leave it out: it is measured after assignment), or the arms "
            "were not drawn by lot"
        )
    if message in rare:
        return Check("balance", status, message, None, bound("balance"), remedy)
    return Check("balance", status, f"{message} ({p_words(p)})", p, bound("balance"), remedy)


def _of_few(case: Case, col: Col, a: int) -> bool:
    """Whether a difference of means would count fewer than ten people of an arm, or of the control."""
    if col.model is not None or not rows_are_people(None, case.source.meta):
        return False
    arms = [a, case.source.control]
    if case.source.strata == 1 and not any(
        _may_be_few(case.fit.sample.arms[k], case.fit.cols.index(col)) for k in arms
    ):
        return False  # seen without another pass over the data
    sizes, live, shape = case.source.sizes(), case.source.above(col, 0.0), case.source.shape(col)
    flag = math.isclose(shape.total, shape.largest * (1 - shape.zeros) * float(sizes.sum()), rel_tol=1e-9)
    return bool(small(live[arms]).any() or (flag and small((sizes - live)[arms]).any()))


def _may_be_few(arm: Arm, at: int) -> bool:
    """Whether fewer than ten of an arm may have a value, or, if it is a flag, be without it, for all that sums say.

    At least (sum x)^2 / (sum x^2) values are no zeros (Cauchy and Schwarz); of a flag of 0 and c it is their number.
    """
    mean = float(arm.mean[at] + arm.rest[at])
    square = float(arm.cross[at, at]) / arm.n + mean * mean
    live = arm.n * mean * mean / square if square > 0 else 0.0
    return min(live, arm.n - live) < MIN_CELL


def leakage(case: Case) -> Check | None:
    """Is a covariate the outcome under another name?"""
    found: list[tuple[float, str, bool]] = []
    arm = case.fit.sample.arms[case.source.control]
    sets = [(m, adjusters(k, m, case.source)) for k, m in enumerate(case.metrics)]
    sets += [(m, learned_from(m, case.source)) for m in case.metrics]
    for metric, cols in sets:
        held = usable(np.array([arm.cross]), [case.fit.cols.index(c) for c in cols])
        for column in parts(metric) if held else ():
            at = case.fit.cols.index(Col(column))
            total = float(arm.cross[at, at])
            if total > 0:
                one = value(Recipe(at, None, tuple(held)), arm, arm.mean)
                share = 1 - float(one.gradient @ arm.cross @ one.gradient) / total
                found.append((share, column, model_of(metric) is not None))
    if not found:
        return None
    share, column, modelled = max(found)
    status = judge("leakage", share)
    if status != "passed" and modelled:
        status = "failed"  # what explains everything before the test was not measured before it
    message = f"the covariates explain {share:.2%} of the variance of {column!r}"
    remedy = "" if status == "passed" else "a covariate is the outcome itself under another name: leave it out"
    return Check("leakage", status, message, share, bound("leakage"), remedy)


def first_stage(case: Case) -> Check | None:
    """Did assignment make receipt more frequent?"""
    if not case.fit.receipts:
        return None
    labels = case.source.labels
    worst = min(case.fit.receipts, key=lambda r: (r.treated > r.control, r.strength))
    value = min(worst.strength, 1e300)
    against = f"{worst.control:.3g} of {labels[case.source.control]}"
    message = f"{worst.treated:.3g} of {labels[worst.arm]} against {against} received: F = {worst.strength:,.4g}"
    if worst.treated <= worst.control:
        remedy = "check the column of receipt and the labels of the arms; rows among compliers mean nothing here"
        return Check("first_stage", "failed", message, value, bound("first_stage"), remedy)
    status = judge("first_stage", value)
    remedy = (
        ""
        if status == "passed"
        else (
            "read the interval among compliers (Anderson-Rubin), which stays valid, not its estimate and standard error"
        )
    )
    return Check("first_stage", status, message, value, bound("first_stage"), remedy)


def _covariates(case: Case) -> list[Col]:
    found = [col for k, m in enumerate(case.metrics) for col in adjusters(k, m, case.source)]
    return list(dict.fromkeys([*found, *(col for m in case.metrics for col in learned_from(m, case.source))]))
