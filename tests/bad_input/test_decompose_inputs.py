"""The catalogue of bad inputs, row by row, for `gc.decompose`."""

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
N = 200
_ORDERS = _RNG.poisson(1.0, N)
BASE = pd.DataFrame({
    "arm": _RNG.integers(0, 2, N), "orders": _ORDERS, "gmv": _ORDERS * _RNG.gamma(4.0, 5.0, N), "who": np.arange(N),
})  # fmt: skip
F = ["orders", "gmv"]


def of(**columns: Any) -> pd.DataFrame:
    return BASE.assign(**columns)


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = BASE.copy()
    frame[column] = frame[column].astype(float)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


TEXT = np.where(BASE["arm"] == 1, "coupon", "none")
# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "28 text arms": (lambda: of(arm=TEXT), {}, gc.InputError, "not named.*'coupon', 'none'.*control=", "arm", None, ()),
    "30 arms 1 and 2": (lambda: of(arm=BASE["arm"] + 1), {}, gc.InputError, "not named.*labels 1, 2 .*control=", "arm", None, ()),
    "31 arms -1 and 1": (lambda: of(arm=2 * BASE["arm"] - 1), {}, gc.InputError, "not named.*labels -1, 1 .*control=", "arm", None, ()),
    "33 missing arm": (lambda: put("arm", [3, 8], np.nan), {}, gc.InputError, "arm is missing", "arm", 2, (3, 8)),
    "26 one arm": (lambda: of(arm=0), {}, gc.InputError, "only one label", "arm", None, ()),
    "35 one row": (lambda: of(arm=(np.arange(N) == 3) * 1), {}, gc.InputError, "'1' has 1 row, .*at least 2", None, None, ()),
    "38 users in two arms": (lambda: of(who=np.arange(N) % 150), {"unit": "who", "assignment": "random"}, gc.InputError, "in more than one arm", "who", None, ()),
    "users twice in one group": (lambda: pd.concat([BASE, BASE[:4]], ignore_index=True), {"unit": "who"}, gc.InputError, "units occur more than once.*cluster='who'", "who", 4, (N, N + 1, N + 2, N + 3)),
    "45 missing GMV": (lambda: put("gmv", [5, 9], np.nan), {}, gc.InputError, "missing.*missing='zero'", "gmv", 2, (5, 9)),
    "47 infinite GMV": (lambda: put("gmv", [7], np.inf), {}, gc.InputError, "infinite", "gmv", 1, (7,)),
    "46 negative GMV": (lambda: put("gmv", [7], -20.0), {}, gc.InputError, "below 0.*refund with the order", "gmv", 1, (7,)),
    "53 text": (lambda: of(gmv=[f"¥{v:,.2f}" for v in BASE["gmv"]]), {}, gc.InputError, "text", "gmv", N, (0, 1, 2, 3, 4)),
    "48 all zero": (lambda: of(gmv=0.0), {}, gc.DesignError, "'gmv' adds up to 0 where 'arm' is '0'.*product is 0.*longer window", "gmv", None, ()),
    "no buyers in one arm": (lambda: of(orders=BASE["orders"] * BASE["arm"], gmv=BASE["gmv"] * BASE["arm"]), {}, gc.DesignError, "'orders' adds up to 0 where 'arm' is '0': 'orders per user' is 0 and 'gmv per orders' has no value there", "orders", None, ()),
    "69 no rows": (lambda: BASE[:0], {}, gc.InputError, "no rows", None, None, ()),
    "67 columns twice": (lambda: pd.concat([BASE, BASE[["gmv"]]], axis=1), {}, gc.InputError, "more than one column called 'gmv'", None, None, ()),
    "no such column": (lambda: BASE, {"factors": ["order", "gmv"]}, gc.InputError, "no column 'order'.*'orders'", None, None, ()),
    "one factor": (lambda: BASE, {"factors": ["gmv"]}, gc.InputError, "names 1 column, .*at least two", None, None, ()),
    "a factor twice": (lambda: BASE, {"factors": {"a": "gmv", "b": "gmv"}}, gc.InputError, "names a column twice", None, None, ()),
    "a factor called total": (lambda: BASE, {"factors": {"total": "orders", "b": "gmv"}}, gc.InputError, "calls a factor 'total'", None, None, ()),
    "factors are no names": (lambda: BASE, {"factors": [1, 2]}, gc.InputError, "factors must list column names", None, None, ()),
    "by is a factor": (lambda: BASE, {"by": "gmv"}, gc.InputError, "by= and factors= both name 'gmv'", "gmv", None, ()),
    "a table of sums": (lambda: BASE.groupby("arm", as_index=False).sum(), {}, gc.InputError, "one row, so the table holds sums.*users=", "arm", None, ()),
    "groups of nobody": (lambda: of(users=np.arange(N) % 2), {"users": "users"}, gc.InputError, "users= must be above 0", "users", N // 2, (0, 2, 4, 6, 8)),
    "one cluster": (lambda: of(shop=1), {"cluster": "shop"}, gc.InputError, "only one cluster", "shop", None, ()),
    "no such method": (lambda: BASE, {"method": "laspeyres"}, gc.InputError, "method must be one of 'shapley', 'lmdi'", None, None, ()),
    "planned shares of no test": (lambda: BASE, {"expected_ratio": {0: 1, 1: 1}}, gc.InputError, "expected_ratio= is of arms that chance drew", None, None, ()),
    "alpha in percent": (lambda: BASE, {"alpha": 5}, gc.InputError, "alpha must be", None, None, ()),
    "control of no group": (lambda: of(arm=TEXT), {"control": "non"}, gc.InputError, "no label.*'none'", "arm", None, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_is_refused_in_words(case: str) -> None:
    make, options, kind, words, column, count, rows = ERRORS[case]
    frame = make()
    before = frame.copy()
    with pytest.raises(kind, match=f"(?s){words}") as found:
        gc.decompose(frame, options.pop("factors", F) if "factors" in options else F, **options)
    if column is not None:
        assert found.value.column == column
    if count is not None:
        assert found.value.count == count
    if rows:
        assert found.value.rows == rows
    pd.testing.assert_frame_equal(frame, before)


SAME: dict[str, Callable[[], Any]] = {
    "29 booleans": lambda: of(arm=BASE["arm"] == 1),
    "51 float32 orders": lambda: of(orders=BASE["orders"].astype("float32")),
    "52 int8": lambda: of(orders=BASE["orders"].astype("int8")),
    "54 Decimal": lambda: of(gmv=[Decimal(repr(v)) for v in BASE["gmv"]]),
    "55 Float64": lambda: of(gmv=BASE["gmv"].astype("Float64")),
    "67 index": lambda: BASE.set_index(np.zeros(N, dtype=int)),
    "70 polars": lambda: __import__("polars").from_pandas(BASE),
    "70 pyarrow": lambda: __import__("pyarrow").Table.from_pandas(BASE),
}


@pytest.mark.parametrize("case", SAME)
def test_says_the_same(case: str) -> None:
    plain, other = gc.decompose(BASE, F), gc.decompose(SAME[case](), F)
    np.testing.assert_allclose(other.estimates.estimate, plain.estimates.estimate, rtol=1e-12)
    np.testing.assert_allclose(other.estimates.cov, plain.estimates.cov, rtol=1e-12)


def test_unused_levels_are_no_groups() -> None:
    frame = BASE.assign(arm=pd.Categorical(TEXT, categories=["none", "coupon", "push"]))
    r = gc.decompose(frame, F, control="none")
    assert r.to_frame()["estimate"].tolist() == pytest.approx(gc.decompose(BASE, F).to_frame()["estimate"].tolist())


def test_missing_as_zero_is_said() -> None:
    frame = BASE.assign(gmv=BASE["gmv"].where(BASE["orders"] > 0))
    r = gc.decompose(frame, F, missing="zero")
    assert r.estimate == gc.decompose(BASE, F).estimate
    assert any("count as zero" in note for note in r.manifest.notes)


def test_rooms_within_which_the_arm_does_not_vary_are_clusters() -> None:
    room = np.arange(N) // 5
    frame = BASE.assign(room=room, arm=room % 2)
    with pytest.warns(gc.GmvCausalWarning, match="does not vary within 'room'"):
        r = gc.decompose(frame, F)
    assert r.std_error == gc.decompose(frame, F, cluster="room").std_error
