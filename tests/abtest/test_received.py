"""Encouragement: effects among compliers by hand, by two-stage least squares, and by brute-force inversion of tests."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats
from statsmodels.sandbox.regression.gmm import IV2SLS

import gmvcausal as gc

EFFECT = 2.0


def market(n: int = 1200, seed: int = 0, compliers: float = 0.6, always: float = 0.1, arms: int = 2) -> pd.DataFrame:
    """Pushes assigned by lot; compliers buy more to begin with, and receiving adds 2 to what anybody buys."""
    rng = np.random.default_rng(seed)
    kind = rng.random(n)
    arm = rng.integers(0, arms, n)
    complies = kind < compliers
    got = np.where(complies, arm > 0, kind > 1 - always).astype(int)
    taste = rng.normal(0, 1, n)
    gmv = np.exp(1.5 + 0.4 * taste + 0.3 * complies + rng.normal(0, 0.4, n)) + EFFECT * got
    return pd.DataFrame(
        {
            "arm": arm,
            "delivered": got,
            "gmv": gmv,
            "bought": gmv > 7,
            "gmv_pre": np.exp(taste),
            "segment": rng.choice(["new", "old"], n),
            "place": rng.integers(0, 40, n),
        }
    )


DATA = market()
MEAN = gc.Mean("gmv", cap=None)


def table(data: Any, metrics: Any = MEAN, **options: Any) -> pd.DataFrame:
    options = {"control": 0, "received": "delivered", **options}
    return gc.ab_test(data, metrics=metrics, **options).to_frame().set_index("term")


def inverted(p: Callable[[float], float], start: float, step: float, alpha: float = 0.05) -> tuple[float, float]:
    """The two values at which a test of a value has the p-value alpha, sought outwards from the estimate."""
    ends = []
    for side in (-1, 1):
        far = start + side * step
        while p(far) > alpha:
            far += side * step
        ends.append(optimize.brentq(lambda b: p(b) - alpha, far - side * step, far, xtol=1e-12))
    return ends[0], ends[1]


def test_by_hand() -> None:
    # ITT: means 5 and 3; receipt: 3/4 and 1/4; so 2 / (1/2) = 4. Less 4 per receipt the outcomes are 3 1 0 4 and
    # 2 3 -1 4 with means 2 and 2, sums of squares 10 and 14: variance (10/3 + 14/3) / 4 = 2, over (1/2)^2.
    frame = pd.DataFrame(
        {"arm": [1] * 4 + [0] * 4, "gmv": [7.0, 5, 0, 8, 2, 3, 3, 4], "delivered": [1, 1, 0, 1, 0, 0, 1, 0]}
    )
    row = table(frame).loc["gmv among compliers"]
    assert row["estimate"] == 4.0 and row["std_error"] == pytest.approx(math.sqrt(2 / 0.25), rel=1e-14)
    # without receipt: means 0 and 9/4, so compliers have (9/4 - 0) / (1/2) = 9/2 in the control arm
    assert (row["control_value"], row["value"]) == (pytest.approx(4.5), pytest.approx(8.5))
    assert row["relative"] == pytest.approx(4 / 4.5) or math.isnan(row["relative"])


def test_two_stage_least_squares() -> None:
    found = table(DATA)
    ones = np.ones(len(DATA))
    wanted = IV2SLS(
        DATA["gmv"].to_numpy(),
        np.column_stack([ones, DATA["delivered"]]),
        np.column_stack([ones, DATA["arm"]]),
    ).fit()
    row = found.loc["gmv among compliers"]
    assert row["estimate"] == pytest.approx(wanted.params[1], rel=1e-10)
    rest = DATA["gmv"] - row["estimate"] * DATA["delivered"]
    arms = [rest[DATA["arm"] == a] for a in (0, 1)]
    share = DATA.groupby("arm")["delivered"].mean()
    error = math.sqrt(sum(x.var() / len(x) for x in arms)) / (share[1] - share[0])
    assert row["std_error"] == pytest.approx(error, rel=1e-10)
    assert row["p_value"] == found.loc["gmv", "p_value"] and row["estimand"].endswith(
        "per unit that received because it was assigned (complier average causal effect of delivered)"
    )


def test_anderson_rubin_is_welch_s_test_inverted() -> None:
    row = table(DATA).loc["gmv among compliers"]

    def p(b: float) -> float:
        y = DATA["gmv"] - b * DATA["delivered"]
        return float(stats.ttest_ind(y[DATA["arm"] == 1], y[DATA["arm"] == 0], equal_var=False).pvalue)

    low, high = inverted(p, row["estimate"], 1.0)
    assert row["conf_low"] == pytest.approx(low, rel=1e-8) and row["conf_high"] == pytest.approx(high, rel=1e-8)


@pytest.mark.parametrize(
    ("pre", "options"),
    [
        (None, {}),
        (["gmv_pre"], {}),
        (["gmv_pre"], {"hc": None}),
        (None, {"cluster": "place"}),
        (["gmv_pre"], {"cluster": "place"}),
        (None, {"strata": "segment"}),
        (["gmv_pre"], {"strata": "segment"}),
        (None, {"triggered": "bought"}),
        (None, {"alpha": 0.2}),
    ],
)
def test_the_set_is_that_of_the_tests_of_the_assigned(pre: Any, options: dict[str, Any]) -> None:
    """However the rows of the assigned are tested, the set holds those b at which y - b x receipt shows no effect."""
    metric = gc.Mean("gmv", pre=pre, cap=None)
    row = table(DATA, metric, **options).loc["gmv among compliers"]
    alpha = options.get("alpha", 0.05)

    def p_of(y: Any) -> float:
        return gc.ab_test(DATA.assign(gmv=y), control=0, metrics=metric, **options).p_value

    low, high = inverted(lambda b: p_of(DATA["gmv"] - b * DATA["delivered"]), row["estimate"], 1.0, alpha)
    assert row["conf_low"] == pytest.approx(low, rel=1e-6) and row["conf_high"] == pytest.approx(high, rel=1e-6)
    # relative: the outcome over (minus) the outcome of those who did not receive
    without = DATA["gmv"] * (1 - DATA["delivered"])
    low, high = inverted(lambda r: p_of(DATA["gmv"] + r * without), row["relative"], 0.2, alpha)
    assert row["relative_low"] == pytest.approx(low, rel=1e-6)
    assert row["relative_high"] == pytest.approx(high, rel=1e-6)
    assert row["relative"] == pytest.approx(row["estimate"] / row["control_value"], rel=1e-10)


def test_weak_receipt_leaves_no_end_and_says_which_values_are_out() -> None:
    rng = np.random.default_rng(3)
    weak = DATA.assign(delivered=np.where(rng.random(len(DATA)) < 0.04, DATA["arm"], rng.integers(0, 2, len(DATA))))
    weak["gmv"] = weak["gmv"] + 2 * weak["arm"]
    result = gc.ab_test(weak, metrics=MEAN, received="delivered")
    row = result.to_frame().set_index("term").loc["gmv among compliers"]
    assert (row["conf_low"], row["conf_high"]) == (-math.inf, math.inf) and math.isnan(row["relative_low"])
    assert row["p_value"] < 0.05 and result.audit["first_stage"].status == "warned"
    line = next(line for line in result.advice if "has no end" in line)
    low, high = (float(x) for x in line.split("effects between ")[1].split(" are ruled")[0].split(" and "))
    for b in (low, high):
        y = weak["gmv"] - b * weak["delivered"]
        p = stats.ttest_ind(y[weak["arm"] == 1], y[weak["arm"] == 0], equal_var=False).pvalue
        assert p == pytest.approx(0.05, abs=2e-3)
    assert low < 0 < high  # p < .05: zero is among what is ruled out
    # Nothing differs between the arms: the roots are not real, and no effect is ruled out.
    flat = pd.DataFrame(
        {"arm": [0, 1] * 300, "delivered": [0, 0, 1, 1] * 150, "gmv": np.repeat(rng.normal(size=300), 2)}
    )
    result = gc.ab_test(flat, metrics=MEAN, received="delivered")
    assert any("no effect can be ruled out" in line for line in result.advice)
    assert result.audit["first_stage"].status == "failed" and math.isnan(result.to_frame()["estimate"][1])


def test_clusters_that_hold_both_arms() -> None:
    rng = np.random.default_rng(5)
    level = rng.normal(0, 2, 40)[DATA["place"]]
    frame = DATA.assign(gmv=DATA["gmv"] + level)
    row = table(frame, cluster="place").loc["gmv among compliers"]

    def p(b: float) -> float:
        moved = frame.assign(gmv=frame["gmv"] - b * frame["delivered"])
        return gc.ab_test(moved, control=0, metrics=MEAN, cluster="place").p_value

    low, high = inverted(p, row["estimate"], 1.0)
    assert row["conf_low"] == pytest.approx(low, rel=1e-8) and row["conf_high"] == pytest.approx(high, rel=1e-8)


@pytest.mark.parametrize("strata", [None, "half"])
def test_clusters_in_one_arm_each(strata: str | None) -> None:
    frame = DATA.assign(arm=DATA["place"] % 2, half=DATA["place"] // 20)
    frame["delivered"] = np.where(np.random.default_rng(0).random(len(frame)) < 0.7, frame["arm"], 0)
    row = table(frame, cluster="place", strata=strata).loc["gmv among compliers"]

    def p(b: float) -> float:
        moved = frame.assign(gmv=frame["gmv"] - b * frame["delivered"])
        return gc.ab_test(moved, control=0, metrics=MEAN, cluster="place", strata=strata).p_value

    low, high = inverted(p, row["estimate"], 1.0)
    assert row["conf_low"] == pytest.approx(low, rel=1e-8) and row["conf_high"] == pytest.approx(high, rel=1e-8)


def test_rows_and_their_order() -> None:
    metrics = [gc.Mean("gmv", cap=0.95), gc.Proportion("bought"), gc.Ratio("gmv", "bought"), gc.Proportion("delivered")]
    three = market(arms=3, seed=2)
    plain = gc.ab_test(three, control=0, metrics=metrics).to_frame()
    both = gc.ab_test(three, control=0, metrics=metrics, received="delivered")
    found = both.to_frame()
    pd.testing.assert_frame_equal(found.head(len(plain)), plain, rtol=1e-12)
    of = [0, 1, 2, 3, 4, 5]  # capped and uncapped means, shares bought; two arms each; no ratios, no receipt
    assert list(found["term"][len(plain) :]) == [f"{plain['term'][i]} among compliers" for i in of]
    assert list(found["p_value"][len(plain) :]) == list(plain["p_value"][of])
    cov = both.estimates.cov
    np.testing.assert_allclose(np.sqrt(np.diag(cov)), found["std_error"], rtol=1e-12)
    # the joint covariance knows that an effect among compliers is one of the assigned over receipt
    share = three.groupby("arm")["delivered"].mean()
    assert cov[0, len(plain)] / cov[0, 0] == pytest.approx(1 / (share[1] - share[0]), rel=0.1)
    precapped = three.assign(gmv=np.minimum(three["gmv"], np.quantile(three["gmv"], 0.95)))
    wanted = table(precapped).loc["gmv: 1 among compliers", ["estimate", "std_error", "conf_low", "conf_high"]]
    np.testing.assert_allclose(found.iloc[len(plain)][wanted.index].astype(float), wanted.astype(float), rtol=1e-10)
    assert "(exclusion)" in both.assumption and "monotonicity" in both.assumption
    assert any("some of the control received it too" in line for line in both.advice)


def test_one_sided_and_adjusted_for_many() -> None:
    one = table(DATA, alternative="greater").loc["gmv among compliers"]
    assert one["conf_high"] == math.inf
    assert one["conf_low"] == pytest.approx(table(DATA, alpha=0.1).loc["gmv among compliers", "conf_low"], rel=1e-10)
    metrics = [MEAN, gc.Proportion("bought")]
    many = table(DATA, metrics, adjust="holm")
    for name in ("gmv", "bought"):
        row, own = many.loc[f"{name} among compliers"], many.loc[name]
        assert row["p_value"] == own["p_value"]
        assert (row["conf_low"] <= 0 <= row["conf_high"]) == (own["conf_low"] <= 0 <= own["conf_high"])
    wider = table(DATA, metrics).loc["bought among compliers"]
    assert many.loc["bought among compliers", "conf_low"] <= wider["conf_low"]


def test_segments_are_about_the_assigned() -> None:
    with_receipt = gc.ab_test(DATA, metrics=MEAN, received="delivered").by("segment")
    plain = gc.ab_test(DATA, metrics=MEAN).by("segment")
    pd.testing.assert_frame_equal(with_receipt.to_frame(), plain.to_frame())


def test_full_compliance_is_the_effect_of_assignment() -> None:
    found = table(DATA.assign(delivered=DATA["arm"]))
    columns = ["estimate", "std_error", "p_value", "conf_low", "conf_high", "relative", "relative_low", "relative_high"]
    a, b = found.loc["gmv", columns].astype(float), found.loc["gmv among compliers", columns].astype(float)
    np.testing.assert_allclose(b, a, rtol=1e-4)  # relative ends: Welch's degrees of freedom at the end itself
    np.testing.assert_allclose(b[:5], a[:5], rtol=1e-12)


def test_relations(tmp_path: Path) -> None:
    metrics = [gc.Mean("gmv", pre="gmv_pre", cap=0.95), gc.Proportion("bought")]
    numbers = ["estimate", "std_error", "p_value", "conf_low", "conf_high", "relative", "relative_low", "relative_high"]
    wanted = table(DATA, metrics)[numbers]
    for moved in (
        DATA.sample(frac=1, random_state=1),
        DATA.assign(delivered=DATA["delivered"] == 1),
        DATA.assign(gmv_pre=DATA["gmv_pre"] * 50 + 3),
    ):
        pd.testing.assert_frame_equal(table(moved, metrics)[numbers], wanted, rtol=1e-8)
    money = table(DATA.assign(gmv=DATA["gmv"] * 100), MEAN)[numbers]
    scale = [100, 100, 1, 100, 100, 1, 1, 1]
    pd.testing.assert_frame_equal(money, table(DATA, MEAN)[numbers] * scale, rtol=1e-9)
    DATA.to_parquet(tmp_path / "t.parquet")
    for options in ({}, {"cluster": "place"}, {"hc": None}):
        memory, file = table(DATA, metrics, **options), table(tmp_path / "t.parquet", metrics, **options)
        pd.testing.assert_frame_equal(file[numbers], memory[numbers], rtol=1e-8)


def test_first_stage() -> None:
    assert gc.ab_test(DATA, metrics=MEAN, received="delivered").audit["first_stage"].status == "passed"
    backwards = DATA.assign(delivered=1 - DATA["delivered"])
    check = gc.ab_test(backwards, metrics=MEAN, received="delivered").audit["first_stage"]
    assert check.status == "failed" and "labels of the arms" in check.remedy
    share = DATA.groupby("arm")["delivered"]
    t = (share.mean()[1] - share.mean()[0]) / math.sqrt((share.var() / share.size()).sum())
    found = gc.ab_test(DATA, metrics=MEAN, received="delivered").audit["first_stage"].value
    assert found == pytest.approx(t**2, rel=1e-10)
    assert "first_stage" not in gc.ab_test(DATA, metrics=MEAN).audit


def test_few_clusters_withhold_these_rows_too() -> None:
    found = table(DATA.assign(arm=DATA["place"] % 2, place=DATA["place"] % 8), cluster="place")
    row = found.loc["gmv among compliers"]
    assert not math.isnan(row["estimate"])
    if math.isnan(found.loc["gmv", "std_error"]):
        assert math.isnan(row["std_error"]) and math.isnan(row["conf_low"]) and math.isnan(row["p_value"])


@pytest.mark.parametrize(
    ("make", "options", "message", "rows"),
    [
        (lambda: DATA.assign(delivered=DATA["delivered"] * 2), {}, "0 and 1 only", None),
        (lambda: DATA.assign(delivered=0), {}, "nobody received", ()),
        (lambda: DATA.assign(delivered=1), {}, "everybody, in the control too, received", ()),
        (
            lambda: DATA.assign(delivered=DATA["delivered"].where(DATA.index != 4)),
            {},
            "received is missing.*1 found",
            (4,),
        ),
        (lambda: DATA.assign(delivered="yes"), {}, "text", None),
        (lambda: DATA, {"received": "arm"}, "is the arm, the cluster", ()),
        (lambda: DATA, {"received": "recieved"}, "no column 'recieved'", ()),
        (lambda: DATA, {"received": 3}, "received must be a column name", ()),
        (lambda: DATA, {"metrics": gc.Mean("gmv", pre="delivered")}, "happened after assignment", ()),
        (lambda: DATA.assign(day=1), {"time": "day"}, "received= and time= cannot", ()),
        (lambda: DATA, {"inference": "randomisation"}, "received= and inference='randomisation'", ()),
        (lambda: DATA, {"metrics": gc.Quantile("gmv", 0.5)}, "needs a mean or a share", ()),
        (lambda: DATA, {"metrics": gc.Proportion("delivered")}, "needs a mean or a share", ()),
    ],
)
@pytest.mark.parametrize("road", ["memory", "file"])
def test_refused(road: str, make: Any, options: dict[str, Any], message: str, rows: Any, tmp_path: Path) -> None:
    data = make()
    if road == "file":
        data.to_parquet(tmp_path / "t.parquet")
        data = tmp_path / "t.parquet"
    with pytest.raises(gc.InputError, match=f"(?s){message}") as caught:
        gc.ab_test(data, **{"metrics": MEAN, "received": "delivered", **options})
    assert rows is None or caught.value.rows == rows


@pytest.mark.parametrize(("compliers", "bound"), [(0.6, 0.05), (0.08, 0.05)])
def test_truth_is_covered_however_weak_receipt_is(compliers: float, bound: float) -> None:
    runs, missed = 300, 0
    for seed in range(runs):
        row = table(market(400, seed + 50, compliers)).loc["gmv among compliers"]
        # inside the hull is inside the set unless there is a gap; then the test at the truth decides
        inside = row["conf_low"] <= EFFECT <= row["conf_high"]
        if math.isinf(row["conf_low"]):
            data = market(400, seed + 50, compliers)
            y = data["gmv"] - EFFECT * data["delivered"]
            inside = stats.ttest_ind(y[data["arm"] == 1], y[data["arm"] == 0], equal_var=False).pvalue > 0.05
        missed += not inside
    assert missed / runs <= bound + 3 * math.sqrt(bound * (1 - bound) / runs)
