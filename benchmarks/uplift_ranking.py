"""Qini with an interval from 1,000 replicates, and a coupon plan under a budget, beside other ways to the same.

Run ``python benchmarks/uplift_ranking.py [--users 1000000] [--replicates 1000] [--peer-python PATH]``. What counts is
processor time of one process on one thread, least of `--repeat` runs, after a first use on few users. `PATH` is a
Python that has causalml and scikit-uplift; what it lacks is left out and said so. Contenders without replicates of
their own are given a bootstrap around their Qini: `--peer-replicates` of them are timed and the time is multiplied,
which is said. The plan is compared with scipy's HiGHS on as many users as it can take.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

Trial = tuple[Any, Any, Any]


def make(users: int) -> Trial:
    """A score, an outcome of which nine in ten are zero, and a coin."""
    import numpy as np

    rng = np.random.default_rng(1)
    score, arm = rng.standard_normal(users), rng.integers(0, 2, users)
    y = np.where(rng.random(users) < 0.1, rng.lognormal(3, 1, users), 0.0) + 0.1 * arm * score
    return score, y, arm


def ours(trial: Trial, replicates: int, intervals: str) -> tuple[float, float]:
    """Qini and its standard error."""
    from gmvcausal.targeting.evaluate import evaluate

    score, y, arm = trial
    qini = evaluate(score, y, arm, [0.5, 0.5], intervals=intervals, draws=max(replicates, 99)).qini
    return qini.estimate, qini.std_error


def naive(trial: Trial, replicates: int) -> tuple[float, float]:
    """Plain numpy: one sort, then Poisson weights, sums along the ranking and the area for each replicate."""
    import numpy as np

    score, y, arm = trial
    order = np.argsort(-score)
    y, arm = y[order], arm[order]
    rng = np.random.default_rng(0)
    found = []
    for _ in range(replicates):
        w = rng.poisson(1.0, len(y))
        n1, n0 = np.cumsum(w * arm), np.cumsum(w * (1 - arm))
        gap = np.cumsum(w * arm * y) / np.maximum(n1, 1) - np.cumsum(w * (1 - arm) * y) / np.maximum(n0, 1)
        share = (n1 + n0) / (n1[-1] + n0[-1])
        found.append(float((share * gap * w).sum() / w.sum() - gap[-1] / 2))
    return float(np.mean(found)), float(np.std(found))


def causalml(trial: Trial, replicates: int) -> tuple[float, float]:
    """causalml's qini_score in samples drawn with replacement."""
    import numpy as np
    import pandas as pd
    from causalml.metrics import qini_score

    frame = pd.DataFrame({"score": trial[0], "y": trial[1], "w": trial[2]})
    rng, found = np.random.default_rng(0), []
    for _ in range(replicates):
        rows = rng.integers(0, len(frame), len(frame))
        found.append(float(qini_score(frame.iloc[rows], outcome_col="y", treatment_col="w").iloc[0]))
    return float(np.mean(found)), float(np.std(found))


def scikit_uplift(trial: Trial, replicates: int) -> tuple[float, float]:
    """scikit-uplift's qini_auc_score (binary outcomes alone: a purchase) in samples drawn with replacement."""
    import numpy as np
    from sklift.metrics import qini_auc_score

    score, y, arm = trial
    bought = (y > 1).astype(int)
    rng, found = np.random.default_rng(0), []
    for _ in range(replicates):
        rows = rng.integers(0, len(y), len(y))
        found.append(float(qini_auc_score(bought[rows], score[rows], arm[rows])))
    return float(np.mean(found)), float(np.std(found))


CONTENDERS: dict[str, Callable[[Trial, int], tuple[float, float]]] = {
    "multiplier": lambda t, r: ours(t, r, "multiplier"),
    "poisson": lambda t, r: ours(t, r, "poisson"),
    "naive": naive,
    "causalml": causalml,
    "scikit_uplift": scikit_uplift,
}


def measure(name: str, users: int, replicates: int) -> dict[str, float]:
    """Run one contender in this process."""
    trial = make(users)
    CONTENDERS[name](make(2_000), 2)
    before = time.process_time()
    estimate, error = CONTENDERS[name](trial, replicates)
    return {"seconds": time.process_time() - before, "estimate": estimate, "error": error}


def plan(users: int, arms: int) -> None:
    """Allocation of coupons, and scipy's linear programme on a hundredth of the users."""
    import numpy as np
    import scipy.sparse as sp
    from scipy.optimize import linprog

    from gmvcausal.targeting.policy.knapsack import allocate

    def world(n: int) -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        cost = np.linspace(5, 30, arms) * rng.uniform(0.1, 0.5, (n, 1))
        return rng.exponential(4, (n, 1)) * np.sqrt(cost) * rng.uniform(0.5, 1.5, (n, arms)) - cost, cost

    for n in (users, users // 100):
        value, cost = world(n)
        before = time.process_time()
        found = allocate(value, cost, 1.5 * n)
        print(f"plan of {n:,} x {arms}: {time.process_time() - before:.2f} CPU s, gap to the bound {found.gap:.2e}")
    rows = sp.vstack([sp.csr_matrix(cost.ravel()), sp.kron(sp.eye(n), np.ones((1, arms)))]).tocsr()
    before = time.process_time()
    solved = linprog(-value.ravel(), A_ub=rows, b_ub=np.r_[1.5 * n, np.ones(n)], bounds=(0, 1), method="highs")
    seconds = time.process_time() - before
    print(f"scipy HiGHS on {n:,}: {seconds:.2f} CPU s; its bound / ours - 1 = {-solved.fun / found.bound - 1:.1e}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--arms", type=int, default=5)
    parser.add_argument("--replicates", type=int, default=1_000)
    parser.add_argument("--peer-replicates", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, users, replicates = options.one
        print(json.dumps(measure(name, int(users), int(replicates))))
        return
    print(f"Qini of {options.users:,} users with {options.replicates:,} replicates; least of {options.repeat}")
    for name in CONTENDERS:
        own = name in ("multiplier", "poisson")
        python = options.peer_python if name in ("causalml", "scikit_uplift") else sys.executable
        asked = options.replicates if own else options.peer_replicates
        rows = []
        for _ in range(options.repeat if own else 1):
            command = [python, __file__, "--one", name, str(options.users), str(asked)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"{name} is left out: {done.stderr.strip().splitlines()[-1]}")
                break
            rows.append(json.loads(done.stdout.splitlines()[-1]))
        if rows:
            seconds = min(r["seconds"] for r in rows) * options.replicates / asked
            how = "" if own else f" ({asked} replicates timed)"
            print(f"{name:14}{seconds:9.2f} CPU s   {rows[0]['estimate']:.5g} ({rows[0]['error']:.2g}){how}")
    plan(options.users, options.arms)


if __name__ == "__main__":
    main()
