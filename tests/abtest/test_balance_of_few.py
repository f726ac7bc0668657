"""The balance of a covariate that fewer than ten of an arm have, or have not, is told without numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.results import Check


def checked(ones: tuple[int, int], turned: bool = False, unit: str = "user") -> Check:
    """The check, where so many of the treated and of the controls have a flag."""
    n = 800
    arm = np.where(np.arange(n) % 2 == 0, "none", "coupon")
    flag = np.zeros(n, dtype=int)
    for label, many in zip(("coupon", "none"), ones, strict=True):
        flag[np.flatnonzero(arm == label)[:many]] = 1
    rng = np.random.default_rng(0)
    users = pd.DataFrame({"arm": arm, "sick": 1 - flag if turned else flag, "gmv": rng.gamma(1, 30, n)})
    users.attrs["gmvcausal"] = {"unit": unit}
    return gc.ab_test(users, control="none", metrics=[gc.Mean("gmv", pre="sick")]).audit["balance"]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("ones", [(7, 1), (2, 5), (6, 3), (30, 9)])
def test_neither_difference_nor_p_value(ones: tuple[int, int], turned: bool) -> None:
    found = checked(ones, turned)
    assert (
        found.message
        == "coupon and the control differ most in 'sick' (not shown: its numbers would count too few people)"
    )
    assert found.value is None


def test_others_are_told_in_numbers() -> None:
    found = checked((30, 12))
    assert "differs by +0.045" in found.message and found.value is not None and 0 < found.value < 0.05
    assert checked((7, 1), unit="room").value is not None
