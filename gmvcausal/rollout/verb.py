"""The verb `did`: check the options, read the panel, estimate, carry the audit and the manifest."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import GmvCausalWarning, InputError
from gmvcausal.frames.engines.choose import engine_text, placed
from gmvcausal.frames.engines.ibis_table import native
from gmvcausal.frames.facts import frame_facts
from gmvcausal.frames.files import Files
from gmvcausal.frames.found import pinned
from gmvcausal.frames.params import check, column_name, one_of
from gmvcausal.results import Manifest
from gmvcausal.rollout import asked
from gmvcausal.rollout.fitted import Options
from gmvcausal.rollout.intake import places, rows, winsor
from gmvcausal.rollout.intake.covariates import ADJUSTMENTS
from gmvcausal.rollout.intake.exposure import read_links, threshold, with_exposure
from gmvcausal.rollout.intake.gathered import Ask
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.intake.read import read_panel
from gmvcausal.rollout.methods import METHODS, estimate
from gmvcausal.rollout.result import DidResult, Origin
from gmvcausal.rollout.stated import choices
from gmvcausal.rollout.synthetic.result import SyntheticResult
from gmvcausal.stats.inference import SSC_CHOICES
from gmvcausal.stats.spatial import KERNELS

_MANNER = {"doubly_robust": "doubly robust", "regression": "by regression", "ipw": "by inverse propensity"}


def did(
    data: Any,
    *,
    outcome: str | None = None,
    unit: str | None = "unit",
    time: str = "period",
    first_treated: str = "first_treated",
    treated: str | None = None,
    stack: str | None = None,
    never: Any = None,
    estimator: str = "callaway_santanna",
    control: str = "never_treated",
    covariates: Sequence[str] = (),
    adjustment: str = "doubly_robust",
    dose: str | None = None,
    eligible: str | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    anticipation: int = 0,
    base_period: str = "varying",
    bands: str = "simultaneous",
    assignment: str | None = None,
    inference: str | None = None,
    size: str | None = None,
    coordinates: Sequence[str] | None = None,
    cutoff: float | None = None,
    kernel: str = "bartlett",
    alpha: float = 0.05,
    ssc: str = "nested",
    missing: str = "raise",
    dedupe: str | None = None,
    winsorise: float | None = None,
    exposed: str | None = None,
    edges: Any = None,
    exposure: str | float = "any",
    seed: int = 0,
    engine: Any = None,
    memory_limit: int | str | None = None,
) -> DidResult:
    """How much did a roll-out change the outcome of the units it reached?

    Parameters
    ----------
    data : frame, parquet path, DuckDB relation or Spark frame
        One row per unit and period (with `stack`: per campaign, unit and period), in any order. Not changed.
    outcome : str, optional
        Column of the outcome per unit-period (numbers; zero where nothing was bought). Default: what ``Logs.panel`` or
        ``Logs.stack`` made the outcome of the frame, else ``"gmv"``.
    unit : str or None
        Column of the unit (text or whole numbers). None where nobody is followed: every row is then a person seen once,
        `first_treated` is the start of the person's place, and `cluster` should name that place. Rows that are alike
        count as different people (``callaway_santanna``, ``two_by_two``, ``twfe``, ``naive``).
    time : str
        Column of the period (whole numbers, dates, or ISO text).
    first_treated : str
        Column of the period in which the unit was first treated, constant within the unit. Never treated is NaN, NaT,
        None or infinity, or 0 where 0 is no period and no other date lies before the first period; how many units were
        read so is said. Whole numbers may be months (YYYYMM) or days (YYYYMMDD).
    treated : str, optional
        0/1 column of whether the tactic is on, used in place of `first_treated`. It may switch off again only for
        ``switching``, ``twfe``, ``stacked`` and ``naive``.
    stack : str, optional
        Column of the campaign, for ``estimator="stacked"``.
    never : scalar, optional
        A further code in `first_treated` that means never, for example -1, 9999 or "none".
    estimator : {"callaway_santanna", "sun_abraham", "imputation", "two_stage", "etwfe", "two_by_two", "twfe", \
"stacked", "poisson", "dose", "triple", "switching", "synthetic_control", "augmented_synthetic_control", \
"synthetic_did", "naive"}
        The default compares each cohort with units not treated, and stays right when effects grow or differ by
        cohort. So do ``sun_abraham`` (its points, by least squares) and ``imputation``, ``two_stage`` and ``etwfe``,
        which measure effects from all periods before the start: sharper where trends are parallel throughout, more
        wrong where they are not. ``poisson`` lets GMV move in parallel in per cent and keeps its zeros: the effect in
        money and in per cent. ``twfe`` is the usual benchmark; with staggered starts its audit fails. The three
        synthetic ones weigh the controls until they resemble the treated before the start: for one or a few treated
        rooms. ``dose`` compares coupons of several face values. ``triple`` takes off the change of units in the same
        place that the tactic was not meant for. ``switching`` takes a tactic that switches on and off: the effect per
        period under it, carry-over included. ``naive`` is the comparison of means that claims are often built on; it is
        there to be shown beside the others.
    control : {"never_treated", "not_yet_treated"}
        Who is compared with (``callaway_santanna``). Without never-treated units the second is used, and said so.
    covariates : sequence of str
        Columns given which trends are parallel (``callaway_santanna``, ``two_by_two``): numbers, or text and
        categories, which become 0/1 columns. A column that changes within units counts with its value in the base
        period of each comparison, never with one after the start; with ``unit=None`` each row has its own. Constant and
        collinear columns are dropped and listed. Their unit does not matter.
    adjustment : {"doubly_robust", "regression", "ipw"}
        What is done with the covariates. The default is right if either the model of the outcome or that of the
        propensity is; "regression" is the most precise and extrapolates where there is no overlap; "ipw" leans on the
        propensity alone.
    dose : str, optional
        Column of the dose for ``estimator="dose"``, which needs it: a number above 0 for treated units (the face value
        of their coupon), constant within the unit; 0 or missing for the never treated.
    eligible : str, optional
        0/1 column of whom the tactic is meant for, for ``estimator="triple"``, which needs it: constant within the
        unit, while `first_treated` is that of the unit's place, for eligible and ineligible units alike.
    cluster : str, optional
        Column of the clusters, constant within units. Default: the unit; or a column named room, city, store or region
        (or kept by ``Logs.panel``) within which treatment does not vary, with a warning.
    weights : str, optional
        Positive weights, constant within units.
    anticipation : int
        Periods before the start in which effects are allowed (not ``two_by_two``, ``twfe``, ``stacked``, ``naive``).
    base_period : {"varying", "universal"}
        Base of the pre cells of `att_gt()`; event study and pre-trend checks always use the universal base.
    bands : {"simultaneous", "pointwise"}
        Bands of the tables by event time, cohort and period.
    assignment : {None, "random"}
        "random" says that the treated units (clusters) were drawn by lot. Only then, and only where fewer than ten
        clusters are treated, the drawing itself gives interval and p-value; without a lot, placebo runs do.
    inference : str, optional
        What makes interval and p-value; None takes what holds its level: t, or placebo runs where few clusters are
        treated. "wild": the wild cluster bootstrap, the null imposed where the estimator is a regression.
        "conley_taber", "ferman_pinto": few treated clusters beside many controls, alike or of different sizes.
        "conley": shocks that fade with distance; the only one that changes `std_error`.

        For the synthetic estimators "placebo" (each run measured by its own gap before the start; the default below ten
        treated units), "jackknife" (``synthetic_did``, the default from ten on), and the published "placebo_variance"
        and "conformal" for one treated unit, which reject too often where units vary unequally.
    size : str, optional
        Column of how many members a unit has (viewers, followers), constant within units, for "ferman_pinto". Default:
        the number of units in each cluster.
    coordinates : (str, str), optional
        Columns of latitude and longitude in degrees, constant within clusters, for "conley".
    cutoff : float, optional
        Kilometres from which on clusters count as independent, for "conley". There is no default: it is an assumption.
    kernel : {"bartlett", "uniform"}
        How the weight of a pair falls up to `cutoff`; default linearly.
    alpha : float
        One minus the confidence level; default .05.
    ssc : {"nested", "full", "none"}
        Small-sample factor of the regression estimators: G/(G-1) (N-1)/(N-K); "nested" counts in K only fixed effects
        not nested in the clusters. ``callaway_santanna``, ``dose``, ``imputation`` and ``two_stage`` use none (the
        leads of the last two do).
    missing : {"raise", "zero"}
        What a missing outcome means; never guessed.
    dedupe : {None, "exact"}
        None refuses repeated unit-periods; "exact" keeps one of identical rows and counts the others.
    winsorise : float, optional
        Share between .5 and 1, for example .99: outcomes are capped at that quantile of the non-zero ones without the
        tactic. The estimand is then the effect on the capped outcome; the check ``cap`` says what the cut-point's own
        uncertainty changes.
    exposed : str, optional
        Column of the first period in which a unit not treated then was exposed to others' treatment, constant within
        the unit; codes for never as in `first_treated` (``callaway_santanna``). Exposed units are no controls then,
        but cohorts of their own, and the terms "spillover" and "total" stand below the effect on the treated.
    edges : frame, path or relation, optional
        From whom the exposure of a unit comes, in place of `exposed` or beside it (then the earlier date counts):
        columns ``unit``, ``neighbour`` and, if links differ, ``weight`` above 0. The neighbour's treatment reaches the
        unit; mutual links are listed twice.
    exposure : "any" or float
        The share of its neighbours (by weight) that must be treated for a unit to count as exposed: any of them, the
        default, or at least this share.
    seed : int
        Of the simultaneous bands and of placebo runs.
    engine : SparkSession, optional
        Reads `data` where it is a path. Default: DuckDB for files and relations, its own session for a Spark frame.
    memory_limit : int or str, optional
        What the panel and the engine may take together in this process, such as ``"2GB"``; a frame in memory is there
        already. Where the panel does not fit (default: into half of the machine's memory), the engine adds up the rows
        and only sums by cohort are held:
        ``callaway_santanna``, ``sun_abraham``, ``imputation``, ``two_stage``, ``etwfe`` and ``twfe`` give the same
        numbers and the same audit from them; what takes the units one by one is refused, and the message says how to
        aggregate first.

    Returns
    -------
    DidResult
        `estimate`, `std_error`, `conf_int()`, `event_study()`, `att_gt()`, `audit`, `incremental_gmv()`, `plot()`, ...
        Intervals are t intervals with Welch's degrees of freedom over the treated cohorts and the controls. With fewer
        than ten treated clusters there is no standard error: the interval comes from placebo runs over at least 20
        control clusters, or there is none, and the reason is given.

    Raises
    ------
    InputError
        The data or the call is wrong: missing values, repeated unit-periods, a date off the grid, a treatment that
        varies where it must not, ... The message names the column, the count, the first rows and the remedy.
    DesignError
        The data cannot answer: no control unit, no period before treatment, no treated unit.

    References
    ----------
    Callaway and Sant'Anna (2021), Journal of Econometrics 225; Goodman-Bacon (2021), same issue; Cengiz, Dube, Lindner
    and Zipperer (2019), Quarterly Journal of Economics 134; Sun and Abraham (2021), Journal of Econometrics 225;
    Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91; Gardner (2022), arXiv 2207.05943; Wooldridge
    (2021), SSRN 3906345. Few treated clusters: Conley and Taber (2011), Review of Economics and Statistics 93; Ferman
    and Pinto (2019), same journal, 101. Wild bootstrap: Cameron, Gelbach and Miller (2008), same journal, 90. Distance:
    Conley (1999), Journal of Econometrics 92. Covariates: Sant'Anna and Zhao (2020), Journal of Econometrics
    219. Ratios: Wooldridge (2023), Econometrics Journal 26. Dose: Callaway, Goodman-Bacon and Sant'Anna (2024),
    NBER Working Paper 32117. Triple differences: Olden and Møen (2022), Econometrics Journal 25; Ortiz-Villavicencio
    and Sant'Anna (2025), arXiv 2505.09942. Switching: de Chaisemartin and D'Haultfoeuille (2020), American Economic
    Review 110, and (2024), Review of Economics and Statistics. Spillover: Clarke (2017), MPRA 81604; Butts (2021),
    arXiv 2105.03737; Aronow and Samii (2017), Annals of Applied Statistics 11.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> weeks = range(1, 5)
    >>> panel = pd.DataFrame([
    ...     dict(unit=u, period=t, gmv=10 + u + t + 3 * (u < 10 and t >= 3), first_treated=3 if u < 10 else None)
    ...     for u in range(30) for t in weeks])
    >>> result = gc.did(panel)
    >>> round(result.estimate, 6)
    3.0
    """
    data = native(data)
    if outcome is None:
        outcome = str(frame_facts(data).get("outcome", "gmv"))
    if weights is None and frame_facts(data).get("weights"):
        warnings.warn(
            "gc.match made this frame, and its weights are not used: pass "
            f"weights={frame_facts(data)['weights']!r}, or the controls are not those that were matched",
            GmvCausalWarning,
            stacklevel=2,
        )
    options: dict[str, Any] = {
        "outcome": column_name("outcome", outcome),
        "unit": column_name("unit", unit, optional=True),
        "time": column_name("time", time),
        "first_treated": column_name("first_treated", first_treated),
        "treated": column_name("treated", treated, optional=True),
        "stack": column_name("stack", stack, optional=True),
        "never": never,
        "estimator": one_of("estimator", estimator, tuple(METHODS)),
        "control": check("control", control),
        "dose": column_name("dose", dose, optional=True),
        "eligible": column_name("eligible", eligible, optional=True),
        "cluster": column_name("cluster", cluster, optional=True),
        "weights": column_name("weights", weights, optional=True),
        "anticipation": check("anticipation", anticipation),
        "base_period": check("base_period", base_period),
        "bands": check("bands", bands),
        "assignment": check("assignment", assignment),
        "inference": None if inference is None else one_of("inference", inference, asked.EVERY_INFERENCE),
        "size": column_name("size", size, optional=True),
        "coordinates": None if coordinates is None else places.pair(coordinates),
        "cutoff": None if cutoff is None else places.distance(cutoff),
        "kernel": one_of("kernel", kernel, KERNELS),
        "alpha": check("alpha", alpha),
        "ssc": one_of("ssc", ssc, SSC_CHOICES),
        "missing": check("missing", missing),
        "covariates": check("covariates", covariates),
        "adjustment": one_of("adjustment", adjustment, ADJUSTMENTS),
        "dedupe": dedupe,
        "winsorise": None if winsorise is None else winsor.share_of(winsorise),
        "exposed": column_name("exposed", exposed, optional=True),
        "edges": None if edges is None else read_links(edges),
        "exposure": threshold(exposure),
        "seed": check("seed", seed),
        "engine": engine_text(engine),
        "memory_limit": check("memory_limit", memory_limit),
    }
    method = METHODS[estimator]
    asked.refuse_unused(options)
    if unit is None:
        rows.refuse(options, [name for name, one in METHODS.items() if one.crossed])
    places.refuse_unused(options)
    if estimator == "stacked" and treated is None:
        raise InputError(
            "estimator='stacked' needs treated=, the 0/1 column of who is under the campaign when",
            remedy="pass treated='treated'",
        )
    ask = Ask(
        outcome=outcome,
        unit=unit,
        time=time,
        first_treated=first_treated,
        treated=treated,
        stack=stack,
        never=never,
        cluster=cluster,
        weights=weights,
        anticipation=options["anticipation"],
        missing=missing,
        dedupe=dedupe,
        absorbing=method.absorbing,
        covariates=options["covariates"],
        ratios=estimator == "poisson",
        dose=dose,
        eligible=eligible,
        one_by_one=asked.one_by_one(options),
    )
    data = placed(data, engine, list(ask.needed))
    with pinned(data, "data") as data:
        panel = read_panel(data, ask, options["memory_limit"])
        if isinstance(data, Files):
            panel.notes.extend(data.remarks(list(ask.needed)))
        if unit is not None:
            panel = places.with_columns(data, panel, unit, options)
        panel = with_exposure(data, panel, options, options["edges"])
        for name in options["covariates"]:
            if not isinstance(covariates, str) and list(covariates).count(name) > 1:
                panel.notes.append(f"covariate {name!r} was named more than once and counts once")
        measured = _outcome_unit(panel.meta, outcome, unit, time)
        if winsorise is not None:
            panel = winsor.capped(panel, options["winsorise"], options["anticipation"])
            measured = winsor.measured(measured, panel)
        checked = Options(
            estimator,
            control,
            base_period,
            options["anticipation"],
            options["alpha"],
            bands,
            ssc,
            options["seed"],
            measured,
            assignment,
            inference,
            options["cutoff"],
            kernel,
            adjustment,
            outcome,
            dose or "",
            eligible or "",
        )
        fitted = estimate(panel, checked)
    manifest = Manifest(
        "did",
        options,
        options["seed"],
        panel.rows,
        panel.columns,
        dict(panel.dropped),
        (*panel.notes, *fitted.notes),
        partial(_analysed, panel),
        choices(options, panel, fitted),
    )
    assumption = method.assumption
    if options["covariates"]:
        assumption += f"; parallel among units with the same {', '.join(options['covariates'])} ({_MANNER[adjustment]})"
    if panel.exposed is not None:
        alone = "one unit's treatment leaves the others alone"
        assumption = assumption.replace(alone, "treatment reaches no other units than those set apart as exposed")
    kind = SyntheticResult if fitted.synthetic else DidResult
    return kind(
        method.title, assumption, fitted.estimates, manifest, checked.alpha, panel, fitted, checked,
        Origin(data, unit),
    )  # fmt: skip


def _analysed(panel: Panel) -> list[NDArray[Any]]:
    """The analysed arrays in canonical order (by unit and period), for the hash."""
    p, summed = panel, panel.summed
    if summed is not None:
        m = summed.moments
        return [np.asarray(m.keys), m.n, m.mean, m.cross, p.start, p.grid.values, p.cluster]
    given = None if p.covariates is None else p.covariates.x
    arrays = (p.y, p.on, p.start, p.grid.values, p.unit, p.cluster, p.weight, p.stack, p.offset, given)
    return [a for a in (*arrays, p.dose, p.eligible, p.exposed) if a is not None]


def _outcome_unit(meta: dict[str, Any], outcome: str, unit: str | None, time: str) -> str:
    """What one unit of the estimate is: as `Logs` says for its own outcome, else from the names."""
    if unit is None:
        return f"{outcome} per person-{time}"
    known = str(meta.get("outcome_unit", ""))
    if not known:
        return f"{outcome} per {unit}-{time}"
    return known if meta.get("outcome") == outcome else f"{outcome} per {known.rpartition(' per ')[2]}"
