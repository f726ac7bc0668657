"""How strong would something unseen have to be to explain an effect away? Plain functions on numbers and arrays.

Three languages for one question. Of regressions: partial R2 (Cinelli and Hazlett 2020). Of doubly robust estimates: the
bias of an omitted variable by the shares of what is left that it explains (Chernozhukov et al. 2022). Of ratios and of
matched pairs: the E-value (VanderWeele and Ding 2017) and Rosenbaum's (2002) odds.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


# --- regressions: partial R2 ----------------------------------------------------------------------------------------
def partial_r2(t: float, df: float) -> float:
    """Share of what the other regressors leave of the outcome that a regressor explains, from its t statistic.

    Examples
    --------
    >>> round(partial_r2(4.184, 783), 4)
    0.0219
    """
    return t * t / (t * t + df)


def robustness_value(t: float, df: float, q: float = 1.0, alpha: float | None = None) -> float:
    """Partial R2 that a confounder needs, with treatment and outcome alike, to take away a share of an effect.

    Parameters
    ----------
    t, df : float
        Statistic of the treatment in the regression, and residual degrees of freedom.
    q : float
        Share of the estimate that is taken away; 1 brings it to zero.
    alpha : float, optional
        Then: so that the share q is no longer told from zero at this level.

    Returns
    -------
    float
        Between 0 (nothing is needed) and 1.

    References
    ----------
    Cinelli and Hazlett (2020), Journal of the Royal Statistical Society B 82, section 4.3.

    Examples
    --------
    >>> round(robustness_value(4.18445, 783), 3), round(robustness_value(4.18445, 783, alpha=0.05), 3)
    (0.139, 0.076)
    """
    from scipy import special

    f = q * abs(t) / math.sqrt(df)
    least = 0.0
    if alpha is not None:
        least = float(special.stdtrit(df - 1, 1 - alpha / 2)) / math.sqrt(df - 1)
    gap = f - least
    if gap <= 0:
        return 0.0
    if least > 0 and f > 1 / least:  # the confounder that would take most away explains all of the outcome
        return (f * f - least * least) / (1 + f * f)
    return _equal_strength(gap)


def _equal_strength(f: float) -> float:
    """The r with r^2 / (1 - r) = f^2."""
    square = f * f
    return square * (math.sqrt(1 + 4 / square) - 1) / 2 if f > 0 else 0.0


class Adjusted(NamedTuple):
    """An estimate as it would be, had a confounder been in the regression: estimate, std_error, t."""

    estimate: float
    std_error: float
    t: float


def adjusted(estimate: float, std_error: float, df: float, r2_treatment: float, r2_outcome: float) -> Adjusted:
    """The estimate beside a confounder that works against it.

    Parameters
    ----------
    estimate, std_error, df : float
        Of the treatment in the regression, with residual degrees of freedom.
    r2_treatment : float
        Partial R2 of the confounder with the treatment, given the covariates; below 1.
    r2_outcome : float
        With the outcome, given the treatment and the covariates.

    Examples
    --------
    >>> [round(v, 4) for v in adjusted(0.09731582, 0.02325654, 783, 0.00916, 0.1246)]
    [0.0752, 0.0219, 3.4392]
    """
    bias = math.sqrt(r2_outcome * r2_treatment / (1 - r2_treatment)) * std_error * math.sqrt(df)
    moved = math.copysign(1.0, estimate) * (abs(estimate) - bias)
    error = std_error * math.sqrt((1 - r2_outcome) / (1 - r2_treatment)) * math.sqrt(df / (df - 1))
    return Adjusted(moved, error, moved / error if error > 0 else math.copysign(math.inf, moved))


class Strength(NamedTuple):
    """Of a confounder, with the treatment and with the outcome; `capped` where it would explain more than all."""

    treatment: float
    outcome: float
    capped: bool = False


def benchmark(r2_treatment: float, r2_outcome: float, times: float = 1.0) -> Strength:
    """Strength of a confounder so many times as strong as a covariate that is seen.

    Parameters
    ----------
    r2_treatment : float
        Partial R2 of the covariate with the treatment, given the other covariates.
    r2_outcome : float
        With the outcome, given treatment and the other covariates.
    times : float
        In both relations.

    Raises
    ------
    ValueError
        Nothing can be that many times as strong: it would explain more than all of the treatment.

    References
    ----------
    Cinelli and Hazlett (2020), section 4.4.

    Examples
    --------
    >>> [round(float(v), 3) for v in benchmark(0.00908, 0.1093)]
    [0.009, 0.125, 0.0]
    """
    treatment = times * r2_treatment / (1 - r2_treatment)
    if treatment >= 1:
        raise ValueError(f"no confounder is {times:g} times as strong: it would explain more than all of the treatment")
    between = times * r2_treatment**2 / ((1 - times * r2_treatment) * (1 - r2_treatment))
    if between >= 1:
        raise ValueError(f"no confounder is {times:g} times as strong as a covariate that explains so much")
    size = (math.sqrt(times) + math.sqrt(between)) / math.sqrt(1 - between)
    outcome = size * size * r2_outcome / (1 - r2_outcome)
    return Strength(treatment, min(outcome, 1.0), outcome > 1)


# --- doubly robust estimates: omitted variables ---------------------------------------------------------------------
class Omitted(NamedTuple):
    """What the bias of an omitted variable is measured by.

    Attributes
    ----------
    theta : float
        The estimate.
    sigma2 : float
        Mean squared outcome that the models leave.
    nu2 : float
        Mean square of the weights (of the Riesz representer).
    cov : ndarray, shape (3, 3)
        Joint covariance of the three.
    """

    theta: float
    sigma2: float
    nu2: float
    cov: FloatArray

    @property
    def size(self) -> float:
        """S: the bias of a variable of which both confounding strengths are one."""
        return math.sqrt(max(self.sigma2, 0.0) * max(self.nu2, 0.0))


def weights_of(arm: NDArray[np.int64], e: FloatArray, a: int, estimand: str) -> tuple[FloatArray, FloatArray]:
    """Riesz representer of an average effect and the terms whose mean is its mean square, both of shape (n,).

    Parameters
    ----------
    arm : ndarray, shape (n,)
    e : ndarray, shape (n, k + 1)
        Chances of the arms.
    a : int
        The arm whose effect it is.
    estimand : {"ate", "att", "overlap"}
        Each effect is a mean of mu_a - mu_0 weighted by w(x): 1, e_a, or 1 / sum of 1 / e.
    """
    own, none = arm == a, arm == 0
    if estimand == "att":
        share = float(own.mean())
        alpha = own / share - none * e[:, a] / e[:, 0] / share
        return alpha, 2 * own / share * (1 / share + e[:, a] / e[:, 0] / share) - alpha**2
    w = np.ones(len(arm)) if estimand == "ate" else 1.0 / (1.0 / e).sum(axis=1)
    w = w / w.mean()
    alpha = w * (own / e[:, a] - none / e[:, 0])
    return alpha, 2 * w * w * (1 / e[:, a] + 1 / e[:, 0]) - alpha**2


def check_strength(outcome: float, treatment: float, rho: float) -> None:
    """Refuse what is no strength.

    Raises
    ------
    ValueError
    """
    if not (0 <= outcome <= 1 and 0 <= treatment < 1 and -1 <= rho <= 1):
        raise ValueError("strengths lie between 0 and 1 (that with the treatment below 1), rho between -1 and 1")


def bias_bound(found: Omitted, outcome: float, treatment: float, rho: float = 1.0) -> float:
    """Largest bias that a confounder of the given strength can cause.

    Parameters
    ----------
    found : Omitted
    outcome : float
        cf_y: share of what the models leave of the outcome that it explains.
    treatment : float
        cf_d: share of the weights' mean square that it adds, 1 - nu2 without it / nu2 with it; below 1.
    rho : float
        How far its parts in both point the same way; 1 is the worst case.

    References
    ----------
    Chernozhukov, Cinelli, Newey, Sharma and Syrgkanis (2022), Long story short, NBER Working Paper 30302.

    Examples
    --------
    >>> found = Omitted(2.0, 4.0, 9.0, np.eye(3))
    >>> round(bias_bound(found, 0.04, 0.5), 6)  # 6 x sqrt(.04 x 1)
    1.2
    """
    check_strength(outcome, treatment, rho)
    return abs(rho) * found.size * math.sqrt(outcome * treatment / (1 - treatment))


def bounds(
    found: Omitted, outcome: float, treatment: float, rho: float = 1.0, critical: float = 0.0
) -> tuple[float, float]:
    """Estimate less and plus the largest bias; with a critical value, the ends of one-sided intervals of these."""
    check_strength(outcome, treatment, rho)
    c = abs(rho) * math.sqrt(outcome * treatment / (1 - treatment))
    bias = c * found.size
    if critical == 0 or found.size == 0:
        return found.theta - bias, found.theta + bias
    ends = []
    for side in (-1.0, 1.0):
        ratio = math.sqrt(found.nu2 / found.sigma2)
        slope = np.array([1.0, side * c * ratio / 2, side * c / ratio / 2])
        ends.append(found.theta + side * bias + side * critical * math.sqrt(max(float(slope @ found.cov @ slope), 0.0)))
    return ends[0], ends[1]


def omitted_robustness(found: Omitted, null: float = 0.0, critical: float = 0.0) -> float:
    """Strength, with outcome and treatment alike, from which on bounds (or their intervals) hold `null`.

    Examples
    --------
    >>> round(omitted_robustness(Omitted(2.0, 4.0, 9.0, np.eye(3))), 6)  # r^2 / (1 - r) = (2 / 6)^2
    0.282376
    """
    gap = abs(found.theta - null)
    if critical == 0:
        return _equal_strength(gap / found.size) if found.size > 0 else float(gap > 0)
    side = 0 if found.theta > null else 1

    def left(r: float) -> float:
        end = bounds(found, r, r, critical=critical)[side]
        return end - null if side == 0 else null - end

    if not left(0.0) > 0:
        return 0.0
    high = 1 - 1e-12
    if left(high) > 0:
        return 1.0
    from scipy import optimize

    return float(optimize.brentq(left, 0.0, high, xtol=1e-13))


# --- ratios: the E-value --------------------------------------------------------------------------------------------
def e_value(ratio: float) -> float:
    """Risk ratio that a confounder needs, with treatment and outcome alike, to explain a risk ratio away.

    Parameters
    ----------
    ratio : float
        Above 0; below 1 its inverse counts.

    References
    ----------
    VanderWeele and Ding (2017), Annals of Internal Medicine 167.

    Examples
    --------
    >>> round(e_value(3.9), 2), round(e_value(1.8), 1)
    (7.26, 3.0)
    """
    if not ratio > 0:
        raise ValueError("a risk ratio is above 0")
    r = max(ratio, 1 / ratio)
    return r + math.sqrt(r * (r - 1))


def e_value_of_limit(low: float, high: float) -> float:
    """E-value of the end of an interval of the risk ratio that is nearer to 1; 1 where it holds 1.

    Examples
    --------
    >>> e_value_of_limit(0.9, 2.0), round(e_value_of_limit(1.8, 8.7), 1)
    (1.0, 3.0)
    """
    return 1.0 if low <= 1 <= high else e_value(low if low > 1 else high)


def ratio_of_means(effect: float, spread: float) -> float:
    """What a difference of means of so many standard deviations is worth as a risk ratio: exp(.91 d), an approximation.

    It is Chinn's (2000) of a logistic outcome cut at its median, as VanderWeele and Ding (2017) use it.
    """
    return math.exp(min(0.91 * effect / spread, 700.0))


# --- matched pairs: Rosenbaum's odds --------------------------------------------------------------------------------
def rosenbaum_p(differences: FloatArray, gamma: float) -> float:
    """Largest one-sided p-value of Wilcoxon's signed rank test if hidden odds of treatment differ by `gamma` in a pair.

    Parameters
    ----------
    differences : ndarray, shape (n,)
        Treated less control, pair by pair. Ranks of ties are shared; pairs without a difference keep their ranks and
        drop out.
    gamma : float
        At least 1.

    References
    ----------
    Rosenbaum (2002), Observational Studies, 2nd edition, section 4.3.

    Examples
    --------
    >>> round(rosenbaum_p(np.arange(1.0, 11.0), 1.0), 4)  # all ten positive: normal, as in the book
    0.0025
    """
    from scipy import special, stats

    if not gamma >= 1:
        raise ValueError("gamma is at least 1")
    d = np.asarray(differences, dtype=np.float64)
    rank = stats.rankdata(np.abs(d))[d != 0]
    if not len(rank):
        return 1.0
    statistic = float(rank[d[d != 0] > 0].sum())
    p = gamma / (1 + gamma)
    mean, variance = p * float(rank.sum()), p * (1 - p) * float((rank**2).sum())
    return float(special.ndtr(-(statistic - mean) / math.sqrt(variance)))


def rosenbaum_gamma(differences: FloatArray, alpha: float = 0.05, most: float = 1e6) -> float:
    """Odds up to which the signed rank test still rejects at `alpha`, one-sided; 1 where it does not without any."""
    from scipy import optimize

    if rosenbaum_p(differences, 1.0) >= alpha:
        return 1.0
    if rosenbaum_p(differences, most) < alpha:
        return math.inf
    found = optimize.brentq(lambda g: rosenbaum_p(differences, math.exp(g)) - alpha, 0.0, math.log(most))
    return math.exp(float(found))
