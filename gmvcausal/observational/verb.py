"""The verb `match`: nearest neighbours by propensity, with what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.facts import frame_facts, rows_are_people
from gmvcausal.frames.params import check, column_name, said
from gmvcausal.frames.table import Table, open_table
from gmvcausal.observational.matched import Matched
from gmvcausal.observational.nearest import pairs, with_replacement
from gmvcausal.observational.units import Units, from_panel, from_rows
from gmvcausal.results import Manifest
from gmvcausal.stats.logit import fit_logit
from gmvcausal.stats.standardise import standardised

FloatArray = NDArray[np.float64]
ODDS = "log odds of treatment"
_ADDED = ("weight", "propensity")
PAIR = "pair"


def match(
    data: Any,
    treatment: str,
    covariates: Sequence[str] = (),
    *,
    control: Any = None,
    unit: str | None = None,
    time: str | None = None,
    before: Any = None,
    caliper: float | None = 0.2,
    replace: bool = True,
    support: bool = True,
    seed: int = 0,
) -> Matched:
    """Find for each treated unit the control that was most likely to be treated as well (propensity score matching).

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        One row per unit; with `time`, one per unit and period. Not changed.
    treatment : str
        0/1 or boolean column, or one of two other values, of which `control` names one. With `time` also the column of
        the date of first treatment (missing: never).
    covariates : sequence of str
        What decided who was treated: numbers, or text and categories, which become 0/1 columns. In a panel, columns
        that change count with their mean over the periods before the first start of anyone.
    control : scalar, optional
        The value of those without the tactic; may be left out only where `treatment` is 0/1 or boolean.
    unit, time : str, optional
        Columns of the unit and the period, for a panel. `unit` alone names the id of each row.
    before : scalar, optional
        First period of the tactic, where `treatment` does not say it.
    caliper : float or None
        How far a match may be, in pooled standard deviations of the log odds. Default .2, which takes away nearly all
        of the bias that a caliper can and does best or nearly so in Austin's (2011) simulations; None for no limit.
    replace : bool
        Whether a control may serve several treated units (default): closer matches, and an order of matching that does
        not matter; controls equally near share the match. False: each serves once; the treated choose in
        descending order of their propensity, so that those hardest to match come first; a column ``pair`` numbers the
        pairs, for ``gc.did(..., cluster="pair")``.
    support : bool
        Whether treated units beyond the range of the controls' propensity are left out (default) and counted.
    seed : int
        Of the order among units that are alike in every respect that decides, which matters with ``replace=False``
        only. The order of the rows never matters.

    Returns
    -------
    Matched
        `frame` (matched rows with ``weight`` and ``propensity``), `balance()`, `balance_by_cohort()`, `audit`,
        `plot("love" | "density")`, `summary()`. For a panel, ``gc.did(m.frame, weights="weight")`` is PSM-DID.

    Raises
    ------
    InputError
        Missing values, arms that are not two or whose control is not named, units given twice, ...
    DesignError
        The covariates separate the treated from the controls, fewer than two units on a side, nobody within the
        caliper, no period before the tactic.

    Notes
    -----
    The estimand is the effect on the treated who were matched. Standard errors of a later estimate take the weights as
    given; they do not know that the propensity was estimated, which for the effect on the treated may leave them too
    wide or too narrow (Abadie and Imai 2016). Clustered by unit they also take treated and controls as drawn apart from
    each other, and are too wide by what the matched covariates explain; with ``replace=False``,
    ``gc.did(m.frame, weights="weight", cluster="pair")`` counts the pairs instead (Abadie and Spiess 2022).

    All who are ever treated are matched together, and `did` compares each cohort with the same weighted controls.
    With several starts the check `balance_by_cohort` says whether each cohort is like them; where one is not, use
    ``gc.did(data, covariates=...)``, which weighs the controls anew for every cohort, or match cohort by cohort.

    References
    ----------
    Rosenbaum and Rubin (1983), Biometrika 70; Austin (2011), Pharmaceutical Statistics 10 (the caliper); Stuart (2010),
    Statistical Science 25 (balance); Abadie and Imai (2016), Econometrica 84; Abadie and Spiess (2022), Journal of the
    American Statistical Association 117 (pairs); Daw and Hatfield (2018), Health Services
    Research 53 (matching on outcomes).

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> users = pd.DataFrame({"member": [1, 1, 0, 0, 0, 0], "age": [30.0, 40, 31, 38, 41, 25]})
    >>> m = gc.match(users, "member", ["age"], caliper=None, support=False)
    >>> m.frame["age"].tolist(), m.frame["weight"].tolist()
    ([30.0, 40.0, 31.0, 41.0], [1.0, 1.0, 1.0, 1.0])
    """
    options = _checked(treatment, covariates, control, unit, time, before, caliper, replace, support, seed)
    table = open_table(data)
    clash = [c for c in (*_ADDED, *([] if replace else [PAIR])) if c in table.columns]
    if clash:
        raise InputError(
            f"data has a column {clash[0]!r} already, which the matched frame would add",
            column=clash[0],
            remedy="rename it",
        )
    if time is None:
        units = from_rows(table, treatment, control, options["covariates"], unit)
    else:
        units = from_panel(table, treatment, control, options["covariates"], str(unit), time, before)
    _refuse_few(units.treated, treatment)
    order = np.argsort(_mixed(units.key, options["seed"]), kind="stable")
    treated, x = units.treated[order], units.x[order]
    scaled, keep, notes = standardised(x, units.names)
    if not keep.any():
        raise InputError("no covariate is left: all are constant", remedy="name covariates that differ between units")
    design = np.column_stack([np.ones(len(x)), scaled])
    fit = fit_logit(design, treated, np.ones(len(x)))
    if fit is None:
        raise DesignError(
            "the covariates separate the treated from all controls, so no treated unit has a counterpart",
            column=treatment,
            remedy="leave out what decided the treatment outright, group categories, or compare within other units",
        )
    odds = fit.odds
    spread = math.sqrt((odds[treated].var(ddof=1) + odds[~treated].var(ddof=1)) / 2)
    width = math.inf if options["caliper"] is None else options["caliper"] * spread
    inside = np.ones(int(treated.sum()), dtype=bool)
    if support:
        low, high = odds[~treated].min(), odds[~treated].max()
        inside = (odds[treated] >= low) & (odds[treated] <= high)
    pair = np.zeros(len(x), dtype=np.int64)
    if replace:
        distance, share = with_replacement(odds[treated][inside], odds[~treated], width)
    else:
        distance, partner = pairs(odds[treated][inside], odds[~treated], width)
        chosen = partner[partner >= 0]
        share = np.bincount(chosen, minlength=int((~treated).sum())).astype(float)
        pair[np.flatnonzero(treated)[inside][partner >= 0]] = pair[np.flatnonzero(~treated)[chosen]] = np.arange(
            1, len(chosen) + 1
        )
    found = np.isfinite(distance)
    if not found.any():
        raise DesignError(
            "no treated unit has a control within the caliper and the common support",
            remedy="widen caliper=, pass support=False, or use fewer covariates",
        )
    weight = np.zeros(len(x))
    weight[np.flatnonzero(treated)[inside][found]] = 1.0
    weight[~treated] = share
    counts = {
        "treated": int(treated.sum()), "control": int((~treated).sum()), "off_support": int((~inside).sum()),
        "beyond_caliper": int((~found).sum()), "matched_treated": int(found.sum()),
        "matched_control": int((share > 0).sum()),
    }  # fmt: skip
    manifest = Manifest(
        "match", options, options["seed"], table.n, len(table.columns), units.dropped,
        (*units.notes, *notes), partial(_arrays, treated, x, weight),
    )  # fmt: skip
    made = Matched(
        _frame(table, data, units, order, weight, fit.chance, None if replace else pair), manifest, counts, width,
        (*np.array(units.names)[keep].tolist(), ODDS), np.column_stack([x[:, keep], odds]), treated, weight,
        np.append(units.moving[keep], False), None if units.cohort is None else units.cohort[order],
        rows_are_people(unit, frame_facts(data)),
    )  # fmt: skip
    _tell(made, data)
    return made


def _checked(
    treatment: Any, covariates: Any, control: Any, unit: Any, time: Any, before: Any, caliper: Any, replace: Any,
    support: Any, seed: Any,
) -> dict[str, Any]:  # fmt: skip
    named = check("covariates", covariates)
    if not named:
        raise InputError("covariates= names no column to match on", remedy="name what decided who was treated")
    for role, column in (("treatment", treatment), ("unit", unit), ("time", time)):
        column_name(role, column, optional=role != "treatment")
        if column in named:
            raise InputError(f"covariates= names {column!r}, which is {role}=", column=column, remedy="leave it out")
    if time is not None and unit is None:
        raise InputError("time= is of a panel, whose units unit= must name", remedy="pass unit=")
    if before is not None and time is None:
        raise InputError("before= is a period, and there is no time=", remedy="pass unit= and time=")
    real = isinstance(caliper, int | float) and not isinstance(caliper, bool)
    if caliper is not None and not (real and 0 < caliper < math.inf):
        raise InputError(
            f"caliper must be a number of standard deviations above 0, or None, but is {said(caliper)}",
            remedy="leave it out for 0.2",
        )
    for name, value in (("replace", replace), ("support", support)):
        if not isinstance(value, bool):
            raise InputError(f"{name} must be True or False, but is {said(value)}", remedy=f"pass {name}=True")
    return {
        "treatment": treatment, "covariates": named, "control": control, "unit": unit, "time": time, "before": before,
        "caliper": caliper, "replace": replace, "support": support, "seed": check("seed", seed),
    }  # fmt: skip


def _refuse_few(treated: NDArray[np.bool_], column: str) -> None:
    for who, count in (("treated", int(treated.sum())), ("control", int((~treated).sum()))):
        if count < 2:
            raise DesignError(
                f"there {'is 1' if count == 1 else 'are 0'} {who} unit{'' if count == 1 else 's'}, and matching needs "
                "two of each kind",
                column=column,
                remedy="check the treatment column and the periods",
            )


def _mixed(key: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Keys in an order that the seed decides and the rows do not (splitmix64)."""
    with np.errstate(over="ignore"):
        z = key + np.uint64(0x9E3779B97F4A7C15) * np.uint64((seed + 1) % 2**63)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


