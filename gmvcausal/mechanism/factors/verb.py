"""The verb `decompose`: a change in GMV per user, shared out among its factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.arms import find_control, read_shares
from gmvcausal.frames.params import check, one_of
from gmvcausal.mechanism.factors.checks import FEWEST, checks_of
from gmvcausal.mechanism.factors.numbers import METHODS, Joint, joint, pieces, slopes
from gmvcausal.mechanism.factors.read import Funnel, read_funnel
from gmvcausal.mechanism.factors.result import Decomposition, Split
from gmvcausal.results import Estimates, Manifest
from gmvcausal.results.audit import audit_with
from gmvcausal.stats.small_sample import Spread

_WAYS = {"shapley": "Shapley's value", "lmdi": "LMDI-I"}


def decompose(
    data: Any,
    factors: Sequence[str] | Mapping[str, str],
    *,
    by: str = "arm",
    control: Any = None,
    method: str = "shapley",
    assignment: str | None = None,
    users: str | None = None,
    unit: str | None = None,
    cluster: str | None = None,
    expected_ratio: Mapping[Any, float] | None = None,
    missing: str = "raise",
    alpha: float = 0.05,
) -> Decomposition:
    """Share out a change in GMV per user among reach, conversion, orders per buyer, basket, ...: they add up.

    GMV per user is a product: factor j is the sum of column j over the sum of the column before it, and the first one
    is per user. So ``factors=["reached", "watched", "buyers", "orders", "gmv", "gmv_net"]`` says: reach x watch-through
    x conversion x orders per buyer x basket x (1 - refunds), whose product is net GMV per user.

    Parameters
    ----------
    data : frame, parquet path or DuckDB relation
        One row per user, users of whom nothing came among them. With `users`, one row per group of users (a day, a
        room), columns being sums; one row for each level of `by` gives shares without intervals. Not changed.
    factors : sequence of str, or mapping of str to str
        Columns of the stages in order, at least two, none below 0; or name of the factor -> column.
    by : str
        Column of the groups that are compared: arms of a test, or periods.
    control : scalar, optional
        The level that the others are compared with (the earlier period); may be left out only where levels are 0 and 1.
    method : {"shapley", "lmdi"}
        Shapley's value (default): what a factor adds, averaged over all orders in which the factors could have changed.
        LMDI-I: the logarithmic mean of the two products times the log ratio of the factor.
    assignment : {"random"}, optional
        Whether chance drew who is in which group; only then is the change an effect, and `sample_ratio` is checked.
    users : str, optional
        Column that counts the users behind each row.
    unit : str, optional
        Column of the users. Found by its name (``user``, ``uid``, ...). Those seen in several groups (two periods) make
        standard errors clustered by user, and the notes say so.
    cluster : str, optional
        Column within which rows are not independent. Found where the group does not vary within a room or city (with a
        warning).
    expected_ratio : mapping, optional
        Planned shares of the arms; equal by default.
    missing : {"raise", "zero"}
        Missing values are refused, or count as nothing bought.
    alpha : float
        One minus the level of the intervals.

    Returns
    -------
    Decomposition
        Rows ``total`` and one per factor, in the last column's unit per user, with their joint covariance
        (`estimates.cov`); with more than two groups, each against the control.

    Raises
    ------
    InputError
        Missing or negative values, a control that is not named, users in two arms of a test, a table of sums without
        `users`, ...
    DesignError
        A stage that nobody of a group reached: a factor of 0 cannot be shared out.

    Notes
    -----
    Standard errors are those of the delta method from the covariance of the stages' means in each group, with Welch's
    degrees of freedom; with clusters the jackknife (CR3), as in `ab_test`, whose mean the total is. A factor below the
    first is a ratio among those whom the tactic may have moved to that stage: its share says through which door the
    GMV came, not what would happen if the tactic moved that factor alone.

    References
    ----------
    Shapley (1953); Shorrocks (2013), Journal of Economic Inequality 11; Ang (2004), Energy Policy 32, and (2005),
    Energy Policy 33 (LMDI-I); Bell and McCaffrey (2002), Survey Methodology 28.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> sums = pd.DataFrame({"week": [1, 2], "users": [100, 100], "orders": [10, 20], "gmv": [500.0, 800.0]})
    >>> r = gc.decompose(sums, ["orders", "gmv"], by="week", control=1, users="users")
    >>> dict(zip(r.to_frame()["term"], r.to_frame()["estimate"].round(9)))
    {'total': 3.0, 'orders per user': 4.5, 'gmv per orders': -1.5}
    """
    one_of("method", method, tuple(METHODS))
    check("assignment", assignment)
    check("missing", missing)
    alpha = check("alpha", alpha)
    if expected_ratio is not None and assignment is None:
        raise InputError(
            "expected_ratio= is of arms that chance drew", remedy="pass assignment='random', or leave it out"
        )
    funnel = read_funnel(data, factors, by, users, unit, cluster, missing, assignment == "random")
    base = find_control(by, funnel.labels, control)
    expected = read_shares("expected_ratio", expected_ratio, funnel.labels)
    options = {
        "factors": [f"{n}: {c}" for n, c in zip(funnel.names, funnel.columns, strict=True)], "by": by,
        "control": funnel.labels[base], "method": method, "assignment": assignment, "users": users, "unit": unit,
        "cluster": funnel.cluster_name or None, "missing": missing, "alpha": alpha,
    }  # fmt: skip
    mean = funnel.mean
    others = [g for g in range(len(mean)) if g != base]
    value = np.concatenate([pieces(mean[base], mean[g], method) for g in others])
    width = 2 * len(mean[0])
    slope = np.zeros((len(mean), len(value), len(mean[0])))
    for i, g in enumerate(others):
        at = slice(i * width, (i + 1) * width)
        slope[base, at], slope[g, at] = slopes(mean[base], mean[g], method)
    made = None
    if not funnel.aggregated:
        made = joint(funnel.x, funnel.group, mean, slope, funnel.cluster, funnel.x[:, 0])
    return _result(funnel, base, others, value, made, expected, options)


def _result(
    funnel: Funnel, base: int, others: list[int], value: Any, made: Joint | None, expected: Any,
    options: dict[str, Any],
) -> Decomposition:  # fmt: skip
    """Estimates, what stands beside them, audit and words."""
    factors = len(funnel.names)
    rows = factors + 1
    blocks = np.arange(len(value)).reshape(len(others), 2, rows)
    money, logs = blocks[:, 0].ravel(), blocks[:, 1].ravel()
    label, outcome = [str(one) for one in funnel.labels], funnel.columns[-1]
    why = ""
    if made is None:
        why = "each group is one row of sums, which tell nothing of chance: pass one row per user, day or room"
    elif made.clusters < FEWEST:
        why = "a group has one cluster, and chance is not to be told from effect there"
    bare = made is None or bool(why)
    cov = np.full((len(value), len(value)), np.nan) if made is None or bare else made.cov
    df = np.full(len(value), np.inf) if made is None or bare else made.spread.df
    lot, change = options["assignment"] == "random", "effect on" if options["assignment"] else "change in"
    per = f"{outcome} per user"
    if funnel.facts.get("outcome") == outcome and funnel.facts.get("outcome_unit"):
        per = str(funnel.facts["outcome_unit"])
    term, estimand, arm = [], [], []
    for g in others:
        more = f" ({label[g]})" if len(others) > 1 else ""
        pair = f"{label[g]} minus {label[base]}"
        term += ["total" + more, *(name + more for name in funnel.names)]
        estimand += [f"{change} {per}, {pair}"] + [
            f"part of the {change} {per} that comes with {name} ({_WAYS[options['method']]}), {pair}"
            for name in funnel.names
        ]
        arm += [label[g]] * rows
    count = np.bincount(funnel.group, funnel.x[:, 0] if options["users"] else None, len(label))
    n = [int(count[g] + count[base]) for g in others for _ in range(rows)]
    estimates = Estimates(
        tuple(term), tuple(estimand), (per,) * len(money), value[money], cov[np.ix_(money, money)], tuple(n),
        Spread(df[money], np.ones(len(money))), withheld=why, method="" if bare else "t (Welch)",
    )  # fmt: skip
    mean = funnel.mean
    levels = np.column_stack([mean[:, -1] / mean[:, 0], mean[:, 1:] / mean[:, :-1]])
    split = Split(
        ("total", *funnel.names) * len(others), tuple(arm), np.tile(levels[base], len(others)),
        levels[others].ravel(), value[logs], np.sqrt(np.diag(cov)[logs]), Spread(df[logs], np.ones(len(logs))),
        np.repeat(np.asarray(count, dtype=float)[others], rows),
    )  # fmt: skip
    notes = [*funnel.notes]
    if funnel.cluster_name:
        notes.append(f"standard errors are clustered by {funnel.cluster_name!r}")
    manifest = Manifest(
        "decompose", options, None, funnel.rows, funnel.width, notes=tuple(notes), arrays=partial(_arrays, funnel),
        choices=(f"{_WAYS[options['method']]} of {' x '.join(funnel.names)}",),
    )  # fmt: skip
    advice = _advice(split, value[money], lot, options["by"])
    assumed = "the product is the whole of the last stage, every user (also of whom nothing came) being in the table"
    if lot:
        assumed = f"the arms were drawn by lot, and one user's arm leaves the others alone; {assumed}"
    checks = checks_of(funnel, made, expected if lot else None)
    against = f"{label[others[0]] if len(others) == 1 else f'{len(others)} groups'} against {label[base]}"
    return Decomposition(
        f"What the {change} {outcome} is made of: {against}", assumed, estimates, manifest, options["alpha"],
        audit_with(checks, funnel.facts), split, label[base], outcome, advice, dict(funnel.facts),
    )  # fmt: skip


def _arrays(funnel: Funnel) -> list[Any]:
    return funnel.arrays()


def _advice(split: Split, value: Any, lot: bool, by: str) -> tuple[str, ...]:
    """The factor that weighs most, and what a change is not."""
    rows = split.factor.index("total", 1) if "total" in split.factor[1:] else len(split.factor)
    most = 1 + int(np.argmax(np.abs(value[1:rows])))
    ratio = np.expm1(split.log[most])
    moved = f"{abs(ratio):.1%} {'higher' if ratio >= 0 else 'lower'}"
    lines = [
        f"The largest part comes with {split.factor[most]}, which is {moved} "
        f"({split.before[most]:.4g} to {split.after[most]:.4g}): {value[most]:+.4g} of a total of {value[0]:+.4g}"
    ]
    if not lot:
        lines.append(
            f"This is a change between levels of {by!r}, not the effect of a tactic: season, prices and who came are "
            "in it. Where chance drew the groups, assignment='random' says so"
        )
    return tuple(lines)
