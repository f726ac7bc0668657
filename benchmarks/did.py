"""Callaway-Sant'Anna at a million units, beside one numpy pass and beside diff-diff, each in its own process.

Run ``python benchmarks/did.py [--units 1000000] [--periods 12] [--peer-python PATH]``. `PATH` is a Python that has
diff-diff (default: this one; without the package its rows are left out and said so). Seconds are of the call alone,
least of `--repeat` runs in one process; memory is the peak of the process above the loaded frame.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

ALPHA_DRAWS = 999
COVARIATES = ["x1", "x2", "x3", "x4", "x5"]


def make(units: int, periods: int, shuffled: bool) -> pd.DataFrame:
    """Zero-inflated GMV, four cohorts and never treated, effects that grow."""
    rng = np.random.default_rng(1)
    starts = np.array([0, *np.linspace(periods // 3, periods - 2, 4).astype(int)])
    first = rng.choice(starts, units, p=[0.4, 0.15, 0.15, 0.15, 0.15])
    time_ = np.arange(1, periods + 1)
    on = (first[:, None] > 0) & (time_ >= first[:, None])
    y = rng.normal(20, 5, (units, 1)) + 0.3 * time_ + rng.normal(0, 8, (units, periods))
    y = np.where(rng.random((units, periods)) < 0.4, 0.0, np.maximum(y, 0)) + on * (1 + 0.1 * (time_ - first[:, None]))
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(units), periods),
            "period": np.tile(time_, units),
            "gmv": y.ravel(),
            "first_treated": np.repeat(first, periods),
        }
    )
    return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True) if shuffled else frame


def given(frame: pd.DataFrame) -> pd.DataFrame:
    """Five covariates per unit that move the chance of treatment a little."""
    rng = np.random.default_rng(2)
    first = frame.groupby("unit")["first_treated"].first().to_numpy()
    x = {f"x{k}": rng.normal(0.2 * (first > 0), 1.0)[frame["unit"].to_numpy()] for k in range(1, 6)}
    return frame.assign(**x)


def one_pass(frame: pd.DataFrame) -> None:
    """The floor: form the unit x period matrix and the within-cohort covariances, nothing else."""
    unit, period, y, first = (frame[c].to_numpy() for c in ("unit", "period", "gmv", "first_treated"))
    n, t = int(unit.max()) + 1, int(period.max())
    matrix = np.empty((n, t))
    matrix[unit, period - 1] = y
    cohort = np.empty(n, dtype=first.dtype)
    cohort[unit] = first
    for g in np.unique(cohort):
        block = matrix[cohort == g]
        block = block - block.mean(axis=0)
        block.T @ block


def ours(frame: pd.DataFrame) -> None:
    """Estimate, standard errors, event study and ATT(g, t) with simultaneous bands."""
    import gmvcausal as gc

    result = gc.did(frame)
    result.event_study()
    result.att_gt()


def ours_audited(frame: pd.DataFrame) -> None:
    """The same with the whole audit."""
    import gmvcausal as gc

    result = gc.did(frame)
    result.event_study()
    result.att_gt()
    _ = result.audit


def family(frame: pd.DataFrame) -> None:
    """Every estimator that goes by the cohorts' moments, with all tables, over a panel read once (reading included)."""
    import gmvcausal as gc

    every_estimator(gc.did(frame))


def every_estimator(read: Any) -> None:
    """Fits, event studies and tables of the whole family, and the decomposition, from the panel of one result."""
    from dataclasses import replace

    from gmvcausal.rollout.methods import METHODS
    from gmvcausal.rollout.regression.bacon import decompose

    panel = replace(read.panel)  # without the moments that were made with the result
    for name in ("callaway_santanna", "twfe", "sun_abraham", "imputation", "two_stage", "etwfe"):
        fitted = METHODS[name].run(panel, replace(read.options, estimator=name))
        fitted.event()
        for table in fitted.series.values():
            table()
    decompose(panel)


def ours_twfe(frame: pd.DataFrame) -> None:
    """The two-way coefficient with its leads and lags."""
    import gmvcausal as gc

    gc.did(frame, estimator="twfe").event_study()


def pyfixest_twfe(frame: pd.DataFrame) -> None:
    """The same leads and lags in pyfixest, clustered by unit; the column of event time is made outside the clock."""
    import pyfixest

    pyfixest.feols("gmv ~ i(event, ref=-1) | unit + period", data=frame, vcov={"CRV1": "unit"})


