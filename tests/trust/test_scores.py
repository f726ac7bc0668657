"""Scores against numbers computed by hand, closed forms, and simulation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from gmvcausal.errors import InputError
from gmvcausal.trust.records import Columns, columns, from_json, record_from_json, record_to_json, to_json
from gmvcausal.trust.replicate import Record
from gmvcausal.trust.scores import mean_error, rate, ratio, root_mean_square, scores, spread
from gmvcausal.trust.uplift import calibration_slope, pehe, policy_regret

# Eight answers to a truth of 10: errors -2 -1 0 0 0 0 1 2.
ESTIMATES = (8.0, 9.0, 10.0, 10.0, 10.0, 10.0, 11.0, 12.0)


def eight(half: tuple[float, float, float] = (1.0, 1.5, 3.0)) -> Columns:
    return columns(
        [
            Record(
                10.0,
                e,
                0.8,
                0.5 if e == 8 else 0.02,
                tuple(e - h for h in half),
                tuple(e + h for h in half),
                2.0,
                e != 12,
                e != 8,
                (("pre_trend", "failed" if e == 8 else "passed"), ("attrition", "warned")),
            )
            for e in ESTIMATES
        ]
    )


def test_eight_numbers_by_hand() -> None:
    s = scores(eight(), null=False)
    sd = math.sqrt(10 / 7)
    assert s["bias"] == 0 and s["sd"] == pytest.approx(sd, rel=1e-15)
    assert s["bias_mc"] == pytest.approx(sd / math.sqrt(8), rel=1e-15)
    assert s["rmse"] == pytest.approx(math.sqrt(10 / 8), rel=1e-15)
    # squared errors 4 1 0 0 0 0 1 4: mean 1.25, sum of squares 34, so their variance is (34 - 12.5) / 7
    assert s["rmse_mc"] == pytest.approx(math.sqrt(21.5 / 7) / (2 * math.sqrt(1.25) * math.sqrt(8)), rel=1e-15)
    assert s["se_ratio"] == pytest.approx(0.8 / sd, rel=1e-15)
    assert (s["coverage90"], s["coverage95"], s["coverage99"]) == (6 / 8, 6 / 8, 1.0)
    assert (s["below95"], s["above95"]) == (1 / 8, 1 / 8)
    assert s["coverage95_mc"] == pytest.approx(math.sqrt((8 / 12) * (4 / 12) / 8), rel=1e-15)
    assert s["coverage95_if_credible"] == 6 / 7
    assert s["power_5"] == 7 / 8 and s["power_1"] == 0 and "type1_5" not in s
    assert s["length95"] == 3.0 and s["length95_mc"] == 0.0
    assert s["band"] == 7 / 8 and s["refused"] == 1 / 8 and s["detectable"] == 2.0
    assert s["audit"]["pre_trend"] == {"warned": 0.0, "failed": 1 / 8, "not_run": 0.0}
    assert s["audit"]["attrition"]["warned"] == 1.0


def test_intervals_that_are_missing_or_without_end_are_not_counted_as_holding() -> None:
    nan, inf = math.nan, math.inf
    rows = [
        Record(0.0, 1.0, nan, nan, withheld="too few clusters", credible=False),
        Record(0.0, 1.0, 1.0, nan, (-1.0, -inf, -inf), (2.0, inf, inf), withheld="no end"),
        Record(0.0, 1.0, 1.0, nan, (0.5, -0.5, -inf), (2.0, 2.5, inf)),
        Record(0.0, error="DesignError: there is no control unit"),
        Record(0.0, error="crash: ZeroDivisionError: x"),
    ]
    s = scores(columns(rows), null=True)
    assert s["failed"] == 2 / 5 and s["crashed"] == 1
    assert s["no_interval"] == 2 / 3 and s["intervals"] == 1
    assert s["coverage95"] == 1.0 and s["coverage90"] == 0.0
    assert s["type1_10"] == 1.0 and s["type1_5"] == 0.0  # without a p-value the interval decides
    assert s["reasons"]["too few clusters"] == 1 and len(s["reasons"]) == 4


def test_a_level_that_cannot_be_reached_has_no_coverage_and_no_rejections() -> None:
    """Placebo p-values of 1/40 at the least: the 99 % interval has no end, and nothing is rejected at 1 %."""
    inf = math.inf
    rows = [
        Record(0.0, 1.0, math.nan, p, (-1.0 + s, -1.5 + s, -inf), (1.0 + s, 1.5 + s, inf))
        for p, s in ((0.5, 0.0), (0.2, 0.5), (0.07, 1.2), (0.025, 2.0))
    ]
    s = scores(columns(rows), null=True)
    assert (s["intervals"], s["intervals90"], s["intervals95"], s["intervals99"]) == (4, 4, 4, 0)
    assert math.isnan(s["coverage99"]) and math.isnan(s["below99"]) and math.isnan(s["type1_1"])
    assert (s["coverage95"], s["type1_5"], s["type1_10"]) == (3 / 4, 1 / 4, 2 / 4)
    some = [*rows, Record(0.0, 1.0, 1.0, 0.001, (0.5, 0.4, 0.2), (2.0, 2.1, 2.3))]
    s = scores(columns(some), null=True)
    assert s["intervals99"] == 1 and s["coverage99"] == 0.0 and s["type1_1"] == 1.0


def test_nothing_to_score_is_nan_not_an_error() -> None:
    s = scores(columns([Record(1.0, error="DesignError: x")]), null=False)
    assert math.isnan(s["coverage95"]) and math.isnan(s["se_ratio"]) and s["failed"] == 1.0


def heavy(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors with long tails and standard errors that move with them, as GMV has."""
    errors = rng.standard_t(9, n)
    return 1.0 + 0.2 * np.abs(errors), errors


