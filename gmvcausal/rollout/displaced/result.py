"""The result of `DidResult.pull_forward`: what every pull-forward has, and its money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmvcausal.results.displaced import PullForwardResult

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, repr=False, eq=False)
class DidPullForward(PullForwardResult):
    """What is left of the gain of a roll-out; see `PullForwardResult`."""
