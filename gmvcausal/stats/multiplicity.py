"""Many tests at once: adjusted p-values, and the confidence level of the intervals that belong to them.

- `holm` holds the chance of any false rejection (FWER); `bonferroni_alpha` makes intervals that cover all together.
- `benjamini_hochberg` holds the share of false ones among the rejected (FDR); `fcr_alpha` makes intervals of which,
  among the rejected, at most that share misses.
- `gatekeeping` holds the FWER in an order fixed beforehand; `gatekeeping_alpha` makes the intervals of the families
  that were opened.

A p-value that is missing passes through and is not counted among the tests.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, one_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

METHODS = ("holm", "bh", "gatekeeping")


class Adjusted(NamedTuple):
    """P-values of one family of tests, adjusted, and how its intervals are made.

    Attributes
    ----------
    p_value : ndarray, shape (m,)
        Compare with alpha itself; NaN where the test is missing.
    interval_alpha : ndarray, shape (m,)
        Each interval is made at level ``1 - interval_alpha``; NaN where no interval belongs to the test.
    said : str
        The family in one sentence, for a summary.
    """

    p_value: FloatArray
    interval_alpha: FloatArray
    said: str


def _read(p: ArrayLike) -> tuple[FloatArray, NDArray[np.bool_]]:
    values = np.array(p, dtype=float)
    if values.ndim != 1:
        raise InputError(f"p-values must form one list, but have {values.ndim} dimensions")
    bad = (values < 0) | (values > 1)
    if bad.any():
        raise InputError(
            f"p-values must lie in [0, 1], but one is {values[bad][0]:g}",
            count=int(bad.sum()),
            rows=np.flatnonzero(bad),
        )
    return values, ~np.isnan(values)


def holm(p: ArrayLike) -> FloatArray:
    """Holm's (1979) step-down adjusted p-values, which hold the chance of any false rejection under any dependence.

    The intervals that belong to it are those of `bonferroni_alpha`: they cover all terms together. Holm rejects a
    little more than they do: a term may have an adjusted p below alpha and an interval that still holds zero.

    Parameters
    ----------
    p : array-like, shape (m,)
        NaN passes through and is not counted.

    Returns
    -------
    ndarray, shape (m,)

    Raises
    ------
    InputError
        A p-value outside [0, 1].

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values, known = _read(p)
    out = np.full(len(values), np.nan)
    q = values[known]
    order = np.argsort(q, kind="stable")
    stepped = np.maximum.accumulate((len(q) - np.arange(len(q))) * q[order])
    adjusted = np.empty(len(q))
    adjusted[order] = np.minimum(stepped, 1.0)
    out[known] = adjusted
    return out


def benjamini_hochberg(p: ArrayLike) -> FloatArray:
    """Adjusted p-values by Benjamini and Hochberg (1995), which hold the expected share of false rejections.

    Valid for tests that are independent or positively dependent, as metrics of one test mostly are. The intervals that
    belong to it are those of `fcr_alpha`.

    Takes, returns and raises what `holm` does.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.04, 0.04]
    """
    values, known = _read(p)
    out = np.full(len(values), np.nan)
    q = values[known]
    m = len(q)
    order = np.argsort(q, kind="stable")
    stepped = np.minimum.accumulate((q[order] * m / np.arange(1, m + 1))[::-1])[::-1]
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1.0)
    out[known] = adjusted
    return out


def gatekeeping(p: ArrayLike, family: ArrayLike | None = None) -> FloatArray:
    """Adjusted p-values of tests in an order fixed beforehand: a family opens once all before it are rejected.

    With one test in each family this is the fixed sequence, in which no test pays for another. Within a family of
    several, Holm's steps are taken (serial gatekeeping, Westfall and Krishen 2001). Holds the chance of any false
    rejection under any dependence, provided that the order was not chosen by looking.

    Parameters
    ----------
    p : array-like, shape (m,)
        A missing p-value (NaN) leaves its gate closed: what cannot be tested has not been rejected.
    family : array-like of int, shape (m,), optional
        The family of each test, lowest first. Default: each test is a family, in the order given.

    Returns
    -------
    ndarray, shape (m,)
        1 behind a gate that a missing p-value keeps closed.

    Raises
    ------
    InputError
        A p-value outside [0, 1]; a family of another length.

    Examples
    --------
    >>> gatekeeping([0.01, 0.04, 0.001]).tolist()
    [0.01, 0.04, 0.04]
    """
    values, known = _read(p)
    group = _families(family, len(values))
    out = np.full(len(values), np.nan)
    gate = 0.0
    for one in np.unique(group):
        here = group == one
        out[here] = np.maximum(holm(values[here]), gate)
        gate = 1.0 if not known[here].all() else float(np.max(out[here]))
    return out


