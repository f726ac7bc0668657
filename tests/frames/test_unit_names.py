"""Columns that say whom a row belongs to by their very name: one list for every verb, in English and Chinese."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.frames.facts import named_unit, says_unit
from gmvcausal.frames.rows import unit_column
from gmvcausal.frames.table import open_table

NAMES = (
    "用户", "用户id", "用户ID", "用户 id", "用户编号", "会员编号", "会员号", "顾客", "客户ID", "买家id", "手机号",
    "openid", "userid", "userId", "User ID", "member_id", "buyer_id", "customer", "CUSTOMER_ID", "user",
)  # fmt: skip


def months(name: str, seed: int = 1) -> pd.DataFrame:
    """60 users of 6 months, whose treatment is for good; their taste is theirs, so that rows are not independent."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(60), 6)
    gmv = 60 + 20 * rng.normal(size=60)[user] + rng.normal(0, 10, 360)
    tier = rng.integers(0, 3, 60)[user]
    return pd.DataFrame({name: user, "tier": tier, "club": (user % 2), "gmv": gmv})


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_one_user_are_no_cross_section(name: str) -> None:
    with pytest.raises(gc.InputError, match=f"60 units occur more than once; column {name!r}"):
        gc.adjust(months(name), treatment="club", covariates=["tier"], estimator="regression")


@pytest.mark.parametrize("name", ["用户ID", "会员编号", "顾客"])
def test_files_as_frames_and_other_verbs(name: str, tmp_path: Path) -> None:
    data = months(name)
    data.to_parquet(tmp_path / "rows.parquet")
    twice = f"60 units occur more than once; column {name!r}"
    with pytest.raises(gc.InputError, match=twice):
        gc.adjust(str(tmp_path / "rows.parquet"), treatment="club", covariates=["tier"], estimator="regression")
    with pytest.raises(gc.InputError, match=twice):
        gc.uplift(data, treatment="club", features=["tier"])


@pytest.mark.parametrize("name", ["用户ID", "会员编号", "BUYER_ID"])
def test_ab_test_by_frame_and_file(name: str, tmp_path: Path) -> None:
    data = months(name).rename(columns={"club": "arm"})
    data.to_parquet(tmp_path / "rows.parquet")
    for source in (data, str(tmp_path / "rows.parquet")):
        with pytest.raises(gc.InputError, match="60 units"):
            gc.ab_test(source, arm="arm", metrics="gmv", control=0)


def of(name: str, values: Any) -> str | None:
    return unit_column(open_table(pd.DataFrame({name: values})), None, ())


def test_what_only_sounds_like_it() -> None:
    """Kinds of customers, a flag of members, phones with gaps: no ids."""
    many = np.arange(200)
    assert of("customer", np.where(many % 3, "new", "old")) is None
    assert of("会员", many % 2) is None and of("Member", many % 2 == 0) is None
    assert of("phone", [None, *map(str, many)]) is None
    assert of("buyer", many / 7) is None
    assert of("customer", many) == "customer" and of("顾客", [f"c{v}" for v in many]) == "顾客"
    assert unit_column(open_table(pd.DataFrame({"customer": many})), None, ("customer",)) is None
    assert not says_unit(None) and not says_unit("customer_type") and says_unit("用户　编号")
    assert named_unit(["buyer_id", "user"]) == "user" and named_unit(["user"], ["user"]) is None
