"""One script for a laptop and a cluster: frames in memory, parquet files, and Spark give the same numbers.

Run ``python examples/laptop_to_cluster.py [FOLDER] [--spark]``. Takes a few seconds; with --spark, which needs
``pip install "gmvcausal[spark]"`` and Java 17 or later, about a minute.
"""

import sys
from pathlib import Path

import gmvcausal as gc

out = Path(next((a for a in sys.argv[1:] if a != "--spark"), "laptop-to-cluster"))
out.mkdir(parents=True, exist_ok=True)

# 1. A market whose truth is known, as frames and as files: rooms take on expert hosts in three waves.
market = gc.simulate.livestream(users=2_000, rooms=40, days=56, tactics="expert_host", seed=7, never=0.4, taken=0.0)
market.write(out / "market")


# 2. The script. Nothing in it says where the rows lie, or what adds them up.
def roll_out(orders, exposures):
    logs = gc.Logs(orders=orders, exposures=exposures)
    panel = logs.panel(unit="room", freq="W")
    logs.close()
    return gc.did(panel)


# 3. Where the rows may lie. A frame of Spark may come from any table that the session can read.
files = {name: str(out / "market" / f"{name}.parquet") for name in ("orders", "exposures")}
places = {"frames": (market.logs.orders, market.logs.exposures), "files": (files["orders"], files["exposures"])}
if "--spark" in sys.argv:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    places["Spark"] = (spark.read.parquet(files["orders"]), spark.read.parquet(files["exposures"]))

answers = {name: roll_out(*place) for name, place in places.items()}
for name, answer in answers.items():
    low, high = answer.conf_int()
    print(f"{name:8}{answer.estimate:12.6f} yuan per room and week, {low:.6f} to {high:.6f}")
first = answers["frames"]
for answer in answers.values():
    assert abs(answer.estimate - first.estimate) <= 1e-10 * abs(first.estimate)
    assert abs(answer.std_error - first.std_error) <= 1e-10 * first.std_error

# 4. A page to hand on.
page = gc.report(
    {"Roll-out": answers["files"]},
    out / "report.html",
    title="What did expert hosts do?",
    question="How much GMV did expert hosts cause, per room and week?",
    currency="yuan ",
)
print(f"\nReport: {page}")
