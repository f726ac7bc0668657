"""Honest trees, many in one booster: some rows choose the splits of a tree, others fill its leaves."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx

from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.boosted import MANY, Matrix, lightgbm

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

TREES, BAG = 500, 4
# Of the half of the units that a bag draws, the share that a tree of it draws again.
AGAIN = 0.9
_AT_ONCE = 2048
# What a tree of LightGBM needs to send a row to its leaf; what it says there is ours.
_NEEDED = re.compile(
    r"(num_leaves|num_cat|split_feature|threshold|decision_type|left_child|right_child|cat_boundaries|cat_threshold|"
    r"is_linear|shrinkage)="
)
_COUNT = re.compile(r"^num_leaves=(\d+)$", re.MULTILINE)


class Said(NamedTuple):
    """Effects, with their standard errors.

    Attributes
    ----------
    effect, error : ndarray, shape (n,)
    """

    effect: FloatArray
    error: FloatArray


@dataclass(frozen=True, eq=False)
class Grown:
    """A forest of one arm against the control.

    Attributes
    ----------
    booster : lightgbm.Booster
        All trees; those of one bag stand together.
    first : ndarray of int, shape (trees,)
        Where the leaves of a tree begin in `leaf`.
    leaf : ndarray, shape (leaves, 2)
        Means over the rows that fill a leaf of T Y and of T T, the residuals: zeros for an empty leaf.
    whole : float
        The effect of all rows, for a row that finds nothing but empty leaves.
    """

    booster: Any
    first: IntArray
    leaf: FloatArray
    whole: float

    def effects(self, x: Matrix, threads: int = 1, seen: BoolArray | None = None) -> FloatArray:
        """Effect of each row, shape (n,): a ratio of sums over the trees, not a mean of the trees' ratios.

        Parameters
        ----------
        x : ndarray, shape (n, p)
        threads : int
        seen : ndarray of bool, shape (bags, n), optional
            Bags that hold a row, whose trees have no say on it.
        """
        total = np.zeros((len(x), 2))
        for start in range(0, len(x), MANY):
            block = np.ascontiguousarray(x[start : start + MANY])
            for bag in range(len(self.first) // BAG):
                at: Any = slice(None)
                if seen is not None:
                    at = np.flatnonzero(~seen[bag, start : start + MANY])
                sums = total[start : start + MANY][at]
                for tree in np.moveaxis(self._held(block[at], bag, threads), 1, 0):
                    sums += tree
                total[start : start + MANY][at] = sums
        return self._ratio(total)

    def said(self, x: Matrix, threads: int = 1) -> Said:
        """Effects with standard errors by the bootstrap of little bags (Athey, Tibshirani and Wager 2019, section 4).

        What is left of the moment at the effect found, ``T Y - effect T T`` over the leaves of a row, varies between
        bags as the forest would between samples, but for what the few trees of a bag add.
        """
        effect: list[FloatArray] = [np.empty(0)]
        error: list[FloatArray] = [np.empty(0)]
        bags = range(len(self.first) // BAG)
        for start in range(0, len(x), _AT_ONCE):
            block = np.ascontiguousarray(x[start : start + _AT_ONCE])
            q = np.concatenate([self._held(block, bag, threads) for bag in bags], axis=1)
            total = q.sum(axis=1)
            found, level = self._ratio(total), total[:, 1] / q.shape[1]
            rest = (q[..., 0] - found[:, None] * q[..., 1]).reshape(len(q), -1, BAG)
            middle = rest.mean(axis=(1, 2), keepdims=True)
            own = rest.mean(axis=2, keepdims=True)
            between = ((own - middle) ** 2).mean(axis=(1, 2))
            within = ((rest - own) ** 2).mean(axis=(1, 2)) / (BAG - 1)
            effect.append(found)
            spread = np.sqrt(debiased(between, within, rest.shape[1]))
            error.append(np.divide(spread, level, out=np.full(len(q), np.inf), where=level > 0))
        return Said(np.concatenate(effect), np.concatenate(error))

    def _held(self, x: Matrix, bag: int, threads: int) -> FloatArray:
        """What the leaves of some rows hold in the trees of a bag, shape (rows, BAG, 2).

        Few trees at a time stay near the processor: row after row through all of them takes several times as long.
        """
        first = BAG * bag
        at = leaves_of(self.booster, x, threads, first, BAG) + self.first[first : first + BAG]
        return np.asarray(self.leaf[at])

    def _ratio(self, total: FloatArray) -> FloatArray:
        out = np.full(len(total), self.whole)
        return np.asarray(np.divide(total[:, 0], total[:, 1], out=out, where=total[:, 1] > 0))

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        leaf = base64.b64encode(np.ascontiguousarray(self.leaf, dtype="<f8").tobytes()).decode()
        return {"text": self.booster.model_to_string(), "leaf": leaf, "whole": self.whole}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Grown:
        """What `to_dict` made."""
        text = str(found["text"])
        leaf = np.frombuffer(base64.b64decode(found["leaf"], validate=True), dtype="<f8").reshape(-1, 2)
        first, count = _first(text)
        booster = _booster(text)
        if count != len(leaf) or booster.num_trees() != len(first) or len(first) % BAG:
            raise ValueError("the leaves are not those of the trees")
        return cls(booster, first, leaf.astype(np.float64), float(found["whole"]))


def grow(
    bins: Bins, rows: IntArray, got: FloatArray, rest: FloatArray, label: FloatArray, unit: IntArray | None, least: int,
    seed: int, threads: int, trees: int = TREES,
) -> Grown:  # fmt: skip
    """Grow a forest of local regressions of `rest` on `got` without a constant.

    Parameters
    ----------
    bins : Bins
    rows : ndarray of int, shape (n,)
        In ascending order; all else is of these rows.
    got, rest : ndarray, shape (n,)
        Residuals of the arm and of the outcome.
    label : ndarray, shape (n,)
        What chooses the splits, with weights `got` squared: ``rest / got``, winsorised or not.
    unit : ndarray of int, shape (n,), optional
        Dense codes of what is drawn together. Default: every row by itself.
    least : int
        Rows of a leaf among those that choose the splits.
    seed, threads, trees : int
    """
    unit = np.arange(len(rows)) if unit is None else unit
    units = int(unit.max()) + 1
    weight = got * got
    texts: list[str] = []
    fills: list[BoolArray] = []
    for b in range(trees // BAG):
        rng, half = _half(units, seed, b)
        for _ in range(BAG):
            drawn = rng.permutation(half)[: max(2, int(AGAIN * len(half)))]
            splits, filled = np.zeros(units, dtype=bool), np.zeros(units, dtype=bool)
            splits[drawn[: len(drawn) // 2]] = True
            filled[drawn[len(drawn) // 2 :]] = True
            at = splits[unit]
            texts.append(bins.tree(rows[at], label[at], weight[at], least, int(rng.integers(2**31))))
            fills.append(filled[unit])
    text = bundle(texts)
    first, count = _first(text)
    booster = _booster(text)
    sums = np.column_stack([got * rest, weight])
    leaf = np.zeros((count, 2))
    ends = np.append(first[1:], count)
    for t, fill in enumerate(fills):
        at = np.flatnonzero(fill)
        where = leaves_of(booster, bins.x[rows[at]], threads, t)[:, 0]
        size = int(ends[t] - first[t])
        own = np.column_stack([np.bincount(where, sums[at, j], minlength=size) for j in (0, 1)])
        leaf[first[t] : ends[t]] = own / np.maximum(np.bincount(where, minlength=size), 1)[:, None]
    return Grown(booster, first, leaf, float(sums[:, 0].sum() / sums[:, 1].sum()))


def holds(unit: IntArray | None, n: int, seed: int, trees: int = TREES) -> BoolArray:
    """Which bags hold which rows, shape (bags, n): `grow` draws the same."""
    unit = np.arange(n) if unit is None else unit
    units = int(unit.max()) + 1
    out = np.zeros((trees // BAG, n), dtype=bool)
    for b in range(len(out)):
        own = np.zeros(units, dtype=bool)
        own[_half(units, seed, b)[1]] = True
        out[b] = own[unit]
    return out


def _half(units: int, seed: int, bag: int) -> tuple[np.random.Generator, IntArray]:
    """A generator of the bag's own, and the units that it drew first."""
    rng = np.random.default_rng([seed, bag])
    return rng, rng.permutation(units)[: max(units // 2, 1)]


def leaves_of(booster: Any, x: Matrix, threads: int, first: int, trees: int = 1) -> IntArray:
    """Leaf of each row in some trees that stand together, shape (n, trees)."""
    if not len(x):
        return np.empty((0, trees), dtype=np.int64)
    found = booster.predict(x, pred_leaf=True, num_threads=threads, start_iteration=first, num_iteration=trees)
    return np.asarray(found, dtype=np.int64).reshape(len(x), trees)


def debiased(between: FloatArray, within: FloatArray, bags: int) -> FloatArray:
    """Variance between bags less what trees within add, as the mean of its posterior above 0 (as grf has it).

    Examples
    --------
    >>> debiased(np.array([1.0, 0.1]), np.array([0.0, 0.1]), 50).round(4).tolist()
    [1.0, 0.016]
    """
    raw = between - within
    error = np.maximum(between, within) * np.sqrt(2 / bags)
    ratio = np.divide(raw, error, out=np.zeros_like(raw), where=error > 0)
    return np.asarray(raw + error * np.sqrt(2 / np.pi) / erfcx(-ratio / np.sqrt(2)))


def bundle(texts: list[str]) -> str:
    """One model of LightGBM from the texts of models of one tree, without what its predictions are."""
    head, tail = texts[0].split("Tree=0\n")[0], "end of trees\n"
    blocks = []
    for t, text in enumerate(texts):
        lines = text.split("Tree=0\n")[1].split("\nend of trees")[0].splitlines()
        kept = [line for line in lines if _NEEDED.match(line)]
        leaves = int(next(line for line in lines if line.startswith("num_leaves=")).split("=")[1])
        blocks.append(f"Tree={t}\n" + "\n".join([*kept, "leaf_value=" + " ".join("0" * leaves)]) + "\n\n\n")
    sizes = "tree_sizes=" + " ".join(str(len(block)) for block in blocks)
    return re.sub(r"^tree_sizes=.*$", sizes, head, flags=re.MULTILINE) + "".join(blocks) + tail


def _first(text: str) -> tuple[IntArray, int]:
    """Where the leaves of each tree begin, and how many there are."""
    counts = np.array([int(v) for v in _COUNT.findall(text)], dtype=np.int64)
    ends = np.cumsum(counts)
    return ends - counts, int(counts.sum())


def _booster(text: str) -> Any:
    lgb = lightgbm()
    try:
        return lgb.Booster(model_str=text)
    except lgb.basic.LightGBMError:
        raise ValueError("the text is no model of LightGBM") from None
