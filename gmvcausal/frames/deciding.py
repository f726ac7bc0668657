"""A feature within whose values the arm never varies: there is nobody to compare with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.features import Features
from gmvcausal.frames.prints import prints

# Rows of an arm that share a value with another; with fewer than these, arms may agree by chance.
_PAIRS = 10
_LOOK = 20_000


def refuse_deciding(features: Features, x: NDArray[np.float32], y: NDArray[np.float64], arm: NDArray[np.int64]) -> None:
    """Refuse a feature that decides the arm: the room of a trial between rooms, the tier that a rule went by.

    Given such a feature every difference between arms is one between its values, so that the effect is swallowed.

    Raises
    ------
    InputError
    """
    first = None
    some = slice(None, None, max(1, len(arm) // _LOOK))
    for j, name in enumerate(features.names):
        if not _decides(x[some, j], arm[some]):
            continue
        # Copies of a row have its arm, whatever decided.
        first = np.unique(prints(x, y), return_index=True)[1] if first is None else first
        if not _decides(x[first, j], arm[first]):
            continue
        values = len(np.unique(x[:, j]))
        raise InputError(
            f"{features.one} {name!r} decides the arm: within each of its {values:,} values all rows have the same "
            "arm, so that nobody can be compared with anybody alike",
            column=name,
            count=values,
            remedy=f"leave it out of {features.role}; where arms were drawn by it pass cluster={name!r}",
        )


def _decides(column: NDArray[np.float32], arm: NDArray[np.int64]) -> bool:
    if np.ptp(arm) == 0:
        return True
    _, code = np.unique(column, return_inverse=True)
    groups = int(code.max()) + 1
    own = np.full(groups, -1, dtype=np.int64)
    own[code] = arm
    if (own[code] != arm).any():
        return False
    repeated = np.bincount(arm) - np.bincount(own, minlength=int(arm.max()) + 1)
    return bool(repeated[np.bincount(arm) > 0].min() >= _PAIRS)
