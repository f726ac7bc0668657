"""Odd data and options of `gc.ab_test`: what is said of them, word by word."""

from __future__ import annotations

import math
import warnings
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.frames.arms import chance_assigned_there
from gmvcausal.present import words
from gmvcausal.results.usual_checks import p_words


def test_clusters_too_large_for_a_chance_are_found(tmp_path: Path) -> None:
    city = np.repeat(np.arange(24), 5000)
    rng = np.random.default_rng(0)
    d = pd.DataFrame(
        {"arm": np.where(city % 2 == 0, "none", "coupon"), "city": city, "gmv": rng.gamma(2, 10, len(city))}
    )
    path = tmp_path / "d.parquet"
    d.to_parquet(path)
    for data in (d, path):
        with pytest.warns(gc.GmvCausalWarning, match="does not vary within 'city'"):
            r = gc.ab_test(data, control="none", metrics=["gmv"])
        assert r.audit["cluster_level"].status == "warned"


def test_the_chance_of_clusters_is_that_of_the_sum_where_the_sum_exists() -> None:
    share = np.array([0.2, 0.3, 0.5])
    by_sum = 4 * math.log(float((share**3).sum())) + 2 * math.log(float((share**7).sum()))
    assert chance_assigned_there({1: 9, 3: 4, 7: 2}, share) == pytest.approx(by_sum, rel=1e-13)
    assert chance_assigned_there({5000: 2}, np.array([0.5, 0.5])) == pytest.approx(2 * -4999 * math.log(2), rel=1e-13)


@pytest.mark.parametrize(
    ("texts", "says", "unsaid"),
    [
        (["¥1,234.50", "$12", "-¥3", "7"], r"str.replace(r'[$€£¥￥,\s]', '', regex=True)", "more than one way"),
        (["1e3", "12.5"], "hese are numbers written as text: convert them, pd.to_numeric(df[col])", "replace"),
        (["12,50", "1.00"], "'12,50' can be read in more than one way", "to_numeric"),
        (["(5.00)", "1.00"], "'(5.00)' can be read in more than one way", "to_numeric"),
        (["no", "yes"], "df[col] == 'yes'", "to_numeric"),
    ],
)
def test_the_remedy_for_text_changes_no_value(texts: list[str], says: str, unsaid: str) -> None:
    data = pd.DataFrame({"arm": [0, 1] * 20, "gmv": (texts * 40)[:40]})
    with pytest.raises(gc.InputError, match="holds text") as caught:
        gc.ab_test(data, metrics="gmv")
    assert says in str(caught.value) and unsaid not in str(caught.value)


def test_yes_and_no_are_compared_in_a_share_and_in_a_trigger() -> None:
    data = pd.DataFrame({"arm": [0, 1] * 20, "gmv": range(40), "seen": ["no", "yes"] * 20})
    for call in ({"metrics": gc.Proportion("seen")}, {"metrics": "gmv", "triggered": "seen"}):
        with pytest.raises(gc.InputError, match=r"df\[col\] == 'yes'"):
            gc.ab_test(data, **call)


def test_no_share_lies_above_the_cap_where_refunds_eat_the_total() -> None:
    rng = np.random.default_rng(1)
    gmv = np.where(rng.random(4000) < 0.1, rng.gamma(0.3, 100, 4000), 0.0)
    for refund, told in ((0.0, True), (-2 * gmv.sum() / 100, False)):
        paid = gmv.copy()
        paid[:100] = refund
        r = gc.ab_test(pd.DataFrame({"arm": np.arange(4000) % 2, "gmv": paid}), metrics="gmv")
        share = r.to_frame()["capped_share"].to_numpy()[-1]
        assert (0 < share < 1) if told else math.isnan(share)
        assert ("of the total lies above" in r.summary().replace("\n            ", " ")) == told


def _shop(effect: float, n: int = 400) -> pd.DataFrame:
    u = np.arange(n)
    return pd.DataFrame({"arm": u % 2, "gmv": 10 + u % 10 + effect * (u % 2), "spent": 2 + u % 4 + 3.0 * (u % 2)})


def test_the_headline_of_money_says_what_is_left_after_the_cost() -> None:
    r = gc.ab_test(_shop(5), metrics=[gc.Mean("gmv", cap=None), gc.Mean("spent", cap=None)])
    dear = r.incremental_gmv(cost=5000, cost_is="other", gmv_is="paid", margin=0.3)
    assert words.verdict(dear) == "gain" and words.details(dear)[0].startswith("A loss of")
    assert "profit after the cost (95% interval" in words.details(dear)[0]
    cheap = r.incremental_gmv(cost=1, cost_is="other", gmv_is="paid", margin=0.3)
    assert words.details(cheap)[0].startswith("A gain of")
    free = r.incremental_gmv(margin=0.3, gmv_is="paid")
    assert "profit after" not in " ".join(words.details(free))


