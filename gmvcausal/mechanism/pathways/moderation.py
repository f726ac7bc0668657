"""Whether an effect differs with something known before: interaction, simple slopes, region of Johnson and Neyman."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError
from gmvcausal.mechanism.pathways.equations import Equation, fit
from gmvcausal.mechanism.pathways.rows import Rows
from gmvcausal.mechanism.pathways.within import within
from gmvcausal.results.curves import Curves, Line
from gmvcausal.results.shown import Shown
from gmvcausal.stats.inference import critical_value, p_value, wald
from gmvcausal.stats.logit import independent
from gmvcausal.stats.moderated import region as region_of

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

_GRID = 101


class Places(NamedTuple):
    """Where simple slopes are taken.

    Attributes
    ----------
    names : tuple of str
    at : ndarray, shape (places, q)
        Values of the moderator's columns.
    """

    names: tuple[str, ...]
    at: FloatArray


@dataclass(frozen=True, eq=False)
class Moderation(Shown):
    """The effect by levels of a moderator.

    Attributes
    ----------
    moderator, treatment, outcome, unit : str
    places : tuple of str
        The levels, or the mean and one standard deviation to either side.
    terms : tuple of str
        Rows: the simple slopes, then indirect effects and indices of moderated mediation.
    estimate, error : ndarray, shape (rows,)
    df : float
    interaction : tuple of float
        F (Wald's over its degrees of freedom), its p-value, degrees of freedom.
    region : tuple of (float, float)
        Values of the moderator where the effect is told from zero (Johnson and Neyman 1936); empty where there are none
        in the data, or where the moderator has levels.
    reach : (float, float)
        Least and largest value of the moderator.
    n : int
    alpha : float
    curve : ndarray, shape (places, 4) or None
        Moderator, effect, low, high.
    """

    moderator: str
    treatment: str
    outcome: str
    unit: str
    places: tuple[str, ...]
    terms: tuple[str, ...]
    estimate: FloatArray
    error: FloatArray
    df: float
    interaction: tuple[float, float, int]
    region: tuple[tuple[float, float], ...]
    reach: tuple[float, float]
    n: int
    alpha: float
    curve: FloatArray | None

    @property
    def report_title(self) -> str:
        """Heading."""
        return f"The effect by {self.moderator}"

    @property
    def level(self) -> float:
        """Of the intervals."""
        return 1 - self.alpha

    def sentences(self) -> list[str]:
        """The interaction, and where the effect is told from zero."""
        f, p, df = self.interaction
        told = "differs" if p < self.alpha else "is not shown to differ"
        lines = [f"The effect of {self.treatment} {told} with {self.moderator} (F = {f:.3g} on {df}, p = {p:.3g})."]
        if self.curve is not None:
            inside = " and ".join(f"from {low:.4g} to {high:.4g}" for low, high in self.region)
            where = f"is told from zero where {self.moderator} is {inside}" if inside else "is told from zero nowhere"
            lines.append(f"It {where} (Johnson and Neyman; the data reach from {self.reach[0]:.4g} to "
                         f"{self.reach[1]:.4g}; each value on its own at {100 * (1 - self.alpha):g}%).")  # fmt: skip
        lines.append(
            "A difference between levels is an effect of the moderator only where chance drew it; else whatever goes "
            "with it may be the reason. Indirect effects let both steps differ, from treatment to mediator and from "
            "mediator to outcome (Hayes's model 59)."
        )
        return lines

    def to_frame(self) -> pd.DataFrame:
        """One row per simple slope, conditional indirect effect and index, with the columns of every verb."""
        import pandas as pd

        half = critical_value(1 - self.alpha, self.df) * self.error
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = np.where(self.error > 0, self.estimate / self.error, np.nan)
        return pd.DataFrame({
            "term": self.terms, "estimand": "least squares, covariates added", "unit": self.unit,
            "estimate": self.estimate, "std_error": self.error, "statistic": statistic,
            "p_value": p_value(self.estimate, self.error, self.df), "conf_low": self.estimate - half,
            "conf_high": self.estimate + half, "n": self.n,
        })  # fmt: skip

    def summary(self) -> str:
        """The sentences and the table."""
        frame = self.to_frame()[["term", "estimate", "std_error", "conf_low", "conf_high", "p_value"]]
        return "\n".join([self.report_title, *self.sentences(), "", frame.round(4).to_string(index=False)])

    __repr__ = summary

    def figures(self) -> tuple[Curves, ...]:
        """The effect along the moderator, or level by level."""
        y_label = f"effect of {self.treatment}, {self.unit}"
        if self.curve is not None:
            x, y, low, high = self.curve.T
            lines = (Line("effect", x, y, "line", low, high),)
            return (Curves(self.report_title, self.moderator, y_label, lines, zero=True),)
        frame = self.to_frame().iloc[: len(self.places)]
        x = np.arange(len(frame), dtype=float)
        y, low, high = (frame[c].to_numpy() for c in ("estimate", "conf_low", "conf_high"))
        lines = (Line("effect", x, y, "points", low, high),)
        return (Curves(self.report_title, self.moderator, y_label, lines, zero=True, ticks=self.places),)


def moderation_of(rows: Rows, moderator: str, unit: str, alpha: float) -> Moderation:
    """Fit outcome and mediators with the treatment's slope free along the moderator.

    Raises
    ------
    DesignError
        The moderator does not vary in one of the arms, or is told by treatment and fixed effects.
    """
    assert rows.moderator is not None  # asked for by the caller
    w, places = columns_of(rows)
    q, k, t = w.shape[1], rows.m.shape[1], rows.t
    own = np.column_stack([t[:, None] * w, w])
    products = [m[:, None] * w for m in rows.m.T]
    columns = np.column_stack([t, own, rows.x, rows.m, rows.y, *products])
    one = [np.ones((rows.n, 1))]
    if rows.fixed:
        moved = within(columns, rows.fixed)
        assert moved is not None  # the rows were refused otherwise
        columns, one = moved, []
    ends = np.cumsum([columns.shape[1] - k - 1 - k * q, k, 1])
    body, m, last, by_m = np.split(columns, ends, axis=1)
    y = last[:, 0]
    body = np.column_stack([body, *one])
    size = np.sqrt((body * body).mean(axis=0))
    keep = independent(body / np.where(size > 0, size, 1.0))
    if not keep[: 1 + q].all():
        raise DesignError(
            f"the effect along {moderator!r} cannot be told: it does not vary in one of the arms", column=moderator,
            remedy="leave moderator= out, or take one that varies in both arms",
        )  # fmt: skip
    size = size[keep]
    body = body[:, keep] / size
    slope = _slopes(fit("linear", body, y, absorbed=rows.absorbed), 1 + q, size, rows)
    value, cov = slope
    take = np.column_stack([np.ones(len(places.at)), places.at])
    terms = [f"effect at {name}" for name in places.names]
    estimate, error = take @ value, np.sqrt(np.einsum("ij,jk,ik->i", take, cov, take))
    clusters = rows.n if rows.cluster is None else int(rows.cluster.max()) + 1
    f, p, df = wald(value[1:], cov[1:, 1:], clusters)
    free = math.inf if rows.cluster is None else float(clusters - 1)
    more = [_indirect(rows, body, m, by_m, y, j, q, size, take, places, moderator) for j in range(k)]
    estimates, errors = [estimate], [error]
    for names, values, spread in more:
        terms += names
        estimates.append(values)
        errors.append(spread)
    curve, reach = None, (math.nan, math.nan)
    region: tuple[tuple[float, float], ...] = ()
    if w.shape[1] == 1 and not rows.moderator_levels:
        raw = rows.moderator
        middle, reach = float(raw.mean()), (float(raw.min()), float(raw.max()))
        critical = critical_value(1 - alpha, free)
        x = np.linspace(*reach, _GRID)
        at = np.column_stack([np.ones(_GRID), x - middle])
        half = critical * np.sqrt(np.einsum("ij,jk,ik->i", at, cov, at))
        curve = np.column_stack([x, at @ value, at @ value - half, at @ value + half])
        region = region_of(value, cov, critical, reach, middle)
    return Moderation(
        moderator, rows.treatment, rows.outcome, unit, places.names, tuple(terms), np.concatenate(estimates),
        np.concatenate(errors), free, (f / max(df, 1), p, df), region, reach, rows.n, alpha, curve,
    )  # fmt: skip


def columns_of(rows: Rows) -> tuple[FloatArray, Places]:
    """Columns of the moderator, and where simple slopes are taken."""
    w, levels = rows.moderator, rows.moderator_levels
    assert w is not None
    if levels:
        codes = np.arange(1, len(levels))
        return (w[:, None] == codes).astype(float), Places(levels, (np.arange(len(levels))[:, None] == codes) * 1.0)
    seen = np.unique(w)
    middle = float(w.mean())
    if len(seen) == 2:
        return (w - middle)[:, None], Places(tuple(f"{v:g}" for v in seen), (seen - middle)[:, None])
    spread = float(w.std())
    names = ("mean - 1 SD", "mean", "mean + 1 SD")
    shown = tuple(f"{name} ({middle + step * spread:.4g})" for step, name in zip((-1, 0, 1), names, strict=True))
    return (w - middle)[:, None], Places(shown, np.array([[-spread], [0.0], [spread]]))


def _scores(eq: Equation | None, terms: int, size: FloatArray, rows: Rows) -> tuple[FloatArray, FloatArray]:
    """First slopes, and what each row (cluster) adds to them, with the small-sample factor within."""
    assert eq is not None  # least squares has one
    own: FloatArray = (eq.influence() / size[: eq.p])[:, :terms]
    if rows.cluster is not None:
        groups = int(rows.cluster.max()) + 1
        own = rows.by_unit(own) * math.sqrt(groups / (groups - 1))
    return eq.beta[:terms] / size[:terms], own


def _slopes(eq: Equation | None, terms: int, size: FloatArray, rows: Rows) -> tuple[FloatArray, FloatArray]:
    value, own = _scores(eq, terms, size, rows)
    return value, own.T @ own


def _indirect(
    rows: Rows, body: FloatArray, m: FloatArray, products: FloatArray, y: FloatArray, j: int, q: int, size: FloatArray,
    take: FloatArray, places: Places, moderator: str,
) -> tuple[list[str], FloatArray, FloatArray]:  # fmt: skip
    """Conditional indirect effects by way of mediator j, and what a unit (level) of the moderator adds to them."""
    first, own = _scores(fit("linear", body, m[:, j], absorbed=rows.absorbed), 1 + q, size, rows)
    k = m.shape[1]
    whole = np.column_stack([m, body, products])
    spread = np.sqrt((whole * whole).mean(axis=0))
    spread[spread == 0] = 1.0
    keep = independent(whole / spread)
    used = whole[:, keep] / spread[keep]
    slopes, by_row = _scores(fit("linear", used, y, absorbed=rows.absorbed), used.shape[1], spread[keep], rows)
    last, other = np.zeros(len(keep)), np.zeros((len(by_row), len(keep)))  # 0: its step is that of the first level
    last[keep], other[:, keep] = slopes, by_row
    second = [j, *range(k + body.shape[1] + j * q, k + body.shape[1] + (j + 1) * q)]
    one, two = take @ first, take @ last[second]
    value = one * two
    moved = (own @ take.T) * two + (other[:, second] @ take.T) * one
    if len(places.at) == 3 and not rows.moderator_levels:  # along a number: the slope of the product at its mean
        index = first[[1]] * last[j] + first[0] * last[second[1:]]
        of_index = own[:, [1]] * last[j] + other[:, [j]] * first[1]
        of_index = of_index + own[:, [0]] * last[second[1]] + other[:, [second[1]]] * first[0]
    else:
        gap = 1.0 if rows.moderator_levels else float(places.at[1, 0] - places.at[0, 0])
        index, of_index = (value[1:] - value[0]) / gap, (moved[:, 1:] - moved[:, :1]) / gap
    name = rows.mediators[j]
    by = [moderator] if not rows.moderator_levels else [f"{moderator} = {v}" for v in rows.moderator_levels[1:]]
    names = [f"indirect:{name} at {place}" for place in places.names]
    error = np.sqrt((np.column_stack([moved, of_index]) ** 2).sum(axis=0))
    return (
        [*names, *(f"index of moderated mediation:{name}, {w}" for w in by)],
        np.concatenate([value, index]),
        error,
    )
