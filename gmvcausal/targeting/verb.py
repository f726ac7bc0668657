"""The verb `uplift`: check the options, read the rows, learn, and carry the audit and the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.features import check_impute
from gmvcausal.frames.params import check, column_name, flag, one_of, whole
from gmvcausal.results import Manifest
from gmvcausal.stats.nuisance.aipw import ESTIMANDS
from gmvcausal.targeting.dose.make import uplift_dose
from gmvcausal.targeting.dose.result import DoseUplift
from gmvcausal.targeting.fit import Fit, fit_trial, options_of
from gmvcausal.targeting.intake.read import read_trial
from gmvcausal.targeting.intake.trial import Asked, Trial
from gmvcausal.targeting.large.learn import check_sample, learn_sampled, rows_to_learn
from gmvcausal.targeting.learners.choose import LEARNERS
from gmvcausal.targeting.make import make_result
from gmvcausal.targeting.result import Uplift


@overload
def uplift(
    data: Any,
    *,
    dose: Literal[True],
    outcome: str = "gmv",
    treatment: str = "treatment",
    features: Sequence[str] = (),
    learner: str = "auto",
    propensity: float | str | None = None,
    cost: float = 0,
    margin: float = 1.0,
    cluster: str | None = None,
    unit: str | None = None,
    assigned_at: str | None = None,
    exposed_at: str | None = None,
    missing: str = "raise",
    impute: Any = None,
    folds: int = 5,
    alpha: float = 0.05,
    srm_alpha: float = 0.01,
    seed: int = 0,
    threads: int = 1,
) -> DoseUplift: ...


@overload
def uplift(
    data: Any,
    *,
    outcome: str = "gmv",
    treatment: str = "treatment",
    features: Sequence[str] = (),
    control: Any = None,
    learner: str = "auto",
    estimand: str = "ate",
    propensity: Any = None,
    cost: Any = 0,
    margin: float = 1.0,
    redeemed: str | None = None,
    cluster: str | None = None,
    unit: str | None = None,
    assigned_at: str | None = None,
    exposed_at: str | None = None,
    missing: str = "raise",
    rule: str = "raise",
    impute: Any = None,
    received: str | None = None,
    dose: Literal[False] = False,
    sample: int | None = None,
    folds: int = 5,
    alpha: float = 0.05,
    srm_alpha: float = 0.01,
    seed: int = 0,
    threads: int = 1,
) -> Uplift: ...


def uplift(
    data: Any,
    *,
    outcome: str = "gmv",
    treatment: str = "treatment",
    features: Sequence[str] = (),
    control: Any = None,
    learner: str = "auto",
    estimand: str = "ate",
    propensity: Any = None,
    cost: Any = 0,
    margin: float = 1.0,
    redeemed: str | None = None,
    cluster: str | None = None,
    unit: str | None = None,
    assigned_at: str | None = None,
    exposed_at: str | None = None,
    missing: str = "raise",
    rule: str = "raise",
    impute: Any = None,
    received: str | None = None,
    dose: bool = False,
    sample: int | None = None,
    folds: int = 5,
    alpha: float = 0.05,
    srm_alpha: float = 0.01,
    seed: int = 0,
    threads: int = 1,
) -> Uplift | DoseUplift:
    """How much does a tactic add to each user's GMV, and so who should get it?

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        One row per user, all arms; zeros where nothing was bought. Not changed.
    outcome : str
        Column of the outcome: GMV in money, or 0/1.
    treatment : str
        Column of the arm: 0/1, booleans, or labels of any number of arms (coupon values).
    features : sequence of str
        What was known of users before assignment: numbers, text or categories, and dates with `assigned_at`. Gaps in
        numbers are taken as they are. Without features the result has the average effects alone.
    control : label, optional
        The control arm. It may be left out only where the arms are 0 and 1, or booleans; it is never guessed.
    learner : str
        Of individual effects: auto, s, t, x, r, dr, hurdle or causal_forest; the average effects do not depend on it.
        auto takes the hurdle (chance of buying times amount) where more than half of the outcomes are zero or all are
        zero or one, elsewhere x, or dr from 50,000 rows on, unless another has a lower held-out loss by more than one
        paired standard error; the summary says which.
    estimand : {"ate", "att", "overlap"}
        Average effect on everyone; on those who got the arm; on everyone weighted by how near the chances of the arms
        are, which needs no user who could hardly get one of them.
    propensity : None, number, column, or mapping
        Chance of treatment: a number or a column (two arms), or arm -> share or column. Used as given, and tested
        against the arms' sizes. None: estimated from the features, out of fold, and calibrated; shares of the arms
        where the features do not tell who was treated.
    cost : number, column, or mapping of arm to either
        What treating a user costs, in the money of the outcome; with `redeemed`, what one redeemed coupon costs. For
        `policy`.
    margin : float
        Share of GMV that is earned; for `policy`.
    redeemed : str, optional
        Column that is 1 where the coupon was redeemed and 0 elsewhere, 0 throughout the control: a coupon then costs
        only when it is redeemed. The chance of that is learned out of fold on the rows of each arm (its share where
        the features do not tell who redeems), and `policy` plans with cost x chance; the value of a plan counts what
        was redeemed. Default: every treated user costs.
    cluster : str, optional
        Column of what was assigned, or depends, together. Folds and standard errors go by it. Default: rows, or a
        column named room, city, store, ... within which the arm does not vary, with a warning.
    unit : str, optional
        Column of the user; repeats are refused. Default: a column called unit, user, user_id, 用户id, 会员编号, ...
    assigned_at : str, optional
        Column of the time of assignment: features that are dates count as days before it; later ones are refused.
    exposed_at : str, optional
        Column of the time of the first exposure, missing where there was none; exposures before `assigned_at` are
        refused.
    missing : {"raise", "zero"}
        What a missing outcome means; never guessed.
    rule : {"raise", "first", "drop"}
        Units in two arms: refuse, keep the arm of their first row (all their rows of it), or leave them out.
    impute : {None, "median"} or float
        What fills gaps of numbers; default nothing, since trees take them.
    received : str, optional
        0/1 or boolean column: whether the row got what its arm was assigned (the push was delivered, the coupon seen).
        Rows then follow with the effect on those whom each arm reached because it was assigned (LATE): the effect on
        the outcome over the effect on receipt, with Anderson and Rubin's interval. All other rows, and the effects of
        users, stay those of being assigned.
    dose : bool
        The treatment is an amount (yuan of discount, 0 where there was none): one slope in place of arms, the effect of
        one unit more, by residual on residual (partially linear). `propensity` is then the expected dose of the lot, a
        number or a column; `cost` what one unit costs. control, estimand, rule, received and redeemed are for arms.
    sample : int, optional
        About how many rows the models learn from, drawn by a lot that hangs on each user's own id (on all that a row
        holds where no column is an id), neither on the order of rows nor on the number of files. Arms are drawn as
        alike in number as they can be where `propensity` is given. The average effects still count every row, read in
        batches, where chances are given or turn out to be shares, and there is neither `cluster`, `received` nor
        `redeemed`; else they are those of the sample. Default: all rows; of a path or relation with more than 50
        million numbers (rows x columns named) as many rows as hold these. The summary says what the sample costs.
    folds : int
        Default 5. Every nuisance of a row, and the last stage of its effect, is by models that have not seen its fold.
    alpha : float
        One minus the confidence level; default .05.
    srm_alpha : float
        The audit fails where the arms' sizes have a p-value below it under the given chances; default .01.
    seed : int
        Of folds and trees. The same seed and rows, in any order, give the same numbers.
    threads : int
        Of LightGBM; default 1.

    Returns
    -------
    Uplift
        One row for each arm, by augmented inverse probability weighting with cluster-robust intervals; then, where
        chances are given and the same for all, the plain differences of means (Welch). `predict(data)` has the effects
        of users.
    DoseUplift
        With `dose=True`: the average slope, and `predict(data)` with the slopes of users.

    Raises
    ------
    InputError
        The data or the call is wrong: control not named, a feature that is the outcome, a probability of 0, ...
    DesignError
        The data cannot answer.

    References
    ----------
    Robins, Rotnitzky and Zhao (1994), JASA 89; Chernozhukov et al. (2018), Econometrics Journal 21 (cross-fitting);
    Imbens and Angrist (1994), Econometrica 62; Frölich (2007), Journal of Econometrics 139 (LATE given covariates);
    Kennedy (2023), Electronic Journal of Statistics 17 (DR-learner); Li and Li (2019), Annals of Applied Statistics 13;
    Robinson (1988), Econometrica 56; Nie and Wager (2021), Biometrika 108 (doses, R-learner).

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> users = pd.DataFrame({"coupon": [0, 1] * 200, "tier": [u // 2 % 2 for u in range(400)]})
    >>> users["gmv"] = 10 + 4.0 * users["coupon"] * users["tier"] + [u % 5 for u in range(400)]
    >>> m = gc.uplift(users, treatment="coupon", features=["tier"], propensity=0.5)
    >>> round(m.estimate, 1), m.predict(pd.DataFrame({"tier": [0, 1]})).shape
    (2.0, (2, 1))
    """
    asked = Asked(
        str(column_name("outcome", outcome)), str(column_name("treatment", treatment)),
        tuple(check("features", features)), control, propensity, cost, check("margin", margin),
        column_name("cluster", cluster, optional=True), column_name("unit", unit, optional=True),
        column_name("assigned_at", assigned_at, optional=True), check("missing", missing), check_impute(impute),
        column_name("received", received, optional=True),
        column_name("redeemed", redeemed, optional=True), one_of("rule", rule, ("raise", "first", "drop")),
        column_name("exposed_at", exposed_at, optional=True),
    )  # fmt: skip
    options: dict[str, Any] = {
        "outcome": asked.outcome,
        "treatment": asked.treatment,
        "features": list(asked.features),
        "control": control,
        "learner": one_of("learner", learner, LEARNERS),
        "estimand": one_of("estimand", estimand, ESTIMANDS),
        "propensity": _told(propensity),
        "cost": _told(cost),
        "margin": asked.margin,
        "redeemed": redeemed,
        "cluster": cluster,
        "unit": unit,
        "assigned_at": assigned_at,
        "exposed_at": exposed_at,
        "missing": asked.missing,
        "rule": asked.rule,
        "impute": asked.impute,
        "received": received,
        "dose": flag("dose", dose),
        "sample": check_sample(sample),
        "folds": whole("folds", folds, 2, 50),
        "alpha": check("alpha", alpha),
        "srm_alpha": check("srm_alpha", srm_alpha),
        "seed": check("seed", seed),
        "threads": whole("threads", threads, 1, 1024),
    }
    if dose:
        if sample is not None:
            raise InputError("sample= is for arms, and dose=True has none", remedy="pass a part of the rows as data")
        del options["sample"]
        return uplift_dose(data, asked, options)

    def learn(trial: Trial, notes: list[str]) -> Fit:
        return fit_trial(trial, learner, options["folds"], options["seed"], options["threads"], notes)

    wanted = rows_to_learn(data, asked, options["sample"])
    learned = None
    if wanted is not None:
        learned = learn_sampled(data, asked, wanted, options["estimand"], options["seed"], learn)
    if learned is None:
        trial = read_trial(data, asked)
        notes = list(trial.notes)
        fit = learn(trial, notes)
        if wanted is not None:
            notes.append(f"sample={wanted:,} asks for no fewer than the {trial.rows:,} rows: all were learned from")
        sampled, sums = None, None
    else:
        trial, fit, sampled, sums, told = learned
        notes = list(told)
    options |= {"control": trial.labels[0], "sample": wanted} | options_of(fit)
    manifest = Manifest(
        "uplift", options, options["seed"], trial.rows if sampled is None else sampled.rows, trial.columns,
        dict(trial.dropped), tuple(notes), partial(_arrays, trial),
        (f"learner {fit.learner}, {options['folds']} folds",) if fit.model is not None else (),
    )  # fmt: skip
    return replace(make_result(asked, trial, fit, options, manifest, sums), origin=data, sampled=sampled)


def _arrays(trial: Trial) -> list[NDArray[Any]]:
    """What was analysed, in the order of its own."""
    found: list[NDArray[Any]] = [trial.y, trial.arm, np.ascontiguousarray(trial.x)]
    found += [a for a in (trial.propensity, trial.cluster, trial.received, trial.redeemed) if a is not None]
    return found


def _told(value: Any) -> Any:
    """An option as the manifest can hold it."""
    return [f"{k}: {v}" for k, v in value.items()] if hasattr(value, "items") else value
