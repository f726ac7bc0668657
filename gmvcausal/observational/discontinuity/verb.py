"""The verb `threshold`: read the rows, estimate the jump, carry the audit and the manifest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import check, column_name, counted, one_of, said
from gmvcausal.observational.discontinuity.bandwidth import Widths
from gmvcausal.observational.discontinuity.bins import MERGED, merges
from gmvcausal.observational.discontinuity.checks import checks_of, covariates_at, false_cutoffs
from gmvcausal.observational.discontinuity.density import density_test
from gmvcausal.observational.discontinuity.jump import Estimate, Jump, jump
from gmvcausal.observational.discontinuity.local import ERRORS, FloatArray, Side
from gmvcausal.observational.discontinuity.read import Asked, Rows, read
from gmvcausal.observational.discontinuity.result import Threshold
from gmvcausal.results import Manifest
from gmvcausal.results.audit import audit_with
from gmvcausal.results.estimates import Estimates
from gmvcausal.stats.inference import critical_value
from gmvcausal.stats.small_cells import MIN_CELL

_MULTIPLES = (0.5, 0.75, 1.0, 1.5, 2.0)


def threshold(
    data: Any,
    outcome: str,
    score: str,
    cutoff: float,
    *,
    treated: str = "above",
    treatment: str | None = None,
    covariates: Sequence[str] = (),
    cluster: str | None = None,
    bandwidth: float | None = None,
    bias_bandwidth: float | None = None,
    donut: float = 0.0,
    errors: str = "nn",
    missing: str = "raise",
    alpha: float = 0.05,
) -> Threshold:
    """What did a tactic do to those at the threshold of the rule that gave it (regression discontinuity)?

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        One row per unit. Not changed.
    outcome : str
        Column measured after the rule was applied; zeros where nothing was bought.
    score : str
        Column of numbers that the rule reads: spending before, points, days since the last order.
    cutoff : float
        Where the rule changes, in units of the score.
    treated : {"above", "below"}
        Which side has the tactic: scores at or above the cutoff (default, printed), or those below it.
    treatment : str, optional
        0/1 column of who really had it, where the rule was not kept to the letter: the design is then fuzzy, and the
        effect that of those whom the threshold moves. Without it all on the treated side had it.
    covariates : sequence of str
        Columns fixed before: they narrow the interval, and each must not jump at the threshold itself.
    cluster : str, optional
        Column of rows that depend on each other. Scores are added up by cluster on each side of the cutoff, with the
        factor (n - 1) / (n - k) x G / (G - 1).
    bandwidth : float, optional
        Distance from the cutoff up to which rows count. Default: the one that minimises the mean squared error
        (``mserd``, Calonico, Cattaneo and Titiunik 2014).
    bias_bandwidth : float, optional
        The same for the bias. Default: the best one, or `bandwidth` where that is given.
    donut : float
        Rows closer than this to the cutoff are left out, where they may have been moved over it. Default 0.
    errors : {"nn", "hc0", "hc1", "hc2", "hc3"}
        Variance: from the nearest three rows (default: needs no residuals of the fit), or from residuals.
    missing : {"raise", "zero"}
        What a missing outcome means.
    alpha : float
        One minus the confidence level.

    Returns
    -------
    Threshold
        The headline is the row ``robust``: bias-corrected, with an interval that knows of the correction. Beside it
        ``conventional``, `bandwidths()`, `covariates_at_cutoff()`, `placebo_cutoffs()`, `density`, `plot()`.

    Raises
    ------
    InputError
        Columns that are missing or of the wrong kind, a treatment that is not 0/1, units given twice without
        `cluster`.
    DesignError
        Fewer than ten distinct scores on a side, a constant outcome, a bandwidth too narrow to fit a curve.

    Notes
    -----
    Local linear fits on both sides, weighted by the triangular kernel; the bias is estimated by a quadratic. Estimates,
    standard errors and bandwidths are those of ``rdrobust`` with its defaults. The bandwidth of a fuzzy design
    depends, as there, on where the outcome's zero is.

    Where shoppers see the threshold and can move over it, as a basket that is topped up to reach "300 less 40", those
    above and below are not alike, and the check ``density`` fails. A cluster with rows on both sides counts on each as
    if it were another (as in ``rdrobust``).

    References
    ----------
    Calonico, Cattaneo and Titiunik (2014), Econometrica 82; Calonico, Cattaneo, Farrell and Titiunik (2019), Review of
    Economics and Statistics 101 (covariates); Cattaneo, Jansson and Ma (2020), Journal of the American Statistical
    Association 115 (density).

    Examples
    --------
    >>> import gmvcausal as gc, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> spent = rng.uniform(100, 500, 2000)
    >>> gmv = 20 + 0.1 * spent + 15 * (spent >= 300) + rng.normal(0, 10, 2000)
    >>> r = gc.threshold(pd.DataFrame({"spent": spent, "gmv": gmv}), "gmv", "spent", 300)
    >>> print(f"{r.estimate:.2f} ({r.std_error:.2f})")
    15.76 (1.98)
    """
    for role, column in (("outcome", outcome), ("score", score), ("treatment", treatment), ("cluster", cluster)):
        column_name(role, column, optional=role in ("treatment", "cluster"))
    named = check("covariates", covariates)
    options: dict[str, Any] = {
        "outcome": outcome, "score": score, "cutoff": _real("cutoff", cutoff), "treated": _side(treated),
        "treatment": treatment, "covariates": named, "cluster": cluster,
        "bandwidth": _real("bandwidth", bandwidth, above=0), "donut": _real("donut", donut, least=0),
        "bias_bandwidth": _real("bias_bandwidth", bias_bandwidth, above=0), "errors": one_of("errors", errors, ERRORS),
        "missing": check("missing", missing), "alpha": check("alpha", alpha),
    }  # fmt: skip
    if bias_bandwidth is not None and bandwidth is None:
        raise InputError("bias_bandwidth= goes with bandwidth=", remedy="pass both, or neither")
    at = float(options["cutoff"])
    asked = Asked(outcome, score, at, treated, treatment, tuple(named), cluster, missing)
    rows = read(data, asked)
    sides = rows.sides(options["donut"])
    dropped = dict(rows.dropped)
    if options["donut"]:
        gone = rows.n - sides[0].n - sides[1].n
        dropped[f"rows closer than {options['donut']:g} to the cutoff (donut=)"] = gone
    if min(len(np.unique(side.x)) for side in sides) < 10:
        raise DesignError(
            "the donut leaves fewer than 10 distinct scores on a side", column=score, remedy="pass a smaller donut="
        )
    given = None if bandwidth is None else Widths(float(bandwidth), float(bias_bandwidth or bandwidth))
    found = jump(*sides, errors, given)
    if found is None:
        raise DesignError(
            "near the cutoff too few distinct scores lie on a side to fit a line and a curve"
            + (", or the outcome does not vary" if given is None else "")
            + ("" if treatment is None else ", or the treatment does not change there"),
            column=score,
            remedy="look at the rows near the cutoff; pass a larger bandwidth=, or supply more units there",
        )
    sign = 1.0 if treated == "above" else -1.0
    density = density_test(rows.x, 0.0)
    covariate = covariates_at(rows, errors, options["donut"], sign)
    false = false_cutoffs(rows, at, errors, options["donut"], sign)
    checks = checks_of(rows, asked, found, density, covariate, false, sign, options["donut"])
    estimates = _estimates(found, rows, asked, sign)
    w = found.widths
    how = "as given" if given else "minimises the mean squared error"
    notes = [
        *rows.notes,
        f"bandwidth {w.h:.4g} ({how}), of the bias {w.b:.4g}; local linear, triangular kernel",
    ]
    exact = int((rows.x == 0).sum())
    if exact:
        few = rows.people and exact < MIN_CELL
        there = f"fewer than {MIN_CELL} rows" if few else counted(exact, "row")
        notes.append(f"{there} exactly at {at:g}: at the cutoff counts as above it")
    if rows.people and merges(rows.x, w.h):
        notes.append(MERGED)
    manifest = Manifest(
        "threshold", options, None, rows.rows, rows.columns, dropped, tuple(notes), partial(_arrays, rows)
    )
    fuzzy = found.treatment is not None
    title = f"Regression discontinuity{' (fuzzy)' if fuzzy else ''}: {score} at {at:g}, treated {treated}"
    assumption = (
        "without the tactic the mean outcome would run smoothly through the threshold: nobody chose their side of it, "
        "and nothing else changes there"
    )
    if fuzzy:
        assumption += "; the threshold moves nobody away from the tactic, and acts through it alone"
    advice = (
        f"The effect is that of units at {at:g}, and says nothing of those far from it.",
        f"Without bias correction it is {estimates.estimate[1]:.4g} (standard error {estimates.std_error[1]:.3g}).",
    )
    return Threshold(
        title, assumption, estimates, manifest, options["alpha"], audit_with(checks, rows.facts), found, density,
        covariate, false, _by_bandwidth(sides, found, errors, options["alpha"], sign), rows.x, rows.y,
        score, outcome, at, advice, rows.people,
    )  # fmt: skip


def _real(name: str, value: Any, *, above: float | None = None, least: float | None = None) -> float | None:
    if value is None and above is not None:
        return None
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    ok = real and math.isfinite(value)
    if not ok or (above is not None and value <= above) or (least is not None and value < least):
        more = f" above {above:g}" if above is not None else f" of at least {least:g}" if least is not None else ""
        raise InputError(f"{name} must be a number{more}, but is {said(value)}", remedy=f"pass {name}= in units of the "
                         "score")  # fmt: skip
    return float(value)


def _side(treated: Any) -> str:
    return one_of("treated", treated, ("above", "below"))


def _arrays(rows: Rows) -> list[Any]:
    return [rows.y, rows.x, rows.z, *([] if rows.t is None else [rows.t])]


def _estimates(found: Jump, rows: Rows, asked: Asked, sign: float) -> Estimates:
    unit = str(rows.facts.get("outcome_unit", "")) if rows.facts.get("outcome") == asked.outcome else ""
    unit = unit or f"{asked.outcome} per unit"
    where = f"at {asked.score} = {asked.cutoff:g}"
    turn = 1.0 if found.treatment is not None else sign
    whom = f"effect among those whom the threshold moves, {where}" if found.treatment else f"effect {where}"
    terms: list[tuple[str, str, str, float, float]] = [
        ("robust", whom, unit, turn * found.effect.corrected, found.effect.robust_error),
        ("conventional", f"{whom}, without bias correction", unit, turn * found.effect.plain, found.effect.error),
    ]

    def more(name: str, what: str, measured: str, one: Estimate) -> None:
        terms.append((name, f"{what} {where}", measured, sign * one.corrected, one.robust_error))

    if found.treatment is not None:
        more("first_stage", "change of the share treated", "share", found.treatment)
        more("reduced_form", "change of the outcome", unit, found.outcome)
    error = np.array([t[4] for t in terms])
    cov = np.full((len(terms), len(terms)), np.nan)
    np.fill_diagonal(cov, error**2)
    size = sum(found.inside)
    return Estimates(
        tuple(t[0] for t in terms), tuple(t[1] for t in terms), tuple(t[2] for t in terms),
        np.array([t[3] for t in terms]), cov, (size,) * len(terms), method="robust bias correction",
        withheld="" if np.isfinite(error).all() else "a side has one cluster within the bandwidth",
    )  # fmt: skip


def _by_bandwidth(
    sides: tuple[Side, Side], found: Jump, errors: str, alpha: float, sign: float
) -> dict[str, FloatArray]:
    turn, half = 1.0 if found.treatment is not None else sign, critical_value(1 - alpha)
    out = []
    for k in _MULTIPLES:
        w = found.widths
        one = found if k == 1 else jump(*sides, errors, Widths(k * w.h, k * w.b))
        if one is None:
            continue
        value, error = turn * one.effect.corrected, one.effect.robust_error
        out.append([k, k * w.h, k * w.b, value, error, value - half * error, value + half * error, *one.inside])
    names = ("multiple", "h", "b", "estimate", "std_error", "conf_low", "conf_high", "n_below", "n_above")
    return dict(zip(names, np.array(out).T, strict=True))
