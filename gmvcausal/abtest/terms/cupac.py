"""CUPAC: a model predicts the outcome from what was known before, and its prediction becomes the one covariate.

The prediction for a row comes from a model that saw neither that row nor its cluster (five folds), and never the arm,
so that it is a covariate like any other: Lin's regression on it is valid whatever the model is worth (MLRATE; Guo,
Coey, Konutgan, Li, Schwab and Shahn 2021). A bad model gains nothing; it does not bias.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gmvcausal.abtest.intake.rows import Col, FloatArray, IntArray, Rows
from gmvcausal.abtest.intake.source import Source
from gmvcausal.abtest.metrics import Metric, covariates, model_of, name_of, parts
from gmvcausal.abtest.terms.caps import Cap
from gmvcausal.errors import DesignError, InputError

FOLDS = 5
# Rows x features beyond which fitting takes long enough for a progress bar.
_LONG = 2_000_000
# Small trees that learn slowly: they find bends and interactions of a few columns, and little else in mostly zeros.
_TREES: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_ROUNDS = 150

Predict = Callable[[FloatArray], FloatArray]


def adjusters(k: int, metric: Metric, source: Source) -> list[Col]:
    """The columns that metric number `k` is adjusted for: its covariates, or what a model predicts from them."""
    if model_of(metric) is not None:
        return [Col(p, model=k) for p in parts(metric)]
    return [col for c in covariates(metric) for col in source.expanded[c]]


def learned_from(metric: Metric, source: Source) -> list[Col]:
    """The columns that the model of a metric learns from; none where it has no model."""
    return [] if model_of(metric) is None else [col for c in covariates(metric) for col in source.expanded[c]]


def with_predictions(
    source: Source,
    metrics: Sequence[Metric],
    caps: Sequence[Cap | None],
    seed: int,
    progress: bool,
    notes: list[str],
) -> Source:
    """The same rows with the out-of-fold predictions of every metric that has a model.

    Parameters
    ----------
    source : Source
        In memory where any metric has a model.
    metrics, caps
        Where there is a cap, the model learns from the capped outcome: a few large values would else lead it.
    seed : int
        Of the folds and of the models.
    progress : bool
        Show a bar where fitting takes long.
    notes : list of str
        What was done is added.
    """
    with_model = [(k, m, model) for k, m in enumerate(metrics) if (model := model_of(m)) is not None]
    if not with_model:
        return source
    assert isinstance(source, Rows)
    from tqdm import tqdm

    values = dict(source.values)
    work = sum(len(source.arm) * len(learned_from(m, source)) * len(parts(m)) for _, m, _ in with_model)
    total = FOLDS * sum(len(parts(m)) for _, m, _ in with_model)
    with tqdm(total=total, desc="models", unit="fold", disable=not (progress and work > _LONG), leave=False) as bar:
        for k, metric, model in with_model:
            cap = caps[k]
            limits = (None,) * len(parts(metric)) if cap is None else cap.at
            features = np.column_stack([source.with_gaps(c) for c in learned_from(metric, source)])
            outcomes = [source.column(Col(p, limit)) for p, limit in zip(parts(metric), limits, strict=True)]
            gaps = int(np.isnan(features).any(axis=1).sum())
            # In an order that the rows' own does not touch, so that folds, models and numbers do not depend on it.
            order = _canonical(source, features, outcomes)
            fold = _folds(source, order, seed)
            for part, y in zip(parts(metric), outcomes, strict=True):
                found = np.empty(len(y))
                for j in range(int(fold.max()) + 1):
                    learn, hold = order[fold[order] != j], fold == j
                    predict = train(model, features[learn], y[learn], seed, name_of(metric), gaps)
                    # Less its own mean over what it learned from: a model that knows nothing predicts 0, in every fold.
                    found[hold] = predict(features[hold]) - predict(features[learn]).mean()
                    bar.update()
                if not np.isfinite(found).all():
                    raise InputError(
                        f"the model of {name_of(metric)!r} predicts values that are not finite",
                        remedy="use another model, or leave model= out",
                    )
                values[Col(part, model=k)] = found
            learned = ", ".join(covariates(metric))
            notes.append(
                f"{name_of(metric)!r} is adjusted for what {_said(model)} predicts from {learned} "
                f"({int(fold.max()) + 1} folds by {source.cluster_name or 'row'}, seed {seed}"
                + (", learned from the capped outcome" if cap is not None else "")
                + (f", {gaps:,} rows with missing covariates)" if gaps else ")")
            )
    return replace(source, values=values)


def _canonical(rows: Rows, features: FloatArray, outcomes: list[FloatArray]) -> IntArray:
    """Positions of the rows sorted by content; rows that tie are the same in all that matters."""
    keys = [features[:, j] for j in range(features.shape[1])] + outcomes + [(rows.arm != rows.control) * (rows.arm + 1)]
    if rows.cluster is not None:
        keys.append(rows.cluster)
    return np.lexsort(keys[::-1])


def _folds(rows: Rows, order: IntArray, seed: int) -> IntArray:
    """A fold for each row, drawn by lot; clusters stay together."""
    rng = np.random.default_rng(seed)
    if rows.cluster is not None:
        clusters = int(rows.cluster.max()) + 1
        return np.asarray(rng.permutation(np.arange(clusters) % min(FOLDS, clusters))[rows.cluster])
    if len(order) < 2 * FOLDS:
        raise DesignError(f"{len(order)} rows are too few for a model in {FOLDS} folds", remedy="leave model= out")
    fold = np.empty(len(order), dtype=np.int64)
    fold[order] = rng.permutation(np.arange(len(order)) % FOLDS)
    return fold


def train(model: Any, features: FloatArray, y: FloatArray, seed: int, name: str, gaps: int = 0) -> Predict:
    """Fit LightGBM, or a fresh copy of the user's regressor, and give back how it predicts; `gaps` rows have gaps."""
    if isinstance(model, str):
        return _trees(features, y, seed)
    from sklearn.base import clone

    fresh = clone(model)
    # Left open, these would draw from the global random state, and two runs of one script would differ.
    free = {key: seed for key, value in fresh.get_params().items() if key.endswith("random_state") and value is None}
    fresh.set_params(**free)
    try:
        fresh.fit(features, y)
        return lambda x: np.asarray(fresh.predict(x), dtype=float).reshape(len(x))
    except ValueError as error:
        more = f" ({gaps:,} rows have missing covariates)" if gaps else ""
        raise InputError(
            f"the model of {name!r} cannot be fitted{more}: {str(error).splitlines()[0]}",
            remedy="fill missing covariates deliberately, or use model='lightgbm', which takes them as they are"
            if gaps
            else "use another model, or leave model= out",
        ) from error


def _trees(features: FloatArray, y: FloatArray, seed: int) -> Predict:
    try:
        import lightgbm
    except (ImportError, OSError) as error:  # OSError: its library of threads is missing on some systems
        raise InputError(
            f"model='lightgbm' needs LightGBM, which cannot be loaded here ({error})",
            remedy="run pip install lightgbm (on Linux also the system's libgomp), or pass a scikit-learn regressor",
        ) from error
    # Standardised: the trees compute in single precision, and amounts in cents or far from zero would lose digits.
    mean, spread = float(y.mean()), float(y.std())
    if not spread > 0:
        return lambda x: np.zeros(len(x))
    data = lightgbm.Dataset(features, (y - mean) / spread, free_raw_data=True)
    booster = lightgbm.train({**_TREES, "seed": seed}, data, num_boost_round=_ROUNDS)
    return lambda x: np.asarray(booster.predict(x), dtype=float) * spread


def _said(model: Any) -> str:
    return "LightGBM" if isinstance(model, str) else type(model).__name__
