"""The catalogue of bad inputs, row by row, for `gc.did`: an error that helps, a check that warns, or a note that says what was repaired."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from panels import rollout, thinned

import gmvcausal as gc

BASE = rollout(n=120, periods=6, cohorts=(3, 5), seed=0)[["unit", "period", "gmv", "first_treated"]]
TRUE = gc.did(BASE).estimate
FAMILY = ("sun_abraham", "imputation", "two_stage", "etwfe")
DEFAULT_AND_FAMILY = ("callaway_santanna", *FAMILY, "poisson")


def of(**columns: Any) -> pd.DataFrame:
    """The base panel with columns changed: a value, or a function of the frame."""
    return BASE.assign(**columns)


def put(column: str, rows: Any, value: Any) -> pd.DataFrame:
    """The base panel with a value written into some row positions."""
    frame = BASE.copy()
    frame[column] = frame[column].astype(object) if isinstance(value, str) else frame[column]
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


def days(frame: pd.DataFrame) -> pd.DataFrame:
    """Periods as weekly dates."""
    day = pd.Timestamp("2025-11-02")
    return frame.assign(
        period=day + pd.to_timedelta(7 * frame["period"], unit="D"),
        first_treated=day + pd.to_timedelta(7 * frame["first_treated"], unit="D"),
    )


# --- E: a typed error with its facts ---------------------------------------------------------------------------------
def doubled(rows: int) -> pd.DataFrame:
    extra = BASE.iloc[:rows].copy()
    extra["gmv"] += 5
    return pd.concat([BASE, extra], ignore_index=True)


def switching_off() -> pd.DataFrame:
    on = (BASE["period"] >= BASE["first_treated"]).astype(int)
    off = on.where(~((BASE["period"] == 6) & BASE["unit"].isin(BASE.loc[on == 1, "unit"].unique()[:4])), 0)
    return BASE.assign(on=off)


def every_unit_from(period: int) -> pd.DataFrame:
    return BASE.assign(first_treated=period)


N, NOBODY = len(BASE), ()
# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "1 exact duplicate": (lambda: pd.concat([BASE, BASE.iloc[[7]]]), {}, gc.InputError,
        "1 unit-period .*identical.* once.*dedupe='exact'", None, None, (N,)),
    "2 conflicting duplicates": (lambda: doubled(20), {}, gc.InputError,
        "20 unit-periods occur more than once.*repeats disagree", None, None, (N, N + 1, N + 2, N + 3, N + 4)),
    "2 conflicting duplicates, dedupe": (lambda: doubled(20), {"dedupe": "exact"}, gc.InputError,
        "20 unit-periods occur more than once with different values", None, None, (N, N + 1, N + 2, N + 3, N + 4)),
    "3 file appended twice": (lambda: pd.concat([BASE, BASE]), {}, gc.InputError,
        f"{N} unit-periods occur more than once.*repeats are identical: read an appended file once", None, None, (N, N + 1, N + 2, N + 3, N + 4)),
    "4 switches off": (switching_off, {"treated": "on"}, gc.InputError,
        "switches off again for 4 units.*estimator='switching'", "on", None, NOBODY),
    "5 first treated varies": (lambda: put("first_treated", [1, 13], 99), {}, gc.InputError,
        "first_treated varies within units for 2 of them.*one date", "first_treated", None, NOBODY),
    "5 known in one row, missing in another": (lambda: put("first_treated", [BASE["first_treated"].notna().to_numpy().argmax()], np.nan), {},
        gc.InputError, "varies within units for 1 of them", "first_treated", None, NOBODY),
    "7 all treated in period 1": (lambda: every_unit_from(1), {}, gc.DesignError,
        "all 120 treated units are treated from the first period.*earlier periods", "first_treated", None, NOBODY),
    "8 never coded -1": (lambda: of(first_treated=BASE["first_treated"].fillna(-1)), {}, gc.InputError,
        "holds -1.*code for 'never treated'.*never=-1", "first_treated", int(BASE.groupby("unit")["first_treated"].first().isna().sum()), NOBODY),
    "8 never coded 9999": (lambda: of(first_treated=BASE["first_treated"].fillna(9999)), {}, gc.InputError,
        "holds 9999.*code for 'never treated'.*never=9999", "first_treated", int(BASE.groupby("unit")["first_treated"].first().isna().sum()), NOBODY),
    "8 never coded as a far date": (lambda: days(BASE).assign(first_treated=lambda f: f["first_treated"].fillna(pd.Timestamp("2099-12-31"))), {},
        gc.InputError, "holds 2099-12-31.*code for 'never treated'.*never=", "first_treated", None, NOBODY),
    "9 off the grid": (lambda: days(BASE).assign(first_treated=lambda f: f["first_treated"] + pd.Timedelta(days=2)), {}, gc.InputError,
        "between two periods for .* units, for example 2025-1.*start of the period", "first_treated", None, NOBODY),
    "9 fraction": (lambda: of(first_treated=BASE["first_treated"] + 0.5), {}, gc.InputError,
        "first_treated holds fractions, for example .\\.5", "first_treated", None, NOBODY),
    "14 unparsable time": (lambda: of(period=BASE["period"].map("week {}".format)), {}, gc.InputError,
        "time holds text that is not an ISO date, for example 'week 1'.*2025-11-01", "period", N, (0, 1, 2, 3, 4)),
    "14 unparsable treatment": (lambda: of(first_treated=BASE["first_treated"].map(lambda v: "soon" if v == 3 else None)), {}, gc.InputError,
        "first_treated holds text that is not an ISO date, for example 'soon'", "first_treated", None, NOBODY),
    "14 numbers against dates": (lambda: days(BASE).assign(first_treated=BASE["first_treated"]), {}, gc.InputError,
        "time holds dates but first_treated holds whole numbers.*same way", "first_treated", None, NOBODY),
    "15 mixed zones": (lambda: of(period=[f"2025-11-0{p}T00:00+0{8 + i % 2}:00" for i, p in enumerate(BASE["period"])], first_treated=None), {},
        gc.InputError, "time mixes time zones.*one zone", "period", None, NOBODY),
    "15 zoned periods, plain dates of treatment": (lambda: days(BASE).assign(period=lambda f: f["period"].dt.tz_localize("Asia/Shanghai")), {},
        gc.InputError, "different time zones.*'period' Asia/Shanghai, 'first_treated' no zone.*one zone", "first_treated", None, NOBODY),
    "15 two zones": (lambda: days(BASE).assign(period=lambda f: f["period"].dt.tz_localize("Asia/Shanghai"),
        first_treated=lambda f: f["first_treated"].dt.tz_localize("UTC")), {}, gc.InputError, "'period' Asia/Shanghai, 'first_treated' UTC", "first_treated", None, NOBODY),
    "19 single cluster": (lambda: of(town="Hefei"), {"cluster": "town"}, gc.InputError,
        "single cluster, so no standard error.*finer", "town", None, NOBODY),
    "22 an id in two clusters": (lambda: of(town=np.arange(N) % 5), {"cluster": "town"}, gc.InputError,
        "cluster varies within units.*unit id used in several", "town", None, (1, 2, 3, 4, 7)),
    "23 missing id": (lambda: put("unit", [3, 8], np.nan), {}, gc.InputError, "unit is missing.*remove these rows", "unit", 2, (3, 8)),
    "23 missing time": (lambda: put("period", [3, 8], np.nan), {}, gc.InputError, "time is missing.*remove these rows", "period", 2, (3, 8)),
    "25 weight of zero": (lambda: of(w=np.where(BASE["unit"] == 1, 0.0, 1.0)), {"weights": "w"}, gc.InputError,
        "weights must be positive.*leave out", "w", 6, (6, 7, 8, 9, 10)),
    "25 negative weight": (lambda: of(w=np.where(BASE["unit"] == 1, -1.0, 1.0)), {"weights": "w"}, gc.InputError, "weights must be positive", "w", 6, (6, 7, 8, 9, 10)),
    "25 weight varies": (lambda: of(w=np.where(BASE.index == 8, 2.0, 1.0)), {"weights": "w"}, gc.InputError, "weights varies within units for 1", "w", None, (8,)),
    "26 everybody, same period": (lambda: every_unit_from(4), {}, gc.DesignError, "no control unit.*untreated", "first_treated", None, NOBODY),
    "26 nobody": (lambda: of(first_treated=np.nan), {}, gc.DesignError, "no unit is treated", "first_treated", None, NOBODY),
    "26 nobody, twfe": (lambda: of(on=0), {"treated": "on", "estimator": "twfe"}, gc.DesignError, "same in every row.*treated and untreated", None, None, NOBODY),
    "45 missing outcome": (lambda: put("gmv", [5, 9, 11], np.nan), {}, gc.InputError, "outcome is missing.*missing='zero'", "gmv", 3, (5, 9, 11)),
    "47 infinite outcome": (lambda: put("gmv", [5, 9], [np.inf, -np.inf]), {}, gc.InputError, "infinite.*correct", "gmv", 2, (5, 9)),
    "53 text with a currency sign": (lambda: of(gmv="¥1,234.50"), {}, gc.InputError, "outcome holds text, for example '¥1,234.50'.*strip currency", "gmv", N, (0, 1, 2, 3, 4)),
    "53 text in one row": (lambda: put("gmv", [4], "¥9"), {}, gc.InputError, "holds text, for example '¥9'", "gmv", 1, (4,)),
    "67 duplicate column names": (lambda: pd.concat([BASE, BASE["gmv"]], axis=1), {}, gc.InputError, "more than one column called 'gmv'.*rename", None, None, NOBODY),
    "67 MultiIndex columns": (lambda: BASE.set_axis(pd.MultiIndex.from_product([["a"], BASE.columns]), axis=1), {}, gc.InputError, "MultiIndex columns.*flatten", None, None, NOBODY),
    "68 unknown column": (lambda: BASE.rename(columns={"gmv": "GMV"}), {}, gc.InputError, "no column 'gmv', which was named for outcome.*did you mean|name one of", None, None, NOBODY),
    "68 unknown unit": (lambda: BASE.rename(columns={"unit": "units"}), {}, gc.InputError, "no column 'unit'.*did you mean 'units'", None, None, NOBODY),
    "69 no rows": (lambda: BASE.iloc[:0], {}, gc.InputError, "no rows.*filter", None, None, NOBODY),
    "69 one row": (lambda: BASE.iloc[:1], {}, gc.InputError, "a single row.*one row per unit and period", None, None, NOBODY),
    "69 one period": (lambda: BASE[BASE["period"] == 3], {}, gc.InputError, "only one period.*at least two", "period", None, NOBODY),
    "70 not a table": (lambda: {"unit": [1]}, {}, gc.InputError, "is a dict, which is no table.*pandas, polars", None, None, NOBODY),
}  # fmt: skip


@pytest.mark.parametrize("estimator", DEFAULT_AND_FAMILY)
@pytest.mark.parametrize("row", list(ERRORS))
def test_errors(row: str, estimator: str) -> None:
    make, options, kind, words, column, count, rows = ERRORS[row]
    with pytest.raises(gc.GmvCausalError, match=f"(?is){words}") as caught:
        gc.did(make(), **{"estimator": estimator, **options})
    error = caught.value
    assert type(error) is kind
    assert error.remedy, "a message without the next step"
    assert column is None or error.column == column
    assert count is None or error.count == count
    assert rows == NOBODY or error.rows == rows
    assert "Traceback" not in str(error) and error.__cause__ is None


SYNTHETIC = ("synthetic_control", "augmented_synthetic_control", "synthetic_did")


@pytest.mark.parametrize("estimator", SYNTHETIC)
@pytest.mark.parametrize("row", [row for row, case in ERRORS.items() if not {"estimator", "weights"} & set(case[1])])
def test_errors_of_synthetic_estimators(row: str, estimator: str) -> None:
    make, options, kind, words, *_ = ERRORS[row]
    with pytest.raises(gc.GmvCausalError, match=f"(?is){words}") as caught:
        gc.did(make(), estimator=estimator, **options)
    assert type(caught.value) is kind and caught.value.remedy


def test_the_rows_named_hold_the_fault() -> None:
    """Positions are those of the data as given, whatever the order of rows."""
    frame = put("first_treated", [1, 13], 99).sample(frac=1, random_state=0).reset_index(drop=True)
    with pytest.raises(gc.InputError) as caught:
        gc.did(frame)
    assert set(frame.loc[list(caught.value.rows), "unit"]) <= {0, 2}
    with pytest.raises(gc.InputError) as caught:
        gc.did(switching_off().sample(frac=1, random_state=0).reset_index(drop=True), treated="on")
    assert len(caught.value.rows) == 4


# --- W: an answer, with a check that does not pass -------------------------------------------------------------------
def untreated_share(share: float) -> pd.DataFrame:
    return rollout(n=120, never=share, seed=2)[list(BASE.columns)]


def of_cohorts(**sizes: int) -> pd.DataFrame:
    """A panel whose cohorts have these sizes, for example p3=2."""
    start = np.full(120, np.nan)
    low = 0
    for name, size in sizes.items():
        start[low : low + size] = float(name[1:])
        low += size
    return BASE.assign(first_treated=np.repeat(start, 6))


def announced() -> pd.DataFrame:
    """Shoppers wait for a coupon that was announced: GMV falls in the two periods before it."""
    event = BASE["period"] - BASE["first_treated"]
    return BASE.assign(gmv=BASE["gmv"] - 3 * event.isin([-1, -2]))


def whale() -> pd.DataFrame:
    frame = BASE.copy()
    frame.loc[
        (frame["unit"] == BASE.loc[BASE["first_treated"].notna(), "unit"].iloc[0]) & (frame["period"] == 6), "gmv"
    ] += 1e9
    return frame


def leaving() -> pd.DataFrame:
    """Treated units whose sales are low leave."""
    event = BASE["period"] - BASE["first_treated"]
    return BASE[~((event >= 1) & (BASE["gmv"] < BASE["gmv"].quantile(0.4)))]


def late_shoppers() -> pd.DataFrame:
    never = BASE["first_treated"].isna()
    return BASE.assign(gmv=np.where(never & (BASE["unit"] % 2 == 0) & (BASE["period"] <= 3), 0.0, BASE["gmv"]))


CHECKS: dict[str, tuple[Callable[[], pd.DataFrame], dict[str, Any], str, tuple[str, ...], str]] = {
    "6 no never treated": (lambda: untreated_share(0.0), {}, "never_treated", ("warned",), "treated later.* serves? as control"),
    "11 treated before the data": (lambda: of_cohorts(p1=10, p3=30), {}, "always_treated", ("warned",), "10 of 120 units"),
    "11 most treated before the data": (lambda: of_cohorts(p1=70, p3=20), {}, "always_treated", ("failed",), "70 of 120 units"),
    "12 period gaps": (lambda: BASE[BASE["period"] != 4], {}, "period_gaps", ("warned",), "1 periods? between"),
    "17 single treated unit": (lambda: of_cohorts(p3=1), {}, "few_clusters", ("failed",), "1 treated and 119 control"),
    "18 nine treated": (lambda: of_cohorts(p3=9), {}, "few_clusters", ("failed",), "9 treated and 111 control"),
    "18 nine controls": (lambda: of_cohorts(p3=111), {}, "few_clusters", ("failed",), "111 treated and 9 control"),
    "18 twenty treated": (lambda: of_cohorts(p3=20), {}, "few_clusters", ("warned",), "20 treated"),
    "20 attrition": (leaving, {}, "attrition", ("warned",), "lies between .* and .* \\(Lee 2009\\)"),
    "21 announced": (announced, {}, "pre_trend", ("warned", "failed"), "largest is .* at event time"),
    "22 one id in several cities": (lambda: of(city=np.where(BASE["unit"] < 6, BASE["period"] % 2, 7)), {}, "id_reuse", ("warned",), "6 units under more than one 'city'"),
    "24 cohort of one": (lambda: of_cohorts(p3=1, p5=30), {}, "cohort_size", ("warned",), "1 cohort has fewer than 5 units, the smallest 1"),
    "27 one period before": (lambda: BASE[(BASE["period"] >= 2) & (BASE["first_treated"] != 5)], {}, "pre_trend", ("warned",), "only one period"),
    "48 all zero": (lambda: of(gmv=0), {}, "all_zero", ("warned",), "every outcome is zero"),
    "49 whale": (whale, {}, "leverage", ("warned",), "capped at .* the estimate is"),
    "50 some units in cents": (lambda: of(gmv=BASE["gmv"] * np.where(BASE["unit"] % 20 == 3, 100, 1)), {}, "scale_mix", ("warned",), "two humps a factor of about"),
    "51 float32": (lambda: of(gmv=(BASE["gmv"] + 1e6).astype("float32")), {}, "quantisation", ("warned",), "float32"),
    "76 units seen late": (late_shoppers, {}, "late_entry", ("warned",), "on the units active by then"),
    "twfe with staggered starts": (lambda: BASE, {"estimator": "twfe"}, "forbidden_comparisons", ("failed",), "starts in 2 different periods"),
    "naive": (lambda: of(gmv=BASE["gmv"] + 4 * BASE["first_treated"].notna()), {"estimator": "naive"}, "selection", ("failed",), "in the same periods"),
}  # fmt: skip


@pytest.mark.parametrize("estimator", DEFAULT_AND_FAMILY)
@pytest.mark.parametrize("row", list(CHECKS))
def test_warnings(row: str, estimator: str) -> None:
    make, options, name, statuses, words = CHECKS[row]
    if name == "attrition" and estimator in (*FAMILY, "poisson"):
        statuses, words = ("failed",), "3.1% of unit-periods are absent"  # no bounds are drawn there, so none exculpate
    if name == "all_zero" and estimator == "poisson":
        with pytest.raises(gc.DesignError, match="sold nothing in any period before"):  # no ratio to nothing
            gc.did(make(), estimator=estimator)
        return
    result = gc.did(make(), **{"estimator": estimator, **options})
    check = result.audit[name]
    assert check.status in statuses
    import re

    assert re.search(words, check.message), check.message
    assert check.remedy, "a warning without the next step"
    assert result.audit.credible == (check.status != "failed" and not result.audit.failed)


def test_the_same_checks_pass_on_a_clean_panel() -> None:
    clean = gc.did(rollout(n=200, seed=11).assign(city=lambda f: f["place"])[[*BASE.columns, "city"]])
    for _, (_, options, name, _, _) in CHECKS.items():
        if not options and name in clean.audit:
            assert clean.audit[name].status == "passed", name
    assert clean.audit.credible


@pytest.mark.parametrize("treated", [1, 2, 5, 9])
def test_few_treated_units_get_no_interval(treated: int) -> None:
    """17, 18: two periods before the start are too few to learn a room's own variability from."""
    frame = of_cohorts(p3=treated)
    for estimator in ("callaway_santanna", "two_by_two", "twfe", "naive", *FAMILY):
        result = gc.did(frame, estimator=estimator)
        assert np.isfinite(result.estimate)
        assert np.isnan([result.std_error, result.p_value, *result.conf_int()]).all()
        assert result.estimates.withheld and f"{treated} treated" in result.estimates.withheld
        assert not result.audit.credible
        if estimator != "naive":
            event = result.event_study()
            assert event[["std_error", "conf_low", "band_low"]].isna().all(axis=None)


