"""What can be asked of a fitted model: effects of users, a ranking held to account, a plan, a file."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, GmvCausalWarning
from gmvcausal.frames.params import check, flag
from gmvcausal.frames.prints import Prints, prints
from gmvcausal.frames.table import open_table
from gmvcausal.results import Result
from gmvcausal.targeting.fit import Fit
from gmvcausal.targeting.intake.read import columns_needed, read_trial
from gmvcausal.targeting.intake.trial import Asked, Trial
from gmvcausal.targeting.large import narrow
from gmvcausal.targeting.large.source import is_large
from gmvcausal.targeting.learners.forest import Forest

if TYPE_CHECKING:
    import os

    from gmvcausal.targeting.evaluate import Evaluation
    from gmvcausal.targeting.policy import Policy
    from gmvcausal.targeting.result import Uplift

FloatArray = NDArray[np.float64]


class HeldOut(NamedTuple):
    """Rows that trained nothing, with what the models say of them.

    Attributes
    ----------
    trial : Trial
    effects : ndarray, shape (n, k)
    e, mu : ndarray, shape (n, k + 1)
        Chances (as given, or by the model of training) and predicted outcomes.
    redeems : ndarray, shape (n, k), or None
        Predicted chances that a coupon is redeemed.
    told : dict of str to ndarray of uint64, or None
        Numbers by which rows are met again ("features", "rows"), where the features were not kept.
    """

    trial: Trial
    effects: FloatArray
    e: FloatArray
    mu: FloatArray
    redeems: FloatArray | None = None
    told: dict[str, Prints] | None = None

    def met(self, what: str) -> Prints:
        """A number for every row, by its "features" or by all of it ("rows")."""
        t = self.trial
        if self.told is not None:
            return self.told[what]
        return prints(t.x) if what == "features" else prints(t.x, t.y, t.arm)


class Modelled(Result):
    """The questions of an `Uplift` that its models answer."""

    asked: Asked
    trial: Trial
    fit: Fit

    @property
    def _whole(self) -> Uplift:
        return cast("Uplift", self)

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
        if is_large(data, len(features.needed)):
            from gmvcausal.targeting.large.score import predict

            return predict(self._whole, data)
        table = open_table(data, needed=features.needed)
        return self.fit.predict(features.transform(table))

    def score(
        self, data: Any, to: str | os.PathLike[str] | None = None, *, keep: Sequence[str] = (), overwrite: bool = False
    ) -> Any:
        """Write the expected effects of every row to a parquet file, batch by batch, whatever their number.

        The numbers are those of `predict`, to the last bit, in the order of the rows; memory does not grow with them.

        Parameters
        ----------
        data : parquet path, DuckDB relation, frame or Spark frame
        to : path
            The file, which ends in .parquet. It is written beside and takes its name when it is whole. Not for a Spark
            frame, whose effects come back as one.
        keep : sequence of str
            Columns that go along as they are: ids.
        overwrite : bool
            Whether a file of this name may be replaced.

        Returns
        -------
        int, or Spark frame
            How many rows were written. Of a Spark frame: a frame of the columns kept and ``effect <arm>`` of every
            arm, made on the workers (``mapInArrow``) when it is read; they need this library. Levels that training
            never saw count there as missing, and are not told.

        Raises
        ------
        InputError
            As `predict`; the file is there already; a column that is not there.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> users = pd.DataFrame({"coupon": [0, 1] * 50, "tier": [u // 2 % 2 for u in range(100)]})
        >>> users["gmv"] = 10 + 4.0 * users["coupon"] * users["tier"] + [u % 5 for u in range(100)]
        >>> users.to_parquet("users.parquet")
        >>> m = gc.uplift(users, treatment="coupon", features=["tier"], propensity=0.5)
        >>> m.score("users.parquet", "scores.parquet", keep=["tier"])
        100
        >>> pd.read_parquet("scores.parquet").columns.tolist()
        ['tier', 'effect 1']
        """
        from gmvcausal.targeting.large import score

        return score.score(self._whole, data, to, check("keep", list(keep)), flag("overwrite", overwrite))

    def held_out(self, data: Any, propensity: Any = None, *, ranked: bool = False) -> HeldOut:
        """Rows with arms and outcomes that trained nothing, and what the models say of them.

        They are in an order of their own, in which all of the answer is: ``trial.row`` has their places in the table.

        `propensity` are the chances of these rows where they are not those of training, given as to `uplift`;
        `ranked` says that they are to be ranked and nothing else, which takes less of them where they are many.

        Raises
        ------
        InputError
            As for `uplift`; also an arm that training did not have.
        """
        asked = self.asked if propensity is None else replace(self.asked, propensity=propensity)
        if asked.rule == "raise" and is_large(data, len(columns_needed(asked))):
            return narrow.held_out(self._whole, data, asked, ranked)
        trial = read_trial(data, asked, self.trial.features, self.trial.labels)
        e = trial.propensity if trial.propensity is not None else self.fit.predict_chances(trial.x)
        effects, mu = self.fit.predict_both(trial.x)
        return HeldOut(trial, effects, e, mu, self.fit.predict_redeems(trial.x))

    def evaluate(
        self,
        test: Any,
        *,
        version: str = "means",
        intervals: str = "multiplier",
        draws: int = 1_000,
        seed: int = 0,
        alpha: float | None = None,
        propensity: Any = None,
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
        propensity : float, str or mapping, optional
            Chances with which the arms of these users were drawn, given as to `uplift`: a number, a column, or arm ->
            share or column. Default those of training: the number or column that was given there, else the shares, or
            the model of who was treated, that training found.

        Returns
        -------
        Evaluation
            Qini, AUUC, TOC, deciles, calibration, each with an interval.

        Raises
        ------
        DesignError
            These rows trained the model; or their arms have other sizes than the chances lead to (p below `srm_alpha`).
        """
        from gmvcausal.targeting import held

        return held.evaluation(
            self._whole, test, propensity=propensity, version=version, intervals=intervals, draws=draws, seed=seed,
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
            Of the cost of all these users (with `redeemed`, of what they are expected to redeem). Without, whoever
            has a treatment of positive net value gets the best.
        max_share : float, optional
            At most this share of users is treated.
        groups : str, optional
            Column of groups.
        group_share : (float, float), optional
            At least and at most this share of every group is treated.
        depth : {1, 2, 3}, optional
            The policy is a tree of so many questions that can be read aloud: ``p.rule.tree``; within `budget` and
            `max_share`.

        Returns
        -------
        Policy
            ``p.assign`` (labels), ``p.cost``, ``p.expected`` (by the model), ``p.evaluate(test)`` (measured).
        """
        from gmvcausal.targeting import held

        return held.policy(
            self._whole, data, budget=budget, max_share=max_share, groups=groups, group_share=group_share, depth=depth
        )  # fmt: skip

    def predict_interval(self, data: Any, level: float = 0.95) -> FloatArray:
        """Intervals of individual effects, where the learner has honest ones: the causal forest.

        Parameters
        ----------
        data : frame, parquet path or DuckDB relation
        level : float
            Each holds a user's expected effect with this chance, one user at a time, in large samples. In simulated
            trials of 5,000 and of 20,000 users with 20 features 95 % intervals held 94 to 97 % of the true effects of a
            plain outcome, and 98 to 100 % where effects were weak, all the same, or of an outcome that is mostly zero.
            A few data sets of each were looked at; elsewhere they may hold fewer: a warning says that they are rough.

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
                "intervals of single users from a causal forest are rough: at 95 % they held 93 to 100 % of true "
                "effects in each of twenty simulated data sets, fewest where the outcome was plain; rely on groups, "
                "m.evaluate(test)",
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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result to a file that `gc.load_uplift` reads: a zip of JSON, the trees as text, no pickled code.

        The rows that were learned from are not in it, only a number for each that tells whether it is met again.
        """
        from gmvcausal.targeting.saved import save

        save(self._whole, path)
