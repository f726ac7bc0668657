"""The results of `gmvcausal.efficiency`: scores of units on one frontier, and changes from period to period."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.params import one_of
from gmvcausal.mechanism.frontier.malmquist import Changes
from gmvcausal.mechanism.frontier.read import Amounts
from gmvcausal.mechanism.frontier.scores import NEAR, Scores
from gmvcausal.mechanism.frontier.second_stage import SecondStage
from gmvcausal.results import Audit, Result
from gmvcausal.results.curves import Curves, Line

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

NO_EFFECT = (
    "this describes units as they are and is no causal effect: whatever was not listed as an input (city, season, "
    "audience, luck) counts as efficiency or as the lack of it"
)


@dataclass(frozen=True, repr=False, eq=False)
class Efficiency(Result):
    """How near every unit comes to the best practice among all.

    Rows of `to_frame()`: the mean over all units, then one for each unit. ``estimate`` is the score less its estimated
    bias where there was a bootstrap, else the score. Further columns: ``score`` (as solved), ``bias``, ``efficient``
    (``"strong"``, ``"weak"``: with slack, ``"no"``), ``scale_efficiency``, ``returns_to_scale``, ``super_efficiency``
    (against the others alone), ``influence`` (by how much the mean score of the others rises without it), ``peers``.

    Attributes
    ----------
    checks : Audit
    amounts : Amounts
    scores : Scores
    influence : ndarray, shape (n,)
    columns : tuple of str
        Inputs, then outputs.
    overlap : float
        Share of the pairs of units whose intervals overlap; NaN without intervals.
    second_stage : SecondStage or None
        What goes with inefficiency (`covariates=`).
    """

    checks: Audit
    amounts: Amounts
    scores: Scores
    influence: FloatArray
    columns: tuple[str, ...]
    overlap: float
    second_stage: SecondStage | None = None

    most_printed = 41

    @property
    def audit(self) -> Audit:
        """The checks on columns, on the frontier and on the intervals."""
        return self.checks

    @property
    def _output(self) -> bool:
        return bool(self.manifest.options["orientation"] == "output")

    @property
    def described(self) -> tuple[str, ...]:
        """The mean score in words, how far a ranking goes, and that none of it is an effect."""
        mean, n = float(self.scores.score.mean()), len(self.scores.score)
        best, weak = int((self.scores.score >= 1).sum()), int((self.scores.efficient == "weak").sum())
        what = (
            f"the {n:,} units reach {mean:.0%} of the outputs that the best of them get from their inputs"
            if self._output
            else f"the best of the {n:,} units would need {mean:.0%} of the inputs for the same outputs"
        )
        drawn = math.isfinite(self.overlap)
        corrected = f", {self.estimate:.0%} with what a frontier of so many units misses taken off" if drawn else ""
        slack = f", {weak:,} of them with slack left" if weak else ""
        ranks = (
            f"the intervals of {self.overlap:.0%} of all pairs of units overlap, and units whose intervals overlap "
            "must not be ranked"
            if drawn
            else "without intervals the scores must not be ranked"
        )
        second = self.second_stage
        more = [] if second is None else [f"second stage (result.second_stage): {second.described[0]}"]
        return f"on average {what}{corrected}", f"{best:,} of {n:,} have a score of 1{slack}", ranks, *more, NO_EFFECT

    def _names(self) -> list[str]:
        return [self.amounts.labels[i] for i in self.amounts.unit]

    def _extra_columns(self) -> dict[str, Any]:
        s, nan = self.scores, [math.nan]
        names = self._names()
        leaning = [
            ", ".join(names[j] for j in np.argsort(-w, kind="stable") if w[j] > NEAR) for w in self._peer_weights()
        ]
        return {
            "score": [float(s.score.mean()), *s.score],
            "bias": [float(s.score.mean()) - self.estimate, *(s.score - self.estimates.estimate[1:])],
            "efficient": ["", *s.efficient],
            "scale_efficiency": [float(s.scale.mean()), *s.scale],
            "returns_to_scale": ["", *s.returns],
            "super_efficiency": [*nan, *s.beyond],
            "influence": [*nan, *self.influence],
            "peers": ["", *leaning],
        }

    def _peer_weights(self) -> FloatArray:
        return np.where(self.scores.weights > NEAR * self.scores.weights.max(axis=1, keepdims=True),
                        self.scores.weights, 0.0)  # fmt: skip

    def peers(self) -> pd.DataFrame:
        """Whom each unit is compared with: unit, peer, weight, largest first; a unit of score 1 is its own peer."""
        import pandas as pd

        names, weights = self._names(), self._peer_weights()
        rows = [
            (names[i], names[j], w[j]) for i, w in enumerate(weights) for j in np.argsort(-w, kind="stable") if w[j] > 0
        ]
        return pd.DataFrame(rows, columns=["unit", "peer", "weight"])

    def targets(self) -> pd.DataFrame:
        """What each unit would show on the frontier, column by column.

        Returns
        -------
        DataFrame
            unit, column, role, amount, target, radial (the change that the score asks for), slack (what is left beyond
            it: too much of an input, too little of an output). target = amount + radial - slack for inputs, + slack for
            outputs. The sum of slacks, each as a share of the unit's own amount, is the largest there is.
        """
        import pandas as pd

        m = self.amounts.x.shape[1]
        amount = np.column_stack([self.amounts.x, self.amounts.y])
        n, q = amount.shape
        sign = np.where(np.arange(q) < m, -1.0, 1.0)
        s = self.scores
        return pd.DataFrame({
            "unit": np.repeat(self._names(), q), "column": np.tile(self.columns, n),
            "role": np.tile(np.where(np.arange(q) < m, "input", "output"), n), "amount": amount.ravel(),
            "target": s.target.ravel(), "radial": (s.target - amount - sign * s.slack).ravel(),
            "slack": s.slack.ravel(),
        })  # fmt: skip

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """``"scores"``; with one input and one output also ``"frontier"``."""
        return ("scores", "frontier") if len(self.columns) == 2 else ("scores",)

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        if one_of("kind", kind, self.curve_kinds) == "frontier":
            return self._frontier()
        low, high = self.estimates.interval(1 - self.alpha)
        order = np.argsort(-self.scores.score, kind="stable")
        names, at = self._names(), np.arange(len(order), dtype=float)
        score = Line("score", at, self.scores.score[order], "points")
        drawn = math.isfinite(self.overlap)
        level = f"{100 * (1 - self.alpha):g}% interval"
        corrected = Line(
            f"less its bias, {level}", at, self.estimates.estimate[1:][order], "points", low[1:][order], high[1:][order]
        )
        return Curves(
            "Efficiency of each unit", "unit", "score", (score, corrected) if drawn else (score,),
            ticks=tuple(names[i] for i in order),
        )  # fmt: skip

    def _frontier(self) -> Curves:
        x, y = self.amounts.x[:, 0], self.amounts.y[:, 0]
        if self.manifest.options["returns"] == "constant":
            line_x = np.array([0.0, x.max()])
            line_y = line_x * (y / x).max()
        else:
            on = np.flatnonzero(self.scores.efficient == "strong")
            on = on[np.argsort(x[on], kind="stable")]
            line_x = np.concatenate([x[on[:1]], x[on], [x.max()]])
            line_y = np.concatenate([[0.0], y[on], y[on[-1:]]])
        return Curves(
            "Units and their frontier", self.columns[0], self.columns[1],
            (Line("units", x, y, "points"), Line("frontier", line_x, line_y)),
        )  # fmt: skip


@dataclass(frozen=True, repr=False, eq=False)
class Malmquist(Result):
    """Productivity from period to period: geometric means of Malmquist indices and of their two parts.

    Rows of `to_frame()`: ``productivity``, ``catching up`` (efficiency change), ``frontier`` (technical change) over
    all units and periods, then the same for each pair of periods; productivity = catching up x frontier in each.

    Attributes
    ----------
    checks : Audit
    amounts : Amounts
    found : Changes
    """

    checks: Audit
    amounts: Amounts
    found: Changes

    most_printed = 41

    @property
    def audit(self) -> Audit:
        """The checks on columns and on the indices."""
        return self.checks

    @property
    def described(self) -> tuple[str, ...]:
        """The mean change in words, and that it is no effect."""
        total, near, best = (100 * (float(v) - 1) for v in self.estimates.estimate[:3])
        return (
            f"from one period to the next units get {total:+.1f}% out of the same inputs, on average",
            f"of that {near:+.1f}% is catching up with the best, and {best:+.1f}% is the best moving on",
            NO_EFFECT,
        )

    def changes(self) -> pd.DataFrame:
        """Unit by unit: unit, from, to, productivity, catching_up, frontier; NaN where a programme has no solution."""
        import pandas as pd

        f, periods = self.found, np.array(self.amounts.periods)
        return pd.DataFrame({
            "unit": [self.amounts.labels[i] for i in f.unit], "from": periods[f.first], "to": periods[f.first + 1],
            "productivity": f.index, "catching_up": f.catching_up, "frontier": f.frontier,
        })  # fmt: skip

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """``"changes"``: the three indices, period by period, chained to the first."""
        return ("changes",)

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        one_of("kind", kind, self.curve_kinds)
        steps = self.estimates.estimate[3:].reshape(-1, 3)
        chained = np.vstack([np.ones(3), np.cumprod(steps, axis=0)])
        at = np.arange(len(chained), dtype=float)
        lines = tuple(Line(name, at, chained[:, k], style) for k, (name, style) in enumerate(
            (("productivity", "line"), ("catching up", "dashed"), ("frontier", "dotted"))))  # fmt: skip
        return Curves("Productivity since the first period", "period", "index", lines, ticks=self.amounts.periods)
