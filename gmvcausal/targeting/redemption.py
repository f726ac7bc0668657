"""Who redeems a coupon once it is given: chances out of fold, and what a coupon costs that is paid only when used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.inference import critical_values
from gmvcausal.stats.nuisance.aipw import averages
from gmvcausal.stats.nuisance.boost import Bins, recipe
from gmvcausal.stats.nuisance.boosted import Matrix, Trees, link, unlink
from gmvcausal.stats.nuisance.calibration import Lines, calibrate, standard_errors

if TYPE_CHECKING:
    from gmvcausal.targeting.fit import Fit
    from gmvcausal.targeting.intake.trial import Trial

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Rows of an arm from which on its trees may ask three questions in place of two: below, chances by larger trees are
# further from the truth, by a fifth at 1,000 rows and a tenth at 5,000.
_MANY = 20_000


@dataclass(frozen=True, eq=False)
class Redemption:
    """The chance that a coupon is redeemed, under every arm but the control.

    Attributes
    ----------
    shares : tuple of float
        Of those who got each arm.
    models : tuple of tuple of Trees
        One for each fold and arm; empty where features tell of no arm who redeems.
    line : tuple of (float, float) or None
        Calibration of each arm: log odds = intercept + slope x log odds of the trees. None for an arm whose features
        do not tell who redeems: everyone has its share.
    """

    shares: tuple[float, ...]
    models: tuple[tuple[Trees, ...], ...] = ()
    line: tuple[tuple[float, float] | None, ...] = ()

    @property
    def learned(self) -> tuple[bool, ...]:
        """Of which arms the features tell who redeems."""
        return tuple(fit is not None for fit in self.line) if self.models else (False,) * len(self.shares)

    def predict(self, x: Matrix, threads: int = 1) -> FloatArray:
        """Shape (n, k)."""
        out = np.tile(np.array(self.shares), (len(x), 1))
        for a, fit in enumerate(self.line):
            if fit is not None and self.models:
                each = [_along(of[a].predict(x, threads), fit) for of in self.models]
                out[:, a] = np.mean(each, axis=0)
        return out

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers for a file."""
        models = [[t.to_dict() for t in of] for of in self.models]
        line = [None if fit is None else list(fit) for fit in self.line]
        return {"shares": list(self.shares), "models": models, "line": line}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Redemption:
        """What `to_dict` made."""
        models = tuple(tuple(Trees.from_dict(t) for t in of) for of in found["models"])
        line = tuple(None if fit is None else (float(fit[0]), float(fit[1])) for fit in found["line"])
        return cls(tuple(map(float, found["shares"])), models, line)


def _along(chance: FloatArray, fit: tuple[float, float]) -> FloatArray:
    return unlink(fit[0] + fit[1] * link(chance, "binary"), "binary")


def redemption_by_share(redeemed: FloatArray, arm: IntArray, arms: int) -> tuple[FloatArray, Redemption]:
    """Everyone redeems with the share of the arm: where nothing is known of users."""
    sizes = np.bincount(arm, minlength=arms)[1:]
    shares = np.bincount(arm, redeemed, arms)[1:] / sizes
    return np.tile(shares, (len(arm), 1)), Redemption(tuple(shares.tolist()))


