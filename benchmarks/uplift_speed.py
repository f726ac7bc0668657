"""How long does a DR-learner take, and how much memory, beside econml's with the same LightGBM?

Run ``python benchmarks/uplift_speed.py [--rows 200000] [--world gaussian] [--econml PATH] [--only ours econml]``. Both
get the same 20 features of users randomised 50/50, five folds, the outcome and effect trees of this library, one
thread, and are told that chances are one half. What counts is processor time of the fit; memory is the peak of the
process above what it held before, data and libraries included. Each runs in a process of its own, after a first use on
few rows. econml has the features as an array of doubles, and does no audit and no out-of-fold effects; this library
has them as a pandas frame, and its call is all of `gc.uplift`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

FIRST = 2_000


def ours(x: Any, arm: Any, y: Any, how: Any) -> Any:
    """`gc.uplift`, which is more than the learner: averages, audit, out-of-fold effects."""
    import pandas as pd

    import gmvcausal as gc

    names = [f"x{j}" for j in range(x.shape[1])]
    frame = pd.DataFrame(x, columns=names, copy=False)
    frame["coupon"], frame["gmv"] = arm, y

    def run() -> Any:
        m = gc.uplift(frame, treatment="coupon", features=names, propensity=0.5, learner="dr")
        return lambda some: m.predict(pd.DataFrame(some, columns=names))[:, 0]

    return run


def econml(x: Any, arm: Any, y: Any, how: Any) -> Any:
    """econml's DRLearner, cross-fitted over as many folds with the same trees."""
    import lightgbm as lgb
    from econml.dr import DRLearner
    from sklearn.dummy import DummyClassifier

    def run() -> Any:
        model = DRLearner(
            model_propensity=DummyClassifier(), model_regression=lgb.LGBMRegressor(**how[0]),
            model_final=lgb.LGBMRegressor(**how[1]), cv=5, random_state=0,
        )  # fmt: skip
        model.fit(y, arm, X=x)
        return lambda some: model.effect(some).ravel()

    return run


SIDES: dict[str, Callable[..., Any]] = {"ours": ours, "econml": econml}


def resident(key: str) -> float:
    """Megabytes that the process holds (VmRSS) or has held at most (VmHWM)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key)) / 1024


def measure(side: str, world: str, rows: int, how: Any) -> dict[str, Any]:
    """Seconds, megabytes and how far the effects lie from the truth."""
    import numpy as np
    from uplift_quality import draw

    warnings.simplefilter("ignore")  # the peer's own warnings are not what is measured
    small = draw(world, FIRST, np.random.default_rng(1))
    SIDES[side](small[0], small[1].astype(int), small[2], how)()(small[0])
    x, arm, y, _ = draw(world, rows, np.random.default_rng(0))
    fresh, _, _, tau = draw(world, 20_000, np.random.default_rng(2))
    run = SIDES[side](np.ascontiguousarray(x), arm.astype(int), y, how)
    del x, arm, y
    before = resident("VmRSS")
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")  # reset the peak, so that drawing the data does not count
    began, used = time.process_time(), resource.getrusage(resource.RUSAGE_SELF)
    predict = run()
    seconds = time.process_time() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "side": side, "seconds": seconds, "system": after.ru_stime - used.ru_stime, "mb": resident("VmHWM") - before,
        "data": before, "pehe": float(np.sqrt(np.mean((predict(fresh) - tau) ** 2))),
    }  # fmt: skip


def main() -> None:
    """Run each in a process of its own and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--world", default="gaussian")
    parser.add_argument("--econml", default=sys.executable)
    parser.add_argument("--only", nargs="+", default=list(SIDES))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one[0], args.world, args.rows, json.loads(args.one[1]))))
        return
    from uplift_quality import settings

    how = json.dumps([settings(args.rows, False), settings(args.rows, True)])
    found = {}
    for side in args.only:
        python = args.econml if side == "econml" else sys.executable
        call = [python, __file__, "--rows", str(args.rows), "--world", args.world, "--one", side, how]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{side} is left out: {done.stderr[-2000:]}", file=sys.stderr)
            continue
        found[side] = r = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{side:8} {r['seconds']:8.1f} s CPU (of the system {r['system']:.1f})  {r['mb']:8.0f} MB added to "
            f"{r['data']:.0f}  PEHE {r['pehe']:.3f}",
            flush=True,
        )
    if len(found) == 2:
        a, b = found["ours"], found["econml"]
        print(f"ours / econml: {a['seconds'] / b['seconds']:.2f} of the seconds, {a['mb'] / b['mb']:.2f} of the memory")


if __name__ == "__main__":
    main()
