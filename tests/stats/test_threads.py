"""BLAS has one thread inside, and afterwards as many as before."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from gmvcausal.stats.nuisance.boost import Bins
from gmvcausal.stats.nuisance.outcomes import cross_fit
from gmvcausal.stats.threads import one_thread


def threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_one_inside_and_all_again_outside() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        with one_thread():
            assert threads() == {1}
        assert threads() == before


def test_nuisances_leave_the_setting_as_it_was() -> None:
    rng = np.random.default_rng(0)
    x = np.asfortranarray(rng.normal(size=(60, 2)).astype(np.float32))
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        cross_fit(Bins(x, (), 0, 1), np.arange(60) % 2, rng.normal(size=60), np.arange(60) // 2 % 2, 2, "plain")
        assert threads() == before
