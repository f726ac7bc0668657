"""What was estimated along links, as a result: rows, audit, words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.frames.params import counted
from gmvcausal.mechanism.exposure import checks, fisher
from gmvcausal.mechanism.exposure.chances import NAMES, Chances, Mapping, chances, closed, smallest
from gmvcausal.mechanism.exposure.contrasts import Means, aronow_samii, given_cov, means, network_cov, touched
from gmvcausal.mechanism.exposure.line import Line, Shares, fit, shares
from gmvcausal.mechanism.exposure.links import Network
from gmvcausal.mechanism.exposure.lottery import sums
from gmvcausal.mechanism.exposure.read import Users
from gmvcausal.mechanism.exposure.result import Projection, SpilloverResult, by_share
from gmvcausal.mechanism.exposure.scores import bent, beyond, chosen, interaction
from gmvcausal.results import Estimates, Manifest
from gmvcausal.results.audit import audit_with
from gmvcausal.results.usual_checks import p_words
from gmvcausal.results.usual_rules import MIN_CLUSTERS
from gmvcausal.stats.small_cells import MIN_CELL, hidden
from gmvcausal.stats.small_sample import Spread

FloatArray = NDArray[np.float64]
_LINE = (
    "links hold all through which treatment reaches others; each user's outcome moves along a line with the share of "
    "treated neighbours, whoever they are, and own treatment adds the same whatever the share; treatment was drawn "
    "with the probabilities given"
)
_CONDITIONS = (
    "links hold all through which treatment reaches others, and all that matters of it is whether a user has {}; "
    "treatment was drawn with the probabilities given"
)
NAIVE = "treated less untreated users as they stand: one's own treatment, and whatever of others' goes with it"


def along_links(
    u: Users, net: Network, mapping: Mapping | None, options: dict[str, Any], manifest: Manifest
) -> SpilloverResult:
    """Estimate along links: on the line (`mapping` None), or between exposure conditions."""
    lot, rng = u.lottery, np.random.default_rng(options["seed"])
    s = shares(net.weights, lot)
    line, x = _line(u, net, s)
    test = fisher.fisher_test(u.y, x, s, lot, rng, options["reps"]) if options["reps"] and lot.given is None else None
    bend = bent(line, s, lot, rng)
    far = beyond(line, net.weights, lot)[1] if lot.single and lot.given is None else math.nan
    judged = [*checks.of_users(u, options["srm_alpha"]), *checks.of_links(net, lot)]
    judged.append(checks.drawn_by_lot(chosen(net.degree, s, lot, rng)))
    few = not lot.single and _fewest(u) < MIN_CLUSTERS
    naive, naive_own = _naive(u)
    about: dict[str, Any] = {"tested": _tested(test, bend, far), "meta": u.facts, "outcome": options["outcome"]}
    about["baseline"] = float(u.y[u.treated == 0].mean())
    if mapping is None:
        e, more, own = _on_line(u, s, line, naive, naive_own, options["outcome"], few)
        judged += checks.of_line(s, bend, far)
        judged.append(checks.of_interaction(interaction(line, s, lot, rng), s, lot))
        found = _exact(net, u)
        about |= {"table": {} if found is None else _table(means(u.y, found), found, u.people)}
        assumed = _LINE
    else:
        found = chances(net.weights, mapping, lot, rng, options["draws"], net.weighted)
        m = _checked_means(u, found)
        e, more, own = _on_conditions(u, net, mapping, found, m, naive, naive_own, options["outcome"], few)
        judged += [checks.of_conditions(m, NAMES, smallest(found.probability), u.people), checks.second_order(far)]
        about |= {"table": _table(m, found, u.people)}
        assumed = _CONDITIONS.format(mapping.words)
    judged += checks.of_influence(own, float(e.estimate[2]), "" if lot.single else u.cluster_name, mapping is not None)
    advice = (*_fisher_words(test), *more.pop("advice", ()))
    if None in about["table"].get("users", ()):
        advice += (f"Not shown by conditions(): those of fewer than {MIN_CELL} users, and what would give them away",)
    return SpilloverResult(
        f"Spillover: {options['treatment']} through links", assumed, e, manifest, options["alpha"],
        audit_with(judged, u.facts), advice=advice, **(about | more),
    )  # fmt: skip


def _line(u: Users, net: Network, s: Shares) -> tuple[Line, FloatArray]:
    """The fitted line, and what outcomes were held against: intercept, having links, how many, covariates."""
    if not (s.variance > 0).any():
        raise DesignError(
            "all neighbours of every user were drawn together with the user, so direct effect and spillover are never "
            "apart",
            remedy="the difference between clusters is the total of both: gc.ab_test(..., cluster=) estimates it",
        )
    degree = np.log1p(net.degree.astype(float))
    x = np.column_stack([np.ones(len(u.y)), s.linked, degree, u.x])
    if not s.told.any() or int(s.told.sum()) <= x.shape[1] + 2:
        raise DesignError(f"{int(s.told.sum()):,} users are too few", remedy="use fewer covariates, or more users")
    return fit(u.y, x, s, u.lottery), x


def _fewest(u: Users) -> int:
    """Clusters of the smaller arm."""
    treated = int(u.lottery.drawn.sum())
    return min(treated, len(u.lottery.drawn) - treated)


def _naive(u: Users) -> tuple[float, FloatArray]:
    """Difference of means, and its influence by what was drawn."""
    arm = u.treated == 1
    mean = np.array([u.y[~arm].mean(), u.y[arm].mean()])
    sign = np.where(arm, 1 / arm.sum(), -1 / (~arm).sum())
    own = sums(u.lottery.thing, sign * (u.y - mean[arm.astype(int)]), len(u.lottery.drawn))
    return float(mean[1] - mean[0]), own


def _df(influence: FloatArray, most: float) -> FloatArray:
    """Degrees of freedom of a sum of squares, by how much the squares vary."""
    squares = influence**2
    total, fourth = squares.sum(axis=0), (squares**2).sum(axis=0)
    spread = fourth - total**2 / len(influence)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.where(spread > 0, 2 * total**2 / spread, np.inf)
    return np.minimum(df, most)


def _on_line(
    u: Users, s: Shares, line: Line, naive: float, naive_own: FloatArray, outcome: str, few: bool
) -> tuple[Estimates, dict[str, Any], FloatArray]:
    keep = s.told
    n, linked = int(keep.sum()), float(s.linked[keep].mean())
    rows = np.array([[1, 0], [0, linked], [1, linked], [u.treated[keep].mean(), s.seen[keep].mean()]])
    influence = np.column_stack([line.influence @ rows.T, line.precise_influence * linked, naive_own])
    things = len(u.lottery.drawn)
    free = u.lottery.free
    factor = free / max(free - (2 if u.lottery.fixed else 3), 1)
    cov, worth = factor * influence.T @ influence, free
    if u.lottery.given is not None:
        cov, worth = u.lottery.over_draws(influence[:, [0, 1, 3, 4, 5, 2]])
        back = [0, 1, 5, 2, 3, 4]
        cov = cov[np.ix_(back, back)] * max(worth, 6) / (max(worth, 6) - 3)
    withheld = f"fewer than {MIN_CLUSTERS} clusters were drawn into one arm" if few else ""
    who = f"mean over {counted(n, 'user')}"
    lone = int((~s.linked[keep]).sum())
    none = f", 0 for the {lone:,} without neighbours" if lone else ""
    out = int((~keep).sum())
    apart = f" (without {out:,} whose neighbours were all drawn with them)" if out else ""
    estimands = (
        f"{outcome}: one's own treatment, the others as assigned, {who}{apart}",
        f"{outcome}: all neighbours treated against none, {who}{apart}{none}",
        f"{outcome}: everyone treated against nobody, {who}{apart}; direct + spillover",
        f"{outcome}: the assignment as it was against none, {who}{apart}",
        f"{outcome}: all neighbours treated against none, users weighted by how much their share varies{none}",
        f"{outcome}: {NAIVE}",
    )
    terms = ("direct", "spillover", "total", "realised", "spillover, weighted by precision", "difference of means")
    estimate = np.concatenate([rows @ line.slopes, [line.precise * linked, naive]])
    df = _df(influence, things - 3) * free / things
    df = np.minimum(df, max(worth - 3, 1.0)) if u.lottery.given is not None else df
    e = Estimates(
        terms, estimands, (f"{outcome} per user",) * 6, estimate, np.full((6, 6), math.nan) if few else cov,
        (n,) * 5 + (len(u.y),), Spread(df, np.ones(6)), withheld, method="lottery of the design, t",
    )  # fmt: skip
    flat = float(np.average(u.y[keep] - u.treated[keep] * line.slopes[0] - s.seen[keep] * line.slopes[1]))
    drawing = by_share(u.y, u.treated, s.seen, s.linked & keep, np.array([flat, flat + line.slopes[0]]), line.slopes,
                       outcome)  # fmt: skip
    more: dict[str, Any] = {
        "kind": "line", "method": ("line",) * 5 + ("means",), "place_of_total": 2, "drawing": drawing,
        "qualifiers": {2: "from everyone treated against nobody", 0: "from one's own treatment",
                       1: "from all neighbours treated against none"},
        "projection": Projection(
            2, n, f"{n:,} users, everyone treated against nobody", (
                "It is a projection along the line: nobody has seen everyone treated. What the assignment added as it "
                f"was is the row 'realised' ({estimate[3]:+.4g} per user).",
            ),
        ),
        "baseline": flat, "baseline_words": "that users would have with nobody treated",
    }  # fmt: skip
    return e, more, influence[:, 2]


def _exact(net: Network, u: Users) -> Chances | None:
    """The four conditions by one treated neighbour, where their probabilities have a closed form."""
    mapping = Mapping("any", 1)
    found = closed(net.weights, mapping, u.lottery, net.weighted)
    if found is None:
        return None
    exposed = mapping.exposed(net.weights, u.treated)
    return Chances((2 * u.treated + exposed).astype(np.int64), found, 0)


def _table(m: Means, found: Chances, people: bool) -> dict[str, list[Any]]:
    can = found.probability[m.can]
    some = len(can) > 0
    gone = hidden(m.inside) if people else np.zeros(4, dtype=bool)  # their sum is that of those compared
    return {
        "condition": list(NAMES), "users": [None if hide else int(k) for k, hide in zip(m.inside, gone, strict=True)],
        "effective": np.where(gone, math.nan, m.effective).tolist(),
        "smallest_probability": can.min(axis=0).tolist() if some else [math.nan] * 4,
        "mean_probability": can.mean(axis=0).tolist() if some else [math.nan] * 4,
        "mean": np.where(gone, math.nan, m.hajek).tolist(),
    }  # fmt: skip


def _checked_means(u: Users, found: Chances) -> Means:
    m = means(u.y, found)
    if not m.inside.all():
        empty = NAMES[int(np.argmin(m.inside))]
        raise DesignError(
            f"no user is in the condition {empty!r} among the {int(m.can.sum()):,} who can be in all four",
            remedy="use exposure='line', or another threshold: with many neighbours some of them are always treated",
        )
    return m


def _on_conditions(
    u: Users, net: Network, mapping: Mapping, found: Chances, m: Means, naive: float, naive_own: FloatArray,
    outcome: str, few: bool,
) -> tuple[Estimates, dict[str, Any], FloatArray]:  # fmt: skip
    lot = u.lottery
    touch = touched(net.weights, lot)
    own = np.asarray(touch.T @ m.influence)  # of each draw: of all users whom it reaches
    cov = (
        None
        if lot.given is not None
        else network_cov(np.column_stack([m.influence, naive_own[lot.thing] if lot.single else 0 * u.y]), touch)
    )
    withheld, how = "", "all pairs of users with a draw in common"
    exact = lot.independent and lot.single and mapping.kind == "any" and not found.draws
    bound = aronow_samii(u.y, found, m, net.weights, lot, touch) if exact else None
    if few:
        withheld = f"fewer than {MIN_CLUSTERS} clusters were drawn into one arm"
    elif lot.given is not None:
        how, cov = "draws of the lottery", given_cov(u.y, found, m, net.weights, mapping, lot, naive_own)
    elif cov is None:
        withheld = "too many users have a neighbour in common to count their pairs; exposure='line' needs no pairs"
    elif bound is not None:
        how = "conservative variance of Aronow and Samii"
        scale = np.ones(7)
        scale[:6] = np.sqrt(bound / np.where(np.diag(cov)[:6] > 0, np.diag(cov)[:6], np.inf))
        cov = cov * np.outer(scale, scale)
    full = np.full((7, 7), math.nan) if withheld or cov is None else cov
    if not withheld and cov is not None and lot.given is None:
        full[6, :] = full[:, 6] = 0.0
        full[6, 6] = float(naive_own @ naive_own)
    n = int(m.can.sum())
    least = "at least one neighbour" if mapping.kind != "number" else f"at least {mapping.least:g} neighbours"
    who = f"mean over {counted(n, 'user')} with {least}"
    lost = len(u.y) - n
    if found.draws:
        who = f"mean over {counted(n, 'user')} seen in every condition in {found.draws:,} draws of the lottery"
    words = (
        f"{outcome}: treated without {mapping.words} less neither, {who}",
        f"{outcome}: untreated with {mapping.words} less neither, {who}",
        f"{outcome}: treated with {mapping.words} less neither, {who}",
    )
    terms = ("direct", "spillover", "total")
    worth = math.inf if lot.given is None else lot.over_draws(own[:, [2]])[1]
    df = np.maximum(np.minimum(np.minimum(m.df(), _df(own, math.inf)), worth), 1.0)
    e = Estimates(
        (*terms, *(f"{t}, Horvitz-Thompson" for t in terms), "difference of means"),
        (*words, *words, f"{outcome}: {NAIVE}"), (f"{outcome} per user",) * 7,
        np.append(m.estimates, naive), full, (n,) * 6 + (len(u.y),),
        Spread(np.append(df, max(len(lot.drawn) - 2, 1)), np.ones(7)), withheld, method=how,
    )  # fmt: skip
    more: dict[str, Any] = {
        "kind": "conditions", "method": ("Hájek",) * 3 + ("Horvitz-Thompson",) * 3 + ("means",), "place_of_total": 2,
        "qualifiers": {2: f"from one's own treatment together with {mapping.words}",
                       0: f"from one's own treatment without {mapping.words}",
                       1: f"from {mapping.words} alone"},
        "projection": Projection(
            2, n, f"{n:,} users, treated with {mapping.words} against neither", (
                f"It stands for everyone treated against nobody only if nothing matters but {mapping.words}.",
            ),
        ),
        "baseline": float(m.hajek[0]), "baseline_words": "that users in the control condition have",
        "advice": (f"{lost:,} users cannot be in all four conditions and are left out",) if lost else (),
    }  # fmt: skip
    return e, more, own[:, 2]


def _tested(test: fisher.Fisher | None, bend: float, far: float) -> dict[str, list[Any]]:
    z, p = (math.nan, math.nan) if test is None else (test.statistic, test.p_value)
    return {
        "test": ["fisher", "linear_share", "second_order"],
        "what": [
            "no user's outcome depends on others' treatment (focal users held fixed)",
            "the effect does not bend with the share of treated neighbours",
            "the treatment of neighbours' neighbours does not matter",
        ],
        "statistic": [z, math.nan, math.nan],
        "p_value": [p, bend, far],
    }


def _fisher_words(test: fisher.Fisher | None) -> tuple[str, ...]:
    if test is None or math.isnan(test.p_value):
        return ()
    found = "some users' outcomes depend on others' treatment" if test.p_value < 0.05 else "no spillover is found"
    return (
        f"Fisher's test of no spillover, {test.focal:,} users held fixed and {test.draws:,} draws: "
        f"{p_words(test.p_value)}, so {found}",
    )
