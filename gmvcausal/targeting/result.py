"""The result of `gmvcausal.uplift`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvcausal.errors import InputError
from gmvcausal.frames.facts import rows_are_people
from gmvcausal.results import Audit
from gmvcausal.targeting.fit import Fit
from gmvcausal.targeting.intake.trial import Asked, Trial
from gmvcausal.targeting.modelled import Modelled
from gmvcausal.targeting.referee.methods import Refereed

if TYPE_CHECKING:
    import pandas as pd

    from gmvcausal.targeting.large.draw import Sampled
    from gmvcausal.targeting.policy.seen import Seen

FloatArray = NDArray[np.float64]


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
class Uplift(Modelled, Refereed):
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
    origin : table, optional
        The data as they were passed; None after pickling or loading.
    redeemed : dict of str to list, or None
        The columns of `redemption()`.
    sampled : Sampled or None
        What was learned from, where that is a sample of the rows: `trial` and `fit` are then of the sample.
    """

    checks: Audit
    extra: Extra
    asked: Asked
    trial: Trial = field(repr=False)
    fit: Fit = field(repr=False)
    advice: tuple[str, ...] = ()
    alike: tuple[int, ...] = ()
    origin: Any = field(default=None, repr=False)
    redeemed: dict[str, list[Any]] | None = None
    sampled: Sampled | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "origin": None}  # a pickled result does not carry the users' data along

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
    def people(self) -> bool:
        """Whether rows are people, of whom no group of fewer than ten is shown."""
        return rows_are_people(self.asked.unit, self.trial.facts)

    @property
    def learner(self) -> str:
        """The learner behind `predict`; ``"auto"`` is resolved."""
        return self.fit.learner

    @property
    def effects(self) -> FloatArray:
        """Each training row's effects out of fold, in the order of the data, shape (n, arms).

        The last stage has not seen the row. What dr, r and the hurdle learn from was made with predicted outcomes by
        models that had, so that these effects know a little of their own outcomes: judge them on users kept apart.
        """
        if not self.trial.n:
            raise InputError("the rows that were learned from are not in the file", remedy="use predict(data)")
        if self.sampled is not None:
            raise InputError("a sample of the rows was learned from, which has no order", remedy="use predict(data)")
        return self.trial.in_table_order(self.fit.effects)

    @cached_property
    def seen(self) -> Seen:
        """What the model has seen, so that it is not judged by it."""
        from gmvcausal.targeting.held import trained

        return trained(self)

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

    def arm_values(self) -> pd.DataFrame:
        """Mean outcome of every arm as it was: arm, n, mean."""
        import pandas as pd

        t = self.trial
        if not t.n:
            raise InputError("the rows that were learned from are not in the file", remedy="use to_frame()")
        if self.sampled is not None and self.sampled.whole:
            last = [k for k, method in enumerate(self.extra.method) if method == "difference of means"]
            if last:
                e = self.extra
                values = [e.control_value[last[0]], *(e.value[k] for k in last)]
                return pd.DataFrame({"arm": list(t.labels), "n": self.sampled.sizes, "mean": values})
        mean = np.bincount(t.arm, t.y, minlength=t.arms) / t.sizes
        return pd.DataFrame({"arm": list(t.labels), "n": t.sizes, "mean": mean})

    def redemption(self) -> pd.DataFrame:
        """How many redeem the coupon of every arm, and what that costs; with `redeemed=`.

        Returns
        -------
        DataFrame
            arm; n, and how many of them redeemed; share of everyone who would (doubly robust) with its interval;
            mean cost of a redeemed coupon, and of giving the coupon to a user; whether features tell who redeems.

        Raises
        ------
        InputError
            The model was made without `redeemed=`.
        """
        import pandas as pd

        if self.redeemed is None:
            raise InputError(
                "nobody said who redeemed the coupon: the cost counts for every treated user",
                remedy="pass redeemed= to uplift, a column that is 1 where the coupon was redeemed",
            )
        return pd.DataFrame(self.redeemed)
