"""The verb `efficiency`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import check, column_name, one_of, said
from gmvcausal.frames.table import Table, open_table
from gmvcausal.mechanism.frontier import checks, scores
from gmvcausal.mechanism.frontier.bootstrap import draws_of
from gmvcausal.mechanism.frontier.malmquist import changes
from gmvcausal.mechanism.frontier.read import Amounts, read
from gmvcausal.mechanism.frontier.result import Efficiency, Malmquist
from gmvcausal.mechanism.frontier.second_stage import Drawn, second_stage
from gmvcausal.results import Audit, Estimates, Manifest
from gmvcausal.stats.progress import ticking

FloatArray = NDArray[np.float64]

_ASSUMES = (
    "one frontier: what the best units do, and mixtures of them, is open to all; inputs and outputs are complete and "
    "measured without error, for noise counts as inefficiency"
)
_ALIKE = "; for the intervals, inefficiency is distributed alike whatever the mix and the size of a unit"
_HOLD = (
    "the intervals hold less than they say: of 60 units, 95 % intervals held the true score of 88 % with one input "
    "and one output, of 54 % with two of each"
)
_LONG = 200_000  # programmes, from which on a bar shows how far it is


def efficiency(
    data: Any,
    unit: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    returns: str = "variable",
    orientation: str = "output",
    covariates: Sequence[str] = (),
    time: str | None = None,
    reps: int = 1000,
    alpha: float = 0.05,
    seed: int = 0,
    progress: bool = True,
) -> Efficiency | Malmquist:
    """How near units (rooms, hosts, campaigns) come to the best practice among them: data envelopment analysis.

    A description and no causal effect: a unit is held against what other units get from as much input.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        One row per unit; with `time`, one per unit and period. Not changed.
    unit : str
        Column of the unit's name.
    inputs, outputs : sequence of str
        Columns of amounts, all above zero (hours, spend, viewers; GMV, orders). Units of measurement do not matter.
    returns : {"variable", "constant"}
        Whether a unit is held against units of its size (default; Banker, Charnes and Cooper 1984), or of any size,
        scaled (Charnes, Cooper and Rhodes 1978).
    orientation : {"output", "input"}
        Whether to ask for more output from the same inputs (default: hosts want GMV), or the same from less input.
    covariates : sequence of str
        Columns that may go with inefficiency (city, experience): a second stage by truncated regression (Simar and
        Wilson 2007, algorithm 1), in ``result.second_stage``.
    time : str, optional
        Column of the period: then the Malmquist index of productivity, from each period to the next.
    reps : int
        Draws of the bootstrap; default 1,000, at which 95 % limits move with the seed by about 2 % of the interval's
        length. 0 for none.
    alpha : float
        One minus the level of the intervals.
    seed : int
        Of the draws. The order of the rows never matters.
    progress : bool
        Whether a bar is shown where it takes long (default).

    Returns
    -------
    Efficiency or Malmquist
        Malmquist with `time`. See there for rows and columns. `peers()`, `targets()` and ``second_stage`` of the first,
        `changes()` of the other.

    Raises
    ------
    InputError
        Amounts that are missing, zero or negative; units given twice; a column in two roles.
    DesignError
        One unit alone, or one period; a second stage with too few units off the frontier.

    Notes
    -----
    Scores lie in (0, 1]: by what all inputs could be multiplied, or the share that outputs are of what they could be (1
    over the expansion phi that other packages print). Slacks are found in a second phase that makes their sum largest,
    each counted as a share of the unit's own amount.

    Intervals are those of the smoothed homogeneous bootstrap (Simar and Wilson 1998), basic bootstrap on distances
    (1 / score) with the kernel width of Daraio and Simar (2007), and without the shrinking of the draws, which takes
    the intervals off the frontier. The score of a unit is too high, never too low, so its interval lies below it. Held
    against known truth the intervals are too short, more so the more columns there are (the page has the numbers). The
    mean over units has no interval: the error of a mean of scores is mostly bias (Kneip, Simar and Wilson 2015).

    References
    ----------
    Andersen and Petersen (1993), Management Science 39; Banker, Charnes and Cooper (1984), Management Science 30;
    Charnes, Cooper and Rhodes (1978), European Journal of Operational Research 2; Daraio and Simar (2007), Advanced
    Robust and Nonparametric Methods in Efficiency Analysis; Färe, Grosskopf, Norris and Zhang (1994), American Economic
    Review 84; Kneip, Simar and Wilson (2015), Econometric Theory 31; Simar and Wilson (1998), Management Science 44;
    Simar and Wilson (2007), Journal of Econometrics 136.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> rooms = pd.DataFrame({"room": list("ABCD"), "hours": [2.0, 4, 8, 6], "gmv": [10.0, 40, 60, 25]})
    >>> r = gc.efficiency(rooms, "room", ["hours"], ["gmv"], reps=0)
    >>> r.to_frame()[["term", "score", "peers"]].round(3).to_dict("list")["score"]
    [0.875, 1.0, 1.0, 1.0, 0.5]
    """
    options = _checked(
        unit, inputs, outputs, returns, orientation, covariates, time, reps, alpha, seed, progress
    )  # fmt: skip
    columns = (*options["inputs"], *options["outputs"])
    roles = dict.fromkeys(options["inputs"], "inputs") | dict.fromkeys(options["outputs"], "outputs")
    roles |= dict.fromkeys(options["covariates"], "covariates") | {unit: "unit"}
    table = open_table(data, needed=roles | ({} if time is None else {time: "time"}))
    amounts = read(table, unit, options["inputs"], options["outputs"], options["covariates"], time)
    if len(amounts.labels) < 2:
        raise DesignError("there is one unit, which has nobody to be compared with", column=unit,
                          remedy="supply the units that do the same work")  # fmt: skip
    told = [f"{returns} returns to scale", f"{orientation} orientation"]
    if time is not None:
        return _over_time(table, amounts, options, told, columns, progress)
    return _at_once(table, amounts, options, told, columns, progress)


def _at_once(
    table: Table, amounts: Amounts, options: dict[str, Any], told: list[str], columns: tuple[str, ...], progress: bool
) -> Efficiency:
    x, y, output, hull = amounts.x, amounts.y, options["orientation"] == "output", options["returns"]
    reps, alpha, n = options["reps"], options["alpha"], len(amounts.x)
    found = scores.evaluate(x, y, output, hull)
    rise = scores.influence(x, y, output, hull, found)
    distance = 1 / found.score
    rng = np.random.default_rng(options["seed"])
    notes: list[str] = []
    draws, why = None, "reps=0 asks for no draws"
    if reps and int((distance > 1).sum()) < 2:
        why = "fewer than 2 units lie off the frontier, so that nothing is known of how inefficiency is distributed"
    elif reps:
        with ticking("bootstrap", "draw", reps, progress and reps * n >= _LONG) as tick:
            draws = draws_of(x, y, output, hull, distance, reps, rng, tick)
        told.append(f"{reps:,} draws of the smoothed bootstrap")
        notes.append(_HOLD)
    names = tuple(amounts.labels[i] for i in amounts.unit)
    estimates = _estimates(names, found.score, distance, draws, output, why)
    low, high = estimates.interval(1 - alpha)
    judged = [
        *checks.of_columns(amounts, columns),
        *checks.of_scores(found, rise, names),
        *checks.of_draws(distance, draws, low[1:], high[1:], why),
    ]
    overlap = next((c.value for c in judged if c.name == "ranking"), None)
    manifest = _manifest(table, amounts, options, told, notes)
    second = None
    if options["covariates"]:
        second = second_stage(distance, amounts.z, amounts.names, reps, alpha, rng, manifest)
    return Efficiency(
        "Efficiency (data envelopment analysis)", _ASSUMES + (_ALIKE if draws is not None else ""), estimates,
        manifest, alpha, Audit(tuple(judged)), amounts, found, rise, columns, math.nan if overlap is None else overlap,
        second,
    )  # fmt: skip


def _estimates(
    names: tuple[str, ...], score: FloatArray, distance: FloatArray, draws: FloatArray | None, output: bool, why: str
) -> Estimates:
    n = len(names)
    mean = "mean of all units"
    while mean in names:
        mean += " (all)"
    cov, special, estimate = np.full((n + 1, n + 1), np.nan), {}, score
    withheld = why
    if draws is not None:
        estimate = 1 / (2 * distance - draws.mean(axis=0))
        moved = 1 / (2 * distance - draws)
        cov[1:, 1:] = np.cov(moved.T)
        special = {i + 1: Drawn(moved[:, i], 0.0, 1.0) for i in range(n)}
        withheld = (
            "the mean of all units has none, for the error of a mean of scores is mostly bias (Kneip, Simar and Wilson "
            "2015); every unit has its own"
        )
    what = "share of the outputs that the best get from as much" if output else "share of the inputs that the best need"
    return Estimates(
        (mean, *names), (f"mean {what} (a description, no effect)", *(f"{what}, {u}" for u in names)),
        ("score",) * (n + 1),
        np.concatenate([[estimate.mean()], estimate]), cov, (n,) * (n + 1), special=special, withheld=withheld,
        special_p=dict.fromkeys(range(n + 1), math.nan), method="smoothed homogeneous bootstrap",
    )  # fmt: skip


def _over_time(
    table: Table, amounts: Amounts, options: dict[str, Any], told: list[str], columns: tuple[str, ...], progress: bool
) -> Malmquist:
    if len(amounts.periods) < 2:
        raise DesignError("there is one period, so nothing changes", column=options["time"],
                          remedy="leave time= out, or supply several periods")  # fmt: skip
    with ticking("programmes", "unit", None, progress and len(amounts.x) >= _LONG // 100) as tick:
        found = changes(amounts, options["orientation"] == "output", options["returns"], tick)
    ok = np.isfinite(found.index)
    steps = np.unique(found.first[ok])
    if len(steps) < len(amounts.periods) - 1:
        empty = next(t for t in range(len(amounts.periods) - 1) if t not in steps)
        raise DesignError(
            f"no unit has an index from {amounts.periods[empty]} to {amounts.periods[empty + 1]}: none is seen in both "
            "periods, or no programme has a solution",
            remedy="use longer periods, or returns='constant'",
        )
    parts = (("productivity", found.index), ("catching up", found.catching_up), ("frontier", found.frontier))
    term, value, n = [], [], []
    for t in (None, *steps):
        at = ok if t is None else ok & (found.first == t)
        span = "" if t is None else f", {amounts.periods[t]} to {amounts.periods[t + 1]}"
        for name, part in parts:
            term.append(name + span)
            value.append(float(np.exp(np.log(part[at]).mean())))
            n.append(len(np.unique(found.unit[at])))
    estimates = Estimates(
        tuple(term), tuple(f"geometric mean of the index of {t} over units, from one period to the next" for t in term),
        ("index (1: no change)",) * len(term), np.array(value), np.full((len(term), len(term)), np.nan), tuple(n),
        withheld="indices of productivity come without intervals here",
    )  # fmt: skip
    notes = []
    if options["returns"] == "variable":
        notes.append(
            "with variable returns the index leaves out what comes of changes in size; returns='constant' counts it"
        )
    judged = (*checks.of_columns(amounts, columns), *checks.of_changes(found))
    manifest = _manifest(table, amounts, options | {"reps": 0}, told, notes)
    return Malmquist("Productivity over time (Malmquist)", _ASSUMES + ", period by period", estimates, manifest,
                     options["alpha"], Audit(judged), amounts, found)  # fmt: skip


def _manifest(
    table: Table, amounts: Amounts, options: dict[str, Any], told: list[str], notes: Sequence[str] = ()
) -> Manifest:
    return Manifest(
        "efficiency", options, options["seed"], table.n, len(table.columns), {}, (*amounts.notes, *notes),
        partial(_arrays, amounts), tuple(told),
    )  # fmt: skip


def _arrays(amounts: Amounts) -> list[NDArray[Any]]:
    return [np.array([amounts.labels[i] for i in amounts.unit], dtype=object), amounts.period, amounts.x, amounts.y,
            amounts.z]  # fmt: skip


def _checked(
    unit: Any, inputs: Any, outputs: Any, returns: Any, orientation: Any, covariates: Any, time: Any, reps: Any,
    alpha: Any, seed: Any, progress: Any,
) -> dict[str, Any]:  # fmt: skip
    column_name("unit", unit)
    column_name("time", time, optional=True)
    named = {
        name: check("covariates", value, called=name)
        for name, value in (("inputs", inputs), ("outputs", outputs), ("covariates", covariates))
    }
    for name, thing in (("inputs", "hours or spend"), ("outputs", "GMV or orders")):
        if not named[name]:
            raise InputError(f"{name}= names no column", remedy=f"name at least one, such as {thing}")
    taken = {unit: "unit"} | ({} if time is None else {time: "time"})
    for name, listed in named.items():
        for column in listed:
            if column in taken:
                raise InputError(f"{name}= names {column!r}, which is {taken[column]}= already", column=column,
                                 remedy="give each column one role")  # fmt: skip
            taken[column] = name
    one_of("returns", returns, ("variable", "constant"))
    one_of("orientation", orientation, ("output", "input"))
    if not isinstance(progress, bool):
        raise InputError(f"progress must be True or False, but is {said(progress)}")
    none = isinstance(reps, int) and not isinstance(reps, bool) and reps == 0
    reps = 0 if none else check("draws", reps, called="reps")
    if covariates and time is not None:
        raise InputError("covariates= is about one frontier, and time= asks for several",
                         remedy="run one period at a time")  # fmt: skip
    if named["covariates"] and not reps:
        raise InputError("covariates= needs draws, and reps=0 asks for none", remedy="leave reps= out for 1,000")
    return named | {
        "unit": unit, "returns": returns, "orientation": orientation, "time": time, "reps": reps,
        "alpha": check("alpha", alpha), "seed": check("seed", seed),
    }  # fmt: skip
