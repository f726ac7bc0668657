"""Rows that stand exactly at a threshold, against the scores next to it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gmvcausal.observational.discontinuity.heap import Heap, heap


def test_by_hand() -> None:
    # 297 to 303 hold 4, 9, 5, 11, 6, 3, 7 rows: the neighbours of 300 have 3, 4, 5, 6, 7, 9 and a median of 5.5
    x = np.repeat(np.arange(-3.0, 4), [4, 9, 5, 11, 6, 3, 7])
    found = heap(x, 301.0, 3.0)  # 301 is round in no way that two of its neighbours are
    assert found[:3] == (11, 5.5, 9)
    assert found.p == pytest.approx(1 - stats.poisson.cdf(10, 5.5), rel=1e-12)


def test_only_the_five_next_on_either_side_count() -> None:
    x = np.repeat(np.arange(-7.0, 8), [90, 90, 1, 2, 3, 4, 5, 30, 6, 7, 8, 9, 10, 90, 90])
    assert heap(x, 301.0, 7.0)[:3] == (30, 5.5, 10)


def test_no_heap_where_a_neighbour_has_as_many_or_nobody_is_there() -> None:
    assert heap(np.repeat(np.arange(-3.0, 4), [4, 4, 30, 30, 4, 4, 4]), 301.0, 3.0).p == 1.0
    assert heap(np.array([-1.0, -0.5, 0.5, 1.0]), 301.0, 2.0) == Heap(0, 1.0, 1, 1.0)
    assert heap(np.zeros(3), 301.0, 2.0)[:3] == (3, 1.0, 1)


def test_a_round_threshold_is_compared_with_round_scores() -> None:
    """Amounts heap at tens: 300 is as high as 290 and 310, whatever 299 and 301 are."""
    score = np.arange(260.0, 341)
    rows = np.where(score % 10 == 0, 60, 20)
    tens = heap(np.repeat(score - 300, rows), 300.0, 40.0)
    assert tens == Heap(60, 60.0, 60, 1.0)
    more = heap(np.repeat(score - 300, rows + 50 * (score == 300)), 300.0, 40.0)
    assert more[:3] == (110, 60.0, 60) and more.p < 1e-6


@pytest.mark.parametrize("cutoff", [300.0, 301.0, 0.5])
def test_rows_and_units_do_not_matter(cutoff: float) -> None:
    rng = np.random.default_rng(1)
    x = np.append(rng.normal(0, 20, 3_000).round(), np.zeros(60))
    found = heap(x, cutoff, 25.0)
    assert heap(rng.permutation(x), cutoff, 25.0) == found
    assert heap(x * 100, cutoff * 100, 2_500.0) == found


def test_small_heaps_are_found_and_smooth_scores_pass() -> None:
    """Whole yuan, 4,000 users: 5 % of those within 20 of the threshold were brought to it."""
    rng = np.random.default_rng(5)
    found = []
    for brought in (0.0, 0.05):
        p = []
        for _ in range(100):
            score = rng.lognormal(np.log(240), 0.6, 4_000).round()
            score[(np.abs(score - 300) < 20) & (rng.random(4_000) < brought)] = 300
            p.append(heap(score - 300, 300.0, 60.0).p)
        found.append(np.mean(np.array(p) < 0.01))
    assert found[0] <= 0.04 and found[1] >= 0.75  # .01 and .88 are expected, less or more three standard errors
