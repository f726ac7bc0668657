"""How near do learners come to effects that are known, and what is the policy they lead to worth?

Run ``python benchmarks/uplift_quality.py [--rows 20000] [--seeds 0 1 2]``. Five worlds with 20 features, randomised
50/50: lognormal, gamma and Tweedie amounts with many zeros, a mixture with 1 % whales, and a plain Gaussian. Learners
are judged on a fresh test set by PEHE, the root mean squared error of the individual effects, and by the net value per
user of the policy "treat where margin x effect > cost", with the true effects. The cost is such that treating
everybody breaks even. ``--econml PATH`` and ``--causalml PATH`` name a Python that has them (default: this one; what is
not installed is left out and said so). The peers have the same LightGBM as this library's own stages.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FEATURES = [f"x{j}" for j in range(20)]
WORLDS = ("lognormal", "gamma", "tweedie", "whales", "gaussian")
OURS = ("auto", "hurdle", "dr", "r", "x", "t", "s")
NEEDS = {"ours": "gmvcausal", "econml": "econml", "causalml": "causalml"}
MARGIN = 0.3
TEST = 20_000


def sigmoid(v: Array) -> Array:
    """Chance of log odds."""
    return np.asarray(1 / (1 + np.exp(-v)))


def draw_features(rng: np.random.Generator, n: int) -> Array:
    """Twelve normal ones (some correlated), four 0/1, four skewed; about half of them matter."""
    x = rng.normal(size=(n, 20))
    x[:, 1] = 0.5 * x[:, 0] + np.sqrt(0.75) * x[:, 1]
    x[:, 5] = 0.4 * x[:, 4] + np.sqrt(0.84) * x[:, 5]
    x[:, 12:16] = x[:, 12:16] > np.array([0.0, 0.5, -0.5, 1.0])
    x[:, 16:] = np.exp(0.8 * x[:, 16:])
    return np.asarray(x.astype(np.float32), dtype=np.float64)


def chances(x: Array) -> tuple[Array, Array]:
    """Chance of buying without and with treatment: about 10 %; those who buy anyway gain least."""
    base = -2.75 + 0.6 * x[:, 0] + 0.5 * np.tanh(x[:, 1]) + 0.5 * x[:, 12] + 0.15 * np.minimum(x[:, 16], 4)
    gain = 0.25 + 0.35 * (x[:, 2] > 0) + 0.25 * np.tanh(x[:, 3]) - 0.2 * np.tanh(x[:, 0]) - 0.3 * x[:, 13]
    return sigmoid(base), sigmoid(base + gain)


def amounts(x: Array) -> tuple[Array, Array]:
    """Mean amount of a purchase without and with treatment."""
    base = 3.5 + 0.4 * x[:, 4] + 0.2 * x[:, 0] + 0.3 * x[:, 14] + 0.15 * np.minimum(x[:, 17], 4)
    return np.exp(base), np.exp(base + 0.1 * np.tanh(x[:, 5]) - 0.1 * x[:, 12])


def draw(world: str, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Features (n, 20), arm, outcome, and true effect given the features (n,)."""
    x = draw_features(rng, n)
    arm = rng.permutation(n) % 2
    if world == "gaussian":
        level = 10 + 2 * x[:, 0] + np.sin(2 * x[:, 1]) * 2 + x[:, 12] * x[:, 4]
        tau = 0.5 + 0.8 * np.tanh(x[:, 2]) + 0.6 * x[:, 13] + 0.4 * x[:, 3] * (x[:, 2] > 0)
        return x, arm, level + arm * tau + rng.normal(0, 4, n), tau
    p0, p1 = chances(x)
    m0, m1 = amounts(x)
    p, m = np.where(arm, p1, p0), np.where(arm, m1, m0)
    if world == "tweedie":  # compound Poisson-gamma of power 1.5: number of orders and amounts move with one mean
        low, high = p0 * m0, p1 * m1
        scale = 2 * np.sqrt(np.exp(1.0)) / 0.1
        mean = np.where(arm, high, low)
        orders = rng.poisson(2 * np.sqrt(mean) / scale)
        y = np.where(orders > 0, rng.gamma(np.maximum(orders, 1), 0.5 * scale * np.sqrt(mean)), 0.0)
        return x, arm, y, high - low
    buys = rng.random(n) < p
    noise = np.exp(rng.normal(-0.5, 1.0, n)) if world == "lognormal" else rng.gamma(1.0, 1.0, n)
    y = buys * m * noise
    effect = p1 * m1 - p0 * m0
    if world == "whales":  # one in a hundred spends twenty times as much; the features tell a little of who
        chance = 0.01 * x[:, 18] / np.exp(0.32)
        y = y * np.where(rng.random(n) < chance, 20.0, 1.0)
        effect = effect * (1 + 19 * np.minimum(chance, 1.0))
    return x, arm, y, effect


