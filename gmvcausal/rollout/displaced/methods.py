"""What a tactic took from elsewhere: the methods of a result of `did`; each answer has a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from gmvcausal.rollout.referee.methods import Refereed

if TYPE_CHECKING:
    from gmvcausal.rollout.displaced.cannibalised import CannibalisationResult
    from gmvcausal.rollout.displaced.result import DidPullForward
    from gmvcausal.rollout.result import DidResult


class Displacing(Refereed):
    """Pull-forward from other periods and cannibalisation of neighbours, of a `DidResult`."""

    def pull_forward(self, window: int | None = None, *, during: int | None = None, before: int = 0) -> DidPullForward:
        """What is left of the gain once the periods that it was taken from are counted too.

        Sums of the event study with its whole covariance: the effect while the tactic pushes, the effect after it, and
        their sum, the net; with the share of the gain that other periods gave.

        Parameters
        ----------
        window : int, optional
            Periods from the start (which is the first) that are added up. Default: as many as at least half of the
            treated units with an effect are seen, and have one, for. Units that are not seen in all of it, and cohorts
            without an effect in some period (nobody to compare them with), are left out of the sums, and said so: a sum
            over a window is of the same units throughout. Cohorts left out stay controls of others until their start.
        during : int, optional
            How many periods from the start on count as the push. Default: as long as the tactic is on, where
            ``treated=`` says when it ends; else the first.
        before : int
            Periods before the start that count too: buyers who wait for an announced tactic buy less then. Needs
            ``did(..., anticipation=before)``, which measures effects from before the announcement. Default 0.

        Returns
        -------
        DidPullForward
            Rows ``net`` (whose p-value tests that nothing is left), ``during``, ``after``, ``before``,
            ``borrowed_share`` (minus what was lost over what was gained, with Fieller's interval); `cumulative()`,
            ``plot("cumulative")``, and the audit: does the window end within the dip, is the tactic on again.

        Raises
        ------
        InputError
            A window that the data do not hold, or that ends with the push.
        DesignError
            No event study, no period after the push, units that begin under the tactic, periods with different units
            behind them.

        References
        ----------
        van Heerde, Leeflang and Wittink (2000), Journal of Marketing Research 37; Fieller (1954), Journal of the Royal
        Statistical Society B 16.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> lift = {3: 20, 4: -15}
        >>> panel = pd.DataFrame([
        ...     dict(unit=u, period=t, gmv=100 + u % 5 + t + lift.get(t, 0) * (u < 20), first_treated=first)
        ...     for u in range(60) for t in range(1, 7) for first in [3 if u < 20 else None]])
        >>> net = gc.did(panel).pull_forward(window=4)
        >>> net.to_frame()[["term", "estimate"]].round(3).values.tolist()
        [['net', 5.0], ['during', 20.0], ['after', -15.0], ['borrowed_share', 0.75]]
        """
        from gmvcausal.rollout.displaced.forward import pull_forward

        return pull_forward(_did(self), window, during, before)

    def cannibalisation(
        self,
        other: str | Sequence[str] | None = None,
        *,
        exposed: str | None = None,
        edges: Any = None,
        exposure: str | float = "any",
    ) -> CannibalisationResult:
        """What the gain of the treated took from other products of theirs, or from the units next door.

        Parameters
        ----------
        other : str or sequence of str, optional
            Columns of the same data: outcomes of the same units elsewhere (their GMV in other rooms, categories,
            shops). They must be other sales: the outcome must not hold them, nor they the outcome. Each is estimated
            as the outcome was; standard errors of sums come from the joint scores of the clusters.
        exposed, edges, exposure
            Units next door, as in `gmvcausal.did` (``callaway_santanna``): they are no controls then, and the effect on
            the treated is estimated anew. Not needed where the result was made with them. Clusters that ``edges=``
            links are one: the gain of a treated unit and the loss of its neighbours are not independent. With
            ``exposed=`` nothing says who is next door to whom: call did with ``cluster=`` a column that holds both.

        Returns
        -------
        CannibalisationResult
            Rows ``total`` (for the platform), ``treated``, ``elsewhere``, all per treated unit-period, and
            ``cannibalised_share`` with Fieller's interval.

        Raises
        ------
        InputError
            Nothing named, or both; a column that is missing, is the outcome itself or another column (also times a
            number); data that have changed since; an estimator that does not set exposed units apart; capped outcomes.

        References
        ----------
        Clarke (2017), MPRA 81604; Butts (2021), arXiv 2105.03737; Fieller (1954), Journal of the Royal Statistical
        Society B 16.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> panel = pd.DataFrame([
        ...     dict(unit=u, period=t, gmv=50 + u % 5 + t + 9 * on, shoes=80 + u % 3 + t - 6 * on, first_treated=first)
        ...     for u in range(60) for t in range(1, 5) for first in [3 if u < 20 else None]
        ...     for on in [u < 20 and t >= 3]])
        >>> both = gc.did(panel).cannibalisation("shoes")
        >>> both.to_frame()[["term", "estimate"]].round(3).values.tolist()
        [['total', 3.0], ['treated', 9.0], ['elsewhere', -6.0], ['cannibalised_share', 0.667]]
        """
        from gmvcausal.rollout.displaced.elsewhere import cannibalisation

        return cannibalisation(_did(self), other, exposed, edges, exposure)


def _did(result: Displacing) -> DidResult:
    return cast("DidResult", result)
