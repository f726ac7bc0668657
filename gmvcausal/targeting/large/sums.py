"""Average effects from sums over rows: one pass, and nothing kept of any row.

Every average effect is a sum of gains over a sum of weights, and the influence of a row is linear in its gains, its
weights and its outcome. So the sums of these, and of their products arm by arm, hold all estimates with their joint
covariance, as `stats.nuisance.aipw` has them from arrays.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.nuisance.aipw import Averages, overlap_weight, scores
from gmvcausal.stats.small_sample import Spread, Trust, equal, welch
from gmvcausal.targeting.audit.rules import RARE

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


_ADDED = (
    "products", "by_arm", "sizes", "expected", "together", "weight", "weight2", "odds", "rare", "rare_control", "low",
    "high",
)  # fmt: skip


class Found(NamedTuple):
    """Average effects of every arm, and the mean outcome under every arm.

    Attributes
    ----------
    averages : Averages
        Without influences.
    levels : ndarray, shape (k + 1,)
    rows : ndarray, shape (arms, k, m)
        What takes the columns of a row of each arm to its influences.
    """

    averages: Averages
    levels: FloatArray
    rows: FloatArray


class Sums:
    """Sums over the rows of a trial, added batch by batch.

    Parameters
    ----------
    arms : int
        The control among them.
    estimand : {"ate", "att", "overlap"}
    pilot : ndarray, shape (k,)
        About the effects: what is added up is measured from here, so that no digits are lost.
    level : float
        About the outcome.
    margin : float
    """

    def __init__(self, arms: int, estimand: str, pilot: FloatArray, level: float, margin: float) -> None:
        self.arms, self.estimand, self.pilot, self.level, self.margin = arms, estimand, pilot, level, margin
        self.k = arms - 1
        self._width = 3 + 4 * self.k + 2 * arms
        self.products = np.zeros((arms, self._width, self._width))
        self.by_arm = np.zeros((arms, self._width))
        self.sizes = np.zeros(arms, dtype=np.int64)
        self.expected, self.together = np.zeros(arms), np.zeros((arms, arms))
        self.weight, self.weight2, self.odds = np.zeros(arms), np.zeros(arms), np.zeros((self.k, 2))
        self.rare, self.rare_control = np.zeros((), dtype=np.int64), np.zeros(arms)
        self.low, self.high = np.full(arms, np.inf), np.full(arms, -np.inf)

    def add(self, y: FloatArray, arm: IntArray, e: FloatArray, mu: FloatArray, cost: FloatArray) -> None:
        """More rows; `e` are the chances among all rows, `mu` predictions by models that have not seen the row.

        Parameters
        ----------
        y, arm : ndarray, shape (n,)
        e, mu : ndarray, shape (n, k + 1)
        cost : ndarray, shape (n, k)
        """
        n, k = len(y), self.k
        v = np.empty((n, self._width))
        psi = scores(y, arm, e, mu)
        h = overlap_weight(e)
        v[:, 0], v[:, 1] = 1.0, y - self.level
        for a in range(1, k + 1):
            gain, weight = psi[:, a] - psi[:, 0], np.ones(n)
            if self.estimand == "att":
                weight = (arm == a).astype(float)
                gain = (weight - (arm == 0) * (e[:, a] / e[:, 0])) * (y - mu[:, 0])
            elif self.estimand == "overlap":
                weight, gain = h, h * gain
            v[:, self._at("gain", a)] = gain - weight * self.pilot[a - 1]
            v[:, self._at("weight", a)] = weight
            v[:, self._at("cost", a)] = weight * cost[:, a - 1]
            v[:, self._at("paid", a)] = cost[:, a - 1]
        for a in range(self.arms):
            v[:, self._at("level", a)] = psi[:, a] - self.level
            v[:, self._at("overlap", a)] = h * (psi[:, a] - self.level)
        v[:, -1] = h
        for a in range(self.arms):
            own = v[arm == a]
            self.products[a] += own.T @ own
            self.by_arm[a] += own.sum(axis=0)
        self._of_chances(arm, e, h)

    def to_bytes(self) -> bytes:
        """The sums, to be added to others elsewhere."""
        file = io.BytesIO()
        np.savez(file, **{name: getattr(self, name) for name in _ADDED})
        return file.getvalue()

    def merge(self, content: bytes) -> None:
        """Add what `to_bytes` made of sums about the same effects and outcome."""
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            for name in _ADDED:
                how = {"low": np.minimum, "high": np.maximum}.get(name, np.add)
                setattr(self, name, how(getattr(self, name), found[name]))

    def _of_chances(self, arm: IntArray, e: FloatArray, h: FloatArray) -> None:
        """What the audit asks of the chances."""
        self.sizes += np.bincount(arm, minlength=self.arms)
        self.expected += e.sum(axis=0)
        self.together += e.T @ e
        weight = (h if self.estimand == "overlap" else 1.0) / e[np.arange(len(arm)), arm]
        self.weight += np.bincount(arm, weight, self.arms)
        self.weight2 += np.bincount(arm, weight**2, self.arms)
        odds = (e[:, 1:] / e[:, :1])[arm == 0]
        self.odds += np.column_stack([odds.sum(axis=0), (odds**2).sum(axis=0)])
        self.rare += (e.min(axis=1) < RARE).sum()
        self.rare_control += np.bincount(arm, e[:, 0] < RARE, self.arms)
        self.low, self.high = np.minimum(self.low, e.min(axis=0)), np.maximum(self.high, e.max(axis=0))

    def _at(self, what: str, a: int) -> int:
        """Column of a quantity of arm `a`."""
        k = self.k
        if what in ("level", "overlap"):
            return 2 + 4 * k + a + (self.arms if what == "overlap" else 0)
        return 2 + ("gain", "weight", "cost", "paid").index(what) * k + a - 1

    @property
    def total(self) -> FloatArray:
        """Sums of all columns over all rows."""
        return np.asarray(self.by_arm.sum(axis=0))

    @property
    def n(self) -> int:
        """Rows added."""
        return int(self.sizes.sum())

    @property
    def alike(self) -> bool:
        """Whether all rows have the same chances."""
        return float((self.high - self.low).max()) < 1e-12

    @property
    def paid(self) -> FloatArray:
        """Mean cost of every arm but the control, over all rows."""
        return np.asarray([self.total[self._at("paid", a)] for a in range(1, self.arms)]) / self.n

    def effects(self) -> Found:
        """As `aipw.averages` and `aipw.mean_outcomes`."""
        return self._ratio("gain", "weight", self._levels())

    def mean_gain(self) -> FloatArray:
        """Average effect of every arm on all rows, whatever the estimand."""
        levels = self.total[self._at("level", 0) : self._at("level", self.k) + 1]
        return np.asarray(levels[1:] - levels[0]) / self.n

    def overlap(self) -> Found:
        """The same weighted by overlap; chances count as known."""
        over = self.total[-1]
        levels = np.array([self.total[self._at("overlap", a)] for a in range(self.arms)]) / over
        estimate, rows = levels[1:] - levels[0], np.zeros((self.k, self._width))
        for a in range(1, self.arms):
            rows[a - 1, self._at("overlap", a)], rows[a - 1, self._at("overlap", 0)] = 1 / over, -1 / over
            rows[a - 1, -1] = -estimate[a - 1] / over
        return self._found(estimate, self.level + levels, rows)

    def net(self) -> Found:
        """Net value of every arm, margin x effect - cost."""
        return self._ratio("gain", "weight", np.full(self.arms, np.nan), net=True)

    def plain(self) -> Found:
        """Differences of means, with Welch's standard errors."""
        apart = self.by_arm[:, 1] / self.sizes
        rows = np.zeros((self.arms, self.k, self._width))
        for a in range(1, self.arms):
            for b, sign in ((a, 1.0), (0, -1.0)):
                rows[b, a - 1, 1] = sign / self.sizes[b]
                rows[b, a - 1, 0] = -sign * apart[b] / self.sizes[b]
        return self._found(apart[1:] - apart[0], self.level + apart, rows)

    def joint(self, blocks: list[Found]) -> FloatArray:
        """Covariance of all estimates of the blocks, in their order."""
        rows = np.concatenate([b.rows for b in blocks], axis=1)
        return np.asarray((self._squares(rows) * self._trust.factor[:, None, None]).sum(axis=0))

    def _levels(self) -> FloatArray:
        if self.estimand == "att":
            return np.asarray(self.level + self.by_arm[:, 1] / self.sizes)
        what, over = ("overlap", self.total[-1]) if self.estimand == "overlap" else ("level", self.total[0])
        return np.array([self.level + self.total[self._at(what, a)] / over for a in range(self.arms)])

    def _ratio(self, gain: str, weight: str, levels: FloatArray, net: bool = False) -> Found:
        rows, estimate = np.zeros((self.k, self._width)), np.empty(self.k)
        for a in range(1, self.arms):
            over = self.total[self._at(weight, a)]
            row = np.zeros(self._width)
            row[self._at(gain, a)] = self.margin if net else 1.0
            if net:
                row[self._at("cost", a)] = -1.0
            apart = float(row @ self.total) / over
            row[self._at(weight, a)] = -apart
            rows[a - 1] = row / over
            estimate[a - 1] = (self.margin if net else 1.0) * self.pilot[a - 1] + apart
        return self._found(estimate, levels, rows)

    @property
    def _trust(self) -> Trust:
        return equal(self.sizes.astype(float))

    def _squares(self, rows: FloatArray) -> FloatArray:
        """Products of influences added up by arm, shape (arms, terms, terms)."""
        return np.asarray(rows @ self.products @ rows.transpose(0, 2, 1))

    def _found(self, estimate: FloatArray, levels: FloatArray, rows: FloatArray) -> Found:
        if rows.ndim == 2:
            rows = np.broadcast_to(rows, (self.arms, *rows.shape))
        by_arm = self._squares(rows)
        cov = np.asarray((by_arm * self._trust.factor[:, None, None]).sum(axis=0))
        variance = np.diagonal(by_arm, axis1=1, axis2=2).T.copy()
        spread: Spread = welch(variance, self._trust, given=np.diag(cov).copy())
        return Found(Averages(np.asarray(estimate), cov, spread, np.empty((0, self.k))), levels, rows)
