"""The audit of a roll-out: one function per check, and the published table of what each is held against.

`credible` means that no check failed. The thresholds live in `TABLE` and nowhere else; `docs/audit.md` prints it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gmvcausal.errors import GmvCausalError
from gmvcausal.results import Audit, Check
from gmvcausal.rollout.attrition import attrition_bounds
from gmvcausal.rollout.cohorts import UNTREATED
from gmvcausal.rollout.estimators import MIN_CLUSTERS, Fitted, FloatArray, Options, Series
from gmvcausal.rollout.panel import Panel
from gmvcausal.stats.inference import p_value, wald

# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = {
    "selection": (
        "p-value of the difference, before any treatment, between units that are later treated and units that "
        "never are (naive only)",
        "p < .05", "p < .01",
    ),
    "pre_trend": ("p-value of the joint test that all leads are zero (universal base)",
    "p < .05, or one lead period only", "p < .01"),
    "pre_trend_slope": (
        "p-value of the straight line through the leads, and how much of the effect it would give if carried forward",
        "p < .05", "p < .01 and the line carried forward is at least half the effect",
    ),
    "few_clusters": ("clusters on the smaller of the treated and the control side", "< 30",
    f"< {MIN_CLUSTERS} (no interval is given)"),
    "cohort_size": ("units in the smallest cohort", "< 5", "never"),
    "always_treated": ("share of units left out because they were treated from the start", "> 0", "> .5"),
    "never_treated": ("whether never-treated units exist", "none", "never"),
    "period_gaps": ("periods missing for all units", "> 0", "never"),
    "attrition": ("share of unit-periods that are absent", "> 0 (bounds are printed)", "never"),
    "late_entry": (
        "difference between treated and untreated units in the share first active after the first thirteenth of "
        "the panel",
        "> .10 (rerun on units seen early)", "never",
    ),
    "leverage": ("share of the variance that comes from the largest unit", "> .10 (rerun with winsorised outcome)",
    "never"),
    "scale_mix": ("share of units whose level is a hundred times the median, apart from the rest", "> .005", "never"),
    "id_reuse": ("units that occur under more than one room, city, store or region", "> 0", "never"),
    "all_zero": ("share of outcomes that are exactly zero", "= 1", "never"),
    "quantisation": ("spacing of the numbers in their source type over their standard deviation", "> 1e-6", "never"),
    "forbidden_comparisons": ("whether units already treated serve as controls", "never",
    "they do (staggered or switching treatment)"),
    "campaign_overlap": (
        "share of comparison unit-periods under another campaign",
        "> .05 (rerun without them)", "the rerun lies more than 2 standard errors away and changes the conclusion",
    ),
    "spillover": ("whether treated units can affect others: not testable from these columns", "never", "never"),
}  # fmt: skip

_LATE_GAP, _LEVERAGE, _OVERLAP, _SCALE = 0.10, 0.10, 0.05, 0.005


@dataclass(frozen=True)
class Case:
    """What a check may look at.

    Attributes
    ----------
    rerun : callable
        From a changed panel to its headline estimate and standard error.
    event : Series or None
    """

    panel: Panel
    fitted: Fitted
    options: Options
    rerun: Callable[[Panel], tuple[float, float]]
    event: Series | None


def run_audit(case: Case) -> Audit:
    """Run every check that applies to the estimator."""
    found: list[Check] = []
    design: tuple[Callable[[Case], Check | None], ...] = (
        pre_trend, pre_trend_slope, cohort_size, always_treated, never_treated, late_entry, forbidden_comparisons,
        campaign_overlap,
    )  # fmt: skip
    if case.options.estimator == "naive":
        design = (selection,)
    for function in (
        *design,
        few_clusters,
        period_gaps,
        attrition,
        leverage,
        scale_mix,
        id_reuse,
        all_zero,
        quantisation,
    ):
        check = function(case)
        if check is not None:
            found.append(check)
    found.append(
        Check("spillover", "not_run",
        "the data name no links between units; the estimate assumes that one unit's treatment leaves "
              "the others alone", remedy="compare with units that cannot be reached, for example in other cities")
    )  # fmt: skip
    found += [_from_meta(c) for c in case.panel.meta.get("checks", [])]
    return Audit(tuple(found))


def _from_meta(facts: dict[str, object]) -> Check:
    """A check that `Logs` made when it built the frame."""
    value, threshold = facts.get("value"), facts.get("threshold")
    return Check(
        str(facts["name"]), str(facts["status"]), str(facts["message"]),
        None if value is None else float(value),  # type: ignore[arg-type]  # JSON numbers by contract of Logs
        None if threshold is None else float(threshold),  # type: ignore[arg-type]
        str(facts.get("remedy", "")),
    )  # fmt: skip


# --- the naive comparison ---------------------------------------------------------------------------------------------
def selection(case: Case) -> Check:
    """Did the units that were treated differ before anyone was?"""
    y = case.panel.y
    start = case.panel.start
    ever = start != UNTREATED
    first = np.where(ever, np.maximum(start, 0), y.shape[1])
    # The same calendar periods on both sides: those before the first treatment of each treated unit, and all of the
    # others'.
    before = np.isfinite(y) & (np.arange(y.shape[1]) < first[:, None])
    levels = []
    for side in (ever, ~ever):
        rows = side & before.any(axis=1)
        if rows.sum() < 2:
            return Check(
                "selection", "not_run", "no treated unit is seen before its treatment, or no unit is never treated"
            )
        mean = np.where(before[rows], y[rows], 0.0).sum(axis=1) / before[rows].sum(axis=1)
        levels.append((float(mean.mean()), float(mean.var(ddof=1) / len(mean))))
    (later, v1), (never, v0) = levels
    se = math.sqrt(v1 + v0)
    p = float(p_value(np.array([later - never]), np.array([se]))[0]) if se > 0 else math.nan
    status = "failed" if p < 0.01 else "warned" if p < 0.05 else "passed"
    rest, seen = y[~ever], before[~ever]
    by_period = [float(rest[seen[:, t], t].mean()) for t in range(y.shape[1]) if seen[:, t].any()]
    message = (
        f"before any treatment, units treated later average {later:.4g}; units never treated average {never:.4g} "
        f"({min(by_period):.4g} to {max(by_period):.4g} by period; p = {_p(p)})"
    )
    remedy = (
        ""
        if status == "passed"
        else "the groups differed to begin with: compare changes, not levels, and audit the trends"
    )
    return Check("selection", status, message, p, 0.01, remedy)


# --- trends ---------------------------------------------------------------------------------------------------------
def _leads(event: Series | None) -> Series | None:
    """The leads that enough treated clusters stand behind."""
    if event is None or event.reference is None:
        return None
    use = (event.at < event.reference) & (event.clusters >= MIN_CLUSTERS)
    if not use.any():
        use = event.at < event.reference
    return Series(
        event.at[use],
        event.estimate[use],
        event.cov[np.ix_(use, use)],
        event.n[use],
        event.clusters[use],
        event.reference,
        event.df,
    )


def _no_leads(case: Case, name: str) -> Check | None:
    """The check where leads cannot be tested, or None where they can."""
    if case.event is None:
        return Check(
            name, "not_run", "the treatment switches off and on, so there is no single event time to count leads from"
        )
    leads = _leads(case.event)
    if leads is None or not len(leads.at):
        return Check(
            name, "warned", "only one period lies before the treatment, so parallel trends cannot be tested",
            remedy="supply earlier periods, or argue for parallel trends from outside the data",
        )  # fmt: skip
    if int(leads.clusters.max()) < MIN_CLUSTERS:
        return Check(
            name,
            "not_run",
            f"fewer than {MIN_CLUSTERS} treated clusters stand behind every lead, so their test is not to be relied on",
        )
    return None


def pre_trend(case: Case) -> Check:
    """Joint test of the leads."""
    bad = _no_leads(case, "pre_trend")
    leads = _leads(case.event)
    if bad is not None or leads is None:
        return bad or Check("pre_trend", "not_run", "there are no leads")
    _, p, rank = wald(leads.estimate, leads.cov, float(min(case.fitted.clusters)))
    if math.isnan(p):
        return Check("pre_trend", "not_run", "there are more leads than clusters, so they cannot be tested together")
    status = "failed" if p < 0.01 else "warned" if p < 0.05 else "passed"
    largest = int(np.argmax(np.abs(leads.estimate)))
    message = (
        f"joint test of {rank} leads: p = {_p(p)}; the largest is {leads.estimate[largest]:+.4g} at "
        f"event time {leads.at[largest]}"
    )
    remedy = (
        "the groups already moved apart before the treatment: find controls that move alike, compare within "
        "products or areas, "
        "or randomise the next campaign; if the tactic was announced earlier, say so with anticipation="
    )
    return Check("pre_trend", status, message, p, 0.01, "" if status == "passed" else remedy)


def _main_leads(leads: Series) -> Series:
    """Leads on which at least half of the treated units stand: farther ones mix cohorts."""
    top = max(int(leads.n.max()), 1)
    use = leads.n >= 0.5 * top
    if use.sum() < 2:
        use = leads.n >= 0.2 * top
    return Series(
        leads.at[use],
        leads.estimate[use],
        leads.cov[np.ix_(use, use)],
        leads.n[use],
        leads.clusters[use],
        leads.reference,
        leads.df,
    )


def slope(leads: Series) -> tuple[float, float]:
    """Slope per period of the line through the main leads and the base (zero at the base), and its standard error."""
    assert leads.reference is not None
    base, leads = leads.reference, _main_leads(leads)
    distance = (leads.at - base).astype(float)
    weight = distance / np.maximum(np.diag(leads.cov), 1e-300)
    weight = weight / (weight @ distance)
    return float(weight @ leads.estimate), float(math.sqrt(max(weight @ leads.cov @ weight, 0.0)))


def lead_slope(event: Series | None) -> float:
    """The slope alone, for the figure; NaN where there is no lead."""
    leads = _leads(event)
    return slope(leads)[0] if leads is not None and len(leads.at) else math.nan


def pre_trend_slope(case: Case) -> Check:
    """Does the effect merely continue the line that was there before?"""
    bad = _no_leads(case, "pre_trend_slope")
    leads = _leads(case.event)
    if bad is not None or leads is None or case.event is None or leads.reference is None:
        return bad or Check("pre_trend_slope", "not_run", "there are no leads")
    b, se = slope(leads)
    after = case.event.at >= 0
    weight = case.event.n[after] / case.event.n[after].sum()
    effect = float(weight @ case.event.estimate[after])
    drift = b * float(weight @ (case.event.at[after] - leads.reference))
    p = float(p_value(np.array([b]), np.array([se]), leads.df)[0]) if se > 0 else math.nan
    if math.isnan(p):
        return Check("pre_trend_slope", "not_run", "the leads have no variance")
    explains = abs(drift) >= 0.5 * abs(effect) and drift * effect > 0
    status = "failed" if p < 0.01 and (explains or abs(drift) >= abs(effect)) else "warned" if p < 0.05 else "passed"
    message = (
        f"the leads lie on a line of {b:+.4g} a period (p = {_p(p)}); carried forward it gives {drift:+.4g} of the "
        f"{effect:+.4g} "
        f"found after the start, and leaves {effect - drift:+.4g}"
    )
    remedy = "the effect continues a trend that was there before the tactic: do not read it as caused by the tactic"
    return Check("pre_trend_slope", status, message, p, 0.01, "" if status == "passed" else remedy)


# --- who is compared ------------------------------------------------------------------------------------------------
def few_clusters(case: Case) -> Check:
    """Are there enough clusters on both sides for the usual standard errors?"""
    treated, control = case.fitted.clusters
    least = min(treated, control)
    status = "failed" if least < MIN_CLUSTERS else "warned" if least < 30 else "passed"
    message = f"{treated:,} treated and {control:,} control clusters (by {case.panel.cluster_name})"
    remedy = "collect more treated units, or read the estimate without an interval" if status == "failed" else (
        "read intervals near the margin with care" if status == "warned" else "")  # fmt: skip
    return Check("few_clusters", status, message, float(least), float(MIN_CLUSTERS), remedy)


def cohort_size(case: Case) -> Check | None:
    """How many units does the smallest cohort have?"""
    if case.panel.stack is not None or not (case.panel.start >= 0).any():
        return None
    sizes = np.bincount(case.panel.start[case.panel.start >= 0])
    least = int(sizes[sizes > 0].min())
    small = int(((sizes > 0) & (sizes < 5)).sum())
    if not small:
        return Check("cohort_size", "passed", f"the smallest cohort has {least:,} units", float(least), 5.0)
    return Check(
        "cohort_size", "warned",
        f"{small} cohort{'s have' if small > 1 else ' has'} fewer than 5 units, the smallest {least}",
        float(least), 5.0, "read effects of single cohorts with care, or use longer periods so that cohorts merge",
    )  # fmt: skip


def always_treated(case: Case) -> Check | None:
    """Units without an untreated period cannot be compared and were left out."""
    cohorts = case.panel.cohorts
    if cohorts is None or case.options.estimator == "twfe":
        return None
    share = cohorts.always / len(cohorts.start)
    status = "failed" if share > 0.5 else "warned" if share > 0 else "passed"
    message = f"{cohorts.always:,} of {len(cohorts.start):,} units were treated from the start"
    message += " and are left out" if cohorts.always else ""
    remedy = "supply earlier periods if the effect on these units matters" if share else ""
    return Check("always_treated", status, message, share, 0.5, remedy)


def never_treated(case: Case) -> Check | None:
    """Without never-treated units the not-yet-treated serve as controls, and the last cohort has none."""
    if case.options.estimator != "callaway_santanna":
        return None
    count = int((case.panel.start == UNTREATED).sum())
    if count:
        return Check("never_treated", "passed", f"{count:,} units are untreated throughout", float(count), 1.0)
    return Check(
        "never_treated", "warned",
        "no unit is untreated throughout; units treated later serve as controls, and the last cohort is "
        "only a control", 0.0, 1.0, "keep a hold-out group in the next roll-out",
    )  # fmt: skip


def period_gaps(case: Case) -> Check:
    """Are periods missing for everyone?"""
    gaps = case.panel.grid.gaps
    if not gaps:
        return Check("period_gaps", "passed", "no period is missing between the first and the last", 0.0, 0.0)
    return Check(
        "period_gaps", "warned", f"{gaps:,} periods between the first and the last are missing for every unit",
        float(gaps), 0.0,
        "check whether these periods were lost or had no sales at all (then they are zeros)",
    )  # fmt: skip


def attrition(case: Case) -> Check:
    """Are unit-periods absent, and how far could that move the answer?"""
    panel = case.panel
    y = panel.y[panel.start >= UNTREATED] if panel.stack is None else panel.y
    present = np.isfinite(y)
    if panel.stack is not None:
        # A stacked window ends with its campaign, so a column is absent for the whole campaign by design.
        columns = np.array([present[panel.stack == b].any(axis=0) for b in range(int(panel.stack.max()) + 1)])
        absent = 1 - present.sum() / columns[panel.stack].sum()
    else:
        absent = 1 - float(present.mean())
    if absent <= 0:
        return Check("attrition", "passed", "every unit is seen in every period", 0.0, 0.0)
    treated = case.fitted.treated[panel.start >= UNTREATED] if panel.stack is None else case.fitted.treated
    rates = tuple(1 - float(present[side].mean()) if side.any() else math.nan for side in (treated, ~treated))
    message = (
        f"{absent:.1%} of unit-periods are absent ({rates[0]:.1%} of treated units', {rates[1]:.1%} of the others')"
    )
    bounds = attrition_bounds(case.fitted.effects)
    if bounds is not None:
        message += (
            f"; if those who left differ in the worst way, the effect lies between {bounds[0]:+.4g} "
            f"and {bounds[1]:+.4g} (Lee 2009)"
        )
    return Check(
        "attrition", "warned", message, float(absent), 0.0,
        "a shopper who left has GMV 0: zero-fill inside each unit's life, for example with gc.Logs(...).panel",
    )  # fmt: skip


def _subset(panel: Panel, rows: FloatArray) -> Panel:
    """The panel of the marked rows."""

    def cut(x: object) -> object:
        return None if x is None else x[rows]  # type: ignore[index]  # every field below is an array by row

    changed = {
        k: cut(getattr(panel, k))
        for k in ("y", "on", "start", "unit", "unit_code", "cluster", "weight", "offset", "stack", "other")
    }
    changed["cluster"] = np.unique(changed["cluster"], return_inverse=True)[1]  # type: ignore[call-overload]
    return replace(panel, notes=[], dropped={}, **changed)  # type: ignore[arg-type]


def _retry(case: Case, panel: Panel) -> str:
    """The headline on a changed panel, in words; a rerun that cannot be made says why."""
    try:
        estimate, se = case.rerun(panel)
    except GmvCausalError as error:
        return f"the rerun is not possible ({error.rule})"
    return f"{estimate:+.4g}" + (f" ({se:.4g})" if math.isfinite(se) else "")


def late_entry(case: Case) -> Check | None:
    """Do units that appear late fall unevenly on the two sides?"""
    panel = case.panel
    if panel.meta.get("life_known"):
        return None
    active = np.isfinite(panel.y) & (panel.y != 0)
    cutoff = max(1, round(panel.y.shape[1] / 13)) if panel.stack is None else None
    if cutoff is None or active.all():
        return None
    early = active[:, :cutoff].any(axis=1)
    used = panel.start >= UNTREATED
    sides = [~early[used & side] for side in (case.fitted.treated, ~case.fitted.treated)]
    if not all(len(s) for s in sides):
        return None
    shares = [float(s.mean()) for s in sides]
    gap = abs(shares[0] - shares[1])
    message = (
        f"{shares[1]:.0%} of untreated units are first active after period {cutoff}, against "
        f"{shares[0]:.0%} of treated units"
    )
    if gap <= _LATE_GAP:
        return Check("late_entry", "passed", message, gap, _LATE_GAP)
    message += (
        f"; on the units active by then the estimate is {_retry(case, _subset(panel, early))} against "
        f"{case.fitted.estimates.estimate[0]:+.4g}"
    )
    return Check(
        "late_entry", "warned", message, gap, _LATE_GAP,
        "zeros before a unit's first purchase may be absence, not abstention: give entry dates in Logs(users=...), "
        "or read the rerun",
    )  # fmt: skip


# --- the outcome ----------------------------------------------------------------------------------------------------
def leverage(case: Case) -> Check | None:
    """Does one unit carry the result?"""
    panel = case.panel
    by_unit = np.bincount(panel.unit_code, case.fitted.influence())
    total = float(by_unit @ by_unit)
    if total <= 0:
        return None
    value = float((by_unit**2).max() / total)
    message = f"the largest unit carries {value:.1%} of the variance of the estimate"
    if value <= _LEVERAGE:
        return Check("leverage", "passed", message, value, _LEVERAGE)
    size = np.abs(panel.y[np.isfinite(panel.y) & (panel.y != 0)])
    cap = float(np.quantile(size, 0.99))
    message += (
        f"; with outcomes capped at {cap:.4g} (99 % of the non-zero ones) the estimate is "
        f"{_retry(case, replace(panel, y=np.clip(panel.y, -cap, cap), notes=[], dropped={}))}"
    )
    return Check(
        "leverage",
        "warned",
        message,
        value,
        _LEVERAGE,
        "look at this unit; report the capped estimate beside the plain one",
    )


def scale_mix(case: Case) -> Check | None:
    """Are some units recorded in another unit of money (cents, another currency)?"""
    y = case.panel.y
    active = np.isfinite(y) & (y != 0)
    count = active.sum(axis=1)
    level = np.where(active, np.abs(y), 0.0).sum(axis=1)[count > 0] / count[count > 0]
    if len(level) < 20:
        return None
    ratio = level / np.median(level)
    high, between = float((ratio >= 50).mean()), float(((ratio >= 20) & (ratio < 50)).mean())
    # A heavy tail thins out steadily; another currency is a second hump with little between.
    if high > _SCALE and between < high / 2:
        return Check(
            "scale_mix", "warned",
            f"{high:.1%} of units lie about a hundred times above the median level, with few between", high, _SCALE,
            "check whether these units are recorded in cents or in another currency",
        )  # fmt: skip
    return Check("scale_mix", "passed", "no group of units lies apart by a factor of a hundred", high, _SCALE)


def id_reuse(case: Case) -> Check | None:
    """Does one id stand for units in several places?"""
    moving = case.panel.moving
    if not moving:
        return None
    count = max(moving.values())
    where = ", ".join(f"{n:,} units under more than one {column!r}" for column, n in moving.items())
    return Check(
        "id_reuse", "warned", f"there are {where}", float(count), 0.0,
        "if each place numbers its own units, join place and id into one unit column",
    )  # fmt: skip


def all_zero(case: Case) -> Check | None:
    """Is there any outcome at all?"""
    y = case.panel.y
    if (y[np.isfinite(y)] != 0).any():
        return None
    return Check(
        "all_zero",
        "warned",
        "every outcome is zero, so the estimate is zero by construction",
        1.0,
        1.0,
        "check the outcome column",
    )


def quantisation(case: Case) -> Check | None:
    """Does the source dtype hold the numbers finely enough?"""
    if not case.panel.spacing:
        return None
    y = case.panel.y[np.isfinite(case.panel.y)]
    value = case.panel.spacing / max(float(y.std()), 1e-300)
    status = "warned" if value > 1e-6 else "passed"
    remedy = "keep the outcome in float64 or decimal from the source on" if status == "warned" else ""
    return Check(
        "quantisation", status, f"float32 outcomes are {case.panel.spacing:.2g} apart at the top", value, 1e-6, remedy
    )


# --- estimator-specific ---------------------------------------------------------------------------------------------
def forbidden_comparisons(case: Case) -> Check | None:
    """Two-way fixed effects use units already treated as controls when starts differ or treatment switches."""
    if case.options.estimator != "twfe":
        return None
    on = case.fitted.detail["on"]
    present = np.isfinite(case.panel.y)
    ever, first = case.panel.start != UNTREATED, np.maximum(case.panel.start, 0)
    n_starts = len(np.unique(first[ever]))
    off = (ever[:, None] & present & (on == 0) & (np.arange(on.shape[1]) > first[:, None])).any()
    if n_starts == 1 and not off:
        return Check("forbidden_comparisons", "passed", "all treated units start together and stay treated", 1.0, 1.0)
    what = f"treatment starts in {n_starts} different periods" + (" and switches off again" if off else "")
    return Check(
        "forbidden_comparisons", "failed",
        f"{what}, so units already treated serve as controls and effects that grow are read with the "
        "wrong weight or sign (Goodman-Bacon 2021)", float(n_starts), 1.0,
        "use estimator='callaway_santanna', or 'stacked' for campaigns",
    )  # fmt: skip


def campaign_overlap(case: Case) -> Check | None:
    """In a stack: how many comparison cells lie under another campaign, and does leaving them out change the answer?"""
    panel = case.panel
    if panel.other is None:
        return None
    on = case.fitted.detail["on"]
    present = np.isfinite(panel.y)
    comparison = present & (on == 0)
    value = float((panel.other[comparison] == 1).mean())
    message = f"{value:.1%} of control and pre-period cells lie under another campaign"
    if value <= _OVERLAP:
        return Check("campaign_overlap", "passed", message, value, _OVERLAP)
    clean = replace(panel, y=np.where(comparison & (panel.other == 1), np.nan, panel.y), notes=[], dropped={})
    try:
        estimate, se = case.rerun(clean)
    except GmvCausalError as error:
        return Check(
            "campaign_overlap", "warned", f"{message}; the rerun is not possible ({error.rule})", value, _OVERLAP
        )
    first, first_se = float(case.fitted.estimates.estimate[0]), float(case.fitted.estimates.std_error[0])
    changed = abs(estimate - first) > 2 * first_se and (abs(estimate) > 1.96 * se) != (abs(first) > 1.96 * first_se)
    message += f"; without them the estimate is {estimate:+.4g} ({se:.4g}) against {first:+.4g} ({first_se:.4g})"
    return Check(
        "campaign_overlap", "failed" if changed else "warned", message, value, _OVERLAP,
        "the effect is that of this campaign on top of the usual campaign mix; read the rerun beside it",
    )  # fmt: skip


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"
