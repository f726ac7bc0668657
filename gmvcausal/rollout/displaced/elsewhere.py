"""What a roll-out took from elsewhere: other outcomes of the same units, or units next door."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.params import column_name, said
from gmvcausal.results import Audit, Check, Estimates
from gmvcausal.results.compliers import Accepted
from gmvcausal.rollout.displaced.cannibalised import ELSEWHERE, NEIGHBOUR, SHARE, TOTAL, TREATED, CannibalisationResult
from gmvcausal.rollout.displaced.doubled import contained, in_other_units, refuse_copies
from gmvcausal.rollout.displaced.limits import TermOf
from gmvcausal.rollout.displaced.linked import clustered_by_links, reached_apart
from gmvcausal.rollout.fitted import FloatArray
from gmvcausal.rollout.intake.exposure import read_links, threshold, with_exposure
from gmvcausal.rollout.intake.further import further_outcome
from gmvcausal.rollout.methods import METHODS
from gmvcausal.stats.path import share_taken, weighted_sums
from gmvcausal.stats.small_sample import Spread

if TYPE_CHECKING:
    from gmvcausal.rollout.result import DidResult

_EXACT = 1e-9
_TRENDS = ("pre_trend", "pre_trend_slope")


@dataclass(frozen=True)
class Place:
    """One place from which sales may have been taken.

    Attributes
    ----------
    name, estimand : str
    estimate : float
        Per treated unit-period.
    """

    name: str
    estimand: str
    estimate: float


def cannibalisation(
    result: DidResult, other: str | Sequence[str] | None, exposed: str | None, edges: Any, exposure: str | float
) -> CannibalisationResult:
    """See `DidResult.cannibalisation`."""
    around = exposed is not None or edges is not None
    if other is not None and (around or result.fitted.spillover is not None):
        raise InputError(
            "other= names other outcomes of the same units, exposed= and edges= other units: the two are not added up",
            remedy="ask for one of them, from a result without exposed= and edges= for other=",
        )
    if exposure != "any" and edges is None:
        raise InputError("exposure= has no meaning without edges=", remedy="pass edges=, or leave it out")
    if other is not None:
        return _of_outcomes(result, other)
    if result.fitted.spillover is not None and not around:
        return _of_units(result, [])
    if not around:
        raise InputError(
            "it is not said where sales may have been taken from",
            remedy="pass other= (columns of GMV of the same units elsewhere), or exposed= or edges= (units next door)",
        )
    return _of_units(_set_apart(result, exposed, edges, exposure), [f"estimated anew with {_named(exposed, edges)}"])


# --- other outcomes of the same units ----------------------------------------------------------------------------
def _of_outcomes(result: DidResult, other: str | Sequence[str]) -> CannibalisationResult:
    columns = [str(column_name("other", c)) for c in ([other] if isinstance(other, str) else list(other))]
    _refuse_columns(result, columns)
    panel, linear = result.panel, result.options.estimator != "poisson"
    data, method = result.known_origin().data, METHODS[result.options.estimator]
    values = [
        further_outcome(data, panel, result.manifest.options, c, absorbing=method.absorbing, ratios=not linear)
        for c in columns
    ]
    together = dict(zip([result.options.outcome, *columns], [panel.y, *values], strict=True))
    refuse_copies(together)
    twice = (contained(panel, together), in_other_units(together))

    def of(y: FloatArray, what: str) -> DidResult:
        again = replace(panel, y=y, notes=[], dropped={})
        unit = result.options.outcome_unit.replace(result.options.outcome, what, 1)
        options = replace(result.options, outcome=what, outcome_unit=unit)
        return type(result).made(result.title, result.assumption, result.manifest, result.alpha, again, options)

    parts = [result, *(of(y, c) for y, c in zip(values, columns, strict=True))]
    point, cov, spread = _joint(parts)
    load = np.vstack([np.ones(len(parts)), np.eye(len(parts))])
    names = [TOTAL, TREATED, *(ELSEWHERE if len(columns) == 1 else f"{ELSEWHERE}: {c}" for c in columns)]
    own, span = result.options.outcome, " per treated unit-period"
    listed = ", ".join(columns)
    estimands = [
        f"effects on {own} and {listed} together,{span}",
        f"effect on {own},{span}",
        *(f"effect on {c} of the same units,{span}" for c in columns),
    ]
    sums, joint, spread = weighted_sums(point, cov, spread, load)
    special: dict[int, Any] = {}
    special_p: dict[int, float] = {}
    for row, one in enumerate(parts, 1):
        _carry(one, row, special, special_p)
    whole = of(result.panel.y + sum(values), f"{own} and {listed}") if linear else None
    if whole is not None and abs(whole.row(whole.fitted.per_cell).estimate - point.sum()) <= _EXACT * _size(parts):
        at = whole.fitted.per_cell
        spread.df[0], spread.factor[0] = whole.estimates.t.df[at], whole.estimates.t.factor[at]
        _carry(whole, 0, special, special_p)
    checks = (*twice, *_of_others(parts[1:], columns), *result.audit)
    notes = [f"{c!r} is estimated as {own!r} was, on the same units and periods" for c in columns]
    return _result(
        result, notes, checks, names, estimands, sums, joint, spread, special, special_p,
        lost=range(2, len(names)), place=f"elsewhere ({listed})",
    )  # fmt: skip


def _refuse_columns(result: DidResult, columns: list[str]) -> None:
    if not columns:
        raise InputError("other= names no column", remedy="name the columns of GMV of the same units elsewhere")
    doubled = [c for i, c in enumerate(columns) if c in columns[:i] or c == result.options.outcome]
    if doubled:
        raise InputError(
            f"{said(doubled[0])} would be counted twice", column=doubled[0], remedy="name each other outcome once"
        )
    if result.panel.crossed:
        raise InputError(
            "in repeated cross-sections (unit=None) a further column is not read for the same people",
            remedy="name the units with unit=",
        )
    if result.panel.cut is not None:
        raise InputError(
            "the effect is one on capped outcomes, and capped outcomes do not add up to GMV",
            remedy="call did without winsorise=",
        )


def _joint(parts: list[DidResult]) -> tuple[FloatArray, FloatArray, Spread]:
    """Effects per treated unit-period on each outcome; printed variances, correlated as the clusters' scores are."""
    at = [r.fitted.per_cell for r in parts]
    point = np.array([r.estimates.estimate[k] for r, k in zip(parts, at, strict=True)])
    error = np.array([r.estimates.std_error[k] for r, k in zip(parts, at, strict=True)])
    scores = np.array([r.cluster_influence(total=True) for r in parts])
    own = np.sqrt(np.einsum("ac,ac->a", scores, scores))
    unit = np.divide(scores, own[:, None], out=np.zeros_like(scores), where=own[:, None] > 0)
    cov = np.outer(error, error) * (unit @ unit.T)
    cov[np.diag_indices_from(cov)] = error**2
    df = np.array([r.estimates.t.df[k] for r, k in zip(parts, at, strict=True)])
    factor = np.array([r.estimates.t.factor[k] for r, k in zip(parts, at, strict=True)])
    return point, cov, Spread(df, factor)


