"""`gc.spillover` on 1,000,000 users with 8,000,000 links, beside the least that any such estimate must do.

Run ``python benchmarks/spillover.py [--users N] [--links N]``. Every call is made in a process of its own, and is given
two frames in memory; peak memory is that of the process with the frames in it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

import gmvcausal as gc

BARE = "bare"
CALLS: dict[str, dict[str, object]] = {
    BARE: {}, "line": {}, "half of the neighbours": {"exposure": 0.5},
    "any, 5 % treated": {"exposure": "any", "probability": 0.05},
}  # fmt: skip


def town(users: int, links: int, chance: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Users, and links drawn at random among them."""
    rng = np.random.default_rng(0)
    ends = np.sort(rng.integers(0, users, (int(links * 1.01) + 10, 2)), axis=1)
    key = np.unique(ends[ends[:, 0] != ends[:, 1]] @ np.array([users, 1]))
    key = rng.permutation(key)[:links]
    t = rng.random(users) < chance
    frame = pd.DataFrame(
        {"user": np.arange(users), "treatment": t.astype(int), "gmv": rng.exponential(50, users) + 8 * t}
    )
    return frame, pd.DataFrame({"user": key // users, "friend": key % users})


def bare(frame: pd.DataFrame, edges: pd.DataFrame) -> None:
    """The least that any such estimate must do: a sparse matrix of links, treated shares, a regression."""
    from scipy.sparse import csr_array

    known, n = pd.Index(frame["user"]), len(frame)
    a, b = (known.get_indexer(pd.Index(edges[end])) for end in ("user", "friend"))
    links = csr_array((np.ones(2 * len(a)), (np.concatenate([a, b]), np.concatenate([b, a]))), shape=(n, n))
    t = frame["treatment"].to_numpy(float)
    share = links @ t / np.maximum(links.sum(axis=1), 1)
    np.linalg.lstsq(np.column_stack([np.ones(n), t, share]), frame["gmv"].to_numpy(), rcond=None)


def one(name: str, users: int, links: int) -> dict[str, float]:
    """Seconds of a call, and peak memory before and after it in GB."""
    call = {"probability": 0.5, **CALLS[name]}
    frame, edges = town(users, links, float(str(call["probability"])))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    began, cpu = time.perf_counter(), time.process_time()
    if name == BARE:
        bare(frame, edges)
    else:
        gc.spillover(frame, edges=edges, **call)  # type: ignore[arg-type]  # options by name
    done = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "frames": before}
    return done | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--links", type=int, default=8_000_000)
    parser.add_argument("--one")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one, given.users, given.links)))
        return
    for name in CALLS:
        command = [sys.executable, __file__, "--users", str(given.users), "--links", str(given.links), "--one", name]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(name, {k: round(v, 2) for k, v in found.items()})


if __name__ == "__main__":
    main()
