"""The catalogue of bad inputs, row by row, for `gc.iv`."""

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
N = 300
SENT = np.arange(N) % 2
BASE = pd.DataFrame({"sent": SENT, "seen": SENT * (_RNG.random(N) < 0.7), "age": _RNG.normal(size=N), "room": np.arange(N) // 2 % 30,
                     "city": np.array(["北京", "Hefei", "O'Fallon"])[_RNG.integers(0, 3, N)]})  # fmt: skip
BASE["gmv"] = 10 + 4.0 * BASE["seen"] + _RNG.gamma(2, 3, N)
CALL = {"treatment": "seen", "instrument": "sent"}


def of(**columns: Any) -> pd.DataFrame:
    return BASE.assign(**columns)


def put(column: str, rows: list[int], value: Any) -> pd.DataFrame:
    frame = BASE.copy()
    frame[column] = frame[column].astype(object if value is None else float)
    frame.iloc[rows, frame.columns.get_loc(column)] = value
    return frame


# id: (frame, options, error, words of the message in order, column, count, first rows)
ERRORS: dict[str, tuple[Callable[[], Any], dict[str, Any], type, str, str | None, int | None, tuple[int, ...]]] = {
    "26 treatment constant": (lambda: of(seen=0), {}, gc.DesignError, "treatment is 0 in every row", "seen", None, ()),
    "26 instrument constant": (lambda: of(sent=1), {}, gc.DesignError, "instrument is 1 in every row", "sent", None, ()),
    "28 text arms": (lambda: of(sent=np.where(SENT, "push", "none")), {}, gc.InputError, "not named.*'none', 'push'.*control=", "sent", None, ()),
    "28 text treatment": (lambda: of(seen=np.where(BASE["seen"], "yes", "no")), {}, gc.InputError, "treatment holds text.*0/1", "seen", None, ()),
    "30 arms 1 and 2": (lambda: of(sent=SENT + 1), {}, gc.InputError, "not named.*labels 1, 2 .*control=", "sent", None, ()),
    "30 treatment 1 and 2": (lambda: of(seen=BASE["seen"] + 1), {}, gc.InputError, "two values 1 and 2.*0 and 1", "seen", None, ()),
    "31 arms -1 and 1": (lambda: of(sent=2 * SENT - 1), {}, gc.InputError, "not named.*labels -1, 1 .*control=", "sent", None, ()),
    "31 treatment -1 and 1": (lambda: of(seen=2 * BASE["seen"] - 1), {}, gc.InputError, "two values -1 and 1", "seen", None, ()),
    "33 missing instrument": (lambda: put("sent", [3, 8], np.nan), {}, gc.InputError, "instrument is missing.*never guessed", "sent", 2, (3, 8)),
    "33 missing treatment": (lambda: put("seen", [3, 8], np.nan), {}, gc.InputError, "treatment is missing.*never guessed", "seen", 2, (3, 8)),
    "control that does not occur": (lambda: BASE, {"control": "nothing"}, gc.InputError, "control is 'nothing'.*no label", "sent", None, ()),
    "35 arm of one": (lambda: of(sent=(np.arange(N) == 3) * 1), {}, gc.InputError, "'1' has 1 row", None, None, ()),
    "34 an id as arms": (lambda: of(sent=[f"u{i}" for i in range(N)]), {"control": "u1"}, gc.InputError, "300 labels", "sent", None, ()),
    "38 users twice": (lambda: of(user=np.arange(N) // 2), {}, gc.InputError, "150 units occur more than once.*cluster='user'", "user", 150, (1, 3, 5, 7, 9)),
    "45 missing outcome": (lambda: put("gmv", [3, 8], np.nan), {}, gc.InputError, "outcome is missing.*missing='zero'", "gmv", 2, (3, 8)),
    "47 infinite outcome": (lambda: put("gmv", [3, 8], np.inf), {}, gc.InputError, "infinite", "gmv", 2, (3, 8)),
    "47 infinite treatment": (lambda: put("seen", [3], np.inf), {}, gc.InputError, "infinite", "seen", 1, (3,)),
    "47 infinite instrument": (lambda: put("sent", [3], -np.inf), {}, gc.InputError, "infinite", "sent", 1, (3,)),
    "53 money as text": (lambda: of(gmv="¥1,234.50"), {}, gc.InputError, "text", "gmv", N, (0, 1, 2, 3, 4)),
    "60 instrument among covariates": (lambda: BASE, {"covariates": ["sent"]}, gc.InputError, "'sent', which is the instrument", "sent", None, ()),
    "60 instrument repeated by a covariate": (lambda: of(copy=SENT * 3.0 - 1), {"covariates": ["copy"]}, gc.DesignError, "instrument is a combination of the covariates", "sent", None, ()),
    "60 treatment repeated by a covariate": (lambda: of(copy=BASE["seen"] * 3.0), {"covariates": ["copy"]}, gc.DesignError, "treatment is a combination of the covariates", "seen", None, ()),
    "62 infinite covariate": (lambda: put("age", [3, 8], np.inf), {"covariates": ["age"]}, gc.InputError, "infinite", "age", 2, (3, 8)),
    "62 missing covariate": (lambda: put("age", [3, 8], np.nan), {"covariates": ["age"]}, gc.InputError, "covariates is missing.*never guessed", "age", 2, (3, 8)),
    "63 text of many levels": (lambda: of(city=[f"{v:.6f}" for v in BASE["age"]]), {"covariates": ["city"]}, gc.InputError, "numbers as text.*convert them", "city", None, ()),
    "64 dates as covariate": (lambda: of(age=pd.Timestamp("2025-11-01")), {"covariates": ["age"]}, gc.InputError, "cannot be read as numbers", "age", None, ()),
    "65 the outcome itself": (lambda: BASE, {"covariates": ["gmv"]}, gc.InputError, "'gmv', which is the outcome", "gmv", None, ()),
    "67 columns twice": (lambda: pd.concat([BASE, BASE[["gmv"]]], axis=1), {}, gc.InputError, "more than one column called 'gmv'", None, None, ()),
    "69 no rows": (lambda: BASE.iloc[:0], {}, gc.InputError, "no rows", None, None, ()),
    "69 one row": (lambda: BASE.iloc[:1], {}, gc.DesignError, "treatment is 0 in every row", "seen", None, ()),
    "69 fewer rows than columns": (lambda: BASE.iloc[:5].assign(seen=[0, 1, 0, 1, 0], u=[1.0, 4, 2, 8, 5], w=[0.0, 1, 5, 2, 2]), {"covariates": ["age", "u", "w"]}, gc.DesignError, "5 rows are too few for 3 covariates", None, None, ()),
    "nobody is moved": (lambda: of(seen=np.arange(N) // 2 % 2), {}, gc.DesignError, "moves nobody", "sent", None, ()),
    "instrument is the treatment": (lambda: BASE, {"instrument": "seen"}, gc.InputError, "'seen', which is the treatment too.*ab_test", "seen", None, ()),
    "instrument is the outcome": (lambda: BASE, {"instrument": "gmv"}, gc.InputError, "'gmv', which is the outcome too", "gmv", None, ()),
    "outcome is the treatment": (lambda: BASE, {"outcome": "seen"}, gc.InputError, "both 'seen'", None, None, ()),
    "no instrument": (lambda: BASE, {"instrument": []}, gc.InputError, "names no column", None, None, ()),
    "instrument None": (lambda: BASE, {"instrument": None}, gc.InputError, "instrument must be a column name", None, None, ()),
    "text among several": (lambda: BASE, {"instrument": ["sent", "city"]}, gc.InputError, "holds text.*0/1 columns", "city", None, ()),
    "control with several": (lambda: BASE, {"instrument": ["sent", "age"], "control": 0}, gc.InputError, "several instruments", None, None, ()),
    "a column that is not there": (lambda: BASE, {"instrument": "sentt"}, gc.InputError, "[Dd]id you mean 'sent'", None, None, ()),
    "one cluster": (lambda: of(room=1), {"cluster": "room"}, gc.InputError, "only one cluster", "room", None, ()),
    "cluster is the outcome": (lambda: BASE, {"cluster": "gmv"}, gc.InputError, "cluster= names 'gmv'", "gmv", None, ()),
    "unadjusted with clusters": (lambda: BASE, {"cluster": "room", "errors": "unadjusted"}, gc.InputError, "rows as independent", None, None, ()),
    "estimator": (lambda: BASE, {"estimator": "gmm"}, gc.InputError, "estimator must be one of '2sls', 'liml'", None, None, ()),
    "errors": (lambda: BASE, {"errors": "HC3"}, gc.InputError, "errors must be one of", None, None, ()),
    "ssc": (lambda: BASE, {"ssc": None}, gc.InputError, "ssc must be one of", None, None, ()),
    "alpha": (lambda: BASE, {"alpha": 95}, gc.InputError, "alpha must be a number", None, None, ()),
    "shares of no arm": (lambda: BASE, {"expected_ratio": {0: 0.5, 2: 0.5}}, gc.InputError, "names 2, which is no arm", None, None, ()),
    "shares without arms": (lambda: BASE, {"instrument": "age", "expected_ratio": {0: 0.5, 1: 0.5}}, gc.InputError, "the instrument has none", "age", None, ()),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_it_is_refused_with_its_reason(case: str) -> None:
    frame, options, error, words, column, count, rows = ERRORS[case]
    with pytest.raises(error, match=words) as caught:
        gc.iv(frame(), **{**CALL, **options})
    found = caught.value
    assert (found.column, found.count) == (column, count)
    assert tuple(found.rows) == rows and str(found).rstrip().endswith((".", "?"))


REPAIRED: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "13 unsorted": (lambda: BASE.sample(frac=1, random_state=1), {}),
    "29 booleans": (lambda: of(sent=SENT == 1, seen=BASE["seen"] == 1), {}),
    "32 unused levels": (lambda: of(sent=pd.Categorical(np.where(SENT, "push", "none"), ["none", "push", "call"])), {"control": "none"}),
    "45 missing is zero": (lambda: of(gmv=BASE["gmv"].where(BASE["gmv"] != 0)), {"missing": "zero"}),
    "54 decimals": (lambda: of(gmv=[Decimal(repr(v)) for v in BASE["gmv"]]), {}),
    "55 nullable": (lambda: BASE.convert_dtypes(), {}),
    "67 another index": (lambda: BASE.set_index(np.zeros(N, dtype=int)), {}),
    "70 polars": (lambda: pytest.importorskip("polars").from_pandas(BASE), {}),
    "70 pyarrow": (lambda: pytest.importorskip("pyarrow").Table.from_pandas(BASE), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", REPAIRED)
def test_it_is_read_as_what_it_means(case: str) -> None:
    frame, options = REPAIRED[case]
    columns = ["estimate", "std_error", "p_value", "conf_low", "conf_high"]
    plain, found = (gc.iv(*a, **CALL, **k).to_frame()[columns] for a, k in (((BASE,), {}), ((frame(),), options)))
    np.testing.assert_allclose(found, plain, rtol=1e-10)


def test_missing_zero_is_said() -> None:
    r = gc.iv(put("gmv", [3, 8], np.nan), **CALL, missing="zero")
    assert "missing in 2 rows" in r.summary()
