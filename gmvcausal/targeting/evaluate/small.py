"""Groups of a ranking of people: none of fewer than ten users of an arm is shown, nor a step of a curve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.stats.small_cells import MIN_CELL
from gmvcausal.targeting.evaluate.ranked import FloatArray, Ranked

if TYPE_CHECKING:
    from gmvcausal.targeting.evaluate.ranking import Ranking

_ROUNDING = 1e-9  # of users who are in a group in parts


def slices(ranked: Ranked, groups: int) -> Iterator[tuple[slice, FloatArray]]:
    """The places of each of so many equal shares of the users, highest first, and how much of each user is in it."""
    ends = np.append(ranked.start, ranked.n) / ranked.n
    for g in range(1, groups + 1):
        low, high = (g - 1) / groups, g / groups
        first = max(int(np.searchsorted(ends, low, side="right")) - 1, 0)
        last = min(int(np.searchsorted(ends, high, side="left")), len(ranked.start))
        width = np.diff(ends[first : last + 1])
        upto, since = (np.clip((s - ends[first:last]) / width, 0, 1) for s in (high, low))
        size = np.diff(np.append(ranked.start, ranked.n)[first : last + 1])
        here = slice(int(ranked.start[first]), int(np.append(ranked.start[last : last + 1], ranked.n)[0]))
        yield here, np.repeat(upto - since, size)


def merged(ranking: Ranking, ranked: Ranked, groups: int) -> int:
    """Into how many equal shares users are cut, where `groups` are asked for.

    Of people: the most up to `groups` that leave ten users of the arm and ten of the control in each; 1 where there
    are no two such shares.

    Raises
    ------
    InputError
        A number of groups that is none.
    """
    if not 2 <= groups <= ranked.n:
        raise InputError(f"the groups must be a whole number from 2 to the number of users, but are {groups}")
    if not ranking.people:
        return groups
    least = min(int(np.count_nonzero(weight)) for weight in (ranking.treated, ranking.control))
    for some in range(min(groups, least // MIN_CELL), 1, -1):
        if all(_enough(ranking, ranked, here, part) for here, part in slices(ranked, some)):
            return some
    return 1


def _enough(ranking: Ranking, ranked: Ranked, here: slice, part: FloatArray) -> bool:
    side = ranking.sides_of(ranked.at(here.start, here.stop))
    return all(float(part[side == arm].sum()) >= MIN_CELL - _ROUNDING for arm in (0, 1))


def told(asked: int, shown: int) -> str:
    """That fewer groups are shown than were asked for."""
    return (
        f"the ranking is shown in {shown} {'group' if shown == 1 else 'groups'} where {asked} were asked for: in more "
        f"of them fewer than {MIN_CELL} users of an arm stand"
    )


def grid(ranking: Ranking, ranked: Ranked, points: int) -> FloatArray:
    """Shares at which a curve is drawn, the last of them 1.

    Of people: ten users at least lie between one point and the next, and ten of each arm on either side of a point.
    """
    if not ranking.people:
        return np.arange(1, points + 1) / points
    some = max(min(points, ranked.n // MIN_CELL), 1)
    count = np.zeros((some, 2))
    for k, (here, part) in enumerate(slices(ranked, some)):
        side = ranking.sides_of(ranked.at(here.start, here.stop))
        count[k] = [part[side == arm].sum() for arm in (0, 1)]
    above = count.cumsum(axis=0)
    fewest = np.minimum(above, above[-1] - above).min(axis=1)
    keep = fewest >= MIN_CELL - _ROUNDING
    keep[-1] = True
    return np.asarray((np.arange(1, some + 1) / some)[keep])
