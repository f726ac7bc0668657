"""The Result protocol: the same names on the result of every verb."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmvcausal.frames.params import check
from gmvcausal.results.audit import Audit
from gmvcausal.results.curves import Curves
from gmvcausal.results.estimates import Estimates
from gmvcausal.results.exports import Exports
from gmvcausal.results.for_maketables import ReadByMaketables
from gmvcausal.results.manifest import Manifest
from gmvcausal.results.row import Row
from gmvcausal.stats.inference import power_factor

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from gmvcausal.money import MoneyResult
    from gmvcausal.present.table import Table

COMMON_COLUMNS = (
    "term",
    "estimand",
    "unit",
    "estimate",
    "std_error",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
    "n",
)


# Results are compared by identity: comparing the arrays inside them has no single answer.
@dataclass(frozen=True, eq=False)
class Result(ReadByMaketables, Exports):
    """An estimate that carries its audit and its manifest.

    The scalar attributes are those of the first row of `to_frame()`, whichever row sentences speak of (`spoken`).

    Attributes
    ----------
    title : str
        What was done, in a few words.
    assumption : str
        The identifying assumption, in words.
    estimates : Estimates
    manifest : Manifest
    alpha : float
        One minus the default confidence level.
    """

    title: str
    assumption: str
    estimates: Estimates
    manifest: Manifest
    alpha: float

    @property
    @abstractmethod
    def audit(self) -> Audit:
        """The checks that bear on the assumption; every verb has its own, so that no result passes unexamined."""

    @property
    def spoken(self) -> int:
        """Position of the row that sentences, verdicts and pages speak of: the first, as a rule."""
        return 0

    @property
    def opening(self) -> tuple[str, tuple[str, ...]]:
        """Label and sentences that a summary prints before the finding; none as a rule."""
        return "", ()

    @property
    def described(self) -> tuple[str, ...]:
        """What a result says that describes and estimates no effect, a sentence each; empty for an effect."""
        return ()

    @property
    def told(self) -> Row:
        """The row that sentences speak of."""
        return self.row(self.spoken)

    def row(self, place: int) -> Row:
        """The row at `place`, with its interval at the level of the call."""
        e, t, options = self.estimates, self.estimates.t, self.manifest.options
        low, high = e.interval(1 - self.alpha)
        alternative = str(options.get("alternative", "two-sided"))
        tail = self.alpha if alternative == "two-sided" else 2 * self.alpha
        return Row(
            place,
            e.term[place],
            e.estimand[place],
            e.unit[place],
            float(e.estimate[place]),
            float(e.std_error[place]),
            float(e.p_value[place]),
            float(low[place]),
            float(high[place]),
            e.n[place],
            self.alpha,
            alternative=alternative,
            adjusted=options.get("adjust") is not None,
            **{"detectable_errors": power_factor(1 - tail, float(t.df[place])) * float(t.factor[place])}
            | self._about_row(place),
        )

    def _about_row(self, place: int) -> dict[str, Any]:
        """What the verb knows of a row beyond its estimate: `baseline`, `lift`, `qualifier`, ... of `Row`."""
        return {"baseline": float(getattr(self, "baseline", math.nan))} if place == 0 else {}

    @property
    def estimate(self) -> float:
        """The headline estimate, in `unit`."""
        return float(self.estimates.estimate[0])

    @property
    def std_error(self) -> float:
        """Its standard error; NaN where it is withheld (the summary says why)."""
        return float(self.estimates.std_error[0])

    @property
    def p_value(self) -> float:
        """Two-sided p-value against zero."""
        return float(self.estimates.p_value[0])

    @property
    def estimand(self) -> str:
        """What is estimated."""
        return self.estimates.estimand[0]

    @property
    def unit(self) -> str:
        """Unit of measurement of the estimate."""
        return self.estimates.unit[0]

    @property
    def n(self) -> int | None:
        """Number of units behind the headline; None where it is not known."""
        return self.estimates.n[0]

    @property
    def detectable_errors(self) -> float:
        """Standard errors that an effect must have to be found with 80 % power at `alpha`: about 2.8 at 5 %."""
        return self.row(0).detectable_errors

    @property
    def detectable(self) -> float:
        """The smallest effect that could have been found with 80 % power at `alpha`."""
        return self.row(0).detectable

    def conf_int(self, level: float | None = None) -> tuple[float, float]:
        """Confidence interval of the headline.

        Parameters
        ----------
        level : float, optional
            Default ``1 - alpha`` of the call (.95 unless changed).

        Returns
        -------
        low, high : float
            NaN where the interval is withheld.
        """
        low, high = self.estimates.interval(1 - self.alpha if level is None else check("level", level))
        return float(low[0]), float(high[0])

    def to_frame(self) -> pd.DataFrame:
        """All terms; the first ten columns are the same for every verb."""
        import numpy as np
        import pandas as pd

        e = self.estimates
        low, high = e.interval(1 - self.alpha)
        se = e.std_error
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = np.where(se > 0, e.estimate / se, np.nan)
        values = (e.term, e.estimand, e.unit, e.estimate, se, statistic, e.p_value, low, high, e.n)
        return pd.DataFrame({**dict(zip(COMMON_COLUMNS, values, strict=True)), **self._extra_columns()})

    def _extra_columns(self) -> dict[str, Any]:
        """The verb's own columns, after the common ones."""
        return {}

    def summary(self, *, language: str = "en", labels: Mapping[str, str] | None = None) -> str:
        """Headline or refusal, the estimates, the audit and what happened to the data, as text.

        `language` is ``"en"`` or ``"zh"``; `labels` maps names in the data to the names to print.
        """
        from gmvcausal.present import text

        return text.summary(self, language=language, labels=labels)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        from gmvcausal.present import tables

        return tables.html_block(self)

    def _as_table(self, language: str = "en") -> Table:
        from gmvcausal.present import tables

        return tables.estimates_table(self)

    def incremental_gmv(
        self,
        *,
        cost: Any = 0.0,
        cost_is: str | None = None,
        margin: float = 1.0,
        refunds: float = 0.0,
        gmv_is: str | None = None,
        metric: str | None = None,
        arm: Any = None,
    ) -> MoneyResult:
        """Total GMV caused, less refunds and cost: profit and return.

        What the total is over depends on the design (treated unit-periods, units of the arm, compliers, ...) and stands
        in the result; `gmvcausal.money.incremental_gmv` has the parameters and says which designs have none.

        Raises
        ------
        InputError, DesignError
            The effect has no total; a discount counted twice; a cost of unknown kind.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> users = pd.DataFrame({"arm": [0, 1] * 200, "gmv": [u % 10 + 2 * (u % 2) for u in range(400)]})
        >>> money = gc.ab_test(users, metrics="gmv").incremental_gmv(
        ...     cost=100, cost_is="other", gmv_is="paid", margin=0.5)
        >>> [round(x, 6) for x in money.to_frame()["estimate"]]
        [600.0, 0.0, 100.0, 200.0, 2.0]
        """
        from gmvcausal.money import incremental_gmv

        return incremental_gmv(
            self, cost=cost, cost_is=cost_is, margin=margin, refunds=refunds, gmv_is=gmv_is, metric=metric, arm=arm
        )

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """Figures that the result says in numbers itself, by `curves`; offered before the others."""
        return ()

    def curves(self, kind: str) -> Curves:
        """The figure `kind`, one of `curve_kinds`, in numbers."""
        raise KeyError(kind)

    def plot(self, kind: str | None = None, *, language: str = "en", labels: Mapping[str, str] | None = None) -> Figure:
        """Draw the result; the kinds on offer depend on the verb (an unknown kind lists them).

        `language` is ``"en"`` or ``"zh"``; `labels` maps names in the data to the names to print.
        """
        from gmvcausal.present import figures

        return figures.plot(self, kind, language=language, labels=labels)