def cost_of(world: str) -> float:
    """What treating one user costs: margin x average effect, so that treating everybody breaks even."""
    return MARGIN * float(draw(world, 400_000, np.random.default_rng(987_654_321))[3].mean())


def cell(world: str, rows: int, seed: int) -> tuple[Any, ...]:
    """What is learned from and what is judged on: separate draws of one seed."""
    train, test = np.random.SeedSequence([WORLDS.index(world), seed]).spawn(2)
    x, arm, y, _ = draw(world, rows, np.random.default_rng(train))
    fresh, _, _, tau = draw(world, TEST, np.random.default_rng(test))
    return x, arm, y, fresh, tau


def settings(rows: int, effect: bool) -> dict[str, Any]:
    """LightGBM as this library sets it for outcomes and for effects."""
    from gmvcausal.stats.nuisance.boost import recipe

    how = recipe(rows, effect=effect)
    return {
        "n_estimators": how.rounds, "num_leaves": how.leaves, "learning_rate": how.rate, "reg_lambda": how.ridge,
        "min_child_samples": how.least, "verbosity": -1, "n_jobs": 1, "random_state": 0,
    }  # fmt: skip


def ours(learner: str) -> Callable[..., tuple[Array, str]]:
    """Effects of the test set by `gc.uplift`."""

    def run(x: Array, arm: Array, y: Array, fresh: Array, how: Any) -> tuple[Array, str]:
        import pandas as pd

        import gmvcausal as gc

        frame = pd.DataFrame(x, columns=FEATURES).assign(coupon=arm.astype(int), gmv=y)
        m = gc.uplift(frame, treatment="coupon", features=FEATURES, propensity=0.5, learner=learner)
        return m.predict(pd.DataFrame(fresh, columns=FEATURES))[:, 0], str(m.manifest.options.get("learned_by", ""))

    return run


def econml(name: str) -> Callable[..., tuple[Array, str]]:
    """Effects of the test set by econml, told that chances are one half where it can be told."""

    def run(x: Array, arm: Array, y: Array, fresh: Array, how: Any) -> tuple[Array, str]:
        import lightgbm as lgb
        from econml import dml, dr, metalearners
        from sklearn.dummy import DummyClassifier

        outcome, effect = (lambda: lgb.LGBMRegressor(**how[0])), (lambda: lgb.LGBMRegressor(**how[1]))
        even = DummyClassifier()
        made: dict[str, Callable[[], Any]] = {
            "DRLearner": lambda: dr.DRLearner(
                model_propensity=even, model_regression=outcome(), model_final=effect(), cv=5, random_state=0
            ),
            "LinearDRLearner": lambda: dr.LinearDRLearner(
                model_propensity=even, model_regression=outcome(), cv=5, random_state=0
            ),
            "XLearner": lambda: metalearners.XLearner(
                models=outcome(), cate_models=effect(), propensity_model=DummyClassifier()
            ),
            "TLearner": lambda: metalearners.TLearner(models=outcome()),
            "SLearner": lambda: metalearners.SLearner(overall_model=outcome()),
            "LinearDML": lambda: dml.LinearDML(
                model_y=outcome(), model_t=even, discrete_treatment=True, cv=5, random_state=0
            ),
            "NonParamDML": lambda: dml.NonParamDML(
                model_y=outcome(), model_t=even, model_final=effect(), discrete_treatment=True, cv=5, random_state=0
            ),
            "CausalForestDML": lambda: dml.CausalForestDML(
                model_y=outcome(), model_t=even, discrete_treatment=True, cv=5, n_estimators=200,
                min_samples_leaf=50, n_jobs=1, random_state=0
            ),
        }  # fmt: skip
        model = made[name]()
        model.fit(y, arm.astype(int), X=x)
        return np.asarray(model.effect(fresh)).ravel(), ""

    return run


