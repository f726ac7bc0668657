"""Who redeemed the coupon: 0 or 1 for everyone, and 0 for the control, who had none."""

from __future__ import annotations

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.columns import first_rows, flags
from gmvcausal.frames.table import Table
from gmvcausal.targeting.intake.trial import FloatArray, IntArray


def read_redeemed(table: Table, column: str | None, arm: IntArray, labels: tuple[object, ...]) -> FloatArray | None:
    """Whether each row redeemed the coupon, shape (n,); None where no column says so.

    Parameters
    ----------
    table : Table
    column : str or None
    arm : ndarray of int, shape (n,)
    labels : tuple
        The control first.

    Raises
    ------
    InputError
        Gaps, values other than 0 and 1, a coupon redeemed in the control arm.
    """
    if column is None:
        return None
    found = flags(table, column, "redeemed")
    strange = found & (arm == 0)
    if strange.any():
        raise InputError(
            f"redeemed is 1 for users of the control arm {labels[0]!r}, who had no coupon",
            column=column,
            count=int(strange.sum()),
            rows=first_rows(strange),
            remedy="write 0 there; if these users did have a coupon, the arms are not what was drawn",
        )
    return found.astype(np.float64)
