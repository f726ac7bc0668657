"""The result of `DidResult.pull_forward`: what every pull-forward has, and its money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmvcausal.results.displaced import PullForwardResult

if TYPE_CHECKING:
    from gmvcausal.money import MoneyResult


@dataclass(frozen=True, repr=False, eq=False)
class DidPullForward(PullForwardResult):
    """What is left of the gain of a roll-out; see `PullForwardResult`."""

    def incremental_gmv(
        self,
        *,
        cost: float = 0.0,
        cost_is: str | None = None,
        margin: float = 1.0,
        refunds: float = 0.0,
        gmv_is: str | None = None,
    ) -> MoneyResult:
        """Total of the net over the treated units and the window, less refunds and cost: profit and return.

        See `gmvcausal.money.incremental_gmv` for the parameters; the cost is a number.
        """
        from gmvcausal.money import incremental_gmv

        return incremental_gmv(self, cost=cost, cost_is=cost_is, margin=margin, refunds=refunds, gmv_is=gmv_is)
