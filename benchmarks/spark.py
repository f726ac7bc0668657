"""The same script on DuckDB and on Spark, and what it takes on Spark beside the same sums written by hand in Spark SQL.

Run ``python benchmarks/spark.py [--lines 8000000] [--users 100000] [--rows 5000000] [--runs 3] [--memory 2g]`` with
pyspark and Java. Files are made in a temporary directory (``TMPDIR``). The session is ``local[2]``; every contender
runs once before it is timed, so that Java has compiled what it runs, and then in turns. Seconds of the processor are
those of this process and all below it, the Java machine among them, from /proc (Linux).

By hand is what an expert writes who trusts the files: one scan, one GROUP BY, fetched as Arrow. The panel by hand comes
twice: the sums alone, which somebody still has to fill with zeros, and filled with zeros by joins in Spark SQL.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DAYS, WEEKS = 182, 26
ANCHOR = "2025-03-03"


def make(folder: str, lines: int, users: int, rows: int) -> dict[str, str]:
    """Order lines of 26 weeks in cents, a roll-out that reaches six users in ten, and a table of an A/B test."""
    import duckdb

    paths = {name: os.path.join(folder, name + ".parquet") for name in ("orders", "exposures", "test")}
    with duckdb.connect(config={"memory_limit": "1GB", "temp_directory": folder}) as connection:
        connection.execute("SET enable_progress_bar = false")
        for name, query in {
            "orders": f"""SELECT CAST(hash(i) % {users} AS BIGINT) AS "user", i AS "order",
                TIMESTAMP '2025-01-01' + to_seconds(CAST(hash(i + 7) % ({DAYS} * 86400) AS BIGINT)) AS "time",
                round((hash(i + 3) % 10000) / 100.0, 2) AS gmv FROM range({lines}) t(i)""",
            "exposures": f"""SELECT i AS "user", 'coupon' AS tactic,
                TIMESTAMP '2025-03-05' + to_days(CAST(7 * (hash(i + 5) % 4) AS INTEGER)) AS start
                FROM range({users}) t(i) WHERE hash(i + 1) % 10 < 6""",
            "test": f"""SELECT i AS line, CASE WHEN hash(i + 2) % 2 = 0 THEN 'control' ELSE 'coupon' END AS arm,
                CASE WHEN b < 20 THEN round(b + x / 100.0 + (hash(i + 2) % 2) / 10.0, 2) ELSE 0 END AS gmv,
                CASE WHEN b < 20 THEN 1 + b % 3 ELSE 0 END AS orders,
                CASE WHEN b < 30 THEN round(b + (hash(i + 9) % 5000) / 100.0, 2) ELSE 0 END AS gmv_pre
                FROM (SELECT i, hash(i) % 100 AS b, hash(i + 4) % 10000 AS x FROM range({rows}) t(i))""",
        }.items():
            connection.execute(f"COPY ({query}) TO '{paths[name]}' (FORMAT parquet, ROW_GROUP_SIZE 500000)")
    return paths


# --- the script: the same lines for every engine ---------------------------------------------------------------------
def panel(given: dict[str, Any]) -> dict[str, float]:
    """Logs, their panel by weeks, and the roll-out."""
    import gmvcausal as gc

    logs = gc.Logs(orders=given["orders"], exposures=given["exposures"])
    frame = logs.panel(freq="W")
    logs.close()
    result = gc.did(frame)
    return {
        "rows": len(frame), "gmv": float(frame["gmv"].sum()), "squares": float((frame["gmv"] ** 2).sum()),
        "att": result.estimate, "se": result.se,
    }  # fmt: skip


def only_panel(given: dict[str, Any]) -> dict[str, float]:
    """Logs and the panel, without the roll-out."""
    import gmvcausal as gc

    logs = gc.Logs(orders=given["orders"], exposures=given["exposures"])
    frame = logs.panel(freq="W")
    logs.close()
    return {"rows": len(frame), "gmv": float(frame["gmv"].sum())}


def users(given: dict[str, Any]) -> dict[str, float]:
    """Logs, and one row per user around the assignment."""
    import gmvcausal as gc

    logs = gc.Logs(orders=given["orders"], exposures=given["exposures"])
    frame = logs.users(pre="28D", post="28D", anchor=ANCHOR)
    logs.close()
    return {"rows": len(frame), **{c: float(frame[c].sum()) for c in ("gmv", "gmv_pre", "orders", "orders_pre")}}


def ab_test(given: dict[str, Any]) -> dict[str, float]:
    """Two metrics of an A/B test, both adjusted for GMV before."""
    import gmvcausal as gc

    metrics = [gc.Mean("gmv", pre="gmv_pre"), gc.Mean("orders", pre="gmv_pre")]
    result = gc.ab_test(given["test"], metrics=metrics, control="control")
    numbers = result.to_frame().select_dtypes("number")
    return {f"{c}{i}": float(v) for c in numbers for i, v in enumerate(numbers[c])}


# --- the same sums by hand -------------------------------------------------------------------------------------------
SUMS = """SELECT user, CAST(floor(datediff(time, DATE '2025-01-01') / 7) AS INT) AS week, sum(gmv) AS gmv,
    count(*) AS orders FROM orders GROUP BY 1, 2"""
FIRST = "SELECT user, min(start) AS first_treated FROM exposures GROUP BY user"
FILLED = f"""SELECT u.user, w.week, coalesce(s.gmv, 0) AS gmv, coalesce(s.orders, 0) AS orders, f.first_treated
    FROM (SELECT user FROM orders UNION SELECT user FROM exposures) u
    CROSS JOIN (SELECT explode(sequence(0, {WEEKS - 1})) AS week) w
    LEFT JOIN ({SUMS}) s ON s.user = u.user AND s.week = w.week LEFT JOIN ({FIRST}) f ON f.user = u.user"""
WINDOWS = f"""SELECT o.user, w.arm, w.at, sum(gmv) FILTER (WHERE time >= at) AS gmv,
    count(*) FILTER (WHERE time >= at) AS orders, sum(gmv) FILTER (WHERE time < at) AS gmv_pre,
    count(*) FILTER (WHERE time < at) AS orders_pre
    FROM orders o JOIN (
        SELECT u.user, coalesce(f.first_treated, TIMESTAMP_NTZ '{ANCHOR}') AS at, f.user IS NOT NULL AS arm
        FROM (SELECT user FROM orders UNION SELECT user FROM exposures) u LEFT JOIN ({FIRST}) f ON f.user = u.user
    ) w ON o.user = w.user AND o.time >= w.at - INTERVAL 28 DAYS AND o.time < w.at + INTERVAL 28 DAYS
    GROUP BY 1, 2, 3"""
MOMENTS = """SELECT arm, count(*), sum(gmv), sum(gmv * gmv), sum(orders), sum(orders * orders), sum(gmv_pre),
    sum(gmv_pre * gmv_pre), sum(gmv * gmv_pre), sum(orders * gmv_pre), sum(gmv * orders), count_if(gmv > 0),
    count_if(orders > 0), max(gmv), max(gmv_pre) FROM test GROUP BY arm"""


def fetched(*texts: str) -> Callable[[Any], dict[str, float]]:
    """Statements of Spark SQL, each fetched as Arrow."""

    def run(session: Any) -> dict[str, float]:
        rows = [session.sql(text).toArrow().num_rows for text in texts]
        return {"rows": rows[0]}

    return run


def cpu() -> float:
    """Processor seconds of this process and of all below it."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            parents[int(entry.name)], ticks[int(entry.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(ticks[pid] for pid in ours) / os.sysconf("SC_CLK_TCK")


