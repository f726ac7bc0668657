"""What the bias of something unseen is measured by, from the nuisances of an average effect; and its E-values."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.stats import hidden
from gmvcausal.stats.nuisance.aipw import clustered, scores

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def omitted(
    y: FloatArray, arm: IntArray, e: FloatArray, mu: FloatArray, estimate: FloatArray, influence: FloatArray,
    estimand: str, cluster: IntArray | None = None,
) -> tuple[hidden.Omitted, ...]:  # fmt: skip
    """What the bias of each arm's average effect is measured by (Chernozhukov et al. 2022).

    Parameters
    ----------
    y, arm : ndarray, shape (n,)
    e, mu : ndarray, shape (n, k + 1)
        Chances of the arms, and predicted outcomes under them.
    estimate : ndarray, shape (k,)
    influence : ndarray, shape (n, k)
    estimand : {"ate", "att", "overlap"}
    cluster : ndarray, shape (n,), optional

    Raises
    ------
    DesignError
        The weights have no mean square.
    """
    n, arms = e.shape
    rest = (y - mu[np.arange(n), arm]) ** 2
    out = []
    for a in range(1, arms):
        sigma = np.where((arm == a) | (arm == 0), rest, 0.0)
        _, nu = hidden.weights_of(arm, e, a, estimand)
        both = np.column_stack([sigma, nu])
        mean = both.mean(axis=0)
        if not mean[1] > 0:
            raise DesignError(
                "the chances of the arms come so near to 0 that the weights have no mean square",
                remedy="ask it of estimand='overlap', or of those who could get every arm",
            )
        own = np.column_stack([influence[:, a - 1], (both - mean) / n])
        # On one scale: squares of money beside shares lose digits.
        size = np.maximum(np.abs(own).max(axis=0), 1e-300)
        cov, _ = clustered(own / size, arm, arms, cluster)
        out.append(hidden.Omitted(float(estimate[a - 1]), float(mean[0]), float(mean[1]), cov * np.outer(size, size)))
    return tuple(out)


def e_values(
    y: FloatArray, arm: IntArray, e: FloatArray, mu: FloatArray, estimate: FloatArray, half: FloatArray,
    critical: FloatArray, estimand: str, cluster: IntArray | None = None,
) -> tuple[FloatArray, bool]:  # fmt: skip
    """E-values of the estimates and of their nearer limits: of a risk ratio for 0/1 outcomes, else by deviations.

    Parameters
    ----------
    y, arm, e, mu, estimand, cluster
        As in `omitted`.
    estimate, half, critical : ndarray, shape (k,)
        Estimates, half lengths of their intervals, and how many standard errors these are.

    Returns
    -------
    values : ndarray, shape (k, 2)
    by_ratio : bool
        Whether they are of a risk ratio.
    """
    k = e.shape[1] - 1
    out = np.full((k, 2), math.nan)
    binary = bool(((y == 0) | (y == 1)).all()) and estimand == "ate"
    psi = scores(y, arm, e, mu)
    level = psi.mean(axis=0)
    cov, _ = clustered((psi - level) / len(y), arm, k + 1, cluster)
    by_ratio = binary and bool((level > 0).all())
    inside = sum(float(((y[arm == a] - y[arm == a].mean()) ** 2).sum()) for a in range(k + 1))
    spread = math.sqrt(inside / max(len(y) - k - 1, 1))
    for a in range(k):
        if by_ratio:
            b = a + 1
            log = math.log(level[b] / level[0])
            slope = np.array([-1 / level[0], 1 / level[b]])
            reach = critical[a] * math.sqrt(max(float(slope @ cov[np.ix_([0, b], [0, b])] @ slope), 0.0))
            ends = math.exp(log - reach), math.exp(log + reach)
            ratio = math.exp(log)
        elif spread > 0:
            effect = float(estimate[a])
            ratio = hidden.ratio_of_means(effect, spread)
            ends = hidden.ratio_of_means(effect - half[a], spread), hidden.ratio_of_means(effect + half[a], spread)
        else:
            continue
        out[a] = hidden.e_value(ratio), hidden.e_value_of_limit(*ends) if ends[0] == ends[0] else math.nan
    return out, by_ratio


def as_strong(long: hidden.Omitted, short: hidden.Omitted) -> tuple[float, float, float, float]:
    """What leaving something out did, as the strength of something unseen: outcome, treatment, rho, change.

    Parameters
    ----------
    long, short : Omitted
        With everything, and without that.
    """
    gained, added = short.sigma2 - long.sigma2, long.nu2 - short.nu2
    outcome = float(np.clip(gained / long.sigma2, 0, 1)) if long.sigma2 > 0 else 0.0
    treatment = float(np.clip(added / short.nu2, 0, 1 - 1e-9))
    change = short.theta - long.theta
    both = gained * added
    rho = math.copysign(min(abs(change) / math.sqrt(both), 1.0), change) if gained > 0 and added > 0 else 1.0
    return outcome, treatment, rho, change
