"""The verb `iv`: an effect told by what moved the treatment and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, column_name, one_of, said
from gmvcausal.observational.instrument.errors import KINDS, SSC
from gmvcausal.observational.instrument.intake import Asked, Trial, read
from gmvcausal.observational.instrument.make import make_result
from gmvcausal.observational.instrument.result import InstrumentResult
from gmvcausal.results import Manifest

ESTIMATORS = ("2sls", "liml")


def iv(
    data: Any,
    outcome: str = "gmv",
    treatment: str = "treatment",
    instrument: str | Sequence[str] = "assigned",
    covariates: Sequence[str] = (),
    *,
    cluster: str | None = None,
    control: Any = None,
    estimator: str = "2sls",
    errors: str = "robust",
    ssc: str = "hc2",
    unit: str | None = None,
    missing: str = "raise",
    expected_ratio: Any = None,
    alpha: float = 0.05,
    srm_alpha: float = 0.01,
) -> InstrumentResult:
    """Effect of a treatment on those whom an instrument moved to it: pushes assigned, not delivered; encouragements.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        One row per unit; several where `cluster` names the unit. Not changed.
    outcome : str
        Column of the outcome: GMV in money, or 0/1.
    treatment : str
        What arrived: a 0/1 or boolean column, or an amount (pushes received, yuan of discount).
    instrument : str or sequence of str
        What was assigned, or what moved the treatment and can have moved nothing else: 0/1, booleans, numbers, or the
        labels of arms with `control`. Several columns are used together.
    covariates : sequence of str
        Known before assignment: numbers, or text and categories, which become 0/1 columns. Needed where the instrument
        is as good as drawn only given them; else they make the interval narrower. Constant and collinear ones are
        dropped and named.
    cluster : str, optional
        Column of what was assigned, or depends, together. Default: rows, or a column named room, city, store, ...
        within which assignment does not vary, with a warning.
    control : label, optional
        The arm of the instrument that was not assigned; may be left out where the instrument holds 0 and 1, booleans,
        or more than two numbers.
    estimator : {"2sls", "liml"}
        Two-stage least squares, or limited information maximum likelihood, which is less biased with several weak
        instruments. With one instrument they are the same; with several the other stands beside.
    errors : {"robust", "unadjusted"}
        Standard errors under any, or under equal variances; with `cluster` they are cluster-robust.
    ssc : {"hc2", "hc1", "none"}
        Small-sample convention. "hc2": squared residuals over one less their leverage, with Welch's degrees of freedom
        over the arms of a binary instrument; without covariates that is Welch's test of ``gc.ab_test(received=)``.
        Clusters of each arm get the unbiased factor of Bell and McCaffrey. "hc1": n / (n - K), or
        G / (G - 1) x (n - 1) / (n - K), as Stata's ``small`` and linearmodels' ``debiased=True``. "none": no factor and
        normal quantiles, as linearmodels by default.
    unit : str, optional
        Column of the unit; repeats are refused without `cluster`. Default: a column called unit, user, user_id, ...
    missing : {"raise", "zero"}
        What a missing outcome means; never guessed.
    expected_ratio : mapping of label to share, optional
        Planned shares of the instrument's arms, which the audit tests.
    alpha : float
        One minus the confidence level; default .05.
    srm_alpha : float
        The audit fails where the arms' sizes have a p-value below it; default .01.

    Returns
    -------
    InstrumentResult
        First row: the effect with its Anderson-Rubin interval. Then the same with the Wald interval (estimate +- t x
        standard error), the other estimator, the effect of assignment (intent to treat), the first stage, and the
        comparison as treated. `confidence_set()`, `tests()`, `compliers()`.

    Raises
    ------
    InputError
        The data or the call is wrong: text or missing treatment, an instrument that is the treatment, ...
    DesignError
        The instrument moves nobody, or the covariates leave nothing of it.

    Notes
    -----
    The Anderson-Rubin set holds the values b for which outcome - b x treatment is unrelated to the instruments. Nothing
    is divided, so it covers however weak the instruments are. It may have no end, consist of two rays or several parts,
    or, with several instruments, be empty: `confidence_set()` has all of it and the summary says so. `conf_int()` is
    the smallest interval that holds it, (-inf, inf) where it has no end, and NaN where it is empty.

    References
    ----------
    Anderson and Rubin (1949), Annals of Mathematical Statistics 20; Imbens and Angrist (1994), Econometrica 62; Abadie
    (2003), Journal of Econometrics 113; Montiel Olea and Pflueger (2013), Journal of Business and Economic Statistics
    31; Lee, McCrary, Moreira and Porter (2022), American Economic Review 112; Hansen (1982), Econometrica 50.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> users = pd.DataFrame({"sent": [0, 1] * 100, "delivered": [0, 1, 0, 1, 0, 0] * 33 + [0, 1]})
    >>> users["gmv"] = 10 + 3.0 * users["delivered"] + [u % 7 for u in range(200)]
    >>> r = gc.iv(users, treatment="delivered", instrument="sent")
    >>> round(r.estimate, 2), [round(end, 1) for end in r.conf_int()]
    (3.03, [2.2, 3.9])
    """
    asked = Asked(
        str(column_name("outcome", outcome)), str(column_name("treatment", treatment)),
        tuple(_names("instrument", instrument)), tuple(check("covariates", covariates)),
        column_name("cluster", cluster, optional=True), column_name("unit", unit, optional=True), control,
        check("missing", missing),
    )  # fmt: skip
    options: dict[str, Any] = {
        "outcome": asked.outcome,
        "treatment": asked.treatment,
        "instrument": list(asked.instruments),
        "covariates": list(asked.covariates),
        "cluster": cluster,
        "control": control,
        "estimator": one_of("estimator", estimator, ESTIMATORS),
        "errors": one_of("errors", errors, KINDS),
        "ssc": one_of("ssc", ssc, SSC),
        "unit": unit,
        "missing": asked.missing,
        "expected_ratio": expected_ratio,
        "alpha": check("alpha", alpha),
        "srm_alpha": check("srm_alpha", srm_alpha),
    }
    if errors == "unadjusted" and cluster is not None:
        raise InputError(
            "errors='unadjusted' takes rows as independent, and cluster= says that they are not",
            remedy="leave one of them out",
        )
    trial = read(data, asked)
    if trial.labels:
        options["control"] = trial.labels[0]
    columns: list[NDArray[Any]] = [*trial.raw.T, *trial.z.T, trial.d, trial.y]
    columns += [] if trial.cluster is None else [trial.cluster]
    manifest = Manifest(
        "iv", options | {"expected_ratio": _told(expected_ratio)}, None, trial.rows, trial.columns,
        arrays=partial(_arrays, columns), choices=_choices(options, trial),
    )  # fmt: skip
    made = make_result(asked, trial, options, manifest)
    return replace(made, manifest=replace(manifest, dropped=trial.dropped, notes=tuple(trial.notes)))


def _names(name: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if value is None or isinstance(value, bool | int | float):
        raise InputError(f"{name} must be a column name or several, but is {said(value)}")
    found: list[str] = check("keep", value, called=name)
    return found


def _choices(options: dict[str, Any], trial: Trial) -> tuple[str, ...]:
    clustered = f"clustered by {trial.cluster_name}" if trial.cluster is not None else options["errors"]
    estimator = {"2sls": "two-stage least squares", "liml": "LIML"}[options["estimator"]]
    return (f"{estimator}, {clustered} errors ({options['ssc']}), Anderson-Rubin interval",)


def _told(value: Any) -> Any:
    """An option as the manifest can hold it."""
    return [f"{k}: {v}" for k, v in value.items()] if hasattr(value, "items") else value


def _arrays(columns: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """What was analysed, in an order of its own."""
    order = np.lexsort(columns)
    return [np.ascontiguousarray(c[order]) for c in columns]
