"""Group-sequential tests by alpha spending: how far an effect must stand out at each look, if all looks are to count.

Under no effect the test statistics of successive looks are a Brownian motion seen at times given by the information
(one over the squared standard error). The density of those paths that have not yet crossed is carried from look to
look by numerical integration (Armitage, McPherson and Rowe 1969); each bound is the one that spends what the spending
function allows by then (Lan and DeMets 1983), so that neither number nor time of the looks need be fixed beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, one_of
from gmvcausal.stats.paths import live_looks, paths, solve

FloatArray = NDArray[np.float64]

SPENDING = ("obrien_fleming", "pocock")


def spent(fraction: ArrayLike, alpha: float = 0.05, spending: str = "obrien_fleming", sides: int = 2) -> FloatArray:
    """Alpha spent by the time that `fraction` of the planned information is in (Lan and DeMets 1983).

    Parameters
    ----------
    fraction : array-like, shape (k,)
        Positive; beyond 1 all of alpha is spent.
    alpha : float
        Default .05.
    spending : {"obrien_fleming", "pocock"}
        The first spends next to nothing early, and leaves the last look almost as it would be alone; the second spends
        evenly.
    sides : {2, 1}
        With 2, alpha / 2 is spent on either side.

    Returns
    -------
    ndarray, shape (k,)

    Examples
    --------
    >>> spent([0.5, 1.0]).round(6).tolist()
    [0.003051, 0.05]
    """
    from scipy import stats

    t = np.minimum(np.asarray(fraction, dtype=float), 1.0)
    share = check("alpha", alpha) / _sides(sides)
    if one_of("spending", spending, SPENDING) == "pocock":
        one = share * np.log1p((math.e - 1.0) * t)
    else:
        one = 2.0 * stats.norm.sf(stats.norm.isf(share / 2.0) / np.sqrt(t))
    return np.asarray(_sides(sides) * one, dtype=float)


def _sides(sides: int) -> int:
    if sides not in (1, 2):
        raise InputError(f"sides must be 1 or 2, but is {sides!r}")
    return sides


@dataclass(frozen=True)
class Bounds:
    """What each look must reach.

    Attributes
    ----------
    information : ndarray, shape (k,)
        At each look, in any unit.
    fraction : ndarray, shape (k,)
        Of the planned information.
    z : ndarray, shape (k,)
        Bound on |z| (two sides) or z (one); infinite where the look spends nothing.
    spent : ndarray, shape (k,)
        Alpha spent up to and including the look.
    sides : int
    """

    information: FloatArray
    fraction: FloatArray
    z: FloatArray
    spent: FloatArray
    sides: int

    def p_value(self, statistic: ArrayLike) -> FloatArray:
        """Stage-wise p-values: the chance, under no effect, of an earlier crossing or of this look's value or more.

        Below the alpha of the bounds exactly where a bound was crossed (Fairbanks and Madsen 1982). From the first
        crossing on, the p-value stays what it was there.

        Parameters
        ----------
        statistic : array-like, shape (k,)
            z at each look.

        Returns
        -------
        ndarray, shape (k,)
        """
        z = np.asarray(statistic, dtype=float)
        size = np.abs(z) if self.sides == 2 else z
        live = live_looks(self.information)
        out, before = np.full(len(z), np.nan), 0.0
        for k, tail in paths(self.information[live], self.sides, lambda j, _: float(self.z[live[j]])):
            here = live[k]
            out[here] = min(before + tail(float(size[here])), 1.0)
            before += tail(float(self.z[here]))
            if size[here] >= self.z[here]:
                out[here:] = out[here]
                break
        # a look of no information of its own says what the look before it said
        for k in range(1, len(out)):
            out[k] = out[k - 1] if np.isnan(out[k]) else out[k]
        return np.where(np.isnan(out), 1.0, out)


def spending_bounds(
    information: ArrayLike,
    *,
    alpha: float = 0.05,
    spending: str = "obrien_fleming",
    sides: int = 2,
    maximum: float | None = None,
) -> Bounds:
    """Bounds of a group-sequential test at any information times.

    Parameters
    ----------
    information : array-like, shape (k,)
        Strictly increasing, in any unit: 1 / variance of the estimate, or 1 / (1 / n_control + 1 / n_treated).
    alpha : float
        Default .05.
    spending : {"obrien_fleming", "pocock"}
        See `spent`.
    sides : {2, 1}
    maximum : float, optional
        Information planned for the end. Default: that of the last look. Once it is passed nothing is left to spend.

    Returns
    -------
    Bounds
        A look that adds less than 1e-4 of the information of the last one spends nothing (infinite bound): it is
        no look of its own, and what it could have spent is spent by the next.

    Raises
    ------
    InputError
        Information that is not positive or does not increase.

    Examples
    --------
    >>> spending_bounds([0.2, 0.4, 0.6, 0.8, 1.0]).z.round(3).tolist()
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    times = read_information(information)
    end = float(times[-1]) if maximum is None else float(maximum)
    if not (math.isfinite(end) and end > 0):
        raise InputError(f"the planned information must be positive, but is {end:g}")
    fraction = times / end
    total = spent(fraction, alpha, spending, sides)
    z, used = np.full(len(times), np.inf), np.zeros(len(times))
    live = live_looks(times)

    def bound(k: int, tail: Callable[[float], float]) -> float:
        here = live[k]
        budget = float(total[here]) - used_so_far[0]
        if budget <= 1e-15 * alpha:  # nothing left: rounding of the sums, not alpha
            return math.inf
        z[here] = solve(tail, budget)
        used_so_far[0] += budget
        return float(z[here])

    used_so_far = [0.0]
    for k, _ in paths(times[live], sides, bound):
        used[live[k]] = used_so_far[0]
    return Bounds(times, fraction, z, np.maximum.accumulate(used), sides)


