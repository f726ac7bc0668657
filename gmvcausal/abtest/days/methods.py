"""What a test with `time=` says of its days: the methods; what makes the answers stands beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gmvcausal.results import Result

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.abtest.days.forward import AbPullForward
    from gmvcausal.abtest.result import AbResult


class ByDay(Result):
    """Daily effects, looks and pull-forward of an `AbResult`."""

    def daily(self) -> pd.DataFrame:
        """The effect on each day and up to each day, for a test with `time=`.

        Of every mean, share and ratio, unadjusted and uncapped. A day's effect is the difference between the arms in
        the mean of that day's outcome over the units counted: all units of the arm where the table has them on every
        day, or where `missing="zero"` says that a day without a row is zero; units that have entered by the day where
        they enter one after the other. The cumulative effect is that on the sum (share: on any day; ratio: of totals)
        up to and including the day; on the last day it is the effect of the test, where that has neither covariates nor
        strata. Intervals are two-sided, whatever `alternative` the test has. Computed when called, from the data.

        Returns
        -------
        DataFrame
            metric, arm, day (period), n_treated, n_control, treated, control, estimate, std_error, conf_low,
            conf_high, cumulative, cumulative_std_error, cumulative_low, cumulative_high. Intervals are Welch's, each
            for its day alone: not for stopping at the first that excludes zero (see `looks`).

        Raises
        ------
        InputError
            No `time=`, or the data have changed since.
        DesignError
            Clusters, or no metric of these kinds.
        """
        from gmvcausal.abtest.days.tables import daily

        return daily(_test(self)._days("daily"), _test(self).clusters, self.alpha)

    def looks(self, metric: str | None = None, arm: Any = None) -> pd.DataFrame:
        """Each day as a look at the test so far, for `sequential`.

        Parameters
        ----------
        metric : str, optional
            A mean or a share; default the first.
        arm : label, optional
            The arm to compare with the control; needed where there are several.

        Returns
        -------
        DataFrame
            look, arm, n, mean, variance of the units' sums up to and including the day, over the units that have
            entered by then, and information. Pass it on as ``gc.sequential(looks, arm="arm", control=...,
            cells="cumulative", information="information")``.

        Raises
        ------
        InputError
            No `time=`, several arms and none named, or the data have changed since.
        DesignError
            Clusters, or no mean and no share.
        """
        from gmvcausal.abtest.days.tables import looks

        return looks(_test(self)._days("looks"), _test(self).clusters, metric, arm)

    def pull_forward(
        self, window: int | None = None, *, during: int = 1, metric: str | None = None, arm: Any = None
    ) -> AbPullForward:
        """What is left of a gain once the later days that it was taken from are counted, for a test with `time=`.

        Parameters
        ----------
        window : int, optional
            Days from the first on that are added up; default all.
        during : int
            How many of them count as the push; default the first day.
        metric : str, optional
            A mean; default the first.
        arm : label, optional
            The arm to compare with the control; needed where there are several.

        Returns
        -------
        AbPullForward
            Rows ``net`` (on the last day of the test the plain effect), ``during``, ``after`` and ``borrowed_share``
            (Fieller's interval); `cumulative()`, ``plot("cumulative")``.

        Raises
        ------
        InputError
            No `time=`, a window that the test does not hold, several arms and none named, data that have changed since.
        DesignError
            Clusters, no metric that is a mean, units that come in one after the other.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> gain = [6, -4, -1]
        >>> users = pd.DataFrame([
        ...     dict(user=u, day=d, arm=u % 2, gmv=u % 7 + d + gain[d] * (u % 2))
        ...     for u in range(280) for d in range(3)])
        >>> net = gc.ab_test(users, metrics=[gc.Mean("gmv")], unit="user", time="day").pull_forward()
        >>> net.to_frame()[["term", "estimate"]].round(3).values.tolist()
        [['net', 1.0], ['during', 6.0], ['after', -5.0], ['borrowed_share', 0.833]]
        """
        from gmvcausal.abtest.days.forward import pull_forward

        test = _test(self)
        return pull_forward(test, test._days("pull_forward"), window, during, metric, arm)


def _test(result: ByDay) -> AbResult:
    return cast("AbResult", result)
