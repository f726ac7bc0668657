"""What a sample taught, applied to every row of the table: average effects and the checks of the lot."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.frames.features import Features, Matrix, Unseen
from gmvcausal.results import Check
from gmvcausal.stats.nuisance.aipw import Averages
from gmvcausal.stats.nuisance.outcomes import Outcome
from gmvcausal.targeting.audit.of_design import (
    effective_check,
    overlap_check,
    ratio_check,
    ratio_test_of_sums,
    sizes_beside,
)
from gmvcausal.targeting.fit import Fit
from gmvcausal.targeting.intake.read import read_trial
from gmvcausal.targeting.intake.trial import Asked, Trial, asked_from, plain
from gmvcausal.targeting.large.draw import DEALT, Draw
from gmvcausal.targeting.large.source import Source, placed, refuse_partial
from gmvcausal.targeting.large.sums import Found, Sums
from gmvcausal.targeting.make import Block

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Whole:
    """Sums over all rows, as a result is made of them.

    Attributes
    ----------
    sums : Sums
    """

    sums: Sums

    @property
    def n(self) -> int:
        """Rows."""
        return self.sums.n

    def _found(self, kind: str) -> Found:
        makers = {"": self.sums.effects, "unadjusted": self.sums.plain, "overlap": self.sums.overlap}
        return makers[kind]()

    def block(self, kind: str, estimand: str) -> Block:
        """Rows of a result."""
        found = self._found(kind)
        return Block(kind, estimand, found.averages, found.levels)

    def joint(self, kinds: list[str]) -> FloatArray:
        """Covariance of all rows of the blocks of these kinds."""
        return self.sums.joint([self._found(kind) for kind in kinds])

    def net(self) -> tuple[Averages, FloatArray]:
        """Net value and mean cost of every arm."""
        return self.sums.net().averages, self.sums.paid

    def checks(self, trial: Trial, estimand: str, srm_alpha: float) -> dict[str, Check]:
        """The checks that sums over all rows answer better than a sample."""
        s, labels = self.sums, trial.labels
        found: dict[str, Check] = {}
        if trial.known:
            p = ratio_test_of_sums(s.sizes, s.expected, s.together)
            found["sample_ratio"] = ratio_check(p, sizes_beside(labels, s.sizes, s.expected), srm_alpha)
        worst = float(s.rare) / s.n if estimand != "att" else float((s.rare_control[1:] / s.sizes[1:]).max())
        found["overlap"] = overlap_check(worst, estimand)
        if estimand == "att":
            least = min((float(total**2 / square), 0) for total, square in s.odds)
        else:
            least = min((float(w**2 / s2), a) for a, (w, s2) in enumerate(zip(s.weight, s.weight2, strict=True)))
        found["effective_sample_size"] = effective_check(least[0], int(s.sizes[least[1]]), repr(labels[least[1]]))
        return found


@dataclass(frozen=True, eq=False)
class Teller:
    """What is needed of a fit and its table to count rows that trained nothing; it can be sent to another process.

    Attributes
    ----------
    asked : Asked
    labels : tuple
    features : Features
    outcomes : tuple of Outcome
        One for each fold; empty without features.
    mean : ndarray, shape (k + 1,)
        Predicted outcomes where there are no models.
    shares : ndarray, shape (k + 1,)
        Of the arms, for chances that were not given.
    threads : int
    """

    asked: Asked
    labels: tuple[Any, ...]
    features: Features
    outcomes: tuple[Outcome, ...]
    mean: FloatArray
    shares: FloatArray
    threads: int

    def add(self, batch: Any, sums: Sums, unseen: Unseen) -> None:
        """Count the rows of an Arrow table, which `Draw.rest` has made."""
        b = read_trial(batch, self.asked, self.features, self.labels, facts={}, unseen=unseen)
        lot = np.array([int(digits, 16) for digits in batch.column(DEALT).to_pylist()])[b.row]
        e = np.tile(self.shares, (b.n, 1)) if b.propensity is None else b.propensity
        sums.add(b.y, b.arm, e, self._expected(lot, b.x), b.cost)

    def _expected(self, lot: NDArray[np.int64], x: Matrix) -> FloatArray:
        """Predicted outcomes, of each row by the models of one fold."""
        out = np.tile(self.mean, (len(x), 1))
        for f, model in enumerate(self.outcomes):
            own = lot % len(self.outcomes) == f
            out[own] = model.predict(x[own], self.threads)
        return out

    def to_text(self) -> str:
        """Numbers and text for `from_text`."""
        return json.dumps({
            "asked": {k: plain(v) for k, v in asdict(self.asked).items()}, "labels": list(self.labels),
            "features": self.features.to_dict(), "outcomes": [o.to_dict() for o in self.outcomes],
            "mean": self.mean.tolist(), "shares": self.shares.tolist(), "threads": self.threads,
        })  # fmt: skip

    @classmethod
    def from_text(cls, text: str) -> Teller:
        """What `to_text` made."""
        found = json.loads(text)
        return cls(
            asked_from(found["asked"]), tuple(found["labels"]), Features.from_dict(found["features"]),
            tuple(Outcome.from_dict(o) for o in found["outcomes"]), np.array(found["mean"], dtype=float),
            np.array(found["shares"], dtype=float), int(found["threads"]),
        )  # fmt: skip


def of_all_rows(
    source: Source, drawn: Draw, asked: Asked, trial: Trial, e: FloatArray, fit: Fit, estimand: str, pilot: FloatArray
) -> tuple[Whole, list[str]]:
    """Sums over the rows that were learned from, out of fold, and over all others; and what was met on the way.

    The others are dealt to the folds by lot, and told by the models of their fold alone. So each model speaks of rows,
    drawn and not drawn, whose arms have the chances of all rows: were the others told by other models than those that
    were drawn, the difference of the models would meet arms that are too many here and too few there.

    Parameters
    ----------
    source, drawn
        The table, and what was drawn of it.
    asked : Asked
    trial : Trial
        The sample.
    e : ndarray, shape (n, k + 1)
        Chances of the rows of the sample among all rows.
    fit : Fit
    estimand : str
    pilot : ndarray, shape (k,)
        The effects in the sample.
    """
    t = trial
    about = (t.arms, estimand, pilot, float(t.y.mean()), t.margin)
    sums = Sums(*about)
    sums.add(t.y, t.arm, e, np.asarray(fit.mu), t.cost)
    shares = np.array([drawn.sizes[label] for label in t.labels]) / sum(drawn.sizes.values())
    alone = replace(asked, unit=None, exposed_at=None)
    teller = Teller(alone, t.labels, t.features, fit.outcomes, np.asarray(fit.mu[0]), shares, fit.threads)
    unseen: Unseen = {}
    if source.on_spark:
        from gmvcausal.targeting.large.spark import added_up

        added_up(source, drawn.rest, teller, sums, about, unseen)
    else:
        for at, batch in source.batches((), drawn.rest):
            with placed(at, batch.num_rows, "among the rows that were not learned from, whose reading stopped there"):
                teller.add(batch, sums, unseen)
    refuse_partial(sums.n, source.rows)
    return Whole(sums), t.features.judge_unseen(unseen, sums.n)
