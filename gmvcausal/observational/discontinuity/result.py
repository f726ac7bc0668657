"""The result of `gmvcausal.threshold`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.observational.discontinuity.checks import Placebos
from gmvcausal.observational.discontinuity.density import Density
from gmvcausal.observational.discontinuity.jump import Jump
from gmvcausal.observational.discontinuity.local import FloatArray
from gmvcausal.results import Audit, Result
from gmvcausal.results.curves import Curves, Line

if TYPE_CHECKING:
    import pandas as pd

_BINS = 20


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

    @property
    def audit(self) -> Audit:
        """The checks on the rule and on the rows near it."""
        return self.checks

    @property
    def everybody(self) -> str:
        """Whom the finding rests on."""
        return f"{sum(self.found.inside):,} rows within the bandwidth, of {len(self.x):,}"

    def _extra_columns(self) -> dict[str, Any]:
        w, (below, above) = self.found.widths, self.found.inside
        return {"h": w.h, "b": w.b, "n_below": below, "n_above": above}

    def bandwidths(self) -> pd.DataFrame:
        """The robust estimate at .5, .75, 1, 1.5 and 2 times the bandwidth.

        Returns
        -------
        DataFrame
            multiple, h, b, estimate, std_error, conf_low, conf_high, n_below, n_above; a bandwidth with too few
            distinct scores is left out.
        """
        import pandas as pd

        return pd.DataFrame(self.table).astype({"n_below": int, "n_above": int})

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
            place = np.minimum((np.abs(self.x[own]) / (2 * h) * _BINS).astype(int), _BINS - 1)
            size = np.bincount(place, minlength=_BINS)
            with np.errstate(invalid="ignore"):
                mean = np.bincount(place, self.y[own], minlength=_BINS) / size
            middle = self.cutoff + sign * (np.arange(_BINS) + 0.5) * 2 * h / _BINS
            ends = np.array([0.0, sign * h])
            lines += [
                Line(f"{name}: means of bins", middle, mean, "points"),
                Line("", self.cutoff + ends, fit[0] + fit[1] * ends),
            ]
        return Curves(f"{self.outcome} at the threshold", self.score, self.outcome, tuple(lines))
