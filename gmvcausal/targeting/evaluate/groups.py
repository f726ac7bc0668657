"""Users in equal shares of a ranking: their effects, and whether these fall from group to group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.results.base import COMMON_COLUMNS
from gmvcausal.results.curves import Curves, Line, wrapped
from gmvcausal.results.shown import Shown
from gmvcausal.stats.inference import band, critical_value, critical_values, p_value, standard_draws, sup_t
from gmvcausal.stats.small_cells import MIN_CELL
from gmvcausal.targeting.audit.rules import MIN_CLUSTERS
from gmvcausal.targeting.evaluate.metric import Metric
from gmvcausal.targeting.evaluate.ranked import FloatArray, IntArray, Ranked, Side, rank
from gmvcausal.targeting.evaluate.scores import NO_INTERVAL, fewest, heavy, spread
from gmvcausal.targeting.evaluate.small import merged, slices, told

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.targeting.evaluate.ranking import Ranking

TENTHS = 10


def places(ranked: Ranked, steps: FloatArray) -> IntArray:
    """Group of ties of every user, in the order of the ranking."""
    return np.repeat(np.arange(len(ranked.start)), steps[0].astype(np.int64))


def inside(place: IntArray, ends: FloatArray, s: float) -> FloatArray:
    """Chance of every user to be among the top `s`."""
    width = np.diff(ends)
    return np.asarray(np.clip((s - ends[:-1]) / width, 0, 1)[place], dtype=float)


def parts(ranked: Ranked, groups: int) -> Iterator[FloatArray]:
    """How much of every user, in the order of the ranking, is in each of so many equal shares, highest first."""
    for here, part in slices(ranked, groups):
        whole = np.zeros(ranked.n)
        whole[here] = part
        yield whole


def effect_of(part: FloatArray, sides: Sequence[Side]) -> tuple[float, FloatArray]:
    """Effect on a part of the users, and what each adds to it; NaN where a side has nobody."""
    effect, influence = 0.0, np.zeros(len(part))
    for side in sides:
        weight = part * side.weight
        total = float(weight.sum())
        if total <= 0:
            effect = np.nan
            continue
        mean = float(weight @ side.value) / total
        effect += side.sign * mean
        influence += side.sign * weight * (side.value - mean) / total
    return effect, influence


def shares(ranking: Ranking, robust: bool, groups: int, level: float) -> pd.DataFrame:
    """Effect in equal shares of the users, from the highest scores down; tied users count in parts."""
    import pandas as pd

    ranked = rank(ranking.score, ranking.sides(robust))
    groups = merged(ranking, ranked, groups)
    rows = []
    found = slices(ranked, groups)
    if ranking.cluster is not None:  # of clusters that have nobody in a group it counts that they are there
        found = ((slice(0, ranked.n), part) for part in parts(ranked, groups))
    for b, (here, part) in enumerate(found, 1):
        at = ranked.at(here.start, here.stop)
        cluster = None if ranking.cluster is None else ranking.cluster[at]
        by, side = ranking.score[at], ranking.sides_of(at)
        of_arm = [side == 0, side == 1]
        effect, influence = effect_of(part, [s.taken(here) for s in ranked.sides])
        cov, df = spread(influence[:, None], cluster, side, part)
        error = float(np.sqrt(cov[0, 0])) if np.isfinite(effect) else np.nan
        if fewest(part, of_arm, cluster) < 2:
            error = np.nan
        half = critical_value(level, float(df[0])) * error
        rows.append((b, part @ by / part.sum(), effect, error, effect - half, effect + half, part.sum()))
    return pd.DataFrame(rows, columns=["bin", "predicted", "estimate", "std_error", "conf_low", "conf_high", "n"])


def top_fifth(ranking: Ranking, robust: bool, level: float) -> str:
    """What the fifth that is ranked first gains, beside everyone; empty where it is not shown."""
    table = shares(ranking, robust, 5, level)
    if len(table) < 5:
        return ""
    row = table.iloc[0]
    ate = ranking.metrics(robust)["ate"].estimate
    return (
        f"The fifth that it puts first gains {row['estimate']:.3g} [{row['conf_low']:.3g}, {row['conf_high']:.3g}] "
        f"per user, the average user {ate:.3g}."
    )


def merged_note(ranking: Ranking) -> tuple[str, ...]:
    """That tenths of the users are not shown, and in how many groups they are; nothing where they are."""
    if ranking.n < TENTHS:
        return ()
    shown = merged(ranking, rank(ranking.score, ranking.sides(False)), TENTHS)
    return () if shown == TENTHS else (told(TENTHS, shown),)


@dataclass(frozen=True, repr=False, eq=False)
class Gates(Shown):
    """Sorted group average effects: mean doubly robust scores of equal shares of the users, highest scores first.

    Attributes
    ----------
    label, unit : str
        The arm, and the unit of the effects.
    groups : int
    estimate : ndarray, shape (groups,)
    cov : ndarray, shape (groups, groups)
    predicted : ndarray, shape (groups,)
        Mean score.
    n : ndarray, shape (groups,)
        Users; tied ones in parts.
    difference : Metric
        Effect on the first group less that on the last; its p-value is the test that they are equal.
    order_p : float
        P-value of the test that no group gains more than the one before it: small where the order is wrong somewhere.
    alpha : float
    df : ndarray, shape (groups,)
        Degrees of freedom, from the users (clusters) of each arm in the group.
    critical : ndarray, shape (groups,)
        Of the joint limits.
    notes : tuple of str
        What limits the intervals.
    """

    label: str
    unit: str
    groups: int
    estimate: FloatArray
    cov: FloatArray = field(repr=False)
    predicted: FloatArray
    n: FloatArray
    difference: Metric
    order_p: float
    alpha: float
    df: FloatArray
    critical: FloatArray
    draws: FloatArray = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def std_error(self) -> FloatArray:
        """Standard errors, shape (groups,)."""
        return np.asarray(np.sqrt(np.diag(self.cov)))

    def to_frame(self) -> pd.DataFrame:
        """A row a group: the leading columns of every result; limits and p-values hold for all groups together.

        Then ``arm``, ``group`` (1 gains most by the score), ``predicted`` (mean score), ``point_low`` and
        ``point_high`` (limits of each group by itself).
        """
        import pandas as pd

        error, k = self.std_error, self.groups
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(error > 0, self.estimate / error, np.nan)
        p = _joint_p(p_value(self.estimate, error, self.df), np.abs(self.draws), 2)
        wide, narrow = self.critical * error, critical_values(1 - self.alpha, self.df) * error
        columns = (
            [f"group {g} of {k}" for g in range(1, k + 1)],
            [f"average effect on share {g} of {k} in the order of the score" for g in range(1, k + 1)],
            [self.unit] * k, self.estimate, error, z, p, self.estimate - wide,
            self.estimate + wide, self.n,
        )  # fmt: skip
        return pd.DataFrame(dict(zip(COMMON_COLUMNS, columns, strict=True))).assign(
            arm=self.label, group=np.arange(1, k + 1), predicted=self.predicted,
            point_low=self.estimate - narrow, point_high=self.estimate + narrow,
        )  # fmt: skip

    def summary(self) -> str:
        """Groups, the test of first against last and that of the order, in words."""
        frame = self.to_frame()
        lines = [f"Effect by group, {self.label}, {self.unit}; limits hold together at {1 - self.alpha:.0%}"]
        for g, effect, low, high in zip(
            frame["group"], frame["estimate"], frame["conf_low"], frame["conf_high"], strict=True
        ):
            lines.append(f"  {g:<4}{effect:>12.4g}   [{low:.4g}, {high:.4g}]")
        return wrapped([*lines, *self.sentences()], indent=2)

    def __repr__(self) -> str:
        return self.summary()

    @property
    def report_title(self) -> str:
        """The heading of its section on a page."""
        return f"Effects by group of the ranking: {self.label}"

    @property
    def level(self) -> float:
        """Of the limits in `to_frame()`, all together."""
        return 1 - self.alpha

    def sentences(self) -> list[str]:
        """The test of the first group against the last, and that of the order."""
        d = self.difference
        low, high = d.conf_int(1 - self.alpha)
        told = (
            f"whether they differ cannot be told: {NO_INTERVAL}"
            if d.withheld
            else "the score does not tell these groups apart as far as these users can tell"
            if low <= 0 <= high
            else "the first group gains more than the last"
            if low > 0
            else "the first group gains less than the last: the score is upside down"
        )
        order = "some group gains more than the one before it" if self.order_p < self.alpha else "nothing against it"
        order = order if np.isfinite(self.order_p) else f"cannot be told, {NO_INTERVAL}"
        return [
            f"First less last {d.estimate:.4g} [{low:.4g}, {high:.4g}], p = {d.p_value:.2g}: {told}.",
            f"Falling order: {order} (p = {self.order_p:.2g}).",
            *(f"Note: {n}." for n in self.notes),
        ]

    def figures(self) -> list[Curves]:
        """The groups with their limits."""
        return [self.curves()]

    def curves(self) -> Curves:
        """The figure in numbers."""
        frame = self.to_frame()
        at, values, low, high = (
            np.asarray(frame[c], dtype=float) for c in ("group", "estimate", "conf_low", "conf_high")
        )
        ate = float(self.estimate @ self.n / self.n.sum())
        joint = Line(f"groups (limits hold together at {100 * self.level:g} %)", at, values, "points", low, high)
        average = Line("average effect", at[[0, -1]], np.array([ate, ate]), "dashed")
        words = (f"Effect by group of the score: {self.label}", "Group, 1 = highest scores", f"Effect, {self.unit}")
        return Curves(*words, (joint, average), zero=True)


def gates(ranking: Ranking, groups: int, alpha: float) -> Gates:
    """Sorted group average effects of a ranking (Chernozhukov, Demirer, Duflo and Fernández-Val), by scores.

    Raises
    ------
    DesignError
        All scores are equal; a group without two users (clusters) of an arm; of people, not ten in each of two groups.
    """
    refuse_no_ranking(ranking)
    ranked = rank(ranking.score, ranking.sides(True))
    asked, groups = groups, merged(ranking, ranked, groups)
    if groups < 2:
        raise DesignError(
            f"two groups of these users have fewer than {MIN_CELL} of {ranking.label!r} or of the control, and so few "
            "people are not shown",
            remedy="evaluate on more users",
        )
    order = ranked.at()
    cluster = None if ranking.cluster is None else ranking.cluster[order]
    by, of_arm = ranking.score[order], [(weight > 0)[order] for weight in (ranking.control, ranking.treated)]
    found, columns, predicted, n, share, least = [], [], [], [], [], []
    for g, part in enumerate(parts(ranked, groups), 1):
        least.append(fewest(part, of_arm, cluster))
        if least[-1] < 2:
            what = "users" if cluster is None else "users, or clusters,"
            raise DesignError(
                f"group {g} of {groups} has fewer than two {what} of {ranking.label!r} or of the control",
                remedy="ask for fewer groups, or evaluate on more users",
            )
        effect, influence = effect_of(part, ranked.sides)
        found.append(effect)
        columns.append(influence)
        share.append(part)
        predicted.append(float(part @ by / part.sum()))
        n.append(float(part.sum()))
    estimate, influence, side = np.array(found), np.column_stack(columns), ranking.sides_of(order)
    whole = np.column_stack(share)
    cov, df = spread(influence, cluster, side, whole)
    k = len(estimate)
    ends = np.eye(k)[0] - np.eye(k)[-1]
    apart, apart_df = spread((influence @ ends)[:, None], cluster, side, whole @ np.abs(ends))
    words = "effect on the first group less that on the last, in the order of the score"
    difference = Metric(
        f"group 1 - group {k}", words, f"{ranking.unit} per user", float(ends @ estimate),
        float(np.sqrt(apart[0, 0])), round(n[0] + n[-1]), df=float(apart_df[0]),
    )  # fmt: skip
    step = np.diff(np.eye(k), axis=0)
    rise = spread(influence @ step.T, cluster, side, whole @ np.abs(step).T)
    # No falling order has larger rises than chance makes where all effects are equal.
    by_step = p_value(step @ estimate, np.sqrt(np.diag(rise[0])), rise[1])
    one_sided = np.where(step @ estimate > 0, by_step / 2, 1 - by_step / 2)
    order_p = _joint_p(one_sided, standard_draws(rise[0], ranking.seed), 1)
    y = ranking.y[order]
    tails = [heavy(own[part > 0], side[part > 0], y[part > 0]) for own, part in zip(columns, share, strict=True)]
    notes: tuple[str, ...] = () if groups == asked else (told(asked, groups),)
    notes += few_rooms(min(least), cluster) + next((note for note in tails if note and cluster is None), ())
    normal = sup_t(cov, 1 - alpha, ranking.seed)
    return Gates(
        ranking.label, f"{ranking.unit} per user", k, estimate, cov, np.array(predicted), np.array(n), difference,
        float(np.nanmin(order_p)) if np.isfinite(order_p).any() else np.nan, alpha, df,
        band(normal, df), standard_draws(cov, ranking.seed), notes,
    )  # fmt: skip


def few_rooms(least: float, cluster: IntArray | None) -> tuple[str, ...]:
    """A note where a group stands on fewer clusters of an arm than the average effects ask for."""
    if cluster is None or least >= MIN_CLUSTERS:
        return ()
    return (f"only {least:.0f} clusters of an arm behind a group, where {MIN_CLUSTERS} are asked for: it is rough",)


def _joint_p(p: FloatArray, draws: FloatArray, sides: int) -> FloatArray:
    """Share of draws whose largest term is at least as far as a term with the p-value `p` lies; NaN stays."""
    from scipy import special

    top = draws.max(axis=1, initial=-np.inf)
    far = -special.ndtri(np.clip(p, 1e-300, 1.0) / sides)
    return np.where(np.isnan(p), np.nan, (1 + (top[:, None] >= far).sum(axis=0)) / (1 + len(top)))


def refuse_no_ranking(ranking: Ranking) -> None:
    """Refuse a score that is the same for all.

    Raises
    ------
    DesignError
    """
    if np.ptp(ranking.score) == 0:
        raise DesignError(
            "all users have the same score, so that there are no groups of them",
            remedy="use a score that tells users apart",
        )