def causalml(name: str) -> Callable[..., tuple[Array, str]]:
    """Effects of the test set by causalml, given the chances."""

    def run(x: Array, arm: Array, y: Array, fresh: Array, how: Any) -> tuple[Array, str]:
        import lightgbm as lgb
        from causalml.inference import meta

        outcome, effect = lgb.LGBMRegressor(**how[0]), lgb.LGBMRegressor(**how[1])
        two = {"control_outcome_learner": outcome, "treatment_outcome_learner": outcome}
        model = {
            "S": lambda: meta.BaseSRegressor(learner=outcome),
            "T": lambda: meta.BaseTRegressor(learner=outcome),
            "X": lambda: meta.BaseXRegressor(
                **two, control_effect_learner=effect, treatment_effect_learner=effect
            ),
            "R": lambda: meta.BaseRRegressor(outcome_learner=outcome, effect_learner=effect, random_state=0),
            "DR": lambda: meta.BaseDRRegressor(**two, treatment_effect_learner=effect),
        }[name]()  # fmt: skip
        known, half = {}, np.full(len(y), 0.5)
        if name in ("X", "R", "DR"):
            known = {"p": half}
        model.fit(X=x, treatment=arm.astype(int), y=y, **known)
        more = {"p": np.full(len(fresh), 0.5)} if name == "X" else {}
        return np.asarray(model.predict(fresh, **more)).ravel(), ""

    return run


ECONML = (
    "DRLearner", "LinearDRLearner", "XLearner", "TLearner", "SLearner", "LinearDML", "NonParamDML", "CausalForestDML",
)  # fmt: skip
CAUSALML = ("S", "T", "X", "R", "DR")


SIDES: dict[str, dict[str, Callable[..., tuple[Array, str]]]] = {
    "ours": {name: ours(name) for name in OURS},
    "econml": {f"econml {name}": econml(name) for name in ECONML},
    "causalml": {f"causalml {name}": causalml(name) for name in CAUSALML},
}


def measure(side: str, world: str, rows: int, seed: int, how: Any, only: list[str] | None) -> None:
    """Print PEHE and net value of every learner of one side in one cell."""
    warnings.simplefilter("ignore")  # the peers' own warnings are not what is measured
    x, arm, y, fresh, tau = cell(world, rows, seed)
    cost = cost_of(world)
    for name, run in SIDES[side].items():
        if (only and name not in only) or (name == "hurdle" and y.min() < 0):  # refused: it is no GMV
            continue
        began = time.process_time()
        said, chose = run(x, arm, y, fresh, how)
        seconds = time.process_time() - began
        one = {
            "world": world, "seed": seed, "rows": rows, "side": side, "learner": name, "chose": chose,
            "pehe": float(np.sqrt(np.mean((said - tau) ** 2))), "seconds": seconds,
            "value": float(np.mean((MARGIN * tau - cost) * (MARGIN * said > cost))),
            "most": float(np.mean(np.maximum(MARGIN * tau - cost, 0))),
            "spread": float(tau.std()), "zeros": float((y == 0).mean()),
        }  # fmt: skip
        print(json.dumps(one), flush=True)


