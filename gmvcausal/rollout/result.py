"""The result of `gmvcausal.did`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.results import Audit, Estimates, Manifest
from gmvcausal.rollout.audit.case import Case, subset
from gmvcausal.rollout.audit.checks import run_audit
from gmvcausal.rollout.audit.of_trend import lead_slope
from gmvcausal.rollout.effect_tables import EffectTables
from gmvcausal.rollout.fitted import Fitted, Options
from gmvcausal.rollout.intake.cohorts import ALWAYS
from gmvcausal.rollout.intake.naive_means import Naive, by_cohorts, naive_means
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.intake.summed import refuse_rows
from gmvcausal.rollout.methods import METHODS, estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from gmvcausal.rollout.ratios.decompose import DecompositionResult
    from gmvcausal.rollout.referee.honest import SensitivityResult


@dataclass(frozen=True, eq=False)
class Origin:
    """The data of a result, for questions that need one more column of them."""

    data: Any
    unit: str | None


@dataclass(frozen=True, repr=False, eq=False)
class DidResult(EffectTables):
    """Difference-in-differences: the estimate, its event study, its audit.

    Besides the shared protocol (`estimate`, `conf_int()`, `to_frame()`, `summary()`, `audit`, ...):

    Attributes
    ----------
    naive : Naive
        The before-after and with-without means that a careless reading would report.
    baseline : float
        Mean outcome of the treated units before their treatment: what the effect is a percentage of.
    """

    panel: Panel
    fitted: Fitted
    options: Options
    origin: Origin | None = None

    def __reduce__(self) -> tuple[object, ...]:
        # What was fitted holds functions; it is made again from the panel, which gives the same numbers.
        return (_again, (type(self), self.title, self.assumption, self.manifest, self.alpha, self.panel, self.options))

    @cached_property
    def audit(self) -> Audit:
        """The checks that bear on the assumption; made when first asked for."""
        return run_audit(Case(self.panel, self.fitted, self.options, self._rerun, self._event, self.naive))

    def _rerun(self, panel: Panel) -> Estimates:
        return METHODS[self.options.estimator].run(panel, self.options).estimates

    @property
    def event_base(self) -> int | None:
        """Event time of the base: -1, or earlier where effects are anticipated or that period is missing for all."""
        return None if self._event is None else self._event.reference

    @cached_property
    def lead_slope(self) -> float:
        """Slope per period of the line through the leads, as the audit draws it; NaN without leads."""
        return lead_slope(self._event)

    @cached_property
    def naive(self) -> Naive:
        """Means with and without treatment; see `Naive`."""
        panel = self.panel
        if panel.eligible is not None:
            return naive_means(subset(panel, panel.eligible), self._on()[panel.eligible])
        if panel.on is None and panel.weight is None and panel.moments is not None:
            return by_cohorts(panel, always=self.fitted.on is not None)
        return naive_means(panel, self._on())

    @property
    def everybody(self) -> str:
        """Who is behind the estimate, where it is rows of which nobody is known to be seen twice; else empty."""
        return f"{self.told.n:,} rows" if self.panel.crossed and self.told.n is not None else ""

    @property
    def baseline(self) -> float:
        """Mean outcome of the treated units before their treatment."""
        return self.naive.before

    def _on(self) -> Any:
        if self.fitted.on is not None:
            return self.fitted.on()
        start = self.panel.start[:, None]
        on = (start >= 0) & (np.arange(self.panel.y.shape[1]) >= start)
        return np.where(start == ALWAYS, np.nan, on.astype(float))

    def sensitivity(
        self,
        *,
        method: str = "relative_magnitude",
        target: str = "average",
        grid: Sequence[float] | None = None,
        alpha: float | None = None,
        sign: str | None = None,
        monotone: bool = False,
    ) -> SensitivityResult:
        """Intervals of the effect that hold if trends were not parallel, by so much at most (Rambachan and Roth 2023).

        Parameters
        ----------
        method, target, grid, sign, monotone
            See `gmvcausal.honest_did`.
        alpha : float, optional
            Default: that of the call.

        Returns
        -------
        SensitivityResult

        Raises
        ------
        DesignError
            No event study with an interval before and after the start.
        """
        from gmvcausal.rollout.referee.sensitivity import sensitivity

        return sensitivity(self, method=method, target=target, grid=grid, alpha=alpha, sign=sign, monotone=monotone)

    def pre_trend_power(self, powers: Sequence[float] | float = (0.5, 0.8)) -> pd.DataFrame:
        """Straight drifts that the test of the leads finds with stated power, and what they do if they stay unseen.

        Parameters
        ----------
        powers : sequence of float, or float
            Default .5 and .8: a drift that the test finds in half of all samples is one that a passed test says little
            about.

        Returns
        -------
        DataFrame
            power; slope (per period); bias (what the drift adds to the effect); bias_if_passed (the same among samples
            that pass the test at 5 %, where it is often larger); effect (the mean effect after the start, to compare).

        Raises
        ------
        DesignError
            No leads, or leads without intervals.

        References
        ----------
        Roth (2022), American Economic Review: Insights 4.
        """
        from gmvcausal.rollout.referee.sensitivity import pre_trend_power

        return pre_trend_power(self, powers)

    def decompose(self, *, orders: str = "orders", buyers: str = "buyers") -> DecompositionResult:
        """The effect split into buyers, orders per buyer and GMV per order; the parts add up (``estimator="poisson"``).

        Parameters
        ----------
        orders, buyers : str
            Columns of the same data: orders per unit-period, and buyers (0 or 1 where the unit is a user).

        Returns
        -------
        DecompositionResult
            The total and its parts in money (Shapley's values of every cell's product), then in log points; joint
            covariance by the delta method; ``plot("waterfall")``.

        Raises
        ------
        InputError
            Another estimator; a column that is missing, below 0, or does not fit the others (orders without buyers).
        """
        from gmvcausal.rollout.ratios.decompose import decompose

        return decompose(self, orders, buyers)

    def known_origin(self) -> Origin:
        """The data, for one more column of them.

        Raises
        ------
        InputError
            The result was pickled and does not hold its data any more, or of its panel only sums are held.
        """
        if self.panel.summed is not None:
            refuse_rows()
        if self.origin is None:
            raise InputError(
                "this result does not hold its data any more (it was pickled)", remedy="call did again, then ask"
            )
        return self.origin

    @classmethod
    def made(
        cls, title: str, assumption: str, manifest: Manifest, alpha: float, panel: Panel, options: Options
    ) -> DidResult:
        """The result of a panel that was read."""
        return _again(cls, title, assumption, manifest, alpha, panel, options)

    def cluster_influence(self, total: bool = False) -> Any:
        """Influence of every cluster, shape (clusters,): sums of squares give the variance.

        Of the headline, or with `total` of the effect that money adds up: the mean over treated unit-periods as they
        were seen, which holds the spillover where there is one.
        """
        found = self.fitted
        if not total or not found.per_cell:
            by_row = found.influence()
        elif found.spillover is not None:
            by_row = found.spillover.influence()
        elif found.of_total is not None:
            by_row = found.of_total()
        else:
            assert found.effects is not None and found.rows is not None  # further terms are made of these
            by_row = found.effects.influence(found.rows[found.per_cell])
        return np.bincount(self.panel.cluster, by_row, minlength=self.panel.n_clusters)


def _again(
    kind: type[DidResult],
    title: str,
    assumption: str,
    manifest: Manifest,
    alpha: float,
    panel: Panel,
    options: Options,
) -> DidResult:
    fitted = estimate(panel, options)
    return kind(title, assumption, fitted.estimates, manifest, alpha, panel, fitted, options)