def test_few_controls_get_no_interval_in_any_table() -> None:
    frame = of_cohorts(p3=60, p5=51)
    for estimator in ("callaway_santanna", "twfe"):
        result = gc.did(frame[frame["first_treated"] != 5] if estimator == "twfe" else frame, estimator=estimator)
        assert np.isnan(result.std_error)
        assert result.event_study()["std_error"].isna().all()
    # The not-yet-treated are controls too, where the call says so.
    both = gc.did(frame, control="not_yet_treated")
    assert np.isfinite(both.std_error)
    late = both.att_gt().set_index(["cohort", "period"])["std_error"]
    assert np.isfinite(late[(3, 4)]) and np.isnan(late[(3, 5)])


def test_units_treated_throughout_are_no_treated_clusters() -> None:
    """Twenty rooms that were always on the tactic do not make one switching room twenty-one."""
    frame = of_cohorts(p1=20, p3=1)
    result = gc.did(frame, estimator="twfe")
    assert np.isnan(result.std_error) and "1 treated" in result.estimates.withheld


# --- R: repaired, and said so ----------------------------------------------------------------------------------------
REPAIRS: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "1 dedupe": (lambda: pd.concat([BASE, BASE.iloc[:3]]), {"dedupe": "exact"}, "3 rows that repeated another row exactly were dropped"),
    "8 never coded 0": (lambda: of(first_treated=BASE["first_treated"].fillna(0)), {}, "0 in 'first_treated' was read as never treated"),
    "10 treated after the data": (lambda: of(first_treated=BASE["first_treated"].fillna(8)), {}, "units are first treated after the last period"),
    "12 gaps": (lambda: BASE[BASE["period"] != 4], {}, "1 periods are missing between"),
    "16 zone": (lambda: days(BASE).assign(period=lambda f: f["period"].dt.tz_localize("Asia/Shanghai"),
        first_treated=lambda f: f["first_treated"].dt.tz_localize("Asia/Shanghai")), {}, "zone Asia/Shanghai"),
    "45 missing as zero": (lambda: put("gmv", [5, 9], np.nan), {"missing": "zero"}, "2 missing outcomes were set to 0"),
    "6 no never treated": (lambda: untreated_share(0.0), {}, "no unit is never treated, so the "),
}  # fmt: skip


