"""The result of `gmvcausal.threshold`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.observational.discontinuity.bins import apart, binned
from gmvcausal.observational.discontinuity.checks import Placebos
from gmvcausal.observational.discontinuity.density import Density
from gmvcausal.observational.discontinuity.jump import Jump
from gmvcausal.observational.discontinuity.local import FloatArray
from gmvcausal.results import Audit, Result
from gmvcausal.results.curves import Curves, Line
from gmvcausal.stats.small_cells import MIN_CELL, small

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False, eq=False)
class Threshold(Result):
    """The effect at a threshold, with its audit.

    Rows of `to_frame()`: ``robust`` (bias-corrected, the headline), ``conventional``, and in a fuzzy design
    ``first_stage`` and ``reduced_form``. Further columns: ``h`` and ``b`` (bandwidths of the estimate and of its bias),
    ``n_below`` and ``n_above`` (rows within ``h``).

    Attributes
    ----------
    checks : Audit
    found : Jump
        The fits behind the rows.
    density : Density or None
        The test for a pile of scores on one side.
    advice : tuple of str
    people : bool
        Whether rows are people: fewer than ten are then not counted, nor is a mean of them drawn.
    """

    checks: Audit
    found: Jump
    density: Density | None
    at: Placebos = field(repr=False)
    elsewhere: Placebos = field(repr=False)
    table: dict[str, FloatArray] = field(repr=False)
    x: FloatArray = field(repr=False)
    y: FloatArray = field(repr=False)
    score: str = ""
    outcome: str = ""
    cutoff: float = 0.0
    advice: tuple[str, ...] = ()
    people: bool = False

    @property
    def audit(self) -> Audit:
        """The checks on the rule and on the rows near it."""
        return self.checks

    @property
    def everybody(self) -> str:
        """Whom the finding rests on."""
        return f"{sum(self.found.inside):,} rows within the bandwidth, of {len(self.x):,}"

    def _extra_columns(self) -> dict[str, Any]:
        w, inside = self.found.widths, np.array(self.found.inside, dtype=float)
        if self.people and small(inside).any():  # the sum of both is known
            inside[:] = np.nan
        below, above = (v if np.isnan(v) else int(v) for v in inside)
        return {"h": w.h, "b": w.b, "n_below": below, "n_above": above}

    def bandwidths(self) -> pd.DataFrame:
        """The robust estimate at .5, .75, 1, 1.5 and 2 times the bandwidth.

        Returns
        -------
        DataFrame
            multiple, h, b, estimate, std_error, conf_low, conf_high, n_below, n_above; a bandwidth with too few
            distinct scores is left out. Of people, numbers of rows are left empty where they, or their difference from
            another one shown, count fewer than ten.
        """
        import pandas as pd

        frame = pd.DataFrame(self.table).astype({"n_below": int, "n_above": int})
        if not self.people:
            return frame
        at = int(np.flatnonzero(frame["multiple"] == 1)[0]) if (frame["multiple"] == 1).any() else 0
        for name in ("n_below", "n_above"):
            count = frame[name].to_numpy(float)
            count = apart(count, at) if not np.isnan(self._extra_columns()[name]) else np.full(len(count), np.nan)
            if np.isnan(count).any():
                frame[name] = pd.Series(count, dtype="Int64")
        return frame

    def covariates_at_cutoff(self) -> pd.DataFrame:
        """Jump of each covariate, in standard deviations: name, estimate, std_error, p_value, p_holm, h."""
        import pandas as pd

        return pd.DataFrame(asdict(self.at))

    def placebo_cutoffs(self) -> pd.DataFrame:
        """Jumps at thresholds that do not exist: name, estimate, std_error, p_value, p_holm, h."""
        import pandas as pd

        return pd.DataFrame(asdict(self.elsewhere))

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """``"threshold"``: means of binned rows with the fitted lines; ``"bandwidths"``: the estimate by bandwidth."""
        return ("threshold", "bandwidths")

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        if kind == "bandwidths":
            t = self.table
            line = Line("robust estimate", t["h"], t["estimate"], "points", t["conf_low"], t["conf_high"])
            return Curves("Effect by bandwidth", f"bandwidth of {self.score}", self.unit, (line,), zero=True)
        if kind != "threshold":
            raise KeyError(kind)
        h = self.found.widths.h
        lines = []
        for sign, name, fit in zip((-1, 1), ("below", "above"), self.found.lines, strict=True):
            own = (self.x < 0) if sign < 0 else (self.x >= 0)
            own &= np.abs(self.x) <= 2 * h
            edges, place = binned(np.abs(self.x[own]), 2 * h, self.people)
            size = np.bincount(place, minlength=len(edges) - 1)
            with np.errstate(invalid="ignore"):
                mean = np.bincount(place, self.y[own], minlength=len(edges) - 1) / size
            mean[size < (MIN_CELL if self.people else 1)] = np.nan
            middle = self.cutoff + sign * (edges[:-1] + edges[1:]) / 2
            ends = np.array([0.0, sign * h])
            lines += [
                Line(f"{name}: means of bins", middle, mean, "points"),
                Line("", self.cutoff + ends, fit[0] + fit[1] * ends),
            ]
        return Curves(f"{self.outcome} at the threshold", self.score, self.outcome, tuple(lines))