def _size(parts: list[DidResult]) -> float:
    return max(float(np.nanmax(np.abs(r.panel.y))) for r in parts)


def _carry(one: DidResult, row: int, special: dict[int, Any], special_p: dict[int, float]) -> None:
    """The interval of a result that does not follow from a standard error."""
    at = one.fitted.per_cell
    if at in one.estimates.special:
        special[row] = TermOf(one, at)
        special_p[row] = float(one.estimates.p_value[at])


def _of_others(others: list[DidResult], columns: list[str]) -> tuple[Check, ...]:
    """Whether the other outcomes stand up to the checks of the first."""
    failed = [(c, k.name) for c, r in zip(columns, others, strict=True) for k in r.audit.failed]
    warned = [(c, k.name) for c, r in zip(columns, others, strict=True) for k in r.audit.warned if k.name in _TRENDS]
    bad = failed or warned
    status = "failed" if failed else "warned" if warned else "passed"
    told = (
        ", ".join(f"{name} of {c!r}" for c, name in bad) or "the audits of the other outcomes find nothing that fails"
    )
    word = {"failed": "failed: ", "warned": "warned: ", "passed": ""}[status]
    remedy = "run gc.did on the other outcome alone and read its audit; leave out what has no parallel trends"
    return (Check("other_outcomes", status, word + told, float(len(bad)), None, remedy if bad else ""),)


# --- units next door ---------------------------------------------------------------------------------------------
def _named(exposed: str | None, edges: Any) -> str:
    return " and ".join(n for n, v in (("exposed=", exposed), ("edges=", edges)) if v is not None)


