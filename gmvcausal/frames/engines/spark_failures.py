"""What a failure of Spark means for the user."""

from __future__ import annotations

import re
from urllib.parse import unquote

from gmvcausal.errors import InputError
from gmvcausal.frames.footers import not_whole

_FILE = re.compile(r"(?:reading file|Could not read footer for file:) (\S+?)\.?(?:\s|$)")
_LOST = ("Python worker exited unexpectedly", "ExecutorLostFailure", "Executor heartbeat timed out")
_STOPPED = ("its Spark session was stopped", "start a session again and make the frame in it anew")
# What Spark says -> what it means, and what to do.
_KNOWN = {
    "PATH_NOT_FOUND": (
        "Spark finds no such path",
        "write it as the machines of the session see it, for example s3a://bucket/orders",
    ),
    "AMBIGUOUS_REFERENCE": (
        "columns whose names differ only in case are one column to this session",
        "rename one of them: frame.withColumnRenamed",
    ),
    "stopped SparkContext": _STOPPED,
    "'NoneType' object": _STOPPED,  # what is left of the session in Python
    "Connection refused": _STOPPED,
    'SparkContext.dagScheduler()" is null': _STOPPED,  # Spark calls this a bug of its own
}


def spark_errors(error: Exception, name: str) -> InputError:
    """One of our own errors for a failure of Spark; a job that lost a task gives no sums at all."""
    text = str(error)
    # Py4J says first which of its calls failed, which tells nobody anything.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if "An error occurred while calling" not in line] or [type(error).__name__]
    first = re.sub(r"^:?\s*(?:[a-z]+\.)+[A-Za-z.]*(?:Exception|Error): ", "", lines[0])
    file = _FILE.search(text)
    unlike = "PARQUET_COLUMN_DATA_TYPE_MISMATCH" in text or "SchemaColumnConvertNotSupportedException" in text
    if file is not None and unlike:
        return InputError(
            f"{name} could not be read: a column of the file {unquote(re.sub(r'^file:/*', '/', file[1]))!r} has "
            f"another type than the schema of the frame asks for{_types(text)}",
            remedy="read it with the type that the file has, or without spark.read.schema(...), and cast it then",
        )
    if file is not None:
        path = unquote(re.sub(r"^file:/*", "/", file[1]))
        if "FILE_NOT_EXIST" in text:
            return InputError(
                f"the file {path!r} of {name} vanished while it was read",
                remedy="open the data again when nothing writes there, or read a copy",
            )
        cause = re.search(r"^Caused by: (?:[a-z]+\.)+\w+: (.+)$", text, re.MULTILINE)
        return not_whole(path, name, cause[1] if cause else first)
    if "maxResultSize" in text:
        return InputError(
            f"{name}: the sums are larger than what Spark may send to the driver: {first}",
            remedy="take longer periods or fewer units, or start the session with a larger spark.driver.maxResultSize",
        )
    if "No space left on device" in text:
        return InputError(
            f"a disk of Spark is full, where it lays down what of {name} does not fit into memory",
            remedy="set spark.local.dir to a larger disk, or take longer periods or fewer columns",
        )
    if "OutOfMemoryError" in text:
        return InputError(
            f"{name} needs more memory than Spark's executors have",
            remedy="start the session with a larger spark.executor.memory (spark.driver.memory in local mode)",
        )
    raised = _of_worker(text)
    if raised is not None:
        lacks = re.search(r"^ModuleNotFoundError: No module named '([^']+)'", raised)
        return InputError(
            f"{name} could not be read by Spark, as Python failed in one of its workers: {raised}",
            remedy=f"the workers' Python lacks {lacks[1].partition('.')[0]}: set PYSPARK_PYTHON to a Python that has "
            "it, or ship an archive (see docs/howto/laptop-to-cluster)"
            if lacks
            else "this is an exception in a function of the frame's own (a UDF, mapInArrow): correct it there, and "
            "try frame.count() alone",
        )
    lost = next((words for words in _LOST if words in text), None)
    if lost is not None:
        return InputError(
            f"a worker of Spark died over {name} as often as Spark tries again, and nothing was summed: {lost}",
            remedy="see the log of the executors; most often their memory is too small",
        )
    for mark, (meaning, remedy) in _KNOWN.items():
        if mark in text:
            said = "" if "[INTERNAL_ERROR]" in first else f" ({first.rstrip('.')})"
            return InputError(f"{name} could not be read: {meaning}{said}", remedy=remedy)
    return InputError(
        f"{name} could not be read by Spark: {first}", remedy="check that its files are whole and the session runs"
    )


def _types(text: str) -> str:
    """Which column and types Spark names, in brackets; nothing where it names none."""
    found = re.search(r"Expected Spark type (\S+), actual Parquet type (\S+?)\.?(?:\s|$)", text)
    column = re.search(r"[Cc]olumn:? \[?([^\],]+)\]?", text)
    if found is None:
        return ""
    where = f"{column[1].strip('`')}: " if column else ""
    return f" ({where}{found[1]} is asked for, {found[2]} is stored)"


def _of_worker(text: str) -> str | None:
    """The last line of the traceback of a worker's Python, which says what went wrong; None where there is none."""
    *before, last = text.split("Traceback (most recent call last):")
    if not before:
        return None
    # The lines of a traceback are indented but for the exception, whose message may have several lines.
    found = re.search(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:: .*)?$", last, re.MULTILINE)
    return None if found is None else found[0].strip()
