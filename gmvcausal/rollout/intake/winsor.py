"""Outcomes capped at a quantile of what was sold without the tactic, and how much the cut-point itself says.

The cap is a number, and the estimand is the effect on the outcome capped at that number. Given it, the estimator's own
standard error is right to first order although the number comes from the same data: what the sample does to the cut
moves estimate and estimand together. Another sample would choose another cap; the check `cap` says what that changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import said
from gmvcausal.results import Check
from gmvcausal.rollout.audit.case import Case
from gmvcausal.rollout.fitted import FloatArray, treatment
from gmvcausal.rollout.intake.cohorts import ALWAYS
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.stats.inference import critical_value

_LEVEL = 0.95
_CAPPED = ", capped at "


@dataclass(frozen=True)
class Cut:
    """Where outcomes were capped.

    Attributes
    ----------
    share : float
        The quantile asked for.
    at, low, high : float
        The cap, and the 95 % interval of the quantile (Woodruff 1952, clustered).
    whole : ndarray, shape (R, T)
        The outcomes as they were.
    """

    share: float
    at: float
    low: float
    high: float
    whole: FloatArray


def share_of(value: Any) -> float:
    """Check a share between a half and one."""
    real = not isinstance(value, bool | np.bool_) and isinstance(value, int | float | np.floating)
    if not real or not 0.5 < float(value) < 1:
        raise InputError(
            f"winsorise must be a share between .5 and 1, but is {said(value)}",
            remedy="pass 0.99 to cap outcomes at 99 % of the non-zero ones without the tactic",
        )
    return float(value)


def measured(unit: str, panel: Panel) -> str:
    """The unit of an outcome, with the cap where there is one."""
    plain = unit.partition(_CAPPED)[0]
    return f"{plain}{_CAPPED}{panel.cut.at:.6g}" if panel.cut else plain


def uncapped(panel: Panel) -> Panel:
    """The panel with its outcomes as they came."""
    return panel if panel.cut is None else replace(panel, y=panel.cut.whole, cut=None)


def capped(panel: Panel, share: float, anticipation: int = 0) -> Panel:
    """The panel with outcomes capped at a quantile of the non-zero ones without the tactic.

    Parameters
    ----------
    panel : Panel
    share : float
        Between .5 and 1.
    anticipation : int
        Grid steps before the start in which the tactic may show already: they are not among those without it.

    Raises
    ------
    DesignError
        Without the tactic there are fewer non-zero outcomes than it takes to have one above the quantile.
    """
    size, on = np.abs(panel.y), treatment(panel)
    pool = (on == 0) & (size > 0) & (panel.start != ALWAYS)[:, None]
    if anticipation and panel.stack is None:
        pool &= ~_expected(panel, anticipation)
    needed = math.ceil(1 / (1 - share))
    if int(pool.sum()) < needed:
        raise DesignError(
            f"winsorise={share:g} needs at least {needed:,} non-zero outcomes without the tactic, and there are "
            f"{int(pool.sum()):,}",
            remedy="cap at a lower share, or leave winsorise= out",
        )
    weight = np.ones(len(panel.y)) if panel.weight is None else panel.weight
    row = np.nonzero(pool)[0]
    values, w = size[pool], weight[row]
    order = np.argsort(values, kind="stable")
    level = np.cumsum(w[order]) / w.sum()

    def quantile(p: float) -> float:
        place = min(int(np.searchsorted(level, p - 1e-12)), len(order) - 1)
        return float(values[order][place])

    at = quantile(share)
    inside = np.bincount(panel.cluster[row], w * ((values <= at) - share), minlength=panel.n_clusters) / w.sum()
    half = critical_value(_LEVEL) * float(np.sqrt(inside @ inside))
    cut = Cut(share, at, quantile(max(share - half, 0.0)), quantile(min(share + half, 1.0)), panel.y)
    above = size > at
    note = (
        f"{int(above.sum()):,} outcomes beyond {at:.6g} were capped there, {int((above & (on == 1)).sum()):,} of them "
        f"under the tactic; {share:.4g} of the non-zero ones without the tactic"
        f"{' and its anticipation' if anticipation else ''} lie below"
    )
    return replace(panel, y=np.clip(panel.y, -at, at), cut=cut, notes=[*panel.notes, note])


def _expected(panel: Panel, anticipation: int) -> np.ndarray:
    """Cells from `anticipation` steps before each unit's start on, shape (R, T)."""
    position, begun = panel.grid.position, panel.start >= 0
    first = np.where(begun, position[np.maximum(panel.start, 0)] - anticipation, position[-1] + 1)
    return np.asarray(position >= first[:, None])


def cap(case: Case) -> Check | None:
    """Does the answer hang on where exactly the cut fell?"""
    cut = case.panel.cut
    if cut is None:
        return None
    found = [float(case.fitted.estimates.estimate[0])]
    p = [float(case.fitted.estimates.p_value[0])]
    for at in (cut.low, cut.high):
        again = case.rerun(replace(case.panel, y=np.clip(cut.whole, -at, at), notes=[], dropped={}))
        found.append(float(again.estimate[0]))
        p.append(float(again.p_value[0]))
    alpha = case.options.alpha
    # What would be said at each cap: a gain, a loss, or nothing.
    said_there = {math.copysign(1, e) if v < alpha else 0.0 for e, v in zip(found, p, strict=True) if not math.isnan(v)}
    turned = len(said_there) > 1
    message = (
        f"the cap of {cut.at:.6g} has the 95% interval {cut.low:.6g} to {cut.high:.6g}; there the estimate is "
        f"{found[1]:+.4g} and {found[2]:+.4g} against {found[0]:+.4g}"
    )
    remedy = "the finding hangs on the tail: report the uncapped estimate and several caps beside this one"
    return Check("cap", "warned" if turned else "passed", message, remedy=remedy if turned else "")