def _set_apart(result: DidResult, exposed: str | None, edges: Any, exposure: str | float) -> DidResult:
    """The same call with the units next door set apart from the controls."""
    takers = [name for name, m in METHODS.items() if "exposed" in m.takes]
    if result.options.estimator not in takers:
        raise InputError(
            f"estimator={result.options.estimator!r} does not set exposed units apart",
            remedy=f"use estimator={' or '.join(repr(t) for t in takers)}, or other= (the same units)",
        )
    if result.fitted.spillover is not None:
        raise InputError("the result already knows its exposed units", remedy="leave exposed= and edges= out")
    options = {
        **result.manifest.options,
        "exposed": column_name("exposed", exposed, optional=True),
        "edges": None if edges is None else read_links(edges),
        "exposure": threshold(exposure),
    }
    origin = result.known_origin()
    panel = with_exposure(origin.data, replace(result.panel, notes=[]), options, options["edges"])
    alone = "one unit's treatment leaves the others alone"
    assumption = result.assumption.replace(alone, "treatment reaches no other units than those set apart as exposed")
    manifest = replace(result.manifest, options=options)
    return type(result).made(result.title, assumption, manifest, result.alpha, panel, result.options)


def _of_units(result: DidResult, notes: list[str]) -> CannibalisationResult:
    """From the terms of a result that sets exposed units apart."""
    result, told = clustered_by_links(result)
    notes = [*notes, *told]
    e, found = result.estimates, result.fitted.spillover
    assert found is not None
    own = e.term.index("per unit-period") if "per unit-period" in e.term else 0
    spill, total = e.term.index("spillover"), e.term.index("total")
    load = np.zeros((4, len(e.term)))
    load[0, total] = load[1, own] = load[2, total] = load[3, spill] = 1.0
    load[2, own] = -1.0
    point, joint, spread = weighted_sums(e.estimate, e.cov, e.t, load)
    special: dict[int, Any] = {1: TermOf(result, own)} if own in e.special else {}
    special_p = {1: float(e.p_value[own])} if own in e.special else {}
    cells = result.fitted.treated_cells
    span = "per treated unit-period"
    estimands = [
        f"effects on the treated and on the {found.units + found.early:,} units next door together, {span}",
        f"effect on the treated, {span}",
        f"effect on the units next door, {span} ({found.unit_periods:,} exposed and {cells:,} treated ones)",
        "mean effect per exposed unit-period",
    ]
    notes = [*result.manifest.notes, *result.panel.notes, *result.fitted.notes, *notes]
    checks = (reached_apart(result), *result.audit)
    return _result(
        result, list(dict.fromkeys(notes)), checks, [TOTAL, TREATED, ELSEWHERE, NEIGHBOUR], estimands,
        point, joint, spread, special, special_p, lost=[2], place="next door",
    )  # fmt: skip


# --- both ---------------------------------------------------------------------------------------------------------
def _result(
    result: DidResult, notes: list[str], checks: Sequence[Check], names: list[str], estimands: list[str],
    point: FloatArray, cov: FloatArray, spread: Spread, special: dict[int, Callable[[float], tuple[float, float]]],
    special_p: dict[int, float], *, lost: Sequence[int], place: str,
) -> CannibalisationResult:  # fmt: skip
    k = len(names)
    share = share_taken(point, cov, spread, list(lost), 1)
    full = np.full((k + 1, k + 1), np.nan)
    full[:k, :k] = cov
    known = bool(np.isfinite(cov[np.ix_([1, *lost], [1, *lost])]).all())
    if known:
        special[k], special_p[k] = Accepted(share), share.p_value()
    e = result.estimates
    withheld = "" if known and np.isfinite(cov[0, 0]) else e.withheld
    if not known and not withheld:
        withheld = "the share has no interval: placebo runs do not cover both effects together"
    estimates = Estimates(
        (*names, SHARE),
        (*estimands, "share of the gain of the treated that was taken from elsewhere, interval by Fieller"),
        (*[result.options.outcome_unit] * k, "ratio"),
        np.append(point, share.estimate if share.bottom else np.nan),
        full,
        (result.n,) * (k + 1),
        Spread(np.append(spread.df, spread.df.min()), np.append(spread.factor, 1.0)),
        withheld,
        special,
        special_p,
        e.method if 0 in special or np.isfinite(cov[0, 0]) else "",
    )
    options = {**result.manifest.options, "place": place}
    return CannibalisationResult(
        f"{result.title}: gain and cannibalisation",
        result.assumption + ("" if place == "next door" else "; the same for the other outcomes"),
        estimates,
        replace(result.manifest, verb="did.cannibalisation", options=options, notes=tuple(notes)),
        result.alpha,
        result,
        Audit(tuple(checks)),
        place,
        result.baseline,
    )
