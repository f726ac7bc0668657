"""What breaks while Spark reads: the file is named, or the sums are those of all rows; never of some."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gmvcausal import InputError, Logs
from gmvcausal.frames.engines.duck import DuckEngine
from gmvcausal.frames.engines.engine import reading
from gmvcausal.frames.engines.spark import SparkEngine
from gmvcausal.frames.engines.spark_failures import spark_errors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def orders(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "order": np.arange(n) + n * seed,
            "user": rng.integers(0, 20, n),
            "time": pd.Timestamp("2025-03-01") + pd.to_timedelta(rng.integers(0, 28 * 86_400, n), unit="s"),
            "gmv": np.round(rng.gamma(2.0, 10.0, n), 2),
        }
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A folder of keys, odd names, and columns of several widths."""
    folder = tmp_path / "log"
    for k, types in enumerate(({}, {"user": "int32"}, {"gmv": "int64"})):
        part = orders(400, k)
        part["gmv"] = part["gmv"].round() if k == 2 else part["gmv"]
        (folder / f"city={k}").mkdir(parents=True)
        part.astype(types).to_parquet(folder / f"city={k}" / f"part [{k}].parquet", row_group_size=100, index=False)
    (folder / "_temporary").mkdir()
    (folder / "_temporary" / "part-9.parquet").write_bytes(b"half")
    return folder


@pytest.fixture
def space(spark: SparkSession) -> Iterator[SparkEngine]:
    engine = SparkEngine(spark)
    yield engine
    engine.close()


def break_page(path: Path) -> None:
    group = pq.read_metadata(path).row_group(2)
    chunk = group.column([group.column(k).path_in_schema for k in range(group.num_columns)].index("gmv"))
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 8] = b"\xff" * 8
    path.write_bytes(content)


def test_files_that_differ_without_harm_sum_as_on_duckdb(log: Path, space: SparkEngine) -> None:
    found = []
    for engine in (DuckEngine(), space):
        source = engine.source(log, "orders", ["user", "gmv", "city"])
        grouped = f"SELECT city, user, count(*), sum(CAST(gmv AS DOUBLE)) FROM {source} GROUP BY 1, 2 ORDER BY 1, 2"
        found.append(engine.rows(grouped, "orders"))
        engine.files.whole("orders", sum(int(row[2]) for row in found[-1]))
        notes = engine.files.remarks()
        assert "column 'gmv' is 64-bit floats in 2 and whole numbers in 1 of 3 files" in notes[1]
        assert "1 file beside the data was left out" in notes[0]
        engine.close()
    assert np.asarray(found[1], dtype=float) == pytest.approx(np.asarray(found[0], dtype=float), rel=1e-12)
    total = sum(pd.read_parquet(path)["gmv"].sum() for path in log.glob("city*/*"))
    assert sum(row[3] for row in found[1]) == pytest.approx(total, rel=1e-12)


def test_keys_flags_and_columns_without_a_value_are_united(tmp_path: Path, space: SparkEngine) -> None:
    for k, (flag, note) in enumerate(((pa.array([True]), pa.array([None])), (pa.array([0]), pa.array(["x"])))):
        (tmp_path / f"day=2025-01-0{k + 1}").mkdir()
        table = pa.table({"flag": flag, "note": note, "unlike": pa.array([1]) if k else pa.array(["1"])})
        pq.write_table(table, tmp_path / f"day=2025-01-0{k + 1}" / "a.parquet")
    source = space.source(tmp_path, "data", ["flag", "note", "day"])
    assert set(space.schema(source)) == {"flag", "note", "day"}
    found = space.rows(f"SELECT CAST(day AS VARCHAR), CAST(flag AS BIGINT), note FROM {source} ORDER BY 1", "data")
    assert found == [("2025-01-01", 1, None), ("2025-01-02", 0, "x")]
    with pytest.raises(InputError, match=r"changes its type: .*a\.parquet' with .*'unlike'"):
        space.source(tmp_path, "data", ["unlike"])


def test_a_broken_page_is_named_whatever_the_session_leaves_out(log: Path, spark: SparkSession) -> None:
    break_page(log / "city=1" / "part [1].parquet")
    name = r"orders could not be read: the file '.*city=1/part \[1\]\.parquet' is not whole"
    with pytest.raises(InputError, match=name):
        Logs(orders=log, engine=spark)
    option = "spark.sql.files.ignoreCorruptFiles"
    spark.conf.set(option, True)
    try:
        # Left to itself, Spark sums 200 of this file's 400 rows now, and says nothing.
        part = spark.read.parquet(str(log / "city=1"))
        assert part.selectExpr("count(gmv)").collect()[0][0] == 200
        with pytest.raises(InputError, match=name):
            Logs(orders=log, engine=spark)
        with pytest.raises(InputError, match=r"the session of orders leaves out files .*ignoreCorruptFiles.*partial"):
            Logs(orders=part)
    finally:
        spark.conf.unset(option)


