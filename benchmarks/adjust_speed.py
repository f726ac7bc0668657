"""How long does AIPW take on many rows, and how much memory, beside econml's LinearDML with the same LightGBM?

Run ``python benchmarks/adjust_speed.py [--rows 1000000] [--econml PATH] [--only ours econml fewer]``. All get the same
20 covariates of users whose treatment depends on them, five folds, one thread. What counts is processor time of the
call; memory is the peak of the process above what it held before. Each runs in a process of its own, after a first use
on few rows. econml has the covariates as an array of doubles and gives one number; this library has them as a pandas
frame, and its call is all of `gc.adjust`: reading, lines beside the trees, effect, audit, the plain comparison.

Trees, all of 15 leaves with the same penalty and least rows:

- ``ours``: 100 of rate .1 for the outcome, above a line; 30 of rate .13 for treatment, above a line, which is why so
  few do; 30 small ones of 75,000 to 150,000 rows for what the treatment adds, which econml does not learn.
- ``econml``: 100 of rate .1 for the outcome, and 100 for treatment, which have no line to start from.
- ``fewer``: econml with 30 of rate .13 for treatment, as many as ours, whatever that does to its chances.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

FIRST, EFFECT = 2_000, 2.0


def draw(rows: int, seed: int) -> tuple[Any, Any, Any]:
    """Covariates, treatment, outcome: selection and level along the same bent directions, an effect of 2."""
    import numpy as np

    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 20))
    lean = 0.5 * x[:, 0] - 0.5 * x[:, 1] + 0.3 * np.abs(x[:, 2])
    got = rng.random(rows) < 1 / (1 + np.exp(-lean))
    y = 2 * x[:, 0] + np.abs(x[:, 2]) + x[:, 3] * x[:, 4] + EFFECT * got + rng.standard_normal(rows)
    return x, got.astype(int), y


def ours(x: Any, got: Any, y: Any) -> Callable[[], tuple[float, float]]:
    """`gc.adjust`, AIPW."""
    import pandas as pd

    import gmvcausal as gc

    names = [f"x{j}" for j in range(x.shape[1])]
    frame = pd.DataFrame(x, columns=names, copy=False)
    frame["coupon"], frame["gmv"] = got, y

    def run() -> tuple[float, float]:
        r = gc.adjust(frame, treatment="coupon", covariates=names)
        return r.estimate, r.std_error

    return run


def econml(x: Any, got: Any, y: Any, **treated: Any) -> Callable[[], tuple[float, float]]:
    """econml's LinearDML, cross-fitted over as many folds; `treated` is what trees for treatment have of their own."""
    import lightgbm as lgb
    from econml.dml import LinearDML

    how = {
        "n_estimators": 100, "num_leaves": 15, "learning_rate": 0.1, "reg_lambda": 1.0, "n_jobs": 1, "verbosity": -1,
        "min_child_samples": max(20, min(len(y) // 200, 200)),
    }  # fmt: skip

    def run() -> tuple[float, float]:
        model = LinearDML(
            model_y=lgb.LGBMRegressor(**how), model_t=lgb.LGBMClassifier(**(how | treated)), discrete_treatment=True,
            cv=5, random_state=0,
        )  # fmt: skip
        model.fit(y, got, X=None, W=x)
        found = model.ate_inference()
        return float(found.mean_point), float(found.stderr_mean)

    return run


def fewer(x: Any, got: Any, y: Any) -> Callable[[], tuple[float, float]]:
    """econml with as many trees for treatment as this library takes above a line."""
    return econml(x, got, y, n_estimators=30, learning_rate=0.13)


SIDES: dict[str, Callable[..., Any]] = {"ours": ours, "econml": econml, "fewer": fewer}


def resident(key: str) -> float:
    """Megabytes that the process holds (VmRSS) or has held at most (VmHWM)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key)) / 1024


def measure(side: str, rows: int) -> dict[str, Any]:
    """Seconds, megabytes and the answer."""
    warnings.simplefilter("ignore")  # the peer's own warnings are not what is measured
    SIDES[side](*draw(FIRST, 1))()
    run = SIDES[side](*draw(rows, 0))
    before = resident("VmRSS")
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")  # reset the peak, so that drawing the data does not count
    began = time.process_time()
    estimate, error = run()
    seconds = time.process_time() - began
    return {
        "seconds": seconds, "mb": resident("VmHWM") - before, "data": before, "estimate": estimate, "error": error,
    }  # fmt: skip


def main() -> None:
    """Run each in a process of its own and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--econml", default=sys.executable)
    parser.add_argument("--only", nargs="+", default=list(SIDES))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one, args.rows)))
        return
    found = {}
    for side in args.only:
        python = sys.executable if side == "ours" else args.econml
        call = [python, __file__, "--rows", str(args.rows), "--one", side]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{side} is left out: {done.stderr[-2000:]}", file=sys.stderr)
            continue
        found[side] = r = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{side:8} {r['seconds']:8.1f} s CPU  {r['mb']:8.0f} MB added to {r['data']:.0f}  effect "
            f"{r['estimate']:.4f} ({r['error']:.4f}), truth {EFFECT:g}",
            flush=True,
        )
    for side in ("econml", "fewer") if "ours" in found else ():
        if side in found:
            a, b = found["ours"], found[side]
            print(f"{side} / ours: {b['seconds'] / a['seconds']:.2f} times the seconds; ours / {side}: "
                  f"{a['mb'] / b['mb']:.2f} of the memory")  # fmt: skip


if __name__ == "__main__":
    main()