def report(found: list[dict[str, Any]]) -> str:
    """A table of every world, and the medians over the worlds."""
    lines = [
        "| world | learner | PEHE | x best peer | net value | x best peer | CPU s |",
        "|---|---|---|---|---|---|---|",
    ]
    summary: dict[str, list[tuple[float, float]]] = {}
    for world in [w for w in WORLDS if any(r["world"] == w for r in found)]:
        rows = [r for r in found if r["world"] == world]
        names = list(dict.fromkeys(r["learner"] for r in rows))
        by = {n: sorted((r for r in rows if r["learner"] == n), key=lambda r: r["seed"]) for n in names}
        peers = [n for n in names if by[n][0]["side"] != "ours"]
        pehe = {n: float(np.median([r["pehe"] for r in by[n]])) for n in names}
        value = {n: float(np.mean([r["value"] for r in by[n]])) for n in names}
        near = min(peers, key=lambda n: pehe[n], default=None)
        rich = max(peers, key=lambda n: value[n], default=None)
        first = rows[0]
        lines.append(
            f"| **{world}** | no learner: the same effect for all | {first['spread']:.2f} | | 0 | | |"
        )  # fmt: skip
        lines.append(f"| | the truth | 0 | | {np.mean([r['most'] for r in rows]):.3f} | | |")
        for n in names:
            a = b = float("nan")
            if near and rich:
                other = {r["seed"]: r["pehe"] for r in by[near]}
                ratios = [r["pehe"] / other[r["seed"]] for r in by[n] if r["seed"] in other]
                a = float(np.median(ratios))
                b = value[n] / value[rich] if value[rich] > 0 else float("nan")
                summary.setdefault(n, []).append((a, b))
            chose = {r["chose"] for r in by[n]} if n == "auto" else set()
            told = f"{n} ({', '.join(sorted(chose))})" if chose else n
            mark = (" (nearest peer)" if n == near else "") + (" (peer of most value)" if n == rich else "")
            took = float(np.median([r["seconds"] for r in by[n]]))
            lines.append(f"| | {told}{mark} | {pehe[n]:.2f} | {a:.2f} | {value[n]:.3f} | {b:.2f} | {took:.1f} |")
    lines += ["", "| learner | median PEHE ratio | worst | median net value ratio | worst |", "|---|---|---|---|---|"]
    for n, pairs in summary.items():
        a, b = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
        lines.append(f"| {n} | {np.median(a):.2f} | {a.max():.2f} | {np.median(b):.2f} | {b.min():.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Run every cell of both sides, each in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS))
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--sides", nargs="+", default=list(SIDES))
    parser.add_argument("--econml", default=sys.executable)
    parser.add_argument("--causalml", default=sys.executable)
    parser.add_argument("--log", type=Path, help="file of results, one JSON a line: read first, then added to")
    parser.add_argument("--cell", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.cell:
        side, world, seed, how = args.cell
        measure(side, world, args.rows, int(seed), json.loads(how), args.only)
        return
    pythons = {"ours": sys.executable, "econml": args.econml, "causalml": args.causalml}
    how = json.dumps([settings(args.rows, False), settings(args.rows, True)])
    for side in [s for s in args.sides if subprocess.run([pythons[s], "-c", f"import {NEEDS[s]}"]).returncode]:
        print(f"{side} is left out: {NEEDS[side]} is not installed in {pythons[side]}", file=sys.stderr)
        args.sides.remove(side)
    found = []
    if args.log and args.log.exists():
        found = [json.loads(line) for line in args.log.read_text().splitlines()]
    have = {(r["side"], r["world"], r["seed"], r["rows"]) for r in found}
    for seed in args.seeds:
        for world, side in itertools.product(args.worlds, args.sides):
            if (side, world, seed, args.rows) in have:
                continue
            call = [pythons[side], __file__, "--rows", str(args.rows), "--cell", side, world, str(seed), how]
            call += ["--only", *args.only] if args.only else []
            done = subprocess.run(call, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{side}, {world}, seed {seed}: {done.stderr[-2000:]}", file=sys.stderr)
            new = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            found += new
            if args.log:
                with args.log.open("a") as file:
                    file.writelines(json.dumps(r) + "\n" for r in new)
    print(report([r for r in found if r["rows"] == args.rows]))


if __name__ == "__main__":
    main()
