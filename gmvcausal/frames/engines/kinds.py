"""What an object of Spark is called, without importing Spark."""

from __future__ import annotations

from typing import Any


def is_spark(data: Any) -> bool:
    """Whether `data` is a frame of Spark, classic or Connect (checked without importing it)."""
    kind = type(data)
    return kind.__name__ == "DataFrame" and kind.__module__.startswith("pyspark.sql.")


def is_session(engine: Any) -> bool:
    """Whether `engine` is a Spark session."""
    kind = type(engine)
    return kind.__name__ == "SparkSession" and kind.__module__.startswith("pyspark.sql.")
