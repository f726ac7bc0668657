"""Power, detectable effects and sample sizes of a comparison of two arms: plain functions on numbers and arrays.

All reduce to an estimate with a standard error and degrees of freedom; what differs between a mean, a proportion, a
ratio, GMV in two parts or clusters is the variance that one unit brings along.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import check, one_of

FloatArray = NDArray[np.float64]

ALTERNATIVES = ("two-sided", "greater", "less")

# Above, the noncentral t and the normal agree to 1e-7, and the series for the former gets slow.
_MANY_DF = 1e7


class PerUnit(NamedTuple):
    """What one unit brings along.

    Attributes
    ----------
    mean : float
    variance : float
    skewness : float
        NaN where not known.
    """

    mean: float
    variance: float
    skewness: float = math.nan


def power_t(
    effect: ArrayLike,
    std_error: ArrayLike,
    df: ArrayLike = math.inf,
    *,
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> FloatArray:
    """Chance that a t test rejects, when the estimate is normal around `effect`: the noncentral t distribution.

    Parameters
    ----------
    effect, std_error, df : array-like
        Broadcast against each other; ``df=inf`` is the normal distribution.
    alpha : float
        Default .05.
    alternative : {"two-sided", "greater", "less"}
        Two-sided power counts rejections on either side.

    Returns
    -------
    ndarray

    Raises
    ------
    InputError
        A standard error or degrees of freedom that are not positive.

    Examples
    --------
    >>> round(float(power_t(0.35, 75 * (2 / 1e6) ** 0.5)), 4)
    0.9099
    """
    from scipy import special, stats

    one_of("alternative", alternative, ALTERNATIVES)
    value, se, freedom = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (effect, std_error, df)))
    if not ((se > 0) & (freedom > 0)).all():
        raise InputError("standard errors and degrees of freedom must be positive")
    tail = check("alpha", alpha) / (2 if alternative == "two-sided" else 1)
    nc = value / se if alternative != "less" else -value / se
    normal = freedom > _MANY_DF
    finite = np.where(normal, 1.0, freedom)
    critical = np.where(normal, stats.norm.isf(tail), stats.t.isf(tail, finite))

    def below(x: FloatArray, shift: FloatArray) -> FloatArray:
        t = np.nan_to_num(special.nctdtr(finite, shift, x), nan=0.0)  # the far tail underflows to NaN
        return np.asarray(np.where(normal, special.ndtr(x - shift), t), dtype=float)

    out = below(-critical, -nc)  # P(T > c) with shift nc
    if alternative == "two-sided":
        out = out + below(-critical, nc)
    return np.asarray(np.clip(out, 0.0, 1.0), dtype=float)


def detectable_t(
    std_error: float, df: float = math.inf, *, power: float = 0.8, alpha: float = 0.05, alternative: str = "two-sided"
) -> float:
    """The smallest effect found with `power`, by its size (its sign is that of the alternative; two-sided: positive).

    Examples
    --------
    >>> round(detectable_t(1.0), 3)
    2.802
    """
    from scipy import optimize

    sign = -1.0 if one_of("alternative", alternative, ALTERNATIVES) == "less" else 1.0
    target = read_power(power, alpha)

    def gap(size: float) -> float:
        return float(power_t(sign * size * std_error, std_error, df, alpha=alpha, alternative=alternative)) - target

    high = 4.0
    while gap(high) < 0:
        high *= 2.0
    return sign * std_error * float(optimize.brentq(gap, 0.0, high, xtol=1e-12, rtol=1e-12))


def size_normal(
    effect: float,
    variance_control: float,
    variance_treated: float,
    *,
    share: float = 0.5,
    power: float = 0.8,
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> float:
    """Total units by the closed form of the normal distribution, not rounded: the textbook's answer.

    Parameters
    ----------
    effect : float
    variance_control, variance_treated : float
        Per unit.
    share : float
        Share of the units that is treated; default one half.
    power, alpha : float
        Default .8 and .05.
    alternative : {"two-sided", "greater", "less"}
        Two-sided ignores rejections on the wrong side, as the textbook does.

    Returns
    -------
    float

    Examples
    --------
    >>> round(size_normal(0.35, 75.0**2, 75.0**2) / 2, 1)  # Lewis and Rao 2015
    720815.5
    """
    from scipy import stats

    one_of("alternative", alternative, ALTERNATIVES)
    target = read_power(power, alpha)
    signed = abs(effect) if alternative == "two-sided" else effect * (-1.0 if alternative == "less" else 1.0)
    if signed <= 0:
        raise DesignError(
            f"an effect of {effect:g} is never found by a test against 'alternative={alternative}'",
            remedy="turn the sign of the effect or of the alternative",
        )
    tail = alpha / (2 if alternative == "two-sided" else 1)
    z = float(stats.norm.isf(tail) + stats.norm.ppf(target))
    return z * z * (variance_control / (1 - share) + variance_treated / share) / (signed * signed)


def read_power(power: float, alpha: float) -> float:
    """The power asked for; refused unless it lies between alpha and 1."""
    target = float(check("level", power, called="power"))
    if target <= check("alpha", alpha):
        raise InputError(
            f"power must exceed alpha, but is {target:g} with alpha {alpha:g}", remedy="ask for 0.8 or more"
        )
    return target


def design_effect(cluster_size: float, icc: float, cv: float = 0.0) -> float:
    """By how much clusters inflate a variance: 1 + ((1 + cv squared) size - 1) icc (Eldridge, Ashby and Kerry 2006).

    Parameters
    ----------
    cluster_size : float
        Mean units in a cluster.
    icc : float
        Correlation of two units of one cluster.
    cv : float
        Coefficient of variation of the sizes of clusters; default 0, all equal.

    Examples
    --------
    >>> design_effect(50, 0.02)
    1.98
    """
    return 1.0 + ((1.0 + cv * cv) * cluster_size - 1.0) * icc


def proportion(rate: float) -> PerUnit:
    """A share of units."""
    variance = rate * (1.0 - rate)
    return PerUnit(rate, variance, (1.0 - 2.0 * rate) / math.sqrt(variance))


def two_part(rate: float, amount_mean: float, amount_sd: float) -> PerUnit:
    """GMV per user: a share `rate` buys, and buyers spend lognormal amounts.

    Parameters
    ----------
    rate : float
        Share of users who buy.
    amount_mean, amount_sd : float
        Mean and standard deviation of the amount of those who buy.

    Examples
    --------
    >>> [round(x, 2) for x in two_part(0.05, 120.0, 150.0)]
    [6.0, 1809.0, 18.47]
    """
    spread = 1.0 + (amount_sd / amount_mean) ** 2  # exp(sigma squared) of the lognormal
    first, second, third = (rate * amount_mean**k * spread ** (k * (k - 1) / 2) for k in (1, 2, 3))
    variance = second - first**2
    return PerUnit(first, variance, (third - 3 * first * second + 2 * first**3) / variance**1.5)


def ratio(mean: float, sd: float, per_mean: float, per_sd: float, correlation: float) -> PerUnit:
    """A ratio of two sums over units, by the delta method (GMV per order, users being the units).

    Parameters
    ----------
    mean, sd : float
        Of the numerator, per unit.
    per_mean, per_sd : float
        Of the denominator, per unit.
    correlation : float
        Between the two, over units.

    Examples
    --------
    >>> ratio(20.0, 60.0, 0.2, 0.5, 0.8).mean
    100.0
    """
    r = mean / per_mean
    return PerUnit(r, (sd**2 - 2 * r * correlation * sd * per_sd + r**2 * per_sd**2) / per_mean**2)


def welch_df(variance_control: float, variance_treated: float, n_control: float, n_treated: float) -> float:
    """Degrees of freedom of Welch's t test (Welch 1947)."""
    a, b = variance_control / n_control, variance_treated / n_treated
    return (a + b) ** 2 / (a * a / (n_control - 1) + b * b / (n_treated - 1))
