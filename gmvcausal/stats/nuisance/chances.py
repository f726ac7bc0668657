"""Who would be treated: chances of the arms for each row, by models that have not seen it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.nuisance.boost import Bins, Recipe, recipe
from gmvcausal.stats.nuisance.boosted import Matrix, Trees, link, unlink
from gmvcausal.stats.nuisance.calibration import Lines, calibrate, standard_errors
from gmvcausal.stats.threads import one_thread

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Chances:
    """Who gets which arm, where nobody wrote it down.

    Attributes
    ----------
    shares : tuple of float
        Of the arms.
    models : tuple of tuple of Trees
        One for each fold and arm; empty where features do not tell who was treated.
    line : tuple of (float, float)
        Calibration of each arm, for rows that nothing was learned from.
    """

    shares: tuple[float, ...]
    models: tuple[tuple[Trees, ...], ...]
    line: tuple[tuple[float, float], ...]

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """Shape (n, arms)."""
        if not self.models:
            return np.tile(np.array(self.shares), (len(x), 1))
        return np.asarray(np.mean([self.of_fold(f, x, threads) for f in range(len(self.models))], axis=0))

    def of_fold(self, f: int, x: Matrix, threads: int = 1) -> FloatArray:
        """By the models that have not seen fold `f`."""
        raw = np.column_stack([link(t.predict(x, threads), "binary") for t in self.models[f]])
        return calibrated(raw, self.line)

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        models = [[t.to_dict() for t in of] for of in self.models]
        return {"shares": list(self.shares), "models": models, "line": [list(v) for v in self.line]}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Chances:
        """What `to_dict` made."""
        models = tuple(tuple(Trees.from_dict(t) for t in of) for of in found["models"])
        return cls(tuple(found["shares"]), models, tuple((float(a), float(b)) for a, b in found["line"]))


def calibrated(raw: FloatArray, line: tuple[tuple[float, float], ...]) -> FloatArray:
    """Chances that add up to one from log odds of every arm."""
    if raw.shape[1] == 2:
        one = unlink(line[1][0] + line[1][1] * raw[:, 1], "binary")
        return np.column_stack([1 - one, one])
    each = np.column_stack([unlink(a + b * column, "binary") for (a, b), column in zip(line, raw.T, strict=True)])
    return np.asarray(each / each.sum(axis=1, keepdims=True))


@one_thread()
def cross_fit_chances(
    bins: Bins, fold: IntArray, arm: IntArray, arms: int, cluster: IntArray | None = None
) -> tuple[FloatArray, Chances]:
    """Chance of every arm for each row, out of fold and calibrated; the arms' shares where nothing predicts them.

    Trees that do not predict who was treated are noise, which in a plain randomised trial costs precision and more. So
    they are kept only if their held-out logarithmic loss, calibrated on the other folds, is lower than that of the
    shares by more than one paired standard error (of clusters, where arms were given to clusters).
    """
    shares = np.bincount(arm, minlength=arms) / len(arm)
    plain = np.tile(shares, (len(arm), 1))
    raw = np.empty((len(arm), arms))
    models: list[tuple[Trees, ...]] = []
    first = 1 if arms == 2 else 0
    for f in range(int(fold.max()) + 1):
        rows, held = np.flatnonzero(fold != f), fold == f
        own: list[Trees] = []
        for a in range(arms):
            if a < first:
                own.append(Trees(None, float(shares[0]), 1.0, "binary"))
            else:
                how = recipe(len(rows), "binary")
                own.append(bins.train(rows, (arm[rows] == a).astype(float), slower(how)))
            raw[held, a] = link(own[a].predict(bins.x[held]), "binary")
        models.append(tuple(own))
    lines = [calibrate(raw[:, a], arm == a, fold) for a in range(first, arms)]
    if first:
        lines.insert(0, Lines((0.0, 1.0), ((0.0, 1.0),) * len(models)))
    e = np.empty_like(raw)
    for f in range(len(models)):
        e[fold == f] = calibrated(raw[fold == f], tuple(one.of_fold[f] for one in lines))
    at = np.arange(len(arm))
    gain = np.log(np.maximum(e[at, arm], 1e-12)) - np.log(plain[at, arm])
    flat = all(one.every[1] == 0 for one in lines[first:])
    if flat or not standard_errors(gain, cluster) > 1:
        return plain, Chances(tuple(shares.tolist()), (), ())
    return e, Chances(tuple(shares.tolist()), tuple(models), tuple(one.every for one in lines))


def slower(how: Recipe) -> Recipe:
    """What treatment follows is simple, mostly: smaller trees, and slower ones, which make less noise of it."""
    return Recipe(how.rounds, 8, 0.05, how.least, how.ridge, how.objective)
