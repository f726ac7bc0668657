"""From order lines in parquet files to a user x week panel and `gc.did`: seconds and memory as the lines grow.

Run ``python benchmarks/lines_to_did.py [--lines 1000000 10000000 100000000] [--folder FOLDER]``. There is a user for
every fifty lines, twelve weeks, and two waves of coupons to half of the users; no effect. Each size is a process of its
own; 100 million lines take 1.8 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile

LINES_OF_USER = 50
PART = 10_000_000


def make(folder: str, lines: int) -> None:
    """Order lines in files of ten million, and the exposures."""
    import duckdb

    users = max(lines // LINES_OF_USER, 4)
    os.makedirs(f"{folder}/orders")
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        for first in range(0, lines, PART):
            connection.execute(
                f"""COPY (SELECT CAST(hash(i) % {users} AS INTEGER) AS "user", i AS "order",
                    TIMESTAMP '2025-03-03' + to_seconds(CAST(hash(i + 1) % (84 * 86400) AS BIGINT)) AS "time",
                    round(exp(2 + 2 * ((hash(i + 2) % 1000000) / 1e6)), 2) AS gmv
                    FROM range({first}, {min(first + PART, lines)}) t(i))
                    TO '{folder}/orders/{first // PART:03d}.parquet' (FORMAT parquet)"""
            )
        connection.execute(
            f"""COPY (SELECT CAST(i AS INTEGER) AS "user", 'coupon' AS tactic, CASE WHEN i % 4 = 0
                THEN TIMESTAMP '2025-04-07' ELSE TIMESTAMP '2025-04-28' END AS start FROM range({users // 2}) t(i))
                TO '{folder}/sent.parquet' (FORMAT parquet)"""
        )


def one(folder: str, lines: int) -> None:
    """One size, in this process."""
    import gmvcausal as gc

    begin = _cpu()
    logs = gc.Logs(orders=f"{folder}/{lines}/orders", exposures=f"{folder}/{lines}/sent.parquet")
    opened = _cpu()
    panel = logs.panel(freq="W")
    logs.close()
    made = _cpu()
    gc.did(panel).summary()
    done, peak = _cpu(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    each = (done - begin) / lines * 1e6
    parts = " | ".join(f"{b - a:.1f}" for a, b in ((begin, opened), (opened, made), (made, done)))
    print(f"| {lines:,} | {len(panel):,} | {parts} | {each:.2f} | {peak:,.0f} |")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Make the files, measure, print."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--lines", type=int, nargs="+", default=[1_000_000, 10_000_000, 100_000_000])
    ask.add_argument("--folder", default=None)
    ask.add_argument("--one", nargs=2, default=None)
    given = ask.parse_args()
    if given.one:
        one(given.one[0], int(given.one[1]))
        return
    print("| lines | rows of the panel | Logs, CPU s | panel | did and summary | CPU s per million lines | peak MB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for lines in given.lines:
            make(f"{folder}/{lines}", lines)
            subprocess.run([sys.executable, os.path.abspath(__file__), "--one", folder, str(lines)], check=True)


if __name__ == "__main__":
    main()
