"""The audit of an instrument: which checks run. Their rules are in `rules`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.observational.instrument.intake import Trial
from gmvcausal.observational.instrument.numbers import Fit
from gmvcausal.observational.instrument.partial import Partial
from gmvcausal.observational.instrument.result import set_words
from gmvcausal.observational.instrument.rules import MIN_CLUSTERS, bound, judge
from gmvcausal.results import Audit, Check
from gmvcausal.stats.humps import two_humps
from gmvcausal.stats.inference import chi_square
from gmvcausal.stats.small_sample import groups_of_clusters

FloatArray = NDArray[np.float64]
Pieces = tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class Case:
    """What a check may look at."""

    trial: Trial
    left: Partial
    fit: Fit
    accepted: Pieces
    srm_alpha: float
    shares: FloatArray | None
    estimate: float

    def sums(self) -> FloatArray:
        """Influences of rows, or of clusters."""
        own, cluster = self.fit.influence, self.trial.cluster
        return own if cluster is None else np.bincount(cluster, own).astype(np.float64)


def _p(p: float) -> str:
    return f"p = {p:.4f}" if p >= 0.0001 else f"p = {p:.1e}" if p >= 1e-300 else "p < 1e-300"


def f_words(value: float) -> str:
    """An F in a sentence."""
    if math.isinf(value):
        return "infinite"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def weak_instrument(case: Case) -> Check:
    """Does the instrument move the treatment enough for estimate and standard error to be read?"""
    fit = case.fit
    value = min(fit.strength / fit.bound, 1e300) if fit.bound > 0 else 1e300
    shown = "the treatment follows without rest"
    if math.isfinite(fit.strength):
        shown = f"effective F = {f_words(fit.strength)}"
    needed = f"{fit.bound:.3g}" if fit.bound > 0 else "none"
    message = f"{shown}; {needed} keeps the bias below 10 % of the worst case"
    if any(math.isinf(end) for piece in case.accepted for end in piece):
        return Check(
            "weak_instrument", "failed", f"{message}; {set_words(case.accepted)}", value, bound("weak_instrument"),
            "the instrument hardly moves the treatment, so only the effect of assignment can be told: read the rows "
            "of intent to treat, and encourage more strongly next time",
        )  # fmt: skip
    status = judge("weak_instrument", value)
    remedy = "" if status == "passed" else (
        "read the Anderson-Rubin set, which holds however weak the instrument is, not estimate and standard error"
    )  # fmt: skip
    return Check("weak_instrument", status, message, value, bound("weak_instrument"), remedy)


def balance(case: Case) -> Check | None:
    """Is an instrument unrelated to what was known before?"""
    from scipy import special

    t = case.trial
    if not t.x.shape[1]:
        return None
    worst, message = 1.0, ""
    for name, column in zip(t.names, t.z.T, strict=True):
        moved = column - column.mean()
        moved /= np.abs(moved).max()
        scores = t.x * moved[:, None]
        if t.cluster is not None:
            groups = int(t.cluster.max()) + 1
            scores = np.column_stack([np.bincount(t.cluster, c, minlength=groups) for c in scores.T])
        spread = np.sqrt(np.einsum("ij,ij->j", scores, scores))
        z = np.abs(scores.sum(axis=0)) / np.where(spread > 0, spread, 1.0)
        p = 2 * special.ndtr(-z)
        j = int(np.argmin(p))
        if p[j] < worst or not message:
            worst = float(p[j])
            message = f"covariate {t.covariates[j]!r} differs most with {name!r} ({_p(worst)})"
    value = min(1.0, worst * t.x.shape[1] * t.z.shape[1])
    status = judge("balance", value)
    remedy = "" if status == "passed" else (
        "assignment by lot leaves no such difference: find out who decided; where the lot went by this covariate "
        "(strata) it belongs among the covariates and all is well"
    )  # fmt: skip
    return Check("balance", status, message, value, bound("balance"), remedy)


def overidentification(case: Case) -> Check | None:
    """Do several instruments tell of one effect?"""
    value, df, p = case.fit.over
    if not df:
        return None
    if not case.accepted:
        return Check(
            "overidentification", "failed", "no value of the effect is compatible with all instruments (the "
            "Anderson-Rubin set is empty)", None if math.isnan(p) else p, bound("overidentification"),
            "an instrument acts in other ways than through the treatment, or compliers of the instruments differ: use "
            "them one at a time, and keep those whose exclusion can be argued for",
        )  # fmt: skip
    if math.isnan(p):
        return Check("overidentification", "not_run", "there are no more clusters than moments")
    status = judge("overidentification", p)
    remedy = "" if status == "passed" else (
        "use the instruments one at a time and compare: one of them acts in other ways than through the treatment, or "
        "their compliers differ"
    )  # fmt: skip
    return Check(
        "overidentification", status, f"J = {value:.4g} on {df} degrees of freedom: {_p(p)}", p,
        bound("overidentification"), remedy,
    )  # fmt: skip


def one_sided(case: Case) -> Check | None:
    """Was anybody treated who was not assigned?"""
    t = case.trial
    if not (t.two_arms and t.binary) or t.arm is None:
        return None
    value = float(t.d[t.arm == 0].mean())
    status = judge("one_sided", value)
    if status == "passed":
        return Check("one_sided", status, "nobody was treated without being assigned, so monotonicity holds", value,
                     bound("one_sided"))  # fmt: skip
    return Check(
        "one_sided", status, f"{value:.1%} were treated without being assigned, so that nobody refuses because of "
        "being assigned is assumed, not seen", value, bound("one_sided"),
        "check how these rows came about (logging, test accounts); if they are real, the answer is about compliers "
        "alone",
    )  # fmt: skip


def sample_ratio(case: Case) -> Check | None:
    """Do the arms of the instrument have the shares that were planned?"""
    t = case.trial
    if case.shares is None or t.arm is None:
        return None
    arm, what = t.arm, "rows"
    if t.cluster is not None:
        group = groups_of_clusters(t.arm, t.cluster, len(t.labels))
        if group.max() < len(t.labels):  # whole clusters were drawn
            arm, what = group[group >= 0], f"{t.cluster_name} clusters"
    counts = np.bincount(arm, minlength=len(t.labels))
    p = chi_square(counts, case.shares * len(arm))
    status = "failed" if p < case.srm_alpha else judge("sample_ratio", max(p, 0.01))
    told = ", ".join(f"{label} {int(c):,}" for label, c in zip(t.labels, counts, strict=True))
    remedy = "" if status == "passed" else (
        "find out who is missing (assignment, logging, filters) before reading any effect, or correct expected_ratio="
    )  # fmt: skip
    return Check("sample_ratio", status, f"{told} {what}: {_p(p)}", p, case.srm_alpha, remedy)


def clusters_of(trial: Trial) -> tuple[int, float, bool]:
    """Clusters of the smallest arm (of all, where they hold several), what they are worth, and whether they do."""
    assert trial.cluster is not None
    arms = len(trial.labels) or 1
    arm = np.zeros(trial.n, dtype=np.int64) if trial.arm is None else trial.arm
    group = groups_of_clusters(arm, trial.cluster, arms)
    size = np.bincount(trial.cluster).astype(float)
    crossed = trial.arm is None or bool((group == arms).any())
    kinds = [group >= 0] if crossed else [group == a for a in range(arms)]
    worth = [float(size[k].sum() ** 2 / (size[k] ** 2).sum()) for k in kinds]
    return min(int(k.sum()) for k in kinds), min(worth), crossed


def few_clusters(case: Case) -> Check | None:
    """Are there enough clusters for the standard errors?"""
    if case.trial.cluster is None:
        return None
    fewest, worth, crossed = clusters_of(case.trial)
    told = f"{fewest} in all" if crossed else f"{fewest} in the smallest arm"
    if worth < 0.95 * fewest:
        told += f"; their sizes differ, they are worth {worth:.3g} of one size"
    status = "failed" if fewest < MIN_CLUSTERS else judge("few_clusters", max(round(worth, 6), float(MIN_CLUSTERS)))
    remedy = {
        "passed": "",
        "warned": "read intervals near zero with care",
        "failed": f"assign more clusters; at least {MIN_CLUSTERS} are needed for an interval",
    }[status]
    message = f"clusters by {case.trial.cluster_name}: {told}"
    return Check("few_clusters", status, message, round(worth, 6), bound("few_clusters"), remedy)


def cluster_level(case: Case) -> Check | None:
    """Was the level of assignment found, not named?"""
    name = case.trial.cluster_name
    if not case.trial.found_cluster:
        return None
    return Check(
        "cluster_level", "warned", f"assignment does not vary within {name!r}, so standard errors are clustered there",
        remedy=f"name it, cluster={name!r}, or give each row a cluster of its own if rows were assigned one by one",
    )  # fmt: skip


def tail(case: Case) -> Check:
    """Is the effect too skewed for its interval?"""
    own = case.sums()
    top = float(np.abs(own).max())
    value = 0.0
    if top > 0:
        own = own / top
        squares, cubes = float((own**2).sum()), abs(float((own**3).sum()))
        left = squares - 1.0
        rest = max(cubes - 1.0, 0.0) / left**1.5 if left > 1e-9 * squares else 0.0
        value = max(rest, cubes / squares**1.5 / 3)
    status = judge("tail", value)
    message = f"the effect has a skewness of {value:.2g}"
    if status == "passed":
        return Check("tail", status, message, value, bound("tail"))
    return Check(
        "tail", status, f"{message}: a few large values decide its interval", value, bound("tail"),
        "collect more rows, or read the test of a capped outcome beside it (gc.ab_test, received=, cap=)",
    )  # fmt: skip


def leverage(case: Case) -> Check:
    """Does one row carry the effect?"""
    own = case.sums()
    squares = own**2
    total = float(squares.sum())
    at = int(np.argmax(squares))
    value = float(squares[at]) / total if total > 0 else 0.0
    clustered = case.trial.cluster is not None
    limit = max(float(bound("leverage") or 0), 10 / len(own) if clustered else 0.0)
    status = "passed" if value <= limit else judge("leverage", value)
    what = f"{case.trial.cluster_name} cluster" if clustered else "row"
    message = f"the largest {what} carries {value:.1%} of the variance of the effect"
    if status != "passed":
        message += f"; without it the effect is {case.estimate - own[at]:+.4g}"
    remedy = "" if status == "passed" else f"look at this {what}; read the effect on a capped outcome beside it"
    return Check("leverage", status, message, value, bound("leverage"), remedy)


def leakage(case: Case) -> Check | None:
    """Is a covariate the outcome under another name?"""
    t = case.trial
    y = t.y - t.y.mean()
    top = float(np.abs(y).max())
    if not t.x.shape[1] or not top > 0:
        return None
    y = y / top
    share = (t.x.T @ y) ** 2 / (np.einsum("ij,ij->j", t.x, t.x) * float(y @ y))
    j = int(np.argmax(share))
    status = judge("leakage", float(share[j]))
    remedy = "" if status == "passed" else "it is the outcome itself under another name: leave it out of covariates"
    return Check(
        "leakage", status, f"{t.covariates[j]!r} alone explains {share[j]:.2%} of the variance of the outcome",
        float(share[j]), bound("leakage"), remedy,
    )  # fmt: skip


def zero_variance(case: Case) -> Check | None:
    """Does the outcome vary?"""
    y = case.trial.y
    if y.min() != y.max():
        return None
    return Check("zero_variance", "warned", f"the outcome is {y[0]:g} in every row",
                 remedy="check the window and the join")  # fmt: skip


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


# Every check, in the order of the published table.
CHECKS: tuple[Callable[[Case], Check | None], ...] = (
    weak_instrument, balance, overidentification, one_sided, sample_ratio, few_clusters, cluster_level, tail, leverage,
    leakage, zero_variance, scale_mix,
)  # fmt: skip


def run_audit(case: Case) -> Audit:
    """Run every check that applies; what `Logs` found when it made the frame follows."""
    found = [check for function in CHECKS if (check := function(case)) is not None]
    names = {check.name for check in found}
    for fact in case.trial.facts.get("checks", []):
        if fact["name"] not in names:
            value, threshold = fact.get("value"), fact.get("threshold")
            found.append(
                Check(
                    str(fact["name"]), str(fact["status"]), str(fact["message"]),
                    float(value) if isinstance(value, int | float) else None,
                    float(threshold) if isinstance(threshold, int | float) else None, str(fact.get("remedy", "")),
                )
            )  # fmt: skip
    return Audit(tuple(found))
