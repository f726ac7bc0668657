"""What is said must be true of this call: the right reason, advice that holds, no option that is ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import campaigns, rollout, thinned

import gmvcausal as gc

PANEL = rollout(n=120, seed=0)
PLAIN = ["unit", "period", "gmv", "first_treated"]


def of_cohorts(n: int = 120, periods: int = 8, **sizes: int) -> pd.DataFrame:
    """A panel whose cohorts have these sizes, for example p3=2."""
    start = np.full(n, np.nan)
    low = 0
    for name, size in sizes.items():
        start[low : low + size] = float(name[1:])
        low += size
    return rollout(n=n, periods=periods)[PLAIN].assign(first_treated=np.repeat(start, periods))


# --- units treated throughout ---------------------------------------------------------------------------------------
def test_units_treated_throughout_stay_in_two_way_effects() -> None:
    frame = of_cohorts(p1=8, p5=32)
    for estimator in ("twfe", "naive"):
        result = gc.did(frame, estimator=estimator)
        assert not result.manifest.dropped and "left out" not in result.summary()
        assert "8 units are under the tactic from the first period on and are kept as such" in result.manifest.notes
    assert gc.did(frame, estimator="twfe").fitted.clusters == (32, 80)
    assert gc.did(frame).manifest.dropped == {"already treated at the start": 8}


def test_units_treated_throughout_make_no_controls() -> None:
    """Eight controls stay eight, whoever was treated from the start."""
    for frame in (of_cohorts(n=20, p5=12), of_cohorts(n=21, p5=12, p1=1)):
        result = gc.did(frame, estimator="twfe")
        assert result.fitted.clusters == (12, 8) and np.isnan(result.std_error)


# --- advice that holds ----------------------------------------------------------------------------------------------
FEW: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "stacked": (
        campaigns(n=60).assign(treated=lambda f: f["treated"] * (f["unit"] < 8)),
        {"estimator": "stacked", "stack": "campaign", "treated": "treated"},
    ),
    "poisson": (of_cohorts(p5=4), {"estimator": "poisson"}),
    "default": (of_cohorts(p5=4), {}),
    "staggered twfe": (of_cohorts(p4=3, p6=3), {"estimator": "twfe"}),
    "absent rows": (thinned(of_cohorts(p5=4)), {}),
}


@pytest.mark.parametrize("how", ["wild", "conley_taber", "ferman_pinto"])
@pytest.mark.parametrize("name", list(FEW))
def test_advice_of_inference_holds(name: str, how: str) -> None:
    frame, options = FEW[name]
    if name == "poisson" and how != "wild":  # no data would make these hold for it
        with pytest.raises(gc.InputError, match="is no difference of mean changes"):
            gc.did(frame, inference=how, **options)
        return
    try:
        result = gc.did(frame, inference=how, **options)
        assert np.isfinite(result.conf_int()).all()
        return
    except gc.DesignError as error:
        remedy = str(error.remedy)
    if "pass size=" in remedy:
        return
    plain = gc.did(frame, **options)
    assert ("leave inference= out" in remedy) == bool(np.isfinite(plain.conf_int()).all())
    for other in ("wild", "conley_taber", "ferman_pinto"):
        if f"inference='{other}'" in remedy:
            assert np.isfinite(gc.did(frame, inference=other, **options).conf_int()).all()
    assert "inference=" in remedy or "no other interval holds" in remedy


def test_placebo_runs_are_no_remedy_where_none_are_made() -> None:
    for name in ("stacked", "poisson"):
        frame, options = FEW[name]
        check = gc.did(frame, **options).audit["few_clusters"]
        assert check.status == "failed" and "placebo runs lack" not in check.remedy
    short = of_cohorts(periods=6, p3=4)
    assert "mend what placebo runs lack" in gc.did(short).audit["few_clusters"].remedy


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"estimator": "callaway_santanna", "ssc": "full"},
            r"ssc= has no meaning .*'two_by_two' or 'twfe' or 'stacked'",
        ),
        ({"estimator": "poisson", "ssc": "full"}, "ssc= has no meaning"),
        ({"estimator": "naive", "assignment": "random"}, "assignment= has no meaning"),
        ({"estimator": "poisson", "assignment": "random"}, "assignment= has no meaning"),
        ({"covariates": ["w"], "assignment": "random"}, "assignment= is not used with covariates="),
        ({"treated": "on", "first_treated": "other"}, "treated='on' is used in place of first_treated="),
    ],
)
def test_options_that_would_be_ignored(options: dict[str, Any], words: str) -> None:
    frame = PANEL.assign(on=(PANEL["period"] >= PANEL["first_treated"]).astype(int), other=3.0)
    with pytest.raises(gc.InputError, match=words):
        gc.did(frame, **options)


def test_stacks_take_no_lot() -> None:
    frame, options = FEW["stacked"]
    with pytest.raises(gc.InputError, match="assignment= has no meaning"):
        gc.did(frame, assignment="random", **options)


def test_no_factor_is_what_the_default_has() -> None:
    assert gc.did(PANEL, ssc="none").std_error == gc.did(PANEL).std_error


# --- reasons --------------------------------------------------------------------------------------------------------
def test_zero_that_is_a_period() -> None:
    one = of_cohorts(p5=40).assign(period=lambda f: f["period"] - 1)
    coded = one.assign(first_treated=one["first_treated"].fillna(0))
    with pytest.raises(gc.DesignError, match=r"80 units hold 0, which is a period here.*Pass never=0"):
        gc.did(coded)
    assert gc.did(coded, never=0).estimate == gc.did(one).estimate
    two = of_cohorts(p4=30, p6=30).assign(period=lambda f: f["period"] - 1)
    check = gc.did(two.assign(first_treated=two["first_treated"].fillna(0))).audit["always_treated"]
    assert "60 of them hold 0, which is a period here: pass never=0" in check.remedy


def test_anticipation_is_named() -> None:
    with pytest.raises(
        gc.DesignError, match=r"anticipation= reaches back .* for 40 of the 40 .*lower anticipation=|Lower"
    ):
        gc.did(of_cohorts(p5=40), anticipation=20)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_constant_outcome_is_named(value: float) -> None:
    audit = gc.did(PANEL.assign(gmv=value)).audit
    assert audit["pre_trend"].message == "the outcome leaves the leads no variation, so they cannot be tested"


@pytest.mark.parametrize("word", ["未参加", "never", ""])
@pytest.mark.parametrize("kind", ["dates", "numbers", "numbers as text"])
def test_words_for_never(word: str, kind: str) -> None:
    frame = PANEL[PLAIN]
    if kind == "dates":
        day = pd.Timestamp("2025-01-06")
        frame = frame.assign(
            period=day + pd.to_timedelta(7 * frame["period"], unit="D"),
            first_treated=(day + pd.to_timedelta(7 * frame["first_treated"], unit="D")).dt.strftime("%Y-%m-%d"),
        )
        frame["first_treated"] = frame["first_treated"].fillna(word)
    else:
        as_text = str if kind == "numbers as text" else float
        frame = frame.assign(
            first_treated=[word if v != v else as_text(int(v)) for v in frame["first_treated"]]
        ).astype({"first_treated": object})
    reason = f"not an ISO date, for example '{word}'.*pass never='{word}' if that means never treated"
    with pytest.raises(gc.InputError, match=reason):
        gc.did(frame)
    result = gc.did(frame, never=word)
    assert result.estimate == gc.did(PANEL).estimate
    assert any(f"missing, infinite or {word!r} there" in note for note in result.manifest.notes)


def test_numbers_as_text_are_no_code_of_never() -> None:
    frame = PANEL[PLAIN].dropna().astype({"first_treated": int}).astype({"first_treated": str})
    with pytest.raises(gc.InputError, match="not an ISO date") as told:
        gc.did(frame)
    assert "never=" not in str(told.value)


def test_a_word_that_no_unit_holds() -> None:
    with pytest.raises(gc.InputError, match="never must be a whole number"):
        gc.did(PANEL, never="x")


def test_categories_of_numbers_are_numbers() -> None:
    plain = gc.did(PANEL)
    for columns in (["period"], ["first_treated"], ["period", "first_treated"]):
        assert gc.did(PANEL.astype(dict.fromkeys(columns, "category"))).estimate == plain.estimate
    whole = PANEL.assign(first_treated=PANEL["first_treated"].astype("Int64").astype("category"))
    assert gc.did(whole).estimate == plain.estimate


# --- counts and names in messages -----------------------------------------------------------------------------------
def test_messages_name_the_option_that_was_given() -> None:
    result = gc.did(PANEL)
    calls: list[tuple[Callable[[], Any], str]] = [
        (lambda: result.placebo(reps=10), "reps must be"),
        (lambda: result.power(power=80), "power must be"),
        (lambda: result.pre_trend_power([2]), "powers must be"),
        (lambda: result.pre_trend_power([]), "powers holds no power"),
        (lambda: result.robustness(winsorise=1.0), "winsorise must be"),
        (lambda: result.robustness(winsorise=0.1), "winsorise must be"),
        (lambda: result.placebo("time", pool="never"), "pool= has no meaning"),
        (lambda: gc.did(PANEL.assign(w=PANEL["period"]), weights="w"), "weights varies within units for 120 of them"),
        (lambda: gc.did(PANEL.assign(w="heavy"), weights="w"), "[Gg]ive every unit a positive number"),
        (lambda: gc.did(PANEL.set_index(["unit", "period"])), r"level of the index: pass data.reset_index\(\)"),
        (lambda: gc.did(PANEL.assign(unit=2.0**54 + 4 * PANEL["unit"])), "numbers beyond 2.53, .* as text or as whole"),
        (lambda: gc.did(PANEL.assign(unit=PANEL["unit"] + 0.5)), "not whole"),
    ]
    for call, words in calls:
        with pytest.raises(gc.InputError, match=words):
            call()
    assert list(result.pre_trend_power(0.8)["power"]) == [0.8]
    bright = PANEL.assign(promo=PANEL["period"] * 2)
    with pytest.raises(gc.InputError, match="1 in periods of the promotion"):
        gc.did(bright).robustness(promotion="promo", progress=False)


def test_what_a_stack_cannot_have_is_named() -> None:
    result = gc.did(campaigns(n=60), estimator="stacked", stack="campaign", treated="treated")
    for call, words in (
        (lambda: result.leave_one_out(), "single clusters are not left out, because campaigns"),
        (lambda: result.robustness(), "other specifications are not estimated, because campaigns"),
        (lambda: result.placebo(), "treatment cannot be assigned anew, because campaigns"),
    ):
        with pytest.raises(gc.DesignError, match=words):
            call()


def test_missing_factors_of_a_product() -> None:
    frame = PANEL.assign(gmv=PANEL["gmv"].clip(0), orders=2.0, buyers=1.0)
    frame.loc[3, "orders"] = np.nan
    with pytest.raises(gc.InputError, match=r"orders is missing.*[Ww]rite 0 where nothing was bought"):
        gc.did(frame, estimator="poisson").decompose()


def test_ids_that_were_moved_are_found() -> None:
    frame = PANEL.assign(tier=np.where(PANEL["unit"] % 2 == 0, "a", "b"))
    result = gc.did(frame)
    whole = result.by("tier").to_frame()
    frame["unit"] = frame["unit"].to_numpy()[::-1].copy()
    with pytest.raises(gc.InputError, match=r"units have other outcomes in the data now.*did on the data as they are"):
        result.by("tier")
    frame["unit"] = frame["unit"].to_numpy()[::-1].copy()
    pd.testing.assert_frame_equal(result.by("tier").to_frame(), whole)
    for options in ({"winsorise": 0.9}, {"missing": "zero"}, {"weights": "w"}):
        other = frame.assign(gmv=frame["gmv"].where(frame.index != 5)) if "missing" in options else frame
        assert len(gc.did(other, **options).by("tier").to_frame()) == 3


# --- repeats --------------------------------------------------------------------------------------------------------
def test_what_was_compared_of_repeated_rows_is_said() -> None:
    frame = PANEL[PLAIN].assign(seller=1)
    twice = pd.concat([frame, frame.iloc[:3].assign(seller=2)])
    notes = gc.did(twice, dedupe="exact").manifest.notes
    assert any(n.startswith("3 rows") and n.endswith("(compared were the columns used here)") for n in notes)
    plain = gc.did(pd.concat([PANEL[PLAIN], PANEL[PLAIN].iloc[:3]]), dedupe="exact").manifest.notes
    assert any(n.startswith("3 rows") and "compared were" not in n for n in plain)


def test_repeats_do_not_hide_the_level_of_the_tactic() -> None:
    start = {0: 3.0, 1: 5.0}
    frame = PANEL[PLAIN].assign(squad=PANEL["unit"] // 4)
    frame["first_treated"] = (frame["squad"] % 4).map(start)
    for data, options in ((frame, {}), (pd.concat([frame, frame.iloc[:5]]), {"dedupe": "exact"})):
        check = gc.did(data, **options).audit["cluster_level"]
        assert check.status == "warned" and "'squad'" in check.message


def test_covariates_that_do_nothing_are_listed() -> None:
    frame = PANEL.assign(on=(PANEL["period"] >= PANEL["first_treated"]).astype(int))
    notes = gc.did(frame, covariates=["w", "w", "on"]).manifest.notes
    assert any("'w' was named more than once" in n for n in notes)
    assert any("'on' is the same for all units in every base period" in n for n in notes)


# --- capped outcomes ------------------------------------------------------------------------------------------------
def tailed() -> pd.DataFrame:
    frame = rollout(n=120, seed=4)[PLAIN]
    return frame.assign(gmv=np.exp(np.random.default_rng(0).normal(0, 1.5, len(frame))) + (frame["first_treated"] > 0))


def test_robustness_of_a_capped_outcome_goes_back_to_the_outcome() -> None:
    frame = tailed()
    rows = gc.did(frame, winsorise=0.9).robustness(winsorise=0.95, progress=False).to_frame().set_index("term")
    assert rows.loc["outcome not capped", "estimate"] == pytest.approx(gc.did(frame).estimate)
    assert rows.loc["outcome not capped", "unit"] == gc.did(frame).unit
    name = next(t for t in rows.index if "(q 0.95)" in t)
    assert rows.loc[name, "estimate"] == pytest.approx(gc.did(frame, winsorise=0.95).estimate)
    assert rows.loc[name, "unit"] == gc.did(frame, winsorise=0.95).unit
    plain = gc.did(frame).robustness(winsorise=0.95, progress=False).to_frame().set_index("term")
    assert plain.loc[name, "estimate"] == rows.loc[name, "estimate"] and "outcome not capped" not in plain.index
    same = gc.did(frame, winsorise=0.95).robustness(winsorise=0.95, progress=False).to_frame()
    assert not same["term"].str.contains("q 0.95").any()


def test_leverage_of_a_capped_outcome_shows_the_uncapped() -> None:
    frame = tailed()
    big = frame.assign(gmv=frame["gmv"].where(frame["unit"] != 1, 50 * frame["gmv"] * (1 + frame["period"])))
    check = gc.did(big, winsorise=0.99).audit["leverage"]
    uncapped = gc.did(big).estimate
    assert check.status == "warned" and f"without the cap the estimate is {uncapped:+.4g}" in check.message
    at = gc.did(big, winsorise=0.99).panel.cut.at
    assert f"capped at {at:.4g} (99 % of the non-zero ones without the tactic)" in gc.did(big).audit["leverage"].message


# --- matching -------------------------------------------------------------------------------------------------------
def test_values_after_the_start_are_not_known_before_it() -> None:
    frame = PANEL[PLAIN]
    for before in (4, 100):
        with pytest.raises(gc.InputError, match=f"before={before} lies behind the first start"):
            gc.match(frame, "first_treated", ["gmv"], unit="unit", time="period", before=before)
    every_two = frame.assign(period=2 * frame["period"], first_treated=2 * frame["first_treated"])
    with pytest.raises(gc.InputError, match="before=5 lies between two periods"):
        gc.match(every_two, "first_treated", ["gmv"], unit="unit", time="period", before=5)
    first = gc.match(frame, "first_treated", ["gmv"], unit="unit", time="period", before=3)
    plain = gc.match(frame, "first_treated", ["gmv"], unit="unit", time="period")
    pd.testing.assert_frame_equal(first.balance(), plain.balance())


def test_dates_of_treatment_need_the_time() -> None:
    frame = PANEL[PLAIN].assign(size=PANEL["unit"] % 7)
    with pytest.raises(gc.InputError, match=r"treatment is missing.*pass time= and unit="):
        gc.match(frame, "first_treated", ["size"], unit="unit")
    with pytest.raises(gc.InputError, match=r"treatment is missing.*leave control= out"):
        gc.match(frame, "first_treated", ["size"], unit="unit", time="period", control=3)
