"""The verb `surrogate`: what a tactic will do in the long run, from what it has done so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.arms import read_shares
from gmvcausal.frames.params import check, column_name, one_of, said
from gmvcausal.mechanism.longrun.fitted import fit
from gmvcausal.mechanism.longrun.make import make_result
from gmvcausal.mechanism.longrun.read import Asked, Pair, read
from gmvcausal.mechanism.longrun.result import SurrogateResult
from gmvcausal.results import Manifest

ESTIMATORS = ("index", "doubly_robust", "score")
LEARNERS = ("linear", "trees")
_FOLDS = (2, 50)


def surrogate(
    experiment: Any,
    history: Any,
    outcome: str = "gmv_90d",
    arm: str = "arm",
    surrogates: Sequence[str] = (),
    covariates: Sequence[str] = (),
    *,
    control: Any = None,
    estimator: str = "index",
    learner: str = "linear",
    cluster: str | None = None,
    unit: str | None = None,
    expected_ratio: Mapping[Any, float] | None = None,
    missing: str = "raise",
    folds: int = 5,
    seed: int = 0,
    alpha: float = 0.05,
) -> SurrogateResult:
    """Effect on a long outcome, foretold from what a randomised test has shown so far (surrogate index).

    The history tells how the long outcome follows what is known early (surrogates); the experiment tells how the tactic
    moves these. Two things are assumed and not seen: the tactic moves the long outcome through the surrogates alone
    (surrogacy), and these foretell it in the experiment as they did in the history.

    Parameters
    ----------
    experiment : frame, parquet path or DuckDB relation
        One row per unit of a randomised test: arm, surrogates, covariates; the outcome too where it is known already
        (missing elsewhere), which puts both assumptions to a test. Not changed.
    history : frame, parquet path or DuckDB relation
        One row per unit of an earlier time: surrogates, covariates, and the long outcome. Where it has the column of
        the arm, the audit looks at who was treated there. Not changed.
    outcome : str
        Column of the long outcome: GMV of 90 days.
    arm : str
        Column of the arms of the experiment.
    surrogates : sequence of str
        Known early, after assignment: GMV, orders, visits of two weeks. Numbers, or text, which becomes 0/1 columns.
    covariates : sequence of str
        Known before assignment, in both tables.
    control : label, optional
        The control arm; may be left out where arms are 0/1 or booleans.
    estimator : {"index", "doubly_robust", "score"}
        "index": difference between arms of the outcome foretold by a line (default). "score": the history weighted by
        the surrogate score to look like each arm. "doubly_robust": both, right where either is, and no less precise in
        large samples.
    learner : {"linear", "trees"}
        How the outcome is foretold: a line (default), or a line and trees on what it leaves, cross-fitted; trees need
        estimator="doubly_robust", which errors of what is learned move in second order only.
    cluster : str, optional
        Column of what was assigned, or depends, together; used in the history too where it has the column. Default:
        rows, or a column named room, city, store, ... within which the arm does not vary, with a warning.
    unit : str, optional
        Column of the unit; repeats are refused without `cluster`, and units of both tables count as one source of
        chance. Default: a column called unit, user, user_id, ...
    expected_ratio : mapping of label to share, optional
        Planned shares of the arms, which the audit tests; equal by default.
    missing : {"raise", "zero"}
        What a missing long outcome of the history means; never guessed.
    folds : int
        Of cross-fitting, and of the index's share of variance; default 5.
    seed : int
        Of the folds and trees.
    alpha : float
        One minus the confidence level; default .05.

    Returns
    -------
    SurrogateResult
        One row for each arm; `surrogates()`, `bias()`, `incremental_gmv()`.

    Raises
    ------
    InputError
        The data or the call is wrong: surrogates missing in a table, an outcome that is a surrogate, ...
    DesignError
        No surrogate varies in the history, a level that it never saw, weights that it cannot have.

    Notes
    -----
    Standard errors hold the chance of both tables: Welch's variance of the foretold outcome between arms, and the
    variance of the index's slopes (HC2; in clusters CR1) at the gap of the surrogates between arms, which is the
    sandwich of the stacked moments. Those of the weights' coefficients count too. Trees: the efficient influence
    function.

    References
    ----------
    Prentice (1989), Statistics in Medicine 8; Athey, Chetty, Imbens and Kang (2019), NBER Working Paper 26463; Chen and
    Ritzwoller (2023), Journal of Econometrics 237.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> past = pd.DataFrame({"gmv_14d": [0.0, 10, 20, 30] * 30})
    >>> past["gmv_90d"] = 5 + 3 * past["gmv_14d"] + [1.0, -1, -1, 1] * 30
    >>> test = pd.DataFrame({"arm": [0, 1] * 60, "gmv_14d": [0.0, 10, 10, 20, 20, 20] * 20})
    >>> r = gc.surrogate(test, past, arm="arm", surrogates=["gmv_14d"])
    >>> round(r.estimate, 6), round(3 * (50 / 3 - 10), 6)
    (20.0, 20.0)
    """
    asked = Asked(
        str(column_name("outcome", outcome)), str(column_name("arm", arm)),
        tuple(check("covariates", surrogates, called="surrogates")), tuple(check("covariates", covariates)),
        column_name("cluster", cluster, optional=True), column_name("unit", unit, optional=True), control,
        check("missing", missing),
    )  # fmt: skip
    one_of("estimator", estimator, ESTIMATORS)
    one_of("learner", learner, LEARNERS)
    if learner == "trees" and estimator != "doubly_robust":
        raise InputError(
            f"learner='trees' leaves estimator={estimator!r} off by as much as trees are",
            remedy="pass estimator='doubly_robust' with it",
        )
    asked_folds: Any = folds
    whole = isinstance(asked_folds, int | np.integer) and not isinstance(asked_folds, bool)
    if not whole or not _FOLDS[0] <= folds <= _FOLDS[1]:
        raise InputError(f"folds must be a whole number from {_FOLDS[0]} to {_FOLDS[1]}, but is {said(folds)}")
    seed, alpha = check("seed", seed), check("alpha", alpha)
    pair = read(experiment, history, asked)
    shares = read_shares("expected_ratio", expected_ratio, pair.labels)
    options = {
        "outcome": asked.outcome, "arm": asked.arm, "surrogates": list(asked.surrogates),
        "covariates": list(asked.covariates), "control": pair.labels[0], "estimator": estimator, "learner": learner,
        "cluster": pair.cluster_name or None, "unit": unit, "missing": missing, "folds": int(folds), "alpha": alpha,
        "history_rows": pair.m,
    }  # fmt: skip
    manifest = Manifest(
        "surrogate", options, seed, pair.n, pair.columns, arrays=partial(_arrays, pair),
        choices=(_words(estimator, learner, pair),),
    )  # fmt: skip
    made = make_result(asked, fit(pair, estimator, learner, int(folds), seed), shares, manifest, alpha)
    return replace(made, manifest=replace(manifest, notes=tuple(pair.notes)))


def _words(estimator: str, learner: str, pair: Pair) -> str:
    what = {"index": "surrogate index", "score": "surrogate score", "doubly_robust": "index and score together"}
    how = {"linear": "by a line", "trees": "by a line and trees, cross-fitted"}[learner]
    # Without a name of theirs, clusters are the units that stand in both tables.
    clustered = f"clustered by {pair.cluster_name or 'unit'}" if pair.cluster is not None else "by rows"
    return f"{what[estimator]}, {how}; errors {clustered}, of both tables"


def _arrays(pair: Pair) -> list[Any]:
    """What was analysed, in the order into which reading has put it."""
    return [*pair.raw.T, pair.arm, np.nan_to_num(pair.seen, nan=-1.0), *pair.raw_past.T, pair.y]
