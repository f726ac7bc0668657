"""Does the default learner find on Hillstrom's e-mails what everybody knows: that the women's e-mail moves women?

Run ``python benchmarks/uplift_hillstrom.py [--splits 20] [--data FILE]``. Women's e-mail against none, outcome visit.
In each of 20 halves a model learns, and the other half holds its ranking against the rule ``womens == 1``: Qini, the
area over the share s between s x (treated less control mean among the first s) and s x the average effect, each
ranking's ties cut as one. Printed are both means and the paired standard error over the splits.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
FEATURES = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel", "history_segment"]


def qini(score: Array, y: Array, got: Array) -> float:
    """Area between the gain curve of `score` and the straight line to the average effect."""
    order = np.argsort(-score, kind="stable")
    score, y, got = score[order], y[order], got[order]
    treated, control = np.cumsum(got), np.cumsum(1 - got)
    mean = np.cumsum(y * got) / np.maximum(treated, 1) - np.cumsum(y * (1 - got)) / np.maximum(control, 1)
    share = np.arange(1, len(y) + 1) / len(y)
    gain = np.where((treated > 0) & (control > 0), share * mean, 0.0)
    last = np.append(score[1:] != score[:-1], True)
    return float(np.trapezoid(np.append(0.0, gain[last]), np.append(0.0, share[last])) - gain[-1] / 2)


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=20)
    folder = os.environ.get("GMVCAUSAL_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(folder) / "hillstrom.csv")
    args = parser.parse_args()
    import gmvcausal as gc

    mails = pd.read_csv(args.data)
    mails = mails[mails["segment"].isin(["Womens E-Mail", "No E-Mail"])].reset_index(drop=True)
    mails["mail"] = (mails["segment"] == "Womens E-Mail").astype(int)
    found = []
    for seed in range(args.splits):
        order = np.random.default_rng(seed).permutation(len(mails))
        train, test = mails.iloc[order[: len(mails) // 2]], mails.iloc[order[len(mails) // 2 :]]
        m = gc.uplift(train, outcome="visit", treatment="mail", features=FEATURES, propensity=0.5)
        y, got = test["visit"].to_numpy(float), test["mail"].to_numpy(float)
        found.append((qini(m.predict(test)[:, 0], y, got), qini(test["womens"].to_numpy(float), y, got)))
    ours, rule = np.array(found).T
    error = (ours - rule).std(ddof=1) / np.sqrt(len(ours))
    print(f"auto {ours.mean():.5f}, rule womens == 1 {rule.mean():.5f}, paired standard error {error:.5f}")


if __name__ == "__main__":
    main()
