"""`gc.ab_test` on a parquet file of users, beside a bare DuckDB scan and other libraries, each in its own process.

Run ``python benchmarks/ab_test.py [--users 20000000] [--frame-users 500000] [--peer-python PATH]``. The file is made in
a temporary directory. What counts is processor time (user and system, all threads) of the call, least of `--repeat`
runs that take turns, each after a first use on a small file; memory is the peak of the process above its imports of the
library and DuckDB. `PATH` is a Python that has tea-tasting with ibis-framework[duckdb], ambrosia, spotify-confidence;
what it lacks is left out and said so. Libraries that take frames only are run on `--frame-users` users.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

COLUMNS = ("visits", "converted", "orders", "gmv", "visits_pre", "orders_pre", "gmv_pre")


def make(path: str, users: int) -> None:
    """Three arms; of 20 users one buys, for a lognormal amount; of 10 users one bought before."""
    import duckdb

    with duckdb.connect(config={"memory_limit": "2GB", "threads": 1}) as connection:
        connection.execute("SELECT setseed(0.4)")
        connection.execute(
            f"""COPY (SELECT i % 3 AS arm, CAST(1 + floor(-4 * ln(1 - v)) AS BIGINT) AS visits,
                CAST(buys AS BIGINT) AS converted, CAST(buys * basket AS BIGINT) AS orders,
                round(buys * basket * exp(3.5 + taste), 2) AS gmv,
                CAST(floor(-4 * ln(1 - w)) AS BIGINT) AS visits_pre,
                CAST((p < 0.1)::INT * (1 + floor(-0.7 * ln(1 - w))) AS BIGINT) AS orders_pre,
                round((p < 0.1)::INT * exp(3.5 + 0.6 * taste + 0.8 * noise), 2) AS gmv_pre
                FROM (SELECT i, p, v, w, (u < CASE WHEN p < 0.1 THEN 0.25 ELSE 0.0278 END)::INT AS buys,
                    1 + floor(-0.7 * ln(1 - b)) AS basket, sqrt(-2 * ln(1 - r)) * cos(6.283185307 * s) AS taste,
                    sqrt(-2 * ln(1 - r)) * sin(6.283185307 * s) AS noise
                    FROM (SELECT range AS i, random() AS p, random() AS v, random() AS w, random() AS u, random() AS b,
                        random() AS r, random() AS s FROM range({users})))) TO '{path}' (FORMAT parquet)"""
        )


def bare(path: str) -> None:
    """One scan with seven grouped sums."""
    import duckdb

    sums = ", ".join(f"sum({c})" for c in COLUMNS)
    duckdb.connect().sql(f"SELECT arm, {sums} FROM read_parquet('{path}') GROUP BY arm").fetchall()


def _metrics() -> list[Any]:
    import gmvcausal as gc

    return [
        gc.Mean("gmv", pre="gmv_pre"),
        gc.Mean("orders", pre="orders_pre"),
        gc.Proportion("converted"),
        gc.Ratio("gmv", "orders", pre="gmv_pre"),
        gc.Ratio("gmv", "visits", pre="gmv_pre"),
    ]


def ours(data: Any) -> None:
    """Five metrics, three arms: adjusted, capped and uncapped rows, HC2, the whole audit."""
    import gmvcausal as gc

    gc.ab_test(data, metrics=_metrics(), control=0)


def ours_plain(data: Any) -> None:
    """The same without caps and with the variance of the regression: what the others compute."""
    from dataclasses import replace

    import gmvcausal as gc

    metrics = [replace(m, cap=None) if hasattr(m, "cap") else m for m in _metrics()]
    gc.ab_test(data, metrics=metrics, control=0, hc=None)


def tea_tasting(data: Any) -> None:
    """tea-tasting, by ibis where the data are a file."""
    import tea_tasting as tt

    if isinstance(data, str):
        import ibis

        data = ibis.duckdb.connect().read_parquet(data)
    metrics = {
        "gmv": tt.Mean("gmv", covariate="gmv_pre"),
        "orders": tt.Mean("orders", covariate="orders_pre"),
        "converted": tt.Mean("converted"),
        "order value": tt.RatioOfMeans("gmv", "orders", numer_covariate="gmv_pre"),
        "per visit": tt.RatioOfMeans("gmv", "visits", numer_covariate="gmv_pre"),
    }
    tt.Experiment(metrics, variant="arm").analyze(data, control=0, all_variants=True)


def ambrosia(data: Any) -> None:
    """ambrosia's t-tests of the three means, the first two adjusted by its CUPED; it has no adjusted ratios."""
    from ambrosia.preprocessing import Cuped
    from ambrosia.tester import Tester

    for y, x in (("gmv", "gmv_pre"), ("orders", "orders_pre")):
        data = Cuped(verbose=False).fit_transform(data, y, x, f"{y}_adjusted")
    tester = Tester(dataframe=data, metrics=["gmv_adjusted", "orders_adjusted", "converted"], column_groups="arm")
    tester.run(effect_type="absolute", method="theory", as_table=True)


