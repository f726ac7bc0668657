"""A job for spark-submit: from tables of orders and exposures to a report.

``spark-submit ... roll_out.py ORDERS EXPOSURES FOLDER``, where ORDERS and EXPOSURES are paths of parquet that the
cluster can read (s3a://..., hdfs://...) and FOLDER is one of the driver's own.
"""

import sys
from pathlib import Path

from pyspark.sql import SparkSession

import gmvcausal as gc

orders, exposures, folder = sys.argv[1:4]
spark = SparkSession.builder.appName("roll-out").getOrCreate()

# Paths go to the session that is named; nothing is read by this process but the sums.
logs = gc.Logs(orders=orders, exposures=exposures, engine=spark, memory_limit="4GB")
panel = logs.panel(unit="room", freq="W")
result = gc.did(panel)
print(result.summary())

Path(folder).mkdir(parents=True, exist_ok=True)
gc.report({"Roll-out": result}, Path(folder) / "report.html", title="What did the roll-out do?")
logs.close()