def _arrays(treated: NDArray[np.bool_], x: FloatArray, weight: FloatArray) -> list[NDArray[Any]]:
    return [treated, x, weight]


def _frame(
    table: Table, data: Any, units: Units, order: NDArray[np.int64], weight: FloatArray, chance: FloatArray,
    pair: NDArray[np.int64] | None,
) -> Any:  # fmt: skip
    """Rows of the matched units in the order of the data, with weight and propensity, and the pair where there are."""
    by_unit = np.zeros((len(order) + 1, 2))  # the last line is for rows of units that are not used
    by_unit[order] = np.column_stack([weight, chance])
    of_row = by_unit[units.code]
    rows = np.flatnonzero(of_row[:, 0] > 0)
    frame = table.frame.to_pandas().iloc[rows].reset_index(drop=True).copy()
    for j, name in enumerate(_ADDED):
        frame[name] = of_row[rows, j]
    if pair is not None:
        of_unit = np.zeros(len(order) + 1, dtype=np.int64)
        of_unit[order] = pair
        frame[PAIR] = of_unit[units.code[rows]]
    return frame


def _tell(made: Matched, data: Any) -> None:
    """Write onto the frame what `did` should repeat: the checks, the notes, and that there are weights."""
    facts = frame_facts(data)
    c = made.counts
    note = (
        f"the units were matched by propensity: {c['matched_treated']:,} of {c['treated']:,} treated with "
        f"{c['matched_control']:,} of {c['control']:,} controls"
    )
    alike = (
        "standard errors by unit do not know that the matched are alike, and are too wide where what was matched on "
        "drives the trends: "
        + ("cluster='pair' counts pairs" if PAIR in made.frame else "gc.match(replace=False) makes pairs to cluster by")
    )
    names = ("name", "status", "message", "value", "threshold", "remedy")
    checks = [{k: getattr(one, k) for k in names} for one in made.audit]
    facts |= {
        "notes": [*facts.get("notes", []), note, alike, *made.manifest.notes],
        "checks": [*facts.get("checks", []), *checks],
        "dropped": {**facts.get("dropped", {}), **made.manifest.dropped},
        "weights": "weight",
    }
    made.frame.attrs["gmvcausal"] = facts
