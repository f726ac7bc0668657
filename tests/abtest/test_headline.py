"""The finding of a heavy-tailed test is about the capped row, in every place that speaks; the attributes stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.abtest.result import AbResult
from gmvcausal.present import compare, phrases, words

SPLIT = {"coupon": 0.1, "none": 0.9}


def users(tail: float, n: int = 40_000, effect: float = 0.5) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    coupon = rng.random(n) < 0.1
    buys = rng.random(n) < 0.05 * (1 + effect * coupon)
    gmv = np.where(buys, np.exp(rng.normal(3, tail, n)), 0)
    return pd.DataFrame({"arm": np.where(coupon, "coupon", "none"), "gmv": gmv, "bought": buys})


@pytest.fixture(scope="module")
def heavy() -> AbResult:
    return _test(users(2.0))


def _test(frame: pd.DataFrame) -> AbResult:
    return gc.ab_test(frame, control="none", metrics=["gmv", gc.Proportion("bought")], expected_ratio=SPLIT)


def test_attributes_are_those_of_the_first_row(heavy: AbResult) -> None:
    frame = heavy.to_frame()
    assert list(frame["term"]) == ["gmv", "gmv capped", "bought"]
    assert (heavy.estimate, heavy.std_error, heavy.p_value) == tuple(
        frame.iloc[0][["estimate", "std_error", "p_value"]]
    )
    assert heavy.conf_int() == (frame["conf_low"][0], frame["conf_high"][0])
    assert "capped" not in heavy.estimand
    assert heavy.audit["tail"].status == "warned"
    assert heavy.spoken == 1 and heavy.told.estimate == frame["estimate"][1]


def test_every_sentence_is_about_the_capped_row(heavy: AbResult, tmp_path: Path) -> None:
    frame = heavy.to_frame()
    capped = heavy.told
    cut = float(frame["estimand"][1].partition("capped at ")[2].partition(",")[0])
    size = phrases.row_estimate(capped).lstrip("+")
    said = f"A gain of {size} gmv per unit, with gmv capped at {cut:.6g} (95% interval "
    assert words.answer(heavy).startswith(said)
    told = " ".join(words.details(heavy))
    share = capped.estimate / frame["control_value"][1]
    assert f"That is {100 * share:.0f}% of the " in told
    plain = f"{frame['estimate'][0]:+.3g} ({frame['conf_low'][0]:+.3g} to {frame['conf_high'][0]:+.3g})"
    assert plain in told and "not to be relied on" in told
    assert f"{100 * frame['capped_share'][1]:.2g}% of the total lies above" in told
    # The same words on the page, in a notebook, in a comparison and in the summary.
    text = " ".join(heavy.summary().split())
    page = gc.report(heavy, tmp_path / "a.html").read_text(encoding="utf-8")
    block = heavy._repr_html_()
    for place in (text, page, block):
        assert said in place.replace("\u2060", "")
    assert f"mean gmv capped at {cut:.6g}" in heavy.to_html()
    assert compare._row("a", heavy, False, "").estimate == capped.estimate
    beside = gc.table(heavy, gc.ab_test(users(0.3), control="none", metrics="bought")).to_frame()
    assert beside.iloc[0, 1].startswith(f"{capped.estimate:.2f}") and "capped at" not in beside.iloc[0, 2]


def test_a_tame_metric_keeps_its_sentence() -> None:
    tame = _test(users(0.3))
    assert tame.audit["tail"].status == "passed" and tame.audit["leverage"].status == "passed"
    assert (tame.spoken, tame.told.qualifier) == (0, "")
    assert "capped" not in words.answer(tame)
    assert tame.told.estimand == tame.estimand


def test_a_cap_that_was_asked_for_is_said() -> None:
    result = gc.ab_test(users(2.0), control="none", metrics=gc.Mean("gmv", cap=0.9), expected_ratio=SPLIT)
    assert result.spoken == 0 and result.to_frame()["term"][0] == "gmv capped"
    assert ", with gmv capped at " in words.answer(result)


def test_without_a_capped_row_the_first_one_speaks() -> None:
    result = gc.ab_test(users(2.0), control="none", metrics=gc.Mean("gmv", cap=None))
    assert result.audit["tail"].status == "warned"
    assert result.spoken == 0 and "capped" not in words.answer(result)


def test_only_the_metric_with_the_tail_is_spoken_of_capped() -> None:
    frame = users(2.0).assign(units=lambda f: f["bought"] * 1.0)
    result = gc.ab_test(frame, control="none", metrics=["units", "gmv"])
    assert result.audit["tail"].status == "warned"
    assert result.spoken == 0
    assert any(line.startswith("For gmv, capped") and "not to be relied on" in line for line in result.advice)


def test_a_lift_in_log_points_is_said_in_per_cent() -> None:
    frame = users(0.3).assign(orders=lambda f: f["bought"] * 1)
    result = gc.ab_test(frame, control="none", metrics=gc.Gmv(gmv="gmv", orders="orders"), expected_ratio=SPLIT)
    row = result.to_frame().iloc[0]
    assert row["relative"] == pytest.approx(np.expm1(row["estimate"]))
    assert f"That is {100 * row['relative']:.0f}% more." in words.details(result)


def test_several_arms_are_told_apart() -> None:
    frame = users(0.3).assign(arm=lambda f: np.where(f.index % 3 == 0, "none", np.where(f.index % 3 == 1, "a", "b")))
    result = gc.ab_test(frame, control="none", metrics=["gmv", gc.Proportion("bought")])
    table = result.to_frame()
    assert f", in arm {table['arm'][0]} (" in words.answer(result)
    other = table[(table["metric"] == "gmv") & (table["arm"] != table["arm"][0])].iloc[0]
    (sentence,) = (text for text in words.details(result) if f"in arm {other['arm']} (" in text)
    assert f"{abs(other['estimate']):.1f}" in sentence and f"{phrases.p_words(other['p_value'])})" in sentence


def test_tables_carry_the_relative_effect(heavy: AbResult) -> None:
    from gmvcausal.present import digits, tables

    made = tables.estimates_table(heavy)
    assert made.header[-2:] == ("relative", "n")
    for row, (_, one) in zip(made.rows, heavy.to_frame().iterrows(), strict=True):
        size, low, high = (
            digits.fixed(100 * one[c], 0, signed=True) for c in ("relative", "relative_low", "relative_high")
        )
        assert row[-2] == f"{size}% [{low}, {high}]"