def test_files_that_move_between_passes_are_named(log: Path, space: SparkEngine) -> None:
    part = log / "city=2" / "part [2].parquet"

    def passes(change: Any) -> None:
        with reading(space):
            source = space.source(log, "orders", ["gmv"])
            change()
            space.row(f"SELECT sum(gmv), count(*) FROM {source}", "orders")

    late = log / "city=2" / "late.parquet"
    with pytest.raises(InputError, match=r"the file '.*late\.parquet' came to orders while it was read"):
        passes(lambda: orders(5, 9).to_parquet(late))
    late.unlink()
    with pytest.raises(InputError, match=r"the file '.*part \[2\]\.parquet' of orders changed while it was read"):
        passes(lambda: orders(5, 9).to_parquet(part))
    with pytest.raises(InputError, match=r"the file '.*part \[2\]\.parquet' of orders (vanished|changed)"):
        passes(part.unlink)


def test_a_killed_worker_gives_no_sums(spark: SparkSession) -> None:
    def dies(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            if batch.column(0).to_pylist()[0] > 0:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch

    frame = spark.createDataFrame(pa.table(orders(400, 1)[["user", "gmv"]]).append_column("at", pa.array(range(400))))
    frame = frame.select("at", "user", "gmv").repartition(2).mapInArrow(dies, "at long, user long, gmv double")
    frame = frame.persist()  # a function in Python is taken of frames that are kept
    space = SparkEngine(spark)
    source = space.source(frame, "orders")
    with pytest.raises(InputError, match=r"a worker of Spark died over orders .* nothing was summed"):
        space.row(f"SELECT sum(gmv) FROM {source}", "orders")
    space.close()


def test_rows_that_are_drawn_anew_in_each_pass_are_refused(spark: SparkSession) -> None:
    from pyspark.sql.functions import rand

    frame = spark.createDataFrame(pa.table(orders(50, 1))).withColumn("gmv", rand())
    space = SparkEngine(spark)
    with pytest.raises(InputError, match=r"orders holds rand\(\) .* draws anew.*localCheckpoint"):
        space.source(frame, "orders")
    kept = frame.localCheckpoint()
    source = space.source(kept, "orders")
    one, two = (space.row(f"SELECT sum(gmv) FROM {source}", "orders") for _ in range(2))
    assert one == two
    space.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("current_timestamp() AS at", r"current_timestamp\(\) .* asks for anew"),
        ("date_diff(current_date(), time) AS age", r".* asks for anew"),
        ("localtimestamp() AS at", r".* asks for anew"),
        ("gmv_of(gmv) AS more", "a function in Python, which Spark calls anew"),
    ],
)
def test_clocks_and_functions_in_python_are_refused_unless_kept(spark: SparkSession, text: str, words: str) -> None:
    spark.udf.register("gmv_of", lambda amount: amount, "double")
    frame = spark.createDataFrame(pa.table(orders(9, 1))).selectExpr("*", text)
    space = SparkEngine(spark)
    with pytest.raises(InputError, match=rf"orders holds {words}.*persist"):
        space.source(frame, "orders")
    kept = frame.persist()
    assert space.source(kept, "orders") and space.source(kept.where("gmv > 0"), "orders")
    kept.unpersist()
    space.close()


def test_files_below_a_frame_that_move_between_tables_are_named(log: Path, spark: SparkSession) -> None:
    part = log / "city=1" / "part [1].parquet"
    (log / "city=2" / "part [2].parquet").unlink()  # its amounts are whole numbers
    frame = spark.read.parquet(str(log / "city=1")).where("gmv > 1")
    logs = Logs(orders=frame)
    logs.panel(freq="W")
    orders(400, 1).astype({"user": "int32"}).assign(gmv=1e6).to_parquet(part, row_group_size=100, index=False)
    with pytest.raises(InputError, match=r"the file '.*city=1/part \[1\]\.parquet' of orders changed while it was"):
        logs.panel(freq="D")
    logs.close()
    space = SparkEngine(spark)
    listed = ["s3a://bucket/a.parquet"]
    space.files.below("orders", lambda: listed)
    space.files.unchanged()
    listed.append("s3a://bucket/b.parquet")
    with pytest.raises(InputError, match="other files lie below orders"):
        space.files.unchanged()
    space.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[FAILED_READ_FILE.FILE_NOT_EXIST] Encountered error while reading file file:///a/b%20c.parquet. File does "
         "not exist.", "the file '/a/b c.parquet' of orders vanished while it was read"),
        ("java.io.IOException: No space left on device", "a disk of Spark is full"),
        ("Lost task: java.lang.OutOfMemoryError: Java heap space", "orders needs more memory than Spark's executors"),
        ("ExecutorLostFailure (executor 1 exited caused by one of the running tasks)", "a worker of Spark died over"),
        ("An error occurred while calling o1.x.\n: org.apache.spark.SparkException: Stage cancelled",
         "orders could not be read by Spark: Stage cancelled"),
        ("An exception was thrown from the Python worker:\nTraceback (most recent call last):\n  File \"w.py\"\n"
         "ValueError: bad price\nTotal: 5\n", "one of its workers: ValueError: bad price. This is an exception in"),
        ("Traceback (most recent call last):\n  import a\nKeyError: 1\n\nDuring handling\n\nTraceback (most recent "
         "call last):\n  import b\nModuleNotFoundError: No module named 'pyarrow.lib'\n",
         "The workers' Python lacks pyarrow: set PYSPARK_PYTHON to a Python that has it, or ship an archive"),
        ("bigger than spark.driver.maxResultSize", "the sums are larger than what Spark may send"),
    ],
)  # fmt: skip
def test_what_a_failure_of_spark_means(text: str, words: str) -> None:
    assert words in str(spark_errors(RuntimeError(text), "orders"))
