"""From the event study of a roll-out to what its gain took from other periods."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, GmvCausalError, InputError
from gmvcausal.frames.params import said
from gmvcausal.results import Check, Estimates
from gmvcausal.results.compliers import Accepted
from gmvcausal.results.displaced import AFTER, BEFORE, DURING, NET, SHARE, Window, without
from gmvcausal.rollout.audit.rules import bound, judge
from gmvcausal.rollout.displaced.limits import TermOf
from gmvcausal.rollout.displaced.result import DidPullForward
from gmvcausal.rollout.displaced.same_units import Found, baseline_of, length_of, reach_of, same_throughout, units
from gmvcausal.rollout.displaced.spells import Spells, spells
from gmvcausal.rollout.fitted import Series
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.referee.reassigned import cut
from gmvcausal.stats.path import Path, share_taken
from gmvcausal.stats.small_sample import Spread

if TYPE_CHECKING:
    from gmvcausal.rollout.result import DidResult

Limits = Callable[[float], tuple[float, float]]
_EXACT = 1e-9


def pull_forward(result: DidResult, window: int | None, during: int | None, before: int) -> DidPullForward:
    """See `DidResult.pull_forward`."""
    event = result.event_series
    if event is None:
        raise DesignError(
            f"estimator={result.options.estimator!r} has no event study here, so later periods are not told from the "
            "first",
            remedy="mark treated= from each start to the end of its window, so that it stays on, and say during="
            if result.panel.stack is not None
            else "use estimator='callaway_santanna' with first_treated=, or estimator='switching' with treated=",
        )
    for name, value, least in (("window", window, 2), ("during", during, 1), ("before", before, 0)):
        _count(name, value, least)
    notes = list(result.manifest.notes)
    known = spells(result)
    push = _during(known, during, notes)
    if before > result.options.anticipation:
        raise InputError(
            f"before={before}, but the effects are measured from the last of the periods before the start",
            remedy=f"call did with anticipation={before}: the base then lies before the announcement",
        )
    reach = reach_of(result.panel, result.fitted, before)
    asked = Window(before, push, length_of(reach, window, push, notes), _word(result))
    found = same_throughout(result, event, reach, asked, notes)
    path = _path(found.event, asked)
    estimates = _estimates(result, found, path, asked, notes)
    n = units(found.event, asked)
    uneven = bool(np.ptp(n) > 0)
    options = {"window": asked.length, "during": push, "before": before}
    checks = (_end(path, asked), *_again(known, asked), *_late(found))
    return DidPullForward(
        f"{result.title}: gain and pull-forward",
        f"{result.assumption}; what is bought less within {asked.span(asked.length)} of the start was bought earlier "
        "because of the tactic",
        estimates,
        replace(
            result.manifest,
            verb="did.pull_forward",
            options={**result.manifest.options, **options},
            notes=tuple(notes),
            choices=(*result.manifest.choices, f"{asked.first()} count{'s' if push == 1 else ''} as the push"),
        ),
        result.alpha,
        result,
        asked,
        path,
        without(result.audit, ("pull_forward",), checks),
        float(n.mean()),
        result.options.outcome,
        result.panel.meta,
        baseline_of(result, found) * (asked.length + before),
        "units come and go within the window, so the net per unit has no exact total" if uneven else "",
    )


def _count(name: str, value: Any, least: int) -> None:
    if value is None and name != "before":
        return
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} must count periods, at least {least}, but is {said(value)}")


# --- what is added up -------------------------------------------------------------------------------------------
def _word(result: DidResult) -> str:
    """What a period is called: "week" where the unit of measurement is GMV per room-week."""
    word = result.options.outcome_unit.rpartition(" per ")[2].rpartition("-")[2]
    return word if word.isidentifier() and result.panel.parts == 1 else "period"


def _during(known: Spells, during: int | None, notes: list[str]) -> int:
    """Periods that count as the push: as asked, as long as the tactic is on, or the first."""
    if during is not None:
        return during
    if known.length is not None:
        notes.append(f"the tactic is on for {known.length} periods, which count as the push")
        return known.length
    if known.varies:
        raise InputError(
            f"the tactic is on for {known.shortest} to {known.longest} periods, so it is not known which to call the "
            "push",
            remedy=f"pass during={known.shortest}, or another number of periods",
        )
    notes.append("the tactic stays on, and its first period counts as the push (during= takes another number)")
    return 1


def _path(event: Series, asked: Window) -> Path:
    """The periods of the window."""
    at = np.arange(-asked.before, asked.length)
    place = {int(t): i for i, t in enumerate(event.at)}
    gone = [str(t) for t in at if t not in place]
    if gone:
        raise DesignError(
            f"the event study has no effect in period {', '.join(gone[:5])} since the start, so sums over it are not "
            "known",
            remedy="pass a shorter window=, or supply the rows of that period",
        )
    if event.cov.ndim != 2:
        raise DesignError(
            f"{len(event.at):,} periods are too many for their joint covariance",
            remedy="build the panel by weeks or months",
        )
    use = np.array([place[int(t)] for t in at])
    spread = Spread(event.spread.df[use], event.spread.factor[use])
    return Path(at, event.estimate[use], event.withheld()[np.ix_(use, use)], spread)


def _estimates(result: DidResult, found: Found, path: Path, asked: Window, notes: list[str]) -> Estimates:
    """The sums and the share, with their intervals."""
    during, after, before = (path.at >= 0) & (path.at < asked.during), path.at >= asked.during, path.at < 0
    parts = {NET: during | after | before, DURING: during, AFTER: after}
    if asked.before:
        parts[BEFORE] = before
    names = list(parts)
    loads = np.array(list(parts.values()), dtype=float)
    point, cov, spread = path.sums(loads)
    unit, k = result.options.outcome_unit, len(names)
    special: dict[int, Limits] = {}
    special_p: dict[int, float] = {}
    method, withheld = "t distribution of the sums, from the joint covariance of the event study", ""
    share = share_taken(point, cov, spread, list(range(2, k)), 1)
    other = result.options.inference not in (None, "jackknife")
    if np.isnan(cov[0, 0]) or other:
        made = _by_cutting(result, found.panel, path, parts)
        if made is not None:
            special, special_p, method = made
            cov, spread = np.full_like(cov, np.nan), Spread(np.full(k, np.inf), np.ones(k))
            withheld = "the share has no interval: placebo runs do not cover gain and dip together"
        elif np.isnan(cov[0, 0]):
            withheld, method = result.estimates.withheld or f"only the headline has an interval{_instead(result)}", ""
        else:
            notes.append(
                f"inference={result.options.inference!r} is of the headline; sums over periods have t intervals"
            )
    full = np.full((k + 1, k + 1), np.nan)
    full[:k, :k] = cov
    if np.isfinite(cov).all():
        special[k], special_p[k] = Accepted(share), share.p_value()
    rest, whole = asked.length - asked.during, f"over {asked.span(asked.length)} from the start"
    if asked.before:
        whole = f"from {asked.span(asked.before)} before the start to {asked.span(asked.length)} after it"
    what = {
        NET: f"sum of the effects {whole}, per treated unit",
        DURING: f"sum over {asked.first()}",
        AFTER: f"sum over the {asked.span(rest)} after that",
        BEFORE: f"sum over the {asked.span(asked.before)} before the start",
    }
    taken = "minus (after + before) / during" if asked.before else "minus after / during"
    return Estimates(
        (*names, SHARE),
        (*(what[n] for n in names), f"share of the gain that other periods gave: {taken}, interval by Fieller"),
        (*(asked.unit(unit, int(load.sum())) for load in loads), "ratio"),
        np.append(point, share.estimate if share.bottom else np.nan),
        full,
        (int(found.event.n.max()) if result.n is None else result.n,) * (k + 1),
        Spread(np.append(spread.df, spread.df.min()), np.append(spread.factor, 1.0)),
        withheld,
        special,
        special_p,
        method,
    )


def _instead(result: DidResult) -> str:
    """What has intervals where the headline's own method does not carry over to sums of periods."""
    better = [repr(name) for name in ("imputation", "callaway_santanna") if name != result.options.estimator]
    return f"; it does not carry over to sums of periods: estimator={' or '.join(better)} may have them"


