"""Checks of how arms came about: sizes, balance, overlap, clusters, doses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.results import Check, usual_checks
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.nuisance.aipw import overlap_weight
from gmvcausal.stats.small_sample import groups_of_clusters
from gmvcausal.targeting.audit.case import Case
from gmvcausal.targeting.audit.rules import RARE, RULES, bound, judge
from gmvcausal.targeting.intake.trial import Trial

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def ratio_test(arm: IntArray, e: FloatArray, more: float = 1.0) -> float:
    """P-value of the test that arms were drawn with the chances `e`, whatever these are; Pearson's for equal rows.

    Of estimated chances, `more` is how many times wider the gap spreads than chances alone make it.

    Examples
    --------
    >>> arm = np.repeat([0, 1], [40, 60])
    >>> round(ratio_test(arm, np.full((100, 2), 0.5)), 6)
    0.0455
    """
    return ratio_test_of_sums(np.bincount(arm, minlength=e.shape[1]), e.sum(axis=0), e.T @ e, more)


def ratio_test_of_sums(sizes: IntArray, expected: FloatArray, together: FloatArray, more: float = 1.0) -> float:
    """`ratio_test` from the sizes of the arms, and the sums of their chances and of the products of these."""
    from scipy import special

    gap = (sizes - expected)[1:]
    cov = more * (np.diag(expected[1:]) - together[1:, 1:])
    return float(special.chdtrc(len(gap), float(gap @ np.linalg.solve(cov, gap))))


def as_drawn(t: Trial, e: FloatArray) -> tuple[IntArray, FloatArray, str]:
    """Arms and chances of what was drawn: rows, or whole clusters, which the words then name."""
    if t.cluster is None:
        return t.arm, e, ""
    groups = int(t.cluster.max()) + 1
    group = groups_of_clusters(t.arm, t.cluster, t.arms)
    if group.max() == t.arms:
        return t.arm, e, ""
    size = np.bincount(t.cluster, minlength=groups)
    each = np.column_stack([np.bincount(t.cluster, c, minlength=groups) / size for c in e.T])
    return group, each, f" {t.cluster_name} clusters"


def counts_beside(t: Trial, arm: IntArray, e: FloatArray) -> str:
    """Sizes of the arms and what their chances lead to."""
    return sizes_beside(t.labels, np.bincount(arm, minlength=t.arms), e.sum(axis=0))


def sizes_beside(labels: Sequence[Any], sizes: IntArray, expected: FloatArray) -> str:
    """Sizes of the arms and what was expected, in words."""
    return ", ".join(f"{label} {n:,} (expected {x:,.1f})" for label, n, x in zip(labels, sizes, expected, strict=True))


def sample_ratio(case: Case) -> Check:
    """Do the arms have the sizes that the given chances lead to?"""
    t = case.trial
    if not t.known:
        return Check(
            "sample_ratio", "not_run", "the chances of the arms were not given but estimated, so nothing was planned",
            remedy="pass propensity= where a lot or a log of probabilities decided",
        )  # fmt: skip
    arm, e, what = as_drawn(t, case.e)
    return ratio_check(ratio_test(arm, e), counts_beside(t, arm, e) + what, case.srm_alpha)


def ratio_check(p: float, told: str, srm_alpha: float) -> Check:
    """The check of the sizes of the arms, from its p-value and what to say of the sizes."""
    status = "failed" if p < srm_alpha else judge("sample_ratio", max(p, 0.01))
    remedy = "" if status == "passed" else (
        "find out who is missing (assignment, logging, filters) before reading any effect, or correct propensity="
    )  # fmt: skip
    return Check("sample_ratio", status, f"{told}: {p_words(p)}", p, srm_alpha, remedy)


def balance(case: Case) -> Check | None:
    """Were those who got an arm like all others, given the chances?"""
    from scipy import special

    t = case.trial
    if not t.known or t.cluster is not None or not t.x.shape[1]:
        return None
    worst, message, tests = 1.0, "", 0
    got = np.eye(t.arms)[t.arm]
    off = got - case.e
    for j, name in enumerate(t.features.names):
        levels = t.features.levels[j]
        columns = [(t.x[:, j].astype(float), name)] if not levels else [
            ((t.x[:, j] == k).astype(float), f"{name} = {level}") for k, level in enumerate(levels[:50])
        ]  # fmt: skip
        gaps = np.isnan(t.x[:, j])
        if gaps.any():
            columns.append((gaps.astype(float), f"{name} missing"))
        for values, told in columns:
            live = np.where(np.isnan(values), np.nanmean(values) if not gaps.all() else 0.0, values)
            live = live - live.mean()
            for a in range(1, t.arms):
                size = float((live * off[:, a]).sum())
                variance = float((live**2 * case.e[:, a] * (1 - case.e[:, a])).sum())
                if variance <= 1e-12 * len(live):
                    continue
                tests += 1
                p = 2 * float(special.ndtr(-abs(size) / np.sqrt(variance)))
                if p < worst:
                    worst = p
                    message = (
                        f"{told!r} differs most, between {case.label(a)} and what its chances lead to ({p_words(p)})"
                    )
    if not tests:
        return None
    p = min(1.0, worst * tests)
    status = judge("balance", p)
    remedy = "" if status == "passed" else (
        "the feature was moved by the tactic (then leave it out: it is measured after assignment), or propensity= is "
        "not what decided"
    )  # fmt: skip
    return Check("balance", status, message, p, bound("balance"), remedy)


def overlap(case: Case) -> Check:
    """How many of those whom the effect is about could hardly have got what they are compared in?"""
    t, e = case.trial, case.e
    if case.estimand == "att":
        worst = max(float((e[t.arm == a, 0] < RARE).mean()) for a in range(1, t.arms))
    else:
        worst = float((e.min(axis=1) < RARE).mean())
    return overlap_check(worst, case.estimand)


def overlap_check(worst: float, estimand: str) -> Check:
    """The check of overlap, from the share of those who could hardly have got what they are compared in."""
    if estimand == "overlap":
        return Check(
            "overlap", "passed", "rows count by how near the chances of the arms are, so that none counts too much"
        )
    att = estimand == "att"
    who = f"of the {'treated' if att else 'rows'} have a chance below"
    status = judge("overlap", worst)
    remedy = "" if status == "passed" else (
        "read the effect weighted by overlap beside it (estimand='overlap'), or keep to those who could get every arm"
    )  # fmt: skip
    message = f"{worst:.1%} {who} {RARE:g} of {'the control' if att else 'some arm'}"
    return Check("overlap", status, message, worst, bound("overlap"), remedy)


def effective_sample_size(case: Case) -> Check:
    """How many rows do the weighted rows of an arm amount to?"""
    t, e = case.trial, case.e
    at = np.arange(t.n)
    weight = 1 / e[at, t.arm]
    if case.estimand == "overlap":
        weight = weight * overlap_weight(e)
    found: list[tuple[float, int, int]] = []
    for a in range(t.arms):
        own = weight[t.arm == a]
        if case.estimand == "att" and a:
            continue
        if case.estimand == "att":
            for b in range(1, t.arms):
                odds = (e[:, b] / e[:, 0])[t.arm == 0]
                found.append((float(odds.sum() ** 2 / (odds**2).sum()), a, len(odds)))
            continue
        found.append((float(own.sum() ** 2 / (own**2).sum()), a, len(own)))
    least, a, n = min(found)
    return effective_check(least, n, case.label(a))


def effective_check(least: float, n: int, label: str) -> Check:
    """The check of the effective sample size, from that of the smallest arm."""
    status = judge("effective_sample_size", round(least, 6))
    remedy = "" if status == "passed" else "a few rows decide: collect more of this arm, or read estimand='overlap'"
    message = f"the {n:,} rows of {label} count as {least:,.1f} of equal weight"
    return Check("effective_sample_size", status, message, round(least, 6), bound("effective_sample_size"), remedy)


def worth(trial: Trial) -> usual_checks.Worth:
    """The clusters of the smallest arm, of all where they hold several arms."""
    assert trial.cluster is not None
    return usual_checks.worth_of(trial.cluster, trial.arm)


def few_clusters(case: Case) -> Check | None:
    """Are there enough clusters for the standard errors?"""
    t = case.trial
    return None if t.cluster is None else usual_checks.few_clusters(RULES["few_clusters"], t.cluster_name, worth(t))


def cluster_level(case: Case) -> Check | None:
    """Was the level of assignment found, not named?"""
    return usual_checks.cluster_level(case.trial.cluster_name) if case.trial.found_cluster else None


def first_stage(case: Case) -> Check | None:
    """Did assignment make receipt more frequent?"""
    if not case.receipts:
        return None
    labels = case.trial.labels
    at = min(range(len(case.receipts)), key=lambda a: (case.receipts[a].effect > 0, case.receipts[a].strength))
    worst = case.receipts[at]
    value = min(worst.strength, 1e300)
    message = (
        f"{worst.treated:.3g} of {labels[at + 1]} against {worst.control:.3g} of {labels[0]} received: F = {value:,.4g}"
    )
    if worst.effect <= 0:
        status, remedy = "failed", (
            "check the column of receipt and the labels of the arms; rows among compliers mean nothing here"
        )  # fmt: skip
    else:
        status = judge("first_stage", value)
        remedy = "" if status == "passed" else (
            "read the interval among compliers (Anderson-Rubin), which stays valid, not its estimate and standard error"
        )  # fmt: skip
    return Check("first_stage", status, message, value, bound("first_stage"), remedy)


def dose(case: Case) -> Check | None:
    """Are the arms steps of one amount rather than tactics of their own?"""
    labels = case.trial.labels
    if not all(isinstance(v, int) for v in labels) or judge("dose", len(labels)) == "passed":
        return None
    return Check(
        "dose", "warned", f"{len(labels)} arms are numbers: each is compared with the control by itself",
        float(len(labels)), bound("dose"),
        "if they are amounts of one tactic (a face value), group them into few arms, or pass dose=True for one slope",
    )  # fmt: skip
