"""What would have happened: predicted outcomes of each row, by models that have not seen it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.targeting.boost import Bins, Matrix, Trees, recipe, unlink

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Share of zeros from which on buying and the amount bought are learned apart.
MOSTLY_ZERO = 0.5
# An outcome as skewed as this is learned from capped at this quantile of its values other than zero.
SKEWED, CAP = 3.0, 0.99


def kind_of(y: FloatArray) -> str:
    """How an outcome is learned: "binary", "hurdle" (zeros and positive amounts) or "plain".

    Examples
    --------
    >>> kind_of(np.array([0.0, 1, 1])), kind_of(np.array([0.0, 0, 12.5])), kind_of(np.array([-1.0, 0, 0]))
    ('binary', 'hurdle', 'plain')
    """
    if ((y == 0) | (y == 1)).all():
        return "binary"
    return "hurdle" if (y == 0).mean() > MOSTLY_ZERO and y.min() >= 0 else "plain"


def cap_of(y: FloatArray) -> float:
    """Where models see the outcome capped: infinity for outcomes without a heavy tail."""
    live = y[y != 0]
    if len(live) < 20:
        return float("inf")
    centred = y - y.mean()
    spread = float(np.sqrt((centred * centred).mean()))
    if not spread > 0 or abs(float(((centred / spread) ** 3).mean())) < SKEWED:
        return float("inf")
    return float(np.quantile(np.abs(live), CAP))


@dataclass(frozen=True, eq=False)
class Part:
    """One quantity (an outcome, a chance, an amount) under every arm: what the arms share, and what sets each apart.

    Attributes
    ----------
    shared : Trees or None
        None where arms are learned apart from each other.
    own : tuple of Trees
        One for each arm.
    shift : tuple of float
        Of each arm, on the scale of the link.
    objective : str
    """

    shared: Trees | None
    own: tuple[Trees, ...]
    shift: tuple[float, ...]
    objective: str

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """Shape (n, arms)."""
        if self.shared is None:
            return np.column_stack([t.predict(x, threads) for t in self.own])
        if self.objective == "regression":
            base = self.shared.predict(x, threads)
            return np.column_stack([base + t.predict(x, threads) for t in self.own])
        base = self.shared.raw(x, threads)
        return np.column_stack(
            [
                unlink(base + s + t.raw(x, threads), self.objective)
                for s, t in zip(self.shift, self.own, strict=True)
            ]
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        shared = None if self.shared is None else self.shared.to_dict()
        own = [t.to_dict() for t in self.own]
        return {"shared": shared, "own": own, "shift": list(self.shift), "objective": self.objective}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Part:
        """What `to_dict` made."""
        shared = None if found["shared"] is None else Trees.from_dict(found["shared"])
        own = tuple(Trees.from_dict(t) for t in found["own"])
        return cls(shared, own, tuple(map(float, found["shift"])), str(found["objective"]))


@dataclass(frozen=True, eq=False)
class Outcome:
    """Mean outcome under every arm: one part, or the chance of any outcome times the amount where there is one.

    Attributes
    ----------
    parts : tuple of Part
    ratio : float
        Mean of the outcome over that of the capped one that the models have learned from.
    """

    parts: tuple[Part, ...]
    ratio: float = 1.0

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """Shape (n, arms)."""
        out = self.parts[0].predict(x, threads)
        for part in self.parts[1:]:
            out = out * part.predict(x, threads)
        return out * self.ratio

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        return {"parts": [p.to_dict() for p in self.parts], "ratio": self.ratio}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Outcome:
        """What `to_dict` made."""
        return cls(tuple(Part.from_dict(p) for p in found["parts"]), float(found["ratio"]))


def fit_part(
    bins: Bins, rows: IntArray, target: FloatArray, arm: IntArray, arms: int, objective: str, shared: bool = True
) -> Part:
    """Learn `target` on `rows`: over all arms first, then what sets each arm apart, which is mostly little.

    Parameters
    ----------
    target, arm : ndarray, shape (n,)
        Of all rows of `bins`.
    shared : bool
        False learns every arm by itself.
    """
    if not shared:
        own = tuple(
            bins.train(at, target[at], recipe(len(at), objective)) for at in (rows[arm[rows] == a] for a in range(arms))
        )
        return Part(None, own, (0.0,) * arms, objective)
    base, known = bins.grow(rows, target[rows], recipe(len(rows), objective))
    linked = objective != "regression"
    trees: list[Trees] = []
    shifts: list[float] = []
    for a in range(arms):
        use = arm[rows] == a
        at, start = rows[use], known[use]
        few = recipe(len(at), objective, effect=True)
        if not linked:
            trees.append(bins.train(at, target[at] - start, few))
            shifts.append(0.0)
            continue
        shift = _shift(target[at], start, objective)
        trees.append(bins.train(at, target[at], few, start=start + shift))
        shifts.append(shift)
    return Part(base, tuple(trees), tuple(shifts), objective)


def _shift(target: FloatArray, start: FloatArray, objective: str) -> float:
    """What makes the mean of an arm right, on the scale of the link."""
    if not len(target):
        return 0.0
    if objective == "gamma":
        return float(np.log(np.maximum((target * np.exp(-start)).mean(), 1e-12)))
    shift, wanted = 0.0, float(np.clip(target.mean(), 1e-6, 1 - 1e-6))
    for _ in range(30):
        p = unlink(start + shift, objective)
        move = float((wanted - p.mean()) / max((p * (1 - p)).mean(), 1e-12))
        shift += float(np.clip(move, -1, 1))
        if abs(move) < 1e-10:
            break
    return shift


def fit_outcome(
    bins: Bins, rows: IntArray, y: FloatArray, arm: IntArray, arms: int, kind: str, shared: bool = True
) -> Outcome:
    """Mean outcome under every arm, learned on `rows`."""
    if kind == "binary":
        return Outcome((fit_part(bins, rows, y, arm, arms, "binary", shared),))
    cap = cap_of(y[rows])
    seen = np.clip(y, -cap, cap)
    total = float(seen[rows].sum())
    ratio = float(y[rows].sum()) / total if total > 0 and y[rows].min() >= 0 else 1.0
    bought = rows[y[rows] > 0]
    if kind == "hurdle" and np.bincount(arm[bought], minlength=arms).min() >= 2:
        buys = fit_part(bins, rows, (y > 0).astype(float), arm, arms, "binary", shared)
        amount = fit_part(bins, bought, seen, arm, arms, "gamma", shared)
        return Outcome((buys, amount), ratio)
    return Outcome((fit_part(bins, rows, seen, arm, arms, "regression", shared),), ratio)


def cross_fit(
    bins: Bins, fold: IntArray, y: FloatArray, arm: IntArray, arms: int, kind: str, shared: bool = True
) -> tuple[FloatArray, tuple[Outcome, ...]]:
    """Predicted outcomes of every row by the model that has not seen its fold, shape (n, arms); and the models."""
    mu = np.empty((len(y), arms))
    models: list[Outcome] = []
    for f in range(int(fold.max()) + 1):
        model = fit_outcome(bins, np.flatnonzero(fold != f), y, arm, arms, kind, shared)
        held = fold == f
        mu[held] = model.predict(bins.x[held])
        models.append(model)
    return mu, tuple(models)


def arm_means(y: FloatArray, arm: IntArray, arms: int) -> FloatArray:
    """Mean outcome of every arm for each row: the nuisance where nothing is known of the rows."""
    mean = np.bincount(arm, y, minlength=arms) / np.bincount(arm, minlength=arms)
    return np.broadcast_to(mean, (len(y), arms))
