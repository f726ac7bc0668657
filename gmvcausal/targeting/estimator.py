"""`uplift` in the manner of scikit-learn, for pipelines and searches over options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from gmvcausal.errors import InputError
from gmvcausal.frames.facts import COARSER, says_unit
from gmvcausal.frames.params import one_of, said
from gmvcausal.frames.table import open_table
from gmvcausal.targeting.intake.shares import columns_of
from gmvcausal.targeting.result import Uplift
from gmvcausal.targeting.verb import uplift

FloatArray = NDArray[np.float64]

SCORINGS = ("qini", "value")


class UpliftEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed
    """`gc.uplift` as an estimator of scikit-learn: for `Pipeline`, `GridSearchCV` and `clone`.

    The arm is a column of X, named by `treatment`: so it is cut with the rows by every splitter, and no metadata needs
    to be routed. What comes before in a pipeline must let that column through, for example by
    ``ColumnTransformer(..., remainder="passthrough", verbose_feature_names_out=False).set_output(transform="pandas")``.

    Parameters
    ----------
    treatment : str or int
        Column of X that holds the arm; its position where X is an array.
    features : sequence of str or int, optional
        Default: every column of X that has no other role. One called unit, user, user_id, 用户id, ... is none,
        nor is one that names places (room, city, store, ...), within which arms may have been assigned together:
        features= takes it. What was left out is told in ``result_.manifest.notes``.
    scoring : {"qini", "value"}
        What `score` returns, by doubly robust scores: the Qini coefficient, the mean over the arms; or the net value
        per user, ``margin x effect - cost``, of giving each user the arm with the highest positive one.
    control, learner, estimand, propensity, cost, margin, redeemed, cluster, unit, assigned_at, exposed_at, missing, \
