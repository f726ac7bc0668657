"""The verb `mediate`: by way of what an effect comes about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.arms import read_shares
from gmvcausal.frames.params import check, column_name, flag, one_of, said
from gmvcausal.mechanism.pathways.along import along_of
from gmvcausal.mechanism.pathways.asked import Asked
from gmvcausal.mechanism.pathways.contrasts import SPLITS
from gmvcausal.mechanism.pathways.draws import draw_effects
from gmvcausal.mechanism.pathways.fitting import fit_system
from gmvcausal.mechanism.pathways.make import make_result
from gmvcausal.mechanism.pathways.moderation import columns_of
from gmvcausal.mechanism.pathways.read import read
from gmvcausal.mechanism.pathways.result import MediationResult
from gmvcausal.mechanism.pathways.rows import Rows
from gmvcausal.mechanism.pathways.system import MEDIATORS, OUTCOMES, Model
from gmvcausal.results import Manifest
from gmvcausal.stats.progress import ticking

INTERVALS = ("percentile", "bca", "delta")
_MOST = {True: 8, False: 5}  # mediators with a linear outcome, and with another


def mediate(
    data: Any,
    outcome: str = "gmv",
    treatment: str = "treatment",
    mediators: Sequence[str] = (),
    covariates: Sequence[str] = (),
    *,
    control: Any = None,
    cluster: str | None = None,
    reps: int = 1000,
    seed: int = 0,
    interaction: bool = True,
    split: str = "pure_direct",
    ordered: bool = False,
    outcome_model: str = "auto",
    mediator_model: str | Mapping[str, str] = "auto",
    fixed: str | Sequence[str] = (),
    moderator: str | None = None,
    assignment: str | None = None,
    expected_ratio: Mapping[Any, float] | None = None,
    interval: str = "percentile",
    times: Mapping[str, str] | None = None,
    unit: str | None = None,
    missing: str = "raise",
    alpha: float = 0.05,
    progress: bool = False,
) -> MediationResult:
    """Why did it work? An effect as the sum of what came by way of each mediator and of what did not.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        One row per user; several with `cluster`, or with the user among `fixed`. Not changed.
    outcome : str
        Column of the outcome: GMV in money, a count, or 0/1.
    treatment : str
        Column of the two arms.
    mediators : sequence of str
        What the treatment may work by, measured after it and before the outcome: numbers, or 0/1.
    covariates : sequence of str
        Known before the treatment; above all what moves a mediator *and* the outcome. Text and categories become 0/1
        columns. Constant and collinear ones are dropped and named.
    control : scalar, optional
        The arm that was not treated; may be left out only where the arms are 0/1 or booleans.
    cluster : str, optional
        Column within which rows depend; whole clusters are then drawn. Found where the arm does not vary within a room
        or city (with a warning).
    reps : int
        Bootstrap draws; default 1000, of which the ends of a 95 % interval are the 25th on either side.
    seed : int
        Of the draws. The global random state is neither read nor changed.
    interaction : bool
        Whether slopes of the mediators may differ between the arms. Default True: where they do, leaving it out is
        wrong; where they do not, it costs little.
    split : {"pure_direct", "total_direct", "average"}
        What the interaction counts as. "pure_direct" (default): direct with the mediators as without treatment, and
        indirect under treatment. "total_direct": direct with the mediators as under treatment, and indirect without it.
        "average": the mean of both. Each adds up to the total; `versions()` has all.
    ordered : bool
        Whether mediators may move those after them in the list. Then what begins with the first counts as the first's.
        Needs linear models. Default False: mediators do not move one another.
    outcome_model : {"auto", "linear", "logit", "poisson", "hurdle"}
        "auto": logistic for 0/1, else least squares, which asks for the mean to be a sum of effects, whatever the zeros
        and the tail. "poisson": effects multiply (log link). "hurdle": whether anything was bought (logistic) times how
        much by those who did (log link).
    mediator_model : {"auto", "linear", "logit"} or mapping of mediator to one of these
        "auto": logistic for 0/1, else least squares.
    fixed : str or sequence of str
        Columns whose groups have means of their own (days, rooms, users), taken out of everything. Needs linear models.
        Without `cluster` the finest of them is the cluster, unless it has fewer than 30 groups of 20 or more rows each.
    moderator : str, optional
        Something known before, with which the effect may differ: `moderation()`. It is a covariate as well, and every
        step (treatment to mediator, mediator to outcome, direct) is left free along it; parts are means over all rows.
    assignment : {"random"}, optional
        Whether chance drew the arms; then `sample_ratio` is checked.
    expected_ratio : mapping, optional
        Planned shares of the arms; equal by default.
    interval : {"percentile", "bca", "delta"}
        Of direct and indirect effects: percentiles of the draws; these corrected for bias and acceleration (which finds
        effects that are none somewhat too often: Fritz, Taylor and MacKinnon 2012); or estimate +- t x standard error,
        without draws. The total has a t interval throughout.
    times : mapping of str to str, optional
        Columns of times, by the columns of treatment, mediators and outcome: that they follow one another is checked.
    unit : str, optional
        Column of the users; repeats are refused without `cluster`. Found by its name (``user``, ``uid``, ...).
    missing : {"raise", "zero"}
        What a missing outcome means; never guessed.
    alpha : float
        One minus the level of the intervals.
    progress : bool
        Whether a bar shows the draws.

    Returns
    -------
    MediationResult
        Rows ``total``, ``direct`` and ``indirect:<mediator>``, in the outcome's unit per user. `versions()`,
        `sensitivity()`, `three_steps()`, `moderation()`.

    Raises
    ------
    InputError
        More than two arms, missing mediators, a column in two roles, a model that the outcome cannot have, ...
    DesignError
        Treatment and mediators that cannot be told apart, a mediator that does not vary, ...

    Notes
    -----
    Let Y(t, M(s)) be the outcome under treatment t with the mediators as they are under s. Pure direct effect:
    E[Y(1, M(0)) - Y(0, M(0))]; total indirect effect: E[Y(1, M(1)) - Y(1, M(0))]. They are means over everybody, by
    g-computation; a linear outcome needs a few slopes and means only. Where mediators' effects do not add up (logistic,
    log link) each has its Shapley value. Standard errors are those of the delta method from what each row (cluster)
    adds to every slope and mean (HC1); in the draws slopes move by one Newton step, the refit itself for least squares
    (with `fixed`: where groups lie within clusters).

    References
    ----------
    Imai, Keele and Tingley (2010), Psychological Methods 15; Imai, Keele and Yamamoto (2010), Statistical Science 25;
    VanderWeele (2015), Explanation in Causal Inference; VanderWeele and Vansteelandt (2014), Epidemiologic Methods 2.

    Examples
    --------
    >>> import gmvcausal as gc
    >>> market = gc.simulate.world("D16", n=4000, seed=1)
    >>> r = gc.mediate(market.table(), **market.design.call)
    >>> r.to_frame()["term"].tolist()
    ['total', 'direct', 'indirect:interacted']
    >>> parts = r.to_frame()["estimate"]
    >>> bool(abs(parts[0] - parts[1:].sum()) < 1e-9)
    True
    """
    names = _names("mediators", mediators)
    asked = Asked(
        str(column_name("outcome", outcome)), str(column_name("treatment", treatment)), tuple(names),
        tuple(check("covariates", covariates)), tuple(_names("fixed", fixed)),
        column_name("cluster", cluster, optional=True), column_name("unit", unit, optional=True),
        column_name("moderator", moderator, optional=True), _mapping(times), control, check("missing", missing),
        one_of("outcome_model", outcome_model, ("auto", *OUTCOMES)),
    )  # fmt: skip
    options: dict[str, Any] = {
        "outcome": asked.outcome, "treatment": asked.treatment, "mediators": names,
        "covariates": list(asked.covariates), "control": control, "cluster": cluster,
        "reps": reps if reps == 0 and not isinstance(reps, bool) else check("draws", reps, called="reps"),
        "interaction": flag("interaction", interaction), "split": one_of("split", split, SPLITS),
        "ordered": flag("ordered", ordered), "fixed": list(asked.fixed), "moderator": moderator,
        "assignment": check("assignment", assignment), "interval": one_of("interval", interval, INTERVALS),
        "times": [f"{k}: {v}" for k, v in asked.times.items()], "unit": unit, "missing": missing,
        "alpha": check("alpha", alpha), "progress": flag("progress", progress),
    }  # fmt: skip
    seed = int(check("seed", seed))
    if expected_ratio is not None and assignment is None:
        raise InputError(
            "expected_ratio= is of arms that chance drew", remedy="pass assignment='random', or leave it out"
        )
    rows = read(data, asked)
    notes: list[str] = []
    model = _model(rows, options, asked.outcome_model, mediator_model, notes)
    options |= {"outcome_model": model.outcome, "mediator_model": list(model.mediators), "control": rows.labels[0]}
    planned = read_shares("expected_ratio", expected_ratio, rows.labels) if assignment == "random" else None
    along = None
    if moderator is not None:
        along = along_of(rows, columns_of(rows)[0], model.crossed)
        if along.lost:
            notes.append(f"{along.lost} of the products with {moderator!r} are told by others and left out")
    system = fit_system(rows, model, along)
    draws = np.empty((0, len(system.weights)))
    if interval != "delta" and options["reps"]:
        with ticking("bootstrap", "draw", options["reps"], progress) as tick:
            draws = draw_effects(system, rows.groups, options["reps"], np.random.default_rng(seed), tick)
        lost = ~np.isfinite(draws).all(axis=1)
        if lost.any():
            notes.append(f"{int(lost.sum()):,} of the draws left no estimate and are not counted")
            draws = draws[~lost]
    arrays = [rows.y, rows.t, *rows.m.T, *rows.x.T, *rows.fixed, *([] if rows.cluster is None else [rows.cluster])]
    manifest = Manifest(
        "mediate", options, seed, *rows.shape, dropped=rows.dropped, notes=(*rows.notes, *notes),
        arrays=partial(_kept, arrays), choices=_choices(model, options, rows),
    )  # fmt: skip
    return make_result(rows, system, draws, manifest, planned)


def _kept(arrays: list[NDArray[Any]]) -> list[NDArray[Any]]:
    return arrays


def _names(name: str, value: Any) -> list[str]:
    if value is None:
        raise InputError(f"{name} must list column names, but is None", remedy=f"write {name}=['interacted']")
    found: list[str] = check("keep", value, called=name)
    return found


def _mapping(times: Any) -> Mapping[str, str]:
    if times is None:
        return {}
    if not isinstance(times, Mapping) or not all(isinstance(v, str) for v in times.values()):
        raise InputError(f"times must map columns to columns of times, but is {said(times)}",
                         remedy="write times={'interacted': 'interacted_at', 'gmv': 'first_paid_at'}")  # fmt: skip
    return {str(k): v for k, v in times.items()}


def _model(
    rows: Rows, options: Mapping[str, Any], outcome: str, mediator: str | Mapping[str, str], notes: list[str]
) -> Model:
    """Which regressions: as asked, or as the columns suggest."""
    needs = "fixed=" if rows.fixed else "ordered=True" if options["ordered"] else ""
    flat = bool(((rows.y == 0) | (rows.y == 1)).all()) and np.ptp(rows.y) > 0
    if outcome == "auto":
        outcome = "logit" if flat and not needs else "linear"
        if flat and needs:
            notes.append(f"the outcome is 0/1 and its model linear, as {needs} needs: effects are on its share")
    elif outcome != "linear" and needs:
        raise InputError(f"outcome_model={outcome!r} does not go with {needs}", remedy="take outcome_model='linear'")
    if not isinstance(mediator, str | Mapping):
        raise InputError(f"mediator_model must be a name or a mapping, but is {said(mediator)}")
    if isinstance(mediator, Mapping):
        for name in mediator:
            one_of("mediator_model's key", name, rows.mediators)
    kinds = []
    for j, name in enumerate(rows.mediators):
        kind = mediator if isinstance(mediator, str) else mediator.get(name, "auto")
        one_of("mediator_model", kind, ("auto", *MEDIATORS))
        if kind == "auto":
            kind = "logit" if rows.binary[j] and not needs and j in rows.vary else "linear"
        elif kind == "logit" and (needs or not rows.binary[j]):
            why = f"does not go with {needs}" if needs else "is for mediators of 0 and 1"
            raise InputError(f"mediator_model='logit' {why}", column=name, remedy="take 'linear'")
        kinds.append(kind)
    crossed = rows.vary if options["interaction"] else ()
    for j in sorted(set(range(len(kinds))) - set(rows.vary)):
        notes.append(f"{rows.mediators[j]!r} does not vary in one of the arms: its slope is that of the other arm")
    most = _MOST[outcome == "linear"]
    if len(kinds) > most:
        raise InputError(
            f"mediators= names {len(kinds)} columns, and at most {most} can be told apart with a {outcome} outcome",
            remedy="name the few that the tactic was made to move, or add like ones up",
        )
    return Model(outcome, tuple(kinds), crossed, bool(options["ordered"]))


def _choices(model: Model, options: Mapping[str, Any], rows: Rows) -> tuple[str, ...]:
    words = {"linear": "least squares", "logit": "logistic", "poisson": "log link", "hurdle": "hurdle"}
    kinds = ", ".join(f"{n}: {words[k]}" for n, k in zip(rows.mediators, model.mediators, strict=True))
    how = {"percentile": "percentiles of", "bca": "bias-corrected and accelerated percentiles of"}.get(
        options["interval"], ""
    )
    drawn = rows.cluster_name if rows.cluster is not None else "users"
    made = f"{how} {options['reps']:,} draws of {drawn}" if how and options["reps"] else "delta method"
    what = {
        "pure_direct": "pure direct and total indirect effects",
        "total_direct": "total direct and pure indirect effects",
        "average": "means of pure and total effects",
    }[options["split"]]
    cross = "treatment-mediator interaction" if model.crossed else "no treatment-mediator interaction"
    order = "mediators in order" if model.ordered else "mediators side by side"
    free = f"; every step free along {options['moderator']}" if options["moderator"] else ""
    told = f"{what}; outcome: {words[model.outcome]} with {cross}; {kinds}; {order}{free}; parts by {made}"
    return (told if len(rows.mediators) > 1 else told.replace(f"; {order}", ""),)
