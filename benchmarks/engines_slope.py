"""Processor seconds for a million rows and pass, from files of growing size: the slope on which plans and prices rest.

Run ``python benchmarks/engines_slope.py [--rows 1000000 10000000] [--repeat 3]``. Each measurement is a process of its
own. Passes are those that ``gmvcausal run --explain`` lists; `gmvcausal/study/explain/rates.py` records the result.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

LINES_OF_USER = 100  # order lines
PERIODS = 10
ROUTES = ("trial", "logs", "table", "did", "did_sums", "ab_test", "ab_grouped", "rows")

STUDIES = {
    "table": """[data]
orders = "{rows}-orders.parquet"
[[answer]]
name = "a"
panel = {{ freq = "W" }}
""",
    "did": """[data]
frame = "{rows}-panel.parquet"
[[answer]]
name = "a"
""",
    "did_sums": """[data]
frame = "{rows}-panel.parquet"
[[answer]]
name = "a"
did = {{ memory_limit = "256MB" }}
""",
    "ab_test": """[data]
frame = "{rows}-users.parquet"
[[answer]]
name = "a"
ab_test = {{ control = 0, metrics = [{{ mean = "gmv", pre = "gmv_pre" }}, {{ proportion = "converted" }}] }}
""",
    "ab_grouped": """[data]
frame = "{rows}-users.parquet"
[[answer]]
name = "a"
ab_test = {{ control = 0, strata = "tier", metrics = ["gmv", {{ proportion = "converted" }}] }}
""",
    "rows": """[data]
frame = "{rows}-users.parquet"
[[answer]]
name = "a"
adjust = {{ outcome = "gmv", treatment = "arm", covariates = ["gmv_pre", "tier"] }}
""",
}
STUDIES["logs"] = STUDIES["table"]


def make(folder: str, rows: int) -> None:
    """Order lines of a year, a panel of ten periods, the users of a test (most of whom buy), each of so many rows."""
    import duckdb

    users = max(rows // LINES_OF_USER, 1)
    third = "CASE WHEN u % 3 = 0 THEN 6 + (u // 3) % 4 END"
    drawn = "(hash(i + {0}) % 1000000) / 1e6"
    tables = {
        "orders": f"""SELECT CAST(hash(i) % {users} AS BIGINT) AS "user", i AS "order",
            TIMESTAMP '2025-01-01' + to_seconds(CAST(i * (364 * 86400.0 / {rows}) AS BIGINT)) AS "time",
            round((hash(i + 3) % 10000) / 100.0, 2) AS gmv FROM range({rows}) t(i)""",
        "panel": f"""SELECT u AS unit, p AS period, round((hash(u * 64 + p) % 10000) / 100.0, 2) AS gmv,
            {third} AS first_treated
            FROM (SELECT i // {PERIODS} AS u, i % {PERIODS} + 1 AS p FROM range({rows}) t(i))""",
        "users": f"""SELECT i AS "user", CAST({drawn.format(1)} < .5 AS TINYINT) AS arm,
            {drawn.format(2)} < .1 AS converted, CAST(hash(i + 5) % 5 AS TINYINT) AS tier,
            CASE WHEN {drawn.format(2)} < .6 THEN round(-50 * ln(1e-9 + {drawn.format(3)}), 2) ELSE 0 END AS gmv,
            CASE WHEN {drawn.format(4)} < .8 THEN round(-50 * ln(1e-9 + {drawn.format(6)}), 2) ELSE 0 END AS gmv_pre
            FROM range({rows}) t(i)""",
    }
    with duckdb.connect() as connection:
        for name, text in tables.items():
            connection.execute(f"COPY ({text}) TO '{folder}/{rows}-{name}.parquet' (FORMAT parquet)")
    for route, study in STUDIES.items():
        with open(f"{folder}/{rows}-{route}.toml", "w", encoding="utf-8") as file:
            file.write(study.format(rows=rows))


