"""What a referee asks of a result of `did`: the methods; each answer has a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from gmvcausal.results import Result

if TYPE_CHECKING:
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

    def by(self, segment: str, adjust: str | None = "holm") -> DidSegments:
        """The effect level by level of a segment, and the test that it is the same in all levels.

        Parameters
        ----------
        segment : str
            Column that is constant within units and was fixed before the start: tier, city, size class.
        adjust : {"holm", "bh", None}
            For the number of levels; default Holm's method.

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
        Welch (1951), Biometrika 38.
        """
        from gmvcausal.rollout.referee.segments import by_segment

        return by_segment(_did(self), segment, adjust)

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
