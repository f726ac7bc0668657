"""From a trial to its nuisances and the individual effects: all that a result carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.nuisance.aipw import averages
from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.boosted import Matrix
from gmvcausal.stats.nuisance.chances import Chances, cross_fit_chances
from gmvcausal.stats.nuisance.folds import make_folds
from gmvcausal.stats.nuisance.line import WIDEST
from gmvcausal.stats.nuisance.outcomes import Outcome, arm_means, cross_fit, kind_of
from gmvcausal.targeting.compliers import fit_receipt
from gmvcausal.targeting.intake.trial import Trial
from gmvcausal.targeting.learners.choose import learn
from gmvcausal.targeting.learners.plug_in import Difference
from gmvcausal.targeting.learners.task import Model, Task
from gmvcausal.targeting.redemption import Redemption, cross_fit_redemption, redemption_by_share

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# An estimated chance nearer to 0 than this is set to it, and told: its inverse would be one row's word for a thousand.
NEAREST = 1e-3


@dataclass(frozen=True, eq=False)
class Fit:
    """Everything learned from a trial.

    Attributes
    ----------
    fold : ndarray, shape (n,)
    e, mu : ndarray, shape (n, k + 1)
        Chances of the arms and predicted outcomes, out of fold.
    kind : {"plain", "hurdle", "binary"}
        How the outcome was learned.
    outcomes : tuple of Outcome
        One for each fold; empty without features.
    chances : Chances or None
        None where the chances were given.
    learner : str
        The learner that was used ("auto" is resolved).
    model : Model or None
        None without features.
    centre : ndarray, shape (k,)
        What is added to the model's effects, so that their mean is the average effect (0 for the causal forest).
    effects : ndarray, shape (n, k)
        Out of fold.
    threads : int
    receipt : ndarray, shape (n, k + 1), or None
        Predicted chances to receive under every arm, out of fold, where receipt was given.
    redemption : Redemption or None
        Who redeems a coupon; None where no column says so.
    redeems : ndarray, shape (n, k), or None
        Chance of that, out of fold.
    """

    fold: IntArray
    e: FloatArray
    mu: FloatArray
    kind: str
    outcomes: tuple[Outcome, ...]
    chances: Chances | None
    learner: str
    model: Model | None
    centre: FloatArray
    effects: FloatArray
    threads: int
    receipt: FloatArray | None = None
    redemption: Redemption | None = None
    redeems: FloatArray | None = None

    @property
    def settled(self) -> bool:
        """Whether the chances do not vary with what was learned: they were given, or are the arms' shares."""
        return settled(self.chances)

    def predict(self, x: Matrix) -> FloatArray:
        """Effects of rows that no model has seen, shape (n, k)."""
        if self.model is None:
            return np.tile(self.centre, (len(x), 1))
        return self.model.predict(x, self.threads) + self.centre

    def predict_outcomes(self, x: Matrix) -> FloatArray:
        """Predicted outcomes under every arm of rows that no model has seen, shape (n, k + 1)."""
        if not self.outcomes:
            return np.tile(self.mu[:1], (len(x), 1))
        total = self.outcomes[0].predict(x, self.threads)
        for model in self.outcomes[1:]:
            total = total + model.predict(x, self.threads)
        return total / len(self.outcomes)

    def predict_both(self, x: Matrix) -> tuple[FloatArray, FloatArray]:
        """`predict` and `predict_outcomes`; where effects are differences of these, they are asked for once."""
        model = self.model
        if not isinstance(model, Difference) or model.outcomes is not self.outcomes:
            return self.predict(x), self.predict_outcomes(x)
        mu = self.outcomes[0].predict(x, self.threads)
        effects = model.above(0, mu, x, self.threads)
        for f in range(1, model.folds()):
            own = self.outcomes[f].predict(x, self.threads)
            mu, effects = mu + own, effects + model.above(f, own, x, self.threads)
        return effects / model.folds() + self.centre, mu / model.folds()

    def predict_chances(self, x: Matrix) -> FloatArray:
        """Chances of the arms of rows that no model has seen, where they were estimated, shape (n, k + 1)."""
        if self.chances is None:
            raise ValueError("the chances were given")
        return np.maximum(self.chances.predict(x, self.threads), NEAREST)

    def predict_redeems(self, x: Matrix) -> FloatArray | None:
        """Chance that a coupon is redeemed by rows that no model has seen, shape (n, k); None where nobody said."""
        return None if self.redemption is None else self.redemption.predict(x, self.threads)