def one(folder: str, rows: int, route: str) -> dict[str, float]:
    """One measurement, in this process."""
    import gmvcausal as gc
    from gmvcausal.abtest.verb import ab_test
    from gmvcausal.frames.files import find_files
    from gmvcausal.rollout.verb import did
    from gmvcausal.study.explain import explain_study, rates

    if route == "trial":
        files = find_files(f"{folder}/{rows}-orders.parquet", "orders")
        return {"seconds": rates.measure(files, ["user", "time", "gmv", "order"], rows).factor * rates.TRIAL}
    assert ab_test is not None and did is not None  # imported before the clock runs
    plan = explain_study(f"{folder}/{rows}-{route}.toml", trial=False)
    before = logs = None
    if route == "table":
        logs = gc.Logs(orders=f"{folder}/{rows}-orders.parquet")
    before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    if route == "logs":
        gc.Logs(orders=f"{folder}/{rows}-orders.parquet")
    elif logs is not None:
        logs.panel(freq="W")
    elif route in ("did", "did_sums"):
        limit = "256MB" if route == "did_sums" else None
        gc.did(f"{folder}/{rows}-panel.parquet", memory_limit=limit).summary()
    elif route == "rows":
        import duckdb

        listed = ", ".join(plan.steps[0].passes[0].columns)
        duckdb.connect().sql(f'SELECT {listed.replace("user", chr(34) + "user" + chr(34))} '
                             f"FROM '{folder}/{rows}-users.parquet'").to_arrow_table().to_pandas()  # fmt: skip
    else:
        metrics = [gc.Mean("gmv", pre="gmv_pre" if route == "ab_test" else None), gc.Proportion("converted")]
        options = {} if route == "ab_test" else {"strata": "tier"}
        gc.ab_test(f"{folder}/{rows}-users.parquet", control=0, metrics=metrics, **options).summary()
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    passes = [one for step in plan.steps for one in step.passes if one.route == route]
    return {
        "seconds": cpu,
        "wall": wall,
        "passes": sum(one.share for one in passes),
        "bytes": sum(map(plan.bytes_of, passes)),
        "megabytes": after.ru_maxrss / 1024,
        "planned": (plan.memory - plan.buffers) / 2**20,
    }


def main() -> None:
    """All sizes and routes, as a table."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    ask.add_argument("--repeat", type=int, default=3)
    ask.add_argument("--only", nargs="+", default=list(ROUTES))
    ask.add_argument("--folder", default=None)
    ask.add_argument("--one", nargs=3, default=None)
    given = ask.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], int(given.one[1]), given.one[2])))
        return
    print("| rows | route | passes | CPU s | wall s | CPU s per million rows | and pass | peak MB | planned MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for rows in given.rows:
            make(folder, rows)
            # A panel of a million rows fits under the least limit.
            for route in [r for r in given.only if r != "did_sums" or rows >= 10_000_000]:
                found = [_apart(folder, rows, route) for _ in range(given.repeat if rows < 2e7 else 1)]
                cpu = statistics.median(f["seconds"] for f in found)
                if route == "trial":
                    print(f"| {rows:,} | trial | | | | {cpu:.4f} for a million values | | | |", flush=True)
                    continue
                first, each = found[0], cpu / rows * 1e6
                wall = statistics.median(f["wall"] for f in found)
                print(
                    f"| {rows:,} | {route} | {first['passes']:.1f} | {cpu:.2f} | {wall:.2f} | {each:.3f} | "
                    f"{each / first['passes']:.4f} | {first['megabytes']:,.0f} | {first['planned']:,.0f} |",
                    flush=True,
                )
            for name in ("orders", "panel", "users"):
                os.unlink(f"{folder}/{rows}-{name}.parquet")


def _apart(folder: str, rows: int, route: str) -> dict[str, float]:
    command = [sys.executable, os.path.abspath(__file__), "--one", folder, str(rows), route]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
