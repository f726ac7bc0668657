"""The catalogue of bad inputs, row by row, for `gc.mediate`."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmvcausal as gc

_RNG = np.random.default_rng(0)
N = 240
_T, _X = _RNG.integers(0, 2, N), _RNG.standard_normal(N)
_M = _T + _X + _RNG.standard_normal(N)
BASE = pd.DataFrame({
    "arm": _T, "m": _M, "k": (_M + _RNG.standard_normal(N) > 0).astype(int), "x": _X,
    "gmv": 100 + _T + 2 * _M + _X + _RNG.standard_normal(N), "who": np.arange(N),
})  # fmt: skip


def of(**columns: Any) -> pd.DataFrame:
    return BASE.assign(**columns)


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = BASE.copy()
    frame[column] = frame[column].astype(float)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


TEXT = np.where(BASE["arm"] == 1, "raffle", "none")
# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "28 text arms": (lambda: of(arm=TEXT), {}, gc.InputError, "not named.*'none', 'raffle'.*control=", "arm", None, ()),
    "30 arms 1 and 2": (lambda: of(arm=_T + 1), {}, gc.InputError, "not named.*labels 1, 2 .*control=", "arm", None, ()),
    "31 arms -1 and 1": (lambda: of(arm=2 * _T - 1), {}, gc.InputError, "not named.*labels -1, 1 .*control=", "arm", None, ()),
    "33 missing arm": (lambda: put("arm", [3, 8], np.nan), {}, gc.InputError, "arm is missing", "arm", 2, (3, 8)),
    "34 three arms": (lambda: of(arm=np.arange(N) % 3), {"control": 0}, gc.InputError, "3 levels, and a mediation compares two.*one call for each", "arm", None, ()),
    "26 one arm": (lambda: of(arm=0), {}, gc.InputError, "only one label", "arm", None, ()),
    "35 one row": (lambda: of(arm=(np.arange(N) == 3) * 1), {}, gc.InputError, "'1' has 1 row, .*at least 2", None, None, ()),
    "users twice": (lambda: pd.concat([BASE, BASE[:4]], ignore_index=True), {"unit": "who"}, gc.InputError, "units occur more than once.*cluster='who'", "who", 4, (N, N + 1, N + 2, N + 3)),
    "45 missing GMV": (lambda: put("gmv", [5, 9], np.nan), {}, gc.InputError, "missing.*missing='zero'", "gmv", 2, (5, 9)),
    "47 infinite GMV": (lambda: put("gmv", [7], np.inf), {}, gc.InputError, "infinite", "gmv", 1, (7,)),
    "53 text": (lambda: of(gmv=[f"¥{v:,.2f}" for v in BASE["gmv"]]), {}, gc.InputError, "text", "gmv", N, (0, 1, 2, 3, 4)),
    "45 missing mediator": (lambda: put("m", [5, 9], np.nan), {}, gc.InputError, "mediator is missing.*never guessed", "m", 2, (5, 9)),
    "47 infinite mediator": (lambda: put("m", [7], np.inf), {}, gc.InputError, "mediator.*infinite", "m", 1, (7,)),
    "53 text mediator": (lambda: of(m=[f"{v:.2f}" for v in _M]), {}, gc.InputError, "mediator.*text", "m", N, (0, 1, 2, 3, 4)),
    "62 missing covariate": (lambda: put("x", [5], np.nan), {}, gc.InputError, "missing.*never guessed", "x", 1, (5,)),
    "61 constant mediator": (lambda: of(m=2), {}, gc.DesignError, "mediator is 2 in every row", "m", None, ()),
    "the treatment as mediator": (lambda: of(m=3 * _T), {}, gc.DesignError, "combination of 'arm'.*cannot be told apart", "m", None, ()),
    "a mediator twice": (lambda: of(o=-2 * _M), {"mediators": ["m", "o"]}, gc.InputError, "tell each other exactly", "o", None, ()),
    "the outcome as mediator": (lambda: BASE, {"mediators": ["gmv"]}, gc.InputError, "mediators= names 'gmv', which is the outcome too", "gmv", None, ()),
    "65 the outcome as covariate": (lambda: BASE, {"covariates": ["gmv"]}, gc.InputError, "covariates= names 'gmv', which is the outcome too", "gmv", None, ()),
    "a mediator as covariate": (lambda: BASE, {"covariates": ["m"]}, gc.InputError, "covariates= names 'm', which is the mediator too", "m", None, ()),
    "a mediator as moderator": (lambda: BASE, {"moderator": "m"}, gc.InputError, "moderator= names 'm', which is the mediator too", "m", None, ()),
    "no mediator": (lambda: BASE, {"mediators": []}, gc.InputError, "mediators= names no column", None, None, ()),
    "too many mediators": (lambda: of(**{f"m{i}": _RNG.standard_normal(N) for i in range(9)}), {"mediators": [f"m{i}" for i in range(9)]}, gc.InputError, "names 9 columns, and at most 8", None, None, ()),
    "no such column": (lambda: BASE, {"mediators": ["mm"]}, gc.InputError, "no column 'mm'.*'m'", None, None, ()),
    "69 no rows": (lambda: BASE[:0], {}, gc.InputError, "no rows", None, None, ()),
    "few rows": (lambda: BASE.sort_values("arm").iloc[list(range(3)) + list(range(N - 3, N))], {}, gc.DesignError, "6 rows are too few", None, None, ()),
    "67 columns twice": (lambda: pd.concat([BASE, BASE[["gmv"]]], axis=1), {}, gc.InputError, "more than one column called 'gmv'", None, None, ()),
    "negative amounts with a log link": (lambda: put("gmv", [7, 9], -20.0), {"outcome_model": "poisson"}, gc.InputError, "not negative", "gmv", 2, (7, 9)),
    "amounts as 0/1": (lambda: put("gmv", [0, 1], 1.0), {"outcome_model": "logit"}, gc.InputError, "outcomes of 0 and 1", "gmv", N - 2, (2, 3, 4, 5, 6)),
    "logit of a number": (lambda: BASE, {"mediator_model": "logit"}, gc.InputError, "mediators of 0 and 1", "m", None, ()),
    "a model of no mediator": (lambda: BASE, {"mediator_model": {"q": "linear"}}, gc.InputError, "mediator_model's key must be one of 'm'", None, None, ()),
    "fixed effects and a log link": (lambda: of(day=np.arange(N) % 7), {"outcome_model": "poisson", "fixed": "day"}, gc.InputError, "does not go with fixed=", None, None, ()),
    "order and a log link": (lambda: BASE, {"outcome_model": "hurdle", "ordered": True}, gc.InputError, "does not go with ordered=True", None, None, ()),
    "arms within fixed groups": (lambda: of(g=_T + 2 * (np.arange(N) % 2)), {"fixed": "g"}, gc.DesignError, "'arm' does not vary within the groups of fixed=", "arm", None, ()),
    "43 perfect separation": (lambda: of(k=(_X > 0) * 1), {"mediators": ["k"], "covariates": ["x"]}, gc.DesignError, "logit regression of 'k' has no estimate.*mediator_model='linear'", "k", None, ()),
    "one cluster": (lambda: of(shop=1), {"cluster": "shop"}, gc.InputError, "only one cluster", "shop", None, ()),
    "a constant moderator": (lambda: of(w=1.0), {"moderator": "w"}, gc.DesignError, "moderator is the same in every row", "w", None, ()),
    "times of nothing": (lambda: BASE, {"times": {"gvm": "x"}}, gc.InputError, "times= has a time of 'gvm'.*'gmv'", None, None, ()),
    "times are no mapping": (lambda: BASE, {"times": ["x"]}, gc.InputError, "times must map columns", None, None, ()),
    "planned shares of no test": (lambda: BASE, {"expected_ratio": {0: 1, 1: 1}}, gc.InputError, "expected_ratio= is of arms that chance drew", None, None, ()),
    "too few draws": (lambda: BASE, {"reps": 10}, gc.InputError, "reps must be a whole number of at least 99", None, None, ()),
    "no such split": (lambda: BASE, {"split": "half"}, gc.InputError, "split must be one of 'pure_direct'", None, None, ()),
    "alpha in percent": (lambda: BASE, {"alpha": 5}, gc.InputError, "alpha must be", None, None, ()),
    "no seed": (lambda: BASE, {"seed": None}, gc.InputError, "seed must be", None, None, ()),
    "control of no group": (lambda: of(arm=TEXT), {"control": "non"}, gc.InputError, "no label.*'none'", "arm", None, ()),
}  # fmt: skip


def mediate(frame: Any, **options: Any) -> Any:
    return gc.mediate(frame, "gmv", "arm", **({"mediators": ["m"], "covariates": ["x"], "reps": 0} | options))


@pytest.mark.parametrize("case", ERRORS)
def test_is_refused_in_words(case: str) -> None:
    make, options, kind, words, column, count, rows = ERRORS[case]
    frame = make()
    before = frame.copy()
    with pytest.raises(kind, match=f"(?s){words}") as found:
        mediate(frame, **options)
    if column is not None:
        assert found.value.column == column
    if count is not None:
        assert found.value.count == count
    if rows:
        assert tuple(found.value.rows) == rows
    pd.testing.assert_frame_equal(frame, before)


SAME: dict[str, Callable[[], Any]] = {
    "29 booleans": lambda: of(arm=_T == 1),
    "52 int8": lambda: of(k=BASE["k"].astype("int8")),
    "29 boolean mediator": lambda: of(k=BASE["k"] == 1),
    "54 Decimal": lambda: of(gmv=[Decimal(repr(v)) for v in BASE["gmv"]]),
    "55 Float64": lambda: of(gmv=BASE["gmv"].astype("Float64")),
    "60 collinear covariate": lambda: of(x2=2 * _X),
    "67 index": lambda: BASE.set_index(np.zeros(N, dtype=int)),
    "70 polars": lambda: __import__("polars").from_pandas(BASE),
    "70 pyarrow": lambda: __import__("pyarrow").Table.from_pandas(BASE),
}


@pytest.mark.parametrize("case", SAME)
def test_says_the_same(case: str) -> None:
    more = {"covariates": ["x", "x2"]} if "60" in case else {}
    plain, other = mediate(BASE, mediators=["m", "k"]), mediate(SAME[case](), mediators=["m", "k"], **more)
    np.testing.assert_allclose(other.estimates.estimate, plain.estimates.estimate, rtol=1e-9)
    np.testing.assert_allclose(other.estimates.cov, plain.estimates.cov, rtol=1e-9)
    if more:
        assert any("'x2' was dropped" in note for note in other.manifest.notes)


def test_odd_names_work() -> None:
    odd = {"m": '互动 "m" `x`', "gmv": "GMV; drop table", "x": "__import__('os')"}
    r = gc.mediate(BASE.rename(columns=odd), odd["gmv"], "arm", [odd["m"]], [odd["x"]], reps=0)
    np.testing.assert_allclose(r.estimates.estimate, mediate(BASE).estimates.estimate)
    assert r.to_html() and r.to_latex() and r.three_steps().to_latex()


def test_outcomes_of_zero() -> None:
    r = mediate(of(gmv=0.0))
    assert r.estimate == 0 and r.audit["all_zero"].status == "warned" and "no answer" in " ".join(r.summary().split())


def test_rooms_within_which_the_arm_does_not_vary_are_clusters() -> None:
    room = np.arange(N) // 5
    frame = BASE.assign(room=room, arm=room % 2)
    with pytest.warns(gc.GmvCausalWarning, match="does not vary within 'room'"):
        r = mediate(frame)
    assert r.std_error == mediate(frame, cluster="room").std_error
    assert r.audit["cluster_level"].status == "warned"
