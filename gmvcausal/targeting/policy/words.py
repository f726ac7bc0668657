"""A plan in words: what sets those who get an arm apart, in the units of the table, and amounts without exponents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.small_cells import MIN_CELL
from gmvcausal.stats.small_columns import hidden_columns, tally
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray

if TYPE_CHECKING:
    from gmvcausal.targeting.policy.policy import Policy
    from gmvcausal.targeting.policy.value import PolicyValue

# A feature is named if the two groups differ by this many standard deviations.
_APART = 0.2


def amount(x: float, digits: int = 4) -> str:
    """A number with so many significant digits, all of those before the point, and no exponent.

    Examples
    --------
    >>> amount(1234567.8), amount(0.35284), amount(-12.3456), amount(2.0), amount(float("nan"))
    ('1,234,568', '0.3528', '-12.35', '2', 'unknown')
    """
    if not math.isfinite(x):
        return "unknown" if math.isnan(x) else str(x)
    places = 0 if x == 0 else min(max(digits - 1 - math.floor(math.log10(abs(x))), 0), 12)
    told = f"{x:,.{places}f}"
    return told.rstrip("0").rstrip(".") if "." in told else told


def span(low: float, high: float, digits: int = 4) -> str:
    """Limits of an interval, in brackets."""
    return f"[{amount(low, digits)}, {amount(high, digits)}]"


def traits(
    x: FloatArray,
    inside: NDArray[np.bool_],
    names: Sequence[str],
    levels: Mapping[int, Sequence[str]],
    most: int = 3,
    people: Sequence[NDArray[np.bool_]] = (),
) -> list[str]:
    """The features that set some users apart from all others most, in words.

    Features are put in order by the difference of means (of the share of one level of a category) in standard
    deviations; those nearer than a fifth of one are not named. What is shown are medians, means where these are equal.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        In the units of the table; categories are codes.
    inside : ndarray of bool, shape (n,)
    names : sequence of str
    levels : mapping of int to sequence of str
        Of features that are codes.
    most : int
    people : sequence of ndarray of bool, shape (n,) each
        Groups of people: what would count fewer than ten of one is not named.

    Examples
    --------
    >>> x = np.array([[1.0, 0], [2, 1], [8, 1], [9, 1]])
    >>> traits(x, np.array([False, False, True, True]), ["orders", "city"], {1: ["Hefei", "Wuhu"]})
    ['orders 8.5 (others 1.5)', 'city Wuhu 100% (others 50%)']
    """
    if not inside.any() or inside.all():
        return []
    found: list[tuple[float, str]] = []
    for j, name in enumerate(names):
        column = x[:, j]
        told: tuple[float, str] | None
        if j in levels:
            told, named = _level(column, inside, name, levels[j])
            column = (np.where(np.isnan(column), len(levels[j]), column) == named).astype(float)
        else:
            told = _number(column, inside, name)
        if told is None or told[0] < _APART or (people and hidden_columns([name], [tally(column, people)])[0]):
            continue
        found.append(told)
    found.sort(key=lambda one: -one[0])
    return [words for _, words in found[:most]]


def _number(column: FloatArray, inside: NDArray[np.bool_], name: str) -> tuple[float, str] | None:
    known = ~np.isnan(column)
    one, two = column[inside & known], column[~inside & known]
    if not len(one) or not len(two):
        return None
    means = float(one.mean()), float(two.mean())
    spread = math.sqrt((float(one.var()) + float(two.var())) / 2)
    gap = abs(means[0] - means[1])
    apart = gap / spread if spread > 0 else math.inf if gap > 0 else 0.0
    shown = float(np.median(one)), float(np.median(two))
    if shown[0] == shown[1]:
        shown = means
    return apart, f"{name} {amount(shown[0], 3)} (others {amount(shown[1], 3)})"


def _level(
    column: FloatArray, inside: NDArray[np.bool_], name: str, levels: Sequence[str]
) -> tuple[tuple[float, str], int]:
    """How far the groups are apart in the level that sets them apart most, in words, and its code."""
    code: IntArray = np.where(np.isnan(column), len(levels), column).astype(np.int64)
    here, there = (np.bincount(code[side], minlength=len(levels) + 1) / side.sum() for side in (inside, ~inside))
    spread = np.sqrt((here * (1 - here) + there * (1 - there)) / 2)
    gap = np.abs(here - there)
    apart = np.divide(gap, spread, out=np.where(gap > 0, np.inf, 0.0), where=spread > 0)
    # Of a category with two levels both differ by as much: the one that is more frequent inside is named.
    top = int(np.lexsort((here, np.round(apart, 9)))[-1])
    label = str(levels[top]) if top < len(levels) else "missing"
    return (float(apart[top]), f"{name} {label} {here[top]:.0%} (others {there[top]:.0%})"), top


def who_gets_what(
    assign: NDArray[Any], labels: Sequence[Any], x: FloatArray | None, names: Sequence[str],
    levels: Mapping[int, Sequence[str]], min_cell: int = 0,
) -> list[str]:  # fmt: skip
    """A line for every arm but the control: what sets those who get it apart from everyone else.

    None for an arm that fewer than `min_cell` users get, or do not get; where that is not 0, nothing that would
    count fewer than ten in any arm.
    """
    if x is None:
        return []
    out = []
    arms = [label for label in labels[1:] if min((own := int((assign == label).sum())), len(assign) - own) >= min_cell]
    sides = [np.asarray(assign == label) for label in arms]
    # Those with none of these arms follow from the others.
    rest = ~np.any(sides, axis=0) if sides else np.zeros(len(assign), dtype=bool)
    for label, inside in zip(arms, sides, strict=True):
        told = traits(x, inside, names, levels, people=[*sides, rest] if min_cell else ())
        if told:
            out.append(f"Who gets {label}: {', '.join(told)}")
    return out


def said_of_plan(p: Policy) -> list[str]:
    """Limits, who gets what, cost and expected value of a plan, one sentence each."""
    e = p.expected
    lines = [
        f"Plan for {len(p.assign):,} users"
        + ("" if p.budget is None else f" under a budget of {amount(p.budget, 6)}")
        + ("" if p.max_share is None else f", at most {p.max_share:.1%} of them treated"),
        *p.whom,
    ]
    redeemed = "" if math.isnan(e.redeemed) else f" ({e.redeemed:.1%} of the coupons are redeemed)"
    back = "" if math.isnan(e.roi) else f"; every 1 spent is expected to bring back {amount(e.roi + 1, 3)} of margin"
    cost = f"Cost {amount(p.cost, 6)}{redeemed}{back}"
    if p.hides.any():
        cost = (
            f"Arms that fewer than {MIN_CELL} users get are not counted, nor is what would give their number away: "
            "another arm, and the cost"
        )
    lines += [cost, f"Net value {amount(e.value, 6)}, {e.how}"]
    if not np.any(p.assign != p.labels[0]):
        binds = p.budget == 0 or p.max_share == 0 or e.bound > 0
        why = "the limits leave room for none" if binds else "no treatment is expected to earn more than it costs"
        lines.append(f"Nobody is treated: {why}")
    else:
        lines.append(f"At most {max(e.gap, 0):.3%} below the best plan within these limits")
    if e.price > 0:
        lines.append(f"The budget binds: one more unit is expected to bring {amount(e.price)} above its cost")
    lines.append(
        "Not known: what it will earn. A plan picks those whom the model overrates, so that its net value is too high "
        "as a rule"
    )
    return lines


def said_of_value(v: PolicyValue) -> list[str]:
    """Value, gain, cost, ROI and what is not known, one sentence each."""
    low, high = v.conf_int()
    above = " above the other plan" if v.against else ""
    out = [
        f"Value on {v.n:,} users kept apart: {amount(v.value)} per user{above} {span(low, high)}; of 10,000 "
        f"users {amount(1e4 * v.value)} {span(1e4 * low, 1e4 * high)}"
    ]
    if v.treated == 0:
        return [*out, "The two plans do the same for all of these users" if v.against else "Nobody is treated"]
    share = "The two plans differ on" if v.against else "Treated:"
    if v.hides:
        out.append(f"{share} so few users, or all but so few, that gain and cost would give their number away")
    else:
        out.append(
            f"{share} {v.treated:.1%} of users; gain {amount(v.gain.estimate)}, cost {amount(v.cost.estimate)} per user"
        )
        out.append(_return(v))
    if math.isnan(low) or math.isnan(high):
        out.append("Whether the policy pays cannot be told: no interval, since an arm has too few clusters")
    elif low <= 0 <= high:
        out.append("The interval holds 0: these users do not show that the policy pays, nor that it does not")
    elif v.against:
        out.append(f"The policy is worth {'more' if low > 0 else 'less'} than the other one: the interval leaves 0 out")
    else:
        out.append(f"The policy {'pays' if low > 0 else 'loses money'}: the interval leaves 0 out")
    out.append("Not known: whether it is the same for other users, at other prices, in another season")
    return out


def _return(v: PolicyValue) -> str:
    """What a unit of money brings back."""
    further = "further " if v.against else ""
    if v.cost.estimate < 0:
        return "It costs less than the other plan, so that there is no return on a further cost"
    if not v.cost.estimate > 0:
        return f"There is no {further}cost, and so no return on it"
    low, high = v.roi_conf_int()
    if math.isnan(v.std_error):
        return f"ROI: {amount(v.roi, 3)}, without an interval"
    if math.isnan(low):
        return f"ROI: {amount(v.roi, 3)}, without an interval: on these users the {further}cost cannot be told from 0"
    back = f"every {further}1 spent brings back {amount(v.roi + 1, 3)} of margin"
    return f"ROI: {amount(v.roi, 3)} {span(low, high, 3)}: {back}"
