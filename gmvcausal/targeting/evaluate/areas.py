"""Areas under what the top of a ranking gains, from sums along it: in closed form, with the influence of every user.

Along a group of ties the users, the weights and the weighted values grow linearly, so that the mean of a side is
(A + u S) / (N + u m) for u from 0 to 1, and its integrals are logarithms.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray, Ranked

_SMALL = 2e-3
_STRETCH = 1 << 14
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


class Areas(NamedTuple):
    """Areas over the share s of users treated in the order of the score.

    Attributes
    ----------
    qini : float or ndarray
        Of gain(s) - s ATE, where gain(s) = s x (treated - control mean among the top s).
    auuc : float or ndarray
        Of gain(s).
    autoc : float or ndarray
        Of (treated - control mean among the top s) - ATE.
    ate : float or ndarray
        Treated - control mean.
    """

    qini: FloatArray
    auuc: FloatArray
    autoc: FloatArray
    ate: FloatArray


def _log_ratios(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Integrals over u from 0 to 1 of 1 / (1 + x u) and u / (1 + x u); by their series where x is small."""
    first = 1 - x * (0.5 - x * (1 / 3 - x * (0.25 - x * 0.2)))
    second = 0.5 - x * (1 / 3 - x * (0.25 - x * (0.2 - x / 6)))
    large = x > _SMALL
    if large.any():
        many = x[large]
        f = np.log1p(many) / many
        first[large], second[large] = f, (1 - f) / many
    return first, second


def _before(steps: FloatArray, start: FloatArray | float = 0.0) -> FloatArray:
    """Sums before each group, from what each group adds and what was there at the start; over the last axis."""
    out = np.empty_like(steps)
    out[..., 0] = 0.0
    np.cumsum(steps[..., :-1], axis=-1, out=out[..., 1:])
    out += np.asarray(start)[..., None]
    return out


def areas(steps: FloatArray, signs: tuple[int, ...]) -> Areas:
    """Areas from what each group adds.

    Parameters
    ----------
    steps : ndarray, shape (1 + 2 sides, ..., groups)
        Users; then weight and weighted value of every side. Axes between are replicates.
    signs : tuple of int
        Of the sides.

    Examples
    --------
    One treated user of 3 and one control of 1 on top, then a treated of 1 and a control of 1: the effect of the upper
    half is 2, of all 1. Within the lower half (treated: (3 + u) / (1 + u)) logarithms arise.

    >>> a = areas(np.array([[2.0, 2], [1, 1], [3, 1], [1, 1], [1, 1]]), (1, -1))
    >>> float(a.ate), round(float(a.autoc), 6), round(float(np.log(2)), 6)
    (1.0, 0.693147, 0.693147)
    """
    return _whole([steps], signs, steps[0].sum(-1))


def areas_of(ranked: Ranked) -> Areas:
    """Areas of a ranking, every group of ties on its own; walked in stretches that stay in the processor's cache."""
    cuts = range(0, len(ranked.start), _STRETCH)
    parts = (ranked.steps(ranked.start, at, at + _STRETCH) for at in cuts)
    return _whole(parts, tuple(s.sign for s in ranked.sides), np.asarray(float(ranked.n)))


def _whole(parts: Iterable[FloatArray], signs: tuple[int, ...], total: FloatArray) -> Areas:
    before, found = np.zeros((1 + 2 * len(signs), *total.shape)), np.zeros((3, *total.shape))
    for steps in parts:
        found += _stretch(steps, before, total, signs)
        before = before + steps.sum(-1)
    ate = np.zeros_like(total)
    for i, sign in enumerate(signs):
        ate += sign * before[2 + 2 * i] / before[1 + 2 * i]
    auuc, level, reach = found
    return Areas(auuc - ate / 2, auuc, level - reach * ate, ate)


def _stretch(steps: FloatArray, before: FloatArray, total: FloatArray, signs: tuple[int, ...]) -> FloatArray:
    """Areas under gain(s), under the difference of means, and the share over which both sides have somebody."""
    width = steps[0] / total[..., None]
    left = _before(steps[0], before[0]) / total[..., None]
    level, slope = np.zeros_like(width), np.zeros_like(width)
    seen = np.ones(width.shape, dtype=bool)
    for i, sign in enumerate(signs):
        m, s = steps[1 + 2 * i], steps[2 + 2 * i]
        n, a = _before(m, before[1 + 2 * i]), _before(s, before[2 + 2 * i])
        old, new = n > 0, m > 0
        seen &= old | new
        own = np.divide(s, m, out=np.zeros_like(m), where=new)
        past = np.divide(a, n, out=np.zeros_like(m), where=old)
        own = np.where(new, own, past)
        x = np.divide(m, n, out=np.zeros_like(m), where=old)
        gap = (past - own) * old
        first, second = _log_ratios(x)
        level += sign * (own + gap * first)
        slope += sign * (own / 2 + gap * second)
    # Where one side has nobody yet, its mean is not known and the gain counts as 0.
    width = width * seen
    return np.stack([(width * (left * level + width * slope)).sum(-1), (width * level).sum(-1), width.sum(-1)])


