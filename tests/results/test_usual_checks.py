"""Checks that designs share, each on a case told by hand."""

from __future__ import annotations

import decimal

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.results import usual_checks
from gmvcausal.results.usual_rules import USUAL, leverage_of, tail_of
from gmvcausal.stats.skewed import skewness, skewness_of_sum


def test_clusters_are_counted_where_they_are_fewest() -> None:
    cluster = np.repeat(np.arange(30), 2)
    arm = np.where(cluster < 12, 1, 0)
    found = usual_checks.worth_of(cluster, arm)
    assert found == usual_checks.Worth(12, 12.0, False, True)
    assert usual_checks.few_clusters(USUAL["few_clusters"], "room", found).status == "warned"
    crossed = usual_checks.worth_of(cluster, np.arange(60) % 2)
    assert crossed.crossed and crossed.fewest == 30
    assert "holding several arms" in usual_checks.few_clusters(USUAL["few_clusters"], "room", crossed).message
    few = usual_checks.few_clusters(USUAL["few_clusters"], "room", usual_checks.worth_of(np.arange(8)))
    assert few.status == "failed" and "8 in all" in few.message and "at least 10" in few.remedy


def test_the_tail_without_its_largest_row() -> None:
    # Of (3, -1, -1, -1) over 3: squares 12/9, cubes 24/27. Without the largest: squares 1/3, cubes 0.
    whole = (24 / 27) / (12 / 9) ** 1.5
    assert skewness_of_sum(np.array([3.0, -1, -1, -1])) == pytest.approx(whole / 3, abs=1e-12)
    assert skewness_of_sum(np.array([2.0, 2.0, -1, -1, -1, -1])) == pytest.approx((12 - 8) / (12 - 4) ** 1.5, abs=1e-12)
    assert skewness_of_sum(np.zeros(4)) == 0.0
    own, group = np.array([0.5, -0.5, 0.25, -0.25]), np.array([1, 1, 0, 0])
    assert skewness(own, group, 1) == skewness_of_sum(own) == 0.0
    assert usual_checks.tail(tail_of("it"), 0.2, "it", "wait").status == "warned"


def test_one_row_that_decides() -> None:
    own = np.array([3.0, 1, -1, -1, -2])
    check = usual_checks.leverage(leverage_of("it"), own, 10.0, "it")
    assert check.value == pytest.approx(9 / 16) and check.status == "warned" and "+7" in check.message
    clusters = usual_checks.leverage(leverage_of("it"), own, 10.0, "it", "room")
    assert clusters.status == "passed"  # five clusters: each carries much


def test_a_copy_of_the_outcome_is_found_by_its_ranks_too() -> None:
    y = np.arange(50.0)
    x = np.column_stack([np.cos(y), np.exp(y / 5)])
    x[3, 1] = np.nan
    found = usual_checks.leakage(USUAL["leakage"], y, x, ["wave", "grown"], "covariates")
    assert found is not None and found.status == "failed"
    assert "'grown'" in found.message and "ranks" in found.message and "covariates" in found.remedy
    assert usual_checks.leakage(USUAL["leakage"], y, x[:, :0], [], "covariates") is None


def test_what_the_outcome_alone_says() -> None:
    assert usual_checks.all_zero(np.ones(3)) is None
    assert usual_checks.all_zero(np.zeros(3)) is not None
    refunds = np.r_[np.full(90, 5.0), np.full(10, -5.0)]
    found = usual_checks.negative_amounts(USUAL["negative_amounts"], refunds)
    assert found is not None and found.value == 0.1
    assert usual_checks.negative_amounts(USUAL["negative_amounts"], refunds, "net") is None
    assert usual_checks.negative_amounts(USUAL["negative_amounts"], np.r_[np.ones(5), -np.ones(5)]) is None
    money = 10 + np.arange(100) % 7
    cents = usual_checks.scale_mix(USUAL["scale_mix"], np.where(np.arange(100) % 20 == 0, 100.0, 1.0) * money)
    assert cents is not None and cents.status == "warned" and cents.value == 0.05
    assert usual_checks.quantisation(USUAL["quantisation"], money.astype(float), 0.0) is None
    coarse = usual_checks.quantisation(USUAL["quantisation"], money.astype(float), 1.0)
    assert coarse is not None and coarse.status == "warned"


def test_the_type_that_is_too_coarse_is_named() -> None:
    amounts = [decimal.Decimal(10**17 + k % 500) for k in range(400)]
    frame = pd.DataFrame({"arm": ["a", "b"] * 200, "gmv": amounts})
    audit = gc.ab_test(frame, metrics="gmv", arm="arm", control="a").audit
    assert audit["quantisation"].status == "warned"
    assert audit["quantisation"].message.startswith("float64 values of 'gmv' are 16 apart")
    assert usual_checks.held_as(8.0, 1e8)[0] == "float32"
