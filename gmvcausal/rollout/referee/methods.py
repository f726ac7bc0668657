"""What a referee asks of a result of `did`: the methods; each answer has a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from gmvcausal.results import Result

if TYPE_CHECKING:
    from gmvcausal.results.moderated import Moderated
    from gmvcausal.rollout.referee.design_power import DesignPower
    from gmvcausal.rollout.referee.leave_out import LeaveOneOut
    from gmvcausal.rollout.referee.placebo_test import PlaceboResult
    from gmvcausal.rollout.referee.robustness import RobustnessResult
    from gmvcausal.rollout.referee.segments import DidSegments
    from gmvcausal.rollout.result import DidResult


class Refereed(Result):
    """Placebo tests, segments, leave one out, robustness and power of a `DidResult`."""

    def placebo(
        self, kind: str = "unit", reps: int = 500, seed: int = 0, *, pool: str = "all", progress: bool = True
    ) -> PlaceboResult:
        """What the same estimator finds where there is nothing to find: false dates, false units, or both.

        Parameters
        ----------
        kind : {"unit", "time", "mixed"}
            "unit": the dates of treatment are dealt out anew among all clusters. "time": the treated get false dates in
            the periods before anybody was treated, and later periods are left out; all dates where they are no more
            than `reps`. "mixed": false clusters, and dates drawn from the whole window.
        reps : int
            Runs; default 500, as journals ask for, and at least 99.
        seed : int
        pool : {"all", "never"}
            Among whom false units are drawn: all clusters, the treated among them, as is usual; or those never treated
            alone, where no run holds any of the effect. The treated are then left out of every run.
        progress : bool
            Whether a bar is shown where it takes more than two seconds.

        Returns
        -------
        PlaceboResult
            `placebo_p` (the share of runs at least as far from zero, the real one counted), `distribution()`,
            `plot("placebo")`, `summary()`.

        Raises
        ------
        DesignError
            Too few periods or units to draw from; a design without dates that could be others.

        Notes
        -----
        A pooled run holds treated units among its controls, so an effect widens the distribution that it is held
        against. The p-value is exact where the tactic was dealt out by lot, and else no more than a picture: rooms that
        were chosen for their size are no draw.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> panel = pd.DataFrame([
        ...     dict(unit=u, period=t, gmv=u * t % 7 + 9 * (u < 12 and t > 3), first_treated=4 if u < 12 else None)
        ...     for u in range(40) for t in range(1, 6)])
        >>> test = gc.did(panel).placebo("unit", reps=199)
        >>> len(test.runs), test.placebo_p < 0.05
        (199, True)
        """
        from gmvcausal.rollout.referee.placebo_test import placebo_test

        return placebo_test(_did(self), kind, reps, seed, pool, progress)

    def by(
        self, segment: str, adjust: str | None = "holm", *, test: str = "welch", reps: int = 500, seed: int = 0,
        progress: bool = True,
    ) -> DidSegments:  # fmt: skip
        """The effect level by level of a segment, and the test that it is the same in all levels.

        Parameters
        ----------
        segment : str
            Column that is constant within units and was fixed before the start: tier, city, size class.
        adjust : {"holm", "bh", None}
            For the number of levels; default Holm's method.
        test : {"welch", "permutation"}
            Of equal effects. "permutation" deals the levels out anew among units (clusters) of one start, and counts
            how often effects differ as much: Fisher's permutation test between groups (费舍尔组合检验), which takes no
            distribution for granted. Welch's statistic in both.
        reps : int
            Deals; default 500, at least 99.
        seed : int
        progress : bool
            Whether a bar is shown where the deals take more than two seconds.

        Returns
        -------
        DidSegments
            One row for the whole and one for each level; `interaction()` has the test of equal effects. Levels that
            cannot be estimated, or have no interval, are listed with the reason.

        Raises
        ------
        InputError
            No such column, missing levels, a level that varies within units, one level or more than 50, data that have
            changed since.
        DesignError
            No level can be estimated.

        References
        ----------
        Welch (1951), Biometrika 38; Chung and Romano (2013), Annals of Statistics 41 (the statistic of deals).
        """
        from gmvcausal.results.by_level import Test
        from gmvcausal.rollout.referee.segments import by_segment

        return by_segment(_did(self), segment, adjust, Test.checked(test, reps, seed, progress))

    def moderation(self, by: str) -> Moderated:
        """The effect along a number that was known before the start: does it grow with it, and where is it seen?

        Parameters
        ----------
        by : str
            Column of numbers, constant within units and fixed before the start: size of the room, spend of the year
            before. Centred at the mean of the treated. For a column of groups, `by()`.

        Returns
        -------
        Moderated
            Effect at the mean, its change with one more of `by`, effect one standard deviation to either side;
            `effects()` (with a simultaneous band), `region()` (Johnson and Neyman), ``plot("moderation")``.

        Raises
        ------
        InputError
            No such column, text, missing values, a number that varies within units; data that have changed since.
        DesignError
            Too few treated units, a moderator that does not vary on a side, a design without changes of units.

        Notes
        -----
        For every cohort, each unit's mean after the start less its last period before it (and before what is
        anticipated) is regressed on treated, moderator and their product; controls are those never treated. The
        moderator's own slope among the controls is how outcomes of different units move without the tactic (a moderator
        x period term), so that only treated x moderator is read as the effect's. Cohorts are weighted by their treated
        unit-periods. Errors are HC2, with clusters CR2, controls' parts summed over the cohorts that they serve. The
        audit repeats the same line before the start.

        References
        ----------
        Lin (2013), Annals of Applied Statistics 7; Bell and McCaffrey (2002), Survey Methodology 28; Esarey and Sumner
        (2018), Comparative Political Studies 51.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> panel = pd.DataFrame([
        ...     dict(unit=u, period=t, size=u % 5, first_treated=4 if u % 2 else None,
        ...          gmv=u % 5 * t + (u // 2 * 7 + t * 3) % 4 + (2 + u % 5) * (u % 2) * (t > 3))
        ...     for u in range(80) for t in range(1, 7)])
        >>> found = gc.did(panel).moderation("size")
        >>> round(found.estimate, 1), round(found.slope, 1)
        (4.0, 1.0)
        """
        from gmvcausal.rollout.referee.moderation import moderation

        return moderation(_did(self), by)

    def leave_one_out(self, *, progress: bool = True) -> LeaveOneOut:
        """The estimate without each cluster in turn: `table()`, `plot("leave_one_out")`, and which matters most.

        Beyond 1,000 clusters, those with the largest influence are left out in turn.

        Raises
        ------
        DesignError
            Without any of them there is no estimate; stacked campaigns; a treatment that switches off.
        """
        from gmvcausal.rollout.referee.leave_out import leave_one_out

        return leave_one_out(_did(self), progress)

    def robustness(
        self,
        *,
        winsorise: float = 0.99,
        drop: int = 1,
        promotion: str | None = None,
        clusters: Sequence[str] = (),
        progress: bool = True,
    ) -> RobustnessResult:
        """The effect under other defensible choices: one table, one specification curve.

        Parameters
        ----------
        winsorise : float
            Share between .5 and 1, as in `gmvcausal.did`: the quantile of the non-zero outcomes without the tactic at
            which outcomes are capped; default .99. A result that is capped already has a row without the cap too.
        drop : int
            How many of the first, and of the last, periods are left out in turn.
        promotion : str, optional
            0/1 column of days to leave out (a shopping festival), alike for all units.
        clusters : sequence of str
            Further columns to cluster by.
        progress : bool
            Whether a bar is shown where it takes more than two seconds.

        Returns
        -------
        RobustnessResult
            One row a specification, with the status of its own audit; `not_estimated()` lists those refused;
            ``plot("specifications")``.

        References
        ----------
        Simonsohn, Simmons and Nelson (2020), Nature Human Behaviour 4.
        """
        from gmvcausal.rollout.referee.robustness import robustness

        return robustness(
            _did(self), winsorise=winsorise, drop=drop, promotion=promotion, clusters=clusters, progress=progress
        )

    def power(self, power: float = 0.8) -> DesignPower:
        """The smallest effect that the design as it stands finds with `power` at the level of the call.

        Raises
        ------
        DesignError
            There is no interval.
        """
        from gmvcausal.rollout.referee.design_power import design_power

        return design_power(_did(self), power)


def _did(result: Refereed) -> DidResult:
    return cast("DidResult", result)
