"""Deciles, calibration, curves, several arms, figures and refusals of an evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gmvcausal import DesignError, InputError
from gmvcausal.results.base import COMMON_COLUMNS
from gmvcausal.targeting.evaluate import evaluate

HALF = [0.5, 0.5]


def trial(n=2_000, seed=4):
    rng = np.random.default_rng(seed)
    score, arm = rng.random(n).round(2), rng.integers(0, 2, n)
    return score, rng.exponential(1, n) + 2 * arm * score, arm


def test_deciles_by_hand() -> None:
    """Six users, two bins of three, and the border runs through the four tied ones: half of each counts in either."""
    score = np.array([3.0, 2, 2, 2, 2, 1])
    arm = np.array([1, 1, 1, 0, 0, 0])
    y = np.array([8.0, 4, 2, 1, 3, 5])
    frame = evaluate(score, y, arm, HALF).deciles(2)
    upper = (8 + 0.5 * 4 + 0.5 * 2) / 2 - (0.5 * 1 + 0.5 * 3) / 1
    lower = (0.5 * 4 + 0.5 * 2) / 1 - (5 + 0.5 * 1 + 0.5 * 3) / 2
    assert frame["estimate"].tolist() == pytest.approx([upper, lower])
    assert frame["predicted"].tolist() == pytest.approx([(3 + 2 * 2) / 3, (1 + 2 * 2) / 3])
    assert frame["n"].tolist() == [3, 3]
    assert frame["std_error"].isna().all()  # one user of an arm tells nothing about its spread


def test_deciles_are_plain_differences_where_nobody_is_tied() -> None:
    rng = np.random.default_rng(2)
    score, arm = rng.permutation(1_000).astype(float), rng.integers(0, 2, 1_000)
    y = rng.exponential(1, 1_000) + arm
    found = evaluate(score, y, arm, HALF).deciles()
    for b in range(10):
        here = (score < 1_000 - 100 * b) & (score >= 900 - 100 * b)
        one, none = y[here & (arm == 1)], y[here & (arm == 0)]
        assert found["estimate"][b] == pytest.approx(one.mean() - none.mean(), abs=1e-10)
        welch = stats.ttest_ind(one, none, equal_var=False)
        assert found["std_error"][b] == pytest.approx(abs(found["estimate"][b] / welch.statistic), rel=1e-8)
        limits = welch.confidence_interval(0.95)
        assert (found["conf_low"][b], found["conf_high"][b]) == pytest.approx((limits.low, limits.high), rel=1e-8)


def test_calibration_slope_beside_least_squares() -> None:
    import statsmodels.api as sm

    score, y, arm = trial()
    mu = np.column_stack([np.full(2_000, 1.0), 1 + 2 * score])
    e = evaluate(score, y, arm, HALF, mu=mu)
    gamma = np.where(arm == 1, 2 * (y - mu[:, 1]), -2 * (y - mu[:, 0])) + mu[:, 1] - mu[:, 0]
    fit = sm.OLS(gamma, sm.add_constant(score)).fit(cov_type="HC0")
    slope = e.calibration().slope
    assert slope.estimate == pytest.approx(fit.params[1], abs=1e-10)
    apart, total = np.abs(score - score.mean()), 0.0
    for a in (0, 1):  # squares of each arm with the factor of Bell and McCaffrey for their weights in the slope
        w = apart[arm == a] / apart[arm == a].sum()
        s2, s3 = (w**2).sum(), (w**3).sum()
        total += ((apart * fit.resid)[arm == a] ** 2).sum() * s2 / (s2 - 2 * s3 + s2**2)
    assert slope.std_error == pytest.approx(np.sqrt(total) / (apart**2).sum(), rel=1e-8)
    low, high = slope.conf_int()
    assert low < 2 < high
    frame = e.calibration().to_frame()
    assert frame["gap"].to_numpy() == pytest.approx(frame["estimate"] - frame["predicted"])


def test_curve_ends_at_the_average_effect_and_its_area_is_the_metric() -> None:
    score, y, arm = trial()
    e = evaluate(score, y, arm, HALF, cost=0.3, margin=0.5)
    for version in (e, e.doubly_robust):
        frame = version.curve(500)
        assert frame["gain"].iloc[-1] == pytest.approx(version.ate.estimate, abs=1e-10)
        assert frame["gain_se"].iloc[-1] == pytest.approx(version.ate.std_error, rel=1e-6)
        assert frame["toc"].iloc[-1] == pytest.approx(0, abs=1e-10)
        gain = np.concatenate([[0.0], frame["gain"]])
        area = ((gain[1:] + gain[:-1]) / 2).mean()
        assert area == pytest.approx(version.auuc.estimate, rel=2e-3)
    assert frame["cost"].to_numpy() == pytest.approx(0.3 * frame["share"].to_numpy())


def test_errors_of_the_curve_are_those_of_the_bootstrap() -> None:
    """Half of the users treated: the gain in 400 bootstrap samples, where the cut is found anew."""
    score, y, arm = trial()
    flat = evaluate(score, y, arm, HALF).curve(4)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        rows = rng.integers(0, len(y), len(y))
        found.append(evaluate(score[rows], y[rows], arm[rows], HALF).curve(4)[["gain", "toc"]].to_numpy())
    spread = np.std(found, axis=0)
    assert flat["gain_se"].to_numpy() == pytest.approx(spread[:, 0], rel=0.1)
    assert flat["toc_se"].to_numpy()[:3] == pytest.approx(spread[:3, 1], rel=0.1)


def test_arms_are_each_compared_with_the_control() -> None:
    rng = np.random.default_rng(5)
    n = 3_000
    scores, arm = rng.random((n, 2)), rng.integers(0, 3, n)
    y = rng.standard_normal(n) + np.where(arm == 2, 2 * scores[:, 1], 0.0)
    e = evaluate(scores, y, arm, np.full(3, 1 / 3), labels=["none", "5 yuan", "10 yuan"])
    assert e.labels == ("5 yuan", "10 yuan")
    assert e.noise and not e.of("10 yuan").noise
    assert e.to_frame()["arm"].tolist() == ["5 yuan"] * 4 + ["10 yuan"] * 4
    assert tuple(e.to_frame().columns[:10]) == COMMON_COLUMNS
    # codes of the other arm swapped: nothing about this one changes
    swapped = evaluate(scores[:, ::-1], y, np.array([0, 2, 1])[arm], np.full(3, 1 / 3), labels=["n", "b", "a"])
    assert swapped.of("b").qini.estimate == pytest.approx(e.of("10 yuan").qini.estimate, abs=1e-12)
    with pytest.raises(InputError, match="'5 yuan', '10 yuan'"):
        e.of("20 yuan")


def test_known_probabilities_undo_targeting() -> None:
    """A coupon logged at 80 % for high scores and 20 % for low: the Qini is that of the trial at 50 %."""
    rng = np.random.default_rng(6)
    n = 40_000
    score = rng.random(n)
    p = np.where(score > 0.5, 0.8, 0.2)
    arm = (rng.random(n) < p).astype(int)
    y = rng.standard_normal(n) + 3 * (score > 0.5) + arm * score
    e = evaluate(score, y, arm, np.column_stack([1 - p, p]))
    low, high = e.qini.conf_int(0.999)
    assert low < 1 / 12 < high
    low, high = evaluate(score, y, arm, HALF).ate.conf_int(0.999)
    assert not low < 1 / 2 < high  # taken as a fair coin it is another number


def test_figures_and_words() -> None:
    score, y, arm = trial(500)
    e = evaluate(score, y, arm, HALF, cost=0.1, unit="CNY")
    for kind in ("qini", "toc", "deciles", "calibration", "cost"):
        assert e.curves(kind).lines
        assert e.plot(kind).axes
    with pytest.raises(InputError, match="'qini', 'toc', 'deciles', 'calibration', 'gates', 'cost'"):
        e.plot("lift")
    assert "CNY per user" in e.summary()
    assert "500 held-out users" in e.summary()


def test_one_score_for_all_is_no_ranking() -> None:
    _, y, arm = trial(500)
    e = evaluate(np.zeros(500), y, arm, HALF)
    assert e.qini.estimate == pytest.approx(0, abs=1e-12)
    assert e.noise and "no ranking" in e.summary()
    with pytest.raises(DesignError, match="cannot be calibrated"):
        e.calibration()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": np.r_[np.nan, np.zeros(7)]}, "score holds missing or infinite numbers; 1 found; .*position 0"),
        ({"y": np.r_[np.zeros(7), np.inf]}, "y holds missing or infinite.*position 7"),
        ({"arm": np.r_[0, 1, 2, 0, 1, 0, 1, 0]}, "2 arms beside the control, but scores for 1"),
        ({"arm": np.zeros(8)}, "arm must hold 8 whole numbers"),
        ({"e": [0.5, 0.0]}, "e gives arm 1 the probability 0"),
        ({"e": [[0.5, 0.5]] * 6 + [[1, 0]] * 2}, "0 for the arm that was given; 1 found; first at row position 6"),
        ({"e": [[0.5, 1.5]] * 8}, "outside"),
        ({"mu": np.zeros((8, 3))}, "mu must have the shape"),
        ({"cluster": np.zeros(8)}, "cluster must hold 8 whole numbers"),
        ({"labels": ["a"]}, "labels must name 2 arms"),
        ({"version": "ipw"}, "version must be one of"),
        ({"intervals": "jackknife"}, "intervals must be one of"),
    ],
)
def test_refusals(change, message) -> None:
    call = {"score": np.arange(8.0), "y": np.arange(8.0), "arm": np.array([1, 0] * 4), "e": HALF} | change
    with pytest.raises(InputError, match=message):
        evaluate(**call)


def test_an_arm_of_one_user_is_refused() -> None:
    with pytest.raises(DesignError, match="'arm 1' has 1 users"):
        evaluate(np.arange(8.0), np.arange(8.0), np.r_[1, np.zeros(7, int)], HALF)


def test_a_bootstrap_that_loses_an_arm_is_refused() -> None:
    with pytest.raises(DesignError, match="replicates without users of one arm"):
        evaluate(np.arange(8.0), np.arange(8.0), np.r_[1, 1, np.zeros(6, int)], HALF, intervals="poisson").summary()
