"""Tables of a result of `did`: by event time, cohort, period, cell and campaign."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.params import one_of
from gmvcausal.rollout.displaced.methods import Displacing
from gmvcausal.rollout.fitted import Fitted, IntArray, Options, Series
from gmvcausal.rollout.group_time.cells import Cells
from gmvcausal.rollout.intake.cohorts import ALWAYS, UNTREATED
from gmvcausal.rollout.intake.outcome import mean_path
from gmvcausal.rollout.intake.panel import Panel
from gmvcausal.rollout.intake.summed import Summed
from gmvcausal.rollout.small_groups import hidden_starts, without_small, without_small_stacks
from gmvcausal.stats.inference import band as joint_values
from gmvcausal.stats.inference import critical_values, root_of_diagonal, sidak, sup_t

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.results.curves import Curves


class EffectTables(Displacing):
    """The tables of a `DidResult`."""

    panel: Panel
    fitted: Fitted
    options: Options

    @cached_property
    def _event(self) -> Series | None:
        return self.fitted.event()

    @property
    def event_series(self) -> Series | None:
        """The event study with its joint covariance; None where there is none."""
        return self._event

    def event_study(self, of: str = "treated") -> pd.DataFrame:
        """Effects by event time, on the universal base (the last period before treatment and anticipation).

        ``imputation``, ``two_stage`` and ``etwfe`` measure effects from all periods before the start; their leads, on
        the universal base, are a regression of the untreated rows alone.

        Parameters
        ----------
        of : {"treated", "exposed"}
            Whose: with ``exposed=`` or ``edges=`` also that of units which others' treatment reached, by periods since
            it first did.

        Returns
        -------
        DataFrame
            event_time, estimate, std_error, conf_low, conf_high (pointwise), band_low, band_high (simultaneous unless
            ``bands="pointwise"``), n (treated units seen behind it). The base has estimate 0 and no interval.
            Of people, rows on fewer than ten are missing, and each n from which the size of so small a cohort follows.

        Raises
        ------
        InputError
            Where the treatment switches off and on, so that there is no single event time; where no exposure was given.
        """
        if self._spilled(of):
            assert self.fitted.spillover is not None
            return self._event_frame(self.fitted.spillover.event())
        event = self._event
        if event is None:
            raise InputError(
                "there is no event study: the treatment switches off and on",
                remedy="use estimator='switching', stack the campaigns with Logs.stack and estimator='stacked', or "
                "give first_treated=",
            )
        return self._event_frame(event)

    def _event_frame(self, event: Series) -> pd.DataFrame:
        """Terms by event time, the base among them."""
        import pandas as pd

        frame = self._frame(event, "event_time", event.at)
        if event.reference is not None and len(event.at) and event.reference not in event.at:
            base = dict.fromkeys(frame.columns, np.nan) | {
                "event_time": event.reference,
                "estimate": 0.0,
                "n": int(event.n.max()),
            }
            frame = pd.concat([frame, pd.DataFrame([base])], ignore_index=True)
            frame = frame.sort_values("event_time", ignore_index=True).astype({"event_time": "int64", "n": "int64"})
        return without_small(frame, self.panel, np.zeros(len(frame), dtype=bool), ("event_time",))

    def _spilled(self, of: str) -> bool:
        """Whether the exposed are asked for, who must have been set apart."""
        one_of("of", of, ("treated", "exposed"))
        if of == "exposed" and self.fitted.spillover is None:
            raise InputError(
                "no unit was named as exposed to others' treatment", remedy="call did with exposed= or edges="
            )
        return of == "exposed"

    def att_gt(self, of: str = "treated") -> pd.DataFrame:
        """ATT of every cohort and period: cohort, period, event_time, estimate, std_error, intervals, bands, n.

        Where units are people, the numbers of cohorts of fewer than ten are missing, and of one more cohort with a lone
        one: the total would tell its size. (A column of units called "room" or "unit" is none of people.)

        Parameters
        ----------
        of : {"treated", "exposed"}
            As in `event_study`. Cohorts of the exposed are those first exposed together. Where treated units had been
            exposed before their start, a column ``first_exposed`` tells their cohorts apart.

        Raises
        ------
        InputError
            For estimators that have no group-time effects.
        """
        effects = self.fitted.effects
        if effects is None:
            raise InputError(
                f"estimator={self.options.estimator!r} has no group-time effects",
                remedy="use estimator='callaway_santanna'",
            )
        if self._spilled(of):
            assert self.fitted.spillover is not None
            return self._cell_frame(effects.cells.keep(~effects.cells.own), self.fitted.spillover.cells())
        return self._cell_frame(effects.cells.keep(effects.cells.own), self.fitted.series["cells"]())

    def _cell_frame(self, cells: Cells, series: Series) -> pd.DataFrame:
        labels = self.panel.grid.labels()
        frame = self._frame(series, "event_time", cells.event)
        spilled = cells.spill is not None and bool(cells.spill.all()) and cells.since is not None
        columns = cells.since if spilled and cells.since is not None else cells.starts
        frame.insert(0, "cohort", labels[columns[cells.cohort]])
        frame.insert(1, "period", labels[cells.period])
        frame = without_small(
            frame, self.panel, hidden_starts(self.panel)[columns[cells.cohort]], ("cohort", "period", "event_time")
        )
        return frame if spilled else self._told_apart(frame, cells, cells.cohort)

    def _told_apart(self, frame: pd.DataFrame, cells: Cells, cohort: IntArray) -> pd.DataFrame:
        """What tells cohorts of one period apart: which way they switched, when others' treatment reached them."""
        import pandas as pd

        if cells.kind is not None:
            frame.insert(1, "switch", np.array(cells.kind)[cohort])
        if cells.since is not None and (cells.since < cells.starts).any():
            before = (cells.since < cells.starts)[cohort]
            first = pd.Series(self.panel.grid.labels()[cells.since[cohort]]).where(before)
            frame.insert(1, "first_exposed", first)
        return frame

    def by_cohort(self) -> pd.DataFrame:
        """Mean effect of each cohort over its post periods; small cohorts of people as in `att_gt`."""
        return self._aggregate("cohort")

    def by_period(self) -> pd.DataFrame:
        """Mean effect in each calendar period over the cohorts treated by then."""
        return self._aggregate("period")

    def by_dose(self) -> pd.DataFrame:
        """Effects by dose (``estimator="dose"``): levels under parallel trends, slopes under strong parallel trends.

        Returns
        -------
        DataFrame
            dose; estimate, std_error, conf_low, conf_high (pointwise), band_low, band_high (simultaneous): ATT of those
            who got the dose; slope, slope_std_error, slope_conf_low, slope_conf_high: what one more unit of dose adds
            there, with few doses from the next lower dose of the same cohort (or none) to this one; n (treated units
            behind the effect). Doses with fewer than ten clusters, or of four degrees of freedom, have no interval.
            With more than ten doses the rows are points of a spline, from the 5th to the 95th percentile of the doses.

        Raises
        ------
        InputError
            For other estimators.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> panel = pd.DataFrame([
        ...     dict(unit=u, period=t, gmv=u + t + 0.5 * v * (t == 3), first_treated=3 if v else None, yuan=v)
        ...     for u in range(60) for t in (1, 2, 3) for v in [(0, 5, 20)[u % 3]]])
        >>> table = gc.did(panel, estimator="dose", dose="yuan").by_dose()
        >>> table[["dose", "estimate", "slope", "n"]].round(6).to_dict("list")
        {'dose': [5.0, 20.0], 'estimate': [2.5, 10.0], 'slope': [0.5, 0.5], 'n': [20, 20]}
        """
        from gmvcausal.rollout.dose.tables import by_dose

        return by_dose(self)

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """The effects by dose, where the result has them."""
        return () if self.fitted.doses is None else ("dose",)

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        from gmvcausal.rollout.dose.tables import curves

        return curves(self)

    def percent(self, by: str = "event") -> pd.DataFrame:
        """Effects in per cent of what GMV would have been without the tactic (``estimator="poisson"``).

        Parameters
        ----------
        by : {"event", "cohort", "period", "cells"}
            Event times (with the leads), cohorts, calendar periods, or every cohort and period.

        Returns
        -------
        DataFrame
            As `event_study`, `by_cohort`, `by_period` and `att_gt`. Intervals and bands are made for the logarithm of
            the ratio of means and carried over, so they lie above -100 %; the standard error is by the delta method.

        Raises
        ------
        InputError
            For estimators that compare differences.
        """
        one_of("by", by, ("event", "cohort", "period", "cells"))
        effects, make = self.fitted.effects, self.fitted.series.get(f"log {by}")
        if effects is None or make is None:
            raise InputError(
                f"estimator={self.options.estimator!r} compares differences, not ratios",
                remedy="use estimator='poisson', whose untreated trends are parallel in ratios",
            )
        series, labels = make(), self.panel.grid.labels()
        if by == "event":
            frame = self._event_frame(series)
        elif by == "cells":
            frame = self._cell_frame(effects.cells, series)
        else:
            columns = effects.cells.starts[series.at] if by == "cohort" else series.at
            frame = self._frame(series, by, labels[columns])
        ratio = np.exp(frame["estimate"])
        ends = ["estimate", "conf_low", "conf_high", "band_low", "band_high"]
        return frame.assign(std_error=100 * ratio * frame["std_error"], **{c: 100 * np.expm1(frame[c]) for c in ends})

    def _aggregate(self, name: str) -> pd.DataFrame:
        if self.fitted.effects is None:
            raise InputError(
                f"estimator={self.options.estimator!r} has no effects by {name}",
                remedy="use estimator='callaway_santanna'",
            )
        series = self.fitted.series[name]()
        labels = self.panel.grid.labels()
        cells = self.fitted.effects.cells
        columns = cells.starts[series.at] if name == "cohort" else series.at
        frame = self._frame(series, name, labels[columns])
        gone = hidden_starts(self.panel)[columns] if name == "cohort" else np.zeros(len(frame), dtype=bool)
        frame = without_small(frame, self.panel, gone, (name,))
        return self._told_apart(frame, cells, series.at) if name == "cohort" else frame

    def by_stack(self) -> pd.DataFrame:
        """Each campaign's own estimate and its weight in the stacked coefficient (the weights add up to 1).

        Returns
        -------
        DataFrame
            stack, estimate, weight, treated (units), periods. Of people, the numbers of campaigns on fewer than ten are
            missing, and of further ones where the weighted mean would tell theirs.
        """
        import pandas as pd

        if self.panel.stack is None or self.panel.stack_labels is None:
            raise InputError("there is no stack", remedy="use estimator='stacked' with stack=")
        fitted, block = self.fitted, self.fitted.block
        # A stack is always fitted by regression.
        assert fitted.residual is not None and fitted.on is not None and block is not None
        residual, on = fitted.residual(), fitted.on()
        present = np.isfinite(self.panel.y)
        weight = present.astype(float) if self.panel.weight is None else present * self.panel.weight[:, None]
        information = np.bincount(block, (weight * residual * residual).sum(axis=1))
        product = np.bincount(block, (weight * residual * np.where(present, self.panel.y, 0.0)).sum(axis=1))
        treated = np.bincount(block, (on == 1).any(axis=1))
        periods = [int(present[block == b].any(axis=0).sum()) for b in range(len(information))]
        frame = pd.DataFrame(
            {
                "stack": self.panel.stack_labels,
                "estimate": product / information,
                "weight": information / information.sum(),
                "treated": treated.astype(int),
                "periods": periods,
            }
        )
        return without_small_stacks(frame, self.panel)

    def bacon(self) -> pd.DataFrame:
        """What the coefficient of ``estimator="twfe"`` is made of: every two-by-two comparison and its weight.

        Returns
        -------
        DataFrame
            type, treated, control (cohorts by their start, or never or always treated), estimate, weight, forbidden.
            The weights add up to 1, and the weighted estimates to the coefficient. Forbidden are the comparisons whose
            controls are under treatment themselves: their effects, where they grow, are taken off.

        Raises
        ------
        InputError
            Another estimator.
        DesignError
            Absent rows, or a treatment that switches off.

        References
        ----------
        Goodman-Bacon (2021), Journal of Econometrics 225.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> panel = pd.DataFrame([
        ...     dict(unit=u, period=t, gmv=u + t + 2.0 * (t - first) * (t >= first), first_treated=first)
        ...     for u in range(40) for t in range(1, 7) for first in [3 if u < 20 else 5]])
        >>> table = gc.did(panel, estimator="twfe").bacon()
        >>> print(table[["type", "estimate", "weight"]].round(3).to_string(index=False))
                            type  estimate  weight
        earlier vs later treated       1.0     0.5
        later vs earlier treated      -3.0     0.5
        """
        from gmvcausal.rollout.regression.bacon import decompose, refuse_other

        refuse_other(self.options.estimator)
        return decompose(self.panel)

    @property
    def figure_kinds(self) -> tuple[str, ...]:
        """Further figures: the cells as a heat map, a two-way estimate taken apart."""
        if self.fitted.effects is not None and "cells" in self.fitted.series:
            kind = self.fitted.effects.cells.kind  # with cohorts of two kinds, a cohort and a period are no one cell
            return () if kind is not None and len(set(kind)) > 1 else ("heatmap",)
        whole = self.options.estimator == "twfe" and self.panel.moments is not None
        return ("bacon",) if whole and self._event is not None else ()

    def trends(self) -> pd.DataFrame:
        """Mean outcome of every cohort in every period, the untreated as cohort ``never``; the raw picture.

        Without the cohorts that `att_gt` leaves empty, where units are people.
        """
        import pandas as pd

        panel, labels = self.panel, self.panel.grid.labels()
        if panel.summed is not None:
            return self._trends_of(panel.summed)
        if panel.stack is not None:
            # Windows may begin at different distances from their campaigns, so periods are counted from its start.
            begun = np.array([panel.start[panel.stack == b].max() for b in range(int(panel.stack.max()) + 1)])
            origin = begun[panel.stack]
            groups = {"sent": self.fitted.treated, "not sent": self.fitted.control}
        else:
            origin = np.zeros(len(panel.y), dtype=np.int64)
            starts = np.flatnonzero(np.bincount(panel.start[panel.start >= 0]))
            groups = {_cohort(labels[s]): panel.start == s for s in starts}
            groups["never"] = panel.start == UNTREATED
            secret = hidden_starts(panel)
            groups = {n: g for (n, g), hide in zip(groups.items(), secret[[*starts, -1]], strict=True) if not hide}
            if panel.eligible is not None:
                kinds = {"eligible": panel.eligible, "ineligible": ~panel.eligible}
                groups = {f"{n}, {kind}": g & own for n, g in groups.items() for kind, own in kinds.items()}
            if panel.exposed is not None:
                groups["exposed"] = (panel.start == ALWAYS) & (panel.exposed >= 0)
        rows = []
        for name, inside in groups.items():
            if inside.any():
                when, count, mean = mean_path(panel.y, inside, origin)
                rows.append(
                    pd.DataFrame(
                        {
                            "cohort": name,
                            "period": when if panel.stack is not None else labels[when],
                            "mean": np.where(count > 0, mean, np.nan),
                            "n": count,
                        }
                    )
                )
        if not rows:  # two groups, of which one is small and the other would tell its size
            return pd.DataFrame({"cohort": [], "period": [], "mean": [], "n": []})
        return pd.concat(rows, ignore_index=True)

    @property
    def has_trends(self) -> bool:
        """Whether any cohort may be drawn: of few people none may."""
        return not hidden_starts(self.panel)[[*np.unique(self.panel.start[self.panel.start >= 0]), -1]].all()

    def _trends_of(self, summed: Summed) -> pd.DataFrame:
        """`trends` of a panel of which only sums are held."""
        import pandas as pd

        labels, moments = self.panel.grid.labels(), summed.moments
        keys = [int(str(key)) for key in moments.keys]
        order = [k for k, s in enumerate(keys) if s >= 0] + [k for k, s in enumerate(keys) if s == UNTREATED]
        rows = [
            {
                "cohort": _cohort(labels[keys[k]]) if keys[k] >= 0 else "never",
                "period": labels,
                "mean": moments.mean[k] + moments.rest[k],
                "n": int(moments.count[k]),
            }
            for k in order
        ]
        return pd.concat([pd.DataFrame(row) for row in rows], ignore_index=True)

    def _frame(self, series: Series, name: str, at: Any) -> pd.DataFrame:
        import pandas as pd

        cov, level = series.withheld(), 1 - self.alpha
        se = root_of_diagonal(cov)
        df, factor = series.spread
        point = critical_values(level, df) * factor * se
        band = point
        live = np.isfinite(se) & (se > 0)
        if self.options.bands == "simultaneous" and live.any():
            if cov.ndim == 2:
                joint = sup_t(cov[np.ix_(live, live)], level, self.options.seed)
            else:
                joint = sidak(level, int(live.sum()))
            band = joint_values(joint, df) * factor * se
        e = series.estimate
        return pd.DataFrame(
            {
                name: at,
                "estimate": e,
                "std_error": se,
                "conf_low": e - point,
                "conf_high": e + point,
                "band_low": e - band,
                "band_high": e + band,
                "n": series.n,
            }
        )


def _cohort(label: Any) -> str:
    """A cohort as tables call it."""
    return str(label).removesuffix("T00:00:00.000000")
