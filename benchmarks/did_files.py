"""`gc.did` on a parquet file that is not loaded, as a matrix and as sums; beside it the barest scan, and a frame.

Run ``python benchmarks/did_files.py [--units 1000000] [--periods 12] [--shuffled] [--only bare sums]``. The file is
made in a temporary directory (8,333,334 units: about 300 MB sorted). Each contender has a process of its own; memory
is the peak of the whole process, imports included; `did` comes with event study, every ATT(g,t), audit and summary.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable


def make(path: str, units: int, periods: int, shuffled: bool) -> None:
    """Zero-inflated GMV in cents, four cohorts and never treated, effects that grow."""
    import duckdb

    half = periods // 3
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": os.path.dirname(path)}) as connection:
        connection.execute(
            f"""COPY (
                SELECT u AS unit, t AS period, CASE WHEN h % 10 >= 6 THEN {half} + h % 4 END AS first_treated,
                    round(CASE WHEN hash(u * 100 + t) % 10 < 6 THEN 0 ELSE 20 + hash(u * 7 + t * 31) % 100000 / 1000.0
                        + h % 50 + t + CASE WHEN h % 10 >= 6 AND t >= {half} + h % 4 THEN 3 ELSE 0 END END, 2) AS gmv
                FROM (SELECT i AS u, hash(i) AS h FROM range({units}) r(i)), range({periods}) p(t)
                {"ORDER BY hash(u * 13 + t)" if shuffled else ""}
            ) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 500000)"""
        )


def bare(path: str) -> float:
    """The barest scan: means and variances by cohort and period, without a covariance or a check."""
    import duckdb

    text = f"SELECT first_treated, period, avg(gmv), var_pop(gmv), count(*) FROM read_parquet('{path}') GROUP BY ALL"
    return float(len(duckdb.connect().sql(text).fetchall()))


def _all(data: object, **options: object) -> float:
    import gmvcausal as gc

    result = gc.did(data, **options)
    result.event_study()
    result.att_gt()
    result.summary()
    return result.estimate


def ours(path: str) -> float:
    """`did` on the path."""
    return _all(path)


def sums(path: str) -> float:
    """`did` on the path within 256 MB, in which no matrix of ten million cells fits: sums by cohort alone."""
    return _all(path, memory_limit="256MB")


def frame(path: str) -> float:
    """`did` on the frame that pandas reads from the same file."""
    import pandas as pd

    return _all(pd.read_parquet(path))


CONTENDERS: dict[str, Callable[[str], float]] = {f.__name__: f for f in (bare, ours, sums, frame)}


def measure(name: str, path: str) -> dict[str, float]:
    """Seconds, processor seconds and the peak of one contender in this process."""
    start, cpu = time.perf_counter(), time.process_time()
    answer = CONTENDERS[name](path)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    with open("/proc/self/status") as status:  # getrusage would count what the parent had before it
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return {"answer": answer, "seconds": seconds, "cpu": cpu, "mb": peak / 1024}


def main() -> None:
    """Make the file, measure each contender, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--periods", type=int, default=12)
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--one", nargs=2, metavar=("NAME", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one)))
        return
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "panel.parquet")
        make(path, options.units, options.periods, options.shuffled)
        size = os.path.getsize(path) / 2**20
        print(f"{options.units * options.periods:,} rows, {size:,.0f} MB on disk")
        print(f"{'':10}{'seconds':>10}{'CPU s':>10}{'peak MB':>10}  estimate")
        for name in options.only:
            command = [sys.executable, __file__, "--one", name, path]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            row = json.loads(done.stdout.splitlines()[-1])
            answer = "" if name == "bare" else repr(row["answer"])
            print(f"{name:10}{row['seconds']:10.1f}{row['cpu']:10.1f}{row['mb']:10,.0f}  {answer}")


if __name__ == "__main__":
    main()
