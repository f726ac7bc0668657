"""How the lot is drawn: by hash, within strata, or again and again until covariates are balanced."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.frames.columns import FloatArray, IntArray

_TRIES = 20  # times the number of draws that is expected


def by_hash(ids: Sequence[str], salt: str, shares: FloatArray) -> IntArray:
    """The arm of each id: where the hash of salt and id, read as a number in [0, 1), falls among the shares.

    Examples
    --------
    >>> by_hash(["17", "18", "19"], "coupon-2025-11", np.array([0.5, 0.5])).tolist()
    [0, 1, 0]
    """
    start = hashlib.blake2b(salt.encode("utf-8", "surrogatepass") + b"\0", digest_size=8)
    at = np.empty(len(ids), dtype=np.uint64)
    for i, one in enumerate(ids):
        digest = start.copy()
        digest.update(one.encode("utf-8", "surrogatepass"))
        at[i] = int.from_bytes(digest.digest(), "big")
    edges = np.cumsum(shares)[:-1]
    return np.searchsorted(edges, at.astype(np.float64) / 2.0**64, side="right").astype(np.int64)


def within_strata(stratum: IntArray, shares: FloatArray, rng: np.random.Generator) -> IntArray:
    """Random arms whose counts in each stratum are its size times the shares, up to one unit.

    What does not divide is given by systematic sampling, so that each unit has exactly the probability of the shares.
    """
    order = np.argsort(stratum + rng.permutation(len(stratum)) / len(stratum), kind="stable")
    out = np.empty(len(stratum), dtype=np.int64)
    sizes = np.bincount(stratum)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for size, start in zip(sizes, starts[:-1], strict=True):
        whole = np.floor(size * shares + 1e-9).astype(np.int64)
        # the arms in a random order, else neighbours would never be given a unit together
        mixed = rng.permutation(len(shares))
        edges = np.concatenate([[0.0], np.cumsum(np.maximum(size * shares - whole, 0.0)[mixed])])
        taken = np.diff(np.floor(edges + rng.uniform() + 1e-9)).astype(np.int64)
        whole[mixed] += taken
        while whole.sum() != size:  # rounding at the last edge
            whole[mixed[-1]] += 1 if whole.sum() < size else -1
        out[order[start : start + size]] = np.repeat(np.arange(len(shares)), whole)
    return out


def rerandomised(
    x: FloatArray, stratum: IntArray, shares: FloatArray, accept: float, rng: np.random.Generator
) -> tuple[IntArray, dict[str, Any]]:
    """Draw until the Mahalanobis distance between the arms is among the smallest `accept` of all draws.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Covariates.
    stratum : ndarray of int, shape (n,)
    shares : ndarray, shape (arms,)
    accept : float
        The bound is found from draws of its own, so that it holds in small samples and within strata too.
    rng : Generator

    Returns
    -------
    arm, balance : ndarray of int, dict
    """
    centred = x - x.mean(axis=0)
    _, singular, right = np.linalg.svd(centred / centred.std(axis=0), full_matrices=False)
    keep = singular > 1e-9 * singular[0]
    white = (centred / centred.std(axis=0)) @ (right[keep].T / singular[keep]) * math.sqrt(len(x) - 1)

    def distance(arm: IntArray) -> float:
        n = np.bincount(arm, minlength=len(shares))
        sums = np.stack([np.bincount(arm, white[:, j], minlength=len(shares)) for j in range(white.shape[1])])
        return float((sums**2 / np.maximum(n, 1)).sum())

    # as many draws as put ten into the accepted share, at least 1,000
    pilot = np.sort([distance(within_strata(stratum, shares, rng)) for _ in range(max(1000, math.ceil(10 / accept)))])
    bound = float(pilot[max(math.ceil(accept * len(pilot)) - 1, 0)])
    for draws in range(1, math.ceil(_TRIES / accept) + 1):
        arm = within_strata(stratum, shares, rng)
        found = distance(arm)
        if found <= bound:
            balance = {
                "accept": accept,
                "bound": bound,
                "distance": found,
                "draws": draws,
                "covariates": int(keep.sum()),
            }
            return arm, balance
    raise DesignError(
        f"no acceptable assignment was found in {draws:,} draws", remedy="raise accept=, or name fewer covariates"
    )
