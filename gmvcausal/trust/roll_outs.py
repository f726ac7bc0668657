"""Roll-outs drawn as what `did` sees rather than as logs: GMV with many zeros, trends that depend on what is known of
units, rooms that are neighbours, rooms unlike the others, trends that bend.

Each is a function of `n`, `seed` and dials that returns a market: a table, the truth with its path, and the call. Names
of columns are the defaults of `did`.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np

from gmvcausal.simulate.market import Term, Truth
from gmvcausal.simulate.worlds.rollout import autoregression
from gmvcausal.trust.panels import LASTING, later, market, panel
from gmvcausal.trust.sales import ends, sale, two_outcomes
from gmvcausal.trust.shops import shop
from gmvcausal.trust.trials import Trial

SLOPE = "per unit of dose"
__all__ = [
    "bent",
    "chosen",
    "city",
    "ends",
    "kinds",
    "pauses",
    "rooms",
    "sale",
    "shop",
    "two_outcomes",
    "unlike",
    "values",
]


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
    gain = later(effect, start, periods)
    noise = autoregression(rng, count, periods, 0.5)
    y = 50.0 + 3.0 * rng.standard_normal((count, 1)) + 0.5 * t + slope[:, None] * t + 2.0 * noise + on[:, None] * gain
    return market(
        panel(y, np.where(on, start, math.inf), x1=x[:, 0], x2=x[:, 1]), gain, (start,), np.array([on.mean()])
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
    gain = later(effect, start, periods)
    y = 100.0 + 10.0 * rng.standard_normal((count, 1)) + 10.0 * shock + on[:, None] * gain
    # One degree of latitude is 111.2 km; near the equator one of longitude is as long.
    lat, lon = at[:, 0] / 111.2 - 0.7, at[:, 1] / 111.2
    call = {"coordinates": ["lat", "lon"], "cutoff": reach, "inference": "conley"}
    return market(
        panel(y, np.where(on, start, math.inf), lat=lat, lon=lon), gain, (start,), np.array([on.mean()]), call
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
    gain = later(effect, start, periods)
    y[:treated] += gain
    began = np.where(np.arange(count) < treated, float(start), math.inf)
    return market(panel(y, began), gain, (start,), np.array([treated / count]))


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
    gain = later(effect, before, before + after)
    y = 20.0 + 5.0 * rng.standard_normal((count, 1)) + 2.0 * autoregression(rng, count, before + after, 0.5)
    y += on[:, None] * (np.cumsum(steps) + gain)
    return market(panel(y, np.where(on, float(before), math.inf)), gain, (before,), np.array([0.5]))


def rooms(
    *, n: int | None, seed: int, treated: int = 5, periods: int = 20, start: int = 10, spread: float = 0.0,
    among: str = "lot",
) -> Trial:  # fmt: skip
    """Rooms whose normal shocks last (.7 from period to period) and are in proportion to their size; no effect.

    Parameters
    ----------
    n : int
        Rooms; 60 if None.
    seed : int
    treated, periods, start : int
    spread : float
        Standard deviation of the logarithm of the size, which the column ``viewers`` holds; 0: all alike.
    among : {"lot", "upper", "largest"}
        The treated are drawn from all, from the upper half but the largest, or are the largest.
    """
    count = n or 60
    rng = np.random.default_rng(seed)
    size = np.sort(np.exp(spread * rng.standard_normal(count)))[::-1]
    drawn = {"lot": rng.permutation(count), "upper": 1 + rng.permutation(count // 2 - 1), "largest": np.arange(count)}
    began = np.full(count, math.inf)
    began[drawn[among][:treated]] = start
    y = 100.0 * (1 + size[:, None]) + size[:, None] * autoregression(rng, count, periods, LASTING)
    gain = np.zeros((1, periods))
    return market(panel(y, began, viewers=size), gain, (start,), np.array([treated / count]))


def kinds(*, n: int | None, seed: int, periods: int = 8, effect: float = 2.0, per_city: int = 10) -> Trial:
    """Cities of which half are treated and grow by themselves; half of their units are eligible and catch up in all.

    Shocks are common to the city, to its units of one kind, and a unit's own.

    Parameters
    ----------
    n : int
        Cities; 40 if None.
    seed : int
    periods : int
    effect : float
        On eligible units of treated cities, from half time on.
    per_city : int
    """
    cities = n or 40
    rng = np.random.default_rng(seed)
    on = rng.permutation(cities) < cities // 2
    kind = np.arange(per_city) % 2
    t, start = np.arange(periods), periods // 2
    own = autoregression(rng, cities, periods, 0.5) + 0.3 * on[:, None] * t
    by_kind = (
        autoregression(rng, 2 * cities, periods, 0.5).reshape(cities, 2, periods) + 0.2 * np.array([0, 1])[:, None] * t
    )
    unit = autoregression(rng, cities * per_city, periods, 0.5).reshape(cities, per_city, periods)
    gain = later(effect, start, periods)
    y = 20.0 + own[:, None] + by_kind[:, kind] + unit + (on[:, None] * kind)[:, :, None] * gain
    y += 3.0 * rng.standard_normal((cities, per_city, 1))
    began = np.repeat(np.where(on, float(start), math.inf), per_city)
    table = panel(
        y.reshape(-1, periods), began, place=np.repeat(np.arange(cities), per_city), eligible=np.tile(kind, cities)
    )
    return market(table, gain, (start,), np.array([0.5]), {"cluster": "place"})


def pauses(
    *, n: int | None, seed: int, periods: int = 10, effect: float = 2.0, left: float = 0.0, stays: float = 0.6
) -> Trial:
    """Units under a tactic that switches on and off; half of them never have it, the others from the third period on.

    Parameters
    ----------
    n : int
        Units; 300 if None.
    seed : int
    periods : int
    effect : float
        In every period under the tactic.
    left : float
        What is left of it in the period after one under the tactic.
    stays : float
        Probability that a unit which has started has the tactic on in a period.

    The truth of the headline, what follows from the tactic per period under it, is that of the units as they came out.
    """
    count = n or 300
    rng = np.random.default_rng(seed)
    on = (rng.random((count, periods)) < stays) & (np.arange(periods) >= 3)
    on[:, 3] |= rng.random(count) < 0.3
    on[rng.permutation(count) < count // 2] = False
    after = np.zeros((count, periods), dtype=bool)
    after[:, 1:] = on[:, :-1]
    added = effect * on + left * after
    y = 20.0 + 3.0 * rng.standard_normal((count, 1)) + np.sin(np.arange(periods)) + added
    y += 2.0 * autoregression(rng, count, periods, 0.5)
    table = panel(y, np.full(count, math.inf)).drop(columns="first_treated").assign(on=on.ravel().astype(int))
    truth = {"per period on": float(added.sum() / on.sum()), "at the switch": effect}
    terms = tuple(Term(name, name, "", value) for name, value in truth.items())
    return Trial(table, Truth(terms, terms[0].term), SimpleNamespace(call={"first_treated": None, "treated": "on"}))


def values(*, n: int | None, seed: int, dealt: str = "lot", periods: int = 8) -> Trial:
    """Coupons of 5, 10 and 20 for three units in five from half time on; the others get none.

    Parameters
    ----------
    n : int
        Units; 500 if None.
    seed : int
    dealt : {"lot", "answers"}
        "lot": values by lot, and an effect that is concave in them. "answers": the effect is a fifth of the value,
        times .5 for half of the units and 1.5 for the others, who are sent more; slopes then mix the two.
    periods : int
    """
    count = n or 500
    rng = np.random.default_rng(seed)
    doses = np.array([5.0, 10.0, 20.0])
    treated = rng.random(count) < 0.6
    answers = rng.random(count) < 0.5
    shares = np.array([[0.6, 0.3, 0.1], [0.1, 0.3, 0.6]]) if dealt == "answers" else np.full((2, 3), 1 / 3)
    which = (rng.random(count)[:, None] > np.cumsum(shares, axis=1)[answers.astype(int)][:, :2]).sum(axis=1)
    dose = np.where(treated, doses[which], 0.0)
    curve = 4.0 * np.log1p(doses / 10.0)
    if dealt == "lot":
        gain, mean = np.where(treated, curve[which], 0.0), float(curve.mean())
        slope = float((np.diff(curve, prepend=0.0) / np.diff(doses, prepend=0.0)).mean())
    else:
        gain = np.where(answers, 1.5, 0.5) * 0.2 * dose
        mean, slope = float((np.array([[0.25], [0.75]]) * 0.2 * shares * doses).sum()), 0.2
    t, start = np.arange(periods), periods // 2
    y = 30.0 + 5.0 * rng.standard_normal((count, 1)) + t + 3.0 * autoregression(rng, count, periods, 0.3)
    y += gain[:, None] * (t >= start)
    table = panel(y, np.where(treated, float(start), math.inf), value=dose)
    terms = (Term("overall", "overall", "", mean), Term(SLOPE, SLOPE, "", slope))
    return Trial(table, Truth(terms, "overall"), SimpleNamespace(call={"estimator": "dose", "dose": "value"}))
