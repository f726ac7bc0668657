"""What a referee asks of a result of `uplift`: the methods; each answer has a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gmvcausal.errors import InputError
from gmvcausal.results import Result

if TYPE_CHECKING:
    from gmvcausal.targeting.result import Uplift


class Refereed(Result):
    """What is asked of the rows that an `Uplift` was learned from."""

    origin: Any

    def known_origin(self) -> Any:
        """The data as they were passed, for one more column of them.

        Raises
        ------
        InputError
            The result was pickled or saved and does not hold its data any more.
        """
        if self.origin is None:
            raise InputError(
                "this result does not hold its data any more (it was pickled or saved)",
                remedy="call uplift again, then ask",
            )
        return self.origin


def _uplift(result: Refereed) -> Uplift:
    return cast("Uplift", result)
