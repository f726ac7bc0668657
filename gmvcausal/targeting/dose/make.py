"""What was learned of doses, as a result: the average slope, its audit, and words."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check
from gmvcausal.results import Estimates, Manifest
from gmvcausal.stats.inference import critical_value
from gmvcausal.stats.small_sample import Spread
from gmvcausal.targeting.audit.rules import MIN_CLUSTERS
from gmvcausal.targeting.dose.audit import DoseCase, run_audit
from gmvcausal.targeting.dose.fit import fit_doses
from gmvcausal.targeting.dose.intake import Doses, read_doses
from gmvcausal.targeting.dose.result import DoseExtra, DoseUplift
from gmvcausal.targeting.dose.slope import slope
from gmvcausal.targeting.intake.trial import Asked

_LINE = "the outcome is a line in the dose, given the features (each may have a slope of its own); "
_LOT = "doses were drawn by lot, with the mean that was given"
_SELECTED = "those with the same features would have done the same at the same dose, whatever they got"

# What only arms have -> what to do about it. The verb's defaults are the only values that say nothing.
_OF_ARMS = {
    "control": (None, "a dose has no control: those who got nothing have the dose 0"),
    "received": (None, "compliers are defined by arms"),
    "redeemed": (None, "it tells the cost of arms; with a dose multiply cost= by the share that is redeemed"),
    "estimand": ("ate", "the average slope is weighted by how much the dose varies, given the features"),
    "rule": ("raise", "it is for users in two arms"),
}


def uplift_dose(data: Any, asked: Asked, options: dict[str, Any]) -> DoseUplift:
    """The whole of `uplift` for a dose; `options` are checked already, but for what doses alone refuse."""
    for name, (default, why) in _OF_ARMS.items():
        if options[name] != default:
            raise InputError(f"{name}= and dose=True do not go together: {why}", remedy=f"leave {name}= out")
    if options["learner"] not in ("auto", "r"):
        raise InputError(
            f"learner is {options['learner']!r}, and slopes of a dose are learned by 'r' alone",
            remedy="leave learner= out",
        )
    if not isinstance(asked.cost, int | float | np.number):
        raise InputError(
            "with dose=True cost is what one unit of the dose costs, a number",
            remedy="pass it per unit, for example cost=1 where the dose is money given away",
        )
    cost = float(check("cost", asked.cost))
    doses = read_doses(data, asked)
    t, notes = doses.trial, list(doses.trial.notes)
    fit = fit_doses(doses, options["folds"], options["seed"], options["threads"], notes)
    found = slope(fit.d, fit.y, t.cluster)
    audit = run_audit(DoseCase(doses, fit, found, options["srm_alpha"]))
    lines = [("", "residual on residual", found)]
    if doses.expected is not None and np.ptp(doses.expected) == 0 and t.x.shape[1]:
        lines.append(
            ("unadjusted", "slope of outcome on dose", slope(fit.d - fit.d.mean(), t.y - t.y.mean(), t.cluster))
        )
    per = asked.unit or ("user" if t.facts.get("unit") == "user" else "unit")
    measure = str(t.facts.get("outcome_unit") or "") if t.facts.get("outcome") == asked.outcome else ""
    measure = f"{measure or f'{asked.outcome} per {per}'} per unit of {asked.treatment}"
    what = (
        f"effect of one more unit of {asked.treatment}, averaged over {per}s by how much it varies given the features"
    )
    size = len(lines)
    influence = np.column_stack([line.spread for _, _, line in lines])
    estimates = Estimates(
        tuple(f"per unit of {asked.treatment}{f' ({kind})' if kind else ''}" for kind, _, _ in lines),
        tuple(what + (f", {how}" if kind else "") for kind, how, _ in lines), (measure,) * size,
        np.array([line.estimate for _, _, line in lines]), influence.T @ influence, (t.n,) * size,
        Spread(np.array([line.df for _, _, line in lines]), np.ones(size)), method="t",
    )  # fmt: skip
    if t.cluster is not None and len(found.weight) < MIN_CLUSTERS:
        estimates = replace(
            estimates, cov=np.full((size, size), np.nan),
            withheld=f"fewer than {MIN_CLUSTERS} clusters of {t.cluster_name} are too few to tell chance from effect",
        )  # fmt: skip
    elif not found.df > 0:
        estimates = replace(
            estimates, cov=np.full((size, size), np.nan), withheld="one row holds all of the variation of the dose"
        )
    low, high = float(doses.dose.min()), float(doses.dose.max())
    extra = DoseExtra(
        (asked.treatment,) * size, tuple(how for _, how, _ in lines), tuple(line.df for _, _, line in lines),
        (float(doses.dose.mean()),) * size, (low,) * size, (high,) * size,
    )  # fmt: skip
    manifest = Manifest(
        "uplift", options | {"learned_by": fit.learner}, options["seed"], t.rows, t.columns, dict(t.dropped),
        tuple(notes), partial(_arrays, doses),
        (f"learner {fit.learner}, {options['folds']} folds",) if fit.model is not None else (),
    )  # fmt: skip
    advice = _advice(doses, asked, estimates, options["alpha"], cost, per, fit.model is not None)
    return DoseUplift(
        f"Uplift: one more unit of {asked.treatment}", _LINE + (_SELECTED if doses.expected is None else _LOT),
        estimates, manifest, options["alpha"], audit, extra, asked, doses, fit, tuple(advice),
    )  # fmt: skip


def _advice(
    doses: Doses, asked: Asked, estimates: Estimates, alpha: float, cost: float, per: str, learned: bool
) -> list[str]:
    """What a slope means, what a unit earns, and what to do with predictions."""
    dose, size = doses.dose, float(estimates.estimate[0])
    quarter, most = np.quantile(dose, [0.25, 0.75])
    verb = "adds" if size >= 0 else "takes away"
    out = [
        f"Each further unit of {asked.treatment} {verb} {abs(size):,.3g} of {asked.outcome} per {per}, among the doses "
        f"given: {dose.min():,.4g} to {dose.max():,.4g}, the middle half {quarter:,.4g} to {most:,.4g}"
    ]
    if cost or asked.margin != 1:
        net = asked.margin * size - cost
        half = asked.margin * critical_value(1 - alpha, float(estimates.t.df[0])) * float(estimates.std_error[0])
        span = "" if np.isnan(half) else f" ({1 - alpha:.0%} interval {net - half:+,.3g} to {net + half:+,.3g})"
        out.append(
            f"One more unit for everyone earns {net:+,.3g} per {per}{span}: {asked.margin:g} of the slope, less a cost "
            f"of {cost:,.3g}"
        )
    if learned:
        out.append("Slopes of single users are predictions: m.calibration(test) holds them against users kept apart")
    return out


def _arrays(doses: Doses) -> list[NDArray[Any]]:
    """What was analysed, in the order of its own."""
    t = doses.trial
    found: list[NDArray[Any]] = [t.y, doses.dose, np.ascontiguousarray(t.x)]
    return found + [a for a in (doses.expected, t.cluster) if a is not None]
