"""The result of `gmvcausal.uplift` where the treatment is an amount."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.params import said
from gmvcausal.frames.table import open_table
from gmvcausal.results import Audit, Result
from gmvcausal.targeting.dose.fit import DoseFit
from gmvcausal.targeting.dose.intake import Doses
from gmvcausal.targeting.intake.trial import Asked

if TYPE_CHECKING:
    import os

    import pandas as pd

    from gmvcausal.targeting.policy.seen import Seen

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class DoseExtra:
    """The columns of `to_frame()` that only doses have, one entry per row."""

    treatment: tuple[str, ...]
    method: tuple[str, ...]
    df: tuple[float, ...]
    dose_mean: tuple[float, ...]
    dose_low: tuple[float, ...]
    dose_high: tuple[float, ...]


@dataclass(frozen=True, repr=False, eq=False)
class DoseUplift(Result):
    """What one unit more of an amount adds: on average, with its audit, and for every user.

    Besides the shared protocol (`estimate`, `conf_int()`, `to_frame()`, `summary()`, `audit`, ...):

    Attributes
    ----------
    asked : Asked
        Which column is what.
    doses : Doses
        The rows that were learned from.
    fit : DoseFit
        Residuals, models and out-of-fold slopes.
    advice : tuple of str
        What the summary adds to the finding.
    """

    checks: Audit
    extra: DoseExtra
    asked: Asked
    doses: Doses = field(repr=False)
    fit: DoseFit = field(repr=False)
    advice: tuple[str, ...] = ()

    @property
    def audit(self) -> Audit:
        """The checks that bear on the assumption."""
        return self.checks

    @property
    def arms(self) -> tuple[str, ...]:
        """The treatment: the one column of `predict`."""
        return (self.asked.treatment,)

    @property
    def learner(self) -> str:
        """The learner behind `predict`: "r", or "none" without features."""
        return self.fit.learner

    @property
    def effects(self) -> FloatArray:
        """Each training row's slope by models that have not seen it, in the order of the data, shape (n, 1)."""
        if not self.doses.trial.n:
            raise InputError("the rows that were learned from are not in the file", remedy="use predict(data)")
        return self.doses.trial.in_table_order(self.fit.slopes[:, None])

    @cached_property
    def seen(self) -> Seen:
        """What the model has seen, so that it is not judged by it."""
        from gmvcausal.targeting.policy.seen import seen

        t = self.doses.trial
        return seen("trained the model", t.x, t.y, self.doses.dose)

    def predict(self, data: Any) -> FloatArray:
        """Expected effect of one unit more of the dose on each row, in units of the outcome.

        Parameters
        ----------
        data : frame, parquet path or DuckDB relation
            The features; nothing else is looked at. Gaps and levels that training never saw are taken as gaps.

        Returns
        -------
        ndarray, shape (n, 1)
            In the order of the rows: the mean of the models of all folds. For the rows that were learned from use
            `effects`.

        Raises
        ------
        InputError
            A feature is not there, or holds another kind of values than in training.
        """
        features = self.doses.trial.features
        return self.fit.predict(features.transform(open_table(data, needed=features.needed)))

    def calibration(self, test: Any, *, groups: int = 5) -> pd.DataFrame:
        """Do users with a higher predicted slope have a higher one? Groups of users who were not learned from.

        Parameters
        ----------
        test : frame, parquet path or DuckDB relation
            Doses and outcomes of other users, given as these were.
        groups : int
            Of equal size, by predicted slope; 2 to 20.

        Returns
        -------
        DataFrame
            One row for each group, the lowest first: group, n, predicted (its mean, weighted as the estimate is),
            estimate, std_error, conf_low, conf_high (at the level of the call). The estimate is residual on residual
            within the group, with what is expected of doses and outcomes learned on these rows alone, out of fold.

        Raises
        ------
        DesignError
            These rows trained the model; all predictions are the same; a group in which the dose does not vary.
        """
        from gmvcausal.targeting.dose.calibrated import calibration

        return calibration(self, test, groups)

    def evaluate(self, test: Any, **_: Any) -> NoReturn:
        """Refused: Qini and AUTOC compare arms. See `calibration`.

        Raises
        ------
        DesignError
        """
        raise DesignError(
            "Qini, AUTOC and deciles compare those who got an arm with those who did not, and a dose has no arms",
            remedy="read m.calibration(test), slopes of groups on users kept apart; or group the amounts into few "
            "arms, without dose=",
        )

    def policy(self, data: Any, **_: Any) -> NoReturn:
        """Refused: the best amount of a straight line is none or all.

        Raises
        ------
        DesignError
        """
        raise DesignError(
            "the effect is a line in the dose, so that the best amount for anybody is the least or the most there is",
            remedy="compare m.asked.margin * m.predict(data) with the cost of a unit; for a plan group the amounts "
            "into few arms, without dose=",
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result to a file that `gc.load_uplift` reads: a zip of JSON, the trees as text, no pickled code.

        The rows that were learned from are not in it, only a number for each that tells whether it is met again.
        """
        from gmvcausal.targeting.dose.saved import to_dict
        from gmvcausal.targeting.saved import write

        write(to_dict(self), path)

    def _extra_columns(self) -> dict[str, Any]:
        return {k: list(v) for k, v in self.extra.__dict__.items()}


def whole_groups(value: Any) -> int:
    """A number of groups."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 2 <= int(value) <= 20:
        raise InputError(f"groups must be a whole number from 2 to 20, but is {said(value)}")
    return int(value)
