"""Assigned is not received: the effect on those whom an arm reached because it was assigned (LATE), given features.

The effect of being assigned on the outcome over that on receipt, both by augmented inverse probability weighting with
the same chances (Tan 2006; Frölich 2007), so that the ratio is the average effect among compliers of the rows that the
estimand is about. Its interval is Anderson and Rubin's: a value b is kept unless the effect on y - b x receipt, which
is the one effect less b times the other, is told from zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.results import Estimates
from gmvcausal.results.compliers import Accepted, endless_words, shares_words
from gmvcausal.stats.fraction import Fraction, Piece
from gmvcausal.stats.nuisance.aipw import Averages, averages, by_groups, clustered
from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.outcomes import cross_fit
from gmvcausal.stats.small_sample import MOST_ALONE, Spread

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Receipt(NamedTuple):
    """Receipt in one arm against the control.

    Attributes
    ----------
    treated, control : float
        Shares that received, as they are.
    effect : float
        Of being assigned on receipt, as the estimand sees it.
    strength : float
        F, its squared t; infinite without variance.
    """

    treated: float
    control: float
    effect: float
    strength: float


@dataclass(frozen=True, eq=False)
class Compliers:
    """Effects among compliers, one for each arm.

    Attributes
    ----------
    found : Averages
        First-order estimates with their covariance, which is that of two-stage least squares.
    effects : tuple of Fraction
        The ratios, for their intervals.
    receipts : tuple of Receipt
    """

    found: Averages
    effects: tuple[Fraction, ...]
    receipts: tuple[Receipt, ...]


def fit_receipt(bins: Bins, fold: IntArray, received: FloatArray, arm: IntArray, arms: int) -> FloatArray:
    """Chance to receive under every arm by models that have not seen the row, shape (n, k + 1).

    Where nobody of an arm received, as a rule in the control, arms are learned apart, so that its chance is exactly 0.
    """
    share = np.bincount(arm, received, minlength=arms) / np.bincount(arm, minlength=arms)
    shared = bool(((share > 0) & (share < 1)).all())
    return cross_fit(bins, fold, received, arm, arms, "binary", shared=shared)[0]


def compliers(
    y: FloatArray, received: FloatArray, arm: IntArray, e: FloatArray, mu: FloatArray, receipt: FloatArray, *,
    estimand: str = "ate", cluster: IntArray | None = None, known: bool = True,
) -> Compliers:  # fmt: skip
    """Effect of every arm on those who receive because they are assigned to it.

    Parameters
    ----------
    y, arm, e, mu, estimand, cluster, known
        As in `averages`.
    received : ndarray, shape (n,)
        0/1.
    receipt : ndarray, shape (n, k + 1)
        Predicted chances to receive under every arm, out of fold.

    Examples
    --------
    >>> y, arm = np.array([1.0, 2, 3, 4, 5, 9]), np.array([0, 0, 0, 1, 1, 1])
    >>> got, half = np.array([0.0, 0, 0, 1, 1, 0]), np.full((6, 2), 0.5)
    >>> found = compliers(y, got, arm, half, np.tile([2.0, 6.0], (6, 1)), np.tile([0, 2 / 3], (6, 1)))
    >>> round(float(found.found.estimate[0]), 9)
    6.0
    """
    top = averages(y, arm, e, mu, estimand=estimand, cluster=cluster, known=known)
    bottom = averages(received, arm, e, receipt, estimand=estimand, cluster=cluster, known=known)
    k = e.shape[1] - 1
    share = np.bincount(arm, received, minlength=k + 1) / np.bincount(arm, minlength=k + 1)
    effects: list[Fraction] = []
    receipts: list[Receipt] = []
    influence = np.empty_like(top.influence)
    for a in range(k):
        # On one scale: squares of money and of shares side by side lose digits.
        size = max(float(np.abs(top.influence[:, a]).max()), 1e-300)
        both = np.column_stack([top.influence[:, a] / size, bottom.influence[:, a]])
        by_group, trust = by_groups(both, arm, k + 1, cluster)
        df = trust.df if trust.alone <= MOST_ALONE else np.full(len(trust.df), np.nan)
        pieces = tuple(
            Piece(float(v[0, 0] * f) * size * size, float(v[0, 1] * f) * size, float(v[1, 1] * f), float(d))
            for v, f, d in zip(by_group, trust.factor, df, strict=True) if not d <= 0
        )  # fmt: skip
        effect = Fraction(float(top.estimate[a]), float(bottom.estimate[a]), pieces)
        variance = effect.spread(math.inf)[0]
        effects.append(effect)
        strength = effect.bottom**2 / variance if variance > 0 else math.inf
        receipts.append(Receipt(float(share[a + 1]), float(share[0]), effect.bottom, strength))
        scale = math.nan if effect.bottom == 0 else 1 / effect.bottom
        influence[:, a] = (top.influence[:, a] - effect.estimate * bottom.influence[:, a]) * scale
    cov, _ = clustered(influence, arm, k + 1, cluster)
    df = np.array([f.spread(0.0)[1] for f in effects])  # of the test of no effect, which is one for both rows
    found = Averages(np.array([f.estimate for f in effects]), cov, Spread(df, np.ones(k)), influence)
    return Compliers(found, tuple(effects), tuple(receipts))


def with_limits(found: Estimates, rows: Compliers, first: int, assigned: FloatArray) -> Estimates:
    """The estimates with Anderson-Rubin intervals for the rows from `first` on.

    Parameters
    ----------
    found : Estimates
    rows : Compliers
    first : int
    assigned : ndarray, shape (k,)
        P-values of the effects of being assigned: one test of no effect, whoever is asked.
    """
    special, special_p = dict(found.special), dict(found.special_p)
    for a, effect in enumerate(rows.effects):
        special[first + a] = Accepted(effect)
        special_p[first + a] = float(assigned[a]) if effect.bottom > 0 else effect.p_value()
    return replace(found, special=special, special_p=special_p)


def advice(rows: Compliers, labels: tuple[Any, ...], received: str, alpha: float, withheld: bool) -> list[str]:
    """How to read the rows among compliers: who they are, and what no interval can say."""
    out = []
    for a, (receipt, effect) in enumerate(zip(rows.receipts, rows.effects, strict=True)):
        text = shares_words(received, labels[a + 1], receipt.treated, labels[0], receipt.control)
        if receipt.control == 0:
            text += f"; as nobody of {labels[0]} received it, that is the effect on all who received it (ATT)"
        out.append(text)
        if not withheld and (told := endless_words(effect, 1 - alpha)):
            out.append(f"Among compliers of {labels[a + 1]} {told.rstrip('.')}")
    return out
