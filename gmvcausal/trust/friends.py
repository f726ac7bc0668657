"""Users with friends, and rooms of several saturations, whose direct effect and spillover are known."""

from __future__ import annotations

import numpy as np

from gmvcausal.trust.trials import Trial, trial

DIRECT, SPILL = 8.0, 8.0


def friends(
    *, n: int | None, seed: int, degree: float = 4.0, chance: float = 0.5, spill: float = SPILL, shape: str = "share",
    beyond: float = 0.0,
) -> Trial:  # fmt: skip
    """Users in circles of 50, by lot one by one; what they buy is skewed, and more where they have many friends.

    Parameters
    ----------
    n : int
        2,000 if None.
    seed : int
    degree : float
        Mean number of friends.
    chance : float
        Of treatment.
    spill : float
        What all friends add, or one of them (`shape`).
    shape : {"share", "any"}
        Whether the share of treated friends counts, or having one.
    beyond : float
        What the treatment of all friends of friends adds.
    """
    import pandas as pd

    n = n or 2_000
    rng = np.random.default_rng(seed)
    one = rng.integers(0, n, int(n * degree / 2))
    pairs = np.column_stack([one, one // 50 * 50 + rng.integers(0, 50, len(one))])
    pairs = np.unique(np.sort(pairs[(pairs[:, 0] != pairs[:, 1]) & (pairs[:, 1] < n)], axis=1), axis=0)
    ends, others = pairs.ravel(), pairs[:, ::-1].ravel()
    count = np.bincount(ends, minlength=n)
    t = (rng.random(n) < chance).astype(float)
    share = np.bincount(ends, t[others], n) / np.maximum(count, 1)
    further = np.bincount(ends, share[others], n) / np.maximum(count, 1)
    reached = share if shape == "share" else (share > 0).astype(float)
    usual = (rng.random(n) < 0.3) * rng.lognormal(4.0, 0.8, n) * (0.7 + 0.1 * np.minimum(count, 10))
    y = usual + DIRECT * t + spill * reached + beyond * further
    # Along the line the mean is over all users; between conditions over those with a friend.
    whole = spill * (float((count > 0).mean()) if shape == "share" else 1.0)
    whole += beyond * float((count > 0).mean())
    truth = {"direct": DIRECT, "spillover": whole, "total": DIRECT + whole, "difference of means": DIRECT + whole}
    truth |= {f"{term}, Horvitz-Thompson": truth[term] for term in ("direct", "spillover", "total")}
    call = {
        "outcome": "gmv", "treatment": "t", "unit": "user", "probability": chance, "reps": 0,
        "edges": pd.DataFrame({"user": pairs[:, 0], "friend": pairs[:, 1]}),
    }  # fmt: skip
    return trial(pd.DataFrame({"user": np.arange(n), "t": t.astype(int), "gmv": y}), truth | {"fisher": spill}, call)


def rooms(*, n: int | None, seed: int, size: int = 40) -> Trial:
    """Rooms by lot at 0, 50 and 100 %, users within them by lot; rooms differ, and amounts are skewed.

    Parameters
    ----------
    n : int
        Rooms, a multiple of three; 30 if None.
    seed, size : int
        Users of a room.
    """
    import pandas as pd

    n = n or 30
    rng = np.random.default_rng(seed)
    share = rng.permutation(np.repeat([0.0, 0.5, 1.0], n // 3))
    room = np.repeat(np.arange(len(share)), size)
    rank = np.argsort(np.argsort(rng.random((len(share), size)), axis=1), axis=1).ravel()
    t = (rank < share[room] * size).astype(float)
    y = (rng.random(len(t)) < 0.3) * rng.lognormal(4.0, 0.8, len(t)) + rng.normal(0, 4, len(share))[room]
    y += DIRECT * t + SPILL * share[room]
    half = SPILL / 2
    truth = {"direct": DIRECT, "spillover": half, "total": DIRECT + half, "total, all treated": DIRECT + SPILL}
    call = {"outcome": "gmv", "treatment": "t", "unit": "user", "group": "room", "saturation": "share"}
    users = pd.DataFrame({"user": np.arange(len(t)), "room": room, "share": share[room], "t": t.astype(int), "gmv": y})
    return trial(users, truth, call)