def repeated_p(
    information: ArrayLike,
    statistic: ArrayLike,
    *,
    alpha: float,
    spending: str,
    sides: int,
    maximum: float,
) -> FloatArray:
    """Repeated p-values: the smallest level whose own bounds the look would have crossed (Jennison and Turnbull 1989).

    They belong to the repeated intervals: whoever reads one at every look is wrong at some look with its probability.

    Parameters
    ----------
    information, statistic : array-like, shape (k,)
        The second is how far z lies in a direction that counts.
    alpha : float
        Levels below it are not looked at: where the bound is crossed the value is at most `alpha`, and given as that.
    spending, sides, maximum
        As for `spending_bounds`.

    Returns
    -------
    ndarray, shape (k,)
        Interpolated between 16 levels, on the scale on which a bound is nearly a straight line of its level: 1e-4.

    Examples
    --------
    >>> round(float(repeated_p([1.0], [1.0], alpha=0.05, spending="obrien_fleming", sides=2, maximum=1.0)[0]), 3)
    0.317
    """
    from scipy import interpolate, special

    z = np.asarray(statistic, dtype=float)
    levels = np.geomspace(alpha, 0.5, 16)
    made = [spending_bounds(information, alpha=a, spending=spending, sides=sides, maximum=maximum).z for a in levels]
    bounds, scale = np.array(made), special.ndtri(1 - levels / 2)
    out = np.ones(len(z))
    for k, value in enumerate(z):
        use = np.isfinite(bounds[:, k])
        if not use.any():
            continue  # nothing may be spent here at any level
        # Beyond one half the way leads to 1 where z is nothing.
        at, on = np.append(0.0, bounds[use, k][::-1]), np.append(0.0, scale[use][::-1])
        if value >= at[-1]:
            out[k] = 2 * special.ndtr(-on[-1])
        elif value > at[0]:
            out[k] = 2 * special.ndtr(-float(interpolate.PchipInterpolator(at, on)(value)))
    return out


