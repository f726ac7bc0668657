"""The verb `adjust`: compare units that got it with units that did not, given what was known of both before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, column_name, one_of, whole
from gmvcausal.frames.table import open_table
from gmvcausal.observational.adjustment.door import FrontDoorResult, through_the_door
from gmvcausal.observational.adjustment.drawn import drawn_words, planned, with_graph
from gmvcausal.observational.adjustment.intake import LEARNED, Asked, arrays, read
from gmvcausal.observational.adjustment.learn import learn
from gmvcausal.observational.adjustment.make import METHODS, make_result
from gmvcausal.observational.adjustment.numbers import ESTIMATORS
from gmvcausal.observational.adjustment.result import Adjusted
from gmvcausal.observational.adjustment.within import read_panel
from gmvcausal.results import Manifest

ESTIMANDS = ("ate", "att", "overlap")


def adjust(
    data: Any,
    outcome: str = "gmv",
    treatment: str = "treatment",
    covariates: Sequence[str] = (),
    *,
    control: Any = None,
    graph: Any = None,
    estimator: str = "aipw",
    estimand: str = "ate",
    unit: str | None = None,
    time: str | None = None,
    cluster: str | None = None,
    assigned_at: str | None = None,
    missing: str = "raise",
    folds: int = 5,
    alpha: float = 0.05,
    seed: int = 0,
    threads: int = 1,
) -> Adjusted | FrontDoorResult:
    """Effect of a tactic that nobody drew lots for, given all that decided who got it (selection on observables).

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        One row per unit, those with the tactic and those without; zeros where nothing was bought. Not changed.
    outcome : str
        Column of the outcome: GMV in money, or 0/1.
    treatment : str
        Column of the arm: 0/1, booleans, or two labels of which `control` names one.
    covariates : sequence of str
        What decided who got it, as it was known before: numbers, text or categories, and dates with `assigned_at`.
        Under "aipw" and "dml" gaps in numbers are taken as they are; the regressions refuse them.
    control : label, optional
        The arm without the tactic. It may be left out only where the arms are 0 and 1, or booleans; never guessed.
    graph : edges, mapping, DOT text or networkx.DiGraph, optional
        What causes what: ``[("tier", "coupon"), ("tier", "gmv"), ("coupon", "gmv")]``, ``{"tier": ["coupon", "gmv"],
        ...}`` or ``"digraph { tier -> coupon -> gmv; tier -> gmv }"``. Nodes that are no columns count as not
        observed. The adjustment set is found from it (`covariates` may then be left out; if given, they are held
        against it), and what the graph implies is tested on the data (check ``graph``). Where no set is valid but a
        front door is observed, the effect is estimated through that.
    estimator : {"aipw", "regression", "ipw", "matching", "dml"}
        "aipw" (default): outcomes and chances by ridge lines and boosted trees, each row's by models that have not seen
        it; right where either of the two is. "regression": straight lines with all interactions (Lin), HC2 or CR2
        errors; with estimand="overlap" the plain additive regression. "ipw": weights from a logistic regression, whose
        estimation the error knows of. "matching": nearest neighbour by the log odds, with replacement, bias corrected.
        "dml": residual on residual with the nuisances of "aipw", one number that weighs units by e (1 - e) whatever
        `estimand` says; "att" is refused.
    estimand : {"ate", "att", "overlap"}
        Average effect on everyone; on those who got it; on everyone weighted by e (1 - e), e the chance of treatment,
        which needs no unit that could hardly have gone either way.
    unit : str, optional
        Column of the unit; repeats are refused unless `cluster` is given. Default: a column called unit, user,
        user_id, uid, customer_id, 用户id, 会员编号, ... (whatever their case).
    time : str, optional
        Column of the period, of a panel with one row per unit and period. The comparison of all rows is then clustered
        by unit, and the effect within units (two-way fixed effects, CR2 errors with Satterthwaite's degrees of freedom)
        stands beside; where they contradict each other (check ``panel_conflict``) the audit fails.
    cluster : str, optional
        Column of what was assigned, or depends, together. Folds and standard errors go by it. Default: rows, or a
        column named room, city, store, ... within which the arm does not vary, with a warning.
    assigned_at : str, optional
        Column of the time of assignment: covariates that are dates count as days before it; later ones are refused.
    missing : {"raise", "zero"}
        What a missing outcome means; never guessed.
    folds : int
        Default 5, for "aipw" and "dml".
    alpha : float
        One minus the confidence level; default .05.
    seed : int
        Of folds and trees. The same seed and rows, in any order, give the same numbers.
    threads : int
        Of LightGBM; default 1.

    Returns
    -------
    Adjusted, or FrontDoorResult where a graph leaves only the front door
        First row: the effect. Then the effect weighted by overlap where overlap is thin, and the plain difference of
        means. `balance()`, `sensitivity()`, `plot("overlap" | "love")`.

    Raises
    ------
    InputError
        The data or the call is wrong: a control that is not named, three arms, a covariate that is the outcome, ...
    DesignError
        The covariates tell every treated unit from all others, or there are too few rows; nothing observed in the graph
        identifies the effect, or only an instrument (named, for ``gc.iv``).

    Notes
    -----
    Nothing in the data shows that all that decided was measured. `sensitivity()` says how strong something unseen
    would have to be.

    References
    ----------
    Rosenbaum and Rubin (1983), Biometrika 70; Robins, Rotnitzky and Zhao (1994), JASA 89; Chernozhukov et al. (2018),
    Econometrics Journal 21 (cross-fitting); Lin (2013), Annals of Applied Statistics 7; Bell and McCaffrey (2002),
    Survey Methodology 28; Lunceford and Davidian (2004), Statistics in Medicine 23; Abadie and Imbens (2006, 2011),
    Econometrica 74 and Journal of Business and Economic Statistics 29; Li, Morgan and Zaslavsky (2018), JASA 113.

    Examples
    --------
    >>> import gmvcausal as gc, numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> spend = rng.normal(100, 20, 500)
    >>> got = rng.random(500) < 1 / (1 + np.exp(-(spend - 100) / 20))  # coupons go to those who spend anyway
    >>> users = pd.DataFrame({"spend": spend, "coupon": got, "gmv": spend + 10 * got + rng.normal(0, 10, 500)})
    >>> r = gc.adjust(users, treatment="coupon", covariates=["spend"], estimator="regression")
    >>> round(r.to_frame()["estimate"].iloc[-1]), [round(end, 1) for end in r.conf_int()]  # the plain difference first
    (29, [7.8, 11.8])
    """
    asked = Asked(
        str(column_name("outcome", outcome)), str(column_name("treatment", treatment)),
        tuple(check("covariates", covariates)), control, column_name("unit", unit, optional=True),
        column_name("cluster", cluster, optional=True), column_name("assigned_at", assigned_at, optional=True),
        check("missing", missing), one_of("estimator", estimator, tuple(ESTIMATORS)) in LEARNED,
    )  # fmt: skip
    options: dict[str, Any] = {
        "outcome": asked.outcome,
        "treatment": asked.treatment,
        "covariates": list(asked.covariates),
        "control": control,
        "estimator": estimator,
        "estimand": one_of("estimand", estimand, ESTIMANDS),
        "unit": unit,
        "cluster": cluster,
        "assigned_at": assigned_at,
        "missing": asked.missing,
        "folds": whole("folds", folds, 2, 50),
        "alpha": check("alpha", alpha),
        "seed": check("seed", seed),
        "threads": whole("threads", threads, 1, 1024),
    }
    _refuse_pairs(estimator, estimand)
    if time is not None:
        if unit is None:
            raise InputError("time= is of a panel, whose units unit= must name", remedy="pass unit=")
        asked = replace(asked, time=column_name("time", time), cluster=asked.cluster or asked.unit)
        options |= {"time": time, "cluster": asked.cluster}
    if graph is None:
        return fit(data, asked, options)
    found, asked, table = planned(data, graph, asked)
    options |= {"graph": drawn_words(found), "covariates": list(asked.covariates)}
    if found.way == "frontdoor":
        if time is not None:
            raise InputError(
                "by the graph only the front door identifies the effect, and it has no answer within units",
                remedy="leave time= out and pass cluster= the unit",
            )
        return through_the_door(data, replace(asked, learned=False), options, found, table)
    return with_graph(fit(data, asked, options), found, table)


def fit(data: Any, asked: Asked, options: dict[str, Any]) -> Adjusted:
    """Read, learn, estimate; `options` are those of the call, checked."""
    sample = read(data, asked)
    options = {**options, "control": sample.labels[0]}
    panel = None if asked.time is None else read_panel(open_table(data), asked, sample)
    known = learn(sample, asked.learned, options["folds"], options["seed"], options["threads"])
    notes = (*sample.notes, *known.notes)
    choice = METHODS[options["estimator"]] + (f", {options['folds']} folds" if asked.learned else "")
    manifest = Manifest(
        "adjust", options, options["seed"], sample.rows, sample.columns, dict(sample.dropped), notes,
        partial(arrays, sample), (choice,),
    )  # fmt: skip
    if panel is not None and panel.unread:
        told = f"within units the covariates {', '.join(panel.unread)} are left out: they have gaps or are dates"
        manifest = replace(manifest, notes=(*manifest.notes, told))
    return make_result(asked, sample, known, options, manifest, panel=panel)


def _refuse_pairs(estimator: str, estimand: str) -> None:
    if estimator == "matching" and estimand == "overlap":
        raise InputError(
            "matching does not weigh by overlap", remedy="pass estimand='att' or 'ate', or estimator='aipw'"
        )
    if estimator == "dml" and estimand == "att":
        raise InputError(
            "a partially linear model has one number for everyone, weighted by overlap, and none for the treated",
            remedy="pass estimator='aipw' with estimand='att'",
        )
