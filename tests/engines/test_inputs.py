"""Every verb takes every kind of input, and says the same of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import gmvcausal as gc

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Ibis 12 calls what DuckDB and pandas have since renamed.
pytestmark = [
    pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'future.infer_string' option:DeprecationWarning"),
]

Tables = dict[str, pd.DataFrame]
RNG = np.random.default_rng(5)


def shop(n: int = 240) -> pd.DataFrame:
    """Users of a test, with a little of everything: text, flags, whole and broken numbers, days, missing values."""
    user = np.arange(n)
    arm = np.where(RNG.random(n) < 0.5, "coupon", "none")
    spent = RNG.gamma(3.0, 40.0, n).round(2)
    bought = RNG.random(n) < 0.7
    got = (arm == "coupon") & (RNG.random(n) < 0.8)
    return pd.DataFrame({
        "user": user, "arm": arm, "coupon": (arm == "coupon").astype(int), "got": got, "city": user % 12,
        "tier": np.where(user % 3 == 0, "gold ", "金"), "spent": spent, "orders": bought * RNG.integers(1, 4, n),
        "orders_pre": RNG.integers(1, 9, n),
        "gmv": ((spent * 0.5 + 9 * got) * bought).round(2),
        "day": pd.Timestamp("2026-03-01") + pd.to_timedelta(user % 28, unit="D"),
    })  # fmt: skip


def panel() -> pd.DataFrame:
    """Thirty units over six weeks; ten are treated from week 4 on, ten from week 5."""
    unit, week = (x.ravel() for x in np.meshgrid(np.arange(30), np.arange(1, 7), indexing="ij"))
    first = np.where(unit < 10, 4.0, np.where(unit < 20, 5.0, np.nan))
    gmv = 20 + unit % 7 + week + 3 * (week >= first) + RNG.normal(size=len(unit))
    return pd.DataFrame({"unit": unit, "period": week, "gmv": gmv, "first_treated": first, "city": unit // 3})


def orders() -> pd.DataFrame:
    n = 400
    return pd.DataFrame({
        "order": np.arange(n), "user": RNG.integers(0, 40, n), "gmv": RNG.gamma(2.0, 30.0, n).round(2),
        "time": pd.Timestamp("2026-03-02") + pd.to_timedelta(RNG.integers(0, 42 * 1440, n), unit="min"),
    })  # fmt: skip


def sent() -> pd.DataFrame:
    start = pd.Timestamp("2026-03-23") + pd.to_timedelta(np.arange(20) % 2 * 7, unit="D")
    return pd.DataFrame({"user": np.arange(20), "tactic": np.where(np.arange(20) % 2, "mail", "push"), "start": start})


def series() -> pd.DataFrame:
    day = pd.date_range("2026-01-01", periods=60)
    other = 100 + RNG.normal(size=60).cumsum()
    return pd.DataFrame({"day": day, "other": other, "gmv": 2 * other + RNG.normal(size=60) + 9 * (np.arange(60) > 40)})


USERS, PANEL = {"data": shop()}, {"data": panel()}
SERIES = {"data": series()}
LOGS = {"orders": orders(), "exposures": sent()}
FRIENDS = USERS | {"edges": pd.DataFrame({"user": np.arange(240), "friend": np.roll(np.arange(240), 1)})}
LOOKS = {"data": pd.DataFrame({"look": [1, 2], "estimate": [0.9, 0.7], "std_error": [0.4, 0.23]})}
DAILY = {"data": shop(60).drop(columns="day").merge(pd.DataFrame({"day": range(5)}), how="cross")}
DAILY["data"]["gmv"] = RNG.gamma(2.0, 5.0, len(DAILY["data"])).round(2)
PAST = {"data": shop(), "history": shop().rename(columns={"got": "had"})}


def money(data: Any) -> Any:
    result = gc.ab_test(data, metrics=["gmv", gc.Mean("orders")], control="none", unit="user")
    return result, result.incremental_gmv(cost=1.0, cost_is="other", gmv_is="paid")


def scored(data: Any) -> Any:
    model = gc.uplift(
        data, treatment="coupon", features=["spent", "tier"], learner="s", folds=2, unit="user", propensity=0.5
    )
    return model, model.predict(data)


VERBS: dict[str, tuple[Tables, Callable[..., Any]]] = {
    "ab_test": (USERS, lambda data: gc.ab_test(data, metrics=["gmv", gc.Quantile("gmv", 0.9)], control="none")),
    "ab_test of clusters": (
        USERS,
        lambda data: gc.ab_test(
            data, metrics=[gc.Mean("gmv", pre="spent")], control="none", cluster="user", strata="tier"
        ),
    ),
    "ab_test by days": (
        DAILY,
        lambda data: gc.ab_test(data, metrics="gmv", control="none", time="day", unit="user"),
    ),
    "money": (USERS, money),
    "did": (PANEL, lambda data: gc.did(data)),
    "did, imputation": (PANEL, lambda data: gc.did(data, estimator="imputation", cluster="city")),
    "Logs.panel": (LOGS, lambda **t: gc.Logs(**t).panel()),
    "Logs.users": (LOGS, lambda **t: gc.Logs(**t).users(pre="14D", post="7D", anchor="2026-03-30")),
    "Logs.stack": (LOGS, lambda **t: gc.Logs(**t).stack(window=(-2, 1))),
    "uplift": (USERS, scored),
    "adjust": (
        USERS,
        lambda data: gc.adjust(data, treatment="got", covariates=["spent", "tier"], estimator="regression"),
    ),
    "match": (USERS, lambda data: gc.match(data, "got", ["spent"]).frame),
    "before_after": (
        {"data": series()},
        lambda data: gc.before_after(data, "gmv", "day", "2026-02-11", controls=["other"]),
    ),
    "iv": (USERS, lambda data: gc.iv(data, treatment="got", instrument="coupon")),
    "threshold": (USERS, lambda data: gc.threshold(data, "gmv", "spent", 110.5)),
    "bunching": (USERS, lambda data: gc.bunching(data, "spent", 100, reps=99)),
    "decompose": (USERS, lambda data: gc.decompose(data, ["orders", "gmv"], control="none", assignment="random")),
    "efficiency": (USERS, lambda data: gc.efficiency(data, "user", ["orders_pre"], ["spent"], reps=0)),
    "mediate": (
        USERS,
        lambda data: gc.mediate(
            data, treatment="arm", control="none", mediators=["orders"], reps=99, assignment="random"
        ),
    ),
    "spillover": (
        FRIENDS,
        lambda data, edges: gc.spillover(
            data, treatment="coupon", edges=edges, ends=("user", "friend"), probability=0.5, reps=99, draws=99
        ),
    ),
    "surrogate": (
        PAST,
        lambda data, history: gc.surrogate(data, history, "gmv", surrogates=["spent"], control="none"),
    ),
    "sequential": (LOOKS, lambda data: gc.sequential(data)),
    "combine": (LOOKS, lambda data: gc.combine(data)),
    "assign": (USERS, lambda data: gc.assign(data, unit="user", arms=["a", "b"], method="stratified", strata="tier")),
}


class Forms:
    """The kinds of input, each made from a pandas frame."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def new(self) -> Path:
        """A new folder."""
        self.count += 1
        made = self.folder / str(self.count)
        made.mkdir()
        return made

    def parts(self, frame: pd.DataFrame) -> list[Path]:
        """Two files."""
        folder, half = self.new(), len(frame) // 2
        paths = [folder / "a.parquet", folder / "b.parquet"]
        for path, part in zip(paths, (frame[:half], frame[half:]), strict=True):
            part.to_parquet(path)
        return paths

    def polars(self, frame: pd.DataFrame) -> Any:
        return pl.from_pandas(frame)

    def arrow(self, frame: pd.DataFrame) -> Any:
        return pa.Table.from_pandas(frame, preserve_index=False)

    def path(self, frame: pd.DataFrame) -> Path:
        made = self.new() / "rows.parquet"
        frame.to_parquet(made)
        return made

    def text(self, frame: pd.DataFrame) -> str:
        return str(self.path(frame))

    def pattern(self, frame: pd.DataFrame) -> str:
        return str(self.parts(frame)[0].parent / "*.parquet")

    def listed(self, frame: pd.DataFrame) -> list[str]:
        return [str(path) for path in self.parts(frame)]

    def hive(self, frame: pd.DataFrame) -> Path:
        paths, folder = self.parts(frame), self.new()
        for path in paths:
            rows = pd.read_parquet(path)
            key = folder / f"lot={rows['lot'].iloc[0]}"
            key.mkdir()
            rows.drop(columns="lot").to_parquet(key / "part.parquet")
        return folder

    def duckdb(self, frame: pd.DataFrame) -> Any:
        return duckdb.connect().from_arrow(self.arrow(frame))

    def ibis_duckdb(self, frame: pd.DataFrame) -> Any:
        import ibis

        connection = ibis.duckdb.connect()
        rows = connection.read_parquet(self.path(frame.assign(kept=True)))
        return rows.filter(rows.kept).drop("kept")

    def ibis_sqlite(self, frame: pd.DataFrame) -> Any:
        import ibis

        path = self.new() / "rows.db"
        kinds = {"b": "BOOLEAN", "i": "BIGINT", "u": "BIGINT", "f": "DOUBLE", "M": "TIMESTAMP"}
        with sqlite3.connect(path) as connection:
            types = {c: kinds.get(frame[c].dtype.kind, "TEXT") for c in frame}
            frame.to_sql("rows", connection, index=False, dtype=types)
        connection.close()
        return ibis.sqlite.connect(path).table("rows")

    def ibis_polars(self, frame: pd.DataFrame) -> Any:
        import ibis

        return ibis.polars.connect({"rows": pl.from_pandas(frame).lazy()}).table("rows")

    def ibis_memory(self, frame: pd.DataFrame) -> Any:
        import ibis

        return ibis.memtable(frame)