@pytest.mark.parametrize("estimator", DEFAULT_AND_FAMILY)
@pytest.mark.parametrize("row", list(REPAIRS))
def test_repairs(row: str, estimator: str) -> None:
    make, options, words = REPAIRS[row]
    result = gc.did(make(), estimator=estimator, **options)
    assert any(words in note for note in result.manifest.notes), result.manifest.notes
    if row[:2] in ("1 ", "8 ", "10", "16"):
        assert result.estimate == pytest.approx(gc.did(BASE, estimator=estimator).estimate, rel=1e-12)


@pytest.mark.parametrize("code", [np.nan, None, pd.NA, np.inf, 0], ids=str)
def test_8_codes_of_never(code: Any) -> None:
    frame = BASE.assign(first_treated=[code if pd.isna(v) else int(v) for v in BASE["first_treated"]])
    assert gc.did(frame).estimate == pytest.approx(TRUE, rel=1e-12)


def test_8_zero_is_not_never_where_it_may_be_a_date() -> None:
    """With another cohort before the grid, 0 may be a date of that kind: all of them were treated before."""
    start = BASE["first_treated"].fillna(0).where(BASE["unit"] != 3, -2)
    with pytest.raises(gc.GmvCausalError):
        gc.did(BASE.assign(first_treated=start.where(BASE["first_treated"].isna(), np.nan)))
    # Where 0 is a period it is a cohort.
    shifted = BASE.assign(period=BASE["period"] - 2, first_treated=(BASE["first_treated"] - 3))
    assert set(gc.did(shifted).att_gt()["cohort"]) == {0, 2}


