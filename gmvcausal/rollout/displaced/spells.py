"""How long the tactic stays on, whether it comes again, and for how long units are seen after their start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.rollout.fitted import IntArray
from gmvcausal.rollout.intake.panel import Panel

if TYPE_CHECKING:
    from gmvcausal.rollout.result import DidResult


@dataclass(frozen=True)
class Spells:
    """The first time under the tactic.

    Attributes
    ----------
    length : int or None
        Periods of it, where it is the same for all and ends within the data; None elsewhere.
    shortest, longest : int
    varies : bool
        Whether it ends, and not after the same number of periods for all.
    again : callable or None
        Share of the treated units under the tactic again within so many periods of the start; None where treatment is
        a date.
    """

    length: int | None
    shortest: int
    longest: int
    varies: bool
    again: Callable[[int], float] | None


def spells(result: DidResult) -> Spells:
    """From the 0/1 treatment of the treated units.

    Raises
    ------
    DesignError
        Units that began under the tactic and switched off: their event study runs the other way.
    """
    panel, found = result.panel, result.fitted.switching
    if found is not None and (found.found.sign[found.compared] < 0).any():
        count = int((found.found.sign[found.compared] < 0).sum())
        raise DesignError(
            f"{count:,} units begin under the tactic and switch it off, so their first switch is no start",
            remedy="leave out the units that begin under the tactic",
        )
    if panel.on is None:
        return Spells(None, 0, 0, False, None)
    rows = np.flatnonzero(panel.start >= 0) if found is None else np.flatnonzero(found.compared)
    on = panel.on[rows]
    first = np.argmax(on == 1, axis=1)
    position = _position(panel)
    since = position - position[first][:, None]
    off = (on == 0) & (since > 0)
    ends = off.any(axis=1)
    # The first period off after the start; where rows are absent before it, the tactic may have ended there already.
    length = np.where(ends, np.where(off, since, since.max() + 1).min(axis=1), since.max(axis=1) + 1)
    if not ends.any():
        return Spells(None, 0, 0, False, lambda window: 0.0)
    back = (on == 1) & (since > length[:, None])

    def again(window: int) -> float:
        return float((back & (since < window)).any(axis=1).mean())

    alike = bool(ends.all() and (length == length[0]).all())
    return Spells(int(length[0]) if alike else None, int(length.min()), int(length.max()), not alike, again)


def _position(panel: Panel) -> IntArray:
    """Place of every column in time; in a stack columns count from the start of each campaign's window."""
    return panel.grid.position if panel.stack is None else np.arange(panel.y.shape[1])