KINDS = [name for name in vars(Forms) if not name.startswith("_") and name not in ("new", "parts")]
# Readers of their own meet every kind, in one verb each; the rest take their rows from one place (`open_table`).
EVERY = ("ab_test", "did", "Logs.panel", "iv")
OWN_WAY = [v for v in VERBS if v.startswith(("ab_test", "did", "Logs", "combine")) and v not in EVERY]
PAIRS = [(v, k) for v in VERBS for k in KINDS if v in EVERY or k in ("hive", "ibis_duckdb")]
PAIRS += [(v, k) for v in OWN_WAY for k in ("listed", "duckdb", "ibis_sqlite")]
ON_SPARK = (*EVERY, "uplift", "match", "before_after", "spillover", "surrogate", "combine", "assign")


@pytest.fixture
def forms(tmp_path: Path) -> Forms:
    return Forms(tmp_path)


def told(result: Any) -> Iterator[Any]:
    """All that a result says: its rows and numbers, and its audit."""
    if isinstance(result, tuple):
        for part in result:
            yield from told(part)
        return
    if isinstance(result, pd.DataFrame | np.ndarray):
        yield pd.DataFrame(result).reset_index(drop=True)
        return
    if hasattr(result, "to_frame"):
        yield result.to_frame().reset_index(drop=True)
    else:
        yield repr(result)
    if hasattr(result, "audit"):
        yield sorted((check.name, check.status) for check in result.audit.checks)


