"""Whatever a column is made of, whatever it is called: the same numbers; and nothing outside is touched."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import gmvcausal as gc

N = 400
RNG = np.random.default_rng(0)
COUPON = RNG.permutation(np.arange(N) % 2) == 1
BASE = pd.DataFrame(
    {
        "on": np.where(COUPON, "券", "none").astype(object), "age": RNG.normal(size=N).round(4),
        "visits": RNG.integers(0, 9, N), "vip": RNG.integers(0, 2, N) == 1,
        "city": np.array(["北京", "Hefei", "O'Fallon"], dtype=object)[RNG.integers(0, 3, N)],
    }
)  # fmt: skip
BASE["gmv"] = (10 + BASE["age"] + 2 * COUPON * BASE["visits"] + RNG.normal(size=N)).round(4)
GAPS = BASE.copy()
GAPS.loc[:30, "age"] = np.nan
GAPS.loc[20:60, "city"] = None
CALL: dict[str, Any] = {
    "treatment": "on", "control": "none", "features": ["age", "visits", "vip", "city"], "propensity": 0.5, "folds": 2,
    "learner": "t", "seed": 3,
}  # fmt: skip


def decimals(values: pd.Series[Any]) -> list[Any]:
    return [None if pd.isna(v) else Decimal(str(v)) for v in values]


def retyped(frame: pd.DataFrame, **kinds: str) -> pd.DataFrame:
    return frame.assign(**{name: frame[name].astype(kind) for name, kind in kinds.items()})


FORMS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "str": lambda f: retyped(f, on="str", city="str"),
    "arrow text": lambda f: retyped(f, on="string[pyarrow]", city="string[pyarrow]"),
    "category in another order": lambda f: f.assign(
        on=f["on"].astype("category"), city=pd.Categorical(f["city"], categories=["zzz", "O'Fallon", "北京", "Hefei"])
    ),
    "nullable": lambda f: retyped(f, age="Float64", visits="Int64", vip="boolean", gmv="Float64"),
    "arrow dtypes": lambda f: f.convert_dtypes(dtype_backend="pyarrow"),
    "small integers": lambda f: retyped(f, visits="int8", vip="int64"),
    "decimals": lambda f: f.assign(gmv=decimals(f["gmv"]), age=decimals(f["age"])),
    "polars": pl.from_pandas,
    "polars lazy": lambda f: pl.from_pandas(f).lazy(),
    "polars NaN": lambda f: pl.from_pandas(f, nan_to_null=False),
    "polars Categorical, Enum": lambda f: pl.from_pandas(f).with_columns(
        pl.col("city").cast(pl.Categorical), pl.col("on").cast(pl.Enum(["unused", "券", "none"]))
    ),
    "polars Decimal": lambda f: pl.from_pandas(f).with_columns(pl.col("gmv").cast(pl.Decimal(18, 4))),
    "pyarrow": pa.Table.from_pandas,
    "pyarrow dictionary": lambda f: pa.Table.from_pandas(retyped(f, city="category")),
    "another index": lambda f: f.set_axis(np.arange(N)[::-1]),
}


def numbers(data: Any, base: Any, **options: Any) -> np.ndarray:
    """Average, standard error, effects of the rows learned from, and predictions for the table itself."""
    m = gc.uplift(data, **{**CALL, **options})
    return np.concatenate([[m.estimate, m.std_error], m.effects[:, 0], m.predict(data)[:, 0], m.predict(base)[:, 0]])


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    return {"whole": numbers(BASE, BASE), "gaps": numbers(GAPS, GAPS)}


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("kind", ["whole", "gaps"])
def test_the_same_numbers_from_every_kind_of_column(kind: str, form: str, expected: dict[str, np.ndarray]) -> None:
    base = BASE if kind == "whole" else GAPS
    np.testing.assert_allclose(numbers(FORMS[form](base), base), expected[kind], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["whole", "gaps"])
def test_files_give_the_same_numbers(kind: str, tmp_path: Path, expected: dict[str, np.ndarray]) -> None:
    base, path = BASE if kind == "whole" else GAPS, tmp_path / "users.parquet"
    base.to_parquet(path)
    for data in (path, str(path), duckdb.sql(f"FROM '{path}'")):
        np.testing.assert_allclose(numbers(data, base), expected[kind], rtol=1e-12, atol=1e-12)


# Names that LightGBM, SQL, JSON, HTML, or our own tables would stumble over.
NAMES = (
    ['effect", "gmv', 'f[0]{"a":1},:', "年龄 😀\n<b>", "Column_0"],
    ["arm", "outcome", "x0", "SELECT"],
    ["y", "term", "row", "label"],
)


@pytest.mark.parametrize("names", NAMES, ids=["signs", "ours", "ours too"])
def test_names_do_not_matter(names: list[str], tmp_path: Path, expected: dict[str, np.ndarray]) -> None:
    frame = BASE.rename(columns=dict(zip(["age", "visits", "vip", "city"], names, strict=True)))
    for data in (frame, pl.from_pandas(frame)):
        np.testing.assert_array_equal(numbers(data, data, features=names), expected["whole"])
    m = gc.uplift(frame, **{**CALL, "features": names})
    m.save(tmp_path / "m.uplift")
    np.testing.assert_array_equal(gc.load_uplift(tmp_path / "m.uplift").predict(frame), m.predict(frame))
    plan = m.policy(frame, depth=2)
    assert len(plan.assign) == N and "<b>" not in gc.report([m, plan], tmp_path / "r.html").read_text("utf-8")


def test_levels_never_seen_are_gaps() -> None:
    m = gc.uplift(GAPS, **CALL)
    half = np.arange(N) % 2 == 0
    unseen = BASE.assign(city=BASE["city"].astype(object).where(half, "东京"))
    gap = BASE.assign(city=BASE["city"].astype(object).where(half, None))
    with pytest.warns(gc.GmvCausalWarning, match="'东京'"):
        told = m.predict(unseen)
    np.testing.assert_array_equal(told, m.predict(gap))


EVERYTHING = """
import numpy as np, pandas as pd, gmvcausal as gc
rng = np.random.default_rng(1)
n = 900
users = pd.DataFrame({"on": rng.permutation(np.arange(n) % 2), "tier": rng.integers(0, 4, n), "age": rng.random(n)})
users["city"] = np.array(["a", "b"])[rng.integers(0, 2, n)]
users["gmv"] = (rng.random(n) < 0.5) * rng.gamma(2, 10, n) * (1 + users["on"] * (users["tier"] > 1))
train, plan, test = users[:500], users[500:600], users[600:]
call = dict(treatment="on", features=["tier", "age", "city"], folds=2, cost=1.0)
for learner in ("s", "r", "dr", "causal_forest", "auto"):  # auto: hurdle and x; t is below
    m = gc.uplift(train, learner=learner, propensity=None if learner == "dr" else 0.5, **call)
    m.predict(test), m.summary()
