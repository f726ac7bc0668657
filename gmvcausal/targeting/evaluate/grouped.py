"""What can be asked of an evaluation about groups of users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gmvcausal.errors import InputError
from gmvcausal.targeting.evaluate.clan import clan
from gmvcausal.targeting.evaluate.groups import Gates, gates, shares
from gmvcausal.targeting.evaluate.linear import BestLinear, best_linear
from gmvcausal.targeting.evaluate.ranked import FloatArray

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.targeting.evaluate.ranking import Ranking


class Grouped:
    """Effects by group of a ranking, the line through them, and who the groups are: of the first arm."""

    rankings: tuple[Ranking, ...]
    version: str
    alpha: float
    traits: Mapping[str, FloatArray] | None

    def deciles(self, bins: int = 10) -> pd.DataFrame:
        """Effect by equal shares of the users, highest scores first.

        Parameters
        ----------
        bins : int

        Returns
        -------
        DataFrame
            ``bin`` (1 is the highest), ``predicted`` (mean score), ``estimate``, ``std_error``, ``conf_low``,
            ``conf_high``, ``n``. Users with the same score count in parts where a border runs through them; no
            interval where an arm has fewer than two users. Borders are taken as they fell. Of people, as many groups as
            leave ten users of either arm in each: fewer than `bins` of a small test set, in one row at worst.
        """
        return shares(self.rankings[0], self.version == "doubly_robust", int(bins), 1 - self.alpha)

    def gates(self, groups: int = 5) -> Gates:
        """Sorted group average effects: doubly robust, with limits that hold for all groups together.

        `deciles()` has the same shares by differences of means, each with a limit of its own. Here the claim is made
        about all groups at once, and tested: does the first group gain more than the last, and does the order hold?

        Parameters
        ----------
        groups : int

        Returns
        -------
        Gates
            ``to_frame()``, ``difference`` (first less last), ``order_p`` (p-value of the test that no group gains
            more than the one before it: Patton and Timmermann 2010), ``summary()``.

        Raises
        ------
        DesignError
            All scores are equal; a group with fewer than two users of an arm.

        Notes
        -----
        Of people, groups are merged until each has ten users of either arm; where there are no two such groups, a
        `DesignError` says so.

        References
        ----------
        Chernozhukov, Demirer, Duflo and Fernández-Val (2025), Econometrica 93; Montiel Olea and Plagborg-Møller (2019),
        Journal of Applied Econometrics 34 (joint limits).
        """
        return gates(self.rankings[0], int(groups), self.alpha)

    def best_linear(self) -> BestLinear:
        """The best linear predictor of effects by the score: average effect, and heterogeneity that the score finds.

        By the weighted regression of the outcome on the treatment less its chance and on that times the score, which
        needs no predictions of outcomes; HC2 standard errors, by cluster where there are clusters. The slope of
        `calibration()` estimates the same by doubly robust scores, which do.

        Raises
        ------
        DesignError
            All scores are equal; users who could not have got both arms.

        References
        ----------
        Chernozhukov, Demirer, Duflo and Fernández-Val (2025), Econometrica 93.
        """
        return best_linear(self.rankings[0], self.alpha)

    def clan(self, groups: int = 5) -> pd.DataFrame:
        """Who gains most and who least, by the score: means of every feature in the first and in the last group.

        Parameters
        ----------
        groups : int
            Into how many equal shares users are cut.

        Returns
        -------
        DataFrame
            ``feature`` (levels of categories and gaps are shares), ``most``, ``least``, ``difference``, ``std_error``,
            ``p_value`` (Holm's, for the number of rows), ``conf_low``, ``conf_high`` (which hold for all rows
            together), ``n_most``, ``n_least``.

        Raises
        ------
        InputError
            Nothing is known of the users but their scores.
        DesignError
            All scores are equal.

        Notes
        -----
        It describes whom the model puts first, not what makes them gain: features that go together all differ. Of
        people, rows from which a count of fewer than ten follows hold no numbers: a level or flag that few have or few
        do not, one more level where the others would give it away, a number of few values of which one is as rare.
        """
        if not self.traits:
            raise InputError(
                "nothing is known of these users but their scores",
                remedy="evaluate a model with features, or pass traits=",
            )
        return clan(self.rankings[0], self.traits, int(groups), self.alpha)