def crossing(information: ArrayLike, upper: ArrayLike, *, drift: float = 0.0, sides: int = 2) -> FloatArray:
    """Chance of a first crossing at each look, under an effect: size (`drift` 0) or power of a set of bounds.

    Parameters
    ----------
    information : array-like, shape (k,)
        Strictly increasing.
    upper : array-like, shape (k,)
        Bounds on |z| (two sides) or z (one side).
    drift : float
        Mean of z at the last look.
    sides : {2, 1}

    Returns
    -------
    ndarray, shape (k,)

    Examples
    --------
    >>> round(float(crossing([1, 2, 3, 4, 5], [1.96] * 5).sum()), 3)  # five looks that pretend to be one
    0.142
    """
    times = read_information(information)
    bounds = np.asarray(upper, dtype=float)
    out = np.zeros(len(times))
    live = live_looks(times)
    for k, tail in paths(times[live], sides, lambda j, _: float(bounds[live[j]]), drift):
        out[live[k]] = tail(float(bounds[live[k]]))
    return out


def stage_wise_quantiles(
    bounds: Bounds, statistic: float, at: int, chances: ArrayLike = (0.025, 0.5, 0.975)
) -> FloatArray:
    """Effects under which stopping like this, or more extremely upwards, has the given chances.

    Results are ordered by the look at which the test stopped, then by z (Tsiatis, Rosner and Mehta 1984): a crossing at
    an earlier look is more extreme. The effects with chances .025, .5 and .975 are the lower limit of a 95 % interval
    that takes the stop into account, the median-unbiased estimate, and the upper limit.

    Parameters
    ----------
    bounds : Bounds
    statistic : float
        z at the stop.
    at : int
        Position of the look at which the test stopped.
    chances : array-like, shape (m,)

    Returns
    -------
    ndarray, shape (m,)
        In standard errors of the estimate at the stop.

    Examples
    --------
    >>> stage_wise_quantiles(spending_bounds([1.0]), 2.0, 0).round(2).tolist()  # one look: nothing to correct
    [0.04, 2.0, 3.96]
    """
    from scipy import optimize

    sign = -1.0 if bounds.sides == 2 and statistic < 0 else 1.0
    z = sign * statistic
    before = np.flatnonzero(bounds.z[:at] < 8.5)  # nothing ever crosses the others
    use = np.append(before, at)
    use = use[live_looks(bounds.information[use])]
    ends = np.append(bounds.z[use[:-1]], z)

    def above(drift: float) -> float:
        walk = paths(bounds.information[use], bounds.sides, lambda k, _: float(ends[k]), drift)
        return sum(tail(float(ends[k]), upper=True) for k, tail in walk)

    def effect(chance: float) -> float:
        low, high = z - 2.0, z + 2.0
        while above(low) > chance and low > z - 40:
            low -= 2.0
        while above(high) < chance and high < z + 40:
            high += 2.0
        return float(optimize.brentq(lambda drift: above(drift) - chance, low, high, xtol=1e-8))

    wanted = np.asarray(chances, dtype=float)
    found = np.array([effect(float(c)) for c in (wanted if sign > 0 else 1.0 - wanted)])
    return sign * found


def read_information(information: ArrayLike) -> FloatArray:
    """Information at each look as floats; refused unless positive and strictly increasing."""
    times = np.array(information, dtype=float)
    if times.ndim != 1 or not len(times):
        raise InputError("information must be one list with a number for each look")
    bad = ~(np.isfinite(times) & (times > 0))
    if bad.any():
        raise InputError(
            "information must be positive and finite at every look",
            count=int(bad.sum()),
            rows=np.flatnonzero(bad),
            remedy="start with the first look at which both arms have two units or more",
        )
    falls = np.flatnonzero(np.diff(times) <= 0) + 1
    if len(falls):
        raise InputError(
            "information must grow from look to look",
            count=len(falls),
            rows=falls,
            remedy="order the looks in time, give cumulative numbers, and keep one row for each look",
        )
    return times
