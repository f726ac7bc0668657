"""The result of `gmvcausal.mediate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check, one_of
from gmvcausal.mechanism.pathways.moderation import Moderation
from gmvcausal.mechanism.pathways.rho import Sensitivity
from gmvcausal.mechanism.pathways.steps import Regression, ThreeSteps, three_steps
from gmvcausal.results import Audit, Result
from gmvcausal.results.curves import Curves, Line

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ways:
    """What stands beside each row of a mediation.

    Attributes
    ----------
    share, low, high : ndarray, shape (rows,)
        Of the total, with its interval; NaN where the total may be zero.
    boot : ndarray, shape (rows,)
        Standard deviation of the draws; NaN without draws.
    """

    share: FloatArray
    low: FloatArray
    high: FloatArray
    boot: FloatArray


@dataclass(frozen=True, repr=False, eq=False)
class MediationResult(Result):
    """An effect, and by way of what it comes about.

    Rows of `to_frame()`: ``total``, ``direct``, and ``indirect:<mediator>`` for each; direct and indirect add up to the
    total. Further columns: ``share`` (of the total, with ``share_low`` and ``share_high``; NaN where the total may be
    zero) and ``boot_error`` (standard deviation of the bootstrap draws, beside the analytic ``std_error``).

    Attributes
    ----------
    checks : Audit
    ways : Ways
    mediators : tuple of str
    outcome, treatment : str
    split : str
    every : Mapping of str to list
        The columns of `versions()`.
    found : Sensitivity
    regressions : tuple of Regression
        Of the three steps.
    settings : mapping
        What their table needs to know.
    moderated : Moderation or None
    baseline : float
        Mean outcome of the control arm.
    baseline_words : str
    advice : tuple of str
        By which way the effect came, in words.
    """

    checks: Audit
    ways: Ways
    mediators: tuple[str, ...]
    outcome: str
    treatment: str
    split: str
    every: Mapping[str, list[Any]] = field(repr=False)
    found: Sensitivity = field(repr=False)
    regressions: tuple[Regression, ...] = field(repr=False)
    settings: Mapping[str, Any] = field(repr=False)
    moderated: Moderation | None
    baseline: float
    baseline_words: str
    advice: tuple[str, ...] = ()

    @property
    def audit(self) -> Audit:
        """The checks on treatment, mediators and outcome."""
        return self.checks

    def _about_row(self, place: int) -> dict[str, Any]:
        if place == 0:
            return {"baseline": self.baseline}
        name = self.estimates.term[place]
        by = f"by way of {name.removeprefix('indirect:')}" if place > 1 else "by none of the mediators"
        return {"qualifier": by}

    def _extra_columns(self) -> dict[str, Any]:
        w = self.ways
        return {"share": w.share, "share_low": w.low, "share_high": w.high, "boot_error": w.boot}

    def versions(self) -> pd.DataFrame:
        """Pure, total and mean natural effects: which way the interaction of treatment and mediators is counted.

        Returns
        -------
        DataFrame
            term, version ("pure", "total", "average", "total less pure"), estimate, std_error, conf_low, conf_high,
            meaning. Pure direct and total indirect effects add up to the total, so do total direct and pure indirect
            ones, and the means of both; total less pure is what the interaction makes.
        """
        import pandas as pd

        return pd.DataFrame({name: list(values) for name, values in self.every.items()})

    def sensitivity(self) -> Sensitivity:
        """Indirect effects if something unseen moved mediator and outcome: the rho curve of each mediator.

        Returns
        -------
        Sensitivity
            `sentences()`, `to_frame()` (the curve), `crossings()` (where each effect is zero, with its interval),
            `figures()`.

        References
        ----------
        Imai, Keele and Yamamoto (2010), Statistical Science 25.
        """
        return self.found

    def three_steps(self, *, style: str = "journal", language: str | None = None, errors: str = "robust") -> ThreeSteps:
        """The three-step table (causal steps) that many theses print, with its known faults beneath.

        Parameters
        ----------
        style : {"journal", "cn"}
            Stars at 5, 1 and 0.1 %, or at 10, 5 and 1 %.
        language : {"en", "zh"}, optional
            Of labels and notes. Default English for ``journal`` and Chinese for ``cn``, as of `gc.table`.
        errors : {"robust", "unadjusted"}
            Heteroskedasticity-robust (or clustered) standard errors, or those of equal variances.

        Returns
        -------
        ThreeSteps
            ``to_html``, ``to_latex``, ``to_docx``, ``to_csv``, ``to_frame``; prints as text.

        References
        ----------
        Baron and Kenny (1986), Journal of Personality and Social Psychology 51; Sobel (1982), Sociological Methodology
        13; MacKinnon, Lockwood and Williams (2004), Multivariate Behavioral Research 39; Wen and Ye (2014), Advances in
        Psychological Science 22.
        """
        check("style", style)
        language = ("zh" if style == "cn" else "en") if language is None else check("language", language)
        one_of("errors", errors, ("robust", "unadjusted"))
        told = self.settings
        steps = three_steps(self.regressions, self.mediators, self.alpha, told["seed"], errors)
        covariates = bool(told["covariates"])
        return ThreeSteps(self.regressions, steps, covariates, told["fixed"], told["cluster"], style, language, errors)

    def moderation(self) -> Moderation:
        """Whether the effect differs with the moderator: interaction, simple slopes, region, indirect effects.

        Returns
        -------
        Moderation

        Raises
        ------
        InputError
            The call had no `moderator=`.

        References
        ----------
        Johnson and Neyman (1936); Bauer and Curran (2005), Multivariate Behavioral Research 40; Hayes (2015),
        Multivariate Behavioral Research 50.
        """
        if self.moderated is None:
            raise InputError(
                "no moderator was named", remedy="call gc.mediate(..., moderator='city') with something known before"
            )
        return self.moderated

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """`paths`: total, direct and indirect effects; `rho`: the rho curve; `moderation`: the effect by moderator."""
        return ("paths", "rho", *(("moderation",) if self.moderated is not None else ()))

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        if kind == "rho":
            return self.found.figures()[0]
        if kind == "moderation" and self.moderated is not None:
            return self.moderated.figures()[0]
        if kind != "paths":
            raise KeyError(kind)
        low, high = self.estimates.interval(1 - self.alpha)
        x = np.arange(len(low), dtype=float)
        line = Line("effect", x, self.estimates.estimate, "points", low, high)
        names = tuple(t.removeprefix("indirect:") for t in self.estimates.term)
        return Curves(
            "By way of what the effect comes about", "way", f"effect, {self.unit}", (line,), True, False, names
        )
