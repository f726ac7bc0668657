"""How alike two weighted groups are, covariate by covariate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.small_columns import hidden_columns, tally
from gmvcausal.stats.tied import beside_tied, ties

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def largest(size: NDArray[np.float64]) -> int:
    """Place of the largest, the first of those that are equal but for rounding, which differs between processors.

    Examples
    --------
    >>> largest(np.array([0.2, 0.7, 0.7 + 1e-15])), largest(np.array([1.0, np.inf, np.inf]))
    (1, 1)
    """
    return int(np.argmax(np.isclose(size, np.max(size), rtol=1e-9, atol=1e-12, equal_nan=True)))


def balance_table(names: Sequence[str], x: FloatArray, treated: BoolArray, weight: FloatArray) -> pd.DataFrame:
    """Means, standardised differences, variance ratios and Kolmogorov-Smirnov distances, before and after.

    Parameters
    ----------
    names : sequence of str
    x : ndarray, shape (n, p)
    treated : ndarray of bool, shape (n,)
    weight : ndarray, shape (n,)
        After matching; zero where a unit was left out.

    Returns
    -------
    DataFrame
        One row per covariate. Differences are over the pooled standard deviation *before* matching, so that they do
        not shrink or grow because the spread did (Stuart 2010). p-values are Welch's.
    """
    import pandas as pd

    rows = []
    for j, name in enumerate(names):
        row: dict[str, object] = {"covariate": name}
        sides = [(x[side, j], weight[side]) for side in (treated, ~treated)]
        before = [_moments(v, np.ones(len(v))) for v, _ in sides]
        after = [_moments(v, w) for v, w in sides]
        spread = math.sqrt((before[0][1] + before[1][1]) / 2)
        for when, (one, other), weights in (
            ("before", before, [np.ones(len(v)) for v, _ in sides]),
            ("after", after, [w for _, w in sides]),
        ):
            row |= {
                f"treated_{when}": one[0],
                f"control_{when}": other[0],
                f"smd_{when}": _over(one[0] - other[0], spread),
                f"variance_ratio_{when}": one[1] / other[1] if other[1] > 0 else (1.0 if one[1] == 0 else math.inf),
                f"ks_{when}": _ks(sides[0][0], weights[0], sides[1][0], weights[1]),
                f"p_{when}": _welch(one, other),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def rare(names: Sequence[str], x: FloatArray, groups: Sequence[BoolArray], *, last: int = 0) -> BoolArray:
    """Which covariates of people are not shown by group: those whose numbers would count fewer than ten of a group.

    Flags and levels that so few have, or have not; numbers of few values of which one is as rare; and what such a
    column would follow from, where columns add up (dummies of a whole).

    Parameters
    ----------
    names : sequence of str
    x : ndarray, shape (n, p)
        A flag is a column of two values, whatever they are.
    groups : sequence of ndarray of bool, shape (n,) each
    last : int
        How many columns at the end are sums of others with weights that nobody sees (log odds).

    Returns
    -------
    ndarray of bool, shape (p,)
    """
    gone = hidden_columns(names, [tally(column, groups) for column in x.T])
    own = len(names) - last
    if gone[:own].any():
        gone[:own] = beside_tied(ties(list(x.T[:own])), gone[:own])
    return gone


def without_rare(table: pd.DataFrame, gone: BoolArray) -> pd.DataFrame:
    """A table of covariates without the numbers of those that are `gone`."""
    if not gone.any():
        return table
    out = table.copy()
    out.loc[gone, [name for name in out.columns if name != "covariate"]] = math.nan
    return out


def balance_by_cohort(
    names: Sequence[str], x: FloatArray, cohort: NDArray[np.str_], treated: BoolArray, weight: FloatArray
) -> pd.DataFrame:
    """Standardised difference of every cohort's matched units to the weighted controls, covariate by covariate.

    Parameters
    ----------
    names, x, treated, weight
        See `balance_table`.
    cohort : ndarray of str, shape (n,)

    Returns
    -------
    DataFrame
        cohort, covariate, n (matched units), treated and control (means after), smd (over the same spread as in
        `balance_table`), p (Welch's).
    """
    import pandas as pd

    rows = []
    for j, name in enumerate(names):
        spread = math.sqrt(sum(_moments(x[s, j], np.ones(int(s.sum())))[1] for s in (treated, ~treated)) / 2)
        other = _moments(x[~treated, j], weight[~treated])
        for label in dict.fromkeys(cohort[treated & (weight > 0)].tolist()):
            inside = treated & (weight > 0) & (cohort == label)
            one = _moments(x[inside, j], weight[inside])
            rows.append(
                {
                    "cohort": label, "covariate": name, "n": int(inside.sum()), "treated": one[0], "control": other[0],
                    "smd": _over(one[0] - other[0], spread), "p": _welch(one, other),
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=["cohort", "covariate", "n", "treated", "control", "smd", "p"])


def effective(weight: FloatArray) -> float:
    """Units that unequal weights amount to (Kish 1965).

    Examples
    --------
    >>> effective(np.array([1.0, 1.0, 0.0, 2.0])).__round__(6)
    2.666667
    """
    squares = float(weight @ weight)
    return float(weight.sum() ** 2 / squares) if squares > 0 else 0.0


def density(values: FloatArray, weight: FloatArray, grid: FloatArray) -> FloatArray:
    """Gaussian kernel density with Silverman's width; values are first put on the grid."""
    total = weight.sum()
    mean = weight @ values / total
    spread = float(np.sqrt(weight @ (values - mean) ** 2 / total))
    step = grid[1] - grid[0]
    width = max(1.06 * spread * effective(weight) ** -0.2, step)
    place = np.clip(np.rint((values - grid[0]) / step).astype(np.int64), 0, len(grid) - 1)
    mass = np.bincount(place, weight, minlength=len(grid)) / total
    kernel = np.exp(-0.5 * ((grid[:, None] - grid) / width) ** 2) / (width * np.sqrt(2 * np.pi))
    return np.asarray(kernel @ mass)


def _over(difference: float, spread: float) -> float:
    if spread > 0:
        return difference / spread
    return 0.0 if difference == 0 else math.copysign(math.inf, difference)


def _moments(values: FloatArray, weight: FloatArray) -> tuple[float, float, float]:
    """Mean, unbiased variance, and the units that the weights amount to."""
    total = float(weight.sum())
    mean = float(weight @ values / total)
    left = total - float(weight @ weight) / total
    centred = values - mean
    # Below rounding of the values themselves there is no spread.
    variance = float(weight @ (centred * centred)) / left if left > 1e-12 * total else 0.0
    tiny = (1e-13 * float(np.abs(values).max(initial=0.0))) ** 2
    return mean, variance if variance > tiny else 0.0, effective(weight)


def _welch(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    from scipy import special

    parts = [v / n for _, v, n in (one, other)]
    if sum(parts) <= 0:
        return math.nan
    df = sum(parts) ** 2 / sum(p * p / max(n - 1, 1e-9) for p, (_, _, n) in zip(parts, (one, other), strict=True))
    return float(2 * special.stdtr(df, -abs(one[0] - other[0]) / math.sqrt(sum(parts))))


def _ks(a: FloatArray, wa: FloatArray, b: FloatArray, wb: FloatArray) -> float:
    """Largest distance between two weighted distribution functions."""
    values = np.concatenate([a, b])
    step = np.concatenate([wa / wa.sum(), -wb / wb.sum()])
    order = np.argsort(values, kind="stable")
    last = np.append(values[order][1:] != values[order][:-1], True)
    return float(np.abs(np.cumsum(step[order])[last]).max())
