"""Eight users, worked out on paper."""

from __future__ import annotations

import math

import pandas as pd
import pytest

import gmvcausal as gc

EIGHT = pd.DataFrame(
    {
        "arm": [0, 0, 0, 0, 1, 1, 1, 1],
        "gmv": [1.0, 3.0, 2.0, 2.0, 5.0, 3.0, 4.0, 8.0],
        "orders": [1, 1, 1, 1, 2, 1, 1, 1],
        "bought": [True, True, False, False, True, True, True, False],
        "gmv_pre": [1.0, 3.0, 2.0, 2.0, 1.0, 2.0, 3.0, 2.0],
    }
)


def test_mean() -> None:
    # means 2 and 5; variances 2/3 and 14/3, so se^2 = (2/3 + 14/3)/4 = 4/3
    result = gc.ab_test(EIGHT, metrics=["gmv"])
    assert result.estimate == 3.0 and result.std_error == pytest.approx(math.sqrt(4 / 3), rel=1e-14)
    df = (4 / 3) ** 2 / ((1 / 6) ** 2 / 3 + (7 / 6) ** 2 / 3)
    table = result.to_frame()
    assert table["df"][0] == pytest.approx(df, rel=1e-14) and table["relative"][0] == pytest.approx(1.5, rel=1e-14)
    assert (result.n, result.unit, table["arm"][0], table["control"][0]) == (8, "gmv per unit", 1, 0)


def test_proportion() -> None:
    result = gc.ab_test(EIGHT, metrics=[gc.Proportion("bought")])
    assert result.estimate == 0.25
    assert result.std_error == pytest.approx(math.sqrt((1 / 3 + 1 / 4) / 4), rel=1e-14)


def test_ratio() -> None:
    # 20/5 - 8/4; residuals in arm 1: gmv - 4 orders = -3 -1 0 4, over the mean denominator 5/4
    result = gc.ab_test(EIGHT, metrics=[gc.Ratio("gmv", "orders")])
    assert result.estimate == pytest.approx(2.0, rel=1e-14)
    assert result.std_error == pytest.approx(math.sqrt((26 / 3 / 1.25**2 + 2 / 3) / 4), rel=1e-14)


def test_adjusted() -> None:
    # arm 0: slope 1 exactly, mean 2 at gmv_pre 2; arm 1: slope -1/2; both arms have mean 2, so nothing moves
    result = gc.ab_test(EIGHT, metrics=[gc.Mean("gmv", pre="gmv_pre")])
    assert result.estimate == pytest.approx(3.0, rel=1e-14)
    residual = [5 - 5.5, 3 - 5, 4 - 4.5, 8 - 5]
    leverage = [1 / 4 + 1 / 2, 1 / 4, 1 / 4 + 1 / 2, 1 / 4]
    variance = sum(e * e / 16 / (1 - h) for e, h in zip(residual, leverage, strict=True))
    assert result.std_error == pytest.approx(math.sqrt(variance), rel=1e-12)


def test_a_numeric_cap_comes_first() -> None:
    # the median of the non-zero values is 3: arm 0 unchanged, arm 1 all 3
    result = gc.ab_test(EIGHT, metrics=[gc.Mean("gmv", cap=0.5)])
    table = result.to_frame()
    assert list(table["term"]) == ["gmv capped", "gmv"] and "capped at 3," in result.estimand
    assert result.estimate == 1.0 and table["estimate"][1] == 3.0
    assert table["capped_share"][0] == pytest.approx(8 / 28, rel=1e-12) and table["capped_share"][1] == 0.0


def test_auto_cap_needs_zeros_or_a_tail() -> None:
    assert len(gc.ab_test(EIGHT, metrics=["gmv"]).to_frame()) == 1
    zeros = pd.concat([EIGHT] + [EIGHT.assign(gmv=0.0)] * 2, ignore_index=True)
    table = gc.ab_test(zeros, metrics=["gmv", gc.Mean("orders"), gc.Mean("gmv_pre", cap=None)]).to_frame()
    assert list(table["term"]) == ["gmv", "gmv capped", "orders", "gmv_pre"]


def test_ratio_parts_are_capped_apart() -> None:
    table = gc.ab_test(EIGHT, metrics=[gc.Ratio("gmv", "orders", cap=0.6)]).to_frame()
    # gmv at the .6 quantile of 1 2 2 3 3 4 5 8, which is 3.2; orders at 1
    assert "gmv capped at 3.2 / orders capped at 1" in table["estimand"][0]
    assert table["estimate"][0] == pytest.approx((3 * 3.2 + 3.0) / 4 - 2.0, rel=1e-12)


def test_planned_shares() -> None:
    uneven = pd.concat([EIGHT] * 40 + [EIGHT[EIGHT["arm"] == 0]] * 40, ignore_index=True)
    assert gc.ab_test(uneven, metrics=["gmv"]).audit["sample_ratio"].status == "failed"
    told = gc.ab_test(uneven, metrics=["gmv"], expected_ratio={0: 2, 1: 1})
    assert told.audit["sample_ratio"].value == 1.0


def test_boolean_arms_need_no_control() -> None:
    result = gc.ab_test(EIGHT.assign(arm=EIGHT["arm"] == 1), metrics=["gmv"])
    assert result.estimate == 3.0


def test_whose_control_it_is_decides_the_sign() -> None:
    named = EIGHT.assign(arm=EIGHT["arm"].map({0: "none", 1: "coupon"}))
    assert gc.ab_test(named, control="none", metrics=["gmv"]).estimate == 3.0
    assert gc.ab_test(named, control="coupon", metrics=["gmv"]).estimate == -3.0
