"""Inference that holds at every moment, however often one looks and whenever one stops.

A confidence sequence covers at all times together. The price for not having to plan anything is width: at the moment it
is tuned for, a normal-mixture sequence at 95 % is about 1.5 times as wide as the interval for a single look.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check
from gmvcausal.stats.sequential import read_information

FloatArray = NDArray[np.float64]

# Prior size of the sequential sample-ratio test, in users: shares are expected within about 1 % of those planned, which
# is the size of most real faults; larger deviations are found anyway (Lindon and Malek 2022 take the same).
CONCENTRATION = 10_000.0


def _prior(tuned_at: float, alpha: float) -> float:
    """Prior information of the normal mixture that is narrowest when `tuned_at` information is in."""
    from scipy import special

    # minimises (1 + r/v) log((1 + v/r) / alpha^2) over r at v = tuned_at
    u = -float(np.real(special.lambertw(-(alpha**2) / math.e, -1)))
    return tuned_at / (u - 1.0)


def log_evidence(statistic: ArrayLike, information: ArrayLike, prior: float, sides: int = 2) -> FloatArray:
    """Log likelihood ratio of a normal mixture of effects against none (Robbins 1970).

    Under no effect the ratio is a martingale of mean 1, so the chance that it ever reaches 1 / alpha is at most alpha
    (Ville 1939).

    Parameters
    ----------
    statistic : array-like, shape (k,)
        z at each look.
    information : array-like, shape (k,)
        One over the squared standard error, or a number of units proportional to it.
    prior : float
        Information of the mixing distribution, in the same unit.
    sides : {2, 1}
        One side mixes over positive effects alone (Howard and others 2021).
    """
    from scipy import special

    z, v = np.asarray(statistic, dtype=float), np.asarray(information, dtype=float)
    share = v / (v + prior)
    out = 0.5 * np.log1p(-share) + 0.5 * z * z * share
    if sides == 1:
        out = out + math.log(2.0) + special.log_ndtr(z * np.sqrt(share))
    return np.asarray(out, dtype=float)


def mixture_critical(
    information: ArrayLike, *, alpha: float = 0.05, tuned_at: float | None = None, sides: int = 2
) -> FloatArray:
    """How many standard errors a confidence sequence reaches from the estimate at each look.

    With information in units of one over a known variance this is the normal-mixture sequence of Robbins (1970). With
    estimated standard errors, and information in units of users, it is the asymptotic confidence sequence of
    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), for any outcome with a variance; it holds once the first
    look is large enough for the central limit theorem.

    Parameters
    ----------
    information : array-like, shape (k,)
        Strictly increasing.
    alpha : float
        Default .05.
    tuned_at : float, optional
        Information at which the sequence is to be narrowest. It must not be chosen by looking. Default: that of the
        last look.
    sides : {2, 1}

    Returns
    -------
    ndarray, shape (k,)

    Raises
    ------
    InputError
        Information that is not positive or does not increase.

    Examples
    --------
    >>> mixture_critical([0.5, 1.0, 2.0], tuned_at=1.0).round(3).tolist()
    [3.079, 3.035, 3.064]
    """
    from scipy import optimize

    v = read_information(information)
    level = check("alpha", alpha)
    end = float(v[-1]) if tuned_at is None else float(tuned_at)
    if not (math.isfinite(end) and end > 0):
        raise InputError(f"tuned_at must be a positive number, but is {tuned_at!r}")
    # A one-sided sequence at alpha is about as wide as a two-sided one at 2 alpha, and is tuned so.
    prior = _prior(end, min(level * (3 - sides), 0.99))
    if sides == 2:
        return np.asarray(np.sqrt((1 + prior / v) * (np.log1p(v / prior) - 2 * math.log(level))), dtype=float)
    target = -math.log(level)

    def solve(one: float) -> float:
        def gap(z: float) -> float:
            return float(log_evidence([z], [one], prior, 1)[0]) - target

        return float(optimize.brentq(gap, 0.0, 2.0 + 4.0 * math.sqrt((1 + prior / one) * (target + 1 + one / prior))))

    return np.array([solve(float(one)) for one in v])


def mixture_p(
    statistic: ArrayLike,
    information: ArrayLike,
    *,
    alpha: float = 0.05,
    tuned_at: float | None = None,
    sides: int = 2,
) -> FloatArray:
    """Always-valid p-values: below alpha at some look exactly where `mixture_critical` was crossed by then.

    Parameters
    ----------
    statistic : array-like, shape (k,)
    information : array-like, shape (k,)
    alpha, tuned_at, sides
        As in `mixture_critical`; alpha only tunes the sequence.

    Returns
    -------
    ndarray, shape (k,)
        Never rising from look to look.
    """
    v = read_information(information)
    end = float(v[-1]) if tuned_at is None else float(tuned_at)
    prior = _prior(end, min(check("alpha", alpha) * (3 - sides), 0.99))
    evidence = np.maximum.accumulate(log_evidence(statistic, v, prior, sides))
    return np.asarray(np.exp(-np.maximum(evidence, 0.0)), dtype=float)


def sequential_srm(
    counts: ArrayLike, expected: ArrayLike | None = None, *, concentration: float = CONCENTRATION
) -> FloatArray:
    """Sample-ratio test that may be looked at after every user: a multinomial mixture (Lindon and Malek 2022).

    Parameters
    ----------
    counts : array-like, shape (k, arms)
        Users in each arm, cumulative, at each look.
    expected : array-like, shape (arms,), optional
        Planned shares. Default equal.
    concentration : float
        Of the Dirichlet mixture around the planned shares. Default 10,000: tuned to deviations of about 1 %.

    Returns
    -------
    ndarray, shape (k,)
        P-values that never rise. The chance that one ever falls below alpha is at most alpha where the assignment
        works as planned.

    Raises
    ------
    InputError
        Counts that are negative, not whole or that fall; shares that are not positive.

    Examples
    --------
    >>> sequential_srm([[1_000, 1_000], [50_000, 51_500]]).round(6).tolist()
    [1.0, 0.000139]
    """
    from scipy import special

    n = np.array(counts, dtype=float)
    if n.ndim != 2 or n.shape[1] < 2 or not len(n):
        raise InputError("counts must have one row for each look and one column for each of two arms or more")
    bad = ~(np.isfinite(n) & (n >= 0) & (n == np.floor(n))).all(axis=1)
    bad[1:] |= (np.diff(n, axis=0) < 0).any(axis=1)
    if bad.any():
        raise InputError(
            "counts of users must be whole numbers that do not fall from look to look",
            count=int(bad.sum()),
            rows=np.flatnonzero(bad),
            remedy="give cumulative numbers of distinct users",
        )
    share = np.full(n.shape[1], 1 / n.shape[1]) if expected is None else np.array(expected, dtype=float)
    if share.shape != (n.shape[1],) or not (np.isfinite(share) & (share > 0)).all():
        raise InputError("the expected shares must be one positive number for each arm")
    if not (math.isfinite(concentration) and concentration > 0):
        raise InputError(f"concentration must be a positive number, but is {concentration!r}")
    share = share / share.sum()
    prior = concentration * share
    evidence = (
        special.gammaln(concentration)
        - special.gammaln(concentration + n.sum(axis=1))
        + (special.gammaln(prior + n) - special.gammaln(prior) - n * np.log(share)).sum(axis=1)
    )
    return np.asarray(np.exp(-np.maximum(np.maximum.accumulate(evidence), 0.0)), dtype=float)