def jobs(session: Any, run: Callable[[], Any]) -> tuple[Any, int]:
    """What `run` returns, and how many jobs Spark ran for it."""
    tracker, group = session.sparkContext.statusTracker(), f"benchmark {time.perf_counter()}"
    session.sparkContext.setJobGroup(group, group)
    found = run()
    return found, len(tracker.getJobIdsForGroup(group))


def session_of(memory: str, folder: str) -> Any:
    """A session of two local threads."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    settings = {
        "spark.driver.memory": memory, "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "4", "spark.log.level": "ERROR", "spark.local.dir": folder,
        "spark.sql.warehouse.dir": os.path.join(folder, "warehouse"),
    }  # fmt: skip
    return SparkSession.builder.master("local[2]").appName("benchmark").config(map=settings).getOrCreate()


def farthest(a: dict[str, float], b: dict[str, float]) -> float:
    """The largest relative distance between two answers."""
    return max((abs(a[k] - b[k]) / max(abs(a[k]), 1e-300) if a[k] != b[k] else 0.0) for k in a if not np.isnan(a[k]))


VERBS: dict[str, tuple[Callable[[Any], dict[str, float]], dict[str, Callable[[Any], dict[str, float]]]]] = {
    "Logs, panel": (only_panel, {"sums by hand": fetched(SUMS, FIRST), "filled by hand": fetched(FILLED)}),
    "Logs, panel, did": (panel, {}),
    "Logs, users": (users, {"windows by hand": fetched(WINDOWS)}),
    "ab_test": (ab_test, {"moments by hand": fetched(MOMENTS)}),
}


def main() -> None:
    """Make the files, run everything in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=8_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--memory", default="2g")
    parser.add_argument("--only", nargs="+", choices=VERBS, default=list(VERBS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = make(folder, options.lines, options.users, options.rows)
        session = session_of(options.memory, folder)
        try:
            frames = {name: session.read.parquet(path) for name, path in paths.items()}
            for name, frame in frames.items():
                frame.createOrReplaceTempView(name)
            print(f"{options.lines:,} order lines of {options.users:,} users; {options.rows:,} rows of the test")
            print(f"{'':18}{'':18}{'CPU s':>8}{'wall s':>8}{'jobs':>6}  distance to DuckDB")
            for verb in options.only:
                ours, hands = VERBS[verb]
                contenders: dict[str, Callable[[], Any]] = {
                    "ours on DuckDB": lambda ours=ours: ours(paths),
                    "ours on Spark": lambda ours=ours: ours(frames),
                } | {name: lambda hand=hand: hand(session) for name, hand in hands.items()}
                spent: dict[str, list[tuple[float, float, int]]] = {name: [] for name in contenders}
                answers: dict[str, Any] = {}
                for turn in range(options.runs + 1):
                    for name, run in contenders.items():
                        before, start = cpu(), time.perf_counter()
                        answers[name], n = jobs(session, run)
                        if turn:
                            spent[name].append((cpu() - before, time.perf_counter() - start, n))
                for name, runs in spent.items():
                    least, wall = min(r[0] for r in runs), min(r[1] for r in runs)
                    apart = ""
                    if name == "ours on Spark":
                        apart = f"  {farthest(answers['ours on DuckDB'], answers[name]):.1e}"
                    print(f"{verb:18}{name:18}{least:8.1f}{wall:8.1f}{runs[0][2]:6}{apart}", flush=True)
        finally:
            session.stop()


if __name__ == "__main__":
    main()
