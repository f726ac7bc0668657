"""What a check of an uplift study may look at, and the words that checks share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gmvcausal.stats.nuisance.aipw import Averages
from gmvcausal.stats.small_sample import groups_of_clusters
from gmvcausal.targeting.compliers import Receipt
from gmvcausal.targeting.intake.trial import Trial

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Case:
    """What a check may look at."""

    trial: Trial
    e: FloatArray
    mu: FloatArray
    estimand: str
    found: Averages
    srm_alpha: float
    receipts: tuple[Receipt, ...] = ()

    def label(self, a: int) -> str:
        """Name of an arm in a message."""
        return repr(self.trial.labels[a])

    def sums(self) -> tuple[FloatArray, IntArray]:
        """Influences added up by cluster, and the arm of each (one more code where clusters hold several)."""
        t = self.trial
        if t.cluster is None:
            return self.found.influence, t.arm
        groups = int(t.cluster.max()) + 1
        group = groups_of_clusters(t.arm, t.cluster, t.arms)
        return np.column_stack([np.bincount(t.cluster, c, minlength=groups) for c in self.found.influence.T]), group
