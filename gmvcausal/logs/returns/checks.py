"""What the logs say against a comparison of who orders again."""

from __future__ import annotations

import numpy as np

from gmvcausal.logs.facts import Facts
from gmvcausal.logs.returns.read import FloatArray, Watched
from gmvcausal.logs.returns.rules import RULES
from gmvcausal.logs.season import same_season
from gmvcausal.results import Check
from gmvcausal.stats.inference import chi_square

_REDEEMED = (
    "these are users who redeemed, and they chose to: compare by what the shop decided (to whom it was sent), or "
    "use gc.iv with the sending as the instrument"
)


def checks_of(
    w: Watched, facts: Facts, until: FloatArray, window: float, shares: FloatArray | None, *, arms: bool
) -> list[Check]:
    """Every check that applies.

    Parameters
    ----------
    w : Watched
    facts : Facts
    until : ndarray, shape (groups,)
        Periods up to which the curve of each group goes.
    window : float
        Days of the horizon.
    shares : ndarray, shape (groups,), or None
        The planned ones where chance drew the arms.
    arms : bool
        Whether groups are arms, not cohorts.
    """
    end = until[w.group]
    size = np.bincount(w.group, minlength=len(w.labels)).astype(float)
    out = []
    if arms:
        out += [_ratio(w, size, shares), *_redeemed(w, facts)]
        out.append(Check(**same_season(w.start, w.group, w.labels, window)))
        if w.place and shares is not None:
            out.append(
                RULES.check(
                    "cluster_level", 1.0, f"the arm does not vary within {w.place!r}, so the lot was by {w.place}, and "
                    "these intervals take users one by one: they are too short",
                    f"compare users of logs.users(features=[{w.place!r}]) with gc.ab_test(cluster={w.place!r}), on "
                    "whether they ordered again",
                )
            )  # fmt: skip
    seen = [float(((w.until >= end) | w.ordered)[w.group == g].mean()) for g in range(len(w.labels))]
    g = int(np.argmin(seen))
    out.append(
        RULES.check(
            "watched", seen[g], f"{seen[g]:.0%} of {w.labels[g]} are watched to their curve's end, or ordered before",
            "the end of the curve rests on few: take a shorter horizon, or a longer log",
            status=_at_worst("watched", seen[g], arms),
        )
    )  # fmt: skip
    lost = [float((w.left & ~w.ordered & (w.until < end))[w.group == g].mean()) for g in range(len(w.labels))]
    if not w.left.any():
        out.append(RULES.check("censoring", 0.0, "watching ends with the log, for everybody"))
    else:
        out.append(
            RULES.check(
                "censoring", max(lost) - min(lost) if len(lost) > 1 else 0.0,
                f"{max(lost):.1%} of {w.labels[int(np.argmax(lost))]} leave before the horizon without an order, "
                f"{min(lost):.1%} of {w.labels[int(np.argmin(lost))]}",
                "the curve takes those who left for like those who stayed; where the tactic drives users out it is too "
                "kind: count exits as never ordering (leave out the column of exit)",
            )
        )  # fmt: skip
    g = int(np.argmin(size))
    out.append(
        RULES.check(
            "small_group", size[g], f"{w.labels[g]} has {int(size[g]):,} users",
            "intervals of so few are rough: join groups, or take longer cohorts",
            status=_at_worst("small_group", size[g], arms),
        )
    )  # fmt: skip
    return out


def _at_worst(name: str, value: float, arms: bool) -> str:
    """Status of a check that refuses a comparison of arms, and only warns where cohorts are described."""
    found = RULES.judge(name, value)
    return "warned" if found == "failed" and not arms else found


def _ratio(w: Watched, size: FloatArray, shares: FloatArray | None) -> Check:
    if shares is None:
        why = "chance did not draw the arms (assignment= is None), so their difference is not held to be an effect"
        return Check("sample_ratio", "not_run", why)
    p = chi_square(size, shares * size.sum())
    told = ", ".join(f"{label} {int(k):,}" for label, k in zip(w.labels, size, strict=True))
    return RULES.check(
        "sample_ratio", p, f"{told} against the planned shares: p = {p:.3g}",
        "find out who is missing before reading anything; an uneven split is said by expected_ratio=",
    )  # fmt: skip


def _redeemed(w: Watched, facts: Facts) -> list[Check]:
    """Two checks: by the moment where starts have times of day, by the day where they are dates."""
    every = range(len(w.labels))
    at_midnight = w.start == w.start.astype("datetime64[D]")
    dates = [facts.whole_days or float(at_midnight[w.group == g].mean()) > 0.5 for g in every]
    name = "starts_with_an_order"
    moment = {g: float(w.at_start[w.group == g].mean()) for g in every if not dates[g]}
    if moment:
        g = max(moment, key=lambda k: moment[k])
        message = f"{moment[g]:.1%} of {w.labels[g]} order at the very moment at which their exposure starts"
        out = [RULES.check(name, moment[g], message, _REDEEMED)]
    else:
        what = "the log holds" if facts.whole_days else "starts are"
        out = [Check(name, "not_run", f"{what} dates without times of day; days are compared instead")]
    name = "starts_on_a_day_with_an_order"
    if not any(dates):
        return [*out, Check(name, "not_run", "starts have times of day; moments are compared instead")]
    beyond = {}
    for g in every:
        own = w.group == g
        if dates[g]:
            usual = float(w.days_before[own].mean())
            beyond[g] = (float(w.on_day[own].mean()) - usual) / (1 - usual) if usual < 1 else 0.0
    g = max(beyond, key=lambda k: beyond[k])
    own = w.group == g
    message = (
        f"{w.on_day[own].mean():.1%} of {w.labels[g]} order on the day of their start, {w.days_before[own].mean():.1%} "
        "on one of the days before"
    )
    return [*out, RULES.check(name, max(beyond[g], 0.0), message, _REDEEMED)]
