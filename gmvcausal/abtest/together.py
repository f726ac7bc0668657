"""Options of a test that cannot be had together, and columns named twice for different things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gmvcausal.abtest.metrics import Metric, Quantile, covariates, name_of, parts
from gmvcausal.abtest.terms.received import refuse_receipt
from gmvcausal.errors import InputError


def refuse_together(metrics: Sequence[Metric], options: dict[str, Any]) -> None:
    """Options that cannot be had together, and columns named twice for different things."""
    if options["inference"] == "poisson_bootstrap" and options["lift"] != "fieller":
        raise InputError(
            "lift= and inference='poisson_bootstrap' cannot be used together: the relative interval is of draws too",
            remedy="leave lift= out",
        )
    named = {options["arm"], options["cluster"], options["unit"]} - {None}
    adjusted = [m for m in metrics if covariates(m)]
    for metric in adjusted:
        for column in covariates(metric):
            if column == options["arm"]:
                raise InputError("the arm itself cannot be a covariate", column=column, remedy="leave it out of pre=")
    ranked = next((m for m in metrics if isinstance(m, Quantile)), None)
    if options["inference"] != "t" and ranked is not None:
        raise InputError(
            f"{name_of(ranked)!r} is a quantile, for which inference={options['inference']!r} is not offered",
            remedy="test quantiles in a call of their own, by t",
        )
    if options["arm"] in (options["cluster"], options["unit"], *options["strata"]):
        raise InputError(
            f"the arm column {options['arm']!r} is named a second time, as cluster, unit or strata",
            column=options["arm"],
            remedy="leave that option out",
        )
    quantile = next((m for m in metrics if isinstance(m, Quantile)), None)
    if options["strata"] and quantile is not None:
        raise InputError(
            f"strata= and a quantile cannot be used together: {name_of(quantile)!r} has no mean over strata",
            column=quantile.column,
            remedy="leave strata= out, or test the quantile in a call of its own",
        )
    outcomes = {p for m in metrics for p in parts(m)}
    twice = outcomes & {c for m in adjusted for c in covariates(m)}
    if twice:
        column = min(twice)
        raise InputError(
            f"{column!r} is an outcome of this test, so it cannot be a covariate in it",
            column=column,
            remedy="name columns measured before the test, for example gmv_pre",
        )
    if options["received"] is not None:
        by_day = options["time"] is not None and options["washout"] is None
        refuse_receipt(options["received"], metrics, named | set(options["strata"]), options["inference"], by_day)
    if named & outcomes:
        raise InputError("an outcome cannot be the arm, the cluster or the unit too", column=min(named & outcomes))
