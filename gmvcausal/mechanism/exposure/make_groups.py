"""What was estimated between saturations, as a result."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.mechanism.exposure import checks
from gmvcausal.mechanism.exposure.make import NAIVE
from gmvcausal.mechanism.exposure.read import Users
from gmvcausal.mechanism.exposure.result import Projection, SpilloverResult, by_saturation
from gmvcausal.mechanism.exposure.rules import MIN_GROUPS
from gmvcausal.mechanism.exposure.saturation import Cells, Contrast, cells, contrasts, estimate
from gmvcausal.results import Check, Estimates, Manifest
from gmvcausal.results.audit import audit_with
from gmvcausal.stats.small_cells import MIN_CELL, hidden_two_way
from gmvcausal.stats.small_sample import Spread

FloatArray = NDArray[np.float64]
_ASSUMED = (
    "groups drew their saturation by lot, users within them were drawn by lot, and treatment reaches others within its "
    "group only"
)


def between_groups(u: Users, options: dict[str, Any], manifest: Manifest) -> SpilloverResult:
    """Direct, spillover and total by saturation."""
    assert u.group is not None and u.saturation is not None
    outcome = options["outcome"]
    c = cells(u.y, u.treated, u.group, u.saturation)
    if len(c.levels) < 2:
        raise DesignError(
            f"all groups are at the saturation {c.levels[0]:g}, so nothing tells what others' treatment does",
            column=options["saturation"], remedy="draw groups at two saturations at least, 0 among them if you can",
        )  # fmt: skip
    asked = contrasts(c)
    value, cov, df, factor = estimate(c, asked)
    place = next(i for i, a in enumerate(asked) if a.term.startswith("total"))
    whole = next((i for i, a in enumerate(asked) if a.term == "total, all treated"), place)
    used = (*_cells_of(asked, place), *_cells_of(asked, whole))
    withheld = f"fewer than {MIN_GROUPS} groups at a saturation are too few to tell chance from effect"
    few = np.array([min(c.groups[k // 2] for k in _cells_of(asked, i)) < MIN_GROUPS for i in range(len(asked))])
    arm = u.treated == 1
    mean = u.y[arm].mean() - u.y[~arm].mean()
    rest = np.where(arm, (u.y - u.y[arm].mean()) / arm.sum(), -(u.y - u.y[~arm].mean()) / (~arm).sum())
    own = np.bincount(u.group, rest)
    k = len(asked) + 1
    full = np.zeros((k, k))
    full[:-1, :-1] = cov
    full[-1, -1] = own @ own
    full[:-1][few] = full[:, :-1][:, few] = math.nan
    gone = hidden_two_way(c.users).cells if u.people else np.zeros(c.users.shape, dtype=bool)
    away = gone.ravel()
    users = tuple(
        None if away[[a.plus, a.minus]].any() else int(c.users.ravel()[[a.plus, a.minus]].sum()) for a in asked
    )
    e = Estimates(
        (*(a.term for a in asked), "difference of means"),
        (*(f"{outcome}: {a.estimand}" for a in asked), f"{outcome}: {NAIVE}"), (f"{outcome} per user",) * k,
        np.append(value, mean), full, (*users, len(u.y)),
        Spread(np.append(df, max(len(c.size) - 2.0, 1.0)), np.append(factor, 1.0)), withheld if few.any() else "",
        method="means by saturation, clustered by group",
    )  # fmt: skip
    error = np.sqrt((c.influence**2).sum(axis=0)).reshape(-1, 2)
    planned = u.saturation[u.group]
    variance = float((planned * (1 - planned)).sum())
    judged = [
        *checks.of_users(u, options["srm_alpha"]), checks.of_groups(c, used), checks.size_balance(c),
        checks.sample_ratio(float((u.treated - planned).sum()), variance, float(u.treated.sum()), float(planned.sum()),
                            "users", options["srm_alpha"]),
        *_worst(c, asked, value, dict.fromkeys((place, whole)), options["group"]),
    ]  # fmt: skip
    judged.append(
        Check("second_order", "not_run", "whether treatment reaches other groups cannot be seen in one's own")
    )
    base = f"{c.levels[0]:.4g}"
    advice: tuple[str, ...] = () if c.levels[0] == 0 else (
        f"No group is at 0: spillover and total are against groups at {base}, where some are treated too",
    )  # fmt: skip
    if gone.any():
        advice += (f"Not shown by conditions(): those of fewer than {MIN_CELL} users, and what would give them away",)
    at = asked[whole]
    everyone = c.levels[-1] == 1 and c.levels[0] == 0
    said = "everyone treated against nobody" if everyone else "as their terms say, not everyone against nobody"
    named = {a.term: i for i, a in enumerate(asked)}
    qualifiers = {place: f"({asked[place].estimand})"}
    qualifiers |= {named[t]: f"({asked[named[t]].estimand})" for t in ("direct", "spillover") if t in named}
    return SpilloverResult(
        "Spillover within groups: saturation design", _ASSUMED, e, manifest, options["alpha"],
        audit_with(judged, u.facts), outcome, "saturation", ("means by saturation",) * len(asked) + ("means",),
        qualifiers, place,
        Projection(whole, len(u.y), f"all {len(u.y):,} users, {at.estimand}", (f"It compares {said}.",)), {},
        {
            "saturation": np.repeat(c.levels, 2).tolist(), "treated": [0, 1] * len(c.levels),
            "users": [None if hide else int(k) for k, hide in zip(c.users.ravel(), away, strict=True)],
            "groups": np.repeat(c.groups, 2).tolist(),
            "mean": np.where(away, math.nan, c.mean.ravel()).tolist(),
        },
        by_saturation(c.levels, np.where(gone, math.nan, c.mean), error, outcome), float(c.mean[0, 0]),
        f"of untreated users in groups at {base}", advice, meta=u.facts,
        everybody=f"{len(u.y):,} users in {len(c.size):,} groups",
    )  # fmt: skip


def _worst(c: Cells, asked: list[Contrast], value: FloatArray, rows: Iterable[int], group: str) -> list[Check]:
    """Do a few groups decide the total, or what money adds up? The one that they decide more."""
    found = []
    for row in rows:
        own = c.influence[:, asked[row].plus] - c.influence[:, asked[row].minus]
        short = "the total" if row == min(rows) else f"the row {asked[row].term!r}"
        found.append(checks.of_influence(own, float(value[row]), group, short=short))
    return [max(pair, key=lambda check: check.value) for pair in zip(*found, strict=True)]


def _cells_of(asked: list[Contrast], place: int) -> tuple[int, int]:
    return asked[place].plus, asked[place].minus
