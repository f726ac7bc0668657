"""The result of `gmvcausal.iv`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.frames.params import check
from gmvcausal.observational.instrument.sets import Region
from gmvcausal.results import Audit, Result
from gmvcausal.results.curves import Curves, Line
from gmvcausal.stats.fraction import Fraction

if TYPE_CHECKING:
    import pandas as pd

Pieces = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Extra:
    """The columns of `to_frame()` that only instruments have, one entry per row."""

    kind: tuple[str, ...]
    interval: tuple[str, ...]
    df: tuple[float, ...]


def pieces_of(effect: Fraction | Region, level: float) -> Pieces:
    """The values that are not rejected, as intervals in ascending order."""
    if isinstance(effect, Region):
        return effect.accepted(level)
    found = effect.accepted(level)
    if found.gap is not None:
        return ((-math.inf, found.gap[0]), (found.gap[1], math.inf))
    return ((found.low, found.high),)


def p_of(effect: Fraction | Region, b: float) -> float:
    """P-value of the hypothesis that the effect is `b`."""
    if isinstance(effect, Region):
        return effect.p_value(b)
    from scipy import stats

    variance, df = effect.spread(b)
    gap = abs(effect.top - b * effect.bottom)
    if not variance > 0:
        return math.nan if gap == 0 else 0.0
    t = gap / math.sqrt(variance)
    return 2 * float(stats.norm.sf(t) if math.isinf(df) else stats.t.sf(t, df))


def set_words(pieces: Pieces) -> str:
    """A confidence set that is no plain interval, in words; empty where it is one."""
    if not pieces:
        return (
            "the confidence set is empty: no effect whatever is compatible with all instruments, so at least one of "
            "them acts in other ways, or their compliers differ"
        )
    ends = [end for piece in pieces for end in piece]
    told = " and ".join(_piece(low, high) for low, high in pieces)
    if len(pieces) == 1 and all(map(math.isinf, ends)):
        return "the confidence set has no end: no effect can be ruled out"
    if any(map(math.isinf, ends)):
        return f"the confidence set has no end: it holds {told}, and nothing else is ruled out"
    return f"the confidence set has several parts: {told}" if len(pieces) > 1 else ""


def _piece(low: float, high: float) -> str:
    if math.isinf(low):
        return f"all values up to {high:.4g}"
    return f"all values from {low:.4g}" if math.isinf(high) else f"{low:.4g} to {high:.4g}"


@dataclass(frozen=True, repr=False, eq=False)
class InstrumentResult(Result):
    """The effect of a treatment that an instrument moved, with its audit and what stands beside it.

    Besides the shared protocol (`estimate`, `conf_int()`, `to_frame()`, `summary()`, `audit`, ...):

    Attributes
    ----------
    checks : Audit
    extra : Extra
    effect : Fraction or Region
        The Anderson-Rubin test, value by value.
    outcome, treatment : str
    first_stage_f, effective_f, effective_f_bound : float
        F of the first stage, Montiel Olea and Pflueger's effective F, and what it must pass for a bias of at most 10 %
        of the worst case.
    tested : dict of str to list
        The columns of `tests()`.
    who : dict of str to list, or None
        The columns of `compliers()`.
    baseline : float
        Mean outcome of compliers without the treatment (binary treatment and instrument); NaN elsewhere.
    advice : tuple of str
        What the summary adds to the finding.
    assigned : int or None
        Units in the arm of the one instrument with two arms (0/1 treatment).
    meta : mapping
        What `Logs` wrote beside the table.
    """

    checks: Audit
    extra: Extra
    effect: Fraction | Region
    outcome: str
    treatment: str
    first_stage_f: float
    effective_f: float
    effective_f_bound: float
    tested: dict[str, list[Any]] = field(repr=False)
    who: dict[str, list[Any]] | None = field(default=None, repr=False)
    baseline: float = math.nan
    advice: tuple[str, ...] = ()
    assigned: int | None = None
    meta: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def audit(self) -> Audit:
        """The checks that bear on the assumption."""
        return self.checks

    @property
    def baseline_words(self) -> str:
        """Whose the baseline is."""
        return "that compliers have without it"

    def _about_row(self, place: int) -> dict[str, Any]:
        if place:
            return {}
        endless = any(math.isinf(end) for piece in self.confidence_set() for end in piece)
        # With no end in sight nothing could have been seen, whatever the standard error says.
        return {"baseline": self.baseline} | ({"detectable_errors": math.inf} if endless else {})

    def _extra_columns(self) -> dict[str, Any]:
        return {name: list(getattr(self.extra, name)) for name in ("kind", "interval", "df")}

    def confidence_set(self, level: float | None = None) -> Pieces:
        """The whole Anderson-Rubin set: the values of the effect that are not rejected.

        Parameters
        ----------
        level : float, optional
            Default ``1 - alpha`` of the call.

        Returns
        -------
        tuple of (low, high)
            One interval as a rule; with a weak instrument the whole line or two rays with infinite ends, with several
            instruments also several intervals, or none at all.
        """
        return pieces_of(self.effect, 1 - self.alpha if level is None else check("level", level))

    def tests(self) -> pd.DataFrame:
        """First stage, endogeneity, over-identification and no effect.

        Returns
        -------
        DataFrame
            test, what (is tested), statistic, df, p_value. The effective F has no p-value; its bound stands in `what`.
        """
        import pandas as pd

        return pd.DataFrame(self.tested)

    def compliers(self) -> pd.DataFrame:
        """Who receives because assigned: means of covariates among compliers beside everybody's (Abadie 2003).

        Returns
        -------
        DataFrame
            covariate, everybody, compliers, std_error (of compliers), ratio. Weights take assignment as a lot with one
            chance for all. Where rows are people, without the numbers of a flag or level that fewer than ten
            have or have not of those who received, or did not, on a side of the lot, and of a number of at most four
            values of which one is as rare.

        Raises
        ------
        InputError
            No covariates, or treatment or instrument are not 0/1.
        """
        import pandas as pd

        from gmvcausal.errors import InputError

        if self.who is None:
            raise InputError(
                "compliers are described by covariates, for a 0/1 treatment and one instrument of two arms",
                remedy="pass covariates=",
            )
        return pd.DataFrame(self.who)

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """`p_values`: the Anderson-Rubin p-value of every effect."""
        return ("p_values",)

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        if kind not in self.curve_kinds:
            raise KeyError(kind)
        e = self.estimates
        ends = [end for piece in self.confidence_set(0.99) for end in piece if math.isfinite(end)]
        spread = float(e.std_error[0])
        reach = 4 * spread if spread > 0 else max(abs(self.estimate), 1.0)
        low, high = min([*ends, self.estimate - reach]), max([*ends, self.estimate + reach])
        x = np.linspace(low, high, 401)
        p = np.array([p_of(self.effect, float(b)) for b in x])
        lines = (
            Line("p-value", x, p),
            Line(f"{self.alpha:g}: values above are in the set", x[[0, -1]], np.full(2, self.alpha), "dashed"),
            Line("estimate", np.array([self.estimate, self.estimate]), np.array([0.0, 1.0]), "dotted"),
        )
        return Curves("Anderson-Rubin test of every effect", f"effect, {self.unit}", "p-value", lines)
