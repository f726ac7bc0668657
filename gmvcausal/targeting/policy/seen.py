"""Rows that a model or a policy has seen, so that neither is judged by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gmvcausal.errors import DesignError
from gmvcausal.frames.prints import Prints, prints

_MOST = 0.3
_ENOUGH = 20
_BLOCK = 1 << 18


@dataclass(frozen=True, eq=False)
class Seen:
    """Rows that were used before.

    Attributes
    ----------
    what : str
        What they were used for, for example "trained the model".
    rows : ndarray of uint64
        Their `prints`, sorted.
    """

    what: str
    rows: Prints

    def share(self, rows: Prints) -> float:
        """Share of `rows` that are these very rows, beyond those that are alike by chance.

        Rows without anything of their own (a few categories, no purchase) are found again by chance. A new row is
        found with the probability that Good and Turing give: one less the share of rows here that no other is like
        (Good 1953). Where next to all rows are alike only a table that is the same as a whole is known again.
        """
        if not len(rows) or not len(self.rows):
            return 0.0
        new = self.rows[1:] != self.rows[:-1]
        alone = float((np.append(True, new) & np.append(new, True)).sum()) / len(self.rows)
        if alone * len(rows) < _ENOUGH:
            return float(np.array_equal(np.sort(rows), self.rows))
        found = sum(self._met(rows[first : first + _BLOCK]) for first in range(0, len(rows), _BLOCK)) / len(rows)
        noise = 4 * np.sqrt(alone * (1 - alone) / len(rows))
        return float(max(found - (1 - alone) - noise, 0.0) / alone)

    def _met(self, rows: Prints) -> int:
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return int((self.rows[at] == rows).sum())

    def refuse(self, rows: Prints) -> None:
        """Refuse rows of which three in ten or more were seen before.

        Raises
        ------
        DesignError
        """
        share = self.share(rows)
        if share > _MOST:
            raise DesignError(
                f"about {share:.0%} of these rows {self.what}: what they say about it is too good to be true",
                count=round(share * len(rows)),
                remedy="evaluate on users who were kept apart from both the training and the choice of the policy",
            )


def seen(what: str, *columns: ArrayLike) -> Seen:
    """Remember rows by their values."""
    return Seen(what, np.sort(prints(*columns)))
