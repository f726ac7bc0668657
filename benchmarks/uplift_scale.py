"""How fast and in how much memory are users learned from, scored and evaluated who do not fit into memory?

Run ``python benchmarks/uplift_scale.py [--rows 1000000 20000000] [--sample 100000] [--folds 5] [--only learn score
evaluate policy] [--folder FOLDER]``. Users of 10 features, half of them treated by lot, seven in ten of whom buy
nothing, are written to parquet files by DuckDB. Then, each in a process of its own: `gc.uplift(files, sample=)`, whose
average effects count every row (of 5,000,000 at most); `m.score(files)`; `m.evaluate(files)` with its summary, deciles
and calibration; `m.policy(files, budget=)`. Seconds are of processor time, all threads together; memory is the peak of
the process, Python and libraries included. The folder is removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

FEATURES = [f"x{j}" for j in range(10)]
FILE_ROWS = 5_000_000
MOST = 5_000_000  # rows of the table that is learned from


def write(folder: Path, name: str, rows: int, first: int) -> str:
    """Users with ids from `first` on, as a pattern of parquet files."""
    import duckdb

    numbers = ", ".join(f"hash(i + {7919 * (j + 1)}) / 18446744073709551616.0 AS x{j}" for j in range(10))
    (folder / name).mkdir(parents=True)
    with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
        for part, at in enumerate(range(0, rows, FILE_ROWS)):
            last = min(at + FILE_ROWS, rows)
            connection.execute(f"""
                COPY (
                    SELECT i AS user_id, {numbers}, (hash(i + 17) % 2)::INT AS coupon,
                        CASE WHEN hash(i + 29) % 10 < 3 THEN
                            round(exp(2 + x0 + 0.5 * coupon * x1) * (0.5 + hash(i + 31) / 18446744073709551616.0), 2)
                        ELSE 0 END AS gmv
                    FROM range({first + at}, {first + last}) t(i)
                ) TO '{folder / name / f"{part:03d}.parquet"}' (FORMAT parquet)
            """)
    return str(folder / name / "*.parquet")


def learn(files: str, test: str, folder: Path, sample: int, folds: int) -> None:
    """Train on a sample and save the model."""
    import gmvcausal as gc

    options = {"treatment": "coupon", "features": FEATURES, "propensity": 0.5, "cost": 0.5, "margin": 0.4}
    m = gc.uplift(files, sample=sample, folds=folds, **options)
    m.save(folder / "model.uplift")
    m.summary()


def score(files: str, test: str, folder: Path, sample: int, folds: int) -> None:
    """Write effects of all users."""
    import gmvcausal as gc

    gc.load_uplift(folder / "model.uplift").score(test, folder / "scores.parquet", keep=["user_id"], overwrite=True)


def evaluate(files: str, test: str, folder: Path, sample: int, folds: int) -> None:
    """Ranking metrics of other users."""
    import gmvcausal as gc

    e = gc.load_uplift(folder / "model.uplift").evaluate(test)
    e.summary()
    e.deciles()
    e.calibration()


def policy(files: str, test: str, folder: Path, sample: int, folds: int) -> None:
    """A plan under a budget."""
    import duckdb

    import gmvcausal as gc

    rows = duckdb.sql(f"SELECT count(*) FROM '{test}'").fetchall()[0][0]
    gc.load_uplift(folder / "model.uplift").policy(test, budget=0.1 * rows)


STEPS = {"learn": learn, "score": score, "evaluate": evaluate, "policy": policy}


def measured(step: str, files: str, test: str, folder: Path, sample: int, folds: int) -> dict[str, float]:
    """Run one step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, files, test, str(folder), str(sample), str(folds)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    """Measure and print, a line a step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 20_000_000])
    parser.add_argument("--sample", type=int, default=100_000)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--only", nargs="+", default=list(STEPS))
    parser.add_argument("--step", nargs=6)
    asked = parser.parse_args()
    if asked.step:
        step, files, test, folder, sample, folds = asked.step
        began, cpu = time.perf_counter(), time.process_time()
        STEPS[step](files, test, Path(folder), int(sample), int(folds))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu, "peak": peak}))
        return
    for rows in asked.rows:
        with tempfile.TemporaryDirectory(dir=asked.folder) as name:
            folder = Path(name)
            files, test = write(folder, "train", min(rows, MOST), 0), write(folder, "test", rows, 10**12)
            for step in asked.only if "learn" in asked.only else ["learn", *asked.only]:
                m = measured(step, files, test, folder, asked.sample, asked.folds)
                of = min(rows, MOST) if step == "learn" else rows
                print(
                    f"{of:>12,} rows  {step:<9}{m['wall']:8.1f} s  {m['cpu']:8.1f} s of processor  "
                    f"{m['cpu'] / of * 1e6:7.2f} us a row  {m['peak']:8,.0f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
