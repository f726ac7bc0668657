"""What an assignment of coupons is worth, by the outcomes of users who were drawn into arms."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.frames.params import check
from gmvcausal.results.base import COMMON_COLUMNS
from gmvcausal.results.curves import wrapped
from gmvcausal.results.shown import Shown
from gmvcausal.stats.inference import critical_value, fieller
from gmvcausal.stats.small_cells import MIN_CELL, small
from gmvcausal.targeting.evaluate.metric import Metric
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray
from gmvcausal.targeting.evaluate.scores import heavy, potential, spread
from gmvcausal.targeting.policy.words import said_of_value

if TYPE_CHECKING:
    import pandas as pd

_FEW = 30
# Share of the users whose part of a doubly robust value may rest on predictions, because none got the arm of the plan.
_ON_TRUST = 0.01


@dataclass(frozen=True, eq=False)
class Held:
    """Users who neither trained the model nor chose the policy.

    Attributes
    ----------
    y : ndarray, shape (n,)
    arm : ndarray of int, shape (n,)
    e : ndarray, shape (n, k + 1)
        Probability of every arm.
    cost : ndarray, shape (n, k)
        Of every treatment; of a redeemed coupon where `redeemed` is known.
    margin : float
    mu : ndarray, shape (n, k + 1), optional
        Expected outcome under every arm, from a model that has not seen these users.
    cluster : ndarray of int, shape (n,), optional
    unit : str
    redeemed : ndarray, shape (n,), optional
        Whether each user redeemed the coupon, 0 or 1: a coupon that was not costs nothing.
    chance : ndarray, shape (n, k), optional
        Of redeeming, from a model that has not seen these users. Without, the weighted share of the arm.
    people : bool
        Whether users are people, of whom no count below ten is told.
    """

    y: FloatArray
    arm: IntArray
    e: FloatArray
    cost: FloatArray
    margin: float
    mu: FloatArray | None = None
    cluster: IntArray | None = None
    unit: str = "money"
    redeemed: FloatArray | None = None
    chance: FloatArray | None = None
    people: bool = False


@dataclass(frozen=True, repr=False, eq=False)
class PolicyValue(Shown):
    """Value of a policy above another (above treating nobody, unless said), per user.

    Attributes
    ----------
    doubly_robust, ipw : Metric
        Net value: margin x effect - cost. Doubly robust where `adjusted`, else with the means of the arms in place of
        expected outcomes; and by inverse propensity weights alone.
    gain, cost : Metric
        Margin x effect, and cost, of the version that leads.
    cov : float
        Covariance of the two.
    adjusted : bool
        Whether expected outcomes of a model were used: the doubly robust version then leads.
    treated : float
        Share of users on whom the two policies differ: those treated, against nobody.
    notes : tuple of str
    against : bool
        Whether the other policy is one of its own, not treating nobody.
    people : bool
        Whether users are people.
    """

    doubly_robust: Metric
    ipw: Metric
    gain: Metric
    cost: Metric
    cov: float
    adjusted: bool
    treated: float
    notes: tuple[str, ...] = ()
    against: bool = False
    people: bool = False

    @property
    def hides(self) -> bool:
        """Whether gain, cost and ROI are not shown: they tell of fewer than ten people how many are treated, or not."""
        # Where lots decide users count in parts: a part of one is one.
        few = np.ceil(np.array([self.treated, 1 - self.treated]) * self.n - 1e-9)
        return self.people and bool(small(few).any())

    @property
    def _led(self) -> Metric:
        return self.doubly_robust if self.adjusted else self.ipw

    @property
    def value(self) -> float:
        """Net value per user."""
        return self._led.estimate

    @property
    def std_error(self) -> float:
        """Of `value`."""
        return self._led.std_error

    @property
    def p_value(self) -> float:
        """Two-sided p-value of `value` against zero."""
        return self._led.p_value

    @property
    def n(self) -> int:
        """Users it was measured on."""
        return self._led.n

    def conf_int(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence limits of `value`."""
        return self._led.conf_int(level)

    @property
    def roi(self) -> float:
        """Net value / cost; NaN without a cost."""
        return self.gain.estimate / self.cost.estimate - 1 if self.cost.estimate > 0 else float("nan")

    def roi_conf_int(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence limits of `roi` by Fieller; NaN where the cost is not distinguishable from zero."""
        if not self.cost.estimate > 0:
            return float("nan"), float("nan")
        spreads = (self.gain.std_error**2, self.cost.std_error**2, self.cov)
        low, high = fieller(
            self.gain.estimate, self.cost.estimate, *spreads, critical_value(check("level", level), self._led.df)
        )
        return low - 1, high - 1

    def to_frame(self) -> pd.DataFrame:
        """Value, gain, cost and ROI; the first ten columns are the same for every verb.

        Without numbers of gain, cost and ROI where they would count fewer than ten people.
        """
        import pandas as pd

        low, high = self.roi_conf_int()
        words = "net value / cost"
        roi = dict(
            zip(COMMON_COLUMNS, ("roi", words, "ratio", self.roi, *[np.nan] * 3, low, high, self.n), strict=True)
        )
        other = self.ipw if self.adjusted else self.doubly_robust
        rows = [m.row() for m in (self._led, other, self.gain, self.cost)]
        frame = pd.DataFrame([*rows, roi], columns=list(COMMON_COLUMNS))
        if self.hides:
            frame.loc[2:, list(COMMON_COLUMNS[3:-1])] = np.nan
        return frame

    @property
    def report_title(self) -> str:
        """The heading of its section on a page."""
        return "What the plan is worth"

    def summary(self) -> str:
        """Value, gain, cost and ROI in words."""
        lines = self.sentences()
        said, notes = lines[: len(lines) - len(self.notes)], self.notes
        return wrapped([*said, *(f"Note: {n}" for n in notes)], indent=2)

    def sentences(self) -> list[str]:
        """Value, gain, cost, ROI and what is not known, one sentence each; intervals are at 95 %."""
        return [*said_of_value(self), *self.notes]

    def __repr__(self) -> str:
        return self.summary()


def policy_value(
    assigned: IntArray | FloatArray,
    held: Held,
    against: IntArray | FloatArray | None = None,
    labels: Sequence[Any] | None = None,
) -> PolicyValue:
    """Net value per user of one assignment above another, from the users on whom they differ.

    Where two policies do the same there is nothing to estimate, and outcomes of those users would only add noise.

    Parameters
    ----------
    assigned : ndarray of int, shape (n,), or of float, shape (n, k + 1)
        Arm that the policy gives to every user, 0 the control; or the chance of every arm, where lots decide.
    held : Held
    against : ndarray, optional
        The same of another policy; default the control for all.
    labels : sequence, optional
        Of the arms, the control first, for messages.

    Raises
    ------
    DesignError
        No user of an arm among those to whom the policy gives it.

    Notes
    -----
    By weights: in every group of users with the same two arms (a, b) under the two policies, the difference of the
    weighted means of those who were drawn into a and into b, times the share of the group. Doubly robust: the mean
    difference of scores under a and b (Dudik, Langford and Li 2011; Athey and Wager 2021). Where coupons cost only
    when redeemed, the cost is estimated in the same two ways from what was redeemed, and value and ROI carry its
    covariance with the gain. Both intervals allow for the users being a sample.

    Examples
    --------
    >>> y, arm = np.array([1.0, 5.0, 2.0, 3.0]), np.array([0, 1, 0, 1])
    >>> held = Held(y, arm, np.full((4, 2), 0.5), cost=np.ones((4, 1)), margin=0.5)
    >>> v = policy_value(np.array([1, 1, 0, 0]), held)
    >>> v.value, v.gain.estimate, v.cost.estimate, v.roi
    (0.5, 1.0, 0.5, 1.0)
    """
    n, arms = len(held.y), held.e.shape[1]
    rows, names = np.arange(n), tuple(labels) if labels is not None else tuple(f"arm {a}" for a in range(arms))
    apart = _chances(assigned, arms)
    apart = apart - (np.eye(arms)[np.zeros(n, dtype=np.int64)] if against is None else _chances(against, arms))
    price = np.column_stack([np.zeros(n), held.cost])
    known = (price * apart).sum(axis=1)
    psi = potential(held.y, held.arm, held.e, held.mu)
    robust, robust_cost = held.margin * (psi * apart).sum(axis=1), known
    weighted, notes = _weighted(apart, held, held.margin * held.y, names)
    weighted_cost = known
    if held.redeemed is not None:
        chance = None if held.chance is None else np.column_stack([np.zeros(n), held.chance])
        paid = price * potential(held.redeemed, held.arm, held.e, chance)
        robust_cost = (paid * apart).sum(axis=1)
        weighted_cost, _ = _weighted(apart, held, price[rows, held.arm] * held.redeemed, names)
    # Those who got an arm that the policies differ in, in groups that differ in the same ones; rooms hold several.
    behind, cell = np.abs(apart[rows, held.arm]) / held.e[rows, held.arm], held.arm
    if held.cluster is None:
        cell = np.unique(np.sign(apart) @ 3.0 ** np.arange(arms) * arms + held.arm, return_inverse=True)[1]
    out: dict[str, tuple[Metric, Metric, Metric, float]] = {}
    for name, words, gain, cost in (
        ("doubly_robust", "doubly robust", robust, robust_cost),
        ("ipw", "inverse propensity", weighted, weighted_cost),
    ):
        both = np.column_stack([gain, cost])
        net = np.column_stack([gain - cost, both])
        cov, df = spread((net - net.mean(axis=0)) / n, held.cluster, cell, behind)
        mean = both.mean(axis=0).tolist()
        errors = np.sqrt(np.maximum(np.diag(cov), 0)).tolist()
        unit = f"{held.unit} per user"
        out[name] = (
            Metric(
                "value", f"net value above the other policy, {words}", unit, mean[0] - mean[1], errors[0], n, df=df[0]
            ),
            Metric("gain", f"margin x effect, {words}", unit, mean[0], errors[1], n, df=df[1]),
            Metric("cost", "cost of the assignment", unit, mean[1], errors[2], n, df=df[2]),
            float(cov[1, 2]),
        )
    led = robust - robust_cost if held.mu is not None else weighted - weighted_cost
    if held.cluster is None and np.isfinite(led).all():
        side = np.where(behind > 0, np.where(apart[rows, held.arm] > 0, 1, 0), 2)
        notes += heavy(((led - led.mean()) / n)[behind > 0], side[behind > 0], held.y[behind > 0])
    lead = out["doubly_robust" if held.mu is not None else "ipw"]
    metrics = (out["doubly_robust"][0], out["ipw"][0], lead[1], lead[2])
    differ = float(np.maximum(apart, 0).sum(axis=1).mean())
    return PolicyValue(*metrics, lead[3], held.mu is not None, differ, tuple(notes), against is not None)


def _chances(assigned: IntArray | FloatArray, arms: int) -> FloatArray:
    """Chance of every arm, shape (n, k + 1), from arms or chances."""
    return np.eye(arms)[assigned] if np.ndim(assigned) == 1 else np.asarray(assigned, dtype=float)


def _weighted(apart: FloatArray, held: Held, y: FloatArray, labels: Sequence[Any]) -> tuple[FloatArray, list[str]]:
    """Values of users whose mean is the gain in `y` by weights, and whose spread is that of its influence.

    `apart` is the chance of every arm under one policy less that under the other, shape (n, k + 1).

    Raises
    ------
    DesignError
        Nobody was drawn into an arm of a group of users, unless all such groups together are small and a model says
        what to expect of them: the values are then missing.
    """
    n, arms = len(held.y), held.e.shape[1]
    out, notes = np.zeros(n), []
    weight = 1 / held.e[np.arange(n), held.arm]
    more, less = np.maximum(apart, 0), np.maximum(-apart, 0)
    moved = more.sum(axis=1)
    empty: list[tuple[FloatArray, int, int, int]] = []
    for to, since in itertools.product(range(arms), repeat=2):
        # What a user has more of one arm is taken from the others, from each as much as there is less of it.
        part = np.divide(more[:, to] * less[:, since], moved, out=np.zeros(n), where=moved > 0)
        here = part > 0
        if not here.any():
            continue
        share, effect, fewest = float(part.mean()), 0.0, n
        for sign, a in ((1, to), (-1, since)):
            in_arm = here & (held.arm == a)
            own = weight[in_arm] * part[in_arm]
            count, total = len(own), float(own.sum())
            if not count:
                empty.append((part, to, since, a))
                continue
            mean = float(own @ y[in_arm]) / total
            out[in_arm] += sign * n * share * own * (y[in_arm] - mean) / total
            effect, fewest = effect + sign * mean, min(fewest, count)
        out[here] += effect * part[here]
        if fewest < _FEW and not any((one, two) == (to, since) for _, one, two, _ in empty):
            only = "" if held.people and fewest < MIN_CELL else "only "
            notes.append(
                f"{only}{_counted(fewest, held.people)} users of an arm "
                f"behind {_counted(int(here.sum()), held.people)} assignments of {labels[to]!r}: "
                f"that part of the interval is rough"
            )
    if empty:
        notes.append(_on_trust(empty, held, labels))
        out = np.full(n, np.nan)
    return out, notes


def _counted(users: int, people: bool) -> str:
    """A number of users; of people not one below ten."""
    return f"fewer than {MIN_CELL}" if people and 0 < users < MIN_CELL else f"{users:,}"


def _on_trust(empty: list[tuple[FloatArray, int, int, int]], held: Held, labels: Sequence[Any]) -> str:
    """What rests on the model alone, in words; refused where that is more than hardly anybody."""
    n = len(held.y)

    def named(people: bool) -> str:
        return "; ".join(
            f"of {_counted(int((part > 0).sum()), people)} users to whom the policy gives {labels[one]!r} in place of "
            f"{labels[two]!r}, none was drawn into {labels[a]!r}"
            for part, one, two, a in empty
        )

    # A group that lacks both of its arms is one group.
    groups = {(one, two): part for part, one, two, _ in empty}
    if held.mu is None or sum(float(part.sum()) for part in groups.values()) > _ON_TRUST * n:
        raise DesignError(named(False), remedy="evaluate on more users, or on users for whom both arms were possible")
    users = sum(int((part > 0).sum()) for part in groups.values())
    apart = sum(float(part @ np.abs(held.mu[:, one] - held.mu[:, two])) for (one, two), part in groups.items())
    return (
        f"{named(held.people)}: there is no value by weights, and the part of these {_counted(users, held.people)} "
        f"users of the doubly robust value is the model's: were it wrong by as much as it says, by "
        f"{held.margin * apart / n:.3g} {held.unit} per user"
    )
