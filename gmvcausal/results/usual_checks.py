"""Checks that every comparison of units makes, on arrays: each design brings its own rule and names what it estimates.

A check returns None where it has nothing to look at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.prints import prints
from gmvcausal.results.audit import Check
from gmvcausal.results.rule import Rule
from gmvcausal.stats.humps import two_humps
from gmvcausal.stats.small_sample import groups_of_clusters

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_RANKED = 20_000  # rows that are enough to see whether two orders are the same


def p_words(p: float) -> str:
    """A p-value in a message; what a double cannot hold is no zero.

    Examples
    --------
    >>> p_words(0.0312), p_words(3e-9), p_words(0.0)
    ('p = 0.0312', 'p = 3.0e-09', 'p < 1e-300')
    """
    return f"p = {p:.4f}" if p >= 0.0001 else f"p = {p:.1e}" if p >= 1e-300 else "p < 1e-300"


class Worth(NamedTuple):
    """How many clusters there are where they are fewest.

    Attributes
    ----------
    fewest : int
        Clusters of the smallest arm; of all, where clusters hold several arms or there are no arms.
    worth : float
        Clusters of one size that these are worth.
    crossed : bool
        Whether clusters hold several arms.
    arms : bool
        Whether there are arms.
    """

    fewest: int
    worth: float
    crossed: bool
    arms: bool


def worth_of(cluster: IntArray, arm: IntArray | None = None) -> Worth:
    """Count clusters by arm, or all where they hold several.

    Examples
    --------
    >>> worth_of(np.array([0, 0, 1, 1, 2, 3]), np.array([0, 0, 1, 1, 0, 1]))
    Worth(fewest=2, worth=1.8, crossed=False, arms=True)
    """
    size = np.bincount(cluster).astype(float)
    if arm is None:
        return Worth(len(size), float(size.sum() ** 2 / (size**2).sum()), True, False)
    arms = int(arm.max()) + 1
    group = groups_of_clusters(arm, cluster, arms)
    crossed = bool((group == arms).any())
    kinds = [group >= 0] if crossed else [group == a for a in range(arms)]
    worth = [float(size[k].sum() ** 2 / (size[k] ** 2).sum()) if k.any() else 0.0 for k in kinds]
    return Worth(min(int(k.sum()) for k in kinds), min(worth), crossed, True)


def few_clusters(rule: Rule, name: str, found: Worth, remedy: str = "assign more clusters") -> Check:
    """Are there enough clusters for the standard errors? Fewer than the rule's `fail`, counted, are not."""
    least = rule.fail if rule.fail is not None else 0.0
    fewest, worth = found.fewest, round(found.worth, 6)
    told = f"{fewest} in the smallest arm" if found.arms and not found.crossed else f"{fewest} in all"
    told += ", holding several arms" if found.arms and found.crossed else ""
    if worth < 0.95 * fewest:
        told += f"; their sizes differ, they are worth {worth:.3g} of one size"
    status = "failed" if fewest < least else rule.status(max(worth, least))
    words = {
        "passed": "",
        "warned": "read intervals near zero with care",
        "failed": f"{remedy}; at least {least:g} are needed for an interval",
    }[status]
    return Check("few_clusters", status, f"clusters by {name}: {told}", worth, rule.bound, words)


def cluster_level(name: str, what: str = "the arm") -> Check:
    """The level of assignment was found, not named."""
    return Check(
        "cluster_level", "warned", f"{what} does not vary within {name!r}, so standard errors are clustered there",
        remedy=f"name it, cluster={name!r}, or give each row a cluster of its own if rows were assigned one by one",
    )  # fmt: skip


# What users do themselves; English by whole words, Chinese by what a name contains.
_DOINGS = frozenset((
    "redeemed", "redeem", "redemption", "redeemer", "clicked", "click", "clicks", "joined", "join",
    "opened", "watched", "watch", "claimed", "claim", "used", "subscribed", "participated",
))  # fmt: skip
_DOINGS_ZH = ("核销", "领取", "领券", "已领", "点击", "打开", "观看", "加入", "入群", "参与", "已使用", "已用")


