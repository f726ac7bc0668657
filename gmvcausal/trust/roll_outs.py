"""Roll-outs drawn as what `did` sees rather than as logs: GMV with many zeros, trends that depend on what is known of
units, rooms that are neighbours, rooms unlike the others, trends that bend.

Each is a function of `n`, `seed` and dials that returns a market: a table, the truth with its path, and the call. Names
of columns are the defaults of `did`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.simulate.market import Term, Truth
from gmvcausal.simulate.worlds.rollout import autoregression
from gmvcausal.trust.trials import Trial

FloatArray = NDArray[np.float64]
LASTING = 0.7  # correlation from period to period of shocks that last
GMV = 20.0  # mean GMV per unit and period


def _panel(y: FloatArray, start: FloatArray, **constant: FloatArray) -> Any:
    """The table: one row per unit and period; `constant` holds columns with one value per unit."""
    import pandas as pd

    n, periods = y.shape
    columns = {"unit": np.repeat(np.arange(n), periods), "period": np.tile(np.arange(periods), n), "gmv": y.ravel()}
    columns["first_treated"] = np.repeat(start, periods)
    return pd.DataFrame(columns | {name: np.repeat(values, periods) for name, values in constant.items()})


def _market(
    table: Any, gain: FloatArray, starts: Sequence[int], shares: FloatArray, call: dict[str, Any] | None = None
) -> Trial:
    """The market whose cohorts gain so much in every period (cohorts by periods): mean over post cells, and path."""
    import pandas as pd

    event = np.arange(gain.shape[1]) - np.asarray(starts)[:, None]
    weight = np.asarray(shares)[:, None] * np.ones(gain.shape)
    post = event >= 0
    att = float((weight * gain)[post].sum() / weight[post].sum())
    rows = []
    for e in range(int(event.min()), int(event.max()) + 1):
        at = event == e
        if at.any():
            rows.append((e, float((weight * gain)[at].sum() / weight[at].sum())))
    path = pd.DataFrame(rows, columns=["event_time", "att"])
    return Trial(table, Truth((Term("att", "att", "", att),), "att", path), SimpleNamespace(call=call or {}))


def _cohorts(rng: np.random.Generator, n: int, starts: Sequence[int], treated: int) -> FloatArray:
    """Start of each unit: `treated` of them by lot, dealt evenly to the starts; infinity for the others."""
    start = np.full(n, math.inf)
    place = rng.permutation(n)
    start[place[:treated]] = np.asarray(starts, dtype=float)[np.arange(treated) % len(starts)]
    return start


def _later(effect: float, start: int, periods: int) -> FloatArray:
    """One cohort whose effect is the same in every period from the start on."""
    return np.where(np.arange(periods) >= start, float(effect), 0.0)[None]


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
    return _market(_panel(y, start, before=y[:, :first].mean(axis=1), last=y[:, first - 1]), gain, starts, own)


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


def chosen(
    *, n: int | None, seed: int, trend: str = "line", lot: str = "logit", effect: float = 2.0, periods: int = 8
) -> Trial:
    """Trends that depend on two known columns, by which units were chosen too; one start at half time.

    Parameters
    ----------
    n : int
        Units; 500 if None.
    seed : int
    trend : {"line", "curve"}
        Whether the trend is linear in the columns, or bends.
    lot : {"logit", "curve"}
        Whether the log odds of being treated are linear in the columns, or bend.
    effect : float
    periods : int
    """
    count = n or 500
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 2))
    bent = x[:, 0] ** 2 - 1.0 + 0.5 * x[:, 0]
    odds = 0.7 * x[:, 0] - 0.4 * x[:, 1] if lot == "logit" else 0.6 * bent - 0.4 * x[:, 1]
    on = rng.random(count) < 1.0 / (1.0 + np.exp(0.4 - odds))
    slope = (0.4 * x[:, 0] + 0.2 * x[:, 1]) if trend == "line" else 0.3 * bent + 0.2 * x[:, 1]
    start = periods // 2
    t = np.arange(periods)
    gain = _later(effect, start, periods)
    noise = autoregression(rng, count, periods, 0.5)
    y = 50.0 + 3.0 * rng.standard_normal((count, 1)) + 0.5 * t + slope[:, None] * t + 2.0 * noise + on[:, None] * gain
    return _market(
        _panel(y, np.where(on, start, math.inf), x1=x[:, 0], x2=x[:, 1]), gain, (start,), np.array([on.mean()])
    )


def city(*, n: int | None, seed: int, reach: float = 20.0, periods: int = 8, effect: float = 0.0) -> Trial:
    """Rooms on a map of 150 by 150 km whose shocks, and whose treatment, are alike among neighbours.

    Parameters
    ----------
    n : int
        Rooms; 250 if None.
    seed : int
    reach : float
        Kilometres over which the correlation of two rooms falls to zero (spherical).
    periods : int
    effect : float
    """
    count = n or 250
    rng = np.random.default_rng(seed)
    at = rng.uniform(0.0, 150.0, (count, 2))
    apart = np.sqrt(((at[:, None] - at[None]) ** 2).sum(axis=2)) / reach
    alike = np.where(apart < 1, 1 - 1.5 * apart + 0.5 * apart**3, 0.0)
    root = np.linalg.cholesky(alike + 1e-8 * np.eye(count))
    place = root @ rng.standard_normal(count)
    on = place > np.median(place)
    shock = 0.8 * root @ rng.standard_normal((count, periods)) + 0.6 * rng.standard_normal((count, periods))
    start = periods // 2
    gain = _later(effect, start, periods)
    y = 100.0 + 10.0 * rng.standard_normal((count, 1)) + 10.0 * shock + on[:, None] * gain
    # One degree of latitude is 111.2 km; near the equator one of longitude is as long.
    lat, lon = at[:, 0] / 111.2 - 0.7, at[:, 1] / 111.2
    call = {"coordinates": ["lat", "lon"], "cutoff": reach, "inference": "conley"}
    return _market(
        _panel(y, np.where(on, start, math.inf), lat=lat, lon=lon), gain, (start,), np.array([on.mean()]), call
    )


def unlike(
    *, n: int | None, seed: int, treated: int = 1, periods: int = 30, start: int = 20, effect: float = 0.0,
    load: float = 0.8,
) -> Trial:  # fmt: skip
    """Rooms that a common movement reaches more or less; the treated are among those that it reaches most.

    The movement is a random walk with drift. Loads of rooms are uniform on 0 to 1, those of the treated near `load`.

    Parameters
    ----------
    n : int
        Rooms; 30 if None.
    seed : int
    treated, periods, start : int
    effect, load : float
    """
    count = n or 30
    rng = np.random.default_rng(seed)
    reach = rng.uniform(0.0, 1.0, count)
    reach[:treated] = load + rng.uniform(-0.1, 0.1, treated)
    walk = np.cumsum(0.5 + rng.standard_normal(periods))
    y = 100.0 + 5.0 * rng.standard_normal((count, 1)) + 2.0 * reach[:, None] * walk
    y += autoregression(rng, count, periods, 0.3)
    gain = _later(effect, start, periods)
    y[:treated] += gain
    began = np.where(np.arange(count) < treated, float(start), math.inf)
    return _market(_panel(y, began), gain, (start,), np.array([treated / count]))


def bent(
    *, n: int | None, seed: int, shape: str = "moves", bound: float = 1.0, move: float = 1.0, effect: float = 2.0,
    before: int = 5, after: int = 3,
) -> Trial:  # fmt: skip
    """Trends of the treated that differ by just as much as a bound allows, all in one direction.

    Parameters
    ----------
    n : int
        Units, half of them treated; 200 if None.
    seed : int
    shape : {"moves", "slopes"}
        "moves": before the start the difference moves once, by `move`, and after it by `bound` times as much in every
        period. "slopes": it is flat before the start, and its slope grows by `bound` in every period after it.
    bound, move, effect : float
    before, after : int
        Periods.
    """
    count = n or 200
    rng = np.random.default_rng(seed)
    on = rng.permutation(count) < count // 2
    steps = np.zeros(before + after)
    if shape == "moves":
        steps[before // 2] = move
        steps[before:] = bound * move
    else:
        steps[before:] = bound * np.arange(1, after + 1)
    gain = _later(effect, before, before + after)
    y = 20.0 + 5.0 * rng.standard_normal((count, 1)) + 2.0 * autoregression(rng, count, before + after, 0.5)
    y += on[:, None] * (np.cumsum(steps) + gain)
    return _market(_panel(y, np.where(on, float(before), math.inf)), gain, (before,), np.array([0.5]))


def sized(
    *, n: int | None, seed: int, treated: int = 5, periods: int = 10, start: int = 6, among: str = "upper"
) -> Trial:
    """Rooms whose shocks are in proportion to their size, which a column holds; no effect.

    Parameters
    ----------
    n : int
        Rooms; 60 if None.
    seed : int
    treated, periods, start : int
    among : {"upper", "largest"}
        The treated are drawn from the upper half but the largest, or are the largest.
    """
    count = n or 60
    rng = np.random.default_rng(seed)
    size = np.sort(np.exp(rng.standard_normal(count)))[::-1]
    place = np.arange(treated) if among == "largest" else 1 + rng.permutation(count // 2 - 1)[:treated]
    began = np.full(count, math.inf)
    began[place] = start
    y = 100.0 * (1 + size[:, None]) + size[:, None] * autoregression(rng, count, periods, LASTING)
    gain = np.zeros((1, periods))
    return _market(_panel(y, began, viewers=size), gain, (start,), np.array([treated / count]))
