"""The catalogue of bad inputs, row by row, for `gc.uplift`."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

RNG = np.random.default_rng(0)
N = 400
BASE = pd.DataFrame({
    "user": np.arange(N), "on": RNG.permutation(np.arange(N) % 2), "age": RNG.normal(size=N).round(6), "city": np.array(["北京", "Hefei", "O'Fallon"])[RNG.integers(0, 3, N)],
    "chance": 0.5, "price": 2.0, "since": pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(N), unit="D"), "drawn": pd.Timestamp("2026-11-01"),
})  # fmt: skip
BASE["gmv"] = (10 + BASE["age"] + 2 * BASE["on"] + RNG.normal(size=N)).round(6)
ON = BASE["on"].to_numpy() == 1
CALL: dict[str, Any] = {"treatment": "on", "features": ["age", "city"], "propensity": 0.5}


def of(**columns: Any) -> pd.DataFrame:
    return BASE.assign(**columns)


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = BASE.copy()
    if value is None or column == "city":
        frame[column] = frame[column].astype(object)
    elif column != "since":
        frame[column] = frame[column].astype(float)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


THREE = of(on=np.array(["a", "b", "none"])[np.arange(N) % 3])
SHARES = {"a": 1 / 3, "b": 1 / 3, "none": 1 / 3}
# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "28 text arms": (lambda: of(on=np.where(ON, "coupon", "none")), {}, gc.InputError, "not named.*'coupon', 'none'.*control=", "on", None, ()),
    "30 arms 1 and 2": (lambda: of(on=BASE["on"] + 1), {}, gc.InputError, "not named.*labels 1, 2 .*control=", "on", None, ()),
    "31 arms -1 and 1": (lambda: of(on=2 * BASE["on"] - 1), {}, gc.InputError, "not named.*labels -1, 1 .*control=", "on", None, ()),
    "43 a feature that decides the arm": (lambda: of(app=ON * 1.0), {"features": ["age", "app"], "propensity": None}, gc.InputError, "'app' decides the arm.*2 values.*leave it out.*cluster='app'", "app", 2, ()),
    "43 rooms of a trial between rooms": (lambda: of(room=np.where(ON, 0, 20) + np.arange(N) % 20), {"features": ["age", "room"]}, gc.InputError, "'room' decides the arm", "room", 40, ()),
    "what was paid as a cost": (lambda: of(price=2.0 * ON), {"cost": "price"}, gc.InputError, "0 for every user of the control.*redeemed=", "price", 200, ()),
    "33 missing arm": (lambda: put("on", [3, 8], np.nan), {}, gc.InputError, "arm is missing.*find out", "on", 2, (3, 8)),
    "33 missing text arm": (lambda: of(on=np.where(ON, "x", "y")).assign(on=lambda d: d["on"].where(d.index != 5)), {"control": "y"}, gc.InputError, "arm is missing", "on", 1, (5,)),
    "34 three arms, one chance": (lambda: THREE, {"control": "none"}, gc.InputError, "0.5, and there are 3 arms", None, None, ()),
    "34 three arms, one column": (lambda: THREE, {"control": "none", "propensity": "chance"}, gc.InputError, "there are 3 arms", None, None, ()),
    "35 one treated": (lambda: of(on=(np.arange(N) == 3) * 1), {}, gc.InputError, "arm '1' has 1 row,.*at least 2", None, None, ()),
    "26 nobody treated": (lambda: of(on=0), {}, gc.InputError, "only one label", "on", None, ()),
    "control that does not occur": (lambda: of(on=np.where(ON, "coupon", "none")), {"control": "nothing"}, gc.InputError, "control is 'nothing'.*no label", "on", None, ()),
    "38 users in two arms": (lambda: put("user", [1, int(np.flatnonzero(ON[1] != ON)[0])], 7777), {}, gc.InputError, "1 units are in more than one arm.*find out why; then rule='first' keeps.*rule='drop'", "user", 1, tuple(sorted((1, int(np.flatnonzero(ON[1] != ON)[0]))))),
    "38 users in two arms, clustered": (lambda: put("user", [1, int(np.flatnonzero(ON[1] != ON)[0])], 7777), {"cluster": "user"}, gc.InputError, "1 units are in more than one arm.*rule='first'", "user", 1, tuple(sorted((1, int(np.flatnonzero(ON[1] != ON)[0]))))),
    "38 no such rule": (lambda: BASE, {"rule": "last"}, gc.InputError, "rule must be one of 'raise', 'first'.*'drop'", None, None, ()),
    "39 exposed before assigned": (lambda: of(since=BASE["drawn"] + pd.to_timedelta(np.where(np.isin(np.arange(N), [3, 5]), -8, 1), unit="D")), {"assigned_at": "drawn", "exposed_at": "since"}, gc.InputError, "2 rows were exposed before they were assigned.*first exposure after", "since", 2, (3, 5)),
    "39 exposed, and no time of assignment": (lambda: BASE, {"exposed_at": "since"}, gc.InputError, "without assigned_at=", None, None, ()),
    "redeemed missing": (lambda: of(used=1.0 * ON).pipe(lambda d: d.assign(used=d["used"].where(d.index != 4))), {"redeemed": "used"}, gc.InputError, "redeemed is missing.*1 where the coupon was redeemed", "used", 1, (4,)),
    "redeemed is an amount": (lambda: of(used=5.0 * (np.arange(N) == 3)), {"redeemed": "used"}, gc.InputError, "redeemed must hold 0 and 1 only, but holds 5.*what it takes off is cost=", "used", 1, (3,)),
    "redeemed is text": (lambda: of(used=np.where(ON, "yes", "no")), {"redeemed": "used"}, gc.InputError, "redeemed holds text.*comparison", "used", N, (0, 1, 2, 3, 4)),
    "redeemed by the control": (lambda: of(used=1), {"redeemed": "used"}, gc.InputError, "redeemed is 1 for users of the control arm 0.*write 0 there", "used", int((~ON).sum()), tuple(np.flatnonzero(~ON)[:5])),
    "redeemed is a feature": (lambda: of(used=1 * ON), {"redeemed": "used", "features": ["age", "used"]}, gc.InputError, "'used', which is redeemed=, known only after treatment", "used", None, ()),
    "redeemed is the outcome": (lambda: BASE, {"redeemed": "gmv"}, gc.InputError, "redeemed names 'gmv', which is the outcome", "gmv", None, ()),
    "redeemed is the cost": (lambda: BASE, {"redeemed": "price", "cost": "price"}, gc.InputError, "redeemed names 'price'.*or the cost", "price", None, ()),
    "redeemed is not there": (lambda: BASE, {"redeemed": "used"}, gc.InputError, "no column 'used'", None, None, ()),
    "38 users twice": (lambda: pd.concat([BASE, BASE.iloc[:4]], ignore_index=True), {}, gc.InputError, "4 units occur more than once.*cluster='user'", "user", 4, (N, N + 1, N + 2, N + 3)),
    "42 chance of 1": (lambda: put("chance", [2, 9], 1.0), {"propensity": "chance"}, gc.InputError, "probabilities of 0 or 1.*leave these rows out", "chance", 2, (2, 9)),
    "42 chance of 0": (lambda: put("chance", [4], 0.0), {"propensity": "chance"}, gc.InputError, "probabilities of 0 or 1", "chance", 1, (4,)),
    "42 chance above 1": (lambda: put("chance", [4], 1.2), {"propensity": "chance"}, gc.InputError, "outside", "chance", 1, (4,)),
    "42 chance missing": (lambda: put("chance", [4], np.nan), {"propensity": "chance"}, gc.InputError, "propensity is missing", "chance", 1, (4,)),
    "42 three arms that do not add up": (lambda: of(on=THREE["on"], chance=0.5), {"control": "none", "propensity": {"a": "chance", "b": "chance", "none": "chance"}}, gc.InputError, "do not add up to 1", None, N, (0, 1, 2, 3, 4)),
    "42 three arms without rest": (lambda: of(on=THREE["on"], chance=0.5), {"control": "none", "propensity": {"a": "chance", "b": "chance"}}, gc.InputError, "probabilities of 0 or 1", "chance", N, (0, 1, 2, 3, 4)),
    "42 shares that do not add up": (lambda: THREE, {"control": "none", "propensity": {"a": 0.3, "b": 0.3, "none": 0.3}}, gc.InputError, "add up to 0.9", None, None, ()),
    "42 share of no arm": (lambda: THREE, {"control": "none", "propensity": {**SHARES, "c": 0.1}}, gc.InputError, "propensity names 'c'", None, None, ()),
    "propensity 1": (lambda: BASE, {"propensity": 1}, gc.InputError, "above 0 and below 1", None, None, ()),
    "propensity True": (lambda: BASE, {"propensity": True}, gc.InputError, "above 0 and below 1", None, None, ()),
    "45 missing outcome": (lambda: put("gmv", [2, 5], np.nan), {}, gc.InputError, "outcome is missing.*missing='zero'", "gmv", 2, (2, 5)),
    "47 infinite outcome": (lambda: put("gmv", [2], np.inf), {}, gc.InputError, "infinite", "gmv", 1, (2,)),
    "53 text outcome": (lambda: of(gmv=[f"¥{v:,.2f}" for v in BASE["gmv"]]), {}, gc.InputError, "holds text.*strip currency", "gmv", N, (0, 1, 2, 3, 4)),
    "62 infinite feature": (lambda: put("age", [6], np.inf), {}, gc.InputError, "features holds infinite", "age", 1, (6,)),
    "63 an id as category": (lambda: of(city=[f"u{i}" for i in range(N)]), {}, gc.InputError, "text of 400 levels.*leave an id out", "city", None, ()),
    "64 a date and no time of assignment": (lambda: BASE, {"features": ["since"]}, gc.InputError, "dates.*assigned_at=", "since", None, ()),
    "64 after assignment": (lambda: put("since", [3, 5], pd.Timestamp("2026-12-24")), {"features": ["age", "since"], "assigned_at": "drawn"}, gc.InputError, "after assignment", "since", 2, (3, 5)),
    "65 the outcome": (lambda: BASE, {"features": ["age", "gmv"]}, gc.InputError, "'gmv', which is the outcome", "gmv", None, ()),
    "65 the treatment": (lambda: BASE, {"features": ["age", "on"]}, gc.InputError, "'on', which is the treatment", "on", None, ()),
    "no such feature": (lambda: BASE, {"features": ["ages"]}, gc.InputError, "no column 'ages'.*did you mean 'age'", None, None, ()),
    "69 no rows": (lambda: BASE.head(0), {}, gc.InputError, "no rows", None, None, ()),
    "69 one row": (lambda: BASE.head(1), {}, gc.InputError, "only one label", "on", None, ()),
    "67 two columns of one name": (lambda: BASE.rename(columns={"price": "age"}), {}, gc.InputError, "more than one column called 'age'", None, None, ()),
    "19 one cluster": (lambda: of(room=1), {"cluster": "room"}, gc.InputError, "only one cluster", "room", None, ()),
    "negative cost": (lambda: put("price", [2], -1.0), {"cost": "price"}, gc.InputError, "negative amounts", "price", 1, (2,)),
    "cost of the control": (lambda: BASE, {"cost": {0: 1.0, 1: 2.0}}, gc.InputError, "cost names the control", None, None, ()),
    "cost of an unknown arm": (lambda: BASE, {"cost": {"ten": 1.0}}, gc.InputError, "'ten', which is no arm", None, None, ()),
    "receipt missing": (lambda: of(seen=BASE["on"].where(BASE.index != 4)), {"received": "seen"}, gc.InputError, "received is missing.*1 where the push was delivered", "seen", 1, (4,)),
    "receipt by degrees": (lambda: of(seen=BASE["on"] * 3), {"received": "seen"}, gc.InputError, "received must hold 0 and 1 only, but holds 3", "seen", int(ON.sum()), tuple(np.flatnonzero(ON)[:5].tolist())),
    "receipt in words": (lambda: of(seen=np.where(ON, "yes", "no")), {"received": "seen"}, gc.InputError, "received holds text", "seen", N, (0, 1, 2, 3, 4)),
    "nobody received": (lambda: of(seen=0), {"received": "seen"}, gc.InputError, "nobody received", "seen", None, ()),
    "everybody received": (lambda: of(seen=True), {"received": "seen"}, gc.InputError, "everybody, in the control too, received", "seen", None, ()),
    "receipt is the arm": (lambda: BASE, {"received": "on"}, gc.InputError, "received= names 'on', which is the treatment too", "on", None, ()),
    "receipt as a feature": (lambda: of(seen=BASE["on"]), {"received": "seen", "features": ["age", "seen"]}, gc.InputError, "'seen', which is received=, which happened after assignment", "seen", None, ()),
    "no such receipt": (lambda: BASE, {"received": "sen"}, gc.InputError, "no column 'sen'", None, None, ()),
    "learner": (lambda: BASE, {"learner": "xgboost"}, gc.InputError, "learner must be one of 'auto'", None, None, ()),
    "folds": (lambda: BASE, {"folds": 1}, gc.InputError, "folds must be a whole number from 2", None, None, ()),
    "impute": (lambda: BASE, {"impute": "mean"}, gc.InputError, "impute must be None, 'median' or a number", None, None, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", list(ERRORS), ids=str)
def test_refused(case: str) -> None:
    make, options, kind, words, column, count, rows = ERRORS[case]
    data = make()
    before = data.copy()
    with pytest.raises(kind, match=f"(?i){words}") as caught:
        gc.uplift(data, **{**CALL, **options})
    assert isinstance(caught.value, gc.GmvCausalError)
    assert caught.value.column == column and caught.value.count == count and caught.value.rows == rows
    pd.testing.assert_frame_equal(data, before)


def test_a_feature_of_the_window_of_the_outcome() -> None:
    """A table of Logs.users says itself what was measured after assignment."""
    frame = of(orders=1)
    frame.attrs["gmvcausal"] = {"table": "users"}
    with pytest.raises(gc.InputError, match="'orders', which is measured after assignment"):
        gc.uplift(frame, **{**CALL, "features": ["age", "orders"]})


# id: (frame, options, check, status, words of its message)
WARNED: dict[str, tuple[Callable[[], Any], dict[str, Any], str, str, str]] = {
    "36 an arm without variance": (lambda: of(gmv=np.where(ON, 5.0, BASE["gmv"])), {}, "zero_variance", "warned", "does not vary in 1"),
    "37 sample ratio": (lambda: BASE, {"propensity": 0.4}, "sample_ratio", "failed", "expected 160.0"),
    "37 sample ratio of a column": (lambda: of(chance=np.where(ON, 0.4, 0.3)), {"propensity": "chance"}, "sample_ratio", "failed", "p = "),
    "43 hardly any overlap": (lambda: of(chance=np.where(np.arange(N) < 80, 0.001, 0.62)), {"propensity": "chance"}, "overlap", "failed", "20.0% of the rows"),
    "44 dose": (lambda: of(on=np.arange(N) % 7), {"control": 0, "propensity": None}, "dose", "warned", "7 arms are numbers"),
    "48 all zero": (lambda: of(gmv=0.0), {}, "all_zero", "warned", "zero in every row"),
    "49 a whale": (lambda: put("gmv", [7], 1e9), {}, "leverage", "warned", "carries"),
    "46 refunds as negative amounts": (lambda: put("gmv", [7, 9], -20.0), {}, "negative_amounts", "warned", "2 rows have a negative outcome"),
    "50 two currencies": (lambda: of(gmv=np.where(np.arange(N) % 5 == 0, 100, 1) * (BASE["gmv"] + 5)), {}, "scale_mix", "warned", "apart, 20.0% on the smaller one"),
    "43 next to perfect separation": (lambda: of(app=ON * 1.0 + (np.arange(N) == 3)), {"features": ["age", "app"], "propensity": None}, "overlap", "failed", "of the rows"),
    "65 a logarithm of the outcome": (lambda: of(age=np.log1p(BASE["gmv"])), {}, "leakage", "failed", "the ranks of the outcome"),
    "65 the outcome and noise": (lambda: of(age=BASE["gmv"] + 0.2 * BASE["age"]), {}, "leakage", "warned", "'age' alone explains"),
    "the other arm's chances": (lambda: of(chance=np.where(np.arange(N) % 4 == 0, 0.3, 0.7), on=(np.arange(N) % 8 < np.where(np.arange(N) % 4 == 0, 8, 2)) * 1), {"propensity": "chance"}, "chances_followed", "failed", "go against"),
    "5 rows written twice": (lambda: pd.concat([BASE, BASE.iloc[:40]]).drop(columns="user"), {}, "copies", "warned", "9.1% of the rows are copies"),
    "51 float32": (lambda: of(gmv=(BASE["gmv"] + 1e7).astype(np.float32)), {}, "quantisation", "warned", "apart"),
    "64 a feature that the tactic moved": (lambda: of(age=BASE["age"] + 3 * ON), {}, "balance", "warned", "'age' differs most"),
    "65 the outcome under another name": (lambda: of(age=BASE["gmv"] * 7 + 3), {}, "leakage", "failed", "'age' alone explains"),
    "18 few clusters": (lambda: of(room=np.where(ON, 0, 8) + np.arange(N) % 8), {"cluster": "room"}, "few_clusters", "failed", "8 in the smallest arm"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(WARNED), ids=str)
def test_warned(case: str) -> None:
    make, options, name, status, words = WARNED[case]
    m = gc.uplift(make(), **{**CALL, **options})
    check = m.audit[name]
    assert check.status == status and words in check.message and check.remedy
    assert m.audit.credible == (status != "failed")
    assert np.isfinite(m.estimate) and np.isfinite(m.effects).all()


def test_few_clusters_have_no_interval() -> None:
    m = gc.uplift(of(room=np.where(ON, 0, 8) + np.arange(N) % 8), **{**CALL, "cluster": "room"})
    assert np.isnan(m.std_error) and np.isnan(m.conf_int()).all() and "too few" in m.estimates.withheld


def test_the_level_of_assignment_is_found() -> None:
    frame = of(room=np.where(ON, 0, 30) + np.arange(N) % 30)
    with pytest.warns(gc.GmvCausalWarning, match="'room'"):
        m = gc.uplift(frame, **CALL)
    assert m.audit["cluster_level"].status == "warned"
    fold = m.trial.in_table_order(m.fit.fold)
    assert (frame.assign(fold=fold).groupby("room")["fold"].nunique() == 1).all()


def test_overlap_stands_beside_where_there_is_none() -> None:
    chance = np.where(np.arange(N) < 80, 0.001, 0.62)
    m = gc.uplift(of(chance=chance), **{**CALL, "propensity": "chance"})
    frame = m.to_frame().set_index("term")
    assert "1 (overlap)" in frame.index and np.isfinite(frame.loc["1 (overlap)", "std_error"])


def repaired() -> dict[str, tuple[pd.DataFrame, dict[str, Any], str]]:
    """Inputs that mean the same as the base, with a word of the notes that says what was met."""
    return {
        "29 boolean arms": (of(on=ON), {}, ""),
        "28 arms as floats": (of(on=BASE["on"].astype(float)), {}, ""),
        "32 unused levels": (of(on=pd.Categorical(np.where(ON, "b", "a"), categories=["a", "b", "c"])), {"control": "a"}, ""),
        "54 decimals": (of(gmv=[Decimal(str(v)) for v in BASE["gmv"]]), {}, ""),
        "55 nullable": (of(gmv=BASE["gmv"].astype("Float64"), age=BASE["age"].astype("Float64"), on=BASE["on"].astype("Int64")), {}, ""),
        "60 the same feature twice": (of(again=BASE["age"] * 4), {"features": ["age", "city", "again"]}, "'again' is 'age' over again"),
        "61 a constant feature": (of(one=7), {"features": ["age", "city", "one"]}, "'one' is constant"),
        "63 a category": (of(city=BASE["city"].astype("category")), {}, "levels 'Hefei', \"O'Fallon\", '北京'"),
        "66 other units": (of(age=BASE["age"] * 1e8), {}, ""),
        "68 odd names": (BASE.rename(columns={"age": '`__import__("os")` "年龄"'}), {"features": ['`__import__("os")` "年龄"', "city"]}, ""),
    }  # fmt: skip


@pytest.mark.parametrize("case", list(repaired()), ids=str)
def test_repaired(case: str) -> None:
    frame, options, words = repaired()[case]
    base = gc.uplift(BASE, **CALL)
    m = gc.uplift(frame, **{**CALL, **options})
    assert m.estimate == pytest.approx(base.estimate, rel=1e-9 if "60" not in case else 0.05)
    assert words in " ".join(m.manifest.notes)


def test_small_integers_do_not_overflow() -> None:
    """Row 52: sums of 8-bit amounts leave 8 bits."""
    small = of(gmv=(100 + 20 * ON).astype("uint8") - (np.arange(N) % 3).astype("uint8"))
    wide = small.assign(gmv=small["gmv"].astype(float))
    pd.testing.assert_frame_equal(gc.uplift(small, **CALL).to_frame(), gc.uplift(wide, **CALL).to_frame())


@pytest.mark.parametrize("shift", [-12.0, -10.3, 0.0])
def test_relative_effects_need_a_control_above_zero(shift: float) -> None:
    """Row 58: no share of a control mean that is zero or below."""
    m = gc.uplift(of(gmv=BASE["gmv"] + shift), **CALL)
    assert ("of the control arm" in m.summary()) == (shift == 0)


def test_amounts_that_are_margins_or_flags_are_not_odd() -> None:
    """Rows 46 and 50: half negative is a change, 0/1 has no currency, net GMV of `Logs` is said to be net."""
    for gmv in (BASE["gmv"] - BASE["gmv"].median(), BASE["gmv"] > 10, BASE["gmv"]):
        m = gc.uplift(of(gmv=gmv), **CALL)
        assert not {"negative_amounts", "scale_mix"} & {c.name for c in m.audit.warned}
    net = put("gmv", [7], -20.0)
    net.attrs["gmvcausal"] = {"gmv": "net"}
    assert "negative_amounts" not in gc.uplift(net, **CALL).audit


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (
            {"on": pd.array(np.where(np.arange(N) == 3, None, ON), dtype="boolean")},
            {},
            "arm is missing.*row position 3",
        ),
        ({"on": np.where(ON, "True", "False")}, {}, "control arm is not named.*control='False'"),
        ({"on": ON * 0.5}, {}, "not whole, for example 0.5"),
        ({"age": [[1]] * N}, {}, "features holds .*numbers are needed"),
        ({"age": pd.to_timedelta(np.arange(N), unit="h")}, {}, "cannot be read as numbers"),
        ({"age": 2**60 + np.arange(N)}, {}, "beyond 2.53.*subtract a constant"),
        ({"age": BASE["age"] * 1e300}, {}, "squares cannot be computed"),
        ({"gmv": BASE["since"]}, {}, "outcome has dtype Datetime"),
        ({}, {"control": "0"}, "whole numbers: pass control=0, without quotes"),
        ({}, {"cluster": "gmv"}, "cluster holds numbers that are not whole"),
        ({"drawn": "x"}, {"assigned_at": "drawn", "features": ["since"]}, "not an ISO date, for example 'x'"),
    ],
)
def test_columns_of_another_kind_are_refused_in_words(
    change: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(gc.InputError, match=f"(?is){words}"):
        gc.uplift(of(**change), **{**CALL, **options})


def test_gaps_are_counted_and_filled_only_when_asked() -> None:
    frame = put("age", [1, 2, 3], np.nan)
    m = gc.uplift(frame, **CALL)
    assert "'age' is missing in 3 rows: trees take it as it is" in " ".join(m.manifest.notes)
    filled = gc.uplift(frame, **CALL, impute="median")
    assert "was filled (impute=)" in " ".join(filled.manifest.notes)
    assert not np.isnan(filled.trial.x).any()
    zero = gc.uplift(put("gmv", [1], np.nan), **CALL, missing="zero")
    assert "counts as 0" in " ".join(zero.manifest.notes)


def test_dates_count_as_days_before_assignment() -> None:
    m = gc.uplift(BASE, **{**CALL, "features": ["since"], "assigned_at": "drawn"})
    later = BASE.assign(since=BASE["since"] + pd.Timedelta("9D"), drawn=BASE["drawn"] + pd.Timedelta("9D"))
    np.testing.assert_array_equal(m.predict(later), m.predict(BASE))


def test_predict_names_what_is_wrong() -> None:
    m = gc.uplift(BASE, **CALL)
    with pytest.raises(gc.InputError, match="no column 'age'"):
        m.predict(BASE.drop(columns="age"))
    with pytest.raises(gc.InputError, match="holds text"):
        m.predict(of(age="old"))
    with pytest.raises(gc.InputError, match="infinite"):
        m.predict(put("age", [0], np.inf))
    with pytest.raises(gc.DesignError, match="no honest interval"):
        m.predict_interval(BASE)
    assert m.predict(BASE.iloc[:1]).shape == (1, 1)


@pytest.mark.parametrize("rule", ["first", "drop"])
def test_38_users_in_two_arms_by_rule(rule: str) -> None:
    """The answer is that of the table without the rows that the rule leaves out, wherever they stood."""
    second = int(np.flatnonzero(ON[1] != ON)[0])
    second = max(second, 2)
    while ON[second] == ON[1]:
        second += 1
    frame = put("user", [1, second], 7777)
    gone = [second] if rule == "first" else [1, second]
    m = gc.uplift(frame, **CALL, rule=rule)
    clean = gc.uplift(frame.drop(index=gone), **CALL)
    # Features are scaled, in single precision, by the rows of the whole table: lines see that in the eighth digit.
    assert m.n == N - len(gone) and m.estimate == pytest.approx(clean.estimate, rel=1e-7)
    assert m.std_error == pytest.approx(clean.std_error, rel=1e-7)
    assert np.flatnonzero(np.isnan(m.effects[:, 0])).tolist() == gone
    assert np.delete(m.effects, gone, axis=0) == pytest.approx(clean.effects, rel=1e-7)
    assert len(gone) in m.manifest.dropped.values() and f"rule='{rule}'" in " ".join(m.summary().split())
    together = gc.uplift(frame.assign(room=np.arange(N) // 4), **CALL, rule=rule, cluster="room")
    apart = gc.uplift(frame.assign(room=np.arange(N) // 4).drop(index=gone), **CALL, cluster="room")
    assert together.std_error == pytest.approx(apart.std_error, rel=1e-7)


def test_the_first_arm_may_hold_several_rows_of_a_user() -> None:
    """The remedy of the first refusal says what the second one would ask for."""
    off, on = np.flatnonzero(~ON), np.flatnonzero(ON)
    frame = BASE.copy()
    frame.loc[[off[0], off[1], on[-1]], "user"] = 7_777
    frame.loc[[off[2], on[-2]], "user"] = 8_888
    with pytest.raises(
        gc.InputError, match=r"2 units are in more than one arm.*1 of them have several rows there: add"
    ):
        gc.uplift(frame, outcome="gmv", **CALL)
    with pytest.raises(gc.InputError, match=r"1 units occur more than once.*Add each unit's rows up to one first"):
        gc.uplift(frame, outcome="gmv", **CALL, rule="first")
    m = gc.uplift(frame, outcome="gmv", **CALL, rule="first", cluster="user")
    assert m.trial.n == N - 2


def test_levels_that_training_never_saw() -> None:
    m = gc.uplift(
        of(tier=np.arange(N) % 3).astype({"tier": "category"}), **{**CALL, "features": ["age", "tier"], "learner": "t"}
    )
    new = of(tier=np.arange(N) % 3)[["age", "tier"]]
    told = m.predict(new.astype({"tier": "category"}))
    floats = new.assign(tier=new["tier"].astype(float).astype("category"))
    np.testing.assert_array_equal(m.predict(floats), told)
    with pytest.warns(gc.GmvCausalWarning, match=r"'tier' has levels never seen .* '7', in 133 rows \(33.2%\)"):
        m.predict(new.replace({"tier": {2: 7}}).astype({"tier": "category"}))
    with pytest.raises(
        gc.InputError, match=r"'tier' has hardly any level that training saw: it holds 'x0'.*'0', '1'.*Write its levels"
    ):
        m.predict(new.assign(tier=("x" + new["tier"].astype(str)).astype("category")))


def test_users_who_bought_nothing_are_no_copies() -> None:
    """Two platforms, amounts in cents: most rows without a purchase are alike, and some others by chance."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"on": np.arange(6_000) % 2, "ios": rng.integers(0, 2, 6_000)})
    frame["gmv"] = np.where(rng.random(6_000) < 0.35, 0.0, rng.exponential(100, 6_000).round(2))
    call: dict[str, Any] = {"treatment": "on", "features": ["ios"], "propensity": 0.5, "outcome": "gmv", "learner": "t"}
    audits = [gc.uplift(data, **call).audit for data in (frame, pd.concat([frame, frame.iloc[:2_000]]))]
    assert audits[0]["copies"].status == "passed" and audits[1]["copies"].status == "warned"
