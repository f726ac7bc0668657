"""The verb `sequential`: a test that was looked at many times, and an answer that still holds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from gmvcausal.abtest.looks.read import Looks, from_cells, from_estimates
from gmvcausal.abtest.looks.result import Plan, Seen, SequentialResult, sequential_estimates
from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, one_of, said
from gmvcausal.frames.table import open_table
from gmvcausal.results import Manifest
from gmvcausal.stats.anytime import mixture_p, sequential_srm
from gmvcausal.stats.inference import FloatArray
from gmvcausal.stats.sequential import SPENDING, Bounds, repeated_p, spending_bounds

ALTERNATIVES = ("two-sided", "greater", "less")
METHODS = ("group_sequential", "always_valid")


def sequential(
    data: Any,
    *,
    look: str = "look",
    estimate: str = "estimate",
    std_error: str = "std_error",
    information: str | None = None,
    n_control: str | None = None,
    n_treated: str | None = None,
    arm: str | None = None,
    control: Any = None,
    n: str = "n",
    mean: str = "mean",
    variance: str = "variance",
    cells: str = "new",
    method: str = "group_sequential",
    spending: str = "obrien_fleming",
    alternative: str = "two-sided",
    planned: float | None = None,
    expected_ratio: Mapping[Any, float] | None = None,
    srm_alpha: float = 0.01,
    alpha: float = 0.05,
) -> SequentialResult:
    """Analyse a test at every look so that all looks together keep the level.

    Without this, looking at each of 14 days and stopping at the first p below .05 finds an effect that is not there
    in 22 % of tests.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        Either one row for each look, with the estimate and its standard error on all data so far; or, with `arm=`, one
        row for each look and arm, with the number of units, mean and variance of the outcome. Two arms.
    look : str
        Column of the look: whole numbers, other numbers, or dates. Rows may come in any order.
    estimate, std_error : str
        Columns of the first form.
    information : str, optional
        Column of the information at each look, on all data so far, in any unit. Default: from the numbers of units,
        1 / (1 / n_control + 1 / n_treated), where they are known; else 1 / std_error squared. Units are preferred
        because the variance of GMV itself grows while a test runs. In the second form both rows of a look give it;
        cumulative cells of one set of units, of whom none comes in later, take the variance of their sums instead.
    n_control, n_treated : str, optional
        Columns with the number of units so far. They also serve the sequential sample-ratio test.
    arm : str, optional
        Column of the arm: the data are then of the second form.
    control : label, optional
        The control arm; may be left out only where arms are 0/1 or booleans.
    n, mean, variance : str
        Columns of the second form; the variance has n - 1 in its denominator.
    cells : {"new", "cumulative"}
        What a row of the second form counts: the units that came in since the look before, or all units so far. Where
        outcomes of old units go on growing, only ``"cumulative"`` can say so.
    method : {"group_sequential", "always_valid"}
        Alpha spending (Lan and DeMets 1983) needs `planned` and is the narrower. A confidence sequence
        (Robbins 1970; Waudby-Smith and others 2024) needs no plan: stop whenever you like, go on as long as you like.
    spending : {"obrien_fleming", "pocock"}
        For alpha spending. The first costs the last look almost nothing.
    alternative : {"two-sided", "greater", "less"}
    planned : float, optional
        Where the test is planned to end: total number of units where these are known, else in the unit of the
        information. Default: the last look is the end. A confidence sequence is made narrowest there.
    expected_ratio : mapping, optional
        Planned share of each arm, by label (``"control"`` and ``"treated"`` in the first form). Default equal.
    srm_alpha : float
        Level at which the sequential sample-ratio test fails the audit; default .01.
    alpha : float
        Default .05, for all looks together.

    Returns
    -------
    SequentialResult
        The answer at the look where the test stops (the first crossing, else the last look) is the first row; a row for
        each look follows.

    Raises
    ------
    InputError
        Missing or infinite numbers, information that does not grow, a look that occurs twice, an arm not named.
    DesignError
        More than two arms; no look at which both arms have two units and outcomes vary.

    Notes
    -----
    Bounds assume that the estimates of successive looks have independent increments of information, as sums over new
    units do, and samples large enough for the normal distribution.

    Examples
    --------
    >>> import pandas as pd
    >>> import gmvcausal as gc
    >>> looks = pd.DataFrame({"look": [1, 2, 3], "estimate": [0.9, 0.8, 0.7], "std_error": [0.40, 0.28, 0.23]})
    >>> r = gc.sequential(looks)
    >>> r.to_frame()[["term", "statistic", "bound", "crossed"]].round(2)
         term  statistic  bound  crossed
    0  effect       2.86   2.49     True
    1  look 1       2.25   3.73    False
    2  look 2       2.86   2.49     True
    3  look 3       3.04   1.99     True
    """
    one_of("cells", cells, ("new", "cumulative"))
    one_of("method", method, METHODS)
    one_of("spending", spending, SPENDING)
    if method == "always_valid" and spending != SPENDING[0]:
        raise InputError("spending= has no meaning for a confidence sequence", remedy="leave it out")
    one_of("alternative", alternative, ALTERNATIVES)
    alpha, srm_alpha = check("alpha", alpha), check("srm_alpha", srm_alpha)
    if arm is None:
        given = [c for c in (information, n_control, n_treated) if c is not None]
        table = open_table(data, "data", [look, estimate, std_error, *given])
        read = from_estimates(table, look, estimate, std_error, information, n_control, n_treated)
    else:
        table = open_table(data, "data", [look, arm, n, mean, variance, *([information] if information else [])])
        read = from_cells(
            table, look, arm, control, n, mean, variance, cumulative=cells == "cumulative", information=information
        )
    plan = Plan(method, spending, alternative, _end(planned, read))
    sign = -1.0 if alternative == "less" else 1.0
    z = sign * read.estimate / read.std_error
    if method == "group_sequential":
        bounds = spending_bounds(read.information, alpha=alpha, spending=spending, sides=plan.sides, maximum=plan.end)
        critical, used = bounds.z, bounds.spent
        p = _p_values(plan, read.information, z, bounds, alpha)
    else:
        critical = plan.bounds(read.information, alpha)
        p = mixture_p(z, read.information, alpha=alpha, tuned_at=plan.end, sides=plan.sides)
        used = np.full(len(z), np.nan)
    options = {
        "look": look, "arm": arm, "control": read.control, "method": method, "spending": spending,
        "alternative": alternative, "planned": planned, "cells": cells if arm is not None else None, "alpha": alpha,
        "expected_ratio": expected_ratio, "srm_alpha": srm_alpha, "information": read.information_is,
    }  # fmt: skip
    notes = list(read.notes)
    if planned is None:
        notes.append("the last look is taken as the planned end, for planned= was not given")
    analysed = (read.estimate, read.std_error, read.information)
    manifest = Manifest(
        "sequential",
        options,
        None,
        table.n,
        len(table.columns),
        dict(read.dropped),
        tuple(notes),
        partial(tuple, analysed),
    )
    seen = Seen(read.look, read.estimate, read.std_error, read.information, read.counts)
    return SequentialResult(
        "A test looked at many times",
        "the arms were drawn by lot; looks add independent information, and samples are large enough for the normal "
        "distribution",
        sequential_estimates(seen, plan, critical, p),
        manifest,
        alpha,
        seen,
        plan,
        critical,
        used,
        _srm(read, expected_ratio),
        srm_alpha,
        p,
    )


def _p_values(plan: Plan, information: FloatArray, z: FloatArray, bounds: Bounds, alpha: float) -> FloatArray:
    """Stage-wise where the test stops, at a crossing or at the planned end; before that, the repeated p-value.

    A stage-wise value supposes that the test ends there. Read at a look at which it goes on, it would be at most alpha
    at some look in far more than alpha of all tests.
    """
    p = bounds.p_value(z)
    toward = np.abs(z) if plan.sides == 2 else z
    crossed = toward >= bounds.z
    ended = np.logical_or.accumulate(crossed) | (bounds.fraction >= 1 - 1e-9)
    if not ended.all():
        repeated = repeated_p(
            information, toward, alpha=alpha, spending=plan.spending, sides=plan.sides, maximum=plan.end
        )
        p = np.where(ended, p, np.maximum(repeated, np.nextafter(alpha, 1.0)))
    return p


def _end(planned: Any, read: Looks) -> float:
    """Planned information, in the unit of the looks."""
    last = float(read.information[-1])
    if planned is None:
        return last
    ok = isinstance(planned, int | float | np.number) and not isinstance(planned, bool)
    if not (ok and np.isfinite(planned) and planned > 0):
        raise InputError(f"planned must be a positive number, but is {said(planned)}")
    # with the shares of the arms as they are at the last look
    return last * float(planned) / float(read.counts[-1].sum()) if read.in_units else float(planned)


def _srm(read: Looks, expected: Any) -> FloatArray:
    if expected is not None and not isinstance(expected, Mapping):
        raise InputError(
            f"expected_ratio must give a share for each arm, but is {said(expected)}",
            remedy="write expected_ratio={'A': 0.9, 'B': 0.1}",
        )
    if expected is not None and {str(k) for k in expected} != set(read.arms):
        raise InputError(
            f"expected_ratio names the arms {', '.join(sorted(map(repr, map(str, expected))))}, "
            f"but the arms are {', '.join(map(repr, read.arms))}",
            remedy="give one share for each arm of the data",
        )
    if not len(read.counts):
        if expected is not None:
            raise InputError(
                "expected_ratio was given, but the numbers of units are not known",
                remedy="name their columns with n_control= and n_treated=",
            )
        return np.full(len(read.estimate), np.nan)
    by_name = None if expected is None else {str(k): v for k, v in expected.items()}
    share = None if by_name is None else [float(by_name[name]) for name in read.arms]
    return sequential_srm(read.counts, share)
