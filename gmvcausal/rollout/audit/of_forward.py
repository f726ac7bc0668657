"""Is part of the gain borrowed from later periods? A dip after a gain, or a window too short to see one."""

from __future__ import annotations

import math

import numpy as np

from gmvcausal.results import Check
from gmvcausal.rollout.audit.case import Case, p_text
from gmvcausal.rollout.audit.rules import MIN_CLUSTERS, MIN_DF, bound, judge
from gmvcausal.rollout.fitted import FloatArray, Series
from gmvcausal.stats.inference import critical_values, root_of_diagonal, standard_draws

_LEVEL = 0.95


def pull_forward(case: Case) -> Check | None:
    """Do later periods lie below zero after one with a gain?

    Looked at are every later period and the means of all from each of them on; their joint law gives the p-value.
    """
    event = case.event
    if event is None or event.cov.ndim != 2:
        return None
    use = (event.at >= 0) & (event.behind >= MIN_CLUSTERS) & (event.spread.df >= MIN_DF)
    use &= np.isfinite(np.diag(event.cov)) & (np.diag(event.cov) > 0)
    after = event.take(use)
    if not len(after.at) or after.at[0] != 0:
        return Check(
            "pull_forward",
            "not_run",
            "no interval stands behind the effects by period, so a dip after the gain cannot be told from chance",
        )
    gain = _gains(after)
    if not (event.at > 0).any():
        return _unseen(bool(gain[0]))
    later = np.flatnonzero(after.at > 0)
    borrowing = [j for j in later if gain[after.at < after.at[j]].any()]
    if not borrowing:
        told = "no period has a gain that later ones could have paid for"
        return Check("pull_forward", "passed", told, 1.0, bound("pull_forward"))
    p, where = _dip(after, np.array(borrowing))
    status = judge("pull_forward", p)
    low = float(after.estimate[where])
    message = (
        f"after a gain of {float(after.estimate[gain].max()):+.4g} at its height, the lowest of the later periods has "
        f"{low:+.4g} ({after.at[where]} after the start; p = {p_text(p)} over all later ones)"
    )
    remedy = (
        "purchases were taken from later periods: quote the net over a window that holds the dip, "
        "result.pull_forward(window=...), not the first periods"
    )
    return Check("pull_forward", status, message, p, bound("pull_forward"), "" if status == "passed" else remedy)


def _unseen(gain: bool) -> Check:
    if not gain:
        told = "only the first period after the start is seen, and it has no gain that later ones could pay for"
        return Check("pull_forward", "passed", told, threshold=bound("pull_forward"))
    return Check(
        "pull_forward",
        "warned",
        "there is a gain, and only the first period after the start is seen: what it took from later ones is not known",
        threshold=bound("pull_forward"),
        remedy="supply the periods after it, and read result.pull_forward()",
    )


def _gains(after: Series) -> np.ndarray:
    """Periods whose interval lies above zero."""
    reach = critical_values(_LEVEL, after.spread.df) * after.spread.factor * root_of_diagonal(after.cov)
    return np.asarray(after.estimate - reach > 0)


def _dip(after: Series, at: np.ndarray) -> tuple[float, int]:
    """p-value of the lowest of the looks, one-sided and over all of them; and the lowest period."""
    from scipy import special

    k = len(after.at)
    single = np.eye(k)[at]
    means: FloatArray = np.array([(np.arange(k) >= j) / (k - j) for j in at if j < k - 1]).reshape(-1, k)
    loads = np.vstack([single, means])
    cov = loads @ after.cov @ loads.T
    used = loads != 0
    df = np.where(used, after.spread.df, math.inf).min(axis=1)
    factor = np.where(used, after.spread.factor, 1.0).max(axis=1)
    error = factor * root_of_diagonal(cov)
    live = error > 0
    t = (loads @ after.estimate)[live] / error[live]
    # As normal terms would have it at the same probability, so that one law holds for all looks.
    z = special.ndtri(np.where(np.isinf(df[live]), special.ndtr(t), special.stdtr(df[live], t)))
    draws = standard_draws(cov, 0)
    p = float((1 + (draws.min(axis=1) <= z.min()).sum()) / (1 + len(draws)))
    return p, int(at[np.argmin(after.estimate[at])])
