"""From fitted regressions and draws to a result: estimates, intervals, words."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.pathways.case import Case
from gmvcausal.mechanism.pathways.checks import run_audit
from gmvcausal.mechanism.pathways.contrasts import chosen
from gmvcausal.mechanism.pathways.intervals import Drawn, acceleration
from gmvcausal.mechanism.pathways.moderation import moderation_of
from gmvcausal.mechanism.pathways.result import MediationResult, Ways
from gmvcausal.mechanism.pathways.rho import Sensitivity, paths_of
from gmvcausal.mechanism.pathways.rows import Rows
from gmvcausal.mechanism.pathways.steps import regressions
from gmvcausal.mechanism.pathways.system import System
from gmvcausal.results import Estimates, Manifest
from gmvcausal.results.usual_checks import worth_of
from gmvcausal.results.usual_rules import MIN_CLUSTERS
from gmvcausal.stats.inference import critical_value
from gmvcausal.stats.resampling import percentile
from gmvcausal.stats.small_sample import by_cluster

FloatArray = NDArray[np.float64]

_MEANING = {
    ("direct", "pure"): "mediators as they are without the treatment",
    ("direct", "total"): "mediators as they are under the treatment",
    ("indirect", "pure"): "without the treatment",
    ("indirect", "total"): "under the treatment",
}


def make_result(
    rows: Rows, system: System, draws: FloatArray, manifest: Manifest, planned: FloatArray | None
) -> MediationResult:
    """Everything that is told of a mediation.

    Parameters
    ----------
    rows : Rows
    system : System
    draws : ndarray, shape (reps, 3 + 2 K)
        None where reps is 0.
    manifest : Manifest
    planned : ndarray or None
    """
    options = manifest.options
    alpha, split = options["alpha"], options["split"]
    value, influence = system.found
    factor = 1.0
    if rows.cluster is not None:
        groups = int(rows.cluster.max()) + 1
        factor = groups / (groups - 1)
    own = rows.by_unit(influence) * math.sqrt(factor)
    take = chosen(system.k, split)
    told = take @ value
    told[0] = told[1:].sum()  # the sum itself, to the last bit
    parts = own @ take.T
    cov = parts.T @ parts
    spread = by_cluster(
        influence @ take.T, np.arange(rows.n) if rows.cluster is None else rows.cluster, rows.t.astype(np.int64),
        np.diag(cov).copy(),
    )  # fmt: skip
    withheld = ""
    if rows.cluster is not None and worth_of(rows.cluster, rows.t.astype(np.int64)).fewest < MIN_CLUSTERS:
        withheld = f"fewer than {MIN_CLUSTERS} clusters in an arm do not tell chance from effect"
    bca = options["interval"] == "bca"
    drawn = draws @ take.T
    special: dict[int, Any] = {}
    special_p: dict[int, float] = {}
    if len(draws) and not withheld:
        for i in range(1, len(told)):
            made = Drawn(drawn[:, i], float(told[i]), acceleration(parts[:, i]) if bca else math.nan)
            special[i], special_p[i] = made.interval, made.p_value()
    unit = f"{rows.outcome} per {rows.per}"
    if rows.per == "user" and rows.facts.get("outcome") == rows.outcome and rows.facts.get("outcome_unit"):
        unit = str(rows.facts["outcome_unit"])
    pair = f"{rows.labels[1]} minus {rows.labels[0]}"
    terms = ("total", "direct", *(f"indirect:{name}" for name in rows.mediators))
    method = "" if withheld else "t (Welch)"
    if special and not withheld:
        method += f"; direct and indirect by {'BCa ' if bca else ''}percentiles of {len(draws):,} draws"
    estimates = Estimates(
        terms, _estimands(rows, split, system.model.ordered, pair), (unit,) * len(terms), told,
        np.full_like(cov, np.nan) if withheld else cov, (rows.n,) * len(terms), spread, withheld, special, special_p,
        method,
    )  # fmt: skip
    ways = _ways(estimates, drawn, alpha, withheld)
    paths = paths_of(system, split, factor)
    df = float(spread.df[0])
    why = "Every step is free along the moderator" if system.along is not None else "The outcome's model is not linear"
    rough = "" if system.linear else (
        f"{why}, and the curve is that of a linear one with one slope for all: it starts from "
        + ", ".join(f"{path.estimate:.4g} ({path.mediator})" for path in paths) + "."
    )  # fmt: skip
    critical = critical_value(1 - alpha, df)
    sensitivity = Sensitivity(paths, critical, 1 - alpha, unit, rows.outcome, float(told[0]), rough)
    error = math.sqrt(float(cov[0, 0]))
    audit = run_audit(Case(rows, system, paths, float(told[0]), error, own[:, 0], planned, critical))
    settings = {
        "seed": manifest.seed, "covariates": rows.covariates, "fixed": rows.fixed_names,
        "cluster": rows.cluster_name,
    }  # fmt: skip
    moderator = options["moderator"]
    result = MediationResult(
        f"By way of what {rows.treatment} moves {rows.outcome}: {rows.labels[1]} against {rows.labels[0]}",
        _assumption(rows, planned is not None, system.model.ordered), estimates, manifest, alpha, audit, ways,
        rows.mediators, rows.outcome, rows.treatment, split,
        _versions(system, value, own, draws, spread, alpha, withheld), sensitivity, regressions(rows), settings,
        None if moderator is None else moderation_of(rows, moderator, unit, alpha),
        float(rows.y[rows.t == 0].mean()), f"that {rows.labels[0]} had",
    )  # fmt: skip
    return replace(result, advice=_advice(result))


def _estimands(rows: Rows, split: str, ordered: bool, pair: str) -> tuple[str, ...]:
    direct, indirect = {
        "pure_direct": ("pure natural direct effect: the mediators as they are without the treatment",
                        "total natural indirect effect: under the treatment"),
        "total_direct": ("total natural direct effect: the mediators as they are under the treatment",
                         "pure natural indirect effect: without the treatment"),
        "average": ("mean of pure and total natural direct effect", "mean of pure and total natural indirect effect"),
    }[split]  # fmt: skip
    first = " and what that moves" if ordered else ""
    return (
        f"total effect on {rows.outcome} per {rows.per}, {pair}",
        f"effect by none of the mediators ({direct}), {pair}",
        *(f"effect by way of {name}{first} ({indirect}), {pair}" for name in rows.mediators),
    )


def _assumption(rows: Rows, lot: bool, ordered: bool) -> str:
    first = "the arms were drawn by lot" if lot else (
        "given the covariates chance decided who was treated (drawn by lot it would be so: assignment='random')"
    )  # fmt: skip
    given = "treatment and covariates" if rows.covariates else "treatment alone (no covariates are given)"
    several = ""
    if len(rows.mediators) > 1:
        several = "; mediators move those after them in the list and no others" if ordered else (
            "; the mediators do not move one another"
        )  # fmt: skip
    return (
        f"{first}; given {given}, nothing unseen moves both a mediator and the outcome, and no cause of both is itself "
        f"moved by the treatment{several}; one user's arm leaves the others alone. A lot for the treatment does not "
        "make the mediator one"
    )


def _ways(estimates: Estimates, drawn: FloatArray, alpha: float, withheld: str) -> Ways:
    rows = len(estimates.term)
    blank = np.full(rows, math.nan)
    share, low, high = blank.copy(), blank.copy(), blank.copy()
    ends = estimates.interval(1 - alpha)
    away = not withheld and not ends[0][0] <= 0 <= ends[1][0]
    if away:
        share = estimates.estimate / estimates.estimate[0]
        for i in range(1, rows) if len(drawn) else ():
            low[i], high[i] = percentile(drawn[:, i] / drawn[:, 0], 1 - alpha, "two-sided")
    return Ways(share, low, high, drawn.std(axis=0, ddof=1) if len(drawn) > 1 and not withheld else blank)


def _versions(
    system: System, value: FloatArray, own: FloatArray, draws: FloatArray, spread: Any, alpha: float, withheld: str
) -> dict[str, list[Any]]:
    """Pure, total and mean effects, and what the interaction makes between them."""
    out: dict[str, list[Any]] = {
        name: [] for name in ("term", "version", "estimate", "std_error", "conf_low", "conf_high", "meaning")
    }
    critical = critical_value(1 - alpha, float(spread.df[0]))
    places = [("direct", 1), *((f"indirect:{name}", 3 + 2 * j) for j, name in enumerate(system.rows.mediators))]
    for term, at in places:
        for version, mix in (("pure", (1.0, 0.0)), ("total", (0.0, 1.0)), ("average", (0.5, 0.5)),
                             ("total less pure", (-1.0, 1.0))):  # fmt: skip
            take = np.zeros(len(value))
            take[at : at + 2] = mix
            estimate, error = float(take @ value), math.sqrt(float(((own @ take) ** 2).sum()))
            low, high = estimate - critical * error, estimate + critical * error
            if len(draws):
                low, high = Drawn(draws @ take, estimate).interval(1 - alpha)
            if withheld:
                error = low = high = math.nan
            meaning = _MEANING.get((term.partition(":")[0], version), "")
            row = (term, version, estimate, error, low, high, meaning)
            for name, cell in zip(out, row, strict=True):
                out[name].append(cell)
    return out


def _advice(result: MediationResult) -> tuple[str, ...]:
    """By which way the effect came, and how far that can be trusted."""
    e, ways = result.estimates, result.ways
    low, high = e.interval(1 - result.alpha)
    away = bool(np.isfinite(ways.share[0]))
    parts = []
    for i, name in enumerate(result.mediators, start=2):
        share = f", {ways.share[i]:.0%}" if away else ""
        span = (
            ""
            if math.isnan(low[i])
            else f" ({100 * (1 - result.alpha):g}% interval {low[i]:+.4g} to {high[i]:+.4g}{share})"
        )
        parts.append(f"{e.estimate[i]:+.4g} went by way of {name}{span}")
    of = "the" if away else "an estimated"
    lines = [f"Of {of} {e.estimate[0]:+.4g} {result.unit}, {'; '.join(parts)}; {e.estimate[1]:+.4g} by none of these"]
    if not away:
        lines.append("No share of the total is given: the total may be zero, and a share of nothing says nothing")
    elif (e.estimate[1:] * e.estimate[0] < 0).any():
        lines.append("Some ways work against each other, so that shares lie beyond 0 and 100%: read the amounts")
    for path in result.found.paths:
        if path.shown(result.found.critical):
            lines.append(
                f"By way of {path.mediator} nothing would have gone if something unseen explained {abs(path.zero):.0%} "
                f"of what is left of both {path.mediator} and {result.outcome} (rho {path.zero:+.2f})"
            )
    return tuple(lines)