def _by_cutting(
    result: DidResult, panel: Panel, path: Path, parts: dict[str, NDArray[np.bool_]]
) -> tuple[dict[int, Limits], dict[int, float], str] | None:
    """Intervals of each sum by the headline's own method: the panel without the other periods after the start.

    With one start the headline of such a panel is the mean effect of the periods left.
    """
    starts = np.unique(panel.start[panel.start >= 0])
    if len(starts) != 1 or panel.stack is not None or panel.on is not None or path.at[0] < 0:
        return None
    position = panel.grid.position
    since = position - position[starts[0]]
    limits: dict[int, Limits] = {}
    p, method = {}, ""
    for row, use in enumerate(parts.values()):
        keep = np.flatnonzero((since < 0) | np.isin(since, path.at[use]))
        try:
            short = replace(_dated(panel, keep, int(starts[0])), notes=[], dropped={})
            made = type(result).made(
                result.title, result.assumption, result.manifest, result.alpha, short, result.options
            )
        except GmvCausalError:
            return None
        total, size, one = float(path.estimate[use].sum()), int(use.sum()), made.estimates
        scale = max(abs(total), float(np.nanmax(np.abs(panel.y))))
        if not abs(one.estimate[0] * size - total) <= _EXACT * scale or math.isnan(one.interval(0.95)[0][0]):
            return None
        limits[row] = TermOf(made, 0, size)
        p[row], method = float(one.p_value[0]), one.method
    return limits, p, method


