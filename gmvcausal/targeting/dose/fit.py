"""From doses to residuals and slopes: what is learned out of fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.stats.nuisance.boost import Bins, recipe
from gmvcausal.stats.nuisance.boosted import Matrix
from gmvcausal.stats.nuisance.calibration import standard_errors
from gmvcausal.stats.nuisance.chances import slower
from gmvcausal.stats.nuisance.folds import make_folds
from gmvcausal.stats.nuisance.outcomes import cap_of
from gmvcausal.targeting.dose.intake import Doses
from gmvcausal.targeting.learners.pseudo import OneStage, winsorised

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A residual dose below this share of the dose's own spread is rounding.
_NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class DoseFit:
    """Everything learned from rows with doses.

    Attributes
    ----------
    d, y : ndarray, shape (n,)
        Residual dose and residual outcome: less what models that have not seen the row expect.
    square : ndarray, shape (n,)
        The square of `d`, less what the features say of it.
    model : OneStage or None
        Slopes of users; None without features.
    centre : float
        What is added to its slopes, so that their mean, weighted by `d` squared, is the average slope.
    slopes : ndarray, shape (n,)
        Out of fold.
    predicted : bool
        Whether features predict the dose (or the expected dose was given).
    strayed : float
        Where the expected dose was given: p-value that features do not predict what is left of the dose; NaN elsewhere.
    threads : int
    """

    d: FloatArray
    y: FloatArray
    square: FloatArray
    model: OneStage | None
    centre: float
    slopes: FloatArray
    predicted: bool
    strayed: float
    threads: int

    @property
    def learner(self) -> str:
        """How slopes of users were learned."""
        return "none" if self.model is None else "r"

    def predict(self, x: Matrix) -> FloatArray:
        """Slopes of rows that no model has seen, shape (n, 1)."""
        if self.model is None:
            return np.full((len(x), 1), self.centre)
        return self.model.predict(x, self.threads) + self.centre


class Residuals(NamedTuple):
    """What is left of doses and outcomes; see `DoseFit`. Bins and folds where there are features."""

    d: FloatArray
    y: FloatArray
    square: FloatArray
    predicted: bool
    strayed: float
    bins: Bins | None
    fold: IntArray


def residuals(doses: Doses, folds: int, seed: int, threads: int, notes: list[str]) -> Residuals:
    """Doses and outcomes less what the features say of them, out of fold.

    Raises
    ------
    DesignError
        The dose is the expected one in every row, or the features tell it exactly.
    """
    from scipy import special

    t, dose = doses.trial, doses.dose
    if not t.x.shape[1]:
        d = _left(dose - (dose.mean() if doses.expected is None else doses.expected), dose)
        square = d * d - (d * d).mean()
        known = doses.expected is not None
        return Residuals(d, t.y - t.y.mean(), square, known, np.nan, None, np.zeros(t.n, dtype=np.int64))
    count = folds if t.cluster is None else min(folds, int(t.cluster.max()) + 1)
    fold = make_folds(t.arm, t.cluster, count, seed)
    bins = Bins(t.x, t.features.categorical, seed, threads)
    strayed, learned = np.nan, True
    if doses.expected is None:
        found = learned_mean(bins, fold, dose, t.cluster)
        d, learned = dose - found.mean, found.kept
        notes.append(
            "the expected dose was estimated from the features, out of fold" if learned
            else "features do not tell who got how much: the expected dose is the mean"
        )  # fmt: skip
    else:
        d = dose - doses.expected
        strayed = float(special.ndtr(-learned_mean(bins, fold, d, t.cluster).gain))
    d = _left(d, dose)
    cap = cap_of(t.y)
    seen = np.clip(t.y, -cap, cap)
    ratio = float(t.y.sum()) / float(seen.sum()) if t.y.min() >= 0 and seen.any() else 1.0
    y = t.y - ratio * learned_mean(bins, fold, seen, t.cluster).mean
    square = d * d - learned_mean(bins, fold, d * d, t.cluster).mean
    return Residuals(d, y, square, learned, strayed, bins, fold)


def fit_doses(doses: Doses, folds: int, seed: int, threads: int, notes: list[str]) -> DoseFit:
    """Residuals, and slopes of users; what was decided on the way is added to `notes`."""
    t = doses.trial
    d, y, square, predicted, strayed, bins, fold = residuals(doses, folds, seed, threads, notes)
    average = float(d @ y) / float(d @ d)
    if bins is None:
        notes.append("without features every user has the average slope")
        return DoseFit(d, y, square, None, average, np.full(t.n, average), predicted, strayed, threads)
    model = learn_slopes(bins, fold, d, y, float((t.y != 0).mean()))
    own = np.empty(t.n)
    for f in range(int(fold.max()) + 1):
        held = fold == f
        own[held] = model.of_fold(f, t.x[held], threads)[:, 0]
    weight = d * d
    centre = average - float(weight @ own) / float(weight.sum())
    return DoseFit(d, y, square, model, centre, own + centre, predicted, strayed, threads)


class Learned(NamedTuple):
    """A mean given the features.

    Attributes
    ----------
    mean : ndarray, shape (n,)
    kept : bool
        Whether the features are used; else it is the plain mean.
    gain : float
        By how many standard errors the features lower the held-out squared loss.
    """

    mean: FloatArray
    kept: bool
    gain: float


def learned_mean(bins: Bins, fold: IntArray, target: FloatArray, cluster: IntArray | None = None) -> Learned:
    """Mean of `target` given the features, out of fold; its plain mean where they do not predict it.

    Trees that predict nothing are noise. They are kept only if their held-out squared loss is lower than that of the
    mean by more than one paired standard error (of clusters, where there are any), as for chances of arms, and grow as
    slowly: noise in both residuals would not bias the slope, but spread it by more than its standard error knows.
    """
    out = np.empty(len(target))
    for f in range(int(fold.max()) + 1):
        rows, held = np.flatnonzero(fold != f), fold == f
        trees = bins.train(rows, target[rows], slower(recipe(len(rows))))
        out[held] = trees.predict(bins.x[held])
    middle = float(target.mean())
    gain = (target - middle) ** 2 - (target - out) ** 2
    strength = standard_errors(gain, cluster)
    return Learned(out, True, strength) if strength > 1 else Learned(np.full(len(target), middle), False, strength)


def learn_slopes(bins: Bins, fold: IntArray, d: FloatArray, y: FloatArray, live: float) -> OneStage:
    """Residual on residual, user by user: y / d regressed on the features with the weights d^2 (Nie and Wager 2021).

    The outcome is winsorised, not the ratio: where the dose is the expected one the ratio is wild, and has no weight.
    """
    out: list[Any] = []
    for f in range(int(fold.max()) + 1):
        rows = np.flatnonzero((fold != f) & (d != 0))
        gain = winsorised(y[rows], live) / d[rows]
        how = recipe(len(rows), effect=True)
        out.append(((bins.train(rows, gain, how, weight=d[rows] ** 2),),))
    return OneStage(tuple(out), ((1.0,),))


def _left(d: FloatArray, dose: FloatArray) -> FloatArray:
    """The residual dose, refused where nothing is left of it."""
    spread = float(np.abs(dose - dose.mean()).max())
    d = np.where(np.abs(d) < _NOTHING * spread, 0.0, d)
    if not float(d @ d) > _NOTHING**2 * spread**2 * len(d):
        raise DesignError(
            "every row got the dose that was expected of it, so that nothing tells what more of it would have done",
            remedy="vary the dose by lot among users who are alike, or leave out the feature that decides it",
        )
    return d
