"""From the event study of a result to the question of how far its trends may have differed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import check, one_of
from gmvcausal.rollout.audit.of_trend import leads_of, tested
from gmvcausal.rollout.fitted import FAMILY, FloatArray
from gmvcausal.rollout.methods import METHODS
from gmvcausal.rollout.ratios.one_base import log_event_study
from gmvcausal.rollout.referee.bounds import METHODS as BOUNDS
from gmvcausal.rollout.referee.bounds import direction_of
from gmvcausal.rollout.referee.honest import TARGETS, SensitivityResult, answer
from gmvcausal.stats.honest import Study
from gmvcausal.stats.inference import critical_value, critical_values
from gmvcausal.stats.pre_trend import detectable_slope, mean_if_passed

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.rollout.fitted import Series
    from gmvcausal.rollout.result import DidResult

_LEVEL = 0.05  # at which the audit warns of the leads


def sensitivity(
    result: DidResult,
    *,
    method: str,
    target: str,
    grid: Sequence[float] | None,
    alpha: float | None,
    sign: str | None = None,
    monotone: bool = False,
) -> SensitivityResult:
    """`honest_did` for the event study of `result`, on the universal base; see `DidResult.sensitivity`."""
    one_of("method", method, BOUNDS)
    one_of("target", target, TARGETS)
    direction = direction_of(sign, monotone)
    level = result.alpha if alpha is None else check("alpha", alpha)
    event, unit, remark = _one_base(result)
    before, after, left_out = _run(event)
    first = np.flatnonzero(event.at[after] >= 0)
    if not len(before) or not len(first):
        raise DesignError(
            "the event study has no interval "
            + ("before its base" if not len(before) else "after the start")
            + ", so there is nothing to hold trends against",
            remedy="take more periods, or use an estimator whose terms have intervals here",
        )
    use = np.concatenate([before, after])
    weight = np.zeros(len(after))
    weight[first if target == "average" else first[:1]] = 1.0 / (len(first) if target == "average" else 1)
    # The method takes the coefficients as normal: those with a t distribution have their covariance widened to match.
    wide = critical_values(1 - level, event.spread.df[use]) * event.spread.factor[use] / critical_value(1 - level)
    sigma = event.cov[np.ix_(use, use)] * np.outer(wide, wide)
    study = Study(event.estimate[use], (sigma + sigma.T) / 2, len(before), weight, result.options.seed)
    names = event.at[after][first]
    what = (
        f"mean effect over event times {names[0]} to {names[-1]}"
        if target == "average" and len(names) > 1
        else f"effect at event time {names[0]}"
    )
    notes = [*result.manifest.notes, *([remark] if remark else [])]
    if left_out:
        notes.append(f"sensitivity leaves out event times that have no interval or stand behind a gap: {left_out}")
    if np.ptp(wide) > 0 or wide.max() > 1.0005:
        notes.append(
            f"covariance widened to its t distributions, standard errors by up to {100 * (wide.max() - 1):.2g}%"
        )
    manifest = replace(
        result.manifest,
        verb="sensitivity",
        options={**result.manifest.options, "method": method, "target": target, "sign": sign, "monotone": monotone},
        notes=tuple(notes),
    )
    return answer(study, what, unit, result.n, method, grid, level, manifest, direction)


def _one_base(result: DidResult) -> tuple[Series, str, str]:
    """The event study whose leads and effects come from one base with one covariance, its unit, and a remark on it.

    That of the estimator itself, or, where its leads are a regression of their own, the one that leaves as much free:
    a dummy for every cohort and period but the base.

    Raises
    ------
    DesignError
        There is none.
    """
    estimator, spillover = result.options.estimator, result.fitted.spillover
    if estimator == "poisson":
        remark = (
            "poisson measures effects from all periods before the start but leads from the last: sensitivity reads one "
            "regression with both, in logarithms of ratios (.1 is about 10 %)"
        )
        return log_event_study(result.panel, result.options), "log points", remark
    event = result.event_series
    if event is None or event.reference is None:
        raise DesignError(
            "there is no event study with one base, so trends before the start cannot be held against those after it",
            remedy="use an estimator with an event study, for example callaway_santanna",
        )
    if event.origin is not None and spillover is not None:
        raise DesignError(
            f"{spillover.early:,} treated units were exposed to others' treatment before their own start and are "
            "measured from before that, so effects and leads have no one base",
            remedy="ask it of a call in which those units are left out",
        )
    if event.origin is None:
        return event, result.unit, ""
    if estimator not in FAMILY:
        raise DesignError(
            f"estimator={estimator!r} measures effects and leads from different bases, so they cannot be held against "
            "each other",
            remedy="use estimator='sun_abraham' or 'callaway_santanna', which measure both from the last period before",
        )
    other = METHODS["sun_abraham"].run(result.panel, replace(result.options, estimator="sun_abraham"))
    found = other.event()
    assert found is not None  # this estimator always has one
    remark = (
        f"{estimator} measures effects from all periods before the start but leads from the last: sensitivity reads "
        "the event study of sun_abraham on the same panel, which measures both from the last"
    )
    return found, result.unit, "; ".join((remark, *other.notes))


def _run(event: Series) -> tuple[np.ndarray, np.ndarray, str]:
    """Places of the terms that join the base without a gap, before and after it; and the others, as text."""
    live = np.isfinite(np.diag(event.withheld())) if event.cov.ndim == 2 else np.zeros(len(event.at), dtype=bool)
    live = live & (np.diag(event.cov) > 0) if event.cov.ndim == 2 else live
    place = {int(t): i for i, t in enumerate(event.at) if live[i]}
    assert event.reference is not None
    sides = []
    for step in (-1, 1):
        at, found = event.reference + step, []
        while at in place:
            found.append(place[at])
            at += step
        sides.append(np.array(found[::step], dtype=np.int64))
    used = {*sides[0].tolist(), *sides[1].tolist()}
    left = [str(t) for i, t in enumerate(event.at) if i not in used]
    return sides[0], sides[1], ", ".join(left)


def pre_trend_power(result: DidResult, powers: Sequence[float] | float) -> pd.DataFrame:
    """What the joint test of the leads could have seen; see `DidResult.pre_trend_power`."""
    import pandas as pd

    asked = [powers] if isinstance(powers, int | float) else list(powers)
    if not asked:
        raise InputError("powers holds no power to ask for", remedy="pass powers=[0.5, 0.8]")
    asked = [check("level", power, called="powers") for power in asked]
    ratios = result.options.estimator == "poisson"
    event = _one_base(result)[0] if ratios else result.event_series
    leads = leads_of(event)
    if event is None or leads is None or event.reference is None or not len(leads.at):
        raise DesignError(
            "there are no leads, so there is no test of them whose power could be asked for",
            remedy="supply earlier periods, or use an estimator with an event study",
        )
    if event.origin is not None and result.options.estimator not in FAMILY:
        _one_base(result)  # which says why there is none
    made = tested(leads)
    if made is None:
        raise DesignError("the leads have no interval here, so their test has no power to speak of")
    leads, cov, clusters = made.leads, made.cov, made.clusters
    after = np.flatnonzero((event.at >= 0) & np.isfinite(np.diag(event.withheld())))
    if not np.isfinite(np.diag(leads.withheld())).all() or not len(after):
        raise DesignError("the leads have no interval here, so their test has no power to speak of")
    before = np.flatnonzero(np.isin(event.at, leads.at))
    weight = event.n[after] / event.n[after].sum()
    drift = _drifted(result, event)
    apart, ahead = drift[before], float(weight @ drift[after])
    carry = np.linalg.solve(leads.cov, event.cov[np.ix_(before, after)] @ weight)
    rows = []
    for power in asked:
        slope = detectable_slope(apart, cov, clusters, _LEVEL, power)
        moved = slope * apart
        passed = mean_if_passed(moved, cov, clusters, _LEVEL, result.options.seed)
        rows.append((power, slope, slope * ahead, slope * ahead + float(carry @ (passed - moved))))
    frame = pd.DataFrame(rows, columns=["power", "slope", "bias", "bias_if_passed"])
    return frame.assign(effect=float(weight @ event.estimate[after]))


def _drifted(result: DidResult, event: Series) -> FloatArray:
    """What the event study finds where the treated drift by one a period and nothing else happens, shape (a,).

    With one base that is the distance from it. Where leads and effects have different bases, the estimator says: it is
    linear, so it is run on the drift itself.
    """
    assert event.reference is not None
    if event.origin is None:
        return np.asarray(event.at - event.reference, dtype=np.float64)
    panel, position = result.panel, result.panel.grid.position
    start = np.maximum(panel.start, 0)
    line = np.where(panel.start[:, None] >= 0, position - position[start][:, None], 0.0)
    drift = replace(panel, y=np.where(np.isfinite(panel.y), line, np.nan))
    found = METHODS[result.options.estimator].run(drift, result.options).event()
    assert found is not None and (found.at == event.at).all()  # the same cells as in the data
    return found.estimate
