"""The verb `assign`: who gets what, by hash, within strata, or re-randomised until covariates are balanced."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.abtest.designs.lot import by_hash, rerandomised, within_strata
from gmvcausal.abtest.designs.schedule import make_schedule, read_schedule, split_budget
from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames import rules
from gmvcausal.frames.columns import Codes, FloatArray, IntArray, first_rows, identifiers, numeric
from gmvcausal.frames.params import check, column_name, one_of, said
from gmvcausal.frames.table import Table, open_table

if TYPE_CHECKING:
    import pandas as pd

METHODS = ("hash", "stratified", "rerandomised", "switchback")


def assign(
    data: Any,
    *,
    unit: str,
    arms: Mapping[Any, float] | Sequence[Any],
    method: str = "hash",
    salt: str | None = None,
    strata: str | Sequence[str] = (),
    covariates: str | Sequence[str] = (),
    accept: float = 0.01,
    start: Any = None,
    blocks: int | None = None,
    every: Any = None,
    budget: float | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Assign units to the arms of a test.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        Holds the column `unit`; a unit may have several rows.
    unit : str
        What is randomised: users, or the column of rooms or cities where whole clusters are.
    arms : mapping or list
        Shares by label, for example ``{"none": 0.9, "coupon": 0.1}``; a list means equal shares.
    method : {"hash", "stratified", "rerandomised", "switchback"}
        - ``"hash"`` depends on salt and unit alone: the same on every machine, in every order and file, for units that
          come later too. Shares hold on average. Raising the share of the last arm moves nobody out of it.
        - ``"stratified"`` holds the shares within every stratum up to one unit.
        - ``"rerandomised"`` draws until the covariates are balanced (Morgan and Rubin 2012).
        - ``"switchback"`` draws an arm for every unit (room) and block of time. The shares hold among blocks at the
          same time of neighbouring days, within each room; where the test is too short for that, or a day holds no
          whole number of blocks, among neighbouring blocks.
    salt : str, optional
        For ``"hash"``: the name of the test. Two tests with one salt treat the same users, so it must be given.
    strata : str or list of str
        For ``"stratified"`` and ``"rerandomised"``: columns, constant within a unit.
    covariates : str or list of str
        For ``"rerandomised"``: numeric columns; several rows of a unit are averaged.
    accept : float
        For ``"rerandomised"``: share of all assignments that is accepted, the best balanced by Mahalanobis distance.
        Default .01; a smaller share leaves too few assignments for a randomisation test.
    start, blocks, every : optional
        For ``"switchback"``: when it starts (a local time, or a whole number), how many blocks there are, and how long
        each is ("30min", "2h", "1D"; a whole number where `start` is one). An effect that lasts an hour after a switch
        needs blocks of several hours.
    budget : float, optional
        A budget that all arms together may spend. Each arm gets its share, so that arms do not compete for one purse
        (Liu and others 2021); the amounts stand in ``.attrs["assignment"]["budget"]``.
    seed : int
        For the methods that draw; the hash needs none.

    Returns
    -------
    DataFrame
        One row for each unit, as units first come in the data: unit, arm, probability (the share of that arm). Join it
        by the unit. Of a switchback one for each unit and block, by unit: unit, start, end, arm, probability. How it
        was made stands in ``.attrs["assignment"]``: method, salt or seed, and for ``"rerandomised"`` the accepted
        share, the largest distance accepted, the distance reached and the number of draws.

    Raises
    ------
    InputError
        A missing id or stratum, shares that do not add up to 1, a hash without salt, options of another method.
    DesignError
        Fewer units than arms, covariates that do not vary, no acceptable assignment among those drawn.

    Notes
    -----
    The hash is BLAKE2b of salt and id as text, so that 17 and "17" are one unit. After re-randomisation the usual
    interval is too wide rather than too narrow (Li, Ding and Rubin 2018); adjusting for the same covariates mends it.

    Examples
    --------
    >>> import pandas as pd
    >>> import gmvcausal as gc
    >>> users = pd.DataFrame({"user": range(6)})
    >>> arms = gc.assign(users, unit="user", arms=["none", "coupon"], method="stratified")
    >>> arms["arm"].value_counts().sort_index().to_dict()
    {'coupon': 3, 'none': 3}
    """
    one_of("method", method, METHODS)
    names, shares = read_arms(arms)
    by, of = check("keep", strata) if strata != () else [], check("keep", covariates) if covariates != () else []
    seed = check("seed", seed)
    _check_options(method, salt, by, of, (start, blocks, every))
    planned = read_schedule(start, blocks, every) if method == "switchback" else None
    unit = str(column_name("unit", unit))
    table = open_table(data, "data", [unit, *by, *of])
    ids = identifiers(table, unit, "unit")
    how: dict[str, Any] = {"method": method, "units": len(ids.labels)}
    if budget is not None:
        how["budget"] = split_budget(budget, names, shares)
    if planned is not None:
        how |= {"seed": seed, "blocks": planned[1], "every": str(every)}
        rooms, begins, ends, arm = make_schedule(ids.labels, *planned, shares, np.random.default_rng(seed))
        return _frame({unit: rooms, "start": begins, "end": ends}, arm, names, shares, how)
    if method == "hash":
        arm = by_hash([str(v) for v in ids.labels], str(salt), shares)
        how["salt"] = salt
    else:
        if len(ids.labels) < len(names):
            raise DesignError(
                f"{len(ids.labels)} units cannot fill {len(names)} arms", remedy="take more units or fewer arms"
            )
        stratum = _strata(table, ids, by)
        rng = np.random.default_rng(seed)
        how |= {"seed": seed, "strata": int(stratum.max()) + 1}
        if method == "stratified":
            arm = within_strata(stratum, shares, rng)
        else:
            arm, balance = rerandomised(_covariates(table, ids, of), stratum, shares, check("level", accept), rng)
            how |= balance
    # Drawn in the order of the ids, so that rows may come in any; given back as the units come in the data.
    first = np.full(len(ids.labels), len(ids.codes))
    np.minimum.at(first, ids.codes, np.arange(len(ids.codes)))
    order = np.argsort(first)
    return _frame({unit: ids.labels[order]}, arm[order], names, shares, how)


