"""What a referee asks of a result of `uplift`: the methods; each answer has a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from gmvcausal.errors import InputError
from gmvcausal.frames.params import check
from gmvcausal.results import Result

if TYPE_CHECKING:
    from gmvcausal.results.hidden_confounding import HiddenConfounding
    from gmvcausal.results.refutation import Refutation
    from gmvcausal.targeting.referee.explain import Explanation
    from gmvcausal.targeting.referee.segments import UpliftSegments
    from gmvcausal.targeting.result import Uplift


class Refereed(Result):
    """What is asked of the rows that an `Uplift` was learned from."""

    origin: Any

    def known_origin(self) -> Any:
        """The data as they were passed, for one more column of them.

        Raises
        ------
        InputError
            The result was pickled or saved and does not hold its data any more.
        """
        if self.origin is None:
            raise InputError(
                "this result does not hold its data any more (it was pickled or saved)",
                remedy="call uplift again, then ask",
            )
        return self.origin

    def by(self, segment: str, adjust: str | None = "holm") -> UpliftSegments:
        """The average effects level by level of a segment, and the test that they are equal in all levels.

        Means of the out-of-fold doubly robust scores of each level's users; without features, differences of the
        level's own means. The data are read again, and refused if they are not those that were learned from.

        Parameters
        ----------
        segment : str
            Column that was fixed before assignment: RFM class, spend tier. Where a lot decided, the audit fails if its
            levels have different shares in the arms. Rows without a level are refused.
        adjust : {"holm", "bh", None}
            For the number of levels, arm by arm; default Holm's method.

        Returns
        -------
        UpliftSegments
            One row for the whole and one for each level, arm by arm; `interaction()` has the tests of equal effects. A
            level is listed with the reason, not estimated, where an arm has fewer than 10 users in it, fewer than 10
            with a non-zero outcome (of a 0/1 outcome also without), or fewer than 10 clusters.

        Raises
        ------
        InputError
            No such column, missing levels, one level or more than 50, data that have changed since, or a result that
            was pickled or loaded and holds no rows.
        DesignError
            No level can be estimated.

        References
        ----------
        Welch (1951), Biometrika 38; Semenova and Chernozhukov (2021), Econometrics Journal 24 (means of scores).

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> users = pd.DataFrame({"coupon": [0, 1] * 200, "tier": ["new", "new", "old", "old"] * 100})
        >>> users["gmv"] = [5 + u % 7 + 2 * (u % 4 == 3) for u in range(400)]
        >>> found = gc.uplift(users, treatment="coupon").by("tier")
        >>> found.to_frame()["level"].tolist(), bool(found.interaction()["p_value"][0] < 0.001)
        (['all', 'new', 'old'], True)
        """
        from gmvcausal.targeting.referee.segments import by_segment

        return by_segment(_uplift(self), segment, adjust)

    def explain(self, data: Any = None, *, arm: Any = None) -> Explanation:
        """Which features move the predicted effects, by how much, and which way.

        Trees learn to say what the model says, whatever the learner; of trees Shapley values are exact and quick. So
        each feature has what it adds to each user's effect, in the unit of the outcome, and a row's values sum to its
        prediction less the mean.

        Parameters
        ----------
        data : frame, parquet path or DuckDB relation, optional
            Rows to explain. Default: 10,000 of those learned from, or all if they are fewer.
        arm : label, optional
            Default the first.

        Returns
        -------
        Explanation
            `to_frame()`, `levels()`, `values`, `fidelity`, `plot("bar" | "beeswarm")`, `summary()`.

        Raises
        ------
        DesignError
            There is nothing to explain; or no small trees follow the model (R2 below .8 on rows that they have not
            learned from), so that their reasons would not be its own.

        References
        ----------
        Lundberg et al. (2020), Nature Machine Intelligence 2.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> users = pd.DataFrame({"coupon": [0, 1] * 200, "tier": [u // 2 % 4 for u in range(400)]})
        >>> users["gmv"] = 10 + 4.0 * users["coupon"] * users["tier"] + [u % 5 for u in range(400)]
        >>> found = gc.uplift(users, treatment="coupon", features=["tier"], propensity=0.5).explain()
        >>> found.to_frame()[["feature", "direction"]].values.tolist()
        [['tier', 'rises with it']]
        """
        from gmvcausal.targeting.referee.explain import explain

        return explain(_uplift(self), data, arm)

    def sensitivity(
        self,
        benchmark: str | Sequence[str] | None = None,
        *,
        outcome: float = 0.03,
        treatment: float = 0.03,
        rho: float = 1.0,
        alpha: float | None = None,
    ) -> HiddenConfounding:
        """How strong something that nobody has measured would have to be to explain the average effects away.

        Where the chances of the arms were given (a lot, a log of probabilities) nothing unseen can confound, and the
        answer says so.

        Parameters
        ----------
        benchmark : str or list of str, optional
            Features to compare with: the model is learned again without each, and what is lost is its strength.
        outcome, treatment : float
            Strength for which bounds are printed: share of what the features leave of the outcome that the confounder
            explains, and share that it adds to what is known of the treatment. Default .03 each, as others have it; it
            is no measure of what is plausible.
        rho : float
            How far both work the same way; default 1, the worst case.
        alpha : float, optional
            Default that of the call.

        Returns
        -------
        HiddenConfounding
            `to_frame()` (robustness values, bounds, E-values), `benchmark_frame()`, `plot()` (contours), `summary()`.

        Raises
        ------
        InputError
            No such feature; strengths that are none.

        References
        ----------
        Chernozhukov, Cinelli, Newey, Sharma and Syrgkanis (2022), NBER Working Paper 30302; Cinelli and Hazlett (2020),
        Journal of the Royal Statistical Society B 82; VanderWeele and Ding (2017), Annals of Internal Medicine 167.

        Examples
        --------
        >>> import gmvcausal as gc, pandas as pd
        >>> users = pd.DataFrame({"coupon": [0, 1] * 200, "tier": [u // 2 % 2 for u in range(400)]})
        >>> users["gmv"] = 10 + 4.0 * users["coupon"] * users["tier"] + [u % 5 for u in range(400)]
        >>> gc.uplift(users, treatment="coupon", features=["tier"], propensity=0.5).sensitivity().given
        True
        >>> found = gc.uplift(users, treatment="coupon", features=["tier"]).sensitivity()
        >>> bool(0 < found.to_frame()["robustness"][0] < 1)
        True
        """
        from gmvcausal.targeting.referee.strength import sensitivity

        level = self.alpha if alpha is None else check("alpha", alpha)
        return sensitivity(_uplift(self), benchmark, outcome, treatment, rho, level)

    def refute(self, *, seed: int = 0, draws: int = 20) -> Refutation:
        """Four ways to catch the average effects out: false arms, a false feature, part of the rows, rows drawn anew.

        Everything is learned again in every run, on 20,000 rows at most: allow 4 x `draws` times the time of a fit
        without its learner.

        Parameters
        ----------
        seed : int
        draws : int
            Runs of each refuter, from 5 to 1,000; default 20.

        Returns
        -------
        Refutation
            `audit` (checks placebo_treatment, random_common_cause, data_subset, bootstrap), `to_frame()`, `plot()`,
            `summary()`.

        Raises
        ------
        DesignError
            No features, or no standard errors.

        Notes
        -----
        The refuters are those of dowhy (Sharma and Kiciman 2020). None sees hidden confounding: see `sensitivity`.
        """
        from gmvcausal.targeting.referee.refute import refute

        return refute(_uplift(self), seed, draws)


def _uplift(result: Refereed) -> Uplift:
    return cast("Uplift", result)
