"""The audit of `gc.spillover`: which checks run. Their rules are in `rules`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gmvcausal.mechanism.exposure.contrasts import Means
from gmvcausal.mechanism.exposure.line import Shares
from gmvcausal.mechanism.exposure.links import Network
from gmvcausal.mechanism.exposure.lottery import Lottery, sums
from gmvcausal.mechanism.exposure.read import Users
from gmvcausal.mechanism.exposure.rules import MIN_GROUPS, NEAR_HALF, RULES
from gmvcausal.mechanism.exposure.saturation import Cells
from gmvcausal.mechanism.exposure.scores import Interaction
from gmvcausal.results import Check, usual_checks
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.skewed import skewness_of_sum
from gmvcausal.stats.small_cells import MIN_CELL

FloatArray = NDArray[np.float64]
_CAPPED = "collect more users, or analyse the outcome capped at a quantile beside it"


def judged(name: str, value: float, message: str, remedy: str) -> Check:
    """A check by its published rule."""
    rule = RULES[name]
    status = rule.status(value)
    return Check(name, status, message, float(value), rule.bound, "" if status == "passed" else remedy)


def _normal_p(z: float) -> float:
    from scipy import special

    return 2 * float(special.ndtr(-abs(z)))


def sample_ratio(excess: float, variance: float, treated: float, expected: float, what: str, alpha: float) -> Check:
    """Were as many treated as planned?"""
    p = _normal_p(excess / math.sqrt(variance)) if variance > 0 else 1.0
    rule = RULES["sample_ratio"]
    status = "failed" if p < alpha else rule.status(max(p, 0.01))
    remedy = "" if status == "passed" else (
        "find out who is missing (assignment, logging, filters) before reading any effect, or correct probability="
    )  # fmt: skip
    message = f"{treated:,.0f} {what} treated, {expected:,.1f} expected: {p_words(p)}"
    return Check("sample_ratio", status, message, p, alpha, remedy)


def of_users(u: Users, srm_alpha: float) -> list[Check]:
    """What the lottery and the outcome show, with or without links."""
    out: list[Check | None] = [usual_checks.scale_mix(RULES["scale_mix"], u.y), usual_checks.all_zero(u.y)]
    out.append(usual_checks.leakage(RULES["leakage"], u.y, u.x, u.names, "covariates"))
    lot = u.lottery
    if u.planned is not None:
        what = "users" if lot.single else f"{u.cluster_name} clusters"
        excess, variance = float((lot.drawn - u.planned).sum()), float((u.planned * (1 - u.planned)).sum())
        out.append(sample_ratio(excess, variance, float(lot.drawn.sum()), float(u.planned.sum()), what, srm_alpha))
    if not lot.single:
        worth = usual_checks.worth_of(lot.thing, lot.drawn[lot.thing].astype(np.int64))
        out.append(usual_checks.few_clusters(RULES["few_clusters"], u.cluster_name, worth))
    if u.found_cluster:
        out.append(usual_checks.cluster_level(u.cluster_name, "treatment"))
    return [c for c in out if c is not None]


def of_links(net: Network, lot: Lottery) -> list[Check]:
    """What the links show."""
    degree = net.degree
    alone = float((degree == 0).mean())
    lone = int((degree == 0).sum())
    # As rows that are dropped, they are counted however few they are: n is that of the others.
    out = [judged("isolated", alone, f"{lone:,} of {len(degree):,} users have no neighbour",
                  "check that edges= holds all links: who has none in the data may have some outside")]  # fmt: skip
    if net.outside is not None:
        out.append(judged(
            "outside", net.outside, f"{net.outside:.1%} of links name users who are not in the data and are left out",
            "add these users' rows: shares of treated neighbours are those of some of the neighbours, and spillover "
            "comes out too small",
        ))  # fmt: skip
    if net.late is None:
        out.append(Check("edges_after_treatment", "not_run", "when links were made is not known (edge_time=, start=)"))
    else:
        share = net.late / max(net.links, 1)
        out.append(judged(
            "edges_after_treatment", share, f"{net.late:,} of {net.links:,} links were made after the start",
            "use the links as they were before: treatment makes friends, and exposure would then be an outcome",
        ))  # fmt: skip
    known = np.log1p(degree.astype(float))
    score = sums(lot.thing, known - known.mean(), len(lot.drawn))
    moved = lot.gap * lot.centred(score)
    spread = math.sqrt(float(moved @ moved))
    if lot.given is not None:
        spread = math.sqrt(float(lot.over_draws((lot.gap * score)[:, None])[0][0, 0]))
    p = _normal_p(float(lot.gap @ score) / spread) if spread > 0 else 1.0
    arm = lot.drawn[lot.thing] == 1
    out.append(judged(
        "degree_balance", p, f"neighbours per user: {degree[arm].mean():.2f} treated, {degree[~arm].mean():.2f} "
        f"untreated ({p_words(p)})", "a lottery leaves no such difference: find out who decided, or give strata=",
    ))  # fmt: skip
    return out


def of_line(s: Shares, bend: float, beyond: float) -> list[Check]:
    """What the line rests on."""
    share = s.seen[s.variance > 0]
    low, high = np.quantile(share, [0.05, 0.95]) if len(share) else (0.0, 0.0)
    out = [judged(
        "extrapolation", round(float(high - low), 9), f"the shares of treated neighbours lie between {low:.0%} and "
        f"{high:.0%} for nine in ten users: nobody and everyone treated are read off the line",
        "take the total as a projection; next time treat whole communities, or draw shares by community (group=), so "
        "that some users see nearly all neighbours treated and some none",
    )]  # fmt: skip
    if math.isnan(bend):
        out.append(Check("linear_share", "not_run", "too few users have neighbours"))
    else:
        out.append(judged(
            "linear_share", bend, f"whether the effect bends with the share of treated neighbours: {p_words(bend)}",
            "the first treated neighbours count for more (or less) than the last: compare conditions, exposure='any'",
        ))  # fmt: skip
    return [*out, second_order(beyond)]


def second_order(p: float) -> Check:
    """Do neighbours' neighbours matter?"""
    if math.isnan(p):
        return Check("second_order", "not_run", "only where users are drawn one by one")
    return judged(
        "second_order", p, f"whether the treatment of neighbours' neighbours matters too: {p_words(p)}",
        "interference may reach further than the links, and the total is then too small: draw whole communities next "
        "time; or treatment was chosen, and friends who choose alike buy alike: find out who decided",
    )  # fmt: skip


