"""What would have happened: predicted outcomes of each row, by models that have not seen it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.boosted import Matrix
from gmvcausal.stats.nuisance.line import Columns, columns_of, deviance
from gmvcausal.stats.nuisance.parts import LEANS, Apart, Part, fit_apart, fit_part, lower
from gmvcausal.stats.threads import one_thread

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Told = tuple[FloatArray, FloatArray, FloatArray]  # of `Part.told`

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
class Outcome:
    """Mean outcome under every arm: one part, or the chance of any outcome times the amount where there is one.

    Attributes
    ----------
    parts : tuple of Part (of Apart, where arms are learned apart)
    ratio : float
        Mean of the outcome over that of the capped one that the models have learned from.
    cap : float
        Where the outcome was capped; only while learning.
    """

    parts: tuple[Part | Apart, ...]
    ratio: float = 1.0
    cap: float = float("inf")

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """Shape (n, arms)."""
        out = self.parts[0].predict(x, threads)
        for part in self.parts[1:]:
            out = out * part.predict(x, threads)
        return out * self.ratio

    def joined(self, told: Sequence[Told | FloatArray]) -> FloatArray:
        """`predict`, from what each part has told of the rows."""
        out = np.ones(1)
        for part, said in zip(self.parts, told, strict=True):
            out = out * (part.joined(*said) if isinstance(part, Part) and isinstance(said, tuple) else said)
        return out * self.ratio

    @property
    def columns(self) -> Columns | None:
        """What lines are made of; None without lines."""
        part = self.parts[0]
        return part.line.columns if isinstance(part, Part) and part.line is not None else None

    def leaning(self, j: int, lean: float) -> Outcome:
        """The same with so much of a line in what part `j` says of an arm."""
        part = self.parts[j]
        new = replace(part, lean=lean) if isinstance(part, Part) else part
        return replace(self, parts=(*self.parts[:j], new, *self.parts[j + 1 :]))

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        return {"parts": [p.to_dict() for p in self.parts], "ratio": self.ratio}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Outcome:
        """What `to_dict` made."""
        parts = tuple(Apart.from_dict(p) if "apart" in p else Part.from_dict(p) for p in found["parts"])
        return cls(parts, float(found["ratio"]))


def fit_outcome(
    bins: Bins, columns: Columns | None, rows: IntArray, y: FloatArray, arm: IntArray, arms: int, kind: str,
    shared: bool = True, most: int | None = None,
) -> Outcome:  # fmt: skip
    """Mean outcome under every arm, learned on `rows`; `most` as in `fit_part`."""

    def fit(at: IntArray, target: FloatArray, objective: str) -> Part | Apart:
        if not shared:
            return fit_apart(bins, at, target, arm, arms, objective)
        return fit_part(bins, columns, at, target, arm, arms, objective, most)

    if kind == "binary":
        return Outcome((fit(rows, y, "binary"),))
    cap = cap_of(y[rows])
    seen = np.clip(y, -cap, cap)
    total = float(seen[rows].sum())
    ratio = float(y[rows].sum()) / total if total > 0 and y[rows].min() >= 0 else 1.0
    bought = rows[y[rows] > 0]
    if kind == "hurdle" and np.bincount(arm[bought], minlength=arms).min() >= 2:
        return Outcome((fit(rows, (y > 0).astype(float), "binary"), fit(bought, seen, "gamma")), ratio, cap)
    return Outcome((fit(rows, seen, "regression"),), ratio, cap)


@one_thread()
def cross_fit(
    bins: Bins, fold: IntArray, y: FloatArray, arm: IntArray, arms: int, kind: str, shared: bool = True,
    most: int | None = None,
) -> tuple[FloatArray, tuple[Outcome, ...]]:  # fmt: skip
    """Predicted outcomes of every row by the model that has not seen its fold, shape (n, arms); and the models.

    How much lines and how much trees say of what sets arms apart is one half each, unless one of them alone has a loss
    on held-out rows that is lower by more than two paired standard errors. `most` is as in `fit_part`.
    """
    mu = np.empty((len(y), arms))
    columns = columns_of(bins.x, bins.categorical) if shared else None
    held = [np.flatnonzero(fold == f) for f in range(int(fold.max()) + 1)]
    models = tuple(
        fit_outcome(bins, columns, np.flatnonzero(fold != f), y, arm, arms, kind, shared, most)
        for f in range(len(held))
    )
    told = [tuple(_told(part, bins.x[rows]) for part in m.parts) for rows, m in zip(held, models, strict=True)]
    if columns is not None:
        models = _leaning(models, told, held, y, arm)
    for rows, model, said in zip(held, models, told, strict=True):
        mu[rows] = model.joined(said)
    return mu, models


def _told(part: Part | Apart, x: Matrix) -> Told | FloatArray:
    """What a part says before lines and trees are mixed, which is asked for once; its means where nothing is mixed."""
    return part.told(x) if isinstance(part, Part) else part.predict(x)


def _leaning(
    models: tuple[Outcome, ...], told: list[tuple[Told | FloatArray, ...]], held: list[IntArray], y: FloatArray,
    arm: IntArray,
) -> tuple[Outcome, ...]:  # fmt: skip
    """The models with the mixture of lines and trees that held-out rows ask for, the same one in all folds."""
    kinds = {tuple(part.objective for part in model.parts) for model in models}
    if len(kinds) > 1:  # buying and amounts were learned apart in some folds only
        return models
    whole = kinds.pop()
    # The deviance of a 0/1 outcome is all there is to lose; that of a part says little of the product, and amounts have
    # heavy tails, so that it takes two standard errors to leave the middle.
    errors = 0.0 if whole == ("binary",) else 2.0
    for j, objective in enumerate(whole):
        losses: dict[float, list[FloatArray]] = {lean: [] for lean in LEANS}
        for rows, model, said in zip(held, models, told, strict=True):
            live = np.flatnonzero(y[rows] > 0) if objective == "gamma" else np.arange(len(rows))
            at = rows[live]
            target = (y[at] > 0).astype(float) if objective == "binary" else np.clip(y[at], -model.cap, model.cap)
            part, own = model.parts[j], said[j]
            if not isinstance(part, Part) or not isinstance(own, tuple):
                return models
            seen = own if len(at) == len(rows) else tuple(each[live] for each in own)
            for lean in LEANS:
                mean = replace(part, lean=lean).joined(*seen)[np.arange(len(at)), arm[at]]
                losses[lean].append(deviance(target, mean, objective))
        loss = {lean: np.concatenate(each) for lean, each in losses.items()}
        best = LEANS[0]
        for lean in LEANS[1:]:
            clear = len(loss[lean]) > 1 and lower(loss[lean], loss[LEANS[0]], errors)
            if clear and loss[lean].mean() < loss[best].mean():
                best = lean
        models = tuple(m.leaning(j, best) for m in models)
    return models


def arm_means(y: FloatArray, arm: IntArray, arms: int) -> FloatArray:
    """Mean outcome of every arm for each row: the nuisance where nothing is known of the rows."""
    mean = np.bincount(arm, y, minlength=arms) / np.bincount(arm, minlength=arms)
    return np.broadcast_to(mean, (len(y), arms))
