"""The result of `AbResult.by`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gmvcausal.abtest.terms.compare import errors_to_find
from gmvcausal.results.levels import LevelsResult


@dataclass(frozen=True, repr=False, eq=False)
class SegmentResult(LevelsResult):
    """A randomised test by the levels of a segment.

    The first row of every metric and arm is the whole test, as `ab_test` gives it without `adjust`; one row for each
    level follows. P-values and intervals of the levels are adjusted for their number, metric by metric and arm by arm.

    Attributes
    ----------
    segment : str
        The column.
    interactions : tuple of Interaction
    hidden : tuple of Hidden
        Levels that are not estimated, with the reason.
    dependent : str
        Why there is no interaction test; empty where there is one.
    """

    factors: tuple[str, ...]
    caps: tuple[str, ...]
    speaks: int

    @property
    def spoken(self) -> int:
        """The whole test's own headline."""
        return self.speaks

    def _about_row(self, place: int) -> dict[str, Any]:
        about: dict[str, Any] = {"qualifier": self.caps[place], **errors_to_find(self.estimates, place, self.alpha)}
        if self.factors[place]:  # a share of a logarithm means nothing
            return about | {"lift": self.columns["relative"][place]}
        return about | {"baseline": self.columns["control_value"][place]}