def test_a_cost_is_another_metric_and_money_may_be_decimal() -> None:
    r = gc.ab_test(_shop(5), metrics=[gc.Mean("gmv", cap=None), gc.Mean("spent", cap=None)])
    with pytest.raises(gc.InputError, match="cost='gmv' is the metric whose total is asked for"):
        r.incremental_gmv(cost="gmv", cost_is="other", gmv_is="paid")
    given = {"cost_is": "other", "gmv_is": "paid"}
    exact, plain = (r.incremental_gmv(cost=c, **given).to_frame() for c in (Decimal("12.5"), 12.5))
    pd.testing.assert_frame_equal(exact, plain)


def test_a_cost_beside_draws_is_refused_for_what_it_is() -> None:
    r = gc.ab_test(_shop(5), metrics=["gmv", "spent"], inference="poisson_bootstrap", draws=200, progress=False)
    with pytest.raises(gc.InputError, match="made with inference='poisson_bootstrap', and have no joint"):
        r.incremental_gmv(cost="spent", cost_is="other", gmv_is="paid")


def test_arms_that_do_not_vary_have_their_exact_p_value() -> None:
    data = pd.DataFrame({"arm": [0] * 4 + [1] * 4, "gmv": [1.0] * 4 + [2.0] * 4})
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        r = gc.ab_test(data, metrics=gc.Mean("gmv", cap=None), inference="randomisation", progress=False)
    assert r.p_value == pytest.approx(2 / 70, rel=1e-12)
    assert words.verdict(r) == "no_interval"


def test_gmv_without_an_order_is_refused_in_memory_and_in_files(tmp_path: Path) -> None:
    data = pd.DataFrame({"arm": [0, 1] * 50, "orders": [0, 1, 1, 0] * 25, "gmv": [0.0, 9.0, 7.0, 0.0] * 25})
    data["gmv"] += data.index % 5 * (data["orders"] > 0)
    data.loc[3, "gmv"] = 5.0
    data.to_parquet(tmp_path / "d.parquet")
    for source in (data, tmp_path / "d.parquet"):
        with pytest.raises(gc.InputError, match="1 units have 'gmv' but no 'orders'") as caught:
            gc.ab_test(source, metrics=gc.Gmv(gmv="gmv", orders="orders"))
        assert list(caught.value.rows) == [3]


def test_small_words() -> None:
    base = pd.DataFrame({"arm": [0, 1] * 100, "gmv": np.arange(200) % 7 + 1.0})
    with pytest.raises(gc.InputError, match=r"^srm_alpha must be a number"):
        gc.ab_test(base, metrics="gmv", srm_alpha=2)
    gone = base.assign(arm=base["arm"].astype(float).where(base.index != 3))
    with pytest.raises(gc.InputError, match="Find out which arm these units were drawn into"):
        gc.ab_test(gone, metrics="gmv")
    tier = base.assign(tier=np.where(base.index == 3, None, "new"))
    with pytest.raises(gc.InputError, match="a level of their own"):
        gc.ab_test(tier, metrics="gmv", strata="tier")
    moved = base.assign(tier=np.where((base["arm"] == 1) | (base.index <= 30), "a", "b"))
    check = gc.ab_test(moved, metrics="gmv").by("tier").audit["segment_balance"]
    assert check.status == "failed" and "do not have the same shares" in check.message
    assert p_words(0.0) == "p < 1e-300" and p_words(0.5) == "p = 0.5000"


def test_guardrails_say_no_more_than_the_rows() -> None:
    u = np.arange(200)
    data = pd.DataFrame({"arm": u % 2, "gmv": 5.0 + u % 7, "margin": np.where(u % 4 < 2, -1.0, 0.9) + u % 3})
    data["loss"] = -data["gmv"]
    r = gc.ab_test(data, metrics=["gmv", "loss"], guardrails={"loss": -0.02})
    assert np.isnan(r.guardrails()["relative"][0]) and np.isnan(r.to_frame()["relative"].to_numpy()[-1])
    assert "not shown, as the control's value is not above zero" in r.advice[0]


def test_days_of_a_switchback_are_refused_for_what_they_are() -> None:
    hours = pd.date_range("2025-01-01", periods=24 * 20, freq="h")
    arm = np.random.default_rng(0).permutation(np.arange(80) % 2)[np.arange(len(hours)) // 6]
    data = pd.DataFrame({"arm": arm, "t": hours, "gmv": np.arange(len(hours)) % 7 + 1.0})
    r = gc.ab_test(data, metrics=["gmv"], time="t", washout="1h")
    with pytest.raises(gc.InputError, match="in a switchback blocks of time were drawn, not units"):
        r.daily()