def _dated(panel: Panel, keep: NDArray[np.int64], start: int) -> Panel:
    """The panel in some of its periods; the treated start with the first of them after the start."""
    some = cut(panel, keep)
    first = int((keep < start).sum())
    return replace(some, start=np.where(panel.start >= 0, first, some.start))


# --- checks -----------------------------------------------------------------------------------------------------
def _end(path: Path, asked: Window) -> Check:
    """Does the window end within the dip?"""
    last = np.zeros((1, len(path.at)))
    last[0, -1] = 1.0
    point, cov, (df, factor) = path.sums(last)
    effect, error = float(point[0]), float(factor[0]) * math.sqrt(max(cov[0, 0], 0.0)) if cov[0, 0] >= 0 else math.nan
    if not error > 0:
        return Check("window_end", "not_run", "the last period of the window has no standard error")
    from scipy import special

    t = effect / error
    p = float(special.ndtr(t) if math.isinf(df[0]) else special.stdtr(df[0], t))
    status = judge("window_end", p)
    return Check(
        "window_end",
        status,
        f"in the last {asked.word} of the window the effect is {effect:+.4g} (p = {p:.3g} that it is below zero by "
        "chance)",
        p,
        bound("window_end"),
        "" if status == "passed" else "the dip may go on: take a longer window=, and supply later periods",
    )


def _again(known: Spells, asked: Window) -> tuple[Check, ...]:
    """Is the tactic on again before the window ends?"""
    if known.again is None:
        return ()
    share = known.again(asked.length)
    status = judge("tactic_again", share)
    return (
        Check(
            "tactic_again",
            status,
            f"{share:.0%} of the treated units are under the tactic again before the window ends",
            share,
            bound("tactic_again"),
            "" if status == "passed" else "what follows is then no dip alone: take a shorter window=",
        ),
    )


def _late(found: Found) -> tuple[Check, ...]:
    if not found.left_out:
        return ()
    share = found.left_out / found.treated
    status = judge("seen_too_short", share)
    return (
        Check(
            "seen_too_short",
            status,
            f"{found.left_out:,} of {found.treated:,} treated units are not seen, or have nobody to compare them with, "
            "for the whole window and are left out",
            share,
            bound("seen_too_short"),
            "" if status == "passed" else "take a shorter window=, or supply later periods",
        ),
    )
