"""The result of `gmvcausal.uplift`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, GmvCausalWarning, InputError
from gmvcausal.frames.params import check
from gmvcausal.frames.table import open_table
from gmvcausal.results import Audit, Result
from gmvcausal.targeting.fit import Fit
from gmvcausal.targeting.intake.read import read_trial
from gmvcausal.targeting.intake.trial import Asked, Trial
from gmvcausal.targeting.learners.forest import Forest

if TYPE_CHECKING:
    import os

    import pandas as pd

    from gmvcausal.targeting.evaluate import Evaluation
    from gmvcausal.targeting.policy import Policy
    from gmvcausal.targeting.policy.seen import Seen

FloatArray = NDArray[np.float64]


class HeldOut(NamedTuple):
    """Rows that trained nothing, with what the models say of them.

    Attributes
    ----------
    trial : Trial
    effects : ndarray, shape (n, k)
    e, mu : ndarray, shape (n, k + 1)
        Chances (as given, or by the model of training) and predicted outcomes.
    """

    trial: Trial
    effects: FloatArray
    e: FloatArray
    mu: FloatArray


@dataclass(frozen=True)
class Extra:
    """The columns of `to_frame()` that only uplift has, one entry per row."""

    arm: tuple[Any, ...]
    control: tuple[Any, ...]
    method: tuple[str, ...]
    value: tuple[float, ...]
    control_value: tuple[float, ...]
    df: tuple[float, ...]


@dataclass(frozen=True, repr=False, eq=False)
class Uplift(Result):
    """Who gains by how much: average effects of every arm with their audit, and an effect for every user.

    Besides the shared protocol (`estimate`, `conf_int()`, `to_frame()`, `summary()`, `audit`, ...):

    Attributes
    ----------
    asked : Asked
        Which column is what.
    trial : Trial
        The rows that were learned from.
    fit : Fit
        Nuisances, models and out-of-fold effects.
    advice : tuple of str
        What the summary adds to the finding.
    alike : tuple of int
        Rows that say of the other arms what the first says of its own.
    """

    checks: Audit
    extra: Extra
    asked: Asked
    trial: Trial = field(repr=False)
    fit: Fit = field(repr=False)
    advice: tuple[str, ...] = ()
    alike: tuple[int, ...] = ()

    @property
    def audit(self) -> Audit:
        """The checks that bear on the assumption."""
        return self.checks

    @property
    def arms(self) -> tuple[Any, ...]:
        """Labels of the arms but the control: the columns of `predict`, in order."""
        return self.trial.labels[1:]

    @property
    def control(self) -> Any:
        """Label of the control."""
        return self.trial.labels[0]

    @property
    def learner(self) -> str:
        """The learner behind `predict`; ``"auto"`` is resolved."""
        return self.fit.learner

    @property
    def effects(self) -> FloatArray:
        """Each training row's effects by models that have not seen it, in the order of the data, shape (n, arms)."""
        if not self.trial.n:
            raise InputError("the rows that were learned from are not in the file", remedy="use predict(data)")
        return self.trial.in_table_order(self.fit.effects)

    @cached_property
    def seen(self) -> Seen:
        """What the model has seen, so that it is not judged by it."""
        from gmvcausal.targeting.held import trained

        return trained(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result to a file that `gc.load_uplift` reads: a zip of JSON, the trees as text, no pickled code.

        The rows that were learned from are not in it, only a number for each that tells whether it is met again.

        Raises
        ------
        DesignError
            A causal forest, which cannot be stored without code.
        """
        from gmvcausal.targeting.saved import save

        save(self, path)

    @property
    def baseline_words(self) -> str:
        """Whose the baseline is."""
        return "of the control arm"

    def _about_row(self, place: int) -> dict[str, Any]:
        e = self.extra
        several = len(set(e.arm)) > 1
        return {"baseline": e.control_value[place], "qualifier": f"in arm {e.arm[place]}" if several else ""}

    def _extra_columns(self) -> dict[str, Any]:
        e = self.extra
        names = ("arm", "control", "method", "value", "control_value", "df")
        return {name: list(getattr(e, name)) for name in names}

    def predict(self, data: Any) -> FloatArray:
        """Expected effect of every arm on each row, in the unit of the outcome.

        Parameters
        ----------
        data : frame, parquet path or DuckDB relation
            The features; nothing else is looked at. Gaps and levels that training never saw are taken as gaps.

        Returns
        -------
        ndarray, shape (n, arms)
            In the order of the rows; columns as in `arms`. The mean of the models of all folds: for the rows that were
            learned from use `effects`, which no model of theirs has seen.

        Raises
        ------
        InputError
            A feature is not there, or holds another kind of values than in training.
        """
        features = self.trial.features
        table = open_table(data, needed=features.needed)
        return self.fit.predict(features.transform(table))

    def held_out(self, data: Any) -> HeldOut:
        """Rows with arms and outcomes that trained nothing, and what the models say of them.

        Raises
        ------
        InputError
            As for `uplift`; also an arm that training did not have.
        """
        trial = read_trial(data, self.asked, self.trial.features, self.trial.labels)
        e = trial.propensity if trial.propensity is not None else self.fit.predict_chances(trial.x)
        return HeldOut(trial, self.fit.predict(trial.x), e, self.fit.predict_outcomes(trial.x))

    def evaluate(
        self,
        test: Any,
        *,
        version: str = "means",
        intervals: str = "multiplier",
        draws: int = 1_000,
        seed: int = 0,
        alpha: float | None = None,
    ) -> Evaluation:
        """What ranking users by their predicted effects is worth, on data that trained nothing.

        Parameters
        ----------
        test : frame, parquet path or DuckDB relation
            Arms and outcomes of users who were not learned from, drawn as these were.
        version : {"means", "doubly_robust"}
            Gains by differences of means, the definition; or by doubly robust scores, as ``e.doubly_robust`` has them.
        intervals : {"multiplier", "poisson"}
            From the influences of users, or by the Poisson bootstrap.
        draws, seed : int
            Of the bootstrap.
        alpha : float, optional
            Default that of the call.

        Returns
        -------
        Evaluation
            Qini, AUUC, TOC, deciles, calibration, each with an interval.

        Raises
        ------
        DesignError
            These rows trained the model.
        """
        from gmvcausal.targeting import held

        return held.evaluation(
            self, test, version=version, intervals=intervals, draws=draws, seed=seed,
            alpha=self.alpha if alpha is None else alpha,
        )  # fmt: skip

    def policy(
        self,
        data: Any,
        *,
        budget: float | None = None,
        max_share: float | None = None,
        groups: str | None = None,
        group_share: tuple[float, float] | None = None,
        depth: int | None = None,
    ) -> Policy:
        """Whom to treat with what: the plan that brings most net value, ``margin x effect - cost``, within limits.

        Parameters
        ----------
        data : frame, parquet path or DuckDB relation
            The users to decide about: features, and the cost column where there is one.
        budget : float, optional
            Of the cost of all these users. Without, whoever has a treatment of positive net value gets the best.
        max_share : float, optional
            At most this share of users is treated.
        groups : str, optional
            Column of groups.
        group_share : (float, float), optional
            At least and at most this share of every group is treated.
        depth : {1, 2, 3}, optional
            The policy is a tree of so many questions that can be read aloud: ``p.rule.tree``.

        Returns
        -------
        Policy
            ``p.assign`` (labels), ``p.cost``, ``p.expected`` (by the model), ``p.evaluate(test)`` (measured).
        """
        from gmvcausal.targeting import held

        return held.policy(
            self, data, budget=budget, max_share=max_share, groups=groups, group_share=group_share, depth=depth
        )  # fmt: skip

    def predict_interval(self, data: Any, level: float = 0.95) -> FloatArray:
        """Intervals of individual effects, where the learner has honest ones: the causal forest.

        Parameters
        ----------
        data : frame, parquet path or DuckDB relation
        level : float
            Each holds a user's expected effect with this chance, one user at a time, in large samples. At 5,000 rows
            the 95 % intervals of one market each held 86 % of true effects (plain outcome) and 99 % (mostly zero):
            a warning says so.

        Returns
        -------
        ndarray, shape (n, arms, 2)
            Lower and upper limits.

        Raises
        ------
        DesignError
            The learner has none: boosted trees know no distribution of their errors for a single user.
        """
        model = self.fit.model
        if isinstance(model, Forest):
            warnings.warn(
                "intervals of single users from a causal forest are rough: at 95 % they held 86 to 99 % of true "
                "effects where we could look; rely on groups, m.evaluate(test)",
                GmvCausalWarning,
                stacklevel=2,
            )
            features = self.trial.features
            table = open_table(data, needed=features.needed)
            return model.interval(features.transform(table), 1 - check("level", level))
        raise DesignError(
            f"the learner {self.fit.learner!r} has no honest interval for a single user's effect",
            remedy="read intervals of groups on held-out data, m.evaluate(test); or pass learner='causal_forest'",
        )

    def arm_values(self) -> pd.DataFrame:
        """Mean outcome of every arm as it was: arm, n, mean."""
        import pandas as pd

        t = self.trial
        mean = np.bincount(t.arm, t.y, minlength=t.arms) / t.sizes
        return pd.DataFrame({"arm": list(t.labels), "n": t.sizes, "mean": mean})
