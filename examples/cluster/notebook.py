# Databricks notebook source
# MAGIC %md
# MAGIC # What did the roll-out do?
# MAGIC `spark` is the notebook's own session. First `%pip install "gmvcausal[spark]"`, for the driver: the sums are
# MAGIC SQL, and the executors need nothing of the library.

# COMMAND ----------
import gmvcausal as gc

orders = spark.table("shop.orders")  # noqa: F821  # the notebook gives spark
exposures = spark.table("shop.exposures")  # noqa: F821  # the notebook gives spark

# COMMAND ----------
logs = gc.Logs(orders=orders, exposures=exposures)
print(logs)

# COMMAND ----------
panel = logs.panel(unit="room", freq="W")
result = gc.did(panel)
print(result.summary())

# COMMAND ----------
# A table of Spark for whoever reads on: one row per room and week, a few numbers each.
spark.createDataFrame(panel).createOrReplaceTempView("panel")  # noqa: F821  # the notebook gives spark
logs.close()
