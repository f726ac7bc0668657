"""The verb `honest_did`: what is left of an effect if trends were not quite parallel."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import check, one_of, said
from gmvcausal.results import Audit, Estimates, Manifest, Result
from gmvcausal.results.curves import Curves, Line
from gmvcausal.rollout.referee.bounds import (
    METHODS,
    MOST,
    Direction,
    bounds_of,
    breakdown_of,
    checks_of,
    direction_of,
    limits_of,
    name_of,
    p_of,
    parallel_p,
    refuse_empty,
    said_of,
    seen_before,
)
from gmvcausal.stats.honest import FloatArray, Study

TARGETS = ("average", "first")
_ASSUMES = {
    "relative_magnitude": "from one period to the next, the difference in trends moves after the start by at most the "
    "stated multiple of its largest move before the start",
    "smoothness": "the slope of the difference in trends changes from one period to the next by at most the stated "
    "bound",
}


@dataclass(frozen=True, repr=False, eq=False)
class SensitivityResult(Result):
    """Intervals of an effect, each for trends that may differ by so much.

    The first row, and the attributes, are the effect under parallel trends; sentences and verdicts speak of the row
    (`told`) in which trends may differ after the start as much as they did before it.

    Attributes
    ----------
    bounds : tuple of float
        Of the rows after the first, in the order of the rows.
    method : {"relative_magnitude", "smoothness"}
    sign : {None, "positive", "negative"}
        Of the difference in trends after the start, where it is held to be known.
    breakdown : float
        The largest bound under which the interval leaves zero out; NaN where it holds zero already under parallel
        trends, infinite beyond twenty times the largest move seen.
    """

    bounds: tuple[float, ...]
    method: str
    breakdown: float
    chosen: int
    checks: Audit
    sign: str | None = None

    @property
    def audit(self) -> Audit:
        """What the bounds rest on."""
        return self.checks

    @property
    def spoken(self) -> int:
        """The row whose bound is what was seen before the start."""
        return self.chosen

    @property
    def advice(self) -> tuple[str, ...]:
        """How far the finding carries."""
        low, high = self.estimates.interval(1 - self.alpha)
        if not (low[0] > 0 or high[0] < 0):
            return ("Zero lies in the interval under parallel trends already.",)
        if math.isnan(self.breakdown):
            return (
                "Zero is left out under parallel trends, but not once trends may differ in this direction alone.",
                "What was seen before the start speaks against the direction: a wider bound may give a narrower "
                "interval, so no bound is the largest that a finding stands. Leave the direction out.",
            )
        if math.isinf(self.breakdown):
            return (f"The interval leaves zero out for every bound up to {MOST:g} times what was seen.",)
        if self.breakdown == 0:
            return ("The interval holds zero as soon as trends may differ at all.",)
        return (f"The interval leaves zero out for bounds up to {self.breakdown:.3g}, and holds it beyond.",)

    def _extra_columns(self) -> dict[str, Any]:
        return {"bound": [math.nan, *self.bounds]}

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """The intervals over the bounds, and where zero comes in."""
        return ("sensitivity",)

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        low, high = self.estimates.interval(1 - self.alpha)
        x, e = np.array(self.bounds), self.estimates.estimate[1:]
        name = "largest multiple of the earlier moves" if self.method == METHODS[0] else "largest change of slope"
        lines = [Line(f"{100 * (1 - self.alpha):g}% interval", x, e, "line", low[1:], high[1:])]
        if math.isfinite(self.breakdown):
            lines.append(Line("breakdown", np.array([self.breakdown]), np.zeros(1), "points"))
        return Curves("The effect if trends were not parallel", name, self.unit, tuple(lines), zero=True)


def honest_did(
    beta: Any,
    sigma: Any,
    n_pre: int,
    n_post: int,
    *,
    target: str = "average",
    method: str = "relative_magnitude",
    grid: Sequence[float] | None = None,
    sign: str | None = None,
    monotone: bool = False,
    alpha: float = 0.05,
    seed: int = 0,
) -> SensitivityResult:
    """Intervals of an event study's effect that hold if trends differed, by so much at most.

    Parameters
    ----------
    beta : array, shape (n_pre + n_post,)
        Coefficients of the event study in the order of time, on one base just before the start, which is left out.
    sigma : array, shape (n_pre + n_post, n_pre + n_post)
        Their covariance.
    n_pre, n_post : int
        Coefficients before and after the base.
    target : {"average", "first"}
        The mean of all post coefficients, or the first one.
    method : {"relative_magnitude", "smoothness"}
        What bounds the difference in trends after the start: its largest move from period to period before it, times a
        number (0: parallel; 1: as bad as before), or the change of its slope from period to period, in the unit of the
        outcome (0: a straight line).
    grid : list of float, optional
        The bounds. Default .5, 1, 1.5 and 2; for smoothness these multiples of the largest change of slope that was
        seen before the start.
    sign : {None, "positive", "negative"}
        What is known of the direction: "positive" says that without the tactic the treated would have done better than
        the controls, if anything, so that the effect is overstated. Default: nothing is known.
    monotone : bool
        With a sign: the difference in trends moves in that direction from period to period throughout, before the start
        too. Default: only after it, and it may go back.
    alpha : float
        One minus the confidence level; default .05.
    seed : int
        Of the draws for the first stage of the test.

    Returns
    -------
    SensitivityResult
        One row under parallel trends, then one for each bound; `breakdown`, `plot()`, `to_frame()`, `summary()`.

    Raises
    ------
    InputError
        Shapes that do not fit, a covariance that is none, a negative bound, `monotone` without a sign.
    DesignError
        No coefficient before the start; for smoothness without `grid`, fewer than two; coefficients before the start
        that contradict the sign.

    Notes
    -----
    Relative magnitudes: a union of polyhedra, each tested by moment inequalities with the conditional test behind a
    least favourable first stage (Andrews, Roth and Pakes 2023), which holds its level also where several moments bind.
    Smoothness: the shortest interval around an affine estimator (Armstrong and Kolesár 2018). With a sign, either is
    the same test of all that the restriction implies for the effect and the path before the start. The end that a sign
    leaves open may then lie farther out than without it, by up to about a fifth of a standard error: the test is
    conditional on which end is nearer. Only the row under
    parallel trends has a standard error: the other intervals allow for bias, and rest on none.

    References
    ----------
    Rambachan and Roth (2023), Review of Economic Studies 90; Andrews, Roth and Pakes (2023), same journal and volume.

    Examples
    --------
    >>> import gmvcausal as gc
    >>> found = gc.honest_did([0.1, -0.1, 2.0, 2.2], [[0.04 if i == j else 0.02 for j in range(4)] for i in range(4)],
    ...                       2, 2, grid=[0, 1])
    >>> [round(x, 1) for x in found.to_frame()["conf_low"]]
    [1.8, 1.8, 1.2]
    """
    one_of("target", target, TARGETS)
    one_of("method", method, METHODS)
    direction = direction_of(sign, monotone)
    alpha, seed = check("alpha", alpha), check("seed", seed)
    b, s = _arrays(beta, sigma, n_pre, n_post)
    weight = np.full(n_post, 1.0 / n_post) if target == "average" else np.eye(n_post)[0]
    study = Study(b, s, n_pre, weight, seed)
    what = (
        f"mean of the {n_post} coefficients after the start" if target == "average" and n_post > 1 else "first effect"
    )
    options = {"n_pre": n_pre, "n_post": n_post, "target": target, "method": method, "alpha": alpha, "seed": seed}
    options |= {"sign": sign, "monotone": monotone}
    manifest = Manifest("honest_did", options, seed, len(b), 1, arrays=partial(_listed, b, s))
    return answer(study, what, "units of the outcome", None, method, grid, alpha, manifest, direction)


def answer(
    study: Study,
    what: str,
    unit: str,
    n: int | None,
    method: str,
    grid: Sequence[float] | None,
    alpha: float,
    manifest: Manifest,
    direction: Direction = None,
) -> SensitivityResult:
    """The result for an event study of `n` units that has been read."""
    seen = seen_before(study, method)
    bounds = bounds_of(grid, seen, method)
    rows = [parallel_p(study)]
    limits = {}
    for k, m in enumerate(bounds, 1):
        limits[k] = partial(limits_of, study, method, m, direction)
        if direction is not None:
            refuse_empty(limits[k](1 - alpha), m, direction)
        rows.append(p_of(study, method, m, alpha, direction))
    names = [name_of(method, m, seen) for m in bounds]
    short = [f"{'Mbar' if method == METHODS[0] else 'M'} = {m:.4g}" for m in bounds]
    cov = np.full((len(rows),) * 2, np.nan)  # an interval that allows for bias rests on no standard error
    cov[0, 0] = study.std_error**2
    estimates = Estimates(
        ("parallel trends", *short),
        (f"{what}, trends parallel", *(f"{what}, {name}" for name in names)),
        (unit,) * len(rows),
        np.full(len(rows), study.point),
        cov,
        (n,) * len(rows),
        special=limits,
        special_p=dict(enumerate(rows)),
        method="conditional test behind a least favourable first stage"
        if method == METHODS[0] or direction is not None
        else "shortest interval of fixed length",
    )
    one = 1.0 if method == METHODS[0] else seen
    chosen = 1 + int(np.argmin([abs(m - one) for m in bounds]))
    found = breakdown_of(study, method, alpha, seen, direction)
    manifest = Manifest(
        manifest.verb, {**manifest.options, "grid": list(bounds)}, manifest.seed, manifest.rows, manifest.columns,
        manifest.dropped, manifest.notes, manifest.arrays,
    )  # fmt: skip
    return SensitivityResult(
        "Sensitivity to trends that differ (Rambachan and Roth 2023)",
        _ASSUMES[method] + said_of(direction),
        estimates,
        manifest,
        alpha,
        bounds,
        method,
        found,
        chosen,
        Audit(tuple(checks_of(study, method, found, seen))),
        None if direction is None else direction[0],
    )


def _listed(beta: FloatArray, sigma: FloatArray) -> list[Any]:
    return [beta, sigma]


def _arrays(beta: Any, sigma: Any, n_pre: Any, n_post: Any) -> tuple[FloatArray, FloatArray]:
    for name, count in (("n_pre", n_pre), ("n_post", n_post)):
        if isinstance(count, bool) or not isinstance(count, numbers.Integral) or count < 0:
            raise InputError(f"{name} must count coefficients, but is {said(count)}")
    if n_pre < 1 or n_post < 1:
        raise DesignError(
            f"there are {n_pre} coefficients before the base and {n_post} after it, and at least one is needed on each "
            "side",
            remedy="take more periods into the event study",
        )
    try:
        b, s = np.asarray(beta, dtype=float), np.asarray(sigma, dtype=float)
    except (TypeError, ValueError):
        raise InputError("beta and sigma must hold numbers") from None
    size = n_pre + n_post
    if b.shape != (size,) or s.shape != (size, size):
        raise InputError(
            f"beta has shape {b.shape} and sigma {s.shape}, but n_pre + n_post is {size}",
            remedy="leave the base out of both",
        )
    if not np.isfinite(b).all() or not np.isfinite(s).all():
        raise InputError("beta and sigma must be finite", remedy="leave out coefficients without an interval")
    scale = np.sqrt(np.abs(np.diag(s)))
    if (np.diag(s) <= 0).any() or np.abs(s - s.T).max() > 1e-8 * scale.max() ** 2:
        raise InputError(
            "sigma is no covariance: it must be symmetric, with positive variances", remedy="pass the covariance matrix"
        )
    if np.linalg.eigvalsh(s / np.outer(scale, scale)).min() < -1e-8:
        raise InputError("sigma is no covariance: some combination would have a negative variance")
    return b, (s + s.T) / 2
