"""Campaigns in periods: where each one starts, and which stretch of the log stands around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.texts import original
from gmvcausal.logs import exposed as exposures
from gmvcausal.logs.calendar import text
from gmvcausal.logs.span import Span


@dataclass(frozen=True)
class Campaign:
    """One campaign's place in the panel.

    Attributes
    ----------
    label : str or int
    number : int
        Index of the label among the exposures read.
    start : int
        Period of its start.
    first, last : int
        First and last period of its stack.
    """

    label: Any
    number: int
    start: int
    first: int
    last: int

    @property
    def length(self) -> int:
        """Number of periods in the stack."""
        return self.last - self.first + 1


def place(
    span: Span,
    exposed: exposures.Exposed,
    wanted: Sequence[Any],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    before: int,
    after: int,
) -> tuple[list[Campaign], dict[str, list[Any]], list[Any]]:
    """Campaigns that fit into the panel, those that do not with the reason, and those whose users start at different
    times within one period."""
    campaigns: list[Campaign] = []
    shared: list[Any] = []
    left_out: dict[str, list[Any]] = {}
    for label in wanted:
        number = exposed.labels.index(label)
        own = exposed.tactic == number
        stamps = np.unique(exposed.start[own])
        if start[own].min() != start[own].max():
            raise InputError(
                f"campaign {original(label)!r} starts at {len(stamps):,} different times, from {text(stamps[0])} to "
                f"{text(stamps[-1])}, so its users share no event time",
                remedy="use panel() for a roll-out that starts unit by unit, or a freq= whose "
                "periods hold all starts of a campaign",
            )
        s, e = int(start[own][0]), int(end[own].max())
        # The period of the start is treated only in part unless every start opens it; one whole period must follow.
        whole = s if span.grid.starts(s) == stamps[-1] else s + 1
        if s + before < 0:
            left_out.setdefault("too early for a whole pre-window", []).append(label)
        elif whole >= span.periods:
            left_out.setdefault("too late for one whole period after it", []).append(label)
        else:
            shared += [label] if len(stamps) > 1 else []
            campaigns.append(Campaign(label, number, s, s + before, min(e, s + after, span.periods - 1)))
    return campaigns, left_out, shared
