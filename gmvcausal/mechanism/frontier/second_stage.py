"""What goes with inefficiency: truncated regression, parametric bootstrap (Simar and Wilson 2007, algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.mechanism.frontier.truncated import fit_truncated, redraw
from gmvcausal.results import Audit, Check, Estimates, Manifest, Result
from gmvcausal.stats.resampling import percentile, percentile_p
from gmvcausal.stats.standardise import standardised

FloatArray = NDArray[np.float64]

SEPARABILITY = (
    "separability: the covariates shift how far units stay behind the frontier, and not the frontier itself, so that "
    "one best practice is open to all of them (a room in a small city could do what the best rooms do); where that "
    "fails, the scores compare unlike things and so does this regression"
)
_LOST = 0.05


@dataclass(frozen=True, eq=False)
class Drawn:
    """Intervals of one term from draws: level -> (low, high), within the bounds that the term has by its nature."""

    values: FloatArray
    least: float = -math.inf
    most: float = math.inf

    def __call__(self, level: float) -> tuple[float, float]:
        low, high = percentile(self.values, level, "two-sided")
        return max(low, self.least), min(high, self.most)


@dataclass(frozen=True, repr=False, eq=False)
class SecondStage(Result):
    """Truncated regression of the distance to the frontier on covariates.

    The distance is 1 / score: 1 on the frontier, larger inside it. So a *positive* coefficient goes with *less*
    efficiency. Rows of `to_frame()`: one per covariate, then ``intercept`` and ``sigma``.

    Attributes
    ----------
    checks : Audit
    used : int
        Units off the frontier, which the regression is about.
    """

    checks: Audit
    used: int

    @property
    def audit(self) -> Audit:
        """Separability, which cannot be seen in the data, and the draws that had no maximum."""
        return self.checks

    @property
    def described(self) -> tuple[str, ...]:
        """What is found, in words that claim no effect."""
        row = self.row(0)
        way = "less" if row.estimate > 0 else "more"
        clear = row.low > 0 or row.high < 0
        return (
            f"more of {row.term} goes with {way} efficient units"
            if clear
            else f"it is not seen that {row.term} goes with efficiency",
            f"one more of it goes with {row.estimate:+.3g} of distance ({row.low:+.3g} to {row.high:+.3g})",
            f"{self.used:,} units lie off the frontier, and the regression is about these",
            "this describes what goes together, and is no effect of changing the covariate",
        )


def second_stage(
    distance: FloatArray, z: FloatArray, names: Sequence[str], reps: int, alpha: float, rng: np.random.Generator,
    manifest: Manifest,
) -> SecondStage:  # fmt: skip
    """Regress distances above 1 on covariates.

    Raises
    ------
    DesignError
        Too few units off the frontier, no covariate that varies, or a likelihood without a maximum.
    """
    inside = distance > 1
    d = distance[inside]
    scaled, keep, notes = standardised(z[inside], names)
    kept = [n for n, k in zip(names, keep, strict=True) if k]
    if not kept:
        raise DesignError("no covariate varies among the units off the frontier", remedy="name others, or none")
    p = len(kept)
    if len(d) < 3 * (p + 2):
        raise DesignError(
            f"{len(d)} units lie off the frontier, and a regression on {p} covariates needs {3 * (p + 2)} at least",
            remedy="name fewer covariates, or measure fewer inputs and outputs",
        )
    design = np.column_stack([scaled, np.ones(len(d))])
    fit = fit_truncated(d[None], design)
    if not fit.found[0]:
        raise DesignError(
            "the truncated regression has no maximum: distances crowd at the frontier as if there were no spread above "
            "it",
            remedy="leave the covariates out, and compare the scores of groups with their intervals",
        )
    drawn = fit_truncated(redraw(design, fit.beta[0], float(fit.sigma[0]), reps, rng), design)
    middle, spread = z[inside][:, keep].mean(axis=0), z[inside][:, keep].std(axis=0)

    def in_units(beta: FloatArray, sigma: FloatArray) -> FloatArray:
        slope = beta[:, :p] / spread
        return np.column_stack([slope, beta[:, p] - slope @ middle, sigma])

    estimate = in_units(fit.beta, fit.sigma)[0]
    draws = in_units(drawn.beta, drawn.sigma)[drawn.found]
    basic = 2 * estimate - draws
    special = {i: Drawn(basic[:, i]) for i in range(p + 2)}
    estimates = Estimates(
        (*kept, "intercept", "sigma"),
        (*(f"change of the distance to the frontier that goes with one more of {n}" for n in kept),
         "distance to the frontier where all covariates are 0", "spread of the distance around the line"),
        ("distance (1 / score)",) * (p + 2),
        estimate,
        np.atleast_2d(np.cov(draws.T)),
        (len(d),) * (p + 2),
        special=special,
        special_p={i: percentile_p(basic[:, i], "two-sided") for i in range(p + 2)},
        method=f"basic bootstrap, {reps:,} draws",
    )  # fmt: skip
    lost = 1 - float(drawn.found.mean())
    checks = (
        Check(
            "separability", "warned", "that covariates move units and not the frontier is assumed; nothing in the data "
            "was asked", remedy="score the groups apart (one frontier each) and see whether the best of each differ",
        ),
        Check(
            "bootstrap_fits", "warned" if lost > _LOST else "passed",
            f"{lost:.1%} of the draws have a likelihood without a maximum and were left out", lost, _LOST,
            "name fewer covariates: the sample hardly holds them" if lost > _LOST else "",
        ),
    )  # fmt: skip
    options = dict(manifest.options) | {"inference": "bootstrap"}
    told = ("truncated regression", f"{reps:,} draws of the fitted model")
    return SecondStage(
        "Second stage: what goes with inefficiency", SEPARABILITY, estimates,
        replace(manifest, options=options, notes=tuple(notes), choices=told,
                dropped={"units on the frontier": int((~inside).sum())}),
        alpha, Audit(checks), len(d),
    )  # fmt: skip
