"""memory_limit= is kept: what a verb adds to the process stays below it, and the numbers stay what they are."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

LIMIT = 256  # MB
CODE = """
import json, sys
import gmvcausal as gc

def peak():  # KiB; ru_maxrss would begin with what the process held that started this one
    with open("/proc/self/status") as told:
        return next(int(line.split()[1]) for line in told if line.startswith("VmHWM"))

def call(path, limit):
    r = gc.ab_test(path, metrics=[gc.Mean("gmv")], control=0, unit="user", memory_limit=limit)
    return [r.estimate, r.std_error]

small, large, limit = sys.argv[1], sys.argv[2], sys.argv[3] or None
call(small, limit)  # what is imported and set up is not of the data
before = peak()
numbers = call(large, limit)
print(json.dumps([numbers, (peak() - before) / 1024]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is told by Linux only")
def test_a_test_of_millions_of_rows_stays_within_its_limit(tmp_path: Path) -> None:
    gmv = "((hash(range + 3) % 10000) / 100.0)::DOUBLE"
    for name, rows in (("small", 2_000), ("large", 24_000_000)):
        text = f"SELECT range AS user, (range % 2)::INT AS arm, {gmv} AS gmv FROM range({rows})"
        duckdb.connect().sql(text).write_parquet(str(tmp_path / f"{name}.parquet"))
    found = {}
    for limit in ("", f"{LIMIT}MB"):
        given = [str(tmp_path / "small.parquet"), str(tmp_path / "large.parquet"), limit]
        done = subprocess.run([sys.executable, "-c", CODE, *given], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found[limit] = json.loads(done.stdout)
    (free, taken), (bound, kept) = found.values()
    assert bound == pytest.approx(free, rel=1e-9)
    assert kept < LIMIT < taken
