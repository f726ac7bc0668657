"""The catalogue of bad inputs, row by row, on every estimator of `gc.did`: the clean answer, or an error or warning that helps.

An estimator that is added to the table of methods is picked up here; `KEYWORDS` must say how it is called.
"""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import rollout

import gmvcausal as gc
from gmvcausal.rollout.methods import METHODS

# How each estimator is called on `CLEAN`, which has a column for everything that any of them asks for.
KEYWORDS: dict[str, dict[str, Any]] = {
    "callaway_santanna": {},
    "two_by_two": {},
    "twfe": {},
    "stacked": {"stack": "campaign", "treated": "on"},
    "synthetic_control": {},
    "augmented_synthetic_control": {},
    "synthetic_did": {},
    "sun_abraham": {},
    "imputation": {},
    "two_stage": {},
    "etwfe": {},
    "poisson": {},
    "dose": {"dose": "value"},
    "triple": {"eligible": "kind"},
    "switching": {"treated": "on"},
    "naive": {},
}
SYNTHETIC = {"synthetic_control", "augmented_synthetic_control", "synthetic_did"}
FLAGGED = {name for name, options in KEYWORDS.items() if "treated" in options}  # told by 0/1 flags, not by dates
DATED = set(KEYWORDS) - FLAGGED
KEEPING = {"twfe", "naive"}  # units treated throughout stay in


def complete(start: pd.Series, seed: int = 0, periods: int = 8) -> pd.DataFrame:
    """A panel with these dates of first treatment (NaN: never), and all columns."""
    n = len(start)
    frame = rollout(n=n, periods=periods, cohorts=(5,), seed=seed, effect=0.0)[["unit", "period", "gmv"]]
    frame["first_treated"] = np.repeat(start.to_numpy(), periods)
    return flagged(frame.assign(gmv=frame["gmv"] + 2.0 * (frame["period"] >= frame["first_treated"])))


