"""`ab_test(time=)` on a parquet file of 20 million rows, users by days, beside the bare DuckDB GROUP BY user.

Run ``python benchmarks/ab_days.py [--users 714286] [--days 28] [--repeat 3] [--ids hash]``. The file is made in a
temporary directory: rows come day by day; ids are hashes in any order, or (``--ids whole``) 0, 1, 2, ... in order,
which DuckDB groups fastest. Every run has a process of its own; compared is the CPU time of the call, imports left
out, least of the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile

OUTCOMES = "any_value(arm) AS arm, sum(gmv) AS gmv, sum(orders) AS orders"
SLOPE = "sum((day - DATE '2025-11-01') * gmv) AS slope"


def make(path: str, users: int, days: int, ids: str) -> None:
    """Write one row per user and day; 5 % of them hold an order."""
    import duckdb

    user, order = ("hash(u) >> 1", "hash(u * 17 + d)") if ids == "hash" else ("u", "u")
    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (SELECT CAST({user} AS BIGINT) AS "user", DATE '2025-11-01' + CAST(d AS INTEGER) AS day,
                CASE WHEN hash(u) % 2 = 0 THEN 'none' ELSE 'coupon' END AS arm,
                CASE WHEN hash(u * 31 + d) % 20 = 0 THEN (hash(u * 7 + d) % 10000) / 100.0 ELSE 0.0 END AS gmv,
                CAST(hash(u * 31 + d) % 20 = 0 AS INTEGER) AS orders
                FROM range({days}) t(d), range({users}) s(u) ORDER BY d, {order})
                TO '{path}' (FORMAT parquet)"""
        )


def cpu() -> float:
    """CPU seconds of this process so far, of all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(what: str, path: str) -> dict[str, float]:
    """CPU seconds of one call, after its imports."""
    import duckdb
    import pandas as pd
    import scipy.stats  # noqa: F401  # an import of the call, which is not what is measured

    import gmvcausal as gc

    gc.ab_test(pd.DataFrame({"arm": [0, 1] * 50, "gmv": range(100)}), metrics="gmv")
    start = cpu()
    if what in ("sums", "slope"):
        sums = OUTCOMES if what == "sums" else f"{OUTCOMES}, {SLOPE}"
        duckdb.connect().sql(f"""SELECT "user", {sums} FROM read_parquet('{path}') GROUP BY "user" """).df()
        return {"cpu": cpu() - start}
    found = gc.ab_test(path, metrics=["gmv", gc.Ratio("gmv", "orders")], control="none", time="day")
    if what != "ab_test":
        start = cpu()
        getattr(found, what)()
    return {"cpu": cpu() - start}


def run(what: str, path: str) -> dict[str, float]:
    """Run one measurement in a process of its own and return it with the peak memory."""
    done = subprocess.run(
        [sys.executable, __file__, "--run", what, "--path", path], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=714_286)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--ids", choices=("hash", "whole"), default="hash")
    parser.add_argument("--run")
    parser.add_argument("--path")
    args = parser.parse_args()
    if args.run == "make":
        make(args.path, args.users, args.days, args.ids)
        return
    if args.run:
        found = measure(args.run, args.path)
        found["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "days.parquet")
        sizes = [f"--users={args.users}", f"--days={args.days}", f"--ids={args.ids}"]
        # In a process of its own too, so that the memory it takes is not that of the runs.
        subprocess.run([sys.executable, __file__, "--run", "make", "--path", path, *sizes], check=True)
        kinds = ("sums", "slope", "ab_test", "daily", "looks")
        runs = {what: [] for what in kinds}
        for _ in range(args.repeat):
            for what in kinds:
                runs[what].append(run(what, path))
        least = {what: min(r["cpu"] for r in found) for what, found in runs.items()}
        for what in kinds:
            peak = max(r["mb"] for r in runs[what])
            print(f"{what:8} {least[what]:6.2f} s CPU  {least[what] / least['sums']:5.2f}  {peak:7.0f} MB")


if __name__ == "__main__":
    main()