def _points(steps: FloatArray, signs: tuple[int, ...]) -> tuple[IntArray, FloatArray, FloatArray]:
    """Gauss points in every group: group, place u, weight. Groups are cut where a sum doubles."""
    growth = np.zeros(steps.shape[-1])
    for i in range(len(signs)):
        m = steps[1 + 2 * i]
        n = _before(m)
        growth = np.maximum(growth, np.divide(m, n, out=np.zeros_like(m), where=n > 0))
    pieces = np.maximum(np.ceil(np.log2(1 + growth)), 1).astype(np.int64)
    group = np.repeat(np.arange(len(pieces)), pieces)
    place = np.arange(len(group)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    x, k = growth[group], pieces[group]

    def cut(j: IntArray) -> FloatArray:
        with np.errstate(invalid="ignore"):
            return np.where(k > 1, np.expm1(np.log1p(x) * j / k) / np.where(x > 0, x, 1.0), j)

    low, high = cut(place), cut(place + 1)
    u = (low + high)[:, None] / 2 + (high - low)[:, None] / 2 * _NODES
    weight = (high - low)[:, None] / 2 * _WEIGHTS
    return np.repeat(group, len(_NODES)), u.ravel(), weight.ravel()


def gradients(steps: FloatArray, signs: tuple[int, ...]) -> dict[str, FloatArray]:
    """Derivatives of each area by what a user adds, when the user's weight is changed (infinitesimal jackknife).

    Returns
    -------
    dict of ndarray, shape (1 + 2 sides, groups)
        By "qini", "auuc", "autoc", "ate": the influence of a user is the product of this column with what it adds.
    """
    group, u, du = _points(steps, signs)
    total, groups = float(steps[0].sum()), steps.shape[-1]
    width = steps[0] / total
    share = _before(width)[group] + u * width[group]
    out = {name: np.zeros_like(steps) for name in ("qini", "auuc", "autoc", "ate")}

    seen = np.ones(len(group), dtype=bool)
    lines = []
    for i in range(len(signs)):
        m, s = steps[1 + 2 * i], steps[2 + 2 * i]
        n = _before(m)[group] + u * m[group]
        a = _before(s)[group] + u * s[group]
        seen &= n > 0
        lines.append((n, a))
    du = du * seen

    def summed(at_points: FloatArray) -> FloatArray:
        """Over the points at and after a user's group; within it, with the chance of having been picked."""
        own = np.bincount(group, at_points * u, groups)
        later = np.bincount(group, at_points, groups)
        return np.asarray(own + later[::-1].cumsum()[::-1] - later, dtype=float)

    gain = np.zeros(len(group))
    for i, sign in enumerate(signs):
        n, a = lines[i]
        safe = np.where(n > 0, n, 1.0)
        mean = np.where(seen, a / safe, 0.0)
        gain += sign * mean
        by_value = sign * du * width[group] / safe
        for name, outer in (("auuc", share), ("autoc", np.ones_like(share))):
            out[name][2 + 2 * i] = summed(by_value * outer)
            out[name][1 + 2 * i] = -summed(by_value * outer * mean)
        weight, value = steps[1 + 2 * i].sum(), steps[2 + 2 * i].sum()
        out["ate"][2 + 2 * i] = sign / weight
        out["ate"][1 + 2 * i] = -sign * value / weight**2
    # Shares are users / all users: the ends and the width of every group move with the weights.
    inside = np.bincount(group, du * gain, groups)
    inside_share = np.bincount(group, du * gain * share, groups)
    a = areas(steps, signs)
    plain = float(inside @ width)
    reach = float(np.bincount(group, du, groups) @ width)
    out["auuc"][0] = summed(du * gain * width[group]) / total + inside_share / total - 2 * float(a.auuc) / total
    out["autoc"][0] = (inside - plain) / total
    out["autoc"][0] -= float(a.ate) * (np.bincount(group, du, groups) - reach) / total
    out["autoc"] -= reach * out["ate"]
    out["qini"] = out["auuc"] - out["ate"] / 2
    return out


def reach(ranked: Ranked, start: IntArray, gradient: FloatArray, first: int = 0, stop: int | None = None) -> FloatArray:
    """With what weight the outcome of every user is in an area, whatever its sign, in the order of the ranking.

    `first` and `stop` are the places that are wanted; default all.
    """
    here, group = _groups(ranked, start, first, stop)
    out = np.zeros(len(group))
    for i, side in enumerate(ranked.sides):
        out += np.abs(gradient[2 + 2 * i][group]) * side.weight[here]
    return out


def influence(
    ranked: Ranked, start: IntArray, gradient: FloatArray, first: int = 0, stop: int | None = None
) -> FloatArray:
    """Influence of every user, in the order of the ranking; the sum of their squares is the variance.

    `first` and `stop` are the places that are wanted; default all.
    """
    here, group = _groups(ranked, start, first, stop)
    out: FloatArray = gradient[0][group]
    for i, side in enumerate(ranked.sides):
        by_value = gradient[2 + 2 * i][group]
        by_value *= side.value[here]
        by_value += gradient[1 + 2 * i][group]
        by_value *= side.weight[here]
        out += by_value
    return out


def _groups(ranked: Ranked, start: IntArray, first: int, stop: int | None) -> tuple[slice, IntArray]:
    """Places, and the group that each of them is in."""
    here = slice(first, ranked.n if stop is None else stop)
    low, high = np.searchsorted(start, [here.start, here.stop - 1], side="right") - 1
    edges = np.concatenate([[here.start], start[low + 1 : high + 1], [here.stop]])
    return here, np.repeat(np.arange(low, high + 1), np.diff(edges))
