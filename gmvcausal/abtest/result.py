"""The result of `gmvcausal.ab_test`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gmvcausal.abtest.days.methods import ByDay
from gmvcausal.abtest.terms.compare import errors_to_find
from gmvcausal.abtest.terms.guardrails import Guardrail
from gmvcausal.errors import InputError
from gmvcausal.results import Audit
from gmvcausal.results.curves import Curves

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.abtest.days.days import Days
    from gmvcausal.abtest.segments.result import SegmentResult
    from gmvcausal.abtest.segments.segments import Origin
    from gmvcausal.results.moderated import Moderated


@dataclass(frozen=True)
class Extra:
    """The columns of `to_frame()` that only tests have, one entry per row; those from `caps` on are not printed.

    `caps` says what was capped and where (empty for an uncapped row), `factor` which factor of GMV a row in log points
    is (empty for other rows), `kind` what metric it is, `units` how many units its arm has, and `unsafe` whether a few
    large values decide its interval.
    """

    metric: tuple[str, ...]
    arm: tuple[Any, ...]
    control: tuple[Any, ...]
    relative: tuple[float, ...]
    relative_low: tuple[float, ...]
    relative_high: tuple[float, ...]
    capped_share: tuple[float, ...]
    variance_reduction: tuple[float, ...]
    value: tuple[float, ...]
    control_value: tuple[float, ...]
    df: tuple[float, ...]
    caps: tuple[str, ...]
    factor: tuple[str, ...]
    kind: tuple[str, ...]
    units: tuple[int, ...]
    unsafe: tuple[bool, ...]


@dataclass(frozen=True, repr=False, eq=False)
class AbResult(ByDay):
    """A randomised test: every metric in every arm against the control, with its audit.

    Besides the shared protocol (`estimate`, `conf_int()`, `to_frame()`, `summary()`, `audit`, ...):

    Attributes
    ----------
    advice : tuple of str
        How the rows are to be read: which of the capped and the uncapped row, what adjustment gained, what is missing.
    baseline : float
        The first row's value in the control arm: what the effect is a percentage of.
    speaks : int
        Row that the finding is about: the first, or, where the audit says that its uncapped interval is not to be
        relied on, the capped row beside it. The scalar attributes are those of the first row in any case.
    alike : tuple of int
        Rows that say of the other arms what the row of the finding says of its own.
    meta : mapping
        What `Logs` wrote beside the table.
    """

    checks: Audit
    extra: Extra
    advice: tuple[str, ...]
    speaks: int = 0
    alike: tuple[int, ...] = ()
    guarded: tuple[Guardrail, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    clusters: str = ""
    days: Days | None = None
    origin: Origin | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "origin": None}  # a pickled result does not carry the users' data along

    def by(
        self, segment: str, adjust: str | None = "holm", *, test: str = "welch", reps: int = 500, seed: int = 0,
        progress: bool = True,
    ) -> SegmentResult:  # fmt: skip
        """The test level by level of a segment, and the test that the effects are equal in all levels.

        The data are read again, and refused if they no longer give this result.

        Parameters
        ----------
        segment : str
            Column that was fixed before assignment: tier, city, new or old. The audit fails where its levels have
            different shares in the arms. Rows without a level are refused.
        adjust : {"holm", "bh", None}
            For the number of levels, metric by metric and arm by arm; default Holm's method.
        test : {"welch", "permutation"}
            Of equal effects. "permutation" deals the levels out anew among units (clusters) of one arm, and counts how
            often effects differ as much: Fisher's permutation test between groups (费舍尔组合检验), which takes no
            distribution for granted. Welch's statistic in both.
        reps : int
            Deals; default 500, at least 99.
        seed : int
        progress : bool
            Whether a bar is shown where the deals take more than two seconds.

        Returns
        -------
        SegmentResult
            One row for the whole and one for each level; `interaction()` has the tests of equal effects. A level with
            fewer than 10 units in an arm (or too few clusters) is listed with the reason, not estimated.

        Raises
        ------
        InputError
            No such column, missing levels, one level or more than 50, data that have changed since.
        DesignError
            No level can be estimated.

        References
        ----------
        Welch (1951), Biometrika 38; Chung and Romano (2013), Annals of Statistics 41 (the statistic of deals).

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> users = pd.DataFrame({"arm": [0, 1] * 200, "tier": ["new", "new", "old", "old"] * 100})
        >>> users["gmv"] = [u % 7 + 2 * (u % 4 == 3) for u in range(400)]
        >>> found = gc.ab_test(users, metrics=["gmv"]).by("tier")
        >>> found.to_frame()["level"].tolist(), bool(found.interaction()["p_value"][0] < 0.001)
        (['all', 'new', 'old'], True)
        """
        from gmvcausal.abtest.segments.segments import segmented
        from gmvcausal.results.by_level import Test

        return segmented(self, segment, adjust, Test.checked(test, reps, seed, progress))

    def moderation(self, by: str, *, metric: str | None = None, arm: Any = None) -> Moderated:
        """The effect along a number that was known before the test: does it grow with it, and where is it seen?

        Parameters
        ----------
        by : str
            Column of numbers fixed before assignment: spend of the months before, age of the account. Taken as it is
            and centred at its mean. For a column of groups, `by()`.
        metric : str, optional
            Column of a `Mean` or `Proportion` of this test; default the first.
        arm : scalar, optional
            Which arm, where there are several beside the control.

        Returns
        -------
        Moderated
            Effect at the mean, its change with one more of `by`, effect one standard deviation to either side;
            `effects()` (with a simultaneous band), `region()` (Johnson and Neyman), ``plot("moderation")``.

        Raises
        ------
        InputError
            No such column, text, missing values; an outcome of the test; data that have changed since.
        DesignError
            The column does not vary in an arm; too few units or clusters.

        Notes
        -----
        Least squares of the outcome on arm, centred moderator and their product (Lin 2013), HC2 errors, with clusters
        CR2. The audit fails where the moderator differs between the arms: what the tactic has moved cannot moderate it.

        References
        ----------
        Lin (2013), Annals of Applied Statistics 7; Esarey and Sumner (2018), Comparative Political Studies 51.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> users = pd.DataFrame({"arm": [0, 1] * 200, "gmv_pre": [u // 2 % 10 for u in range(400)]})
        >>> users["gmv"] = users["gmv_pre"] + 3.0 + users["arm"] * 0.5 * users["gmv_pre"] + [u % 7 for u in range(400)]
        >>> found = gc.ab_test(users, metrics=["gmv"]).moderation("gmv_pre")
        >>> round(found.slope, 1), bool(found.slope_p < 0.001)
        (0.5, True)
        """
        from gmvcausal.abtest.segments.moderation import moderation

        return moderation(self, by, metric, arm)

    @property
    def spoken(self) -> int:
        """The first row; its capped neighbour where the uncapped interval is not to be relied on."""
        return self.speaks

    @property
    def everybody(self) -> str:
        """Units of all arms, where the finding is about one arm of several; empty elsewhere."""
        e, n = self.extra, self.estimates.n[0]
        if not self.alike or n is None:
            return ""
        treated = dict(zip(e.arm, e.units, strict=True))
        every = sum(treated.values()) + n - e.units[0]
        return f"{every:,} units in all arms; {self.told.n:,} of arm {e.arm[self.speaks]} and of {e.control[0]}"

    def _about_row(self, place: int) -> dict[str, Any]:
        e = self.extra
        whose = f"in arm {e.arm[place]}" if len(set(e.arm)) > 1 else ""
        about: dict[str, Any] = {"qualifier": ", ".join(text for text in (whose, e.caps[place]) if text)}
        about |= errors_to_find(self.estimates, place, self.alpha)
        if e.factor[place]:  # a share of a logarithm means nothing
            return about | {"lift": e.relative[place]}
        return about | {"baseline": e.control_value[place]}

    @property
    def audit(self) -> Audit:
        """The checks that bear on the assumption."""
        return self.checks

    @property
    def baseline(self) -> float:
        """The first row's value in the control arm."""
        return self.extra.control_value[0]

    @property
    def baseline_words(self) -> str:
        """Whose the baseline is."""
        return "of the control arm"

    def _extra_columns(self) -> dict[str, Any]:
        e = self.extra
        return {
            "metric": list(e.metric),
            "arm": list(e.arm),
            "control": list(e.control),
            "relative": list(e.relative),
            "relative_low": list(e.relative_low),
            "relative_high": list(e.relative_high),
            "capped_share": list(e.capped_share),
            "variance_reduction": list(e.variance_reduction),
            "value": list(e.value),
            "control_value": list(e.control_value),
            "df": list(e.df),
        }

    def guardrails(self) -> pd.DataFrame:
        """The guardrails: how far each metric may have got worse, and whether that is within its margin.

        The conclusion rule is that a gain counts only if every guardrail of its arm holds. All must hold, so each is
        tested at alpha itself: the chance that a tactic which breaks any of them passes is at most alpha
        (intersection-union; Schultzberg, Ankargren and Frånberg 2024). What many guardrails cost is power. Where a
        capped row stands beside, the first row of a metric decides, or the capped one where the uncapped interval is
        not to be relied on.

        Returns
        -------
        DataFrame
            metric, estimand, arm, margin, relative, bound (one-sided limit of the relative effect at alpha), p_value
            (of the hypothesis that the harm reaches the margin), status: "holds", "not shown", or "harmed", where the
            opposite test at alpha shows that the harm exceeds the margin.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> users = pd.DataFrame({"arm": [0, 1] * 200, "gmv": [u % 10 for u in range(400)]})
        >>> r = gc.ab_test(users, metrics=["gmv"], guardrails={"gmv": -0.5})
        >>> r.guardrails()["status"].tolist()
        ['holds']
        """
        import pandas as pd

        names = ["metric", "estimand", "arm", "margin", "relative", "bound", "p_value", "status"]
        return pd.DataFrame([[getattr(g, n) for n in names] for g in self.guarded], columns=names)

    def contributions(self) -> pd.DataFrame:
        """What the lift of GMV is made of: every `Gmv` metric's total and its factors, arm by arm.

        Returns
        -------
        DataFrame
            metric, arm, factor, estimate (log points; the factors of an arm add up to its total), conf_low, conf_high,
            lift (the same as a share: exp(estimate) - 1). Empty without a `Gmv` metric.
        """
        import numpy as np

        frame = self.to_frame().assign(factor=list(self.extra.factor))
        frame = frame[frame["factor"] != ""].reset_index(drop=True)
        frame = frame[["metric", "arm", "factor", "estimate", "conf_low", "conf_high"]]
        return frame.assign(lift=np.expm1(frame["estimate"].to_numpy(float)))

    def arms(self) -> pd.DataFrame:
        """The metrics arm by arm: metric, arm, value; capped metrics carry their cap in the estimand.

        Returns
        -------
        DataFrame
            metric, estimand, arm, value; the control's value is given once per row it is compared in.
        """
        import pandas as pd

        frame = self.to_frame()
        treated = frame[["metric", "estimand", "arm", "value"]]
        control = frame[["metric", "estimand", "control", "control_value"]].set_axis(treated.columns, axis=1)
        return pd.concat([control, treated], ignore_index=True)

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """The daily figure, for a test with `time=`."""
        return ("daily",) if self.days is not None and not self.clusters else ()

    def curves(self, kind: str) -> Curves:
        """``"daily"``: the first metric's effect by day and up to each day."""
        if kind not in self.curve_kinds:
            return super().curves(kind)
        from gmvcausal.abtest.days.tables import daily_curves

        return daily_curves(self._days("plot"), self.clusters, self.alpha, self.unit)

    def _days(self, what: str) -> Days:
        if self.days is None and self.manifest.options.get("washout") is not None:
            raise InputError(
                f"{what}() follows units over the days, and in a switchback blocks of time were drawn, not units",
                remedy="read the effect over all blocks; the check carry_over tells their first half from the second",
            )
        if self.days is None:
            raise InputError(
                f"{what}() needs the days of the test, and ab_test was called without time=",
                remedy="call ab_test on a table of units by day with time=, for example of Logs.panel(unit='user')",
            )
        return self.days