def flagged(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that follow from unit, period and date."""
    first = pd.to_numeric(frame["first_treated"], errors="coerce")
    return frame.assign(
        on=(frame["period"] >= first).astype(int), campaign="c", kind=frame["unit"] % 2,
        value=np.where(first.notna(), 5.0 * (1 + frame["unit"] % 3), 0.0), w=1.0 + frame["unit"] % 4,
    )  # fmt: skip


def starts(**sizes: int) -> pd.Series:
    """Dates of 44 units: cohorts of these sizes, for example p5=12, the rest never treated."""
    out = np.full(44, np.nan)
    low = 0
    for name, size in sizes.items():
        out[low : low + size] = float(name[1:])
        low += size
    return pd.Series(out)


CLEAN = complete(starts(p5=16))
N = len(CLEAN)


def did(frame: Any, estimator: str, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gc.GmvCausalWarning)  # said as checks too; here the answer counts
        return gc.did(frame, **{"estimator": estimator, **KEYWORDS[estimator], **options})


def answer_or_error(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except gc.GmvCausalError as error:
        return error


@cache
def clean(estimator: str) -> tuple[float, float]:
    result = did(CLEAN, estimator)
    return result.estimate, result.std_error


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = CLEAN.copy()
    frame[column] = frame[column].astype(object) if isinstance(value, str) else frame[column].astype(float)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


def days(frame: pd.DataFrame) -> pd.DataFrame:
    day = pd.Timestamp("2025-11-02")
    return frame.assign(
        period=day + pd.to_timedelta(7 * frame["period"], unit="D"),
        first_treated=day + pd.to_timedelta(7 * frame["first_treated"], unit="D"),
    )


def zoned(frame: pd.DataFrame) -> pd.DataFrame:
    return days(frame).assign(
        **{c: days(frame)[c].dt.tz_localize("Asia/Shanghai") for c in ("period", "first_treated")}
    )


def text(frame: pd.DataFrame) -> pd.DataFrame:
    return days(frame).assign(**{c: days(frame)[c].dt.strftime("%Y-%m-%d") for c in ("period", "first_treated")})


def test_every_estimator_is_here() -> None:
    assert set(KEYWORDS) == set(METHODS), "say in KEYWORDS how the new estimator is called on CLEAN"


# --- the same number ---------------------------------------------------------------------------------------------------
# row: (frame, options, estimators it does not concern, words of a note or none)
SAME: dict[str, tuple[Callable[[], Any], dict[str, Any], set[str], str]] = {
    "1 dedupe": (lambda: pd.concat([CLEAN, CLEAN.iloc[:3]]), {"dedupe": "exact"}, set(), "3 rows that repeated"),
    "8 never as infinity": (lambda: CLEAN.fillna({"first_treated": np.inf}), {}, FLAGGED, "28 units count as never treated"),
    "8 never as None": (lambda: CLEAN.assign(first_treated=[None if v != v else int(v) for v in CLEAN["first_treated"]]), {}, FLAGGED, "28 units count as never"),
    "8 never as NA": (lambda: CLEAN.assign(first_treated=CLEAN["first_treated"].astype("Int64")), {}, FLAGGED, "28 units count as never"),
    "8 never as 0": (lambda: CLEAN.fillna({"first_treated": 0}), {}, FLAGGED, "0 in 'first_treated' was read as never"),
    "8 never as 9999": (lambda: CLEAN.fillna({"first_treated": 9999}), {"never": 9999}, FLAGGED, "code never=9999"),
    "8 never as a word": (lambda: text(CLEAN).fillna({"first_treated": "none"}), {"never": "none"}, FLAGGED, "'none' there"),
    "10 after the data": (lambda: CLEAN.fillna({"first_treated": 11}), {}, FLAGGED, "first treated after the last period"),
    "13 unsorted": (lambda: CLEAN.sample(frac=1, random_state=0), {}, set(), ""),
    "14 dates": (lambda: days(CLEAN), {}, set(), ""),
    "14 text": (lambda: text(CLEAN), {}, set(), ""),
    "14 whole numbers that are days": (lambda: text(CLEAN).assign(**{c: pd.to_numeric(text(CLEAN)[c].str.replace("-", "")) for c in ("period", "first_treated")}), {}, set(), "YYYYMMDD"),
    "16 zone": (lambda: zoned(CLEAN), {}, set(), "zone Asia/Shanghai"),
    "45 missing as zero": (lambda: CLEAN.assign(gmv=CLEAN["gmv"].where(CLEAN["gmv"] != 0)), {"missing": "zero"}, set(), ""),
    "54 Decimal": (lambda: CLEAN.assign(gmv=[Decimal(repr(float(v))) for v in CLEAN["gmv"]]), {}, set(), ""),
    "55 Float64": (lambda: CLEAN.assign(gmv=CLEAN["gmv"].astype("Float64")), {}, set(), ""),
    "67 index": (lambda: CLEAN.set_axis([0] * N), {}, set(), ""),
    "68 names": (lambda: CLEAN.rename(columns={"gmv": "GMV (元)", "unit": "`u`"}), {"outcome": "GMV (元)", "unit": "`u`"}, set(), ""),
}  # fmt: skip


@pytest.mark.parametrize("estimator", list(METHODS))
@pytest.mark.parametrize("row", list(SAME))
def test_the_clean_answer(row: str, estimator: str) -> None:
    make, options, not_these, words = SAME[row]
    if estimator in not_these:
        return
    result = did(make(), estimator, **options)
    np.testing.assert_allclose((result.estimate, result.std_error), clean(estimator), rtol=1e-10)
    assert any(words in note for note in (*result.manifest.notes, "")), result.manifest.notes


@pytest.mark.parametrize("estimator", list(METHODS))
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8", "Int64"])
def test_51_52_55_narrow_outcomes(dtype: str, estimator: str) -> None:
    whole = CLEAN.assign(gmv=(3 * CLEAN["gmv"]).round())
    assert whole["gmv"].max() < 127 < whole.groupby("unit")["gmv"].sum().min()
    reference, narrow = did(whole, estimator), did(whole.astype({"gmv": dtype}), estimator)
    np.testing.assert_allclose(
        (narrow.estimate, narrow.std_error), (reference.estimate, reference.std_error), rtol=1e-12
    )


@pytest.mark.parametrize("estimator", sorted(DATED - KEEPING))
def test_11_units_treated_before_the_data_are_left_out_and_counted(estimator: str) -> None:
    early = CLEAN.assign(first_treated=CLEAN["first_treated"].mask(CLEAN["unit"] >= 40, 1.0))
    without = did(CLEAN[CLEAN["unit"] < 40], estimator)
    result = did(early, estimator)
    assert result.estimate == pytest.approx(without.estimate, rel=1e-10)
    assert (
        result.manifest.dropped == {"already treated at the start": 4}
        and result.audit["always_treated"].status == "warned"
    )


# --- errors ------------------------------------------------------------------------------------------------------------
# row: (frame, options, error, words, estimators it does not concern)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, set[str]]] = {
    "1 exact duplicate": (lambda: pd.concat([CLEAN, CLEAN.iloc[[7]]]), {}, gc.InputError, "1 (stack-)?unit-periods? occur more than once.*identical", set()),
    "2 conflicting": (lambda: pd.concat([CLEAN, CLEAN.iloc[:9].assign(gmv=5.0)]), {}, gc.InputError, "9 (stack-)?unit-periods occur more than once.*disagree", set()),
    "2 conflicting, dedupe": (lambda: pd.concat([CLEAN, CLEAN.iloc[:9].assign(gmv=5.0)]), {"dedupe": "exact"}, gc.InputError, "different values", set()),
    "3 appended": (lambda: pd.concat([CLEAN, CLEAN]), {}, gc.InputError, f"{N} (stack-)?unit-periods occur more than once", set()),
    "5 varies": (lambda: put("first_treated", [1, 13], 6.0), {}, gc.InputError, "varies within units for 2", FLAGGED),
    "7 from the first period": (lambda: flagged(CLEAN.assign(first_treated=1.0)), {}, gc.DesignError, "first period|same in every row|no untreated unit|no period before|nobody|no unit|never", set()),
    "8 -1": (lambda: CLEAN.fillna({"first_treated": -1}), {}, gc.InputError, "holds -1.*never=-1", FLAGGED),
    "8 9999": (lambda: CLEAN.fillna({"first_treated": 9999}), {}, gc.InputError, "holds 9999.*never=9999", FLAGGED),
    "8 minus infinity": (lambda: CLEAN.fillna({"first_treated": -np.inf}), {}, gc.InputError, "minus infinity", FLAGGED),
    "9 off the grid": (lambda: CLEAN.assign(period=2 * CLEAN["period"], first_treated=2 * CLEAN["first_treated"] + 1), {}, gc.InputError, "between two periods", FLAGGED),
    "14 unparsable": (lambda: CLEAN.assign(period=CLEAN["period"].map("week {}".format)), {}, gc.InputError, "not an ISO date, for example 'week 1'", set()),
    "15 mixed zones": (lambda: CLEAN.assign(period=[f"2025-11-0{p}T00:00+0{8 + i % 2}:00" for i, p in enumerate(CLEAN["period"])]), {}, gc.InputError, "mixes time zones", set()),
    "19 single cluster": (lambda: CLEAN.assign(town="Hefei"), {"cluster": "town"}, gc.InputError, "single cluster", set()),
    "22 an id in two clusters": (lambda: CLEAN.assign(town=np.arange(N) % 5), {"cluster": "town"}, gc.InputError, "cluster varies within units", set()),
    "23 missing id": (lambda: put("unit", [3, 8], np.nan), {}, gc.InputError, "unit is missing", set()),
    "23 missing time": (lambda: put("period", [3, 8], np.nan), {}, gc.InputError, "time is missing", set()),
    "25 zero weight": (lambda: CLEAN.assign(w=np.where(CLEAN["unit"] == 1, 0.0, 1.0)), {"weights": "w"}, gc.InputError, "weights must be positive", set()),
    "25 negative weight": (lambda: CLEAN.assign(w=np.where(CLEAN["unit"] == 1, -1.0, 1.0)), {"weights": "w"}, gc.InputError, "weights must be positive", set()),
    "25 weight varies": (lambda: CLEAN.assign(w=CLEAN["period"]), {"weights": "w"}, gc.InputError, "weights varies within units for 44", set()),
    "26 nobody": (lambda: flagged(CLEAN.assign(first_treated=np.nan)), {}, gc.DesignError, "no unit is treated|same in every row|no treated unit|no unit changes", set()),
    "45 missing outcome": (lambda: put("gmv", [5, 9, 11], np.nan), {}, gc.InputError, "outcome is missing.*missing='zero'", set()),
    "47 infinite": (lambda: put("gmv", [5, 9], np.inf), {}, gc.InputError, "infinite", set()),
    "53 text": (lambda: CLEAN.assign(gmv="¥1,234.50"), {}, gc.InputError, "outcome holds text.*strip currency", set()),
    "55 NA": (lambda: CLEAN.assign(gmv=CLEAN["gmv"].round().astype("Int64").mask(CLEAN.index == 4)), {}, gc.InputError, "outcome is missing", set()),
    "65 the outcome as a covariate": (lambda: CLEAN, {"covariates": ["gmv"]}, gc.InputError, "outcome itself|covariates= has no meaning", set()),
    "62 infinite covariate": (lambda: CLEAN.assign(x=np.inf), {"covariates": ["x"]}, gc.InputError, "infinite|covariates= has no meaning", set()),
    "62 missing covariate": (lambda: CLEAN.assign(x=np.nan), {"covariates": ["x"]}, gc.InputError, "covariates is missing|covariates= has no meaning", set()),
    "61 nothing but a constant": (lambda: CLEAN.assign(x=1.0), {"covariates": ["x"]}, gc.InputError, "no covariate is left|covariates= has no meaning", set()),
    "67 columns twice": (lambda: pd.concat([CLEAN, CLEAN["gmv"]], axis=1), {}, gc.InputError, "more than one column called 'gmv'", set()),
    "69 no rows": (lambda: CLEAN.iloc[:0], {}, gc.InputError, "no rows", set()),
    "69 one period": (lambda: CLEAN[CLEAN["period"] == 3], {}, gc.InputError, "only one period", set()),
}  # fmt: skip


@pytest.mark.parametrize("estimator", list(METHODS))
@pytest.mark.parametrize("row", list(ERRORS))
def test_errors(row: str, estimator: str) -> None:
    make, options, kind, words, not_these = ERRORS[row]
    if estimator in not_these:
        return
    with pytest.raises(gc.GmvCausalError, match=f"(?is){words}") as caught:
        did(make(), estimator, **options)
    assert type(caught.value) is kind and caught.value.remedy


@pytest.mark.parametrize("estimator", [name for name, method in METHODS.items() if method.absorbing])
def test_4_treatment_that_switches_off(estimator: str) -> None:
    off = CLEAN.assign(on=CLEAN["on"].where((CLEAN["period"] < 7) | (CLEAN["unit"] > 3), 0))
    with pytest.raises(gc.InputError, match="switches off again for 4 units"):
        did(off, estimator, treated="on")


# --- an answer with a check that does not pass, or a refusal that says why ----------------------------------------------
def announced(change: pd.Series, when: list[int]) -> pd.DataFrame:
    """Shoppers wait for a tactic that was announced: GMV changes in these periods before the start."""
    event = CLEAN["period"] - CLEAN["first_treated"]
    return CLEAN.assign(gmv=CLEAN["gmv"] + change * event.isin(when))


def leaving() -> pd.DataFrame:
    return CLEAN[~((CLEAN["on"] == 1) & (CLEAN["gmv"] < CLEAN["gmv"].quantile(0.5)) & (CLEAN["unit"] > 1))]


# row: (frame, checks of which one must not pass, error instead of them, estimators it does not concern)
CHECKS: dict[str, tuple[Callable[[], Any], str, str, set[str]]] = {
    "6 nobody never treated": (lambda: complete(starts(p4=20, p6=24)), "never_treated|forbidden_comparisons", "no unit is untreated|start in 2|no untreated|different periods|never treated|nobody", {"naive", "switching"}),
    "12 gaps": (lambda: CLEAN[CLEAN["period"] != 3], "period_gaps", "", {"stacked", "switching"}),
    "17 one treated": (lambda: complete(starts(p5=1)), "few_clusters", "eligible|dose|no ", set()),
    "18 nine treated": (lambda: complete(starts(p5=9)), "few_clusters", "dose", set()),
    "18 nine controls": (lambda: complete(starts(p5=35)), "few_clusters", "", {"naive"}),
    "20 attrition": (leaving, "attrition", "absent, and synthetic", set()),
    "21 announced": (lambda: announced(-6.0 * CLEAN["kind"], [-1]), "pre_trend|pre_trend_slope|no_design", "", {"dose", "triple", *SYNTHETIC}),
    "21 announced, to weighted controls": (lambda: announced(-CLEAN["value"] * CLEAN["kind"], [-1, -2]), "backdating|pre_fit", "", set(METHODS) - SYNTHETIC),
    "22 id in several cities": (lambda: CLEAN.assign(city=np.where(CLEAN["unit"] < 6, CLEAN["period"] % 2, 7)), "id_reuse", "", set()),
    "24 cohort of one": (lambda: complete(starts(p4=1, p6=15)), "cohort_size|forbidden_comparisons|few_clusters", "2 different periods|starts in|eligible|no ", {"naive", "switching", *SYNTHETIC}),
    "27 one period before": (lambda: CLEAN[CLEAN["period"] >= 4], "pre_trend|pre_periods|no_design", "", set()),
    "48 all zero": (lambda: CLEAN.assign(gmv=0.0), "all_zero", "sold nothing", set()),
    "50 some in cents": (lambda: CLEAN.assign(gmv=CLEAN["gmv"] * np.where(CLEAN["unit"] % 11 == 3, 100, 1)), "scale_mix", "", set()),
    "51 float32": (lambda: CLEAN.assign(gmv=(CLEAN["gmv"] + 1e6).astype("float32")), "quantisation", "", set()),
}  # fmt: skip


@pytest.mark.parametrize("estimator", list(METHODS))
@pytest.mark.parametrize("row", list(CHECKS))
def test_checks(row: str, estimator: str) -> None:
    make, names, words, not_these = CHECKS[row]
    if estimator in not_these:
        return
    result = answer_or_error(lambda: did(make(), estimator))
    if isinstance(result, gc.GmvCausalError):
        assert words and re.search(words, str(result)) and result.remedy, result
        return
    shown = {c.name: c.status for c in result.audit}
    found = [name for name in names.split("|") if shown.get(name) in ("warned", "failed")]
    assert found, shown
    if row[:2] in ("17", "18"):
        assert np.isnan(result.std_error)


@pytest.mark.parametrize("estimator", list(METHODS))
def test_46_refunds_below_zero(estimator: str) -> None:
    """Net GMV may lie below zero; ratios of means cannot."""
    frame = CLEAN.assign(gmv=CLEAN["gmv"] - 40)
    if estimator == "poisson":
        with pytest.raises(gc.InputError, match="ratios of means need outcomes of at least 0"):
            did(frame, estimator)
        return
    assert did(frame, estimator).estimate == pytest.approx(clean(estimator)[0], rel=1e-9)


@pytest.mark.parametrize("estimator", list(METHODS))
def test_covariates(estimator: str) -> None:
    """60, 61, 63, 66: dropped and listed, encoded, free of units; or refused where they would be ignored."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=44)[CLEAN["unit"]]
    tier = np.array(["gold", "iron"])[(rng.random(44) < 0.5).astype(int)[CLEAN["unit"]]]
    frame = CLEAN.assign(x=x, twice=2 * x, flat=1.0, tier=tier, large=1e8 * x)
    if "covariates" not in METHODS[estimator].takes:
        with pytest.raises(gc.InputError, match="covariates= has no meaning"):
            did(frame, estimator, covariates=["x"])
        return
    plain = did(frame, estimator, covariates=["x", "tier"])
    full = did(frame, estimator, covariates=["x", "twice", "flat", "tier"])
    notes = " ".join(full.manifest.notes)
    assert "'twice' was dropped" in notes and "'flat' is constant" in notes and "'gold', 'iron'" in notes
    for other in (full, did(frame, estimator, covariates=["large", "tier"])):
        assert (other.estimate, other.std_error) == pytest.approx((plain.estimate, plain.std_error), rel=1e-8)


@pytest.mark.parametrize("estimator", list(METHODS))
def test_71_the_frame_is_left_alone(estimator: str) -> None:
    frame = CLEAN.copy()
    did(frame, estimator).audit.to_frame()
    pd.testing.assert_frame_equal(frame, CLEAN)
