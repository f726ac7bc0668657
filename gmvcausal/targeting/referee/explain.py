"""Which features move the predicted effects: exact Shapley values of trees that imitate the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvcausal.errors import DesignError, InputError
from gmvcausal.frames.features import Features
from gmvcausal.frames.params import one_of, said
from gmvcausal.frames.table import open_table
from gmvcausal.results.curves import Curves, Line, wrapped
from gmvcausal.stats.nuisance.boost import Bins, Recipe
from gmvcausal.stats.nuisance.boosted import Matrix, Trees
from gmvcausal.targeting.intake.trial import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from gmvcausal.targeting.result import Uplift

# Share of the variance of the effects that the imitation must get right on rows it has not learned from.
FAITHFUL = 0.8
# Rows that are explained where nobody says which, and rows that the imitation learns from at least and at most.
SHOWN, LEAST, MOST = 10_000, 10_000, 100_000
_MIXED = 0.3  # chance that a value of a made-up row is another row's
_TURN = 0.3  # rank correlation from which on a feature counts as moving effects one way
_RECIPE = Recipe(200, 15, 0.1, 5, 0.0, "regression")
KINDS = ("bar", "beeswarm")


@dataclass(frozen=True, repr=False, eq=False)
class Explanation:
    """What each feature adds to the predicted effect of each user.

    Attributes
    ----------
    arm : label
        Whose effect it is.
    names : tuple of str
        Of the features.
    values : ndarray, shape (n, p)
        Shapley values, in the unit of the outcome: a row sums to its `prediction` less `mean`.
    mean : float
        Prediction of which nothing is known: where all rows start from.
    prediction : ndarray, shape (n,)
        By the imitation.
    effects : ndarray, shape (n,)
        By the model itself, ``m.predict``.
    fidelity : float
        R2 of the imitation on rows that it has not learned from.
    unit : str
    rows : ndarray of int, shape (n,)
        Positions of these rows in the table.
    """

    arm: Any
    names: tuple[str, ...]
    values: FloatArray
    mean: float
    prediction: FloatArray
    effects: FloatArray
    fidelity: float
    unit: str
    rows: IntArray
    of: int
    features: Features = field(repr=False)
    x: Matrix = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row per feature, the most important first.

        Returns
        -------
        DataFrame
            ``feature``, ``mean_abs_shap`` (mean size of what it adds, in `unit`), ``share`` of the sum over features,
            ``direction`` (for numbers by the rank correlation of value and contribution, for categories the levels
            with the highest and lowest mean), ``unit``.
        """
        import pandas as pd

        size = np.abs(self.values).mean(axis=0)
        total = float(size.sum())
        frame = pd.DataFrame(
            {
                "feature": self.names,
                "mean_abs_shap": size,
                "share": size / total if total > 0 else size,
                "direction": [self._direction(j) for j in range(len(self.names))],
                "unit": self.unit,
            }
        )
        return frame.sort_values("mean_abs_shap", ascending=False, kind="stable", ignore_index=True)

    def levels(self) -> pd.DataFrame:
        """What every level of every category adds on average: ``feature``, ``level``, ``mean_shap``, ``n``."""
        import pandas as pd

        rows = []
        for j, (name, levels) in enumerate(zip(self.names, self.features.levels, strict=True)):
            if not levels:
                continue
            code = self.x[:, j]
            for k, level in enumerate((*levels, "(missing)")):
                here = np.isnan(code) if k == len(levels) else code == k
                if here.any():
                    rows.append((name, level, float(self.values[here, j].mean()), int(here.sum())))
        return pd.DataFrame(rows, columns=["feature", "level", "mean_shap", "n"])

    def _direction(self, j: int) -> str:
        if self.features.levels[j]:
            found = self.levels()
            own = found[found["feature"] == self.names[j]].sort_values("mean_shap", kind="stable")
            if len(own) < 2 or np.ptp(own["mean_shap"]) == 0:
                return "no difference"
            return f"most for {own['level'].iloc[-1]!r}, least for {own['level'].iloc[0]!r}"
        live = ~np.isnan(self.x[:, j])
        value, added = self.x[live, j], self.values[live, j]
        if len(value) < 2 or np.ptp(value) == 0 or np.ptp(added) == 0:
            return "no difference"
        from scipy import stats

        turn = float(stats.spearmanr(value, added).statistic)
        return "rises with it" if turn > _TURN else "falls with it" if turn < -_TURN else "up and down"

    def summary(self) -> str:
        """What moves the effects, in words."""
        lines = [
            f"What moves the predicted effects of {self.arm}, {len(self.values):,} of {self.of:,} rows",
            f"Mean predicted effect {self.mean:+.4g}; each feature adds to it or takes from it ({self.unit}):",
        ]
        frame = self.to_frame()
        for row in frame.head(12).itertuples():
            lines.append(f"  {row.feature!s:<24.24}{row.mean_abs_shap:>10.3g}  {row.share:>4.0%}  {row.direction}")
        if len(frame) > 12:
            lines.append(f"  … and {len(frame) - 12} more (to_frame())")
        lines.append(
            f"The imitation follows the model with R2 {self.fidelity:.3f} on unseen rows. It says what "
            "the model does with the features, not what would happen if they were changed; and a ranking that is noise "
            "(m.evaluate(test)) has reasons that are noise."
        )
        return wrapped(lines, indent=2)

    def __repr__(self) -> str:
        return self.summary()

    def curves(self, kind: str = "bar") -> Curves:
        """A figure in numbers: "bar" (mean size by feature) or "beeswarm" (every row)."""
        kind = one_of("kind", kind, KINDS)
        order = self.to_frame()["feature"].tolist()[:15]
        title, about = f"What moves the predicted effects of {self.arm}", f"adds to the effect, {self.unit}"
        if kind == "bar":
            frame = self.to_frame().head(15)
            size = frame["mean_abs_shap"].to_numpy(float)
            at = np.arange(len(size), dtype=float)
            bars = tuple(  # a bar is a band from zero to its size
                Line("", np.array([k - 0.35, k + 0.35]), np.full(2, v), low=np.zeros(2), high=np.full(2, v))
                for k, v in zip(at, size, strict=True)
            )
            return Curves(title, "", f"mean size of what it {about}", bars, True, ticks=tuple(order), slanted=True)
        rng = np.random.default_rng(0)
        use = rng.permutation(len(self.values))[:2_000]
        sides: dict[str, list[tuple[FloatArray, FloatArray]]] = {"low value": [], "high value": [], "category": []}
        for k, name in enumerate(order):
            j = self.names.index(name)
            x, y = self.x[use, j], self.values[use, j].astype(float)
            place = k + rng.uniform(-0.3, 0.3, len(use))
            if self.features.levels[j]:
                sides["category"].append((place, y))
                continue
            above = x > np.nanmedian(x) if not np.isnan(x).all() else np.zeros(len(x), dtype=bool)
            sides["high value"].append((place[above], y[above]))
            sides["low value"].append((place[~above], y[~above]))
        lines = tuple(
            Line(label, np.concatenate([p for p, _ in found]), np.concatenate([v for _, v in found]), "points")
            for label, found in sides.items() if found
        )  # fmt: skip
        return Curves(title, "", about, lines, True, ticks=tuple(order), slanted=True)

    def plot(self, kind: str = "bar", *, language: str = "en", labels: Mapping[str, str] | None = None) -> Figure:
        """Draw "bar" or "beeswarm"."""
        return self.curves(kind).draw(language=language, labels=labels)