def test_10_late_units_are_controls_of_both_kinds() -> None:
    late = of(first_treated=BASE["first_treated"].fillna(7))
    for control in ("never_treated", "not_yet_treated"):
        assert gc.did(late, control=control).estimate == gc.did(BASE, control=control).estimate
    # With anticipation those treated just after the data may already react, so they are left out and counted.
    result = gc.did(late.assign(first_treated=late["first_treated"].where(late["unit"] % 2 == 0, 9)), anticipation=1)
    assert "treated after the data but within the anticipation window" in result.manifest.dropped


def test_10_anticipation_counts_months_not_days() -> None:
    """August has 31 days; the first of September is still one month later."""
    months = pd.date_range("2025-03-01", periods=8, freq="MS")
    frame = BASE.assign(
        period=months[BASE["period"] - 1],
        first_treated=BASE["first_treated"].map(lambda v: months[int(v) - 1] if v == v else months[6]),
    )
    dropped = gc.did(frame[frame["first_treated"] != months[4]].assign(
        first_treated=lambda f: f["first_treated"].where(f["unit"] % 2 == 0, months[7]).where(f["first_treated"] == months[6], f["first_treated"])
    ), anticipation=1).manifest.dropped  # fmt: skip
    assert dropped["treated after the data but within the anticipation window"] > 0