m.evaluate(test, intervals="poisson", draws=99).summary()
e, p = m.evaluate(test), m.policy(plan, budget=50)
v = p.evaluate(test)
m.policy(plan, depth=2).summary()
for kind in ("qini", "toc", "deciles", "calibration", "cost"):
    e.plot(kind).savefig("figure.png")
m.plot().savefig("figure.png")
gc.report([m, e, p, v], "report.html")
m.to_docx("m.docx"), v.to_docx("v.docx"), m._repr_html_()
m.save("m.uplift")
gc.load_uplift("m.uplift").predict(test)
gc.UpliftEstimator("on", learner="t", folds=2).fit(train[["on", "tier"]], train["gmv"]).predict(test)
"""


def test_no_foreign_warning_reaches_the_user(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EVERYTHING],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and done.stdout == ""  # LightGBM writes past Python's streams


@pytest.mark.parametrize("learner", ["auto", "causal_forest"])
def test_nothing_outside_is_touched(learner: str) -> None:
    frame = BASE.assign(gmv=BASE["gmv"].clip(lower=0))
    frame["gmv"].to_numpy().flags.writeable = False
    before = frame.copy()

    def all_of_it() -> None:
        m = gc.uplift(frame, **{**CALL, "learner": learner, "features": ["age", "visits", "vip"]})
        test = frame.assign(age=frame["age"] + 0.01)
        m.evaluate(test, intervals="poisson", draws=99)
        m.policy(test.assign(age=0.3), max_share=0.5).evaluate(test)
        m.plot()

    all_of_it()  # libraries that are met for the first time may add filters of their own as they load
    np.random.seed(5)  # noqa: NPY002  # the old global generator is what must not move
    random.seed(5)
    state, other = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002  # as above
    filters, errors = list(warnings.filters), np.geterr()
    all_of_it()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002  # as above
    assert random.getstate() == other and np.geterr() == errors and list(warnings.filters) == filters
    pd.testing.assert_frame_equal(frame, before)