def drawn_by_lot(p: float) -> Check:
    """Are neighbours treated alike more often than by lot?"""
    return judged(
        "lottery", p, f"whether neighbours are treated alike more often (or less) than by lot: {p_words(p)}",
        "treatment was chosen (friends join where friends join), or drawn otherwise than said: find out who decided; "
        "name what was drawn together (cluster=), within what (strata=), or pass draws of the lottery (assignments=)",
    )  # fmt: skip


def of_interaction(found: Interaction, s: Shares, lot: Lottery) -> Check:
    """Does own treatment add the same whatever the share of treated neighbours?"""
    if math.isnan(found.p_value):
        return Check("interaction", "not_run", "too few users have neighbours")
    chance = float(lot.chance.mean())
    left_out = (1 - 2 * chance) * found.slope * float(s.linked[s.told].mean())
    rule = RULES["interaction"]
    status = rule.status(found.p_value)
    if status == "failed" and abs(1 - 2 * chance) < NEAR_HALF:
        status = "warned"
    message = (
        f"own treatment adds {found.slope:+.4g} more where all neighbours are treated than where none is "
        f"({p_words(found.p_value)}); of this the total, read at {chance:.0%} treated, leaves out {left_out:+.4g}"
    )
    remedy = "" if status == "passed" else (
        "compare conditions (exposure='any'), or draw groups at several saturations (group=): direct and spillover are "
        "those at the share that was treated"
    )  # fmt: skip
    return Check("interaction", status, message, found.p_value, rule.bound, remedy)


def of_conditions(m: Means, names: Iterable[str], least: float, people: bool) -> Check:
    """Are there enough users in every condition?"""
    at = int(np.argmin(m.effective))
    name = list(names)[at]
    few = people and m.inside[at] < MIN_CELL
    holds = f"{m.inside[at]:,} users, worth {m.effective[at]:.3g} of equal weight"
    check = judged(
        "exposure_overlap", round(float(m.effective[at]), 6),
        f"the condition {name!r} holds {f'fewer than {MIN_CELL} users' if few else holds}; the smallest probability "
        f"of a condition is {least:.2g}",
        "some conditions hardly occur among users with many neighbours: use exposure='line', or a higher threshold",
    )  # fmt: skip
    return replace(check, value=None) if few else check


def of_influence(
    own: FloatArray, estimate: float, cluster: str, conditions: bool = False, short: str = "the total"
) -> list[Check]:
    """Do a few draws decide? Between conditions one draw of a hub moves the exposure of all its neighbours."""
    what = "" if cluster else "user's draw"
    rule = RULES["leverage"] if conditions else replace(RULES["leverage"], fail=None)
    lever = usual_checks.leverage(rule, own, estimate, short, cluster, short, row=what)
    if lever.status != "passed" and conditions:
        more = "leave out links to accounts that reach very many, or use exposure='line', and read it beside this"
        lever = replace(lever, remedy=f"{lever.remedy}; {more}")
    return [usual_checks.tail(RULES["tail"], skewness_of_sum(own), short, _CAPPED), lever]


def size_balance(c: Cells) -> Check:
    """Is the size of a group unrelated to its saturation?"""
    from scipy import stats

    parts = [c.size[c.level == k] for k in range(len(c.levels))]
    p = float(stats.kruskal(*parts).pvalue) if np.ptp(c.size) > 0 else 1.0
    told = ", ".join(f"{level:.4g}: {part.mean():.4g}" for level, part in zip(c.levels, parts, strict=True))
    return judged(
        "size_balance", p, f"users per group by saturation: {told} ({p_words(p)})",
        "a lottery leaves no such difference: find out who decided which group got how much",
    )  # fmt: skip


def of_groups(c: Cells, used: Iterable[int]) -> Check:
    """Are there enough groups at every saturation? To fail, at one of the cells `used` by the headline or by money."""
    fewest = int(c.groups.min())
    if min(int(c.groups[cell // 2]) for cell in used) >= MIN_GROUPS:
        fewest = max(fewest, MIN_GROUPS)
    told = ", ".join(f"{level:.4g}: {int(k)}" for level, k in zip(c.levels, c.groups, strict=True))
    return judged("few_groups", fewest, f"groups by saturation: {told}", "draw more groups at each saturation")