def test_11_dropped_units_are_counted() -> None:
    result = gc.did(of_cohorts(p1=10, p3=30))
    assert result.manifest.dropped == {"already treated at the start": 10}
    assert result.n == 110


@pytest.mark.parametrize(
    "gmv",
    [
        lambda g: g.round().astype("int8"), lambda g: g.round().astype("uint8"), lambda g: g.round().astype("Int64"), lambda g: g.round().astype("Float64"),
        lambda g: g.round().map(lambda v: Decimal(int(v))), lambda g: g.round().astype("float32"),
    ],
    ids=["52 int8", "52 uint8", "55 Int64", "55 Float64", "54 Decimal", "51 float32"],
)  # fmt: skip
def test_51_to_55_outcomes_of_every_dtype(gmv: Callable[[pd.Series], Any]) -> None:
    reference = gc.did(of(gmv=BASE["gmv"].round()))
    result = gc.did(of(gmv=gmv(BASE["gmv"])))
    assert (result.estimate, result.std_error) == (reference.estimate, reference.std_error)


def test_70_polars_and_arrow() -> None:
    for frame in (pl.from_pandas(BASE), pa.Table.from_pandas(BASE)):
        assert gc.did(frame).estimate == pytest.approx(TRUE, rel=1e-12)


# --- what other programs returned on these (none of them warned) -------------------------------------------------------
@pytest.mark.parametrize("estimator", ["callaway_santanna", *FAMILY])
def test_offset_of_a_billion(estimator: str) -> None:
    for frame in (BASE, thinned(BASE)):
        there, here = (gc.did(f, estimator=estimator) for f in (frame.assign(gmv=frame["gmv"] + 1e9), frame))
        assert there.estimate == pytest.approx(here.estimate, rel=1e-6)
        assert there.std_error == pytest.approx(here.std_error, rel=1e-6)


