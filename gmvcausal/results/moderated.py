"""An effect along a moderator: what `ab_test` and `did` answer alike, whatever made the line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.frames.params import one_of
from gmvcausal.results.audit import Audit, Check
from gmvcausal.results.base import Result
from gmvcausal.results.by_level import SMALL
from gmvcausal.results.curves import Curves, Line
from gmvcausal.results.estimates import Estimates
from gmvcausal.results.rule import Rule, Rules, table_of
from gmvcausal.results.usual_checks import p_words
from gmvcausal.stats.moderated import Along, Band, BoolArray, FloatArray, band, leverage, region
from gmvcausal.stats.small_sample import Spread

if TYPE_CHECKING:
    import pandas as pd

_RULES: dict[str, Rule] = {
    "moderator_balance": Rule(
        "p-value, doubled, of the tests that the moderator has the same mean (Welch) and the same distribution "
        "(Kolmogorov and Smirnov; rows drawn one by one only) in both arms (tests only)",
        0.01,
        1e-6,
        small_is_bad=True,
    ),
    "moderator_overlap": Rule("share of treated units beyond the moderator's range among their controls", 0.05, 0.5),
    "moderator_trend": Rule(
        "p-value of the slope along the moderator before the start (roll-outs only)",
        0.05,
        0.01,
        small_is_bad=True,
        more_warn=", or no earlier period to test",
    ),
    "moderator_form": Rule("p-value of the test that the effect bends (a squared term)", 0.01, small_is_bad=True),
    "moderator_leverage": Rule("share of the slope's variance that comes from the largest unit or cluster", 0.3, 0.6),
    "moderator_mean": Rule(
        "distance of the effect at the moderator's mean from the effect that was taken apart, in standard errors "
        "(the larger of both)",
        3.0,
        5.0,
    ),
}
RULES = Rules(_RULES)
# name: (what is looked at, warned when, failed when)
TABLE: dict[str, tuple[str, str, str]] = table_of(RULES)

_ALONE = 0.5  # leverage above which a unit decides its own point on the line
_CURVED = "cut the moderator into levels and read by(), or use gc.uplift, which finds bends"


@dataclass(frozen=True, repr=False, eq=False)
class Moderated(Result):
    """An effect along a moderator that was fixed before the treatment.

    The first row is the effect at the mean of the moderator; then what one more of the moderator adds to it, and the
    effect one standard deviation below and above the mean (of a 0/1 moderator: at 0 and at 1). Their intervals hold one
    by one; `effects()` has those that hold for all values together.

    Attributes
    ----------
    moderator : str
    places : ndarray, shape (3,)
        Values behind the rows of effects: mean, below, above.
    line : Along
    reach : (float, float)
        Least and largest value of the moderator among those whom the effect is about.
    checks : Audit
    chance : str
        Who drew the treatment, and whether the moderator was drawn: a sentence.
    """

    moderator: str
    places: FloatArray
    line: Along
    reach: tuple[float, float]
    checks: Audit
    chance: str

    @property
    def audit(self) -> Audit:
        """The checks of the moderator, then those of the result that was taken apart."""
        return self.checks

    @property
    def slope(self) -> float:
        """What one more of the moderator adds to the effect."""
        return float(self.estimates.estimate[1])

    @property
    def slope_p(self) -> float:
        """Its p-value: the test of moderation."""
        return float(self.estimates.p_value[1])

    def _seed(self) -> int:
        return int(self.manifest.seed or 0)

    def effects(self) -> pd.DataFrame:
        """The effect at the mean and one standard deviation to either side (0/1 moderators: at both values).

        Returns
        -------
        DataFrame
            place, moderator (its value), estimate, std_error, conf_low, conf_high (pointwise), band_low, band_high
            (which hold together for all values from the least to the largest).
        """
        import pandas as pd

        frame = self.to_frame().iloc[[0, 2, 3]]
        order = np.argsort(self.places, kind="stable")
        critical = self._band(True).critical
        columns: dict[str, Any] = {"place": _names(self.places, self.line.middle), "moderator": self.places}
        for name in ("estimate", "std_error", "conf_low", "conf_high"):
            columns[name] = frame[name].to_numpy(float)
        half = critical * columns["std_error"]
        columns |= {"band_low": columns["estimate"] - half, "band_high": columns["estimate"] + half}
        return pd.DataFrame(columns).iloc[order].reset_index(drop=True)

    def _band(self, simultaneous: bool) -> Band:
        reach = min(self.reach[0], float(self.places.min())), max(self.reach[1], float(self.places.max()))
        return band(self.line, reach, 1 - self.alpha, self._seed(), simultaneous=simultaneous)

    def region(self, bands: str = "simultaneous") -> tuple[tuple[float, float], ...]:
        """Values of the moderator at which the effect is told from zero (Johnson and Neyman 1936).

        Parameters
        ----------
        bands : {"simultaneous", "pointwise"}
            Whether the level holds for the whole region (default), or for each value alone, as many programs print it:
            such a region is found too often where there is none (Esarey and Sumner 2018).

        Returns
        -------
        tuple of (float, float)
            Within the data; empty where the effect is told from zero nowhere.
        """
        one_of("bands", bands, ("simultaneous", "pointwise"))
        critical = self._band(bands == "simultaneous").critical
        if math.isnan(critical):
            return ()
        return region(self.line.value, self.line.cov, critical, self.reach, self.line.middle)

    @property
    def opening(self) -> tuple[str, tuple[str, ...]]:
        """The slope and the region come before the finding."""
        return "Moderation", self.sentences()

    def sentences(self) -> tuple[str, ...]:
        """Whether the effect changes with the moderator, where it is told from zero, and what that does not say."""
        frame = self.to_frame()
        low, high = (float(frame[c].iloc[1]) for c in ("conf_low", "conf_high"))
        found = "changes" if self.slope_p < self.alpha else "is not shown to change"
        level = f"{100 * (1 - self.alpha):g}% interval"
        lines = [
            f"The effect {found} with {self.moderator}: {self.slope:+.4g} for each one more, {level} {low:+.4g} to "
            f"{high:+.4g} ({p_words(self.slope_p)})"
        ]
        inside = " and ".join(f"from {a:.4g} to {b:.4g}" for a, b in self.region())
        where = f"is told from zero where {self.moderator} is {inside}" if inside else "is told from zero nowhere"
        lines.append(
            f"It {where} (Johnson and Neyman, all values together at {100 * (1 - self.alpha):g}%; the data reach from "
            f"{self.reach[0]:.4g} to {self.reach[1]:.4g})"
        )
        (low, high), names = self.reach, _names(self.places, self.line.middle)
        beyond = [f"{n} ({at:.4g})" for n, at in zip(names, self.places, strict=True) if not low <= at <= high]
        if beyond:
            lines.append(f"Beyond the data, where the line is only carried on: {' and '.join(beyond)}")
        return (*lines, self.chance)

    def _extra_columns(self) -> dict[str, Any]:
        below, above = self.places[1:]
        return {"moderator": [float(self.places[0]), math.nan, float(below), float(above)]}

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """The effect along the moderator."""
        return ("moderation",)

    def curves(self, kind: str) -> Curves:
        """The effect along the moderator: the band holds for all values together, the dotted lines one by one."""
        if kind not in self.curve_kinds:
            raise KeyError(kind)
        joint, alone = self._band(True), self._band(False)
        x = joint.places
        lines = [Line("effect", x, joint.effect, "line", joint.low, joint.high)]
        lines += [Line("each value alone", x, alone.low, "dotted"), Line("", x, alone.high, "dotted")]
        return Curves(f"The effect by {self.moderator}", self.moderator, self.unit, tuple(lines), zero=True)


def _names(places: FloatArray, middle: float) -> list[str]:
    """What the places are called."""
    if set(places[1:].tolist()) == {0.0, 1.0}:
        return ["mean", "at 0", "at 1"]
    return ["mean", "mean - 1 SD", "mean + 1 SD"]


def places_of(w: FloatArray) -> FloatArray:
    """Mean of a moderator, and one standard deviation below and above it; of a 0/1 moderator 0 and 1."""
    middle = float(w.mean())
    if set(np.unique(w).tolist()) == {0.0, 1.0}:
        return np.array([middle, 0.0, 1.0])
    spread = float(w.std(ddof=1))
    return np.array([middle, middle - spread, middle + spread])


def moderated(
    result: Result, moderator: str, term: str, estimand: str, unit: str, line: Along, w: FloatArray, n: int,
    checks: Sequence[Check], chance: str, notes: Sequence[str], more: dict[str, Any], row: int = 0,
) -> Moderated:  # fmt: skip
    """The result of a line that was fitted.

    Parameters
    ----------
    result : Result
        What is taken apart.
    moderator, term, estimand, unit : str
    line : Along
    w : ndarray
        The moderator of those whom the effect is about.
    n : int
    checks : sequence of Check
    chance : str
    notes : sequence of str
    more : dict
        Options of the call, for the manifest.
    row : int
        The result's row that is taken apart.

    Raises
    ------
    DesignError
        Too few units or clusters for a standard error.
    """
    places = places_of(w)
    take = np.vstack([line.at(places)[0], [0.0, 1.0], line.at(places)[1:]])
    df = np.array([line.df(row) for row in take])
    if np.isnan(df).any():
        raise DesignError(
            "there are too few units (or clusters) on a side for the error of a slope",
            column=moderator,
            remedy="leave the moderator out, or cluster by smaller groups if treatment was given to these",
        )
    below, above = _names(places, line.middle)[1:]
    terms = (f"{term} at the mean of {moderator}", f"{term} x {moderator}", f"{term} at {moderator} {below}",
             f"{term} at {moderator} {above}")  # fmt: skip
    at = [f"{estimand}, at {moderator} = {place:.4g}" for place in places]
    told = (at[0], f"change of it with one more of {moderator}", at[1], at[2])
    per = f"{unit}, per unit of {moderator}"
    estimates = Estimates(
        terms, told, (unit, per, unit, unit), take @ line.value, take @ line.cov @ take.T, (n,) * 4,
        Spread(df, np.ones(4)), method="t distribution with degrees of freedom of Bell and McCaffrey",
    )  # fmt: skip
    own = result.manifest
    manifest = replace(
        own, verb=f"{own.verb}.moderation", options={**own.options, **more}, seed=own.seed or 0,
        notes=(*own.notes, *notes),
    )  # fmt: skip
    held = _mean_check(
        float(estimates.estimate[0]), float(estimates.std_error[0]), float(result.estimates.estimate[row]),
        float(result.estimates.std_error[row]), moderator,
    )  # fmt: skip
    audit = Audit((*checks, *usual(line, moderator), held, *result.audit))
    return Moderated(
        f"{result.title}, moderated by {moderator}", result.assumption, estimates, manifest, result.alpha, moderator,
        places, line, (float(w.min()), float(w.max())), audit, chance,
    )  # fmt: skip


def _mean_check(at_mean: float, error: float, whole: float, whole_error: float, moderator: str) -> Check:
    """The effect at the mean lies where the whole effect lies: else the line is not of the same comparison."""
    scale = float(np.nanmax([error, whole_error]))
    apart = abs(at_mean - whole) / scale if scale > 0 else 0.0
    if math.isnan(apart):
        return Check("moderator_mean", "not_run", "the whole has no number to hold the effect at the mean against")
    return RULES.check(
        "moderator_mean", apart, f"the effect at the mean of {moderator!r} lies {apart:.2g} standard errors from the "
        "effect that was taken apart",
        "the line leaves out what the whole was adjusted for (caps, covariates, another estimator): call the verb "
        "without it and compare",
    )  # fmt: skip


def too_thin(w: FloatArray, treated: BoolArray) -> str:
    """Why a moderator has too few units at its values for a line on each side; empty where it has not.

    Residuals at a value that one unit holds alone are zero, and so is the variance made of them; the effect told there
    would be that unit's own.
    """
    values = np.unique(w)
    sides = (w[treated], w[~treated])
    if len(values) == 2 and min(int((side == v).sum()) for side in sides for v in values) < SMALL:
        return f"it has two values, and a side has fewer than {SMALL} units at one of them"
    if max(leverage(side) for side in sides) > _ALONE:
        return "one unit alone decides more than half of the line at its own value"
    return ""


def usual(line: Along, moderator: str) -> list[Check]:
    """The checks of every moderation: a bend, and who decides the slope."""
    out = []
    if math.isnan(line.bend):
        out.append(Check("moderator_form", "not_run", f"{moderator!r} has too few values to see a bend"))
    else:
        bends = "bends" if RULES.judge("moderator_form", line.bend) == "warned" else "is not shown to bend"
        out.append(
            RULES.check("moderator_form", line.bend, f"the effect {bends} along {moderator!r}: {p_words(line.bend)}",
                        f"a straight line is not all of it: {_CURVED}")
        )  # fmt: skip
    squares = line.influence[:, 1] ** 2
    share = float(squares.max() / squares.sum()) if squares.sum() > 0 else 0.0
    out.append(
        RULES.check(
            "moderator_leverage", share, f"the largest unit or cluster has {share:.1%} of the slope's variance",
            "take ranks or logarithms of the moderator, fixed before the treatment, and see whether the slope stays",
        )
    )  # fmt: skip
    return out


def overlap_check(outside: float, moderator: str) -> Check:
    """Whether controls have values like those of the treated."""
    message = f"{outside:.1%} of the treated units lie beyond the range of {moderator!r} among the controls"
    return RULES.check(
        "moderator_overlap", outside, message, "read the effect within the controls' range only: beyond it the line is "
        "carried on by belief",
    )  # fmt: skip