def _frame(
    columns: dict[str, Any], arm: IntArray, names: list[Any], shares: FloatArray, how: dict[str, Any]
) -> pd.DataFrame:
    """The assignment as a table; a unit's column that bears a name of ours is called unit."""
    import pandas as pd

    labels = np.empty(len(names), dtype=object)
    labels[:] = names
    unit, *times = columns
    mine = {"arm", "probability", *times}
    out = pd.DataFrame({(name if name != unit or unit not in mine else "unit"): v for name, v in columns.items()})
    out["arm"] = pd.Series(labels[arm]).infer_objects()
    out["probability"] = shares[arm]
    out.attrs["assignment"] = how
    return out


def _check_options(
    method: str, salt: Any, strata: list[str], covariates: list[str], schedule: tuple[Any, Any, Any]
) -> None:
    if method != "switchback" and any(part is not None for part in schedule):
        raise InputError(
            f"start=, blocks= and every= have no meaning for method={method!r}", remedy="pass method='switchback'"
        )
    if method == "switchback" and (strata or covariates):
        raise InputError(
            "method='switchback' takes neither strata nor covariates",
            remedy="leave them out: every unit has its own order, balanced over the times of day",
        )
    if method == "hash":
        if not isinstance(salt, str) or not salt:
            raise InputError(
                f"salt must be the name of the test, but is {said(salt)}",
                remedy="write salt='coupon-2025-11'; two tests with one salt would treat the same users",
            )
        if strata or covariates:
            raise InputError(
                "a hash knows neither strata nor covariates",
                remedy="pass method='stratified' or method='rerandomised'",
            )
        return
    if salt is not None:
        raise InputError(f"salt= has no meaning for method={method!r}", remedy="pass seed= instead")
    if method == "rerandomised" and not covariates:
        raise InputError("method='rerandomised' needs covariates=", remedy="name the columns that are to be balanced")
    if method == "stratified" and covariates:
        raise InputError("method='stratified' takes no covariates", remedy="pass strata=, or method='rerandomised'")


def read_arms(arms: Any) -> tuple[list[Any], FloatArray]:
    """Labels and shares; the shares add up to 1."""
    if isinstance(arms, Mapping):
        names, given = list(arms), list(arms.values())
    elif isinstance(arms, list | tuple):
        names, given = list(arms), [1.0 / max(len(arms), 1)] * len(arms)
    else:
        raise InputError(f"arms must be a list or a mapping of shares, but is {said(arms)}")
    for name in names:
        if not isinstance(name, str | numbers.Integral):
            raise InputError(f"arms must be called by text or whole numbers, but one is {said(name)}")
    if len(names) < 2 or len({str(name) for name in names}) < len(names):
        raise InputError(f"arms must be two or more, each named once, but are {said(names)}")
    for share in given:
        if isinstance(share, bool) or not isinstance(share, numbers.Real) or not 0 < float(share) < 1:
            raise InputError(f"the share of an arm must be a number in (0, 1), but is {said(share)}")
    if abs(math.fsum(given) - 1.0) > 1e-9:
        raise InputError(
            f"the shares of the arms add up to {math.fsum(given):g}", remedy="let them add up to 1, control included"
        )
    return names, np.array(given, dtype=float)


def _strata(table: Table, ids: Codes, columns: list[str]) -> IntArray:
    """A dense code for each unit; all zero without strata."""
    out = np.zeros(len(ids.labels), dtype=np.int64)
    for column in columns:
        codes = identifiers(table, column, "stratum")
        one = np.empty(len(ids.labels), dtype=np.int64)
        one[ids.codes] = codes.codes
        varies: NDArray[np.bool_] = np.asarray(one[ids.codes] != codes.codes)
        if varies.any():
            count = len(np.unique(ids.codes[varies]))
            remedy = "take the value from before the test, one for each unit"
            raise rules.not_constant(column, "stratum", "units", count, first_rows(varies), remedy)
        out = np.unique(out * len(codes.labels) + one, return_inverse=True)[1].astype(np.int64)
    return out


def _covariates(table: Table, ids: Codes, columns: list[str]) -> FloatArray:
    """Mean of each covariate over the rows of each unit; those that do not vary are refused."""
    rows = np.bincount(ids.codes)
    found = []
    for column in columns:
        values = numeric(table, column, "covariate", missing="fill it, with 0 for those who had no past, say").values
        mean = np.bincount(ids.codes, values) / rows
        if np.ptp(mean) == 0:
            raise DesignError("a covariate does not vary", column=column, remedy="leave it out of covariates=")
        found.append(mean)
    return np.column_stack(found)