def diff_diff(frame: pd.DataFrame, draws: int = 0) -> None:
    """diff-diff's estimator with its aggregations."""
    from diff_diff import CallawaySantAnna

    model = CallawaySantAnna(control_group="never_treated", n_bootstrap=draws, seed=1)
    model.fit(frame, outcome="gmv", unit="unit", time="period", first_treat="first_treated", aggregate="event_study")


def diff_diff_draws(frame: pd.DataFrame) -> None:
    """diff-diff with 999 bootstrap draws."""
    diff_diff(frame, ALPHA_DRAWS)


def ours_covariates(frame: pd.DataFrame) -> None:
    """Doubly robust with five covariates, event study and ATT(g, t) with bands."""
    import gmvcausal as gc

    result = gc.did(frame, covariates=COVARIATES)
    result.event_study()
    result.att_gt()


def diff_diff_covariates(frame: pd.DataFrame) -> None:
    """diff-diff's doubly robust estimator with five covariates and its event study."""
    from diff_diff import CallawaySantAnna

    model = CallawaySantAnna(control_group="never_treated", estimation_method="dr")
    columns = {"outcome": "gmv", "unit": "unit", "time": "period", "first_treat": "first_treated"}
    model.fit(frame, **columns, covariates=COVARIATES, aggregate="event_study")


CONTENDERS: dict[str, Callable[[pd.DataFrame], Any]] = {
    f.__name__: f
    for f in (
        one_pass,
        ours,
        ours_audited,
        family,
        ours_twfe,
        pyfixest_twfe,
        diff_diff,
        diff_diff_draws,
        ours_covariates,
        diff_diff_covariates,
    )
}


def measure(name: str, units: int, periods: int, shuffled: bool, repeat: int) -> dict[str, float]:
    """Time one contender in this process."""
    few = make(1000, periods, shuffled)
    frame = make(units, periods, shuffled)
    if name.endswith("covariates"):
        few, frame = given(few), given(frame)
    if name == "pyfixest_twfe":
        few, frame = (
            f.assign(event=np.where(f["first_treated"] > 0, f["period"] - f["first_treated"], -1)) for f in (few, frame)
        )
    work = CONTENDERS.get(name, every_estimator)
    if name == "family_read":
        import gmvcausal as gc

        few, frame = gc.did(few), gc.did(frame)
    work(few)  # imports, first use
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open("/proc/self/status") as status:
        loaded = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    seconds, cpu = [], []
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")  # reset the peak, so that making the frame does not count
    for _ in range(repeat):
        start, before = time.perf_counter(), time.process_time()
        work(frame)
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - before)
    with open("/proc/self/status") as status:
        top = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return {"seconds": min(seconds), "cpu": min(cpu), "mb": (top - loaded) / 1024}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--periods", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--draws", action="store_true", help="also diff-diff with 999 draws (minutes)")
    parser.add_argument("--covariates", action="store_true", help="only the rows with five covariates")
    parser.add_argument("--twoway", action="store_true", help="only the two-way event study, beside pyfixest")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "ORDER"), help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.one:
        print(json.dumps(measure(a.one[0], a.units, a.periods, a.one[1] == "shuffled", a.repeat)))
        return
    names = ["one_pass", "ours", "ours_audited", "family", "family_read"]
    if a.covariates:
        names = ["ours_covariates"]
    elif a.twoway:
        names = ["ours_twfe", "pyfixest_twfe"]
    if a.twoway:
        pass
    elif a.peer_python != sys.executable or importlib.util.find_spec("diff_diff"):
        peers = ["diff_diff_covariates"] if a.covariates else ["diff_diff"]
        names += peers + (["diff_diff_draws"] if a.draws and not a.covariates else [])
    else:
        print("diff-diff is not installed here: its rows are left out")
    print(
        f"{a.units:,} units x {a.periods} periods\n"
        f"{'':32}{'seconds':>10}{'CPU s':>10}{'MB above':>10}{'CPU x first':>12}"
    )
    for order in ("sorted", "shuffled"):
        found = {}
        for name in names:
            python = a.peer_python if name.startswith(("diff", "pyfixest")) else sys.executable
            repeat = 1 if name in ("diff_diff_draws", "pyfixest_twfe") else a.repeat
            command = [
                python,
                __file__,
                "--one",
                name,
                order,
                "--units",
                a.units,
                "--periods",
                a.periods,
                "--repeat",
                repeat,
            ]
            out = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True)
            found[name] = json.loads(out.stdout.splitlines()[-1])
        for name, row in found.items():
            ratio = row["cpu"] / found[names[0]]["cpu"]
            print(f"{order + ' ' + name:32}{row['seconds']:10.2f}{row['cpu']:10.2f}{row['mb']:10.0f}{ratio:12.2f}")


if __name__ == "__main__":
    main()
