"""The result of `gmvcausal.did` with a synthetic estimator: weights, paths and placebo runs besides the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gmvcausal.errors import DesignError
from gmvcausal.rollout.result import DidResult
from gmvcausal.rollout.synthetic.fit import Synthetic
from gmvcausal.rollout.synthetic.inference import ratio_parts

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False, eq=False)
class SyntheticResult(DidResult):
    """A synthetic control, augmented synthetic control or synthetic difference-in-differences.

    What `DidResult` has, and `weights()`, `paths()` and `placebos()`. `event_study()` gives the gap in every period
    since the start, those before among them; there is no base period.

    Examples
    --------
    A quarter of room 2 and three quarters of room 1 moved as room 0 did; then room 0 sold 2 more:

    >>> import gmvcausal as gc, pandas as pd
    >>> sales = {0: [3, 5, 10], 1: [2, 4, 6], 2: [6, 8, 14]}
    >>> panel = pd.DataFrame([
    ...     dict(unit=u, period=t, gmv=y, first_treated=3 if u == 0 else None)
    ...     for u, path in sales.items() for t, y in enumerate(path, 1)])
    >>> result = gc.did(panel, estimator="synthetic_control")
    >>> print(result.weights()[["label", "weight"]].round(3).to_string(index=False))
     label  weight
         1    0.75
         2    0.25
    >>> round(result.estimate, 6), result.conf_int()
    (2.0, (nan, nan))
    """

    @property
    def _found(self) -> Synthetic:
        found = self.fitted.synthetic
        assert found is not None  # every synthetic estimator keeps what it found
        return found

    def weights(self) -> pd.DataFrame:
        """Weights on control units, and on periods where the estimator has them.

        Returns
        -------
        DataFrame
            cohort, of ("unit" or "time"), label, weight; those of a cohort add up to 1 for each kind. Heaviest first
            within units; periods in order. Exact zeros are left out.
        """
        import pandas as pd

        labels, parts = self.panel.grid.labels(), []
        for start, fit in zip(self._found.design.starts, self._found.answer.cohorts, strict=True):
            heavy = np.argsort(-np.abs(fit.unit), kind="stable")
            kinds = (
                ("unit", self.panel.names(self._found.donors)[heavy], fit.unit[heavy]),
                ("time", labels, fit.time),
            )
            for of, label, weight in kinds:
                some = weight != 0
                parts.append(
                    pd.DataFrame(
                        {
                            "cohort": labels[start],
                            "of": of,
                            "label": pd.Series(label[some], dtype=object),
                            "weight": weight[some],
                        }
                    )
                )
        return pd.concat([p for p in parts if len(p)], ignore_index=True)

    def paths(self) -> pd.DataFrame:
        """Mean outcome of each cohort beside that of its weighted controls, period by period.

        Returns
        -------
        DataFrame
            cohort, period, treated, synthetic, gap, after (whether the period lies after the start). Where the
            estimator has weights on periods, the synthetic path is shifted to meet the treated over them, so that the
            gap is the effect.
        """
        import pandas as pd

        design, labels, parts = self._found.design, self.panel.grid.labels(), []
        for g, fit in enumerate(self._found.answer.cohorts):
            treated = design.paths[g] + design.centre
            parts.append(
                pd.DataFrame(
                    {
                        "cohort": labels[design.starts[g]],
                        "period": labels,
                        "treated": treated,
                        "synthetic": treated - fit.gap,
                        "gap": fit.gap,
                        "after": fit.after,
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def by_cohort(self) -> pd.DataFrame:
        """Estimate of each cohort, its weight in the headline and how well it was matched.

        Returns
        -------
        DataFrame
            cohort, estimate, weight, n (treated units), rmspe_before, rmspe_after.
        """
        import pandas as pd

        design, answer = self._found.design, self._found.answer
        return pd.DataFrame(
            {
                "cohort": self.panel.grid.labels()[design.starts],
                "estimate": [w.estimate for w in answer.cohorts],
                "weight": answer.share,
                "n": design.sizes,
                "rmspe_before": [w.rmspe_before for w in answer.cohorts],
                "rmspe_after": [w.rmspe_after for w in answer.cohorts],
            }
        )

    def placebos(self) -> pd.DataFrame:
        """The treated first, then every placebo run: what the method finds for controls put in their place.

        Returns
        -------
        DataFrame
            unit (with several, their labels in one cell), treated, estimate, rmspe_before, rmspe_after, ratio (after
            over before), rank (by that ratio, 1 is the largest).

        Raises
        ------
        DesignError
            Where no runs were made: by the jackknife, by conformal inference, or for want of controls.
        """
        import pandas as pd

        found, runs = self._found, self._found.runs
        if runs is None:
            raise DesignError(
                "no placebo runs were made for this result", remedy="pass inference='placebo', where controls suffice"
            )
        before, after = ratio_parts(found.answer)
        units = self.panel.names(found.donors)
        names = [units[p[0]] if len(p) == 1 else ", ".join(map(str, units[p])) for p in runs.picks]
        own = self.panel.names(found.rows)
        frame = pd.DataFrame(
            {
                "unit": pd.Series([own[0] if len(own) == 1 else ", ".join(map(str, own)), *names], dtype=object),
                "treated": [True, *[False] * len(names)],
                "estimate": [found.answer.estimate, *runs.estimate],
                "rmspe_before": [before, *runs.before],
                "rmspe_after": [after, *runs.after],
            }
        )
        frame["ratio"] = frame["rmspe_after"] / frame["rmspe_before"]
        frame["rank"] = frame["ratio"].rank(ascending=False, method="max").astype("int64")
        return frame
