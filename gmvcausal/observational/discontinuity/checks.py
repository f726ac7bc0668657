"""What the data say against a threshold."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gmvcausal.observational.discontinuity.density import Density
from gmvcausal.observational.discontinuity.heap import heap
from gmvcausal.observational.discontinuity.jump import Jump, jump
from gmvcausal.observational.discontinuity.local import FloatArray, triangular
from gmvcausal.observational.discontinuity.read import FEWEST, Asked, Rows, split
from gmvcausal.observational.discontinuity.rules import RULES
from gmvcausal.results import Check
from gmvcausal.stats.inference import p_value
from gmvcausal.stats.multiplicity import holm
from gmvcausal.stats.small_cells import MIN_CELL, small


@dataclass(frozen=True, eq=False)
class Placebos:
    """Jumps where there should be none, one per name.

    Attributes
    ----------
    name : tuple of str
        Covariates, or thresholds.
    estimate, std_error, p_value, p_holm, h : ndarray
        With bias correction; NaN where a jump could not be estimated.
    """

    name: tuple[str, ...]
    estimate: FloatArray
    std_error: FloatArray
    p_value: FloatArray
    p_holm: FloatArray
    h: FloatArray


def _placebos(names: list[str], found: list[Jump | None], sign: float) -> Placebos:
    nan = math.nan
    told = np.array(
        [[sign * j.effect.corrected, j.effect.robust_error, j.widths.h] if j else [nan, nan, nan] for j in found]
    ).reshape(-1, 3)
    p = p_value(told[:, 0], told[:, 1])
    return Placebos(tuple(names), told[:, 0], told[:, 1], p, holm(p), told[:, 2])


def covariates_at(rows: Rows, kind: str, inner: float, sign: float) -> Placebos:
    """The same estimate with each covariate (in standard deviations) as outcome."""
    found = [jump(*split(rows.outcome_only(one), 0.0, inner), kind) for one in rows.z.T]
    return _placebos(list(rows.covariates), found, sign)


def false_cutoffs(rows: Rows, cutoff: float, kind: str, inner: float, sign: float) -> Placebos:
    """Jumps at the quartiles of the scores below and above the threshold, each from rows of that side alone."""
    names, found = [], []
    for side in split(rows.outcome_only(rows.y), 0.0, inner):
        for at in np.unique(np.quantile(side.x, [0.25, 0.5, 0.75], method="inverted_cdf")):
            below, above = split(side, float(at))
            enough = min(len(np.unique(below.x)), len(np.unique(above.x))) >= FEWEST
            varies = enough and float(np.ptp(np.concatenate([below.d, above.d]))) > 0
            names.append(f"{at + cutoff:g}")
            found.append(jump(below, above, kind) if varies else None)
    return _placebos(names, found, sign)


def checks_of(
    rows: Rows, asked: Asked, found: Jump, density: Density | None, covariates: Placebos, cutoffs: Placebos,
    sign: float, donut: float,
) -> list[Check]:  # fmt: skip
    """All checks of one call."""
    out: list[Check] = []

    def add(name: str, value: float, message: str, remedy: str, *, fails: bool = False) -> None:
        found = RULES.check(name, value, message, remedy, status="failed" if fails else None)
        # The number of a few people stands in no check either.
        untold = few and name in ("mass_points", "few_observations")
        out.append(replace(found, value=None) if untold else found)

    few = rows.people and bool(small(np.array(found.inside)).any())

    if density is None:
        out.append(Check("density", "not_run", "the scores on one side are too few for a density at the threshold"))
    else:
        pile = "above" if density.above > density.below else "below"
        note = f"; scores from {donut:g} on were left out of the estimate, not of this test" if donut else ""
        add(
            "density", density.p_value,
            f"the density of {asked.score!r} is {density.below:.3g} from below and {density.above:.3g} from above "
            f"{asked.cutoff:g}: p = {density.p_value:.2g}{note}",
            f"scores pile up {pile} the threshold. Where the shopper sees it and can move over it (a basket topped up "
            "to reach a coupon), the threshold is chosen by the shopper, and those on both sides are not alike: "
            "gc.bunching reads from the pile what topping up brought; for what a coupon does afterwards draw it by lot "
            "(gc.ab_test), or use a score fixed before the rule was known",
        )  # fmt: skip
    _heap(add, rows, asked, found.widths.h)
    _worst(
        add, out, "covariate_continuity", covariates, "covariates= names none", "covariate",
        "units on both sides differ in more than the tactic: find out what else changes at this score",
    )  # fmt: skip
    sides = rows.x[rows.x < 0], rows.x[rows.x >= 0]
    shares = [1 - len(np.unique(x)) / len(x) for x in sides]
    widened = "; pilot bandwidths were widened to ten distinct scores" if found.widths.repeated else ""
    scores = (
        f"{found.distinct[0]:,} distinct scores below and {found.distinct[1]:,} above lie within the bandwidth"
        if not few else "too few rows of a side lie within the bandwidth for their distinct scores to be counted"
    )  # fmt: skip
    add(
        "mass_points", min(found.distinct),
        f"{scores}; {shares[0]:.0%} of all rows below and {shares[1]:.0%} above repeat the score of another{widened}",
        "take the score before it was rounded: with so few values the result rests on the line being straight between "
        "them, whatever the number of rows",
    )  # fmt: skip
    inside = (
        f"fewer than {MIN_CELL} rows of a side" if few
        else f"{found.inside[0]:,} rows below and {found.inside[1]:,} above"
    )  # fmt: skip
    add(
        "few_observations", min(found.inside), f"{inside} lie within {found.widths.h:.4g} of the threshold",
        "the normal distribution is a rough guide for so few: collect more units near the threshold",
    )  # fmt: skip
    if rows.cluster is not None:
        near = triangular(rows.x, found.widths.h) > 0
        count = [len(np.unique(rows.cluster[near & side])) for side in (rows.x < 0, rows.x >= 0)]
        add(
            "few_clusters", min(count), f"{count[0]:,} clusters below and {count[1]:,} above lie within the bandwidth",
            "intervals from few clusters are too narrow: more of them, or a finer level",
        )  # fmt: skip
    _worst(
        add, out, "placebo_cutoffs", cutoffs, "there are too few scores for thresholds elsewhere", "false threshold",
        "the outcome jumps, or bends sharply, where no rule stands: look at plot(), and at other rules on this score",
    )  # fmt: skip
    if found.treatment is not None:
        t = found.treatment
        strength = (t.plain / t.error) ** 2 if t.error > 0 else math.inf
        add(
            "first_stage", strength,
            f"the share treated changes by {sign * t.plain:+.3g} at the threshold (squared t {strength:.4g})",
            "so weak a jump makes the ratio and its interval unreliable: quote the row 'reduced_form', which needs no "
            "first stage; check treated= and cutoff=",
            fails=sign * t.plain <= 0 or strength < 10,
        )  # fmt: skip
    return out


def _heap(add: Callable[..., None], rows: Rows, asked: Asked, h: float) -> None:
    """Do more rows stand exactly at the threshold than at the scores next to it?"""
    found = heap(rows.x, asked.cutoff, h)

    said = (
        f"{found.here:,} rows lie at {asked.cutoff:g} itself, and {found.usual:g} at the median of the scores next to "
        f"it ({found.most:,} at most)"
    )
    if rows.people and 0 < found.here < MIN_CELL:
        said = f"fewer than {MIN_CELL} rows lie at {asked.cutoff:g} itself"
    elif rows.people and 0 < found.usual < MIN_CELL:
        most = f"fewer than {MIN_CELL}" if found.most < MIN_CELL else f"at most {found.most:,}"
        said = f"{found.here:,} rows lie at {asked.cutoff:g} itself, and {most} at each of the scores next to it"
    add(
        "heap_at_cutoff", found.p, f"{said}: p = {found.p:.2g}",
        "they were brought to the threshold (recharges of just that much), and are unlike those above: leave them out "
        f"(remove rows with a score of {asked.cutoff:g}), and compare",
    )  # fmt: skip


def _worst(
    add: Callable[..., None], out: list[Check], name: str, told: Placebos, none: str, what: str, remedy: str
) -> None:
    known = np.isfinite(told.p_holm)
    if not known.any():
        out.append(Check(name, "not_run", none))
        return
    j = int(np.nanargmin(told.p_holm))
    add(
        name, float(told.p_holm[j]),
        f"{what} {told.name[j]!r} jumps by {told.estimate[j]:.3g} (p = {told.p_holm[j]:.2g} among {int(known.sum())})",
        remedy,
    )  # fmt: skip
