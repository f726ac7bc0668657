"""The catalogue of bad inputs, row by row, for `gc.bunching`."""

# ruff: noqa: E501  # the catalogue is a table: one case a line

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import gmvcausal as gc
from gmvcausal.money import incremental_gmv

_RNG = np.random.default_rng(0)
N = 4000
_WISH = np.exp(_RNG.normal(4.9, 0.7, N))
_ON = _RNG.integers(0, 2, N)
_UP = (_ON == 1) & (_WISH >= 250) & (_WISH < 300) & (_RNG.random(N) < 0.5)
BASE = pd.DataFrame({"basket": np.where(_UP, 303.0, _WISH).round(2), "on": _ON, "shop": _RNG.integers(0, 60, N)})


def of(**columns: Any) -> pd.DataFrame:
    return BASE.assign(**columns)


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = BASE.copy()
    frame[column] = frame[column].astype(float)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


def run(frame: Any, **options: Any) -> Any:
    return gc.bunching(frame, **({"basket": "basket", "cutoff": 300, "reps": 99} | options))


COMPARE = {"compare": "on"}
# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "45 missing basket": (lambda: put("basket", [5, 9], np.nan), {}, gc.InputError, "basket is missing.*remove rows that are no orders", "basket", 2, (5, 9)),
    "47 infinite basket": (lambda: put("basket", [7], np.inf), {}, gc.InputError, "infinite", "basket", 1, (7,)),
    "53 text": (lambda: of(basket=[f"¥{v:,.2f}" for v in BASE["basket"]]), {}, gc.InputError, "text", "basket", N, (0, 1, 2, 3, 4)),
    "negative baskets": (lambda: put("basket", [3, 8], -20.0), {}, gc.InputError, "basket is negative.*Leave returns out", "basket", 2, (3, 8)),
    "49 baskets in cents": (lambda: of(basket=BASE["basket"] * 100), {}, gc.DesignError, "lie in the window below.*unit", "basket", None, ()),
    "48 one value": (lambda: of(basket=300.0), {}, gc.DesignError, "only 0 lie in the window below", "basket", None, ()),
    "cutoff is text": (lambda: BASE, {"cutoff": "300"}, gc.InputError, "cutoff must be a number above 0", None, None, ()),
    "cutoff is 0": (lambda: BASE, {"cutoff": 0}, gc.InputError, "cutoff must be a number above 0", None, None, ()),
    "cutoff beyond the data": (lambda: BASE, {"cutoff": 30_000}, gc.DesignError, "only 0 lie in the window.*Check cutoff= and its unit", "basket", None, ()),
    "discount above the cutoff": (lambda: BASE, {"discount": 350}, gc.InputError, "discount is 350, and the threshold is 300", None, None, ()),
    "discount of nothing": (lambda: BASE, {"discount": 0}, gc.InputError, "discount must be a number above 0", None, None, ()),
    "width too wide": (lambda: BASE, {"width": 50}, gc.InputError, "fewer than ten bins below the threshold 300.*near 5", None, None, ()),
    "bins finer than prices": (lambda: of(basket=(BASE["basket"] / 10).round() * 10), {}, gc.InputError, "bins are finer than prices.*about 10", "basket", None, ()),
    "window without the cutoff": (lambda: BASE, {"window": (310, 400)}, gc.InputError, "the threshold 300 does not lie within", None, None, ()),
    "window the wrong way round": (lambda: BASE, {"window": (400, 200)}, gc.InputError, "two numbers of money, the lower first", None, None, ()),
    "window of three": (lambda: BASE, {"window": (200, 300, 400)}, gc.InputError, "two numbers of money", None, None, ()),
    "no such window": (lambda: BASE, {"window": "auto"}, gc.InputError, "window must be one of 'converge'", None, None, ()),
    "window beyond the bins": (lambda: BASE, {"window": (100, 590)}, gc.InputError, "fewer than 3 bins are left.*wider fit_range=", None, None, ()),
    "fit_range from 0": (lambda: BASE, {"fit_range": (0, 600)}, gc.InputError, "must begin above 0", None, None, ()),
    "order 0": (lambda: BASE, {"order": 0}, gc.InputError, "order must be a whole number from 1 to 10", None, None, ()),
    "order beyond the bins": (lambda: BASE, {"order": 9, "fit_range": (205, 350)}, gc.InputError, "too few for a polynomial of order 9", None, None, ()),
    "round numbers by name": (lambda: BASE, {"round_numbers": "yes"}, gc.InputError, "round_numbers must be one of 'auto'", None, None, ()),
    "round number 0": (lambda: BASE, {"round_numbers": (0,)}, gc.InputError, "numbers above 0", None, None, ()),
    "few draws": (lambda: BASE, {"reps": 10}, gc.InputError, "reps must be a whole number from 99", None, None, ()),
    "no seed": (lambda: BASE, {"seed": None}, gc.InputError, "seed must be", None, None, ()),
    "alpha in percent": (lambda: BASE, {"alpha": 5}, gc.InputError, "alpha must be", None, None, ()),
    "26 one group": (lambda: of(on=1), COMPARE, gc.InputError, "only one label", "on", None, ()),
    "29 labels without control": (lambda: of(on=np.where(_ON, "during", "before")), COMPARE, gc.InputError, "control arm is not named.*control=", "on", None, ()),
    "three periods": (lambda: of(on=_RNG.integers(0, 3, N)), COMPARE | {"control": 0}, gc.InputError, "3 labels.*two groups", "on", None, ()),
    "33 missing label": (lambda: put("on", [3, 8], np.nan), COMPARE, gc.InputError, "missing", "on", 2, (3, 8)),
    "control without compare": (lambda: BASE, {"control": 0}, gc.InputError, "compare= is not given", None, None, ()),
    "no comparison near the threshold": (lambda: BASE[(BASE["on"] == 1) | (BASE["basket"] < 220)], COMPARE, gc.DesignError, "of the orders of the comparison only 0 lie in the window", "basket", None, ()),
    "basket as comparison": (lambda: BASE, {"compare": "basket"}, gc.InputError, "which is the basket too", "basket", None, ()),
    "comparison as cluster": (lambda: BASE, COMPARE | {"cluster": "on"}, gc.InputError, "which is the compare too", "on", None, ()),
    "19 one cluster": (lambda: of(shop=1), {"cluster": "shop"}, gc.InputError, "only one cluster", "shop", None, ()),
    "orders of one user": (lambda: of(user=np.arange(N) // 2), {}, gc.InputError, "units occur more than once.*Pass cluster='user'", "user", N // 2, (1, 3, 5, 7, 9)),
    "69 no rows": (lambda: BASE[:0], {}, gc.InputError, "no rows", None, None, ()),
    "67 columns twice": (lambda: pd.concat([BASE, BASE[["basket"]]], axis=1), {}, gc.InputError, "more than one column called 'basket'", None, None, ()),
    "no such column": (lambda: BASE, {"basket": "baskets"}, gc.InputError, "no column 'baskets'.*'basket'", None, None, ()),
    "progress in words": (lambda: BASE, {"progress": "yes"}, gc.InputError, "progress must be True or False", None, None, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_refused_with_the_column_the_rows_and_a_way_out(case: str) -> None:
    make, options, kind, words, column, count, rows = ERRORS[case]
    with pytest.raises(kind, match=f"(?s){words}") as caught:
        run(make(), **options)
    error = caught.value
    assert isinstance(error, gc.GmvCausalError)
    assert error.column == column
    if count is not None:
        assert error.count == count
    if rows:
        assert tuple(error.rows[: len(rows)]) == rows


SAME: dict[str, Callable[[], Any]] = {
    "polars": lambda: pl.from_pandas(BASE),
    "arrow": lambda: pa.Table.from_pandas(BASE),
    "nullable": lambda: BASE.convert_dtypes(),
    "decimal": lambda: of(basket=[Decimal(str(v)) for v in BASE["basket"]]),
    "index": lambda: BASE.set_index(np.arange(N)[::-1]),
    "boolean": lambda: of(on=_ON.astype(bool)),
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_table_in_another_dress(kind: str) -> None:
    plain = run(BASE, compare="on").to_frame()
    pd.testing.assert_frame_equal(run(SAME[kind](), compare="on").to_frame(), plain)


def test_the_frame_stays_as_it_was() -> None:
    frame = BASE.copy()
    run(frame, compare="on", discount=40)
    pd.testing.assert_frame_equal(frame, BASE)


def test_free_orders_are_told() -> None:
    r = run(put("basket", [1, 2], 0.0))
    assert any("2 orders with a basket of 0" in note for note in r.manifest.notes)


def test_few_clusters_have_no_interval() -> None:
    r = run(of(shop=np.arange(N) % 6), cluster="shop")
    assert np.isnan(r.std_error) and r.audit["few_clusters"].status == "failed"
    assert "fewer than 10 clusters" in r.summary()


def test_money_of_a_pile() -> None:
    r = run(BASE, compare="on", discount=50)
    total = r.to_frame().set_index("term")["estimate"]
    money = r.incremental_gmv(cost=total["discount_paid"], cost_is="discount", margin=0.5).to_frame().set_index("term")
    assert money["estimate"]["incremental_gmv"] == pytest.approx(total["extra_gmv_total"], rel=1e-9)
    assert money["std_error"]["incremental_gmv"] == pytest.approx(r.std_error * int((_ON == 1).sum()), rel=1e-9)
    assert money["estimate"]["profit"] == pytest.approx(0.5 * total["extra_gmv_total"] - total["discount_paid"])
    with pytest.raises(gc.InputError, match="metric= and arm= choose a row of a test"):
        incremental_gmv(r, metric="basket")
    with pytest.raises(gc.InputError, match="the table says GMV is list"):
        r.incremental_gmv(gmv_is="paid")
    with pytest.raises(gc.InputError, match="cost= must be a number here"):
        r.incremental_gmv(cost="discount", cost_is="discount")