rule, impute, received, dose, sample, folds, alpha, srm_alpha, seed, threads
        As for `gc.uplift`.

    Attributes
    ----------
    result_ : Uplift
        The result of `gc.uplift`, with its average effects, audit and summary; ``result_.policy(frame)`` makes a plan.
    arms_ : tuple
        Labels of the arms but the control: the columns of `predict`.
    n_features_in_ : int
        Columns of X, the arm among them.
    feature_names_in_ : ndarray of str
        Their names, where X has names of text.

    Raises
    ------
    InputError, DesignError
        As `gc.uplift` does, on `fit`.

    Notes
    -----
    `score` refuses rows that were learned from, as `Uplift.evaluate` does, so that ``return_train_score=True`` has no
    number to give. Standard errors of scores are in ``result_.evaluate(frame)``.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> X = pd.DataFrame({"coupon": [0, 1] * 200, "tier": [u // 2 % 2 for u in range(400)]})
    >>> y = pd.Series(10 + 4.0 * X["coupon"] * X["tier"] + [u % 5 for u in range(400)], name="gmv")
    >>> model = gc.UpliftEstimator("coupon", propensity=0.5).fit(X, y)
    >>> model.predict(X).shape, round(model.result_.estimate, 1)
    ((400, 1), 2.0)
    """

    def __init__(
        self,
        treatment: str | int = "treatment",
        *,
        features: Any = None,
        scoring: str = "qini",
        control: Any = None,
        learner: str = "auto",
        estimand: str = "ate",
        propensity: Any = None,
        cost: Any = 0,
        margin: float = 1.0,
        redeemed: str | None = None,
        cluster: str | None = None,
        unit: str | None = None,
        assigned_at: str | None = None,
        exposed_at: str | None = None,
        missing: str = "raise",
        rule: str = "raise",
        impute: Any = None,
        received: str | None = None,
        dose: bool = False,
        sample: int | None = None,
        folds: int = 5,
        alpha: float = 0.05,
        srm_alpha: float = 0.01,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        self.treatment = treatment
        self.features = features
        self.scoring = scoring
        self.control = control
        self.learner = learner
        self.estimand = estimand
        self.propensity = propensity
        self.cost = cost
        self.margin = margin
        self.redeemed = redeemed
        self.cluster = cluster
        self.unit = unit
        self.assigned_at = assigned_at
        self.exposed_at = exposed_at
        self.missing = missing
        self.rule = rule
        self.impute = impute
        self.received = received
        self.dose = dose
        self.sample = sample
        self.folds = folds
        self.alpha = alpha
        self.srm_alpha = srm_alpha
        self.seed = seed
        self.threads = threads

    def fit(self, X: Any, y: Any) -> UpliftEstimator:
        """Learn from rows of all arms.

        Parameters
        ----------
        X : frame or array, shape (n, p)
            The arm, the features, and every column that an option names.
        y : Series or array, shape (n,)
            Outcome. Its name, where it has one, is that of the result's unit.
        """
        one_of("scoring", self.scoring, SCORINGS)
        if y is None:
            raise InputError(
                "uplift requires y to be passed, but the target y is None", remedy="pass the outcome of each row"
            )
        frame = _frame(X)
        self._outcome = _name_of(y, frame)
        options = self.get_params(deep=False)
        del options["scoring"]
        options["treatment"] = treatment = _column(self.treatment)
        if isinstance(self.features, str):
            raise InputError(f"features must be a list of columns, but is {said(self.features)}")
        roles = {treatment, self.cluster, self.unit, self.assigned_at, self.exposed_at, self.redeemed, self.received}
        roles |= {*columns_of(self.propensity), *columns_of(self.cost)}
        free = [c for c in frame.columns if c not in roles]
        bare = {c for c in free if says_unit(c) or c in COARSER}
        chosen = [c for c in free if c not in bare] if self.features is None else self.features
        left = [c for c in free if c in bare] if self.features is None else []
        options["features"] = [_column(c) for c in chosen]
        self.result_: Uplift = uplift(_with_outcome(frame, self._outcome, y), outcome=self._outcome, **options)
        if left:
            named = ", ".join(map(repr, left))
            told = f"left out of the features, because they name users or places: {named} (features= takes them)"
            manifest = self.result_.manifest
            self.result_ = replace(self.result_, manifest=replace(manifest, notes=(*manifest.notes, told)))
        self.arms_ = self.result_.arms
        self.n_features_in_ = len(frame.columns)
        self.__dict__.pop("feature_names_in_", None)
        if not isinstance(X, np.ndarray):
            self.feature_names_in_ = np.array(frame.columns, dtype=object)
        return self

    def predict(self, X: Any) -> FloatArray:
        """Expected effect of every arm on each row, shape (n, arms), in the unit of the outcome.

        Parameters
        ----------
        X : frame or array, shape (n, p)
            As for `fit`; of a frame nothing but the features is looked at.
        """
        check_is_fitted(self, "result_")
        return self.result_.predict(self._like_fitted(X))

    def score(self, X: Any, y: Any) -> float:
        """What `scoring` says on rows that were not learned from: higher is better.

        Parameters
        ----------
        X, y
            As for `fit`.

        Raises
        ------
        DesignError
            These rows trained the model; `dose` is True.
        """
        check_is_fitted(self, "result_")
        rows = _with_outcome(self._like_fitted(X), self._outcome, y)
        from gmvcausal.targeting.held import best_value, evaluation

        if self.dose:
            self.result_.evaluate(rows)  # which refuses to rank by a dose
        if self.scoring == "qini":
            found = evaluation(self.result_, rows, scored=True, version="doubly_robust", alpha=self.result_.alpha)
            return float(np.mean([found.of(label).qini.estimate for label in found.labels]))
        return best_value(self.result_, rows)

    def _like_fitted(self, X: Any) -> Any:
        frame = _frame(X)
        if isinstance(X, np.ndarray) and len(frame.columns) != self.n_features_in_:
            raise InputError(
                f"X has {len(frame.columns)} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                f"features as input",
                remedy="pass the columns of fit, in their order",
            )
        return frame

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def _frame(X: Any) -> nw.DataFrame[Any]:
    """X as named columns; those of an array are x0, x1, ..."""
    if isinstance(X, list):
        X = np.array(X)
    if hasattr(X, "tocsr"):
        raise InputError("X is sparse, and sparse input is not taken", remedy="pass X.toarray(), or a frame")
    if not isinstance(X, np.ndarray):
        return open_table(X, "X").frame
    if X.ndim != 2:
        raise InputError(
            f"X has {X.ndim} dimensions, where 2 are expected. Reshape your data: rows are users",
            remedy="pass a frame, or an array of shape (rows, columns)",
        )
    if not X.shape[1]:
        raise InputError(
            f"X has 0 feature(s) (shape={X.shape}) while a minimum of 1 is required", remedy="pass at least the arm"
        )
    if np.iscomplexobj(X):
        raise InputError("Complex data not supported: X holds complex numbers", remedy="pass real numbers")
    import pandas as pd

    return open_table(pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]).infer_objects(), "X").frame


def _column(name: str | int) -> Any:
    """A column by its name; by its position where X is an array."""
    return f"x{name}" if isinstance(name, int | np.integer) and not isinstance(name, bool) else name


def _name_of(y: Any, frame: nw.DataFrame[Any]) -> str:
    """What the outcome is called: as its series is; else "outcome"."""
    name = getattr(y, "name", None)
    if name is not None and str(name) in frame.columns:
        raise InputError(
            f"X has a column {str(name)!r}, which is what y is called: the outcome would be a feature",
            column=str(name),
            remedy="drop it from X, or give y another name",
        )
    found = "outcome" if name is None or str(name) == "" else str(name)
    while found in frame.columns:
        found += "_"
    return found


def _with_outcome(frame: nw.DataFrame[Any], name: str, y: Any) -> Any:
    """The frame with the outcome as a column of it, row by row, whatever the index of either."""
    found = nw.from_native(y, series_only=True, pass_through=True)
    if isinstance(found, nw.Series):
        # Of the frame's own kind, so that every dtype keeps its meaning.
        values: Any = found.to_native() if found.implementation == frame.implementation else found.to_list()
        values = getattr(values, "array", values)
    else:
        values = np.array(y) if isinstance(y, list | tuple) else y
    if not hasattr(values, "__len__") or getattr(values, "ndim", 1) != 1 or len(values) != len(frame):
        was = f"has the shape {values.shape}" if hasattr(values, "shape") else f"is {said(y)}"
        raise InputError(f"y {was}, and X has {len(frame):,} rows", remedy="pass one outcome for each row")
    return frame.with_columns(nw.new_series(name, values, backend=frame.implementation)).to_native()
