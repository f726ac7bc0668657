"""From the days of a test to what a gain took from later days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.abtest.days.calendar import Calendar
from gmvcausal.abtest.days.days import Days, missing_metric
from gmvcausal.abtest.days.tables import independent
from gmvcausal.abtest.metrics import Mean, name_of
from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import said
from gmvcausal.results import Estimates
from gmvcausal.results.compliers import Accepted
from gmvcausal.results.displaced import AFTER, DURING, NET, SHARE, PullForwardResult, Window
from gmvcausal.stats.path import Path, share_taken
from gmvcausal.stats.small_sample import Spread, welch_df

if TYPE_CHECKING:
    from gmvcausal.abtest.result import AbResult


@dataclass(frozen=True, repr=False, eq=False)
class AbPullForward(PullForwardResult):
    """What is left of the gain of a randomised test; see `PullForwardResult`."""

    @property
    def baseline_words(self) -> str:
        """What the effect is a percentage of."""
        return "of the control arm"


def pull_forward(
    result: AbResult, days: Days, window: int | None, during: int, metric: str | None, arm: Any
) -> AbPullForward:
    """See `AbResult.pull_forward`."""
    independent(days, result.clusters)
    if days.shape not in ("all", "zero"):
        raise DesignError(
            "units come in on different days, so a day of the test is not the same day since the start for all",
            remedy="count the days from each unit's own start, with a row for each of them",
        )
    known = [m for m in days.ask.metrics if isinstance(m, Mean)]
    if not known:
        raise DesignError("no metric is a mean, so days do not add up", remedy="add gc.Mean of the outcome")
    chosen = known[0] if metric is None else next((m for m in known if name_of(m) == metric), None)
    if chosen is None:
        raise missing_metric(metric, [name_of(m) for m in known])
    length, push = _window(len(days.calendar.at), days.calendar.word, window, during)
    _no_gap(days.calendar, length)
    place = _arm(days, arm)
    path, units, base = _path(days, chosen, [place, days.control], length)
    asked = Window(0, push, length, days.calendar.word)
    loads = np.vstack([np.ones(length), path.at < push, path.at >= push]).astype(float)
    point, cov, spread = path.sums(loads)
    share = share_taken(point, cov, spread, [2], 1)
    full = np.full((4, 4), np.nan)
    full[:3, :3] = cov
    column = str(name_of(chosen))
    unit = f"{column} per {days.unit}"
    estimates = Estimates(
        (NET, DURING, AFTER, SHARE),
        (
            f"effect on {column} over {asked.span(length)}, per {days.unit}",
            f"effect over {asked.first()}",
            f"effect over the {asked.span(length - push)} after that",
            "share of the gain that later days gave: minus after / during, interval by Fieller",
        ),
        (*(f"{unit} over {asked.span(int(load.sum()))}" for load in loads), "ratio"),
        np.append(point, share.estimate if share.bottom else np.nan),
        full,
        (int(days.sizes[[place, days.control]].sum()),) * 4,
        Spread(np.append(spread.df, spread.df.min()), np.ones(4)),
        special={3: Accepted(share)},
        special_p={3: share.p_value()},
        method="Welch's t, from the covariance of the arms' running totals",
    )
    notes = [*result.manifest.notes, "sums over days are of the plain means: neither covariates nor caps play a part"]
    options = {"window": length, "during": push, "metric": column, "arm": str(days.labels[place])}
    return AbPullForward(
        f"{result.title}: gain and pull-forward",
        result.assumption,
        estimates,
        replace(
            result.manifest,
            verb="ab_test.pull_forward",
            options={**result.manifest.options, **options},
            notes=tuple(notes),
            choices=(*result.manifest.choices, f"{asked.first()} count{'s' if push == 1 else ''} as the push"),
        ),
        result.alpha,
        result,
        asked,
        path,
        result.audit,
        units,
        column,
        result.meta,
        base,
    )


def _no_gap(calendar: Calendar, length: int) -> None:
    """Refuse a window over days that are lost for everybody: it would reach further than it says, and miss some."""
    if not len(calendar.empty) or int(calendar.empty[0]) >= length:
        return
    before = int(calendar.empty[0])
    shorter = f", or pass window={before} or less" if before > 1 else ""
    raise DesignError(
        f"the test has gaps within the window of {length} {calendar.word}s: nobody has a row on {calendar.gaps()}, so "
        "what was gained or lost there is not known",
        remedy=f"supply these {calendar.word}s (with zeros, if nothing was for sale){shorter}",
    )


def _window(days: int, word: str, window: int | None, during: int) -> tuple[int, int]:
    for name, value, least in (("window", window, 2), ("during", during, 1)):
        if value is None and name == "window":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{name} must count {word}s, at least {least}, but is {said(value)}")
    length = days if window is None else int(window)
    if length > days:
        raise InputError(f"window={length}, but the test has {days} {word}s", remedy=f"pass window={days} or less")
    if length <= during:
        raise InputError(
            f"a window of {length} {word}s ends with the push of {during}, so nothing is seen of what followed",
            remedy="pass a longer window=, or supply later days",
        )
    return length, int(during)


def _arm(days: Days, arm: Any) -> int:
    others = [i for i in range(len(days.labels)) if i != days.control]
    if arm is not None:
        others = [i for i in others if days.labels[i] == arm or str(days.labels[i]) == str(arm)]
    if len(others) != 1:
        listed = ", ".join(repr(v) for i, v in enumerate(days.labels) if i != days.control)
        raise InputError(
            f"one arm is compared with the control, but arm is {arm!r}", remedy=f"pass arm= one of {listed}"
        )
    return others[0]


def _path(days: Days, metric: Mean, arms: list[int], length: int) -> tuple[Path, float, float]:
    """Effect of each day with the covariance of all, the units of the arm, and what the control has over the window."""
    column = days.outcomes.index(metric.column)
    cells = days.so_far()
    total = cells.mean[:length, arms, column]
    joint = days.look_covariance(column, arms)[:length, :length]
    step = np.eye(length) - np.eye(length, k=-1)
    own = cells.cov[:length, arms, column, column] / cells.n[:length, arms]
    df = np.array([welch_df([(float(v), float(n) - 1) for v, n in zip(own[d], cells.n[d, arms], strict=True)])
                   for d in range(length)])  # fmt: skip
    spread = Spread(np.full(length, float(df.min())), np.ones(length))
    path = Path(np.arange(length), step @ (total[:, 0] - total[:, 1]), step @ joint @ step.T, spread)
    return path, float(days.sizes[arms[0]]), float(total[-1, 1])
