"""Wild cluster bootstrap: clusters keep their residuals and change sign, and the t statistic is formed anew each time.

For a regression the null is imposed before residuals are taken (Cameron, Gelbach and Miller 2008), which needs no
second look at the rows: everything that a draw changes is linear in cluster sums, and linear in the value under test,
so one pass gives the test of every value and the interval by inversion. For an estimate known by its influence the
scores are redrawn (Kline and Santos 2012), each group's mean taken off again as the estimator would.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Limits = Callable[[float], tuple[float, float]]
DRAWS = 9_999
WEBB_BELOW = 12  # clusters: two-point draws then give too few different statistics
_WEBB = np.array([-math.sqrt(1.5), -1.0, -math.sqrt(0.5), math.sqrt(0.5), 1.0, math.sqrt(1.5)])
_TIE = 1e-9
_NUMBERS = 4_000_000


@dataclass(frozen=True, eq=False)
class Draws:
    """Multipliers of the clusters.

    Attributes
    ----------
    weight : ndarray, shape (B, G)
    exact : bool
        Whether these are all that there are, the data as they came among them.
    name : {"Rademacher", "Webb"}
    """

    weight: FloatArray
    exact: bool
    name: str

    def p_value(self, reached: FloatArray) -> FloatArray:
        """p-values from how many draws reach the statistic; drawn ones count the data as they came beside them."""
        b = len(self.weight)
        return np.asarray(reached / b if self.exact else (1.0 + reached) / (b + 1.0), dtype=float)

    def critical(self, statistic: FloatArray, level: float) -> float:
        """The value that |t| must exceed for a p-value of at most ``1 - level``; infinite where none does."""
        b, alpha = len(self.weight), 1.0 - level
        most = math.floor(alpha * b + 1e-9) if self.exact else math.floor(alpha * (b + 1) + 1e-9) - 1
        ordered = np.sort(statistic)[::-1]
        return float(ordered[most]) if 0 <= most < b else math.inf


def multipliers(clusters: int, seed: int, draws: int = DRAWS, kind: str | None = None) -> Draws:
    """Rademacher signs, or Webb's six points where there are fewer than 12 clusters; all of them where they are few.

    Parameters
    ----------
    clusters, seed, draws : int
    kind : {"Rademacher", "Webb"}, optional

    References
    ----------
    Webb (2023), Canadian Journal of Economics 56.

    Examples
    --------
    >>> made = multipliers(3, 0, kind="Rademacher")
    >>> made.weight.shape, made.exact
    ((8, 3), True)
    """
    kind = kind or ("Webb" if clusters < WEBB_BELOW else "Rademacher")
    points = _WEBB if kind == "Webb" else np.array([-1.0, 1.0])
    if clusters * math.log(len(points)) <= math.log(draws):
        every = np.array(list(itertools.product(points, repeat=clusters)))
        return Draws(every, True, kind)
    rng = np.random.default_rng(seed)
    return Draws(points[rng.integers(0, len(points), (draws, clusters))], False, kind)


@dataclass(frozen=True, eq=False)
class Regression:
    """Cluster sums of one coefficient, after row and column effects were taken out.

    Attributes
    ----------
    product, square : ndarray, shape (G,)
        x'Wy and x'Wx of every cluster.
    x, y : ndarray, shape (G, K)
        Weighted sums of the residuals of regressor and outcome in every column (of every block).
    inverse : ndarray, shape (K, K)
        From such sums to column effects.
    """

    product: FloatArray
    square: FloatArray
    x: FloatArray
    y: FloatArray
    inverse: FloatArray

    @property
    def estimate(self) -> float:
        """The coefficient."""
        return float(self.product.sum() / self.square.sum())

    @property
    def std_error(self) -> float:
        """Its clustered standard error, without small-sample factor (which cancels in a bootstrap of t)."""
        score = self.product - self.estimate * self.square
        return float(np.sqrt((score**2).sum()) / self.square.sum())


@dataclass(frozen=True, eq=False)
class Restricted:
    """The wild bootstrap of a coefficient with the null imposed, for every null at once.

    t*(b) = (n0 - b n1) / sqrt(q0 - 2 b q1 + b^2 q2), one n and q for each draw.
    """

    estimate: float
    std_error: float
    draws: Draws
    n: FloatArray
    q: FloatArray

    def p_value(self, null: float = 0.0) -> float:
        """Symmetric p-value of the coefficient being `null`."""
        top = np.abs(self.n[0] - null * self.n[1])
        below = np.maximum(self.q[0] - 2 * null * self.q[1] + null**2 * self.q[2], 0.0)
        t = abs(self.estimate - null) / self.std_error * (1 - _TIE)
        return float(self.draws.p_value(np.asarray(np.count_nonzero(top >= t * np.sqrt(below)), dtype=float)))

    def limits(self, level: float) -> tuple[float, float]:
        """The coefficients around the estimate that are not rejected; infinite where nothing is."""
        alpha = 1 - level
        return self._end(-1.0, alpha), self._end(1.0, alpha)

    def _end(self, side: float, alpha: float) -> float:
        # The test is as good as its digits allow far from the estimate, where t* depends on the null no more.
        step, inside = self.std_error, 0.0
        while self.p_value(self.estimate + side * step) > alpha + 1e-12:
            inside, step = step, 2 * step
            if step > 1e9 * self.std_error:
                return side * math.inf
        outside = step
        while outside - inside > 1e-10 * outside:
            middle = (inside + outside) / 2
            if self.p_value(self.estimate + side * middle) > alpha + 1e-12:
                inside = middle
            else:
                outside = middle
        return self.estimate + side * outside


def restricted(regression: Regression, draws: Draws) -> Restricted:
    """Wild cluster bootstrap of a regression coefficient with the null imposed.

    Parameters
    ----------
    regression : Regression
    draws : Draws
        One multiplier for each cluster.

    References
    ----------
    Cameron, Gelbach and Miller (2008), Review of Economics and Statistics 90; MacKinnon and Webb (2018), Econometrics
    Journal 21; Roodman, Nielsen, MacKinnon and Webb (2019), Stata Journal 19.
    """
    r = regression
    back = r.inverse @ r.x.T
    total = r.square.sum()
    n, q = np.empty((2, len(draws.weight))), np.empty((3, len(draws.weight)))
    step = max(1, _NUMBERS // len(r.product))
    for low in range(0, len(draws.weight), step):
        v, here = draws.weight[low : low + step], slice(low, low + step)
        scores = []
        for k, (own, columns) in enumerate(((r.product, r.y), (r.square, r.x))):
            n[k, here] = v @ own
            scores.append(v * own - (v @ columns) @ back - np.outer(n[k, here] / total, r.square))
        for k, (a, b) in enumerate(((0, 0), (0, 1), (1, 1))):
            q[k, here] = np.einsum("bg,bg->b", scores[a], scores[b])
    return Restricted(r.estimate, r.std_error, draws, n, q)


@dataclass(frozen=True, eq=False)
class Scores:
    """The wild bootstrap of estimates known by their influence.

    Attributes
    ----------
    estimate, std_error : ndarray, shape (k,)
    draws : Draws
    statistic : ndarray, shape (B, k)
        |t*|.
    """

    estimate: FloatArray
    std_error: FloatArray
    draws: Draws
    statistic: FloatArray

    def p_value(self, term: int) -> float:
        """Symmetric p-value of one estimate being zero."""
        t = abs(self.estimate[term]) / self.std_error[term] * (1 - _TIE)
        reached = np.asarray(np.count_nonzero(self.statistic[:, term] >= t), dtype=float)
        return float(self.draws.p_value(reached))

    def limits(self, term: int) -> Limits:
        """From a level to the interval of one estimate."""

        def at(level: float) -> tuple[float, float]:
            half = self.draws.critical(self.statistic[:, term], level) * float(self.std_error[term])
            return float(self.estimate[term]) - half, float(self.estimate[term]) + half

        return at


def scores(estimate: FloatArray, influence: FloatArray, group: IntArray, size: FloatArray, draws: Draws) -> Scores:
    """Wild bootstrap-t of estimates from the influence of clusters.

    Each draw takes the mean of every group off again, as the estimator would: without this the variance is the same in
    every draw, and a bootstrap of t is none.

    Parameters
    ----------
    estimate : ndarray, shape (k,)
    influence : ndarray, shape (G, k)
        Of every cluster; sums of squares give the variances.
    group : ndarray of int, shape (G,)
        Cohort, or untreated, of every cluster.
    size : ndarray, shape (G,)
        Units, or weight, of every cluster.
    draws : Draws

    References
    ----------
    Kline and Santos (2012), Journal of Econometric Methods 1.
    """
    n_groups = int(group.max()) + 1
    share = size / np.bincount(group, size, minlength=n_groups)[group]
    statistic = np.empty((len(draws.weight), len(estimate)))
    member = np.zeros((len(group), n_groups))
    member[np.arange(len(group)), group] = 1.0
    step = max(1, _NUMBERS // len(group))
    for term in range(len(estimate)):
        psi = influence[:, term]
        for low in range(0, len(draws.weight), step):
            v = draws.weight[low : low + step] * psi
            by_group = v @ member
            within = v - by_group[:, group] * share
            with np.errstate(divide="ignore", invalid="ignore"):
                t = np.abs(by_group.sum(axis=1)) / np.sqrt(np.einsum("bg,bg->b", within, within))
            statistic[low : low + step, term] = np.where(np.isnan(t), 0.0, t)
    return Scores(estimate, np.sqrt((influence**2).sum(axis=0)), draws, statistic)