def explain(m: Uplift, data: Any, arm: Any) -> Explanation:
    """See `Uplift.explain`."""
    features, labels = m.trial.features, m.arms
    label = labels[0] if arm is None else arm
    if label not in labels:
        listed = ", ".join(map(repr, labels))
        raise InputError(f"arm is {said(arm)}, which has no effect of its own here", remedy=f"name one of {listed}")
    if not features.names or m.fit.model is None:
        raise DesignError(
            "without features every user has the same effect, so there is nothing to explain",
            remedy="pass features= to uplift",
        )
    if data is None and not m.trial.n:
        raise InputError("the rows that were learned from are not in the file", remedy="pass data=, rows to explain")
    place = labels.index(label)
    if data is None:
        shown = np.sort(np.random.default_rng(0).permutation(m.trial.n)[:SHOWN])
        table_rows = m.trial.in_table_order(np.arange(m.trial.n))[shown]
        x, of = m.trial.x[table_rows], m.trial.n
    else:
        x = features.transform(open_table(data, needed=features.needed))
        shown, of = np.arange(len(x)), len(x)
    ground = m.trial.x if m.trial.n else x
    trees, fidelity = _imitation(m, ground, place)
    added = trees.contributions(x, m.fit.threads)
    return Explanation(
        label, features.names, added[:, :-1], float(added[0, -1]) if len(added) else float("nan"),
        trees.predict(x, m.fit.threads), m.fit.predict(x)[:, place], fidelity, m.unit, shown, of, features, x,
    )  # fmt: skip


def _imitation(m: Uplift, x: Matrix, place: int) -> tuple[Trees, float]:
    """Trees that say what the model says, and the R2 of such trees on rows that they have not learned from.

    The model can be asked of any row, so that small tables are filled up with rows that mix the values of others.

    Raises
    ------
    DesignError
        All effects are the same, or no small trees follow the model.
    """
    seed = int(m.manifest.seed or 0)
    rng = np.random.default_rng(seed)
    ground = x[rng.permutation(len(x))[:MOST]]
    half = len(ground) // 2
    tried, true = ground[half:][:SHOWN], None
    if half:
        true = m.fit.predict(tried)[:, place]
    if true is None or len(true) < 2 or not true.std() > 1e-9 * max(1.0, float(np.abs(true).max())):
        raise DesignError(
            "the model gives every user the same effect, so there is nothing to explain",
            remedy="read the average effect; more rows may tell users apart",
        )
    told = _learned(m, ground[:half], place, rng, seed).predict(tried, m.fit.threads)
    fidelity = 1 - float(((told - true) ** 2).mean() / true.var())
    if fidelity < FAITHFUL:
        raise DesignError(
            f"no small trees follow this model: R2 {fidelity:.2f} on rows they had not learned from, and "
            f"{FAITHFUL:g} is needed, so what they say of features would not be what it does",
            remedy="explain a simpler learner ('dr'), learn from more rows, or read m.policy(data, depth=2)",
        )
    return _learned(m, ground, place, rng, seed), fidelity


def _learned(m: Uplift, ground: Matrix, place: int, rng: np.random.Generator, seed: int) -> Trees:
    rows = [ground]
    more = LEAST - len(ground)
    if more > 0:
        one = ground[rng.integers(0, len(ground), more)]
        for j in range(ground.shape[1]):
            other = rng.random(more) < _MIXED
            one[other, j] = ground[rng.integers(0, len(ground), int(other.sum())), j]
        rows.append(one)
    x = np.asfortranarray(np.vstack(rows))
    bins = Bins(x, m.trial.features.categorical, seed, m.fit.threads)
    return bins.train(np.arange(len(x)), m.fit.predict(x)[:, place], _RECIPE)
