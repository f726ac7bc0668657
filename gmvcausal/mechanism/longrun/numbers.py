"""Effects on the long outcome: by its index, by the surrogate score, and by both together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.longrun.index import Index
from gmvcausal.stats.logit import fit_logit, independent

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Effect(NamedTuple):
    """An effect with what every row adds to it less the truth.

    Attributes
    ----------
    estimate : float
    of_rows : ndarray, shape (n,)
        Influences of the experiment's rows.
    of_history : ndarray, shape (m,)
    weight : ndarray, shape (m, 2), or None
        Of the history's rows, as the control arm and as the arm; each column adds up to one.
    """

    estimate: float
    of_rows: FloatArray
    of_history: FloatArray
    weight: FloatArray | None = None


def difference(value: FloatArray, arm: IntArray, a: int) -> tuple[float, FloatArray]:
    """Mean of `value` in arm `a` less that in arm 0, and what every row adds to it."""
    own, control = arm == a, arm == 0
    influence = np.zeros(len(value))
    high, low = float(value[own].mean()), float(value[control].mean())
    influence[own] = (value[own] - high) / own.sum()
    influence[control] = -(value[control] - low) / control.sum()
    return high - low, influence


def gap(x: FloatArray, arm: IntArray, a: int) -> FloatArray:
    """Means of the columns in arm `a` less those in arm 0, shape (p,)."""
    return np.asarray(x[arm == a].mean(axis=0) - x[arm == 0].mean(axis=0))


def by_index(index: Index, x: FloatArray, arm: IntArray, a: int) -> Effect:
    """Difference of the mean index between arms (Athey, Chetty, Imbens and Kang 2019).

    The history's rows move it through the slopes: by the gap of the surrogates between arms.

    Parameters
    ----------
    index : Index
    x : ndarray, shape (n, p)
        The experiment's rows on the history's scale.
    arm : ndarray of int, shape (n,)
    a : int
    """
    estimate, of_rows = difference(x @ index.beta, arm, a)
    return Effect(estimate, of_rows, index.influence @ gap(x, arm, a))


class Adjusted(NamedTuple):
    """A difference between arms that covariates are taken out of, arm by arm (Lin 2013).

    Attributes
    ----------
    estimate : float
    influence : ndarray, shape (n,)
    weight : ndarray, shape (n,)
        The estimate is the sum of weight x value.
    """

    estimate: float
    influence: FloatArray
    weight: FloatArray


def adjusted(value: FloatArray, c: FloatArray, arm: IntArray, a: int) -> Adjusted:
    """Difference of `value` between arms at the mean covariates of both, with lines fitted in each arm.

    Parameters
    ----------
    value : ndarray, shape (n,)
    c : ndarray, shape (n, q)
        Covariates; with none this is the difference of means.
    arm : ndarray of int, shape (n,)
    a : int
    """
    use = (arm == 0) | (arm == a)
    middle = c[use].mean(axis=0)
    weight, influence, lines = np.zeros(len(value)), np.zeros(len(value)), []
    for k, sign in ((a, 1.0), (0, -1.0)):
        own = arm == k
        design = np.column_stack([np.ones(int(own.sum())), c[own] - middle])
        bread = np.linalg.pinv(design.T @ design)
        weight[own] = sign * (design @ bread[0])
        beta = bread @ (design.T @ value[own])
        influence[own] += weight[own] * (value[own] - design @ beta)
        lines.append(sign * beta[1:])
    # The mean covariates are those of a sample too.
    influence[use] += (c[use] - middle) @ (lines[0] + lines[1]) / use.sum()
    return Adjusted(float(weight @ value), influence, weight)


class Weights(NamedTuple):
    """The history weighted to look like each arm, by two logits.

    Attributes
    ----------
    weight : ndarray, shape (m, 2)
        As the control and as the arm; each column adds up to one.
    design : ndarray, shape (m, p + 1)
        Of the history's rows.
    chance : ndarray, shape (m,)
        Of the arm, given surrogates and being in the experiment: the surrogate score.
    of_rows, of_history : tuple of ndarray
        Influences on the coefficients: those of being in the experiment, and of the arm; (n, p + 1), (m, p + 1).
    """

    weight: FloatArray
    design: FloatArray
    chance: FloatArray
    of_rows: tuple[FloatArray, FloatArray]
    of_history: FloatArray


def reweigh(x: FloatArray, arm: IntArray, past: FloatArray, a: int) -> Weights | None:
    """Weights of the history by the surrogate score; None where columns tell experiment and history, or arms, apart.

    Parameters
    ----------
    x : ndarray, shape (n, p)
    arm : ndarray of int, shape (n,)
    past : ndarray, shape (m, p)
        Columns of like scale.
    a : int
    """
    use = (arm == 0) | (arm == a)
    design = np.column_stack([np.ones(int(use.sum())), x[use]])
    history = np.column_stack([np.ones(len(past)), past])
    both = np.vstack([design, history])
    here = np.concatenate([np.ones(len(design), dtype=bool), np.zeros(len(history), dtype=bool)])
    place = fit_logit(both, here, np.ones(len(both)))
    got = arm[use] == a
    # What does not vary in the experiment, or repeats another column there, tells no arm.
    tells = independent(design)
    score = fit_logit(design[:, tells], got, np.ones(len(design)))
    if place is None or score is None:
        return None
    odds = place.odds[len(design) :]
    odds = np.exp(odds - odds.max())
    with np.errstate(over="ignore"):  # odds beyond a double: the chance is 0
        chance = 1.0 / (1.0 + np.exp(-(history[:, tells] @ score.beta)))
    weight = np.column_stack([odds * (1.0 - chance), odds * chance])
    weight /= weight.sum(axis=0)
    moved = both * (here - place.chance)[:, None] @ place.bread
    of_place, of_score = np.zeros((len(arm), both.shape[1])), np.zeros((len(arm), both.shape[1]))
    of_place[use] = moved[: len(design)]
    of_score[np.ix_(use, tells)] = design[:, tells] * (got - score.chance)[:, None] @ score.bread
    return Weights(weight, history, chance, (of_place, of_score), moved[len(design) :])


def by_score(found: Weights, y: FloatArray) -> Effect:
    """Difference of `y` between the history weighted as the arm and as the control.

    The logits' coefficients are estimates too, and what moves them moves the effect.

    Parameters
    ----------
    found : Weights
    y : ndarray, shape (m,)
        The long outcome, or what the index leaves of it.
    """
    low, high = found.weight.T @ y
    off = np.column_stack([y - low, y - high]) * found.weight
    along_place = found.design.T @ (off[:, 1] - off[:, 0])
    along_score = found.design.T @ (off[:, 1] * (1.0 - found.chance) + off[:, 0] * found.chance)
    of_rows = found.of_rows[0] @ along_place + found.of_rows[1] @ along_score
    of_history = off[:, 1] - off[:, 0] + found.of_history @ along_place
    return Effect(float(high - low), of_rows, of_history, found.weight)


def by_both(index: Index, x: FloatArray, c: FloatArray, arm: IntArray, past: FloatArray, a: int) -> Effect | None:
    """The index, and the surrogate score on what the index leaves over (Chen and Ritzwoller 2023).

    Right where either the line or the two logits are; None as in `reweigh`.

    Parameters
    ----------
    index : Index
    x, past : ndarray
        As in `reweigh`.
    c : ndarray, shape (n, q)
        Covariates of the experiment's rows.
    arm : ndarray of int, shape (n,)
    a : int
    """
    found = reweigh(x, arm, past, a)
    if found is None:
        return None
    main = adjusted(x @ index.beta, c, arm, a)
    rest = by_score(found, index.residual)
    along = main.weight @ x - (found.weight[:, 1] - found.weight[:, 0]) @ past
    return Effect(
        main.estimate + rest.estimate,
        main.influence + rest.of_rows,
        rest.of_history + index.influence @ along,
        found.weight,
    )
