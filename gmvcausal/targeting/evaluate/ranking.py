"""The ranking of users for one arm, held against what happened: areas, curves, bins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.targeting.evaluate import areas as at
from gmvcausal.targeting.evaluate.groups import inside, places
from gmvcausal.targeting.evaluate.metric import Metric
from gmvcausal.targeting.evaluate.poisson import replicates
from gmvcausal.targeting.evaluate.ranked import BLOCK, FloatArray, IntArray, Ranked, Side, rank
from gmvcausal.targeting.evaluate.scores import Spreading, heavy, spread, too_few
from gmvcausal.targeting.evaluate.small import grid

if TYPE_CHECKING:
    import pandas as pd

NAMES: Mapping[str, str] = {
    "qini": "area between gain(s) and s x ATE over the share s treated in the order of the score",
    "auuc": "area under gain(s) = s x (treated - control mean among the top s)",
    "autoc": "area under (treated - control mean among the top s) - ATE",
    "ate": "treated - control mean of all",
}


@dataclass(frozen=True, eq=False)
class Ranking:
    """A score for one arm, and what users of that arm and of the control did.

    Attributes
    ----------
    label : str
        The arm.
    score : ndarray, shape (n,)
    y : ndarray, shape (n,)
    treated, control : ndarray, shape (n,)
        Inverse propensity for users of this arm and of the control, 0 for others.
    chance : ndarray, shape (n, 2)
        Of the control and of this arm.
    mu : ndarray, shape (n, 2), optional
        Expected outcome under the control and under this arm.
    cost : ndarray, shape (n,)
        What treating each user costs.
    margin : float
    cluster : ndarray of int, shape (n,), optional
    unit : str
        Of the outcome.
    draws, seed : int
        Replicates of the Poisson bootstrap; 0: intervals from influences.
    people : bool
        Whether rows are people, of whom no group of fewer than ten is shown.
    """

    label: str
    score: FloatArray
    y: FloatArray
    treated: FloatArray
    control: FloatArray
    chance: FloatArray
    mu: FloatArray | None
    cost: FloatArray
    margin: float
    cluster: IntArray | None
    unit: str
    draws: int
    seed: int
    people: bool = False

    @cached_property
    def gamma(self) -> FloatArray:
        """Doubly robust score of the effect on every user; with the means of the arms where nothing is expected."""
        out = np.zeros(self.n)
        for sign, weight, column in ((-1, self.control, 0), (1, self.treated, 1)):
            mean = np.broadcast_to(weight @ self.y / weight.sum(), self.n) if self.mu is None else self.mu[:, column]
            for first in range(0, self.n, BLOCK):
                here = slice(first, first + BLOCK)
                out[here] += sign * (mean[here] + weight[here] * (self.y[here] - mean[here]))
        return out

    @property
    def n(self) -> int:
        """Users."""
        return len(self.y)

    @property
    def side(self) -> IntArray:
        """Control 0, this arm 1, other arms 2."""
        return self.sides_of(slice(None))

    def sides_of(self, at: IntArray | slice) -> IntArray:
        """`side` of some of the rows."""
        return np.where(self.treated[at] > 0, 1, np.where(self.control[at] > 0, 0, 2)).astype(np.int64)

    def sides(self, robust: bool) -> list[Side]:
        """The means that are followed down the ranking: two of the arms, or one of the doubly robust scores."""
        if robust:
            return [Side(1, np.ones(self.n), self.gamma)]
        value = self.y - self._centre()
        return [Side(1, self.treated, value), Side(-1, self.control, value)]

    def _centre(self) -> float:
        # What all outcomes have in common cancels in the difference; without it no digits are lost to it.
        weight = self.treated + self.control
        return float(weight @ self.y / weight.sum())

    def metrics(self, robust: bool = False) -> dict[str, Metric]:
        """Qini, AUUC, AUTOC and the average effect, by differences of means or doubly robust."""
        sides = self.sides(robust)
        ranked = rank(self.score, sides, canonical=self.draws > 0)
        signs = tuple(s.sign for s in sides)
        found = at.areas_of(ranked)
        start = ranked.coarse()
        cluster = None if self.cluster is None else self.cluster[ranked.at()]
        drawn: at.Areas | None = None
        errors: dict[str, float] = {}
        df = dict.fromkeys(NAMES, np.inf)
        few = too_few(self.cluster, self.side)
        if self.draws and not few:
            drawn = _of_replicates(ranked, start, signs, self.draws, self.seed, cluster)
        else:
            gradient = at.gradients(ranked.steps(start), signs)
            cov, found_df = self._spread(ranked, start, gradient, cluster)
            errors = dict(zip(NAMES, np.sqrt(np.diag(cov)).tolist(), strict=True))
            df = dict(zip(NAMES, found_df.tolist(), strict=True))
        out = {}
        for name, words in NAMES.items():
            estimate = float(getattr(found, name))
            draws = None if drawn is None else np.asarray(getattr(drawn, name))
            error = errors[name] if draws is None else float(draws.std(ddof=1))
            how = "doubly robust" if robust else "differences of means"
            out[name] = Metric(
                name, f"{words}, {how}", f"{self.unit} per user", estimate, error, self.n, draws, df[name]
            )
        return out

    def _spread(
        self, ranked: Ranked, start: IntArray, gradient: Mapping[str, FloatArray], cluster: IntArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Covariance and degrees of freedom of the areas; without clusters users are looked at block by block."""

        def of(first: int, stop: int | None) -> tuple[FloatArray, FloatArray]:
            each = [at.influence(ranked, start, gradient[name], first, stop) for name in NAMES]
            weight = [at.reach(ranked, start, gradient[name], first, stop) for name in NAMES]
            return np.column_stack(each), np.column_stack(weight)

        if cluster is not None:
            each, weight = of(0, None)
            return spread(each, cluster, self.sides_of(ranked.at()), weight)
        added = Spreading(len(NAMES), 3)
        for first, stop in ranked.blocks():
            each, weight = of(first, stop)
            side = self.sides_of(ranked.at(first, stop))
            added.add(each, np.where(weight > 0, side[:, None], -1), weight)
        return added.found()

    def tail(self, robust: bool = False) -> tuple[str, ...]:
        """A note where few buyers decide one of the numbers of `metrics`, so that intervals miss more than they say."""
        if self.cluster is not None:
            return ()
        sides = self.sides(robust)
        ranked = rank(self.score, sides)
        start = ranked.coarse()
        gradient = at.gradients(ranked.steps(start), tuple(s.sign for s in sides))
        side, y = self.sides_of(ranked.at()), self.y[ranked.at()]
        found = (heavy(at.influence(ranked, start, gradient[name]), side, y) for name in ("auuc", "ate"))
        return next((note for note in found if note), ())

    # --- curves -------------------------------------------------------------------------------------------------------
    def curve(self, robust: bool, points: int = 50, level: float = 0.95) -> pd.DataFrame:
        """Gain, TOC and cost over the share treated, with pointwise intervals of the first two.

        The interval allows for the place of the cut being estimated: users at the cut matter by how far the effect
        there (over a window of 5 % of the users) lies from that of the top.
        """
        import pandas as pd

        from gmvcausal.stats.inference import critical_values

        sides = self.sides(robust)
        ranked = rank(self.score, sides)
        steps = ranked.steps()
        place = places(ranked, steps)
        spent = np.concatenate([[0.0], np.add.reduceat(self.cost[ranked.at()], ranked.start).cumsum()]) / self.n
        ends = np.concatenate([[0.0], steps[0].cumsum()]) / self.n
        cluster = None if self.cluster is None else self.cluster[ranked.at()]
        whole, side = self._gain_at(ranked, steps, ends, place, 1.0), self.sides_of(ranked.at())
        rows, wide = [], []
        for s in grid(self, ranked, points):
            gain, influence = self._gain_at(ranked, steps, ends, place, s)
            toc = gain / s - whole[0]
            weight = inside(place, ends, s)
            cov, df = spread(np.column_stack([influence, influence / s - whole[1]]), cluster, side, weight)
            errors = np.sqrt(np.diag(cov))
            wide.append(critical_values(level, df) * errors)
            rows.append((s, gain, errors[0], toc, errors[1], s * whole[0], np.interp(s, ends, spent)))
        out = pd.DataFrame(rows, columns=["share", "gain", "gain_se", "toc", "toc_se", "by_lot", "cost"])
        for name, half in zip(("gain", "toc"), np.array(wide).T, strict=True):
            out[f"{name}_low"], out[f"{name}_high"] = out[name] - half, out[name] + half
        return out

    def _gain_at(
        self, ranked: Ranked, steps: FloatArray, ends: FloatArray, place: IntArray, s: float
    ) -> tuple[float, FloatArray]:
        part = inside(place, ends, s)
        gain, influence = 0.0, np.zeros(self.n)
        for i, side in enumerate(ranked.sides):
            n = np.concatenate([[0.0], steps[1 + 2 * i].cumsum()])
            a = np.concatenate([[0.0], steps[2 + 2 * i].cumsum()])
            count, total = np.interp(s, ends, n), np.interp(s, ends, a)
            if count <= 0:
                return 0.0, np.zeros(self.n)
            mean = total / count
            near = np.clip([s - 0.025, s + 0.025], 0, 1)
            many = np.diff(np.interp(near, ends, n))[0]
            there = np.diff(np.interp(near, ends, a))[0] / many if many > 0 and s < 1 else mean
            influence += side.sign * s / count * side.weight * part * (side.value - mean)
            influence += side.sign * (there - mean) * (s - part) / self.n
            gain += side.sign * s * mean
        return gain, influence

    # --- calibration --------------------------------------------------------------------------------------------------
    def slope(self) -> Metric:
        """Slope of the estimated on the predicted effects: 1 where predictions are right, 0 where they are noise."""
        apart = self.score - self.score.mean()
        square = float(apart @ apart)
        if square <= 0:
            raise DesignError(
                "all users have the same score, so that it cannot be calibrated",
                remedy="use a score that tells users apart",
            )
        slope = float(apart @ self.gamma) / square
        middle = self.gamma.mean()
        added = Spreading(1, 3)
        each = np.empty(self.n if self.cluster is not None else 0)
        for first in range(0, self.n, BLOCK):
            here = slice(first, first + BLOCK)
            own = apart[here] * (self.gamma[here] - middle - slope * apart[here]) / square
            if self.cluster is not None:
                each[here] = own
                continue
            part, side = np.abs(apart[here]), self.sides_of(here)
            added.add(own[:, None], np.where(part > 0, side, -1)[:, None], part[:, None])
        cov, df = added.found()
        if self.cluster is not None:
            cov, df = spread(each[:, None], self.cluster, self.side, np.abs(apart))
        error = float(np.sqrt(cov[0, 0]))
        words = "slope of doubly robust scores on predicted effects"
        return Metric("calibration_slope", words, f"{self.unit} per {self.unit}", slope, error, self.n, df=float(df[0]))


def _of_replicates(
    ranked: Ranked, start: IntArray, signs: tuple[int, ...], draws: int, seed: int, cluster: IntArray | None
) -> at.Areas:
    with np.errstate(divide="ignore", invalid="ignore"):
        out = at.areas(replicates(ranked, start, draws, seed, cluster), signs)
    lost = ~np.isfinite(out.qini)
    if lost.any():
        raise DesignError(
            "bootstrap replicates without users of one arm, or without users at all",
            count=int(lost.sum()),
            remedy="evaluate on more users, or by intervals='multiplier'",
        )
    return out
