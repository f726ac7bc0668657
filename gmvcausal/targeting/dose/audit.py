"""The audit of doses: was it a lot, is anything left to learn from, is a line enough, who decides the slope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmvcausal.results import Audit, Check
from gmvcausal.results.audit import audit_with
from gmvcausal.targeting.audit.case import Case, worded
from gmvcausal.targeting.audit.of_outcome import all_zero, leakage, negative_amounts, quantisation, scale_mix
from gmvcausal.targeting.audit.rules import MIN_CLUSTERS
from gmvcausal.targeting.dose.fit import DoseFit, FloatArray
from gmvcausal.targeting.dose.intake import Doses
from gmvcausal.targeting.dose.rules import bound, judge
from gmvcausal.targeting.dose.slope import Slope, bend


@dataclass(frozen=True, eq=False)
class DoseCase:
    """What a check may look at."""

    doses: Doses
    fit: DoseFit
    found: Slope
    srm_alpha: float

    @property
    def row(self) -> str:
        """What one influence belongs to."""
        t = self.doses.trial
        return f"{t.cluster_name} cluster" if t.cluster is not None else "row"


def expected_dose(case: DoseCase) -> Check:
    """Do the doses have the mean that was given?"""
    from scipy import special

    t = case.doses.trial
    if case.doses.expected is None:
        return Check(
            "expected_dose", "not_run", "the expected dose was not given but estimated, so nothing was planned",
            remedy="pass propensity=, the mean dose, where a lot decided",
        )  # fmt: skip
    sums = case.fit.d if t.cluster is None else np.bincount(t.cluster, case.fit.d)
    n = len(sums)
    spread = float(np.sqrt(((sums - sums.mean()) ** 2).sum() * n / (n - 1)))
    z = float(sums.sum()) / spread if spread > 0 else np.inf
    p = 2 * float(special.stdtr(n - 1, -abs(z)))
    status = "failed" if p < case.srm_alpha else judge("expected_dose", max(p, 0.01))
    mean, planned = float(case.doses.dose.mean()), float(case.doses.expected.mean())
    remedy = "" if status == "passed" else "find out whose doses are missing or were changed, or correct propensity="
    message = f"mean dose {mean:,.6g} (expected {planned:,.6g}): {worded(p)}"
    return Check("expected_dose", status, message, p, case.srm_alpha, remedy)


def dose_balance(case: DoseCase) -> Check | None:
    """Does the given mean miss what features know of the dose?"""
    p = case.fit.strayed
    if np.isnan(p) or case.doses.trial.cluster is not None:
        return None
    status = judge("dose_balance", p)
    told = "predict" if status != "passed" else "do not predict"
    remedy = "" if status == "passed" else (
        "a feature was moved by the tactic (then leave it out: it is measured after assignment), or propensity= is not "
        "what decided (then leave that out)"
    )  # fmt: skip
    return Check(
        "dose_balance", status, f"features {told} by how much doses miss the given mean ({worded(p)})", p,
        bound("dose_balance"), remedy,
    )  # fmt: skip


def dose_variation(case: DoseCase) -> Check:
    """Is anything left of the dose once the features are known?"""
    dose, d = case.doses.dose, case.fit.d
    off = dose - dose.mean()
    share = max(0.0, 1.0 - float(d @ d) / float(off @ off))
    status = judge("dose_variation", share)
    remedy = "" if status == "passed" else (
        "the rest may be rounding or errors of recording: vary the dose by lot among users who are alike, or leave out "
        "the feature that decides it if it does not move the outcome itself"
    )  # fmt: skip
    message = f"{share:.1%} of the variance of the dose is explained by what was known before"
    return Check("dose_variation", status, message, share, bound("dose_variation"), remedy)


def curvature(case: DoseCase) -> Check | None:
    """Is a line enough?"""
    fit = case.fit
    if len(np.unique(case.doses.dose)) < 3:
        return None
    found = bend(fit.d, fit.square, fit.y - fit.slopes * fit.d, case.doses.trial.cluster)
    if found is None or np.isnan(found.p_value):
        return None
    status = judge("curvature", found.p_value)
    way = "rises" if found.change > 0 else "falls"
    message = f"the slope {way} by {abs(found.change):.3g} with each unit of the dose ({worded(found.p_value)})"
    if status == "passed":
        return Check("curvature", status, f"no bend is seen: {message}", found.p_value, bound("curvature"))
    return Check(
        "curvature", status, message, found.p_value, bound("curvature"),
        "read the slope as an average over the doses given, not as that at the next unit; group the amounts into few "
        "arms (without dose=) to see the curve",
    )  # fmt: skip


def effective_sample_size(case: DoseCase) -> Check:
    """How many rows do the rows amount to that the slope hangs on?"""
    weight = case.fit.d**2
    weight = weight / weight.sum()
    worth = round(1.0 / float(weight @ weight), 6)
    status = judge("effective_sample_size", worth)
    remedy = "" if status == "passed" else "a few unusual doses decide: collect more rows, or spread doses more evenly"
    message = f"the {len(weight):,} rows count as {worth:,.1f} of equal weight"
    return Check("effective_sample_size", status, message, worth, bound("effective_sample_size"), remedy)


def tail(case: DoseCase) -> Check:
    """Is the slope too skewed for its interval?"""
    value = skewness(case.found.influence)
    status = judge("tail", value)
    message = f"the average slope has a skewness of {value:.2g}"
    if status == "passed":
        return Check("tail", status, message, value, bound("tail"))
    return Check(
        "tail", status, f"{message}: a few large values decide its interval", value, bound("tail"),
        "collect more rows, or read the slope of a capped outcome beside it",
    )  # fmt: skip


def skewness(influence: FloatArray) -> float:
    """Of a sum of influences: without the largest, or a third of that with it."""
    cubes, squares = float((influence**3).sum()), float((influence**2).sum())
    if not squares > 0:
        return 0.0
    largest = float(np.abs(influence).max())
    left = squares - largest**2
    rest = max(abs(cubes) - largest**3, 0.0) / float(left**1.5) if left > 1e-9 * squares else 0.0
    return float(max(rest, abs(cubes) / squares**1.5 / 3))


def leverage(case: DoseCase) -> Check:
    """Does one row carry the slope?"""
    own = case.found.influence
    squares = own**2
    total = float(squares.sum())
    worst = float(squares.max()) / total if total > 0 else 0.0
    limit = max(float(bound("leverage") or 0), 10 / len(own) if case.doses.trial.cluster is not None else 0.0)
    status = "passed" if worst <= limit else judge("leverage", worst)
    message = f"the largest {case.row} carries {worst:.1%} of the variance of the average slope"
    if status != "passed":
        message += f"; without it the slope is about {case.found.estimate - own[int(np.argmax(squares))]:+.4g}"
    remedy = "" if status == "passed" else f"look at this {case.row}; read the slope of a capped outcome beside it"
    return Check("leverage", status, message, worst, bound("leverage"), remedy)


def few_clusters(case: DoseCase) -> Check | None:
    """Are there enough clusters for the standard error?"""
    if case.doses.trial.cluster is None:
        return None
    count = float(len(case.found.weight))
    worth = round(1.0 / float(case.found.weight @ case.found.weight), 6)
    told = f"{count:.0f} in all" + (f", worth {worth:.3g} of equal weight" if worth < 0.95 * count else "")
    status = "failed" if count < MIN_CLUSTERS else judge("few_clusters", max(worth, float(MIN_CLUSTERS)))
    remedy = {
        "passed": "",
        "warned": "read intervals near zero with care",
        "failed": f"vary the dose over more clusters; at least {MIN_CLUSTERS} are needed for an interval",
    }[status]
    message = f"clusters by {case.doses.trial.cluster_name}: {told}"
    return Check("few_clusters", status, message, worth, bound("few_clusters"), remedy)


def cluster_level(case: DoseCase) -> Check | None:
    """Was the level of assignment found, not named?"""
    name = case.doses.trial.cluster_name
    if not case.doses.trial.found_cluster:
        return None
    return Check(
        "cluster_level", "warned", f"the dose does not vary within {name!r}, so standard errors are clustered there",
        remedy=f"name it, cluster={name!r}, or give each row a cluster of its own if rows were assigned one by one",
    )  # fmt: skip


# Every check, in the order of the published table: of doses, then of the outcome alone.
CHECKS: tuple[Callable[[DoseCase], Check | None], ...] = (
    expected_dose, dose_balance, dose_variation, curvature, effective_sample_size, tail, leverage, few_clusters,
    cluster_level,
)  # fmt: skip
OF_OUTCOME: tuple[Callable[[Case], Check | None], ...] = (
    leakage, all_zero, negative_amounts, scale_mix, quantisation,
)  # fmt: skip


def run_audit(case: DoseCase) -> Audit:
    """Run every check that applies; what `Logs` found when it made the frame follows."""
    found = [check for function in CHECKS if (check := function(case)) is not None]
    t = case.doses.trial
    none = np.empty((t.n, 0))
    # These look at rows alone, not at arms.
    rows = Case(t, none, none, "ate", None, case.srm_alpha)  # type: ignore[arg-type]  # no averages of arms
    found += [check for of_rows in OF_OUTCOME if (check := of_rows(rows)) is not None]
    return audit_with(found, t.facts)
