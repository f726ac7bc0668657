"""What the data say against a pooled estimate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from gmvcausal.mechanism.pooled.numbers import FloatArray, Pool, egger
from gmvcausal.mechanism.pooled.read import Study
from gmvcausal.mechanism.pooled.rules import RULES
from gmvcausal.results import Check
from gmvcausal.stats.inference import critical_value

_MOST_NAMED = 3
_EGGER = 10  # studies below which the regression finds nothing but chance (Sterne et al. 2011)


def checks_of(
    studies: Sequence[Study], y: FloatArray, v: FloatArray, found: Pool, without: list[dict[str, Any]], level: float
) -> list[Check]:
    """The checks on the studies and on how they differ."""
    out = []

    def add(name: str, value: float, message: str, remedy: str) -> None:
        out.append(RULES.check(name, value, message, remedy))

    judged = [s for s in studies if s.credible is not None]
    if judged:
        bad = [s.label for s in judged if not s.credible]
        told = f": {', '.join(bad[:_MOST_NAMED])}{', ...' if len(bad) > _MOST_NAMED else ''}" if bad else ""
        add(
            "credible_studies", len(bad), f"{len(bad)} of {len(judged)} studies fail their own audit{told}",
            "leave them out, or look at all side by side with how='triangulate'",
        )  # fmt: skip
    else:
        why = "estimates from a table carry no audit: whether each is to be believed is not known here"
        out.append(Check("credible_studies", "not_run", why))
    shapes = [s for s in studies if s.shape != (0, 0)]
    if len(shapes) > 1:
        same = [(a.label, b.label) for a, b in combinations(shapes, 2) if a.shape == b.shape]
        named = f" ({same[0][0]} and {same[0][1]})" if same else ""
        add(
            "shared_data", len(same), f"{len(same)} pairs of studies come from tables of one shape{named}",
            "make sure that no unit is in two studies: estimates from the same data are not independent, and pooling "
            "them counts the data twice; designs on one question go side by side with how='triangulate'",
        )  # fmt: skip
    else:
        out.append(Check("shared_data", "not_run", "estimates from a table do not say from which data they are"))
    k = len(y)
    add(
        "few_studies", k, f"{k} studies",
        "the variance between so few is hardly known: read the interval as the least that can be said against it",
    )  # fmt: skip
    add(
        "heterogeneity", found.i2,
        f"I2 = {found.i2:.0%}, Q = {found.q:.2f} on {k - 1} degrees of freedom, p = {found.q_p:.3g}",
        "the mean is of effects that differ: read the prediction interval, and ask what sets the studies apart",
    )  # fmt: skip
    top = int(np.argmax(found.weight))
    add(
        "one_study", found.weight[top], f"{studies[top].label} has {found.weight[top]:.0%} of the weight",
        "the answer is mostly that study: look at it first",
    )  # fmt: skip
    if without:
        half = critical_value(level, found.df) * found.std_error
        own = _finding(found.estimate - half, found.estimate + half)
        turned = [w["without"] for w in without if _finding(w["conf_low"], w["conf_high"]) != own]
        told = f" ({', '.join(turned[:_MOST_NAMED])})" if turned else ""
        add(
            "leave_one_out", len(turned), f"the finding is another without {len(turned)} of the {k} studies{told}",
            "say so beside the number; r.leave_one_out() shows them",
        )  # fmt: skip
    else:
        out.append(Check("leave_one_out", "not_run", "it takes three studies to leave one out"))
    p = egger(y, v) if k >= _EGGER else np.nan
    if p == p:
        add(
            "small_studies", p, f"Egger's regression: p = {p:.3g}",
            "small studies find other effects than large ones: those without a finding may be missing",
        )  # fmt: skip
    else:
        out.append(Check("small_studies", "not_run", f"it takes {_EGGER} studies of different size"))
    return out


def _finding(low: float, high: float) -> int:
    return 1 if low > 0 else -1 if high < 0 else 0
