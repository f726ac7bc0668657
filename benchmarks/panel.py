"""`Logs.panel` on a parquet file of 20 million order lines, beside the bare DuckDB GROUP BY, each in its own process.

Run ``python benchmarks/panel.py [--lines 20000000] [--users 200000]``. The file is made in a temporary directory.
Opening the logs (which checks every rule on every column) and the search for repeated rows are timed apart, because
they happen once per `Logs`, however many tables are made from it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

WEEK = 7 * 86_400_000_000
ORIGIN = 1_735_689_600_000_000  # 2025-01-01, in microseconds


def make(path: str, lines: int, users: int) -> None:
    """Write order lines of one year, at uniformly drawn times, with amounts in cents."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (SELECT CAST(hash(i) % {users} AS BIGINT) AS "user", i AS "order",
                TIMESTAMP '2025-01-01' + to_seconds(CAST(hash(i + 7) % (364 * 86400) AS BIGINT)) AS "time",
                round((hash(i + 3) % 10000) / 100.0, 2) AS gmv FROM range({lines}) t(i)) TO '{path}' (FORMAT parquet)"""
        )


def bare(path: str) -> dict[str, float]:
    """The bare GROUP BY, fetched."""
    import duckdb

    start = time.perf_counter()
    connection = duckdb.connect()
    found = connection.sql(
        f"""SELECT "user", (epoch_us("time") - {ORIGIN}) // {WEEK} AS period, sum(gmv) AS gmv, count(*) AS orders
            FROM read_parquet('{path}') GROUP BY ALL"""
    ).fetchnumpy()
    return {"seconds": time.perf_counter() - start, "rows": len(found["gmv"])}


def panel(path: str) -> dict[str, float]:
    """`Logs` and its panel."""
    from gmvcausal.logs import Logs, duplicates

    spent = {"duplicates": 0.0}
    search = duplicates.repeated_hashes

    def timed(*args: object) -> object:
        start = time.perf_counter()
        found = search(*args)
        spent["duplicates"] += time.perf_counter() - start
        return found

    duplicates.repeated_hashes = timed
    start = time.perf_counter()
    logs = Logs(orders=path)
    opened = time.perf_counter() - start
    start = time.perf_counter()
    frame = logs.panel(freq="W")
    return {
        "seconds": time.perf_counter() - start,
        "rows": len(frame),
        "duplicates": spent["duplicates"],
        "checks": opened - spent["duplicates"],
    }


def run(what: str, path: str) -> dict[str, float]:
    """Run one measurement in a process of its own and return it with the peak memory."""
    done = subprocess.run(
        [sys.executable, __file__, "--run", what, "--path", path], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


def main() -> None:
    """Make the file, measure both three times, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=20_000_000)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--run", choices=["bare", "panel"])
    parser.add_argument("--path")
    options = parser.parse_args()
    if options.run:
        found = {"bare": bare, "panel": panel}[options.run](options.path)
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "orders.parquet")
        make(path, options.lines, options.users)
        # In turns, so that a slow spell of the machine falls on both.
        runs = [(run("bare", path), run("panel", path)) for _ in range(3)]
    plain = sorted((r[0] for r in runs), key=lambda r: r["seconds"])[1]
    ours = sorted((r[1] for r in runs), key=lambda r: r["seconds"])[1]
    print(f"{options.lines:,} lines, {options.users:,} users, weeks; median of 3 runs")
    print(f"{'':38}{'seconds':>9}{'ratio':>8}{'peak MB':>9}{'rows':>13}")
    for name, row in (("bare DuckDB GROUP BY, fetched", plain), ("Logs.panel (zero-filled)", ours)):
        ratio = row["seconds"] / plain["seconds"]
        print(f"{name:38}{row['seconds']:9.2f}{ratio:8.2f}{row['peak_mb']:9.0f}{int(row['rows']):13,}")
    for name in ("checks", "duplicates"):
        print(f"{'once per Logs: ' + name:38}{ours[name]:9.2f}{ours[name] / plain['seconds']:8.2f}")


if __name__ == "__main__":
    main()
