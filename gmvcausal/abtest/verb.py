"""The verb `ab_test`: check the options, read the rows, estimate, carry the audit and the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from gmvcausal.abtest.days.days import Days, open_days
from gmvcausal.abtest.designs.designs import read_budget, refuse_designs
from gmvcausal.abtest.draws.drawn import Plan
from gmvcausal.abtest.draws.resample import INFERENCES, resample
from gmvcausal.abtest.intake.ask import Columns
from gmvcausal.abtest.intake.files import open_files
from gmvcausal.abtest.intake.gathered import by_rows, gather
from gmvcausal.abtest.intake.grouped import Grouped
from gmvcausal.abtest.intake.grouped_open import open_grouped
from gmvcausal.abtest.intake.read import read_rows
from gmvcausal.abtest.intake.rows import Rows
from gmvcausal.abtest.intake.source import Source
from gmvcausal.abtest.intake.sparse import Sparse
from gmvcausal.abtest.make import make_result
from gmvcausal.abtest.metrics import read_metrics
from gmvcausal.abtest.result import AbResult
from gmvcausal.abtest.segments.segments import Origin, caps_of
from gmvcausal.abtest.terms import guardrails as guards
from gmvcausal.abtest.terms.compare import ALTERNATIVES, LIFTS
from gmvcausal.abtest.terms.estimate import Settings, fit
from gmvcausal.abtest.terms.rare import settled
from gmvcausal.abtest.terms.received import check_received
from gmvcausal.abtest.together import refuse_together
from gmvcausal.frames.arms import read_shares
from gmvcausal.frames.engines.choose import choose_engine, engine_text
from gmvcausal.frames.engines.engine import reading, without_positions
from gmvcausal.frames.engines.ibis_table import native
from gmvcausal.frames.engines.kinds import is_spark
from gmvcausal.frames.files import Files as FoundFiles
from gmvcausal.frames.found import pinned
from gmvcausal.frames.params import check, column_name, one_of
from gmvcausal.frames.parquet import is_path
from gmvcausal.frames.table import is_relation


def ab_test(
    data: Any,
    *,
    metrics: Any,
    arm: str = "arm",
    control: Any = None,
    cluster: str | None = None,
    strata: str | Sequence[str] | None = None,
    unit: str | None = None,
    time: str | None = None,
    washout: Any = None,
    block: str | None = None,
    received: str | None = None,
    triggered: str | None = None,
    assigned_at: str | None = None,
    exposed_at: str | None = None,
    budget: Mapping[str, Mapping[Any, float]] | None = None,
    alpha: float = 0.05,
    alternative: str = "two-sided",
    adjust: str | None = None,
    guardrails: Mapping[str, float] | None = None,
    expected_ratio: Mapping[Any, float] | None = None,
    srm_alpha: float = 0.01,
    missing: str = "raise",
    rule: str = "raise",
    lift: str = "fieller",
    hc: str | None = "hc2",
    inference: str = "t",
    draws: int = 1000,
    seed: int = 0,
    progress: bool = True,
    engine: Any = None,
    memory_limit: int | str | None = None,
) -> AbResult:
    """How much did a tactic change the metrics of those whom the lot gave it?

    Parameters
    ----------
    data : frame, path to parquet files (a folder, a pattern, a list of these), DuckDB relation, Spark frame, Ibis table
        One row per unit (user), all arms; zeros where nothing was bought. Not changed.
    metrics : metric, column name, or list of these
        `Mean`, `Proportion`, `Ratio`, `Quantile`, `Gmv`; a name is a `Mean`.
    arm : str
        Column of the arm each unit was assigned to.
    control : label, optional
        The control arm. It may be left out only where the arms are 0 and 1, or booleans; it is never guessed.
    cluster : str, optional
        Column of the clusters that were assigned together (rooms, cities), or in which rows depend on each other (user,
        for order rows). Default: rows are independent; or a column named room, city, store, ... within which the arm
        does not vary, with a warning.
    strata : str or list of str, optional
        Columns known before assignment: arms are compared within their cells, weighted by size (post-stratification).
    unit : str, optional
        Column of the unit. A unit in two arms or in two rows is refused. Default: a column called unit, user,
        user_id, uid, customer_id, 用户id, 会员编号, ... (whatever their case).
    time : str, optional
        Column of the time of each row, dates or whole numbers. With `washout=` a switchback. Without it the table has
        one row per unit and day: each unit's outcomes are added up over its days first (a `Proportion`: on any day);
        covariates, cluster and strata must be the same on all of them; the result then has `daily()` and `looks()`.
    washout : str, timedelta or int, optional
        Marks a switchback: the arm alternates over `time` within each `cluster` (room), or everywhere at once where
        there is none. Rows closer to a switch than the washout ("30min", "2h", "1D"; a whole number where time is one;
        0) are left out. How long an effect lasts is never guessed.
    block : str, optional
        Of a switchback: the column of the block whose arm was drawn (its start, or a number; the same value in two
        rooms means two blocks). What is left of a block is one cluster. Default: a maximal run of one arm, which is
        right where neighbouring blocks are alike, and too sure where they move against each other.
    received : str, optional
        0/1 or boolean column: whether the unit got what its arm was assigned (the push was delivered). Rows of means
        and shares then have one among compliers, after all others: the effect per unit that received because it was
        assigned, with Anderson and Rubin's interval. The rows of the assigned stay as they are, and come first.
    triggered : str, optional
        0/1 column, known in every arm: analyse only those whom the tactic could reach. The effect is then that among
        the triggered.
    assigned_at, exposed_at : str, optional
        Columns of the times of assignment and of first exposure (missing: never). Exposure before assignment is
        refused.
    budget : mapping, optional
        ``{"coupon_cost": {"A": 50_000, "B": 50_000}}``: column of what was spent on each row, and the budget of each
        arm. Changes no number; the audit looks whether users and money were split alike and no arm drew on another's.
    alpha : float
        One minus the confidence level; default .05.
    alternative : {"two-sided", "greater", "less"}
    adjust : {None, "holm", "bh", "hierarchical"}
        Adjust p-values and intervals for the number of metrics and arms. "hierarchical": metrics are tested in the
        order listed, each one only if all arms of those before it are significant.
    guardrails : mapping of metric to float, optional
        Metrics (as tables call them, listed in `metrics` too) and the relative change that is still tolerated: -0.02
        for one that may fall by at most 2 %, 0.05 for one that may rise by at most 5 %. One-sided tests of
        non-inferiority at alpha; they stand outside the family of `adjust`. See `AbResult.guardrails`.
    expected_ratio : mapping of arm to share, optional
        Planned split; default equal shares.
    srm_alpha : float
        The audit fails where the split has a p-value below it; default .01.
    missing : {"raise", "zero"}
        What a missing outcome means, and with `time=` a missing row of a unit's day; never guessed.
    rule : {"raise", "first", "drop"}
        Units in two arms: refuse, keep the arm of their first row, with all their rows of it (with `time=`: the arm of
        the first day, and all days), or leave them out.
    lift : {"fieller", "log", "linear"}
        Interval of the relative effect. By Fieller it holds zero exactly when p > alpha; "log" and "linear" are the
        delta method on the log ratio and on the ratio.
    hc : {"hc2", None}
        Standard error of adjusted means: HC2, which takes one more pass over the rows, or that of each arm's own
        regression, from the moments alone. Without covariates both are Welch's. Under clusters it is that of clusters.
    inference : {"t", "poisson_bootstrap", "randomisation"}
        How p-values and intervals are made: by t; from the percentiles of a Poisson bootstrap over units (clusters); or
        from the t statistic under permuted arms (within strata; whole clusters), which is exact in any sample where the
        tactic changes nobody. `std_error` is the analytic one in each case, and guardrails are tested by t. Rows are
        read into memory for both; they are not offered for quantiles.
    draws : int
        Bootstrap draws or random assignments; default 1000. All assignments are taken where there are no more.
    seed : int
        Of the draws, and of the folds and models where a metric has a model (``Mean(..., model="lightgbm")``). The same
        seed and rows, in any order, give the same numbers. The global random state is not touched.
    progress : bool
        Show a bar where models or draws take long.
    engine : SparkSession, optional
        What reads a path and makes its sums. By default DuckDB; a Spark frame is summed by its own session. The numbers
        are the same. Rows are brought here only for `inference` other than t, models, and designs in time (`time`,
        `washout`, `triggered`, ...): 50 million at most, and a note says so.
    memory_limit : int or str, optional
        Memory that the engine's sums, and rows that must be brought here, may take: in bytes or as "2GB". By default
        1 GB for DuckDB's sums.

    Returns
    -------
    AbResult
        One row per metric and arm; `estimate`, `std_error`, `conf_int()` are those of the first. Beside an uncapped row
        of a heavy tail stands a capped one, whose estimand says so.

    Raises
    ------
    InputError
        The data or the call is wrong: control not named, a unit in two arms, missing or infinite values, ...
    DesignError
        The data cannot answer: a ratio without any denominator, fewer rows than covariates, more covariates than two
        for every five clusters of an arm.

    References
    ----------
    Welch (1947), Biometrika 34; Fieller (1954), JRSS B 16; Deng, Xu, Kohavi and Walker (2013), WSDM; Lin (2013), Annals
    of Applied Statistics 7; Miratrix, Sekhon and Yu (2013), JRSS B 75; Bell and McCaffrey (2002);
    Schultzberg, Ankargren and Frånberg (2024), arXiv:2402.11609.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> users = pd.DataFrame({"arm": [0, 1] * 200, "gmv": [u % 10 + 2 * (u % 2) for u in range(400)]})
    >>> r = gc.ab_test(users, metrics=[gc.Mean("gmv")])
    >>> round(r.estimate, 6), round(float(r.to_frame()["relative"][0]), 6)
    (3.0, 0.75)
    """
    data = native(data)
    found = read_metrics(metrics)
    stratum = [] if strata is None else [strata] if isinstance(strata, str) else list(strata)
    options: dict[str, Any] = {
        "metrics": [repr(m) for m in found],
        "arm": column_name("arm", arm),
        "control": control,
        "cluster": column_name("cluster", cluster, optional=True),
        "strata": [column_name("strata", s) for s in stratum],
        "unit": column_name("unit", unit, optional=True),
        "time": column_name("time", time, optional=True),
        "washout": None if washout is None else str(washout),
        "block": column_name("block", block, optional=True),
        "received": column_name("received", received, optional=True),
        "triggered": column_name("triggered", triggered, optional=True),
        "assigned_at": column_name("assigned_at", assigned_at, optional=True),
        "exposed_at": column_name("exposed_at", exposed_at, optional=True),
        "budget": budget,
        "alpha": check("alpha", alpha),
        "alternative": one_of("alternative", alternative, ALTERNATIVES),
        "adjust": None if adjust is None else one_of("adjust", adjust, ("holm", "bh", "hierarchical")),
        "guardrails": [],
        "expected_ratio": None,
        "srm_alpha": check("srm_alpha", srm_alpha),
        "missing": check("missing", missing),
        "rule": one_of("rule", rule, ("raise", "first", "drop")),
        "lift": one_of("lift", lift, LIFTS),
        "hc": None if hc is None else one_of("hc", hc, ("hc2",)),
        "inference": one_of("inference", inference, INFERENCES),
        "draws": check("draws", draws),
        "seed": check("seed", seed),
        "engine": engine_text(engine),
        "memory_limit": check("memory_limit", memory_limit),
    }
    refuse_together(found, options)
    refuse_designs(options)
    margins = guards.read_guardrails(guardrails, found)
    options["guardrails"] = [f"{name}: {margin:+g}" for name, margin in margins.items()]
    spend = read_budget(budget)
    columns = Columns(
        arm, control, found, cluster, tuple(stratum), unit, missing, rule,
        time, washout, triggered, assigned_at, exposed_at, spend, received, block=block,
    )  # fmt: skip
    with pinned(data, "data", engine) as data:
        source, days = _open(data, columns, inference, engine, options["memory_limit"])
        if isinstance(data, FoundFiles) and not isinstance(source, Grouped):
            source.notes.extend(data.remarks(list(columns.needed)))
        with reading(source.space) if isinstance(source, Grouped) else nullcontext():
            if received is not None:
                check_received(source, received)
            expected = read_shares("expected_ratio", expected_ratio, source.labels)
            options["control"] = source.labels[source.control]
            if spend is not None:
                options["budget"] = [f"{spend[0]} of {label}: {amount}" for label, amount in spend[1].items()]
            options["expected_ratio"] = [
                f"{label}: {share:.6g}" for label, share in zip(source.labels, expected, strict=True)
            ]
            settings = Settings(alternative, lift, hc, options["seed"], progress, received)
            plan = Plan(inference, draws, seed, progress)
            fitted = fit(source, found, settings)
            if inference != "t":
                fitted = resample(fitted, plan)
            fitted = settled(fitted, found)
            result = make_result(source, columns, fitted, options, expected, margins, days)
    if days is not None or isinstance(data, Sparse):
        return result  # the rows of the test are not those of the data
    return replace(
        result,
        origin=Origin(
            data, columns, replace(settings, received=None), plan, caps_of(fitted, len(found)),
            engine, options["memory_limit"],
        ),
    )  # fmt: skip


def _open(data: Any, ask: Columns, inference: str, engine: Any, limit: int | None) -> tuple[Source, Days | None]:
    """The rows where they lie, if sums are enough; else in memory. What a study of the verb has drawn is a source."""
    if isinstance(data, Sparse):
        return data, None
    why = by_rows(ask, inference)
    if engine is not None or is_spark(data):
        space = choose_engine([data], engine, limit)
        if space.names(data, "data") is not None:
            if not why:
                return open_grouped(space, data, ask), None
            table, note = gather(space, data, ask.roles, why)
            with without_positions():
                source, days = _read(table, ask)
            source.notes.append(note)
            return source, days
    if why or not (is_path(data) or is_relation(data)):
        return _read(data, ask)
    found = open_files(data, ask, limit)
    return (open_grouped(choose_engine([data], None, limit), data, ask) if found is None else found), None


def _read(data: Any, ask: Columns) -> tuple[Rows, Days | None]:
    """The rows in memory; with days where there is one row for each unit and day."""
    if ask.time is None or ask.washout is not None:
        return read_rows(data, ask), None
    return open_days(data, ask)