@pytest.mark.parametrize(
    "score",
    [
        lambda se, e: ratio(se, e),
        lambda se, e: spread(e),
        lambda se, e: root_mean_square(e),
        lambda se, e: mean_error(e),
        lambda se, e: rate(int((np.abs(e) > 1.5).sum()), len(e)),
    ],
    ids=["ratio", "spread", "rmse", "mean", "rate"],
)
def test_monte_carlo_errors_are_those_of_a_simulation(score: Callable[..., tuple[float, float]]) -> None:
    rng = np.random.default_rng(5)
    found = np.array([score(*heavy(rng, 400)) for _ in range(1500)])
    assert found[:, 0].std(ddof=1) == pytest.approx(float(found[:, 1].mean()), rel=0.08)


def test_the_error_of_the_ratio_in_closed_form() -> None:
    """Normal errors and a constant standard error: ratio / sqrt(2 n)."""
    errors = np.random.default_rng(3).standard_normal(200_000)
    value, error = ratio(np.full(len(errors), 0.9), errors)
    assert value == pytest.approx(0.9, abs=0.01)
    assert error == pytest.approx(value / math.sqrt(2 * len(errors)), rel=0.02)


def test_records_give_back_the_same_bits_through_json() -> None:
    import json

    awkward = [
        Record(0.1 + 0.2, 1 / 3, math.nan, 1e-300, (-math.inf, 0.1, -0.0), (math.inf, 0.2, 5e-324), 2.0, None, None),
        Record(1.0, error="DesignError: x"),
        Record(1.0, 2.0, 3.0, 0.5, (1.0, 1.0, 1.0), (2.0, 2.0, 2.0), 1.0, True, False, (("a", "not_run"),), "why"),
    ]
    again = [record_from_json(json.loads(json.dumps(record_to_json(r), allow_nan=False))) for r in awkward]
    assert repr(again) == repr(list(awkward))
    once = columns(awkward)
    twice = from_json(json.loads(json.dumps(to_json(once), allow_nan=False)))
    assert json.dumps(to_json(twice)) == json.dumps(to_json(once))
    assert repr(twice.low.tolist()) == repr(once.low.tolist()) and twice.withheld == once.withheld
    assert twice.error == once.error and twice.audit == {"a": "--n"}


# --- individual effects -----------------------------------------------------------------------------------------------
def test_uplift_scores_by_hand() -> None:
    assert pehe([1, 2, 3, 4], [1, 2, 3, 8]) == 2.0
    assert calibration_slope([1, 2, 3], [5, 7, 9]) == 2.0
    assert math.isnan(calibration_slope([1, 1], [0, 5]))
    gain = [4.0, 1.0, -2.0, 0.0]
    assert policy_regret([1, 1, 0, 0], gain) == 0.0
    assert policy_regret([0, 0, 0, 0], gain) == 5 / 4
    assert policy_regret([0, 1, 0, 0], gain, budget=1) == 3 / 4
    assert policy_regret([0, 0, 0, 0], gain, budget=0) == 0.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: pehe([1.0], [1.0, 2.0]),
        lambda: pehe([], []),
        lambda: calibration_slope([1.0, math.nan], [1.0, 2.0]),
        lambda: policy_regret([0.5, 1], [1.0, 2.0]),
        lambda: policy_regret([1, 1], [1.0, 2.0], budget=1),
        lambda: policy_regret([1, 1], [1.0, 2.0], budget=-1),
    ],
)
def test_uplift_scores_refuse_what_they_cannot_score(call: Callable[[], float]) -> None:
    with pytest.raises(InputError) as found:
        call()
    assert found.value.remedy
