"""Shops whose GMV has many zeros, drawn as what `did` sees: trends parallel in ratios, an effect in proportion."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gmvcausal.simulate.worlds.rollout import autoregression
from gmvcausal.trust.panels import LASTING, FloatArray, market, panel
from gmvcausal.trust.trials import Trial

GMV = 20.0  # mean GMV per unit and period


def _cohorts(rng: np.random.Generator, n: int, starts: Sequence[int], treated: int) -> FloatArray:
    """Start of each unit: `treated` of them by lot, dealt evenly to the starts; infinity for the others."""
    start = np.full(n, math.inf)
    place = rng.permutation(n)
    start[place[:treated]] = np.asarray(starts, dtype=float)[np.arange(treated) % len(starts)]
    return start


def shop(
    *,
    n: int | None,
    seed: int,
    periods: int = 12,
    starts: Sequence[int] = (6,),
    treated: int | None = None,
    lasting: str = "no",
    lift: float = 0.3,
    larger: float = 0.0,
    spread: float = 0.5,
    sigma: float = 1.0,
    buys: float = 0.5,
    cap: float | None = None,
) -> Trial:
    """Zero-inflated lognormal GMV whose trends are parallel in ratios, and an effect in proportion.

    Mean GMV of a unit and period is 20 · its own size · season, times 1 + `lift` once started. With probability `buys`
    the unit sells at all, and then a lognormal amount around that mean.

    Parameters
    ----------
    n : int
        Units; 200 if None.
    seed : int
    periods : int
    starts : sequence of int
        Period of the start of each cohort, of equal size.
    treated : int, optional
        Units treated, by lot; half of them if None.
    lasting : {"no", "amounts", "both"}
        What is correlated by .7 from period to period: nothing; the logarithm of the amount; that, and the normal
        variable that decides whether anything is sold.
    lift : float
    larger : float
        By how much, as a share, the treated are larger than the others.
    spread : float
        Standard deviation of the logarithm of the size of units.
    sigma : float
        Standard deviation of the logarithm of the amount.
    buys : float
    cap : float, optional
        Quantile of the untreated outcomes above zero: the truth is then the effect on outcomes capped there.
    """
    from scipy.special import ndtri

    count = n or 200
    rng = np.random.default_rng(seed)
    start = _cohorts(rng, count, starts, count // 2 if treated is None else treated)
    on = np.isfinite(start)
    size = np.exp(spread * rng.standard_normal(count) - spread**2 / 2) * np.where(on, 1.0 + larger, 1.0)
    season = 1.0 + 0.2 * np.sin(np.pi * np.arange(periods) / 2) + 0.02 * np.arange(periods)
    sold = autoregression(rng, count, periods, LASTING if lasting == "both" else 0.0) < ndtri(buys)
    shock = autoregression(rng, count, periods, 0.0 if lasting == "no" else LASTING)
    amount = np.exp(sigma * shock - sigma**2 / 2) / buys
    post = np.arange(periods) >= start[:, None]
    y = GMV * size[:, None] * season * np.where(post, 1.0 + lift, 1.0) * sold * amount
    after = (np.arange(periods) >= np.asarray(starts)[:, None]).astype(np.float64)
    gain = GMV * (1.0 + larger) * lift * season * after
    if cap is not None:
        gain = _capped_gain(season, start, (spread, sigma, buys), lift, larger, cap, after)
    first = min(starts)
    own = np.array([np.bincount(np.searchsorted(starts, start[on]), minlength=len(starts))]).ravel() / count
    return market(panel(y, start, before=y[:, :first].mean(axis=1), last=y[:, first - 1]), gain, starts, own)


def _capped_gain(
    season: FloatArray,
    start: FloatArray,
    law: tuple[float, float, float],
    lift: float,
    larger: float,
    cap: float,
    after: FloatArray,
) -> FloatArray:
    """What the tactic adds to min(GMV, c), c the population's quantile of untreated amounts above zero."""
    from scipy import optimize, stats

    spread, sigma, buys = law
    wide = math.hypot(spread, sigma)
    on = np.isfinite(start)
    # The logarithm of an amount is normal with this mean (by group and period) and the standard deviation `wide`.
    centre = np.log(GMV / buys * season * np.array([[1.0 + larger], [1.0]])) - wide**2 / 2
    untreated = np.stack([(np.arange(len(season)) < start[on][:, None]).sum(axis=0), np.full(len(season), (~on).sum())])

    def too_many(log_cap: float) -> float:
        above = stats.norm.sf((log_cap - centre) / wide)
        return float((untreated * above).sum() / untreated.sum() - (1 - cap))

    log_cap = float(optimize.brentq(too_many, centre.min() - 8 * wide, centre.max() + 8 * wide))

    def mean(of: FloatArray) -> FloatArray:
        at = (log_cap - of) / wide
        kept = np.exp(of + wide**2 / 2) * stats.norm.cdf(at - wide) + math.exp(log_cap) * stats.norm.sf(at)
        return np.asarray(buys * kept)

    return np.asarray((mean(centre[0] + math.log1p(lift)) - mean(centre[0])) * after)
