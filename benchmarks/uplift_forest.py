"""How long does a causal forest take, and how much memory, beside econml's with the same LightGBM nuisances?

Run ``python benchmarks/uplift_forest.py [--rows 20000] [--trees 500] [--world gaussian] [--econml PATH]``. Both get the
same 20 features of users randomised 50/50, five folds, this library's trees of the outcome, as few rows in a leaf, one
thread, and are told that chances are one half. What counts is processor time; memory is the peak of the process above
what it held before, data and libraries included. Each run is in a process of its own, after a first use on few rows.
Ours has 500 trees. Time of econml's grows in a line with its trees, so that where 500 take too long two smaller numbers
do (``--trees 8 24``): what it would take for 500 is then said to be extrapolated. econml has the features as an array
of doubles, and does no audit and no out-of-bag effects; our call is all of `gc.uplift` on a pandas frame.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from uplift_quality import settings
from uplift_speed import FIRST, resident

FULL, FRESH, SINGLE = 500, 20_000, 2_000


def ours(x: Any, arm: Any, y: Any, trees: int) -> Any:
    """`gc.uplift`, which is more than the forest: averages, audit, out-of-bag effects."""
    import pandas as pd

    import gmvcausal as gc

    names = [f"x{j}" for j in range(x.shape[1])]
    frame = pd.DataFrame(x, columns=names, copy=False)
    frame["coupon"], frame["gmv"] = arm, y

    def run() -> Any:
        m = gc.uplift(frame, treatment="coupon", features=names, propensity=0.5, learner="causal_forest")
        return (
            lambda some: m.predict(pd.DataFrame(some, columns=names))[:, 0],
            lambda some: m.predict_interval(pd.DataFrame(some, columns=names))[:, 0],
        )

    return run


def econml(x: Any, arm: Any, y: Any, trees: int) -> Any:
    """econml's CausalForestDML, cross-fitted over as many folds with the same trees of the outcome."""
    import lightgbm as lgb
    import numpy as np
    from econml.dml import CausalForestDML
    from sklearn.dummy import DummyClassifier

    from gmvcausal.targeting.learners.forest import least

    def run() -> Any:
        model = CausalForestDML(
            model_y=lgb.LGBMRegressor(**settings(len(y), False)), model_t=DummyClassifier(), discrete_treatment=True,
            cv=5, n_estimators=trees, min_samples_leaf=least(len(y)), max_samples=0.45, n_jobs=1, random_state=0,
        )  # fmt: skip
        model.fit(y, arm, X=x)
        return (
            lambda some: model.effect(some).ravel(),
            lambda some: np.column_stack([end.ravel() for end in model.effect_interval(some, alpha=0.05)]),
        )

    return run


SIDES: dict[str, Callable[..., Any]] = {"ours": ours, "econml": econml}


def measure(side: str, trees: int, world: str, rows: int) -> dict[str, Any]:
    """Seconds, megabytes and how far the effects lie from the truth."""
    import numpy as np
    from uplift_quality import draw

    warnings.simplefilter("ignore")  # the peer's own warnings are not what is measured
    small = draw(world, FIRST, np.random.default_rng(1))
    SIDES[side](small[0], small[1].astype(int), small[2], 8)()
    x, arm, y, _ = draw(world, rows, np.random.default_rng(0))
    fresh, _, _, tau = draw(world, FRESH, np.random.default_rng(2))
    run = SIDES[side](np.ascontiguousarray(x), arm.astype(int), y, trees)
    del x, arm, y
    before = resident("VmRSS")
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")  # reset the peak, so that drawing the data does not count
    clock = [time.process_time()]
    effects, limits = run()
    clock.append(time.process_time())
    mb = resident("VmHWM") - before
    said = effects(fresh)
    clock.append(time.process_time())
    ends = limits(fresh[:SINGLE])
    clock.append(time.process_time())
    fit, predict, single = np.diff(clock).tolist()
    held = (ends[:, 0] <= tau[:SINGLE]) & (tau[:SINGLE] <= ends[:, 1])
    return {
        "fit": fit, "predict": predict, "single": single, "mb": mb, "pehe": float(np.sqrt(np.mean((said - tau) ** 2))),
        "held": float(held.mean()),
    }  # fmt: skip


def main() -> None:
    """Run each in a process of its own and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--trees", type=int, nargs="+", default=[FULL], help="of econml's, multiples of 4")
    parser.add_argument("--world", default="gaussian")
    parser.add_argument("--econml", default=sys.executable)
    parser.add_argument("--only", nargs="+", default=list(SIDES))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one[0], int(args.one[1]), args.world, args.rows)))
        return
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for side in args.only:
        python = args.econml if side == "econml" else sys.executable
        for trees in args.trees if side == "econml" else [FULL]:
            call = [python, __file__, "--rows", str(args.rows), "--world", args.world, "--one", side, str(trees)]
            done = subprocess.run(call, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{side} is left out: {done.stderr[-2000:]}", file=sys.stderr)
                continue
            r = json.loads(done.stdout.splitlines()[-1])
            found.setdefault(side, {})[trees] = r
            print(
                f"{side:8} {trees:4} trees: fit {r['fit']:8.1f} s CPU  {r['mb']:6.0f} MB added  {FRESH:,} effects "
                f"{r['predict']:.1f} s  {SINGLE:,} intervals {r['single']:.1f} s, {r['held']:.1%} hold the truth  PEHE "
                f"{r['pehe']:.3f}",
                flush=True,
            )
    if len(found) == 2:
        own, theirs = found["ours"][FULL]["fit"], found["econml"]
        few, many = min(theirs), max(theirs)
        slope = (theirs[many]["fit"] - theirs[few]["fit"]) / (many - few) if many > few else 0.0
        whole = theirs[many]["fit"] + slope * (FULL - many)
        how = "extrapolated" if many > few else f"{many} trees"
        print(f"ours / econml ({how}, {whole:.0f} s): {own / whole:.3f} of the seconds")


if __name__ == "__main__":
    main()