def run(verb: str, form: Callable[[pd.DataFrame], Any]) -> list[Any]:
    tables, call = VERBS[verb]
    # The key of the folders of the hive is a column of all kinds.
    keyed = {name: t.assign(lot=np.where(np.arange(len(t)) < len(t) // 2, "x", "y")) for name, t in tables.items()}
    return list(told(call(**{name: form(table) for name, table in keyed.items()})))


@pytest.fixture(scope="module")
def in_memory() -> Callable[[str], list[Any]]:
    found: dict[str, list[Any]] = {}

    def of(verb: str) -> list[Any]:
        if verb not in found:
            found[verb] = run(verb, lambda frame: frame)
        return found[verb]

    return of


def same(got: list[Any], wanted: list[Any]) -> None:
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        if isinstance(other, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other, rtol=1e-10, atol=1e-10, check_dtype=False)
        else:
            assert one == other


@pytest.mark.parametrize(("verb", "kind"), PAIRS)
def test_a_verb_says_the_same_of_every_kind_of_input(
    verb: str, kind: str, forms: Forms, in_memory: Callable[[str], list[Any]]
) -> None:
    same(run(verb, getattr(forms, kind)), in_memory(verb))


def on_spark(session: SparkSession, frame: pd.DataFrame) -> Any:
    """A Spark frame of the same types; left to itself, Spark reads times without a zone as moments."""
    kinds = {"b": "boolean", "i": "bigint", "f": "double", "M": "timestamp_ntz"}
    schema = ", ".join(f"`{c}` {kinds.get(frame[c].dtype.kind, 'string')}" for c in frame)
    return session.createDataFrame(pa.Table.from_pandas(frame, preserve_index=False), schema=schema)


@pytest.mark.parametrize("verb", ON_SPARK)
def test_a_verb_says_the_same_of_a_spark_frame(
    verb: str, spark: SparkSession, in_memory: Callable[[str], list[Any]]
) -> None:
    same(run(verb, lambda frame: on_spark(spark, frame)), in_memory(verb))


@pytest.mark.parametrize("verb", ["ab_test", "did", "Logs.panel", "iv"])
def test_a_verb_says_the_same_of_an_ibis_table_on_spark(
    verb: str, spark: SparkSession, in_memory: Callable[[str], list[Any]]
) -> None:
    import ibis

    options = {key: spark.conf.get(key) for key in ("spark.sql.session.timeZone", "spark.sql.mapKeyDedupPolicy")}
    connection, views = ibis.pyspark.connect(spark), []

    def form(frame: pd.DataFrame) -> Any:
        views.append(f"rows_{len(views)}")
        on_spark(spark, frame).createOrReplaceTempView(views[-1])
        rows = connection.table(views[-1])
        return rows.filter(rows.lot != "z").mutate(more=rows.lot)

    try:
        same(run(verb, form), in_memory(verb))
    finally:
        for key, value in options.items():  # Ibis sets them
            spark.conf.set(key, value)
        for view in views:
            spark.catalog.dropTempView(view)