def spotify_confidence(data: Any) -> None:
    """spotify-confidence from sums that pandas makes: three means, not adjusted."""
    from spotify_confidence import ZTest

    squares = data.assign(**{f"{c}_squares": data[c] ** 2 for c in ("gmv", "orders", "converted")})
    sums = squares.groupby("arm").sum()
    sums["users"] = data.groupby("arm").size()
    for c in ("gmv", "orders", "converted"):
        table = sums.reset_index()
        test = ZTest(table, numerator_column=c, numerator_sum_squares_column=f"{c}_squares", denominator_column="users",
                     categorical_group_columns="arm")  # fmt: skip
        test.difference(level_1=0, level_2=1)
        test.difference(level_1=0, level_2=2)


CONTENDERS: dict[str, Callable[[Any], None]] = {
    f.__name__: f for f in (bare, ours, ours_plain, tea_tasting, ambrosia, spotify_confidence)
}


def _peak() -> float:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def measure(name: str, path: str, small: str, frame: bool) -> dict[str, float]:
    """Run one contender in this process."""
    import duckdb

    if name.startswith("ours"):
        import gmvcausal  # noqa: F401  # its import is not what is measured
    data, first = path, small
    if frame:
        data, first = (duckdb.read_parquet(p).df() for p in (path, small))
    imported = _peak()
    CONTENDERS[name](first)
    warm, before = _peak(), os.times()
    CONTENDERS[name](data)
    after = os.times()
    return {
        "seconds": after.user + after.system - before.user - before.system,
        "wall": after.elapsed - before.elapsed,
        "mb": _peak() - imported,
        "mb_warm": _peak() - warm,
    }


def _run(python: str, *what: str) -> dict[str, float] | None:
    done = subprocess.run([python, __file__, "--one", *what], capture_output=True, text=True)
    if done.returncode:
        print(f"{what[0]} is left out: {done.stderr.strip().splitlines()[-1]}")
        return None
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(title: str, names: tuple[str, ...], options: argparse.Namespace, *where: str) -> None:
    """Print one table; runs take turns, so that a slow spell of the machine falls on all."""
    found: dict[str, list[dict[str, float]]] = {}
    left = list(names)
    for _ in range(options.repeat):
        for name in list(left):
            python = sys.executable if name in ("bare", "ours", "ours_plain") else options.peer_python
            row = _run(python, name, *where)
            if row is None:
                left.remove(name)
            else:
                found.setdefault(name, []).append(row)
    print(f"\n{title}; least of {options.repeat}")
    print(f"{'':20}{'CPU s':>8}{'x first':>9}{'x ours':>8}{'MB above imports':>18}{'above first use':>17}")
    best = {name: {k: min(r[k] for r in rows) for k in rows[0]} for name, rows in found.items()}
    for name, row in best.items():
        ratios = (row["seconds"] / best[left[0]]["seconds"], row["seconds"] / best["ours"]["seconds"])
        print(f"{name:20}{row['seconds']:8.2f}{ratios[0]:9.2f}{ratios[1]:8.2f}{row['mb']:18.0f}{row['mb_warm']:17.0f}")


def main() -> None:
    """Make the files, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=20_000_000)
    parser.add_argument("--frame-users", type=int, default=500_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, path, small, frame = options.one
        print(json.dumps(measure(name, path, small, frame == "frame")))
        return
    with tempfile.TemporaryDirectory() as directory:
        small, many, some = (os.path.join(directory, f"{n}.parquet") for n in ("small", "many", "some"))
        for path, users in ((small, 3_000), (many, options.users), (some, options.frame_users)):
            make(path, users)
        table(
            f"{options.users:,} users in a file",
            ("bare", "ours", "ours_plain", "tea_tasting"),
            options,
            many,
            small,
            "file",
        )
        frames = ("ours", "ours_plain", "tea_tasting", "ambrosia", "spotify_confidence")
        table(f"{options.frame_users:,} users in a pandas frame", frames, options, some, small, "frame")


if __name__ == "__main__":
    main()
