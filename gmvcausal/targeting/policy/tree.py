"""A rule that can be read aloud: the best tree of one or two questions, found by trying all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray

_CUTS = 32


@dataclass(frozen=True, eq=False)
class Node:
    """A question, or an answer where `feature` is -1.

    Attributes
    ----------
    feature : int
    cut : float
        Users at or below it, and those whose value is missing, go to `low`.
    low, high : Node, optional
    arm : int
        Of an answer.
    """

    arm: int = 0
    feature: int = -1
    cut: float = 0.0
    low: Node | None = None
    high: Node | None = None


@dataclass(frozen=True, repr=False, eq=False)
class PolicyTree:
    """A shallow tree of arms.

    Attributes
    ----------
    root : Node
    value : float
        Mean reward of the users it was chosen on: too good, because it was chosen for it.
    names, labels : tuple of str
        Of features and arms.
    levels : mapping of int to sequence of str
        Of features that are codes of categories.
    """

    root: Node
    value: float
    names: tuple[str, ...]
    labels: tuple[str, ...]
    levels: Mapping[int, Sequence[str]]

    def arm(self, x: FloatArray) -> IntArray:
        """Arm of every user, shape (n,)."""
        out = np.zeros(len(x), dtype=np.int64)
        _walk(self.root, np.asarray(x, dtype=float), np.arange(len(x)), out)
        return out

    def words(self) -> str:
        """The tree, read aloud."""
        return "\n".join(self._said(self.root, 0))

    def _said(self, node: Node, depth: int) -> list[str]:
        pad = "  " * depth
        if node.low is None or node.high is None:
            return [f"{pad}{'no treatment' if node.arm == 0 else 'give'} ({self.labels[node.arm]})"]
        name = self.names[node.feature]
        if node.feature in self.levels:
            levels = self.levels[node.feature]
            low = [str(v) for j, v in enumerate(levels) if j <= node.cut]
            question = f"{name} is {' or '.join(low)}, or missing" if low else f"{name} is missing"
        else:
            question = f"{name} is at most {node.cut:.6g}, or missing"
        return [
            f"{pad}if {question}:",
            *self._said(node.low, depth + 1),
            f"{pad}else:",
            *self._said(node.high, depth + 1),
        ]

    def __repr__(self) -> str:
        return self.words()


def policy_tree(
    x: FloatArray,
    reward: FloatArray,
    depth: int = 2,
    names: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    levels: Mapping[int, Sequence[str]] | None = None,
) -> PolicyTree:
    """The tree that brings most, among all trees of the depth with cuts at up to 32 quantiles of each feature.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        NaN is missing.
    reward : ndarray, shape (n, k + 1)
        What every arm brings with each user: doubly robust scores of the net value, or predicted net values. Subtract
        price x cost for a budget.
    depth : {1, 2, 3}
        Up to 2 every tree is tried; at 3 the first question is the one that is best for a tree of depth 2.
    names, labels : sequence of str, optional
    levels : mapping, optional
        Levels of features that are codes.

    References
    ----------
    Athey and Wager (2021), Policy learning with observational data; Zhou, Athey and Wager (2023).

    Examples
    --------
    >>> x = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> tree = policy_tree(x, np.array([[0.0, -1], [0, -1], [0, 2], [0, 2]]), 1, ["orders"], ["none", "coupon"])
    >>> print(tree)
    if orders is at most 2.5, or missing:
      no treatment (none)
    else:
      give (coupon)
    """
    x, reward = np.asarray(x, dtype=float), np.asarray(reward, dtype=float)
    if depth not in (1, 2, 3):
        raise InputError(f"depth must be 1, 2 or 3, but is {depth}", remedy="deeper trees cannot be read aloud")
    if x.ndim != 2 or reward.ndim != 2 or len(x) != len(reward) or not len(x):
        raise InputError("x and reward must be tables of the same number of rows, at least 1")
    if not np.isfinite(reward).all():
        bad = np.flatnonzero(~np.isfinite(reward).all(axis=1))
        raise InputError("reward holds missing or infinite numbers", count=len(bad), rows=bad)
    cuts = [_cuts(column) for column in x.T]
    codes = np.stack([_codes(c, column) for c, column in zip(cuts, x.T, strict=True)], axis=1)
    root, total = _grown(codes, cuts, reward, depth)
    kept = tuple(names) if names is not None else tuple(f"feature {j}" for j in range(x.shape[1]))
    arms = tuple(labels) if labels is not None else ("control", *(f"arm {a}" for a in range(1, reward.shape[1])))
    return PolicyTree(root, total / len(x), kept, arms, levels or {})


def _walk(node: Node, x: FloatArray, rows: IntArray, out: IntArray) -> None:
    if node.low is None or node.high is None:
        out[rows] = node.arm
        return
    above = x[rows, node.feature] > node.cut
    _walk(node.low, x, rows[~above], out)
    _walk(node.high, x, rows[above], out)


def _cuts(column: FloatArray) -> FloatArray:
    """Between neighbouring values; at quantiles where there are many."""
    values = np.unique(column[~np.isnan(column)])
    if len(values) > _CUTS + 1:
        known = column[~np.isnan(column)]
        picked = np.quantile(known, np.arange(1, _CUTS + 1) / (_CUTS + 1), method="inverted_cdf")
        return np.unique(picked[picked < values[-1]])
    return np.asarray((values[1:] + values[:-1]) / 2, dtype=float)


def _codes(cuts: FloatArray, column: FloatArray) -> IntArray:
    return np.where(np.isnan(column), 0, np.searchsorted(cuts, column, side="left")).astype(np.int64)


def _grown(codes: IntArray, cuts: list[FloatArray], reward: FloatArray, depth: int) -> tuple[Node, float]:
    sums = reward.sum(axis=0)
    leaf, total = Node(arm=int(sums.argmax())), float(sums.max())
    if depth == 0 or not len(codes):
        return leaf, total
    found = _first_question(codes, cuts, reward, min(depth, 2))
    if found is None or found[0] <= total + 1e-12 * abs(total):
        return leaf, total
    _, feature, bin_ = found
    above = codes[:, feature] > bin_
    low, low_total = _grown(codes[~above], cuts, reward[~above], depth - 1)
    high, high_total = _grown(codes[above], cuts, reward[above], depth - 1)
    if low.low is None and high.low is None and low.arm == high.arm:
        return leaf, total
    return Node(feature=feature, cut=float(cuts[feature][bin_]), low=low, high=high), low_total + high_total


def _first_question(
    codes: IntArray, cuts: list[FloatArray], reward: FloatArray, depth: int
) -> tuple[float, int, int] | None:
    """Total, feature and bin of the first question of the best tree of depth 1 or 2."""
    top: tuple[float, int, int] | None = None
    features = [j for j, c in enumerate(cuts) if len(c)]
    for f in features:
        best = _one_question(_table(codes[:, f], None, reward, len(cuts[f]) + 1, 1))[:, 0]
        if depth == 2:
            tables = [_table(codes[:, f], codes[:, g], reward, len(cuts[f]) + 1, len(cuts[g]) + 1) for g in features]
            # Either side has its own best second question.
            best = np.max([_second_questions(t) for t in tables], axis=0).sum(axis=0)
        bin_ = int(best.argmax())
        if top is None or best[bin_] > top[0]:
            top = (float(best[bin_]), f, bin_)
    return top


def _table(f: IntArray, g: IntArray | None, reward: FloatArray, many: int, by: int) -> FloatArray:
    """Rewards added up by bins of two features, shape (bins of f, bins of g, arms)."""
    cell = f * by + (0 if g is None else g)
    sums = [np.bincount(cell, column, many * by) for column in reward.T]
    return np.asarray(np.stack(sums, axis=-1), dtype=float).reshape((many, by, len(sums)))


def _one_question(table: FloatArray) -> FloatArray:
    """Best total after a cut along the first axis, shape (bins - 1, ...)."""
    low = table.cumsum(axis=0)
    return np.asarray(low[:-1].max(axis=-1) + (low[-1:] - low[:-1]).max(axis=-1), dtype=float)


def _second_questions(table: FloatArray) -> FloatArray:
    """Best total of each side of every cut of f, when it is then cut by g, shape (2, bins of f - 1)."""
    low: FloatArray = table.cumsum(axis=0)
    sides = (low[:-1], low[-1:] - low[:-1])
    return np.stack([_one_question(side.transpose(1, 0, 2)).max(axis=0) for side in sides])