def _families(family: ArrayLike | None, m: int) -> IntArray:
    if family is None:
        return np.arange(m)
    group = np.asarray(family)
    if group.shape != (m,) or group.dtype.kind not in "iu":
        raise InputError(
            f"family must give one whole number for each of the {m:,} tests",
            remedy="0 for the tests that come first, 1 for those that open after them, and so on",
        )
    return group.astype(np.int64)


def bonferroni_alpha(p: ArrayLike, alpha: float = 0.05) -> FloatArray:
    """Alpha of each interval so that all intervals cover together with probability at least 1 - alpha: alpha / m.

    Parameters
    ----------
    p : array-like, shape (m,)
        Used to count the tests; NaN where there is none.
    alpha : float
        Default .05, of the whole family.

    Returns
    -------
    ndarray, shape (m,)
    """
    known = _read(p)[1]
    return np.where(known, check("alpha", alpha) / max(int(known.sum()), 1), np.nan)


def fcr_alpha(p: ArrayLike, alpha: float = 0.05) -> FloatArray:
    """Alpha of each interval under the false-coverage rate of Benjamini and Yekutieli (2005): R alpha / m.

    R of the m tests are rejected by Benjamini and Hochberg at alpha. Of the intervals of those R, a share of at most
    alpha misses in expectation. The others are given the same level (alpha / m where none is rejected), so that every
    interval excludes zero exactly where its test is rejected; no promise is made for them.

    Parameters
    ----------
    p : array-like, shape (m,)
        Two-sided, from the same statistic as the intervals; NaN is not counted.
    alpha : float
        Default .05.

    Returns
    -------
    ndarray, shape (m,)

    Examples
    --------
    >>> fcr_alpha([0.001, 0.01, 0.2, 0.7], 0.05).tolist()
    [0.025, 0.025, 0.025, 0.025]
    """
    values, known = _read(p)
    level = check("alpha", alpha)
    rejected = int(np.count_nonzero(benjamini_hochberg(values)[known] <= level))
    return np.where(known, max(rejected, 1) * level / max(int(known.sum()), 1), np.nan)


def gatekeeping_alpha(p: ArrayLike, alpha: float = 0.05, family: ArrayLike | None = None) -> FloatArray:
    """Alpha of the intervals that belong to `gatekeeping`; NaN behind a closed gate.

    A family that was opened has alpha divided by its number of tests. Beyond the sign of what was rejected, the promise
    of covering together holds for the first family that is not wholly rejected (Hsu and Berger 1999); a family that
    was never opened has no interval.
    """
    values, known = _read(p)
    level = check("alpha", alpha)
    group = _families(family, len(values))
    adjusted = gatekeeping(values, group)
    out = np.full(len(values), np.nan)
    for one in np.unique(group):
        here = group == one
        out[here & known] = level / max(int((here & known).sum()), 1)
        if not (adjusted[here] <= level).all():
            break
    return out


def adjust(method: str, p: ArrayLike, alpha: float = 0.05, family: ArrayLike | None = None) -> Adjusted:
    """Adjusted p-values of one family and the level of its intervals.

    Parameters
    ----------
    method : {"holm", "bh", "gatekeeping"}
    p, alpha
        As in the functions of these names.
    family : array-like of int, shape (m,), optional
        For gatekeeping.

    Returns
    -------
    Adjusted

    Raises
    ------
    InputError
        An unknown method; a p-value outside [0, 1].

    Examples
    --------
    >>> print(adjust("bh", [0.001, 0.01, 0.2]).said)
    Benjamini-Hochberg over 3 tests: the expected share of false ones among the rejected is at most 5 %; the intervals of the rejected miss in at most that share (false-coverage rate).
    """  # noqa: E501  # the sentence as it is printed
    method = one_of("adjust", method, METHODS)
    values, known = _read(p)
    m, percent = int(known.sum()), f"{100 * alpha:g} %"
    tests = f"{m} test{'' if m == 1 else 's'}"
    if method == "holm":
        said = (
            f"Holm over {tests}: the chance of any false rejection is at most {percent}; "
            "the intervals (Bonferroni) cover all together."
        )
        return Adjusted(holm(values), bonferroni_alpha(values, alpha), said)
    if method == "bh":
        said = (
            f"Benjamini-Hochberg over {tests}: the expected share of false ones among the rejected is at most "
            f"{percent}; the intervals of the rejected miss in at most that share (false-coverage rate)."
        )
        return Adjusted(benjamini_hochberg(values), fcr_alpha(values, alpha), said)
    said = (
        f"Gatekeeping over {tests} in the order given: the chance of any false rejection is at most {percent}; "
        "tests behind a closed gate have no interval."
    )
    return Adjusted(gatekeeping(values, family), gatekeeping_alpha(values, alpha, family), said)
