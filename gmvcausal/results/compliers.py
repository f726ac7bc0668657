"""Effects among those who receive because they are assigned: the interval as it is stored, and the words for them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gmvcausal.stats.fraction import Fraction


@dataclass(frozen=True)
class Accepted:
    """The ends of an Anderson-Rubin set as a function of the level that can be stored.

    Attributes
    ----------
    effect : Fraction
    share : float
        Of alpha that the row has; NaN where it has no interval.
    """

    effect: Fraction
    share: float = 1.0

    def __call__(self, level: float) -> tuple[float, float]:
        if math.isnan(self.share):
            return math.nan, math.nan
        found = self.effect.accepted(1 - self.share * (1 - level))
        return found.low, found.high


def assumption(received: str) -> str:
    """What the rows among compliers assume besides the lot."""
    return (
        f"among compliers also: assignment acts through {received!r} alone (exclusion), and nobody receives it only "
        "when not assigned (monotonicity)"
    )


def estimand(assigned: str, received: str) -> str:
    """Of the row among compliers that belongs to a row of the assigned."""
    return f"{assigned}, per unit that received because it was assigned (complier average causal effect of {received})"


def shares_words(received: str, arm: object, treated: float, control_label: object, control: float) -> str:
    """Who received, and what the rows among compliers then assume."""
    text = (
        f"{received!r}: {treated:.3g} of {arm} and {control:.3g} of {control_label} received it; rows among compliers "
        "are per unit that received because it was assigned"
    )
    if control > 0:
        text += ", and as some of the control received it too, they assume that nobody refuses only when assigned"
    return text


def endless_words(effect: Fraction, level: float) -> str:
    """Why an interval has no end, and what is ruled out nevertheless; empty where it has ends."""
    found = effect.accepted(level)
    if not (math.isinf(found.low) and math.isinf(found.high)):
        return ""
    ruled = "no effect can be ruled out"
    if found.gap is not None:
        ruled = f"only effects between {found.gap[0]:.4g} and {found.gap[1]:.4g} are ruled out"
    return f"the interval has no end: receipt is not distinguishably different between the arms, so {ruled}."
