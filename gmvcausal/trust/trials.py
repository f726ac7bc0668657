"""Worlds of randomised tests, drawn as what the verb sees rather than as logs: millions of users in milliseconds.

Each is a function of `n`, `seed` and dials that returns a market: a table, the truth by row of the answer, and the
call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from gmvcausal.abtest.intake.sparse import sparse
from gmvcausal.simulate.market import Term, Truth

BUYS = 0.05  # share of users who buy
CAP = 0.98  # quantile of the non-zero values at which the capped row is cut
SPLITS = {"50/50": 1, "10/90": 9}  # users of the control for each user of the treated arm


@dataclass(frozen=True, eq=False)
class Trial:
    """A test that was drawn: what the trust room asks of a market.

    Attributes
    ----------
    data : object
        What the verb takes.
    truth : Truth
        Terms are named as the rows of the answer, with ``": relative"`` behind relative effects.
    design : namespace
        ``call``: arguments of the verb.
    """

    data: Any
    truth: Truth
    design: Any

    def table(self) -> Any:
        """The data of the test."""
        return self.data


def trial(data: Any, truth: dict[str, float], call: dict[str, Any]) -> Trial:
    """The test with its truth by row of the answer; the first row is the headline."""
    terms = tuple(Term(name, name, "", value) for name, value in truth.items())
    return Trial(data, Truth(terms, terms[0].term), SimpleNamespace(call=call))


def two_part(*, n: int | None, seed: int, sigma: float = 2.0, split: str = "50/50", lift: float = 0.0) -> Trial:
    """Users of whom 5 % buy; what buyers spend is lognormal.

    Parameters
    ----------
    n : int
        Users in the smaller arm, the treated one; 20,000 if None.
    seed : int
    sigma : float
        Standard deviation of the logarithm of what a buyer spends.
    split : {"50/50", "10/90"}
    lift : float
        Share by which the tactic raises both conversion and what a buyer spends.
    """
    small = n or 20_000
    rng = np.random.default_rng(seed)
    sizes = np.array([SPLITS[split] * small, small])
    buyers = rng.binomial(sizes, [BUYS, BUYS * (1 + lift)])
    arm = np.repeat([0, 1], buyers)
    gmv = np.exp(sigma * rng.standard_normal(len(arm)))
    gmv[buyers[0] :] *= 1 + lift
    capped, plain = lifts(sigma, SPLITS[split], lift)
    data = sparse((0, 1), 0, sizes, arm, {"gmv": gmv})
    shares = {0: float(sizes[0] / sizes.sum()), 1: float(sizes[1] / sizes.sum())}
    call = {"metrics": ["gmv"], "expected_ratio": shares}
    return trial(data, {"gmv: relative": plain, "gmv capped: relative": capped}, call)


@cache
def lifts(sigma: float, controls: int, lift: float) -> tuple[float, float]:
    """Relative effect on E min(Y, c), c the population's .98 quantile of non-zero values of both arms, and on E Y.

    Parameters
    ----------
    sigma, lift : float
        As in `two_part`.
    controls : int
        Users of the control for each treated one.

    Examples
    --------
    >>> capped, plain = lifts(2.0, 9, 0.05)
    >>> round(capped, 4), round(plain, 4)
    (0.0896, 0.1025)
    """
    from scipy import optimize, stats

    grow = np.array([1.0, 1.0 + lift])
    weight = grow * np.array([controls, 1.0])

    def too_many(log_cap: float) -> float:
        above = stats.norm.sf((log_cap - np.log(grow)) / sigma)
        return float((weight * above).sum() / weight.sum() - (1 - CAP))

    log_cap = optimize.brentq(too_many, 0.0, 10 * sigma)
    at = (log_cap - np.log(grow)) / sigma
    below = grow * math.exp(sigma**2 / 2) * stats.norm.cdf(at - sigma)
    mean = grow * (below + math.exp(log_cap) * stats.norm.sf(at))
    return float(mean[1] / mean[0] - 1), (1 + lift) ** 2 - 1


def rooms(
    *, n: int | None, seed: int, users: float = 50.0, icc: float = 0.05, sigma: float = 1.0, spread: float = 0.5
) -> Trial:
    """Rooms of unequal size, half of them treated by lot, no effect.

    A user spends a lognormal amount times the room's own lognormal level.

    Parameters
    ----------
    n : int
        Rooms; 40 if None.
    seed : int
    users : float
        Median number of users of a room.
    icc : float
        Share of the variance of the logarithm that lies between rooms.
    sigma : float
        Standard deviation of the logarithm of GMV within rooms (skewness about 6 at 1).
    spread : float
        Standard deviation of the logarithm of the size of a room.
    """
    import pandas as pd

    count = n or 40
    rng = np.random.default_rng(seed)
    size = np.maximum(np.round(users * np.exp(spread * rng.standard_normal(count))), 2).astype(int)
    treated = rng.permutation(count) < count // 2
    between = sigma * math.sqrt(icc / (1 - icc))
    room = np.repeat(np.arange(count), size)
    level = between * rng.standard_normal(count)
    gmv = np.exp(level[room] + sigma * rng.standard_normal(len(room)))
    frame = pd.DataFrame({"room": room, "arm": treated[room].astype(int), "gmv": gmv})
    return trial(frame, {"gmv": 0.0}, {"metrics": ["gmv"], "cluster": "room"})


def days(
    *,
    n: int | None,
    seed: int,
    looks: int = 14,
    sigma: float = 2.0,
    split: str = "50/50",
    capped: bool = False,
) -> Trial:
    """The users of `two_part`, without an effect, coming in over as many days as there are looks.

    Parameters
    ----------
    n : int
        Users in the smaller arm when all are in; 20,000 if None.
    seed : int
    looks : int
    sigma, split
        As in `two_part`.
    capped : bool
        Whether values are cut at the population's .98 quantile of non-zero ones, a cap fixed before the test.
    """
    import pandas as pd
    from scipy import stats

    small = n or 20_000
    rng = np.random.default_rng(seed)
    rows = []
    for arm, size in enumerate((SPLITS[split] * small, small)):
        new = np.full(looks, size // looks)
        buyers = rng.binomial(new, BUYS)
        gmv = np.exp(sigma * rng.standard_normal(int(buyers.sum())))
        if capped:
            gmv = np.minimum(gmv, math.exp(sigma * float(stats.norm.ppf(CAP))))
        day = np.repeat(np.arange(looks), buyers)
        mean = np.bincount(day, gmv, looks) / new
        variance = (np.bincount(day, gmv * gmv, looks) - new * mean**2) / (new - 1)
        rows.append(pd.DataFrame({"look": np.arange(looks), "arm": arm, "n": new, "mean": mean, "variance": variance}))
    shares = {0: SPLITS[split] / (SPLITS[split] + 1), 1: 1 / (SPLITS[split] + 1)}
    return trial(pd.concat(rows), {"gmv": 0.0}, {"arm": "arm", "expected_ratio": shares})


class LooksAnswer:
    """The answer of `gmvcausal.sequential` as the trust room reads it: one interval, that of all looks together."""

    def __init__(self, result: Any) -> None:
        self.estimate, self.std_error, self.p_value = result.estimate, result.std_error, result.p_value
        self.audit, self.detectable = result.audit, math.nan
        self.estimates = SimpleNamespace(withheld="")
        self._limits = result.conf_int()

    def conf_int(self, level: float) -> tuple[float, float]:
        """The interval at 95 %; NaN at other levels."""
        return self._limits if level == 0.95 else (math.nan, math.nan)


def sequential(data: Any, **call: Any) -> LooksAnswer:
    """`gmvcausal.sequential`, read at the look where the test stops."""
    import gmvcausal as gc

    return LooksAnswer(gc.sequential(data, **call))


def ratio_test(data: Any, *, numerator: str, denominator: str, **call: Any) -> Any:
    """`gmvcausal.ab_test` of one ratio."""
    import gmvcausal as gc

    return gc.ab_test(data, **{**call, "metrics": [gc.Ratio(numerator, denominator)]})


def adjusted_test(data: Any, *, metrics: list[str], pre: str, **call: Any) -> Any:
    """`gmvcausal.ab_test` of means adjusted for one covariate."""
    import gmvcausal as gc

    return gc.ab_test(data, metrics=[gc.Mean(column, pre=pre) for column in metrics], **call)
