"""The estimate without each cluster in turn: does it hang on one of them?"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, GmvCausalError
from gmvcausal.results import Audit, Check, Result
from gmvcausal.results.curves import Curves, Line
from gmvcausal.rollout.audit.rules import bound, judge
from gmvcausal.rollout.fitted import FloatArray, IntArray
from gmvcausal.rollout.referee.placebo_test import first_of
from gmvcausal.rollout.referee.reassigned import lots_of

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.rollout.result import DidResult

MOST = 1_000  # beyond so many clusters those with the largest influence are left out in turn
_SLOW = 2.0


@dataclass(frozen=True, repr=False, eq=False)
class LeaveOneOut(Result):
    """An estimate beside those without each cluster in turn.

    Attributes
    ----------
    cluster : ndarray of int, shape (c,)
        Position of the cluster left out, from 1, in sorted order of the names.
    treated : ndarray of bool, shape (c,)
    without : ndarray, shape (c,)
        The estimate without it; NaN where there is none.
    of : int
        Clusters in all.
    by : str
        What clusters are.
    """

    cluster: IntArray
    treated: NDArray[np.bool_]
    without: FloatArray
    of: int
    by: str
    checks: Audit

    @property
    def audit(self) -> Audit:
        """The check of this table, and those of the result."""
        return self.checks

    @property
    def most(self) -> int:
        """Position of the cluster without which the estimate changes most."""
        return int(self.cluster[int(np.nanargmax(np.abs(self.without - self.estimate)))])

    def table(self) -> pd.DataFrame:
        """One row for each cluster left out: cluster, treated, estimate, change (largest first)."""
        import pandas as pd

        change = self.without - self.estimate
        frame = pd.DataFrame(
            {"cluster": self.cluster, "treated": self.treated, "estimate": self.without, "change": change}
        )
        return frame.iloc[np.argsort(-np.abs(np.nan_to_num(change, nan=np.inf)), kind="stable")].reset_index(drop=True)

    @property
    def advice(self) -> tuple[str, ...]:
        """The range of the estimates, and whose absence changes most."""
        at = int(np.flatnonzero(self.cluster == self.most)[0])
        side = "treated" if self.treated[at] else "control"
        lines = [
            f"Without one cluster (by {self.by}) the estimate lies between {np.nanmin(self.without):.4g} and "
            f"{np.nanmax(self.without):.4g}; it changes most, to {self.without[at]:.4g}, without number {self.most} of "
            f"{self.of:,} in sorted order, a {side} one."
        ]
        lost = int(np.isnan(self.without).sum())
        if lost:
            lines.append(f"Without {lost:,} of them there is no estimate.")
        return tuple(lines)

    def _extra_columns(self) -> dict[str, Any]:
        return {"lowest": [float(np.nanmin(self.without))], "highest": [float(np.nanmax(self.without))]}

    @property
    def curve_kinds(self) -> tuple[str, ...]:
        """The estimates in order, beside that of all."""
        return ("leave_one_out",)

    def curves(self, kind: str) -> Curves:
        """The figure `kind` in numbers."""
        low, high = self.conf_int()
        order = np.argsort(self.without)
        x = np.arange(len(order), dtype=float)
        treated = self.treated[order]
        sides = [
            Line(name, x[own], self.without[order][own], "points")
            for name, own in (("without a treated cluster", treated), ("without a control", ~treated))
            if own.any()
        ]
        ends = np.array([x[0], x[-1]])
        whole = Line("all clusters", ends, np.full(2, self.estimate), "dashed", np.full(2, low), np.full(2, high))
        return Curves("The estimate without one cluster", "clusters, in order", self.unit, (*sides, whole))


def leave_one_out(result: DidResult, progress: bool) -> LeaveOneOut:
    """See `DidResult.leave_one_out`."""
    from tqdm import tqdm

    lots = lots_of(result.panel, result.options, result.estimate, "single clusters are not left out")
    influence = np.abs(np.bincount(lots.of_row, result.fitted.influence(), minlength=len(lots.start)))
    took_part = np.flatnonzero(lots.start > -2)
    which, notes = took_part, list(result.manifest.notes)
    if len(took_part) > MOST:
        which = np.sort(took_part[np.argsort(-influence[took_part], kind="stable")[:MOST]])
        notes.append(f"left out in turn are the {MOST:,} clusters with the largest influence, of {len(took_part):,}")
    without = np.full(len(which), np.nan)
    use = np.ones(len(lots.start), dtype=bool)
    for i, c in enumerate(
        tqdm(which, desc="leave one out", unit="cluster", disable=not progress, delay=_SLOW, leave=False)
    ):
        use[c] = False
        with suppress(GmvCausalError):  # it stays NaN, and is counted
            without[i] = lots.headline(lots.start, use)
        use[c] = True
    if np.isnan(without).all():
        raise DesignError("without any one of the clusters there is no estimate", remedy="supply more clusters")
    turned = int((np.sign(without[np.isfinite(without)]) != np.sign(result.estimate)).sum())
    lost = int(np.isnan(without).sum())
    check = Check(
        "leave_one_out",
        judge("leave_one_out", turned + lost),
        f"without {turned:,} of {len(which):,} clusters the estimate has the other sign"
        + (f", and without {lost:,} there is none" if lost else ""),
        float(turned + lost),
        bound("leave_one_out"),
        "do not rest a claim on single clusters: report the range beside the estimate" if turned + lost else "",
    )
    whole = len(lots.start) == result.panel.n_clusters
    return LeaveOneOut(
        f"{result.title}, without one cluster at a time", result.assumption, first_of(result.estimates),
        replace(result.manifest, verb="did.leave_one_out", notes=tuple(notes)), result.alpha,
        which + 1, lots.start[which] >= 0, without, len(lots.start),
        result.panel.cluster_name if whole else "unit", Audit((check, *result.audit)),
    )  # fmt: skip