def cross_fit_redemption(
    bins: Bins, fold: IntArray, redeemed: FloatArray, arm: IntArray, arms: int, cluster: IntArray | None = None
) -> tuple[FloatArray, Redemption]:
    """Chance that each row redeems the coupon of every arm, by models that have not seen its fold.

    Learned on the arm's own rows. Trees are kept for an arm only if their held-out logarithmic loss is lower than that
    of the arm's share by more than one paired standard error (of clusters, where there are any).

    Parameters
    ----------
    bins : Bins
    fold, arm : ndarray of int, shape (n,)
    redeemed : ndarray, shape (n,)
        0 or 1; 0 in the control.
    arms : int
    cluster : ndarray of int, shape (n,), optional

    Returns
    -------
    chance : ndarray, shape (n, k)
    redemption : Redemption
    """
    chance, plain = redemption_by_share(redeemed, arm, arms)
    folds = int(fold.max()) + 1
    raw = np.empty_like(chance)
    models: list[tuple[Trees, ...]] = []
    for f in range(folds):
        held, own = fold == f, []
        for a in range(1, arms):
            rows = np.flatnonzero((fold != f) & (arm == a))
            how = replace(recipe(len(rows), "binary"), leaves=8 if len(rows) >= _MANY else 4, rate=0.05, ridge=10.0)
            own.append(bins.train(rows, redeemed[rows], how))
            raw[held, a - 1] = own[-1].predict(bins.x[held])
        models.append(tuple(own))
    line: list[tuple[float, float] | None] = []
    for a in range(1, arms):
        at = np.flatnonzero(arm == a)
        lines = _better(
            raw[at, a - 1], redeemed[at], plain.shares[a - 1], fold[at], None if cluster is None else cluster[at]
        )
        line.append(None if lines is None else lines.every)
        if lines is not None:
            chance[:, a - 1] = _by_fold(raw[:, a - 1], fold, lines)
    if all(fit is None for fit in line):
        return chance, plain
    return chance, Redemption(plain.shares, tuple(models), tuple(line))


def _by_fold(said: FloatArray, fold: IntArray, lines: Lines) -> FloatArray:
    out = np.empty(len(said))
    for f, line in enumerate(lines.of_fold):
        out[fold == f] = _along(said[fold == f], line)
    return out


def _better(
    said: FloatArray, redeemed: FloatArray, share: float, fold: IntArray, cluster: IntArray | None
) -> Lines | None:
    """The lines that calibrate what the trees say, if better than the share on rows that neither has seen."""
    if not 0 < share < 1 or not said.std() > 1e-9:
        return None
    lines = calibrate(link(said, "binary"), redeemed == 1, fold)
    p = np.clip(_by_fold(said, fold, lines), 1e-12, 1 - 1e-12)
    gain = np.where(redeemed == 1, np.log(p / share), np.log((1 - p) / (1 - share)))
    return lines if lines.every[1] > 0 and standard_errors(gain, cluster) > 1 else None


def expected_cost(cost: FloatArray, chance: FloatArray | None) -> FloatArray:
    """What giving each arm is expected to cost, shape (n, k): where only redeemed coupons are paid, cost x chance."""
    return cost if chance is None else cost * chance


def redeemed_table(trial: Trial, fit: Fit, estimand: str, level: float, withheld: bool) -> dict[str, list[Any]]:
    """Columns of `Uplift.redemption`: the share of everyone who would redeem each arm's coupon, and what that costs."""
    t, e, chance = trial, fit.e, fit.redeems
    if t.redeemed is None or chance is None or fit.redemption is None:
        raise ValueError("nobody said who redeemed")
    z, mu = t.redeemed, np.column_stack([np.zeros(t.n), chance])
    how: dict[str, Any] = {"estimand": estimand, "cluster": t.cluster, "known": fit.settled}
    found = averages(z, t.arm, e, mu, **how)
    error = np.sqrt(np.diag(found.cov)) * (np.nan if withheld else 1.0)
    half = error * critical_values(level, found.spread.df) * found.spread.factor
    count = np.bincount(t.arm, z, t.arms)[1:]
    paid = averages(t.spent, t.arm, e, np.column_stack([np.zeros(t.n), t.cost * chance]), **how)
    return {
        "arm": list(t.labels[1:]),
        "n": t.sizes[1:].tolist(),
        "redeemed": count.astype(int).tolist(),
        "share": found.estimate.tolist(),
        "std_error": error.tolist(),
        "conf_low": (found.estimate - half).tolist(),
        "conf_high": (found.estimate + half).tolist(),
        "cost_per_coupon": t.cost.mean(axis=0).tolist(),
        "cost_per_user": paid.estimate.tolist(),
        "by_features": list(fit.redemption.learned),
    }