class Nuisances(NamedTuple):
    """What is learned before any effect: see `Fit`."""

    e: FloatArray
    chances: Chances | None
    kind: str
    mu: FloatArray
    outcomes: tuple[Outcome, ...]

    @property
    def settled(self) -> bool:
        """As `Fit.settled`."""
        return settled(self.chances)


def settled(chances: Chances | None) -> bool:
    """Whether weights made of the chances have no spread of their own: nothing was estimated but shares."""
    return chances is None or not chances.models


def learn_nuisances(
    bins: Bins, fold: IntArray, y: FloatArray, arm: IntArray, arms: int, propensity: FloatArray | None,
    notes: list[str] | None = None, cluster: IntArray | None = None,
) -> Nuisances:  # fmt: skip
    """Chances of the arms (where they were not given) and predicted outcomes, out of fold."""
    told: list[str] = [] if notes is None else notes
    chances = None
    if propensity is None:
        e, chances = cross_fit_chances(bins, fold, arm, arms, cluster)
        e = _kept_away(e, told)
        told.append(
            "the chances of the arms were estimated from the features, out of fold, and calibrated"
            if chances.models
            else "features do not tell who was treated: the chances of the arms are their shares"
        )
    else:
        e = propensity
    kind = kind_of(y)
    mu, outcomes = cross_fit(bins, fold, y, arm, arms, kind)
    return Nuisances(e, chances, kind, mu, outcomes)


def fit_trial(trial: Trial, learner: str, folds: int, seed: int, threads: int, notes: list[str]) -> Fit:
    """Folds, nuisances, individual effects; what was decided on the way is added to `notes`."""
    t = trial
    if not t.x.shape[1]:
        shares = t.sizes / t.n
        e = t.propensity if t.propensity is not None else np.tile(shares, (t.n, 1))
        mu = arm_means(t.y, t.arm, t.arms)
        centre = averages(t.y, t.arm, e, mu).estimate
        chances = None if t.known else Chances(tuple(shares.tolist()), (), ())
        notes.append("without features every user has the average effect, and the average is that of the arms' means")
        redeems, redemption = (None, None) if t.redeemed is None else redemption_by_share(t.redeemed, t.arm, t.arms)
        return Fit(
            np.zeros(t.n, dtype=np.int64), e, mu, "plain", (), chances, "none", None, centre,
            np.tile(centre, (t.n, 1)), threads, None if t.received is None else arm_means(t.received, t.arm, t.arms),
            redemption, redeems,
        )  # fmt: skip
    count = folds if t.cluster is None else min(folds, int(t.cluster.max()) + 1)
    fold = make_folds(t.arm, t.cluster, count, seed)
    bins = Bins(t.x, t.features.categorical, seed, threads)
    e, chances, kind, mu, outcomes = learn_nuisances(bins, fold, t.y, t.arm, t.arms, t.propensity, notes, t.cluster)
    receipt = None if t.received is None else fit_receipt(bins, fold, t.received, t.arm, t.arms)
    if outcomes[0].columns is None:
        notes.append(f"the features make more than {WIDEST} columns: no straight lines are learned, trees alone")
    task = Task(bins, t.y, t.arm, fold, e, mu, kind, outcomes, t.features.names, seed, threads, t.cluster)
    name, model, said = learn(task, learner)
    notes += said
    own = model.own(task)
    centre = np.zeros(t.arms - 1)
    if model.centred:
        centre = averages(t.y, t.arm, e, mu).estimate - own.mean(axis=0)
    redeems, redemption = (
        (None, None) if t.redeemed is None else cross_fit_redemption(bins, fold, t.redeemed, t.arm, t.arms, t.cluster)
    )
    return Fit(
        fold, e, mu, kind, outcomes, chances, name, model, centre, own + centre, threads, receipt, redemption, redeems
    )  # fmt: skip


def _kept_away(e: FloatArray, notes: list[str]) -> FloatArray:
    low = e < NEAREST
    if not low.any():
        return e
    notes.append(f"{int(low.any(axis=1).sum()):,} rows have an estimated chance below {NEAREST:g}, which was set to it")
    kept = np.maximum(e, NEAREST)
    return np.asarray(kept / kept.sum(axis=1, keepdims=True))


def options_of(fit: Fit) -> dict[str, Any]:
    """What was decided, for the manifest."""
    return {"learned_by": fit.learner, "outcome_kind": fit.kind}
