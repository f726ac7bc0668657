"""What was estimated, as a result: rows, audit, words."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from gmvcausal.frames.params import counted
from gmvcausal.observational.adjustment.checks import Case, rare_columns, run_audit
from gmvcausal.observational.adjustment.form import ASSUMED
from gmvcausal.observational.adjustment.intake import Asked, Sample
from gmvcausal.observational.adjustment.learn import Nuisances
from gmvcausal.observational.adjustment.numbers import ESTIMATORS, Found, spread_of
from gmvcausal.observational.adjustment.periods import Runs, calendar, holes
from gmvcausal.observational.adjustment.result import Adjusted, Extra
from gmvcausal.observational.adjustment.within import Panel, conflict, within
from gmvcausal.results import Audit, Check, Estimates, Manifest
from gmvcausal.results.balanced import NOT_SHOWN
from gmvcausal.results.usual_checks import worth_of
from gmvcausal.results.usual_rules import MIN_CLUSTERS
from gmvcausal.stats.small_cells import MIN_CELL
from gmvcausal.stats.small_sample import Spread

METHODS = {
    "aipw": "AIPW, cross-fitted",
    "regression": "regression with interactions",
    "ipw": "inverse probability weighting",
    "matching": "nearest neighbour, bias corrected",
    "dml": "partially linear, cross-fitted",
}
_WHO = {
    "ate": "average effect on all {per}s of {arm} against {control}",
    "att": "average effect on the {per}s who got it of {arm} against {control}",
    "overlap": "average effect weighted by overlap, e (1 - e), of {arm} against {control}",
}
_ASSUMED = (
    "given {covariates}, who got it is as good as drawn by lot (nothing else decided both who got it and the outcome)"
)
BESIDES = "every {per} could have gone either way, and no {per}'s outcome depends on who else got it"


def make_result(
    asked: Asked, s: Sample, known: Nuisances, options: dict[str, Any], manifest: Manifest,
    found: Found | None = None, panel: Panel | None = None,
) -> Adjusted:  # fmt: skip
    """Estimate, audit, words; of a panel with the answer within units beside."""
    estimator, about = str(options["estimator"]), estimand_of(str(options["estimator"]), str(options["estimand"]))
    found = ESTIMATORS[estimator](s, known, about) if found is None else found
    audit = run_audit(Case(s, known, found, estimator, about))
    per = per_of(asked, s)
    words = {"per": per, "arm": s.labels[1], "control": s.labels[0]}
    told, method = _WHO[about].format(**words), METHODS[estimator]
    if estimator == "dml":
        told += " (one number for an effect that may vary)"
    if estimator == "regression" and about == "overlap":
        told, method = told + ", chances taken as linear", "additive regression"
    rows: list[tuple[str, str, str, Found]] = [(str(s.labels[1]), told, method, found)]
    advice: list[str] = []
    if panel is not None:
        row, checks = _panel_parts(asked, s, panel, found)
        audit = Audit((*audit, *checks))
        if row is not None:
            rows.append(row)
            few = s.people and 0 < panel.run.switchers < MIN_CELL
            moved = f"fewer than {MIN_CELL} units" if few else counted(panel.run.switchers, "unit")
            advice.append(
                f"{moved} of {int(panel.unit.max()) + 1:,} change between the arms; only these speak within units"
            )
            if panel.run.stays:
                manifest = replace(manifest, notes=(*manifest.notes, _stays_words(panel.run)))
    if rare_columns(s).any():
        manifest = replace(manifest, notes=(*manifest.notes, f"balance(): {NOT_SHOWN}"))
    if audit["overlap"].status != "passed" and about != "overlap" and estimator != "matching":
        beside = ESTIMATORS[estimator](s, known, "overlap")
        rows.append((f"{s.labels[1]} (overlap)", _WHO["overlap"].format(**words), METHODS[estimator], beside))
        advice.append("Where chances come near 0 or 1 read the effect weighted by overlap, which stands beside")
    rows.append(
        (f"{s.labels[1]} (unadjusted)", f"difference of means, {s.labels[1]} against {s.labels[0]}", "none", plain(s))
    )
    estimates, extra = lined_up(s, rows, measure_of(asked, s))
    named = ", ".join(s.covariates[:8]) + (f" and {len(s.covariates) - 8} more" if len(s.covariates) > 8 else "")
    assumed = f"{_ASSUMED.format(covariates=named)}, {BESIDES.format(per=per)}{form_words(estimator, about)}"
    return Adjusted(
        f"Adjusted: {s.labels[1]} against {s.labels[0]}", assumed, estimates,
        manifest, options["alpha"], audit, extra, asked, s, known, found, estimator, about, tuple(advice),
    )  # fmt: skip


def _panel_parts(
    asked: Asked, s: Sample, panel: Panel, found: Found
) -> tuple[tuple[str, str, str, Found] | None, list[Check]]:
    """The row within units, where there is one, and the checks that only panels have."""
    unit, time, run = str(asked.unit), str(asked.time), panel.run
    by_level = time in asked.covariates and (asked.learned or s.source.count(time) > 1)  # a line knows no season
    inside = within(s, panel)
    told = f"{s.labels[1]} (within {unit}{', if effects do not grow' if run.stays else ''})"
    beside = [
        conflict(s, panel, found, inside, told), calendar(run, time, by_level),
        holes(run, unit, time, bool((s.y > 0).all())),
    ]  # fmt: skip
    checks = [check for check in beside if check is not None]
    if inside is None:
        return None, checks
    whom = (
        f"effect within {unit} and {time} of {s.labels[1]} against {s.labels[0]}, weighted by how much the arm changes "
        "there" + (" (the arm comes and stays: biased where effects grow with time)" if run.stays else "")
    )
    return (told, whom, "two-way fixed effects, CR2", inside), checks


def _stays_words(run: Runs) -> str:
    """What the row within units is not, where the arm comes and stays; for the notes, which are always shown."""
    goes = "never goes" if not run.ended else "hardly ever goes"
    return (
        f"The arm comes and {goes}: the row within units also compares those who get it with those who have it "
        "already, and is biased (even in sign) where effects grow; use gc.did."
    )


def per_of(asked: Asked, s: Sample) -> str:
    """What a row is called."""
    if asked.time is not None:
        return f"{asked.unit}-{asked.time}"
    return asked.unit or ("user" if s.facts.get("unit") == "user" else "unit")


def form_words(estimator: str, about: str) -> str:
    """The form that an estimator takes for granted, as the end of a sentence."""
    if estimator == "regression" and about == "overlap":
        return "; the outcome, or the chance of the treatment, follows a straight line in the covariates"
    return f"; {ASSUMED[estimator]}" if estimator in ASSUMED else ""


def measure_of(asked: Asked, s: Sample) -> str:
    """The unit of measurement of an effect."""
    if s.facts.get("outcome") == asked.outcome and s.facts.get("outcome_unit"):
        return str(s.facts["outcome_unit"])
    return f"{asked.outcome} per {per_of(asked, s)}"


def estimand_of(estimator: str, estimand: str) -> str:
    """Whom the estimator speaks of when it is asked for `estimand`: a partially linear model weighs by overlap."""
    return "overlap" if estimator == "dml" else estimand


def plain(s: Sample) -> Found:
    """The difference of means that nothing is adjusted for."""
    mean = np.array([s.y[~s.treated].mean(), s.y[s.treated].mean()])
    size = s.sizes
    own = s.arm
    influence = np.where(s.treated, 1.0, -1.0) * (s.y - mean[own]) / size[own]
    return Found(float(mean[1] - mean[0]), influence, np.ones(s.n), float(mean[0]))


def lined_up(s: Sample, rows: list[tuple[str, str, str, Found]], measure: str) -> tuple[Estimates, Extra]:
    """Rows with the covariance of all of them, which is withheld where clusters are too few."""
    size = len(rows)
    spreads = [spread_of(s, f.influence, f.used, f.adjusted) for *_, f in rows]
    error = np.sqrt([v for v, _ in spreads])
    influence = np.column_stack([f.influence for *_, f in rows])
    if s.cluster is not None:
        influence = np.column_stack([np.bincount(s.cluster, c) for c in influence.T])
    norm = np.sqrt((influence**2).sum(axis=0))
    live = np.where(norm > 0, norm, 1.0)
    together = (influence / live).T @ (influence / live)
    np.fill_diagonal(together, 1.0)
    cov = together * np.outer(error, error)
    df = [float(f.df[0]) if r[3].df is None else r[3].df for (_, f), r in zip(spreads, rows, strict=True)]
    spread = Spread(np.array(df), np.array([float(f.factor[0]) for _, f in spreads]))
    estimates = Estimates(
        tuple(r[0] for r in rows), tuple(r[1] for r in rows), (measure,) * size,
        np.array([f.estimate for *_, f in rows]), cov, (s.n,) * size, spread, method="t",
    )  # fmt: skip
    if s.cluster is not None and worth_of(s.cluster, s.arm).fewest < MIN_CLUSTERS:
        estimates = replace(
            estimates, cov=np.full_like(estimates.cov, math.nan),
            withheld=f"fewer than {MIN_CLUSTERS} clusters of {s.cluster_name} are too few to tell chance from effect",
        )  # fmt: skip
    extra = Extra(
        (s.labels[1],) * size, (s.labels[0],) * size, tuple(r[2] for r in rows), tuple(f.value for *_, f in rows),
        tuple(float(v) for v in spread.df),
    )  # fmt: skip
    return estimates, extra
