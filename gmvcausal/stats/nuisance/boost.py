"""Growing boosted trees: one binning of the features for all folds, arms and stages."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmvcausal.stats.nuisance.boosted import MANY, FloatArray, IntArray, Matrix, Trees, lightgbm


@dataclass(frozen=True)
class Recipe:
    """How trees are grown.

    Attributes
    ----------
    rounds, leaves : int
        Trees, and leaves of each.
    rate : float
        Learning rate.
    least : int
        Rows that a leaf needs.
    ridge : float
        Penalty on the leaves' squared values.
    objective : str
        Of LightGBM: "regression", "binary", "cross_entropy", ...
    """

    rounds: int = 100
    leaves: int = 15
    rate: float = 0.1
    least: int = 20
    ridge: float = 0.0
    objective: str = "regression"


def recipe(n: int, objective: str = "regression", *, effect: bool = False) -> Recipe:
    """Trees for `n` rows: leaves hold 20 rows at least and a two-hundredth of all of them at most 200.

    Effects are smaller than outcomes and their pseudo-outcomes noisier, so that their trees are shallower and slower.
    """
    if effect:
        # What an arm adds to log odds and log amounts is simpler than what it adds to money.
        leaves = 6 if objective == "regression" or n >= 50_000 else 3
        return Recipe(60, leaves, 0.05, max(20, min(n // 50, 2000)), 10.0, objective)
    return Recipe(100, 15, 0.1, max(20, min(n // 200, 200)), 1.0, objective)


class Bins:
    """Features put into bins once; every model trains on a selection of the rows.

    Parameters
    ----------
    x : ndarray of float32, shape (n, p)
    categorical : sequence of int
        Positions of the columns that hold codes of levels.
    seed, threads : int
    seen : int, optional
        How many columns, from the first on, trees see; the others are for lines. Default all.
    """

    def __init__(self, x: Matrix, categorical: Sequence[int], seed: int, threads: int, seen: int | None = None) -> None:
        self.x = x
        self.categorical = tuple(categorical)
        self._params = {
            "verbosity": -1,
            "deterministic": True,
            "force_row_wise": True,  # the same sums as by columns, sooner where there are many rows
            "metric": "None",
            "num_threads": threads,
            "seed": seed,
            "feature_pre_filter": False,
            "min_data_in_bin": 3,
            "max_cat_to_onehot": 8,
        }
        if len(x) >= MANY:
            self._params["bin_construct_sample_cnt"] = 50_000  # 200 rows for each border of 255 bins
        self._all: Any = None
        if x.shape[1] and len(x) > 1:
            lgb = lightgbm()
            self._all = lgb.Dataset(
                x if seen is None else x[:, :seen],
                np.zeros(len(x), dtype=np.float32),
                categorical_feature=list(categorical) or "auto",
                params=self._params,
            ).construct()
            _give_back(len(x))

    def train(
        self, rows: IntArray, target: FloatArray, recipe: Recipe, weight: FloatArray | None = None,
        start: FloatArray | None = None,
    ) -> Trees:  # fmt: skip
        """Trees that learn `target` (of the selected rows, in their order) from the features.

        As `grow`, without what the trees say of their own rows.
        """
        return self.grow(rows, target, recipe, weight, start)[0]

    def grow(
        self, rows: IntArray, target: FloatArray, recipe: Recipe, weight: FloatArray | None = None,
        start: FloatArray | None = None,
    ) -> tuple[Trees, FloatArray]:  # fmt: skip
        """Trees, and what they say of the rows that they learned from, which they know without going through them.

        Where the trees have no link the target is put on a scale of its own first: they compute in single precision.

        Parameters
        ----------
        rows : ndarray of int
            In ascending order.
        target : ndarray, shape (len(rows),)
        recipe : Recipe
        weight : ndarray, shape (len(rows),), optional
        start : ndarray, shape (len(rows),), optional
            Of chances and amounts: what is known already, on the scale of the link. The trees learn what is missing.

        Returns
        -------
        Trees
        ndarray, shape (len(rows),)
            As `Trees.raw` of these rows, on the scale of the link: `start` is not in it.
        """
        linked = recipe.objective != "regression"
        middle, spread = _scale(target, weight, linked)
        constant = 0.0 if start is not None else middle
        if self._all is None or len(rows) < 2 * recipe.least or not spread > 0:
            none = Trees(None, constant, 1.0, recipe.objective)
            return none, np.repeat(none.raw(self.x[:1]), len(rows))
        part = self._part(rows)
        part.set_label(target if linked else (target - middle) / spread)
        if weight is not None:
            part.set_weight(weight * (len(weight) / weight.sum()))
        if start is not None:
            part.set_init_score(start)
        lgb = lightgbm()
        params = {
            **self._params,
            "objective": recipe.objective,
            "learning_rate": recipe.rate,
            "num_leaves": recipe.leaves,
            "min_data_in_leaf": recipe.least,
            "lambda_l2": recipe.ridge,
            "min_sum_hessian_in_leaf": 1e-3,
        }
        booster = lgb.Booster(params, part)
        for _ in range(recipe.rounds):
            if booster.update():  # no leaf can be split any more
                break
        said = _said(booster, part, recipe.objective)
        if start is not None:
            said -= start
        # The text alone: the booster holds on to its rows.
        trees = Trees(lgb.Booster(model_str=booster.model_to_string()), constant, spread, recipe.objective)
        del booster, part
        _give_back(len(rows))
        return trees, said if linked else middle + spread * said

    def _part(self, rows: IntArray) -> Any:
        """The binned rows: ``subset`` of one, then the others, since it makes a list of Python's numbers of them."""
        part = self._all.subset([0], params=self._params)
        part.used_indices = np.ascontiguousarray(rows, dtype=np.int32)
        part.construct()
        if part.num_data() != len(rows):
            part = self._all.subset(rows, params=self._params).construct()
        return part

    def tree(self, rows: IntArray, target: FloatArray, weight: FloatArray, least: int, seed: int) -> str:
        """The text of one tree as deep as `least` rows in a leaf allow, for a forest."""
        middle, spread = _scale(target, weight, linked=False)
        part = self._part(rows)
        part.set_label((target - middle) / (spread if spread > 0 else 1.0))
        part.set_weight(weight * (len(weight) / weight.sum()))
        p = self.x.shape[1]
        params = {
            **self._params,
            "objective": "regression",
            "learning_rate": 1.0,
            "num_leaves": max(2, len(rows) // least),
            "min_data_in_leaf": least,
            "min_data_per_group": least,
            "min_sum_hessian_in_leaf": 1e-3,
            "feature_fraction_bynode": min(1.0, (np.sqrt(p) + 20) / p),  # so many features as grf tries
            "feature_fraction_seed": seed,
        }
        booster = lightgbm().Booster(params, part)
        booster.update()
        return str(booster.model_to_string())


def _give_back(rows: int) -> None:
    """Return freed memory to the system, where the C library keeps it unless it is told (glibc).

    Otherwise what every model has held, several bytes for each row and feature, adds up to more than the data.
    """
    if rows < MANY or not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries (musl) do not have it
    if trim is not None:
        trim(0)


def _said(booster: Any, part: Any, objective: str) -> FloatArray:
    """What a booster says of its own rows, on the scale of the link, from the sums that it has kept in training."""
    found: list[FloatArray] = []

    def keep(said: FloatArray, _: Any) -> tuple[str, float, bool]:
        found.append(np.array(said, dtype=np.float64))
        return "kept", 0.0, True

    booster.eval(part, "own", keep)
    said = found[0]
    if objective in ("binary", "cross_entropy"):
        said = np.clip(said, 1e-15, 1 - 1e-15)
        return np.asarray(np.log(said) - np.log1p(-said))
    return np.log(said) if objective == "gamma" else said


def _scale(target: FloatArray, weight: FloatArray | None, linked: bool) -> tuple[float, float]:
    """Mean and spread; under a link the mean on its scale is not needed, only whether there is anything to learn."""
    if not len(target):
        return 0.0, 0.0
    middle = float(np.average(target, weights=weight))
    centred = target - middle
    spread = float(np.sqrt(np.average(centred * centred, weights=weight)))
    return middle, float(spread > 0) if linked else spread
