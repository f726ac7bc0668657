"""Every sentence follows from the numbers: other numbers, other words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import docx
import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc
from gmvcausal.present import digits, names, phrases, words
from gmvcausal.present.selection import selection


@pytest.mark.parametrize(
    ("name", "verdict", "said"),
    [
        ("gain", "gain", "A gain of 1.97 gmv per unit-period (95% interval +1.72 to +2.22)."),
        ("loss", "loss", "A loss of 2.0"),
        ("none", "no_effect", "No gain found: "),
        ("trend", "refused", "No headline is given: the audit failed on pre_trend"),
        ("few", "refused", "No headline is given: the audit failed on few_clusters."),
    ],
)
def test_the_verdict_follows_the_numbers(results: dict[str, Any], name: str, verdict: str, said: str) -> None:
    result = results[name]
    assert words.verdict(result) == verdict
    assert words.answer(result).startswith(said)
    assert said.split(":")[0] in " ".join(result.summary().split())


def test_a_finding_tells_its_share_of_the_baseline(results: dict[str, Any]) -> None:
    gain, none = results["gain"], results["none"]
    share, base = digits.percent(gain.estimate / gain.baseline), digits.number(gain.baseline)
    assert words.details(gain) == (f"That is {share} of the {base} that treated units had before.",)
    least = digits.number(none.detectable, 2)
    seen = words.details(none)[1]
    assert f"could have seen is about {least} gmv per unit-period (2.8 standard errors)" in seen
    assert digits.percent(none.detectable / none.baseline) in seen


def test_no_effect_says_on_which_side_the_estimate_lies(make: Any) -> None:
    low, high = gc.did(make(-0.1)), gc.did(make(0.15))
    assert {words.verdict(low), words.verdict(high)} == {"no_effect"}
    assert low.estimate < 0 < high.estimate
    assert "the estimate is below zero" in words.details(low)[0].lower()
    assert "below zero" not in words.details(high)[0]


def test_a_refusal_names_the_checks_and_the_remedy(results: dict[str, Any]) -> None:
    told = " ".join(words.details(results["trend"]))
    for check in results["trend"].audit.failed:
        assert check.name in told
        assert check.message in told
    assert "What to do next: " in told


def test_selection_is_told_where_the_treated_were_different_before(results: dict[str, Any], make: Any) -> None:
    result = results["none"]
    told = selection(result, "$")
    naive = result.naive
    assert f"+${naive.difference:.2f}" in told
    assert "That is selection" in told and "already spend $30" in told
    low, high = f"{naive.never_low:.0f}", f"{naive.never_high:.0f}"
    assert f"${low}–{high}" in told
    alike = make(0.0)
    alike.loc[alike.first_treated.notna(), "gmv"] -= 5.6
    assert "That is selection" not in selection(gc.did(alike))
    below = make(0.0)
    below.loc[below.first_treated.notna(), "gmv"] -= 20
    assert "spend only" in selection(gc.did(below))


def test_the_headline_is_the_first_that_its_audit_supports(results: dict[str, Any]) -> None:
    study = {n: results[n] for n in ("naive", "trend", "none", "gain")}
    first = words.lead(study, benchmarks=["naive"])
    assert (first.name, first.verdict) == ("none", "no_effect")
    others = dict(first.others)
    assert list(others) == ["naive", "trend", "gain"]
    assert "That is selection" in others["naive"] and first.selection == ""
    assert others["trend"].startswith("no headline is given for it, for it fails its audit on pre_trend")
    assert "it disagrees" in others["gain"]
    assert words.chosen({"gain": results["gain"], "none": results["none"]}, benchmarks=["gain"]) == "none"
    text = words.headline({"gain": results["gain"], "same": results["gain"]})
    assert text.startswith("A gain of") and "it agrees" in text


def test_a_study_without_a_credible_design_reads_like_a_success(results: dict[str, Any]) -> None:
    first = words.lead({n: results[n] for n in ("naive", "trend", "few")}, benchmarks=["naive"], currency="$")
    assert (first.name, first.answer) == (None, words.REFUSAL)
    told = " ".join(first.details)
    assert "The audit did its work: +$" in told
    assert "What to do next: " in told
    assert "would have been quoted" in told


def test_names_are_checked(results: dict[str, Any]) -> None:
    gain = results["gain"]
    assert list(phrases.named([gain, gain])) == [gain.title, f"{gain.title} (2)"]
    for bad in ({}, [], {"a": 1}, [gain, None], 3, "gain"):
        with pytest.raises(gc.InputError, match="result"):
            phrases.named(bad)
    with pytest.raises(gc.InputError, match="benchmarks= names 'nobody'"):
        words.lead({"gain": gain}, benchmarks=["nobody"])


def test_numbers_for_people() -> None:
    assert digits.number(float("nan")) == "–"
    assert digits.number(0.0) == "0"
    assert digits.number(-0.0153) == "−0.0153"
    assert digits.number(1e16) == "1e+16"
    assert digits.number(0.0899, 2, currency="$") == "$0.09"
    assert digits.number(33.226, currency="$") == "$33.23"
    assert digits.fixed(-0.0001, 2) == "0.00"
    assert digits.p_value(0.0004) == "<0.001"
    assert digits.display_width("优惠券") == 6
    told = "A gain of 3.6 ¥ per 用户 (95% interval +2.861 to +4.425), 直播间 and 购物车 among them, nothing else"
    for width in range(24, 60):
        lines = digits.wrap(told, width)
        assert all(digits.display_width(line) <= width for line in lines)
        words = {w for line in lines for w in line.split()}
        assert {"interval", "+2.861", "+4.425),", "nothing"} <= words  # neither words nor numbers are cut
    assert digits.wrap("优惠券" * 10, 20) == ["优惠券" * 3 + "优", "惠券优" * 3 + "惠", "券" + "优惠券" * 3]


def test_a_season_is_not_called_selection(make: Any) -> None:
    """The treated stood lower before, and the naive difference is larger still: the season after the start made it."""
    data = make(0.0)
    treated = data.first_treated.notna()
    data.loc[treated, "gmv"] -= 20
    start = data.first_treated.min()
    data.loc[data.period >= start, "gmv"] += 60
    result = gc.did(data)
    assert result.naive.difference > result.estimate + 1 and result.naive.before < result.naive.never_low
    told = selection(result)
    assert "selection" not in told and "different periods: that is time" in told and "pulls it down" in told
    # Without a season, the same lower level is what the naive comparison shows.
    data.loc[data.period >= start, "gmv"] -= 60
    assert "That is selection" in selection(gc.did(data)) and "spend only" in selection(gc.did(data))


def test_the_naive_comparison_alone_cannot_say_why(make: Any) -> None:
    data = make(0.0)
    naive = gc.did(data, estimator="naive")
    assert "selection" not in selection(naive) and "stood at" in selection(naive)
    first = words.lead({"naive": naive, "did": gc.did(data)}, benchmarks=["naive"])
    assert "That is selection" in dict(first.others)["naive"]


def test_no_currency_stands_before_what_is_no_money() -> None:
    rng = np.random.default_rng(2)
    users = pd.DataFrame({"arm": [0, 1] * 400, "gmv": rng.gamma(1, 9, 800), "ordered": rng.integers(0, 2, 800)})
    test = gc.ab_test(users, metrics=[gc.Proportion("ordered"), gc.Mean("gmv")])
    assert "¥" not in words.answer(test, "¥") and "¥" not in " ".join(words.details(test, "¥"))
    money = gc.ab_test(users, metrics="gmv")
    assert "¥" in words.answer(money, "¥")


@pytest.mark.parametrize("name", ["\u202eevil\u202c", "a\u2066b", "\u2069x\u2068", "plain", "\u200fשלום"])
def test_names_that_switch_the_direction_of_writing_are_isolated_once(
    name: str, results: dict[str, Any], tmp_path: Any
) -> None:
    once = digits.inline(name)
    assert digits.inline(once) == once and digits.inline(f"of {once}, 3") == f"of {once}, 3"
    for ending in ("html", "docx"):
        assert gc.report({name: results["gain"]}, tmp_path / f"a.{ending}").exists()


def test_names_of_arms_and_columns_keep_their_letters_at_the_head_of_a_sentence(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    n = 3_000
    users = pd.DataFrame(
        {"arm": rng.choice(["none", "aCoupon"], n), "eGmv": rng.gamma(2, 50, n), "x": rng.normal(size=n)}
    )
    test = gc.ab_test(users, metrics="eGmv", arm="arm", control="none")
    model = gc.uplift(users, outcome="eGmv", treatment="arm", control="none", features=["x"], propensity=0.5)
    assert set(names.written(test)) >= {"none", "aCoupon", "eGmv"}
    gc.report([test, model], tmp_path / "a.docx")
    made = docx.Document(str(tmp_path / "a.docx"))
    cells = [c.text for t in made.tables for row in t.rows for c in row.cells]
    text = "\n".join([*(p.text for p in made.paragraphs), *cells, test.summary(), model.summary(), test._repr_html_()])
    assert any(c.startswith(("none 1,", "aCoupon 1,")) for c in cells)  # a check that begins with an arm
    assert not re.search(r"\b(None \d|ACoupon|EGmv)", text)
    assert phrases.sentence("none of them", ["nonesuch"]) == "None of them."