def self_selected(column: str, label: object) -> Check | None:
    """Is the treatment called what users do themselves, so that they chose it?

    Parameters
    ----------
    column : str
        The treatment.
    label : label
        Of those with it.

    Examples
    --------
    >>> self_selected("couponRedeemed", 1).status, self_selected("券状态", "已核销").status
    ('warned', 'warned')
    >>> self_selected("coupon", 1) is None
    True
    """
    for name in (column, str(label)):
        words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).casefold())
        if not _DOINGS.isdisjoint(words) or any(word in name for word in _DOINGS_ZH):
            return Check(
                "self_selected", "warned",
                f"{name!r} sounds like what users do themselves, and those who do would have bought more without it "
                "too",
                remedy="users chose this themselves: compare by what the shop decided (who was sent it, who could see "
                "it); where that was drawn by lot or by a rule, gc.iv finds the effect on those whom it moved",
            )  # fmt: skip
    return None


def tail(rule: Rule, skewness: float, what: str, remedy: str) -> Check:
    """Is `what` too skewed for its interval?"""
    status = rule.status(skewness)
    message = f"{what} has a skewness of {skewness:.2g}"
    if status == "passed":
        return Check("tail", status, message, skewness, rule.bound)
    message += ": a few large values decide its interval"
    return Check("tail", status, message, skewness, rule.bound, remedy)


def leverage(
    rule: Rule,
    own: FloatArray,
    estimate: float,
    what: str,
    cluster_name: str = "",
    short: str = "the effect",
    row: str = "",
) -> Check:
    """Does one row (cluster) carry `what`? `own` are the influences of rows (clusters), or of what `row` names."""
    squares = own**2
    total = float(squares.sum())
    at = int(np.argmax(squares))
    value = float(squares[at]) / total if total > 0 else 0.0
    # Of a few clusters each carries a share that rows do not.
    limit = max(rule.warn or 0.0, 10 / len(own) if cluster_name else 0.0)
    status = "passed" if value <= limit else rule.status(value)
    row = row or (f"{cluster_name} cluster" if cluster_name else "row")
    message = f"the largest {row} carries {value:.1%} of the variance of {what}"
    if status != "passed":
        message += f"; without it {short} is {estimate - own[at]:+.4g}"
    remedy = "" if status == "passed" else f"look at this {row}; read {short} on a capped outcome beside it"
    return Check("leverage", status, message, value, rule.bound, remedy)