def test_one_treated_room_of_sixty_without_effect() -> None:
    """AR(0.7) errors, no effect: others reject in 81 % of samples. Placebo runs reject in about one of twenty."""
    rng = np.random.default_rng(0)
    rejected = {"callaway_santanna": 0, "twfe": 0}
    for _ in range(100):
        error = rng.normal(size=(60, 12))
        for t in range(1, 12):
            error[:, t] += 0.7 * error[:, t - 1]
        frame = pd.DataFrame(
            {"unit": np.repeat(np.arange(60), 12), "period": np.tile(np.arange(12), 60), "gmv": error.ravel()}
        )
        frame["first_treated"] = np.where(frame["unit"] == 0, 6.0, np.nan)
        for estimator in rejected:
            result = gc.did(frame, estimator=estimator)
            assert np.isnan(result.std_error) and result.audit["few_clusters"].status == "warned"
            rejected[estimator] += result.p_value < 0.05
    assert max(rejected.values()) <= 12  # three binomial standard errors above five


# --- nothing of the libraries underneath reaches the user --------------------------------------------------------------
ODD_COLUMNS: dict[str, Callable[[], Any]] = {
    "objects": lambda: [object()] * N,
    "lists": lambda: [[1]] * N,
    "dicts": lambda: [{}] * N,
    "all missing": lambda: np.full(N, np.nan),
    "all None": lambda: [None] * N,
    "all NA": lambda: pd.array([pd.NA] * N, dtype="Int64"),
    "empty text": lambda: [""] * N,
    "mixed": lambda: [1, "a", None, 2.5] * (N // 4),
    "mixed dates": lambda: [1, pd.Timestamp("2025-01-01")] * (N // 2),
    "complex": lambda: np.full(N, 1 + 2j),
    "timedelta": lambda: pd.to_timedelta(np.arange(N), unit="D"),
    "interval": lambda: pd.interval_range(0, N),
    "category": lambda: pd.Categorical(["a", "b"] * (N // 2)),
    "category of numbers": lambda: pd.Categorical(BASE["period"]),
    "bool": lambda: BASE["unit"] % 2 == 0,
    "infinite": lambda: np.full(N, np.inf),
    "huge": lambda: np.full(N, 1e308),
    "tiny": lambda: np.full(N, 5e-324),
    "huge ids": lambda: np.arange(N, dtype="uint64") + 2**63,
    "huge whole numbers": lambda: [10**30] * N,
    "bytes": lambda: [b"x"] * N,
    "half a surrogate": lambda: ["\ud800"] * N,
    "dates out of range": lambda: ["9999-12-31"] * N,
    "year zero": lambda: ["0000-01-01"] * N,
    "time of day": lambda: ["12:30"] * N,
    "pandas months": lambda: pd.period_range("2020-01", periods=N, freq="M"),
    "sparse": lambda: pd.arrays.SparseArray(np.arange(N, dtype=float)),
    "constant": lambda: np.ones(N),
    "negative": lambda: -BASE["period"],
    "datetime": lambda: pd.date_range("2025-01-01", periods=N),
    "zoned": lambda: pd.date_range("2025-01-01", periods=N, tz="America/Argentina/Buenos_Aires"),
}  # fmt: skip


def quiet(call: Callable[[], Any]) -> Any:
    """The result, or the error of our own; a warning of another library fails the test (all are errors here)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gc.GmvCausalWarning)  # ours may be said; the call is about errors
        try:
            result = call()
        except gc.GmvCausalError as error:
            return error
        result.audit.to_frame()
        result.to_frame()
        result.manifest.to_json()
        if result.options.estimator != "naive":
            result.event_study()
        result.trends()
        return result


@pytest.mark.parametrize("odd", list(ODD_COLUMNS))
@pytest.mark.parametrize("column", ["gmv", "unit", "period", "first_treated", "on", "w", "city", "campaign"])
def test_odd_columns(column: str, odd: str) -> None:
    frame = BASE.assign(on=(BASE["period"] >= BASE["first_treated"]).astype(int), w=1.0)
    values = ODD_COLUMNS[odd]()
    # As objects: pandas itself cannot store half a surrogate in its text dtype.
    frame[column] = pd.Series(values, dtype=object) if isinstance(values, list) else values
    calls: dict[str, list[dict[str, Any]]] = {
        "on": [{"treated": "on"}, {"treated": "on", "estimator": "twfe"}],
        "w": [{"weights": "w"}],
        "city": [{}, {"cluster": "city"}],
        "campaign": [{"stack": "campaign", "treated": "on", "estimator": "stacked"}],
    }
    for options in calls.get(
        column, [{}, {"estimator": "twfe"}, {"estimator": "imputation"}, {"missing": "zero"}, {"never": -1}]
    ):
        quiet(lambda options=options: gc.did(frame, **options))


@pytest.mark.parametrize("estimator", ["callaway_santanna", "two_by_two", "twfe", "naive", *FAMILY])
def test_small_and_odd_shapes(estimator: str) -> None:
    rng = np.random.default_rng(0)
    shapes = [
        BASE.iloc[:2], BASE.iloc[:6], BASE[BASE["unit"] == 0], BASE[BASE["period"] <= 2], BASE[BASE["period"].isin([2, 3])],
        BASE[BASE["unit"] < 2], BASE.iloc[[0, 7, 14, 21]], BASE.groupby("unit").head(1), thinned(BASE, 0.9), thinned(BASE, 0.6),
        BASE.assign(gmv=1.0), BASE.assign(gmv=BASE["unit"]), BASE.assign(gmv=BASE["period"]), BASE.assign(gmv=1e300),
        BASE.assign(period=BASE["period"] - 10**9), BASE.rename_axis("unit"), BASE.set_index("unit", drop=False), BASE[::2],
        BASE[["unit"]], pd.DataFrame(), pd.DataFrame({0: [1]}), BASE.rename(columns={"gmv": 5}),
    ]  # fmt: skip
    for _ in range(25):
        n = int(rng.integers(1, 12))
        shapes.append(pd.DataFrame({
            "unit": rng.integers(0, 4, n), "period": rng.integers(0, 4, n), "gmv": rng.choice([0.0, 1.0, np.nan, 7.5], n),
            "first_treated": rng.choice([np.nan, 0, 1, 2, 3], n),
        }).drop_duplicates(["unit", "period"]))  # fmt: skip
    outcomes = {type(quiet(lambda frame=frame: gc.did(frame, estimator=estimator))).__name__ for frame in shapes}
    assert outcomes | {"DesignError"} == {"DidResult", "InputError", "DesignError"}


OPTIONS: list[dict[str, Any]] = [
    {"cluster": 3}, {"alpha": "x"}, {"alpha": 0}, {"alpha": 1.0}, {"alpha": None}, {"alpha": float("nan")}, {"alpha": True}, {"seed": None}, {"seed": 1.5},
    {"seed": -1}, {"outcome": ["gmv"]}, {"outcome": "no such"}, {"unit": 0}, {"time": b"period"}, {"time": "unit"},
    {"first_treated": None}, {"first_treated": ()}, {"treated": 1}, {"treated": "gmv"}, {"stack": "unit"}, {"stack": 2}, {"estimator": "cs"},
    {"estimator": None}, {"estimator": ["twfe"]}, {"control": "none"}, {"control": None}, {"weights": "first_treated"}, {"weights": 1},
    {"anticipation": -1}, {"anticipation": 1.5}, {"anticipation": "1"}, {"anticipation": None}, {"anticipation": 50}, {"anticipation": True},
    {"base_period": "first"}, {"bands": "none"}, {"ssc": "hc1"}, {"ssc": None}, {"missing": None}, {"missing": "drop"}, {"dedupe": "all"},
    {"dedupe": True}, {"never": "x"}, {"never": [1]}, {"never": object()}, {"never": 1.5}, {"never": pd.Timestamp("2025-01-01")},
    {"estimator": "stacked"}, {"estimator": "stacked", "treated": "on"}, {"estimator": "two_by_two"}, {"estimator": "twfe", "anticipation": 1},
    {"estimator": "naive", "anticipation": 1}, {"estimator": "sun_abraham", "control": "not_yet_treated"},
    {"estimator": "imputation", "base_period": "universal"}, {"estimator": "etwfe", "stack": "unit"}, {"estimator": "two_stage", "anticipation": 50}, {"estimator": "two_by_two", "stack": "unit"},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=[f"{i} {next(iter(o))}" for i, o in enumerate(OPTIONS)])
def test_wrong_options(options: dict[str, Any]) -> None:
    frame = BASE.assign(on=(BASE["period"] >= BASE["first_treated"]).astype(int))
    error = quiet(lambda: gc.did(frame, **options))
    assert isinstance(error, gc.GmvCausalError), f"{options} was taken"


@pytest.mark.parametrize(
    "data",
    [None, 5, "nothing.parquet", "panel.csv", b"", [], [{}], (), np.eye(3), BASE["gmv"], object()],
    ids=lambda d: type(d).__name__,
)
def test_data_that_is_no_table(data: Any) -> None:
    assert isinstance(quiet(lambda: gc.did(data)), gc.InputError)
