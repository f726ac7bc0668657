"""Wall time and peak memory of a simulated market: 100,000 users in memory, 1,000,000 straight to parquet.

Run ``python benchmarks/simulate.py [--users 100000] [--many 1000000] [--days 30]``, each run in a process of its own.
Beside it stands the least that any simulation of that market must do: four random numbers for every user and day, and a
parquet file of as many order lines as the market has.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

LEAST = """
import numpy as np, pandas as pd
rng = np.random.default_rng(0)
for low in range(0, {users}, 4096):
    for day in range({days}):
        rng.random((3, 4096)); rng.standard_normal(4096)
n = {lines}
pd.DataFrame({{"order": np.arange(n), "user": rng.integers(0, {users}, n), "gmv": rng.lognormal(4, 1, n),
              "time": np.datetime64("2026-03-02") + rng.integers(0, 86_400 * {days}, n).astype("timedelta64[s]")}}
             ).to_parquet({folder!r} + "/orders.parquet")
"""
MEMORY = """
import gmvcausal as gc
market = gc.simulate.livestream(users={users}, rooms=50, days={days}, tactics=("coupon",), seed=1)
print(len(market.logs.orders), len(market.logs.visits))
"""
PARQUET = """
import gmvcausal as gc
gc.simulate.write_livestream({folder!r}, users={users}, rooms=50, days={days}, tactics=("coupon",), seed=1, truth=False)
"""


def measure(code: str) -> tuple[float, float, str]:
    """Seconds, peak memory (MB) and output of a program."""
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        out = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the program ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024, out


def main() -> None:
    """Print one row for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=30)
    args = parser.parse_args()
    print(f"{'':44}{'seconds':>10}{'ratio':>8}{'peak MB':>10}")
    for name, template, users in (("in memory", MEMORY, args.users), ("straight to parquet", PARQUET, args.many)):
        with tempfile.TemporaryDirectory() as folder:
            seconds, peak, out = measure(template.format(users=users, days=args.days, folder=folder))
            lines = int(out.split()[0]) if out else int(users * 0.0045 * args.days)
            least, least_peak, _ = measure(LEAST.format(users=users, days=args.days, lines=lines, folder=folder))
        print(f"{f'least work, {users:,} users':44}{least:10.2f}{1.0:8.2f}{least_peak:10.0f}")
        print(f"{f'market of {users:,} users, {name}':44}{seconds:10.2f}{seconds / least:8.2f}{peak:10.0f}")


if __name__ == "__main__":
    main()
