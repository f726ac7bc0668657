"""Outcome and mediators as regressions, and every natural effect as a function of their slopes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.pathways.along import Along
from gmvcausal.mechanism.pathways.contrasts import states, weights
from gmvcausal.mechanism.pathways.equations import Equation, mean_of
from gmvcausal.mechanism.pathways.rows import Rows

FloatArray = NDArray[np.float64]
AnyArray = NDArray[Any]

OUTCOMES = ("linear", "logit", "poisson", "hurdle")
MEDIATORS = ("linear", "logit")
_STEP = 1e-30  # of complex differentiation, which has no rounding to balance
_CHUNK = 50_000


@dataclass(frozen=True)
class Model:
    """Which regressions are fitted.

    Attributes
    ----------
    outcome : {"linear", "logit", "poisson", "hurdle"}
    mediators : tuple of {"linear", "logit"}
    crossed : tuple of int
        The mediators whose slopes differ between the arms.
    ordered : bool
        Whether each mediator may move those after it.
    """

    outcome: str
    mediators: tuple[str, ...]
    crossed: tuple[int, ...]
    ordered: bool


@dataclass(frozen=True, eq=False)
class System:
    """All regressions, fitted.

    Attributes
    ----------
    rows : Rows
    model : Model
    outcome : tuple of Equation
        One; of a hurdle whether there is any outcome, then how much.
    first : tuple of Equation
        Each mediator on treatment and covariates.
    chain : tuple of Equation
        Where mediators are ordered: each on treatment, the mediators before it, and covariates.
    along : Along or None
        What every step varies with; effects are then means over rows, of a linear outcome too.
    """

    rows: Rows
    model: Model
    outcome: tuple[Equation, ...]
    first: tuple[Equation, ...]
    chain: tuple[Equation, ...] = ()
    along: Along | None = None

    @property
    def k(self) -> int:
        """Mediators."""
        return len(self.first)

    @property
    def linear(self) -> bool:
        """Whether effects follow from a few slopes and means, without a sum over rows."""
        return self.model.outcome == "linear" and self.along is None

    @property
    def free(self) -> int:
        """Products that stand last in the outcome's regression, by which steps vary."""
        return 0 if self.along is None else len(self.along.outcome)

    @property
    def equations(self) -> tuple[Equation, ...]:
        """Every regression."""
        return (*self.outcome, *self.first, *self.chain)

    @cached_property
    def weights(self) -> FloatArray:
        """Of the effects in the counterfactual means."""
        return weights(self.k)

    # --- a linear outcome: effects of slopes and means ----------------------------------------------------------------
    def slopes(self, betas: Sequence[FloatArray], low: FloatArray, high: FloatArray) -> FloatArray:
        """What the effects of a linear outcome are functions of, shape (draws, 1 + 4 K + K (K - 1) / 2).

        The slope of the treatment, those of the mediators, how much they differ between the arms, means of the
        mediators without treatment, what treatment adds to each, and what earlier mediators pass on.

        Parameters
        ----------
        betas : sequence of ndarray, shape (draws, p)
            Of `equations`.
        low, high : ndarray, shape (draws, K)
            Means of the mediators without and under treatment.
        """
        at, k, own = self._at, self.k, betas[0]
        b = own[:, at + 1 : at + 1 + k]
        d = np.zeros_like(b)
        for i, j in enumerate(self.model.crossed):
            d[:, j] = own[:, at + 1 + k + i]
        parts = [own[:, at : at + 1], b, d, low]
        if not self.model.ordered:
            return np.hstack([*parts, high - low, np.zeros((len(own), k * (k - 1) // 2))])
        chain = betas[1 + k :]
        parts += [beta[:, at : at + 1] for beta in chain]
        return np.hstack([*parts, *(beta[:, at + 1 : at + 1 + j] for j, beta in enumerate(chain))])

    def of_slopes(self, phi: AnyArray) -> AnyArray:
        """Effects in the order of `weights` from `slopes`, shape (draws, 3 + 2 K)."""
        k = self.k
        c, b, d, low, step = phi[:, :1], *(phi[:, 1 + i * k : 1 + (i + 1) * k] for i in range(4))
        passed = phi[:, 1 + 4 * k :]
        table = np.empty((len(phi), 2 ** (k + 1)), dtype=phi.dtype)
        for i, (t, *s) in enumerate(states(k)):
            moved = np.zeros((len(phi), k), dtype=phi.dtype)
            for j in range(k):
                moved[:, j] = step[:, j] * s[j]
                for before in range(j):
                    moved[:, j] += passed[:, j * (j - 1) // 2 + before] * moved[:, before]
            table[:, i] = c[:, 0] * t + ((b + d * t) * moved + t * d * low).sum(axis=1)
        return np.asarray(table @ self.weights.T)

    @property
    def _at(self) -> int:
        """Place of the treatment among the regressors: after the constant, which fixed effects take out."""
        return 0 if self.rows.fixed else 1

    # --- means of mediators -------------------------------------------------------------------------------------------
    def levels(self, betas: Sequence[FloatArray], weight: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Means of the mediators without and under treatment, each of shape (draws, K).

        Parameters
        ----------
        betas : sequence of ndarray, shape (draws, p)
        weight : ndarray, shape (draws, units)
            Of rows, or of clusters where there are any.
        """
        rows = self.rows
        sums = weight @ rows.sums
        total, share, middle = sums[:, 0], sums[:, 1] / sums[:, 0], sums[:, 2:] / sums[:, :1]
        low, high = np.empty_like(middle), np.empty_like(middle)
        for j, kind in enumerate(self.model.mediators):
            beta = betas[len(self.outcome) + j]
            if kind == "linear":
                slope = beta[:, self._at]
                low[:, j], high[:, j] = middle[:, j] - slope * share, middle[:, j] + slope * (1 - share)
                continue
            seen = np.zeros((2, len(beta)))
            x = self.first[j].x
            for start in range(0, rows.n, _CHUNK):
                own = slice(start, start + _CHUNK)
                index = x[own] @ beta.T - np.outer(rows.t[own], beta[:, 1])
                for t in (0, 1):
                    chance = mean_of("logit", index + t * beta[:, 1])
                    seen[t] += np.einsum("ir,ri->r", chance, rows.spread_out(weight, own))
            low[:, j], high[:, j] = seen / total
        return low, high

    # --- another outcome: means over rows -----------------------------------------------------------------------------
    def _first(self, betas: Sequence[AnyArray]) -> tuple[list[AnyArray], list[AnyArray]]:
        """Slopes of each mediator's regression (given those before it, where they are ordered), and its step."""
        start = len(self.outcome) + (self.k if self.chain else 0)
        first, one = list(betas[start : start + self.k]), np.ones(1)
        if self.along is None:
            return first, [beta[self._at] * one for beta in first]
        return first, [beta[self._at] + self.along.added(self.along.first, beta, one, ()) for beta in first]

    def parts(self, betas: Sequence[AnyArray]) -> Iterator[tuple[FloatArray, AnyArray]]:
        """Parts of the effects, row by row (g-computation): what each effect takes of it, and values of shape (n,).

        A mediator with a linear model keeps its own residual and moves by its slope (and by what those before it pass
        on, where they are ordered); one of 0 and 1 is summed over, with its chances. Given treatment and covariates the
        0/1 mediators are taken as independent.
        """
        rows, k = self.rows, self.k
        kinds, (first, step) = self.model.mediators, self._first(betas)
        smooth = [j for j in range(k) if kinds[j] == "linear"]
        drawn = [j for j in range(k) if kinds[j] == "logit"]
        # What does not change leaves every difference of linear means.
        base = [np.zeros(1)]
        if self.model.outcome != "linear":
            base = [eq.x @ beta - self._part(beta, rows.t, list(rows.m.T))
                    for eq, beta in zip(self.outcome, betas, strict=False)]  # fmt: skip
        chance = {}
        for j in drawn:
            index = self.first[j].x @ first[j] - rows.t * step[j]
            chance[j] = [mean_of("logit", index), mean_of("logit", index + step[j])]
        place = {state: i for i, state in enumerate(states(k))}
        for t, *moved in states(len(smooth)):
            value: list[AnyArray] = [np.zeros(1)] * k
            shift: list[AnyArray] = []
            for j, s in zip(smooth, moved, strict=True):
                shift.append(step[j] * (s - rows.t))
                for i in range(j if self.chain else 0):
                    shift[j] = shift[j] + first[j][self._at + 1 + i] * shift[i]
                value[j] = rows.m[:, j] + shift[-1]
            for _, *on in states(len(drawn))[: 2 ** len(drawn)]:
                for j, s in zip(drawn, on, strict=True):
                    value[j] = np.full(1, float(s))
                mean = self._mean([b + self._part(beta, np.full(1, float(t)), value)
                                   for b, beta in zip(base, betas, strict=False)])  # fmt: skip
                for _, *under in states(len(drawn))[: 2 ** len(drawn)]:
                    share: AnyArray = mean
                    for j, s, u in zip(drawn, on, under, strict=True):
                        share = share * (chance[j][u] if s else 1 - chance[j][u])
                    state = [0] * k
                    for j, s in (*zip(smooth, moved, strict=True), *zip(drawn, under, strict=True)):
                        state[j] = s
                    yield self.weights[:, place[(t, *state)]], share

    def means(self, betas: Sequence[AnyArray], weight: FloatArray) -> AnyArray:
        """Effects from weighted rows, shape (3 + 2 K,)."""
        found = [(take, weight @ share) for take, share in self.parts(betas)]
        out: AnyArray = sum(take * value for take, value in found) / weight.sum()
        return out

    def _part(self, beta: AnyArray, t: AnyArray, value: Sequence[AnyArray]) -> AnyArray:
        """Treatment, mediators and their products in an index."""
        at = self._at
        out: AnyArray = beta[at] * t
        for j, v in enumerate(value):
            out = out + beta[at + 1 + j] * v
        for i, j in enumerate(self.model.crossed):
            out = out + beta[at + 1 + self.k + i] * t * value[j]
        return out if self.along is None else out + self.along.added(self.along.outcome, beta, t, value)

    def _mean(self, index: Sequence[AnyArray]) -> AnyArray:
        if self.model.outcome == "hurdle":
            return np.asarray(mean_of("logit", index[0]) * mean_of("log", index[1]))
        return mean_of("log" if self.model.outcome == "poisson" else self.model.outcome, index[0])

    # --- estimates and what each row adds to them ---------------------------------------------------------------------
    @cached_property
    def found(self) -> tuple[FloatArray, FloatArray]:
        """Effects in the order of `weights`, shape (3 + 2 K,), and what each row adds to them, shape (n, 3 + 2 K)."""
        rows = self.rows
        betas = [eq.beta for eq in self.equations]
        influence = [eq.influence() for eq in self.equations]
        if not self.linear:
            own = np.zeros((rows.n, len(self.weights)))
            for take, share in self.parts(betas):
                own += take * np.asarray(share, dtype=np.float64)[:, None]
            value = own.mean(axis=0)
            out = (own - value) / rows.n
            for e, beta in enumerate(betas):
                for j in range(len(beta)):
                    moved = [np.asarray(b, dtype=complex) for b in betas]
                    moved[e][j] += 1j * _STEP
                    out += influence[e][:, j, None] * (self.means(moved, np.ones(rows.n)).imag / _STEP)
            return value, out
        phi, moved_phi = self.traced
        gradient = np.empty((len(phi), len(self.weights)))
        for j in range(len(phi)):
            step = phi[None].astype(complex)
            step[0, j] += 1j * _STEP
            gradient[j] = self.of_slopes(step)[0].imag / _STEP
        return np.asarray(self.of_slopes(phi[None])[0], dtype=np.float64), moved_phi @ gradient

    @cached_property
    def traced(self) -> tuple[FloatArray, FloatArray]:
        """`slopes` at the estimates, shape (L,), and what each row adds to them, shape (n, L)."""
        rows, betas = self.rows, [eq.beta[None] for eq in self.equations]
        influence = [eq.influence() for eq in self.equations]
        low, high = self.levels(betas, np.ones((1, len(rows.sums))))
        own = np.empty((2, rows.n, self.k))
        for j, kind in enumerate(self.model.mediators):
            for s in (0, 1):
                own[s, :, j] = self._level(j, kind, s, influence[len(self.outcome) + j])
        return self.slopes(betas, low, high)[0], self.slopes(influence, own[0], own[1])

    @property
    def steps(self) -> slice:
        """Where in `slopes` stands what treatment adds to each mediator."""
        return slice(1 + 3 * self.k, 1 + 4 * self.k)

    def _level(self, j: int, kind: str, s: int, influence: FloatArray) -> FloatArray:
        """What each row adds to the mean of mediator j under treatment s."""
        rows, eq = self.rows, self.first[j]
        if kind == "linear":
            m, share, a = rows.m[:, j], rows.t.mean(), eq.beta[self._at]
            return np.asarray((m - m.mean() - a * (rows.t - share)) / rows.n + (s - share) * influence[:, self._at])
        x = eq.x.copy()
        x[:, 1] = s
        chance = np.asarray(mean_of("logit", x @ eq.beta), dtype=np.float64)
        slope = (x * (chance * (1 - chance))[:, None]).mean(axis=0)
        return np.asarray((chance - chance.mean()) / rows.n + influence @ slope)
