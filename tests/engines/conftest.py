"""One Spark session for all tests that ask for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REMEDY = "install openjdk-17-jre-headless"


def no_java() -> str:
    """Why Spark cannot start here; empty where it can. Spark 4 needs Java 17 or later."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    if java is None:
        return f"no Java runtime found: {REMEDY}"
    told = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < 17:
        return f"Java is {version[1] if version else 'not known'}, Spark 4 needs 17 or later: {REMEDY}"
    return ""


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session of two local threads, in a time zone that no test may depend on, heard by this machine alone."""
    if why := no_java():
        pytest.skip(why)
    pyspark = pytest.importorskip("pyspark.sql", reason="pyspark is not installed: pip install 'gmvcausal[spark]'")
    folder = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        # The session is short and its data small: compiling by the optimiser and collecting in parallel cost more
        # processor time than they save.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.local.dir": str(folder / "local"),
        "spark.log.level": "ERROR",
        "spark.sql.session.timeZone": "America/New_York",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        environment.setenv("PYSPARK_PYTHON", sys.executable)  # its Python workers are this Python
        builder = pyspark.SparkSession.builder.master("local[2]").appName("gmvcausal tests").config(map=settings)
        session = builder.getOrCreate()
        yield session
        session.stop()