def leakage(rule: Rule, y: FloatArray, x: NDArray[np.floating], names: Sequence[str], role: str) -> Check | None:
    """Is a covariate the outcome under another name, or something that came of it? NaN in `x` are gaps.

    Parameters
    ----------
    rule : Rule
    y : ndarray, shape (n,)
    x : ndarray, shape (n, p)
    names : sequence of str
    role : str
        The option that names the columns, for the remedy.
    """
    from scipy.stats import rankdata

    if not len(names) or not np.ptp(y) > 0:
        return None
    some = slice(None, None, max(1, len(y) // _RANKED))
    best, name, how = 0.0, names[0], "the variance of the outcome"
    for j, column in enumerate(x.T):
        live = ~np.isnan(column)
        part, of = column[some][live[some]], y[some][live[some]]
        ranked = _share(rankdata(part), rankdata(of)) if len(part) else 0.0
        straight = _share(column[live].astype(float), y[live])
        for share, words in ((straight, "the variance of the outcome"), (ranked, "the ranks of the outcome")):
            if share > best:
                best, name, how = share, names[j], words
    status = rule.status(best)
    remedy = {
        "passed": "",
        "warned": f"leave it out of {role} unless it was known before assignment: what came after swallows the effect",
        "failed": f"it is the outcome itself under another name: leave it out of {role}",
    }[status]
    return Check("leakage", status, f"{name!r} alone explains {best:.2%} of {how}", best, rule.bound, remedy)


def _share(x: FloatArray, z: FloatArray) -> float:
    if len(x) < 3:
        return 0.0
    x, z = x - x.mean(), z - z.mean()
    x, z = (v / top if (top := float(np.abs(v).max())) > 0 else v for v in (x, z))
    size = float(x @ x) * float(z @ z)
    return float(x @ z) ** 2 / size if size > 0 else 0.0


def copies(rule: Rule, y: FloatArray, arm: IntArray, x: NDArray[np.floating], row: IntArray) -> Check | None:
    """Are rows there more than once? Not looked at where rows are too coarse to tell.

    Parameters
    ----------
    rule : Rule
    y, arm : ndarray, shape (n,)
    x : ndarray, shape (n, p)
    row : ndarray of int, shape (n,)
        Where each stood in the table.
    """
    n = len(y)
    own = prints(x, y, arm)
    _, first = np.unique(own, return_index=True)
    # Rows can be told apart where some column has a value of its own in most of them.
    columns = [y, *x.T]
    fine, most = y, 0
    for column in columns:
        held = len(np.unique(column[first]))
        fine, most = (column, held) if held > most else (fine, most)
        if most == len(first):  # no other can have more
            break
    if n < 20 or most <= 0.5 * len(first):
        return None
    value = np.unique(fine, return_inverse=True)[1]
    # A value that unlike rows share (an outcome of zero) tells nothing; two users may share another one by chance, and
    # are then alike in all the rest as often as any two users are.
    kinds = np.bincount(value[first])
    twice, alike = int((kinds == 2).sum()), 0.0
    if twice:
        rest = np.unique(prints(arm, *(c for c in columns if c is not fine)), return_counts=True)[1] / n
        alike = min(float(rest @ rest), 0.99)
    chance = float(twice) * alike / (1 - alike)
    again = np.ones(n, dtype=bool)
    again[first] = False
    again &= kinds[value] == 1
    share = max(float(again.sum()) - chance - 3 * np.sqrt(chance), 0.0) / n
    status = rule.status(share)
    rows = ", ".join(map(str, np.sort(row[again])[:5].tolist()))
    remedy = "" if status == "passed" else (
        f"remove rows that were written twice (such as rows {rows}), or name the user by unit="
    )  # fmt: skip
    return Check("copies", status, f"{share:.1%} of the rows are copies of others", share, rule.bound, remedy)


def all_zero(y: FloatArray) -> Check | None:
    """Is there any outcome at all?"""
    if y.any():
        return None
    return Check("all_zero", "warned", "the outcome is zero in every row", remedy="check the window and the join")


def negative_amounts(rule: Rule, y: FloatArray, gmv: object = None) -> Check | None:
    """Are refunds booked as negative amounts, in a table that does not say so? `gmv` is what `Logs` wrote of it."""
    below = int((y < 0).sum())
    # A change, or a margin, is negative as often as not: nothing is odd there.
    if gmv == "net" or not 0 < below < 0.25 * float((y != 0).sum()):
        return None
    share = below / len(y)
    return Check(
        "negative_amounts", rule.status(share),
        f"{below:,} rows have a negative outcome: refunds, which may come after the window?", share, rule.bound,
        "say whether amounts are gross or net; take refunds by the order they belong to (gc.Logs does, with gmv='net')",
    )  # fmt: skip


def scale_mix(rule: Rule, y: FloatArray) -> Check | None:
    """Are some rows recorded in another unit of money (cents, another currency)?"""
    level = np.sort(np.log10(y[y > 0]))
    if len(level) < 20 or not level[-1] > 0:
        return None  # too few, or shares and flags, which have no unit of money
    share, apart = two_humps(level)
    if not apart or rule.status(share) == "passed":
        return Check("scale_mix", "passed", "positive outcomes form one hump", 0.0, rule.bound)
    return Check(
        "scale_mix", "warned",
        f"positive outcomes form two humps a factor of about {10**apart:,.0f} apart, {share:.1%} on the smaller one",
        share, rule.bound, "check whether these rows are recorded in cents or in another currency",
    )  # fmt: skip


def held_as(spacing: float, size: float) -> tuple[str, str]:
    """The type whose numbers lie `spacing` apart at their largest, and what to do where that is too coarse.

    Parameters
    ----------
    spacing : float
        See `Numbers`: of float32, or of float64 beyond 2^53, where whole numbers and decimals lose their last digits.
    size : float
        At most the largest number in size, and at least that over the root of how many there are.

    Examples
    --------
    >>> held_as(16.0, 1e17)[0], held_as(16.0, 2e8)[0]
    ('float64', 'float32')
    """
    # The largest float32 is below 2^24 times its spacing; the largest float64 is at least 2^52 times its own.
    if size <= spacing * 2.0**24:
        return "float32", "keep the outcome in float64 or decimal from the source on"
    return "float64", "subtract a constant, or use a larger unit of money: all is computed in float64"


def quantisation(rule: Rule, y: FloatArray, spacing: float) -> Check | None:
    """Are the numbers as fine as they are precise? `spacing` is their distance in the source type."""
    spread = float(y.std())
    if not spacing or not spread > 0:
        return None
    value = spacing / spread
    status = rule.status(value)
    remedy = "" if status == "passed" else held_as(spacing, float(np.abs(y).max()))[1]
    message = f"numbers lie {value:.1e} standard deviations apart in their source type"
    return Check("quantisation", status, message, value, rule.bound, remedy)
